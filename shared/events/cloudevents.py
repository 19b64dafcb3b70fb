"""CloudEvents 1.0 in Kafka binary mode: an event's attributes as `ce_` headers, its snapshot as the value.

Header names and rules: CloudEvents Kafka protocol binding 1.0, section 3.2. No client, no topic, no partition here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from shared.events.document import Event

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
    try:
        kind, reason = _kind_and_reason(found["ce_type"])
        _spec_version(found["ce_specversion"])
        addressee = found.get("ce_partitionkey")
        return Event(
            kind=kind,
            reason=reason,
            id=_id(found["ce_documentid"]),
            epoch=_count(found["ce_epoch"]),
            revision=_count(found["ce_revision"]),
            recorded_at=_instant(found["ce_time"]),
            producer=_producer(found["ce_source"]),
            party=None if addressee is None else _id(addressee),
            data=value,
            partition=partition,
        )
    except (KeyError, ValueError):
        raise _fault_of(found) from None


def _fault_of(found: Mapping[str, bytes]) -> Undecodable:
    """Which attribute it is; looked for only when there is one, since every event of every consumer is decoded."""
    for name, parse in _PARSERS.items():
        if name not in found:
            return Undecodable(f"{name} is missing")
        try:
            parse(found[name])
        except ValueError:
            return Undecodable(f"{name} cannot be read")
    return Undecodable("ce_partitionkey cannot be read")


def _spec_version(text: bytes) -> None:
    if text != b"1.0":
        raise ValueError


@lru_cache(maxsize=1024)
def _kind_and_reason(text: bytes) -> tuple[str, str]:
    organisation, kind, reason, version = text.decode().split(".")
    if organisation != "forewarn" or version != "v1" or not kind or not reason:
        raise ValueError
    return kind, reason


@lru_cache(maxsize=64)
def _producer(text: bytes) -> str:
    source = text.decode()
    if not source.startswith(_SOURCE) or source == _SOURCE:
        raise ValueError
    return source[len(_SOURCE) :]


def _id(text: bytes) -> UUID:
    try:
        # A fifth of the time of UUID(...).
        return msgspec.convert(text.decode(), UUID)
    except msgspec.ValidationError:
        raise ValueError from None


def _count(text: bytes) -> int:
    number = int(text)
    if not 0 < number < _NO_COUNT:
        raise ValueError
    return number


def _instant(text: bytes) -> datetime:
    at = datetime.fromisoformat(text.decode())
    if at.tzinfo is None:
        raise ValueError
    return at


_PARSERS: Final[dict[str, Callable[[bytes], object]]] = {
    "ce_specversion": _spec_version,
    "ce_type": _kind_and_reason,
    "ce_documentid": _id,
    "ce_epoch": _count,
    "ce_revision": _count,
    "ce_time": _instant,
    "ce_source": _producer,
}
