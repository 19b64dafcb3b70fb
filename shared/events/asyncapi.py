"""The AsyncAPI 3.0 document of the published language: topics, messages, headers; what is inside them, the models say.

Describes records as they are on Kafka; the embedded bus carries the same keys, headers and values.
"""

from typing import Any, Final

from shared.events import KINDS, PARTITIONS, PRODUCED_BY, TOPICS
from shared.events.document import Document, Party
from shared.events.schemas import Schema, components, structures

VERSION: Final = "1.0.0"
"""Of the language, not of the program: the second number rises with an addition, the first never within `.v1`."""

_BINDING: Final = "0.5.0"

_READING: Final = """\
Every record is one revision of one document, as a full snapshot: CloudEvents 1.0 in Kafka binary mode.

- Of one `ce_documentid` the highest (`ce_epoch`, `ce_revision`) counts, whatever the order of arrival. Records with
  equal `ce_source` and `ce_id` are copies: one for each party that the snapshot before or the new one names, keyed by
  that party's id (Kafka's default partitioner), or one in every partition if it names none. Any of them may repeat.
- Decide from kind and snapshot. The reason in `ce_type` is for people and filters: revisions may be skipped.
- Nothing is deleted. `live: false` is a retraction: the document counts as if it had never been.
- A field left out has its default. Fields and values of enumerations may be added, nothing is taken away or changes
  its meaning: ignore what you do not know.
- Amounts are integers in minor units of the currency beside them; instants are RFC 3339 in UTC; days are calendar days
  in the seller's time zone."""

_COUNT: Final = {"type": "string", "pattern": "^[1-9][0-9]*$"}
_ID: Final = {"type": "string", "format": "uuid"}

_HEADERS: Final[dict[str, Schema]] = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {
        "type": "string",
        "description": "Document id, epoch and revision, with dots between: the same for all copies of one revision.",
    },
    "ce_source": {"type": "string", "description": "The service that publishes it."},
    "ce_type": {"type": "string", "description": "Kind, and reason of this revision."},
    "ce_time": {"type": "string", "format": "date-time", "description": "When this revision was recorded."},
    "ce_subject": {"type": "string", "description": "Kind and id of the document."},
    "ce_documentid": {**_ID, "description": "Id of the document, the same in all its revisions."},
    "ce_epoch": {**_COUNT, "description": "Rises when a producer was restored from an older backup."},
    "ce_revision": {**_COUNT, "description": "Rises by one with every change of the document."},
    "content-type": {"type": "string", "const": "application/json"},
}
_PARTITION_KEY: Final[Schema] = {**_ID, "description": "Id of the party this copy is for, as in the record's key."}


def asyncapi_document() -> dict[str, Any]:
    """The whole document: plain data, the same whenever it is made."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:forewarn",
        "info": {
            "title": "Forewarn events",
            "version": VERSION,
            "description": _READING,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {service: _channel(service) for service in TOPICS},
        "operations": {f"{service}.publish": _operation(service) for service in TOPICS},
        "components": {
            "messages": {kind: _message(model) for kind, model in KINDS.items()},
            "schemas": components(list(KINDS.values()), "#/components/schemas/{name}"),
        },
    }


def _server() -> dict[str, Any]:
    variable = {"default": "localhost:9092", "description": "Bootstrap server of the installation."}
    return {"host": "{bootstrap}", "protocol": "kafka", "variables": {"bootstrap": variable}}


def _channel(service: str) -> dict[str, Any]:
    return {
        "address": TOPICS[service],
        "title": f"Documents of the {service} service",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {model.kind: {"$ref": f"#/components/messages/{model.kind}"} for model in PRODUCED_BY[service]},
        "bindings": {
            "kafka": {
                "topic": TOPICS[service],
                "partitions": PARTITIONS,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(service: str) -> dict[str, Any]:
    return {
        "action": "send",
        "title": f"The {service} service publishes its documents",
        "channel": {"$ref": f"#/channels/{service}"},
        "messages": [{"$ref": f"#/channels/{service}/messages/{model.kind}"} for model in PRODUCED_BY[service]],
    }


def _message(model: type[Document]) -> dict[str, Any]:
    return {
        "name": model.kind,
        "title": model.__name__,
        "contentType": "application/json",
        "headers": _headers(model),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"kafka": {"key": _key(model), "bindingVersion": _BINDING}},
    }


def _headers(model: type[Document]) -> Schema:
    types = [f"forewarn.{model.kind}.{reason}.v1" for reason in sorted(model.reasons)]
    producers = [f"/forewarn/{service}" for service, models in PRODUCED_BY.items() if model in models]
    properties = _HEADERS | {
        "ce_type": {**_HEADERS["ce_type"], "enum": types},
        "ce_source": {**_HEADERS["ce_source"], "enum": producers},
    }
    if _names_parties(model):
        properties |= {"ce_partitionkey": _PARTITION_KEY}
    return {"type": "object", "required": list(properties), "properties": properties}


def _key(model: type[Document]) -> Schema:
    if _names_parties(model):
        return {**_ID, "description": "Id of the party this copy is for, as text; decides the partition."}
    return {"type": "null", "description": "No key: one copy in every partition."}


def _names_parties(model: type[Document]) -> bool:
    return Party in structures([model])
