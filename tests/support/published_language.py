"""Golden samples of the published language, and the check of any record against the AsyncAPI document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from jsonschema import Draft7Validator, FormatChecker

from shared.events import cloudevents
from shared.events.asyncapi import asyncapi_document

GOLDEN: Final = Path(__file__).parent.parent / "contracts" / "golden"

DOCUMENT: Final = asyncapi_document()

FORMATS: Final = FormatChecker(formats=("uuid", "date"))
"""Formats the schemas use; instants must have a zone."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@dataclass(frozen=True, slots=True)
class Sample:
    """A record as it stood on the bus of a released version, and what readers took it to mean."""

    name: str
    """`<kind>.<reason>.v1`, or `<kind>.<reason>.<what it shows>.v1`."""
    key: str | None
    headers: Mapping[str, str]
    value: Mapping[str, Any]
    read: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.name.split(".")[0]

    @property
    def reason(self) -> str:
        return self.name.split(".")[1]

    @property
    def attributes(self) -> cloudevents.Headers:
        """The headers as a client hands them over."""
        return tuple((name, text.encode()) for name, text in self.headers.items())

    @property
    def data(self) -> bytes:
        """The value byte by byte: in the file it is spread over lines, on the bus it is not."""
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode()


def golden_samples() -> list[Sample]:
    """All of them, by name."""
    return [_sample(path) for path in sorted(GOLDEN.glob("*.v1.json"))]


def broken_rules(topic: str, key: str | None, headers: Mapping[str, str], value: Any) -> list[str]:
    """What the AsyncAPI document says against a record; empty if it is one of exactly one message of the topic."""
    channel = next(one for one in DOCUMENT["channels"].values() if one["address"] == topic)
    messages = [DOCUMENT["components"]["messages"][name] for name in channel["messages"]]
    against = {one["name"]: _errors(one["headers"], dict(headers)) for one in messages}
    matching = [one for one in messages if not against[one["name"]]]
    if len(matching) != 1:
        return [f"{len(matching)} messages of {topic} fit the headers: {against}"]
    key_schema = matching[0]["bindings"]["kafka"]["key"]
    return [*_errors(key_schema, key), *_errors(matching[0]["payload"], value)]


def spelt_out(value: Any) -> Any:
    """A document as plain data with every field in it, also those that stand at their default."""
    if isinstance(value, msgspec.Struct):
        return {name: spelt_out(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {name: spelt_out(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [spelt_out(one) for one in value]
    return msgspec.to_builtins(value)


def _errors(schema: Mapping[str, Any], instance: Any) -> list[str]:
    whole = {"allOf": [schema], "components": DOCUMENT["components"]}
    found = Draft7Validator(whole, format_checker=FORMATS).iter_errors(instance)
    return [f"{error.json_path}: {error.message}" for error in found]


def _sample(path: Path) -> Sample:
    content = json.loads(path.read_text(encoding="utf-8"))
    record = content["record"]
    return Sample(path.name.removesuffix(".json"), record["key"], record["headers"], record["value"], content["read"])
