"""CloudEvents 1.0 in Kafka binary mode: an event's attributes as `ce_` headers, its snapshot as the value.

Header names and rules: CloudEvents Kafka protocol binding 1.0, section 3.2. No client, no topic, no partition here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from shared.events.document import Event

T = TypeVar("T")

Headers = tuple[tuple[str, bytes], ...]

_CONTENT_TYPE: Final = ("content-type", b"application/json")
_SPEC_VERSION: Final = ("ce_specversion", b"1.0")
_SOURCE: Final = "/forewarn/"
_NO_COUNT: Final = 2**31
"""An Integer of CloudEvents, and of our tables, has 32 bits with its sign."""


class Undecodable(ValueError):
    """A record that is not one of our events; the message says which attribute is at fault."""


def headers(event: Event) -> Headers:
    """Attributes of an event. `ce_id` is the same for every copy and every resend of one revision."""
    identity = str(event.id)
    attributes = [
        _SPEC_VERSION,
        ("ce_id", f"{identity}.{event.epoch}.{event.revision}".encode()),
        ("ce_source", f"{_SOURCE}{event.producer}".encode()),
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
    _read("ce_specversion", found, _spec_version)
    kind, reason = _read("ce_type", found, _kind_and_reason)
    return Event(
        kind=kind,
        reason=reason,
        id=_read("ce_documentid", found, UUID),
        epoch=_read("ce_epoch", found, _count),
        revision=_read("ce_revision", found, _count),
        recorded_at=_read("ce_time", found, _instant),
        producer=_read("ce_source", found, _producer),
        party=_read("ce_partitionkey", found, UUID) if "ce_partitionkey" in found else None,
        data=value,
        partition=partition,
    )


def _read(name: str, found: Mapping[str, bytes], parse: Callable[[str], T]) -> T:
    try:
        return parse(found[name].decode())
    except KeyError:
        raise Undecodable(f"{name} is missing") from None
    except ValueError:
        raise Undecodable(f"{name} cannot be read") from None


def _spec_version(text: str) -> str:
    if text != "1.0":
        raise ValueError
    return text


def _kind_and_reason(text: str) -> tuple[str, str]:
    organisation, kind, reason, version = text.split(".")
    if organisation != "forewarn" or version != "v1" or not kind or not reason:
        raise ValueError
    return kind, reason


def _producer(text: str) -> str:
    if not text.startswith(_SOURCE) or text == _SOURCE:
        raise ValueError
    return text[len(_SOURCE) :]


def _count(text: str) -> int:
    number = int(text)
    if not 0 < number < _NO_COUNT:
        raise ValueError
    return number


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return at
