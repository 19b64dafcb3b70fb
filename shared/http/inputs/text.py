"""Texts, codes and identifiers as clients may write them."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from shared.http.problems import refuse

CODE_PATTERN: Final = r"[A-Za-z0-9._:/#+\-]+(?: [A-Za-z0-9._:/#+\-]+)*"
"""Document numbers, SKUs and names of systems; single spaces only inside."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Categories of characters that are not seen: controls, zero widths, directions, surrogates, private use."""


@dataclass(frozen=True, slots=True)
class TextRule:
    """Unicode text: normalised to NFC, trimmed, without hidden characters, never empty."""

    max_length: int
    multiline: bool = False

    def check(self, value: object) -> str:
        """The text as it is kept."""
        if type(value) is not str:
            raise _no_text(value)
        # A composition is at most three characters written for one (NFC), so nothing this long can fit.
        if len(value) > 4 * self.max_length + 64:
            raise self._too_long()
        text = value.strip() if value.isascii() else unicodedata.normalize("NFC", value).strip()
        if not text.isprintable():
            refuse_hidden(text, allowed="\n\t" if self.multiline else "")
        if not text:
            raise refuse("required", "This field cannot be empty.")
        if len(text) > self.max_length:
            raise self._too_long()
        return text

    def _too_long(self) -> Exception:
        return refuse("too_long", f"At most {self.max_length} characters.")

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


@dataclass(frozen=True, slots=True)
class CodeRule:
    """A code: ASCII characters of `pattern`, taken exactly as written."""

    max_length: int = 64
    pattern: re.Pattern[str] = re.compile(CODE_PATTERN, re.ASCII)
    example: str = "SO-2026/001"

    def check(self, value: object) -> str:
        """The code."""
        if type(value) is not str:
            raise _no_text(value)
        if len(value) > self.max_length:
            raise refuse("too_long", f"At most {self.max_length} characters.")
        if self.pattern.fullmatch(value) is None:
            if not value.strip():
                raise refuse("required", "This field cannot be empty.")
            refuse_hidden(value)
            raise refuse("pattern", f"Use letters, digits and ._:/#+- without spaces around, such as {self.example}.")
        return value

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = f"^{self.pattern.pattern}$"
        return {"type": "string", "minLength": 1, "maxLength": self.max_length, "pattern": pattern}


Text = Annotated[str, TextRule(200)]
LongText = Annotated[str, TextRule(2000, multiline=True)]
Code = Annotated[str, CodeRule()]
ExternalId = Annotated[str, TextRule(128)]
"""What a source system calls a customer; case and leading zeros are kept."""

Id = Annotated[UUID, Strict(False)]
"""An id of ours."""


def refuse_hidden(text: str, allowed: str = "") -> None:
    """Refuse text with a character nobody sees; private use and unassigned ones are not told apart by terminals."""
    for position, character in enumerate(text, 1):
        if unicodedata.category(character) in _HIDDEN and character not in allowed:
            raise refuse("char_not_allowed", f"Character U+{ord(character):04X} at position {position} is not allowed.")


def _no_text(value: object) -> Exception:
    if value is None:
        return refuse("not_nullable", "This field cannot be null.")
    return refuse("string_type", 'Write a text in quotes, such as "A-1".')


def digits_only(value: object) -> object:
    """For whole numbers in a query: digits, as int() also takes `1_0`, ` 10` and digits of other scripts."""
    if isinstance(value, str) and not (value.lstrip("-").isdigit() and value.isascii()):
        raise refuse("int_type", "Write a whole number such as 50.")
    return value
