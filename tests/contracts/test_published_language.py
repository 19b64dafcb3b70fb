"""The published language against what was released: records of then are read and written now as they were then.

Samples are never regenerated. A new kind, reason or field gets a new sample; an old one that fails means that history
on the bus, and readers we do not know, are about to be misunderstood.
"""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from shared.events import KINDS, PRODUCED_BY, TOPICS, cloudevents, encode
from shared.events.schemas import schemas
from tests.support.published_language import (
    FORMATS,
    Sample,
    broken_rules,
    golden_samples,
    spelt_out,
)

SAMPLES = golden_samples()
SCHEMAS = schemas()

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def holds(now: Any, then: Any) -> bool:
    """Whether `now` says all that `then` said; it may have fields that were not there then."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and holds(now[name], then[name]) for name in then)
    if isinstance(then, list):
        return len(now) == len(then) and all(map(holds, now, then))
    return bool(now == then)


def with_unknown_fields(value: Any) -> Any:
    """The same with a field from the future in every structure that is not a mere table of texts."""
    if isinstance(value, list):
        return [with_unknown_fields(one) for one in value]
    if not isinstance(value, dict):
        return value
    inside = {name: with_unknown_fields(one) for name, one in value.items() if name not in ("numbers", "clears")}
    return value | inside | {"from_the_future": {"amount": 1}}


class TestRead:
    @each_sample
    def test_means_what_it_meant(self, sample: Sample) -> None:
        """INVARIANT: breaks when a field is renamed, or a default changed under records that leave it out."""
        document = msgspec.json.decode(sample.data, type=KINDS[sample.kind])
        read = {
            "natural_key": document.natural_key,
            "at": msgspec.to_builtins(document.at),
            "parties": [str(party.id) for party in document.parties()],
            "sums": list(document.sums()),
            "document": spelt_out(document),
        }
        assert holds(read, sample.read)

    @each_sample
    def test_unknown_fields_are_ignored(self, sample: Sample) -> None:
        """INVARIANT: breaks when a model forbids unknown fields; old consumers would stop at new records."""
        later = json.dumps(with_unknown_fields(sample.value)).encode()
        model = KINDS[sample.kind]
        assert msgspec.json.decode(later, type=model) == msgspec.json.decode(sample.data, type=model)


class TestWrite:
    @each_sample
    def test_gives_the_same_bytes(self, sample: Sample) -> None:
        """INVARIANT: breaks when equal snapshots get other bytes; all hashes of history would change."""
        document = msgspec.convert(sample.read["document"], KINDS[sample.kind])
        assert encode(document) == sample.data

    @each_sample
    def test_gives_the_same_headers_and_key(self, sample: Sample) -> None:
        event = cloudevents.decode(sample.attributes, sample.data, 0)
        key = cloudevents.key(event)
        assert cloudevents.headers(event) == sample.attributes
        assert (key and key.decode()) == sample.key


class TestDescription:
    @each_sample
    def test_of_the_kind_fits_the_value(self, sample: Sample) -> None:
        validator = Draft202012Validator(SCHEMAS[sample.kind], format_checker=FORMATS)
        assert [error.message for error in validator.iter_errors(sample.value)] == []

    @each_sample
    def test_of_the_topic_fits_the_record(self, sample: Sample) -> None:
        producer = sample.headers["ce_source"].removeprefix("/forewarn/")
        assert broken_rules(TOPICS[producer], sample.key, sample.headers, sample.value) == []

    def test_of_another_topic_does_not(self) -> None:
        sample = next(one for one in SAMPLES if one.kind == "order")
        assert broken_rules(TOPICS["credit"], sample.key, sample.headers, sample.value)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount": 12.5},
            {"amount": "1250.00"},
            {"placed_at": "2026-03-02T02:00:00"},
            {"state": "lost"},
            {"party": {"id": "C1"}},
            {"live": None},
        ],
        ids=str,
    )
    def test_refuses_what_we_never_write(self, wrong: dict[str, Any]) -> None:
        sample = next(one for one in SAMPLES if one.kind == "order")
        assert broken_rules(TOPICS["orders"], sample.key, sample.headers, {**sample.value, **wrong})

    @pytest.mark.parametrize("name", ["ce_type", "ce_id", "ce_documentid", "ce_partitionkey", "content-type"])
    def test_refuses_a_record_without(self, name: str) -> None:
        sample = next(one for one in SAMPLES if one.kind == "order")
        headers = {one: text for one, text in sample.headers.items() if one != name}
        assert broken_rules(TOPICS["orders"], sample.key, headers, sample.value)


class TestCoverage:
    def test_every_reason_of_every_kind_has_a_sample(self) -> None:
        """INVARIANT: breaks when a kind or reason is published of which no reader outside has seen a record."""
        wanted = {(kind, reason) for kind, model in KINDS.items() for reason in model.reasons}
        assert {(sample.kind, sample.reason) for sample in SAMPLES} == wanted

    @each_sample
    def test_the_name_tells_the_type(self, sample: Sample) -> None:
        assert sample.headers["ce_type"] == f"forewarn.{sample.kind}.{sample.reason}.v1"

    def test_every_producer_of_a_kind_shows_one(self) -> None:
        wanted = {(f"/forewarn/{service}", model.kind) for service, models in PRODUCED_BY.items() for model in models}
        assert {(sample.headers["ce_source"], sample.kind) for sample in SAMPLES} == wanted

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_field_is_shown_by_a_sample(self, kind: str) -> None:
        """A sample that leaves a field out says nothing about how it is written. Not every kind can be retracted."""
        shown = {name for sample in SAMPLES if sample.kind == kind for name in sample.value}
        assert shown | {"live"} == set(KINDS[kind].__struct_fields__)
