"""Input types all write routes inherit, and the only way a body is read: exact numbers, strict types, stable codes."""

from shared.http.inputs.amounts import (
    Amount,
    Currency,
    Money,
    MoneyRule,
    Number,
    PositiveMoney,
    SignedMoney,
    minor_of,
)
from shared.http.inputs.body import MAX_BULK_BYTES, MAX_BYTES, Reads, body, reads
from shared.http.inputs.documents import DocumentIn, NaturalKey, PartyIn, Source, SourceRevision
from shared.http.inputs.documents import Number as DocumentNumber
from shared.http.inputs.model import Input
from shared.http.inputs.parsing import MAX_ROWS, RowError, parse_body, parse_rows
from shared.http.inputs.text import Code, CodeRule, ExternalId, Id, LongText, Text, TextRule, digits_only
from shared.http.inputs.times import Day, When

__all__ = [
    "MAX_BULK_BYTES",
    "MAX_BYTES",
    "MAX_ROWS",
    "Amount",
    "Code",
    "CodeRule",
    "Currency",
    "Day",
    "DocumentIn",
    "DocumentNumber",
    "ExternalId",
    "Id",
    "Input",
    "LongText",
    "Money",
    "MoneyRule",
    "NaturalKey",
    "Number",
    "PartyIn",
    "PositiveMoney",
    "Reads",
    "RowError",
    "SignedMoney",
    "Source",
    "SourceRevision",
    "Text",
    "TextRule",
    "When",
    "body",
    "digits_only",
    "minor_of",
    "parse_body",
    "parse_rows",
    "reads",
]
