"""CloudEvents 1.0 in Kafka binary mode: an event's attributes as `ce_` headers, its snapshot as the value.

Header names and rules: CloudEvents Kafka protocol binding 1.0, section 3.2. No client, no topic, no partition here.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from shared.events.document import Event

Headers = tuple[tuple[str, bytes], ...]

_CONTENT_TYPE: Final = ("content-type", b"application/json")
_SPEC_VERSION: Final = ("ce_specversion", b"1.0")


class Undecodable(ValueError):
    """A record that is not one of our events; the message says which attribute is at fault."""


def headers(event: Event) -> Headers:
    """Attributes of an event. `ce_id` is the same for every copy and every resend of one revision."""
    identity = str(event.id)
    attributes = [
        _SPEC_VERSION,
        ("ce_id", f"{identity}.{event.epoch}.{event.revision}".encode()),
        ("ce_source", f"/forewarn/{event.producer}".encode()),
        ("ce_type", f"forewarn.{event.kind}.{event.reason}.v1".encode()),
        ("ce_time", event.recorded_at.isoformat().encode()),
        ("ce_subject", f"{event.kind}/{identity}".encode()),
        ("ce_documentid", identity.encode()),
        ("ce_epoch", b"%d" % event.epoch),
        ("ce_revision", b"%d" % event.revision),
        _CONTENT_TYPE,
    ]
    if event.party is not None:
        attributes.append(("ce_partitionkey", str(event.party).encode()))
    return tuple(attributes)


def key(event: Event) -> bytes | None:
    """Record key: the addressee's id as text, the same bytes as `ce_partitionkey`."""
    return None if event.party is None else str(event.party).encode()


def decode(attributes: Headers, value: bytes, partition: int) -> Event:
    """The event in a record; the snapshot stays as bytes. Raises `Undecodable`."""
    found = dict(attributes)
    try:
        _, kind, reason, version = found["ce_type"].decode().split(".")
        if version != "v1":
            raise Undecodable(f"ce_type has version {version}")
        addressee = found.get("ce_partitionkey")
        return Event(
            kind=kind,
            reason=reason,
            id=UUID(found["ce_documentid"].decode()),
            epoch=int(found["ce_epoch"]),
            revision=int(found["ce_revision"]),
            recorded_at=datetime.fromisoformat(found["ce_time"].decode()),
            producer=found["ce_source"].decode().removeprefix("/forewarn/"),
            party=None if addressee is None else UUID(addressee.decode()),
            data=value,
            partition=partition,
        )
    except KeyError as missing:
        raise Undecodable(f"attribute {missing} is missing") from None
    except ValueError as error:
        raise Undecodable(f"an attribute cannot be read: {type(error).__name__}") from None
