"""The AsyncAPI document: complete, consistent in itself, and true of what the codec writes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft7Validator

from shared.events import KINDS, PARTITIONS, PRODUCED_BY, TOPICS, Beat, Event, Marker, cloudevents
from shared.events.asyncapi import asyncapi_document

DOCUMENT = asyncapi_document()

KEYLESS = {Beat.kind, Marker.kind}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def found(reference: str) -> Any:
    return reduce(lambda part, name: part[name], reference.removeprefix("#/").split("/"), DOCUMENT)


def written(kind: str) -> set[str]:
    """Names of the headers the codec writes for a document of this kind."""
    event = Event(
        kind=kind,
        reason="any",
        id=UUID(int=7),
        epoch=1,
        revision=1,
        recorded_at=datetime(2026, 3, 1, tzinfo=UTC),
        producer="any",
        party=None if kind in KEYLESS else UUID(int=8),
        data=b"{}",
    )
    return {name for name, _ in cloudevents.headers(event)}


class TestDocument:
    def test_every_reference_leads_somewhere(self) -> None:
        assert all(found(reference) is not None for reference in references(DOCUMENT))

    def test_every_topic_is_a_channel_with_its_partitions(self) -> None:
        channels = {one["address"]: one["bindings"]["kafka"]["partitions"] for one in DOCUMENT["channels"].values()}
        assert channels == dict.fromkeys(TOPICS.values(), PARTITIONS)

    def test_a_topic_keeps_everything(self) -> None:
        configured = [one["bindings"]["kafka"]["topicConfiguration"] for one in DOCUMENT["channels"].values()]
        assert configured == [{"cleanup.policy": ["delete"], "retention.ms": -1}] * len(TOPICS)

    @pytest.mark.parametrize("service", TOPICS)
    def test_a_service_sends_the_kinds_it_produces(self, service: str) -> None:
        operation = DOCUMENT["operations"][f"{service}.publish"]
        sent = [found(found(one["$ref"])["$ref"])["name"] for one in operation["messages"]]
        assert operation["action"] == "send"
        assert found(operation["channel"]["$ref"])["address"] == TOPICS[service]
        assert sent == [model.kind for model in PRODUCED_BY[service]]

    def test_is_the_same_whenever_it_is_made(self) -> None:
        assert asyncapi_document() == DOCUMENT


@pytest.mark.parametrize("kind", KINDS)
class TestMessage:
    def test_headers_are_those_the_codec_writes(self, kind: str) -> None:
        """INVARIANT: breaks when an attribute is written that nobody outside was told about, or the other way round."""
        headers = DOCUMENT["components"]["messages"][kind]["headers"]
        assert set(headers["properties"]) == set(headers["required"]) == written(kind)

    def test_names_every_type_and_producer(self, kind: str) -> None:
        headers = DOCUMENT["components"]["messages"][kind]["headers"]["properties"]
        assert {one.split(".")[2] for one in headers["ce_type"]["enum"]} == KINDS[kind].reasons
        producers = {one.removeprefix("/forewarn/") for one in headers["ce_source"]["enum"]}
        assert producers == {service for service, models in PRODUCED_BY.items() if KINDS[kind] in models}

    def test_headers_key_and_payload_are_json_schemas(self, kind: str) -> None:
        message = DOCUMENT["components"]["messages"][kind]
        for schema in (message["headers"], message["bindings"]["kafka"]["key"], found(message["payload"]["$ref"])):
            Draft7Validator.check_schema(schema)

    def test_only_a_kind_that_names_no_party_has_no_key(self, kind: str) -> None:
        key = DOCUMENT["components"]["messages"][kind]["bindings"]["kafka"]["key"]
        assert key["type"] == ("null" if kind in KEYLESS else "string")
