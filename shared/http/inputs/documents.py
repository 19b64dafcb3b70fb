"""Fields that documents of all kinds share: who sends them, under which number, about whom, in which revision."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from shared.events import Party
from shared.http.inputs.model import Input
from shared.http.inputs.text import CodeRule, ExternalId, Id, TextRule
from shared.http.inputs.times import WHEN
from shared.http.problems import refuse

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Source = Annotated[str, CodeRule(64, re.compile(r"[A-Za-z0-9._:\-]+", re.ASCII), example="sap-1")]
"""Name of a system that sends documents. Without slash: source and number together are one key."""

Number = Annotated[str, TextRule(128)]
"""What a source calls a document; unique for ever within source and kind."""

NaturalKey = Annotated[str, TextRule(64 + 1 + 128)]
"""`source/number`: how evidence names a document."""


@dataclass(frozen=True, slots=True)
class _SourceRevisionRule:
    def check(self, value: object, info: core_schema.ValidationInfo) -> int:
        if type(value) is int:
            if not 0 <= value < 2**62:
                raise refuse("out_of_range", "A revision is a whole number from 0 to 2^62.")
            return value
        if type(value) is str:
            return int((WHEN.check(value, info) - _EPOCH).total_seconds() * 1_000_000)
        raise refuse("source_revision", "Write a whole number such as 7, or the time of the last change.")

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]}


SourceRevision = Annotated[int, _SourceRevisionRule()]
"""Orders what a source sends again under one number: an integer, or the time of its last change."""


class PartyIn(Input):
    """A customer: by our `id`, or by what a source system calls him (`source`: the document's own if left out)."""

    id: Id | None = None
    source: Source | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.id is None) == (self.external_id is None):
            raise refuse("customer_name", "Name the customer by id or by external_id, and not by both.")
        if self.id is not None and self.source is not None:
            raise refuse("customer_name", "An id of ours has no source.")
        return self

    def party(self, source: str) -> Party:
        """Who is meant, in a document of `source`."""
        if self.external_id is not None:
            return Party.external(self.source or source, self.external_id)
        assert self.id is not None
        return Party(id=self.id)


class DocumentIn(Input):
    """What every document pushed by a source carries."""

    source: Source
    number: Number
    source_revision: SourceRevision | None = None
    customer: PartyIn
