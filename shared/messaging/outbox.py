"""The outbox: rows for the bus, written in the transaction of the documents they carry. The relay sends them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from shared.database.unit_of_work import UnitOfWork
from shared.errors import TooLarge
from shared.events import PARTITIONS, cloudevents
from shared.events.document import Event
from shared.messaging.partitions import partition_of

CHANNEL: Final = "forewarn_outbox"
"""Wake-up of the relay."""

MAX_PAYLOAD: Final = 900_000
"""Bytes of one snapshot. A row the broker refuses (1 MB by default) would stall its partition for ever."""

_APPEND: Final = """
insert into outbox (part, key, headers, payload)
select * from unnest($1::smallint[], $2::uuid[], $3::bytea[], $4::bytea[])
"""

_headers = msgspec.msgpack.Encoder()
_decode_headers = msgspec.msgpack.Decoder(cloudevents.Headers)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event and the parties it is for: everyone the previous or the new snapshot names; none = every partition."""

    event: Event
    addressees: Sequence[UUID]


async def append(outgoing: Iterable[Outgoing], unit: UnitOfWork) -> None:
    """Write one row per addressee, or one per partition. Raises `document_too_large` before anything is written."""
    parts: list[int] = []
    keys: list[UUID | None] = []
    headers: list[bytes] = []
    payloads: list[bytes] = []
    for item in outgoing:
        if len(item.event.data) > MAX_PAYLOAD:
            raise TooLarge("document_too_large", f"A document may have at most {MAX_PAYLOAD} bytes.")
        for part, key, header in _rows(item):
            parts.append(part)
            keys.append(key)
            headers.append(header)
            payloads.append(item.event.data)
    if parts:
        await unit.connection.execute(_APPEND, parts, keys, headers, payloads)
        unit.wake(CHANNEL)


def decode_headers(stored: bytes) -> cloudevents.Headers:
    """Header names and values of an outbox row."""
    return _decode_headers.decode(stored)


def _rows(item: Outgoing) -> Iterable[tuple[int, UUID | None, bytes]]:
    if not item.addressees:
        encoded = _headers.encode(cloudevents.headers(item.event))
        for part in range(PARTITIONS):
            yield part, None, encoded
    for party in item.addressees:
        event = msgspec.structs.replace(item.event, party=party)
        encoded = _headers.encode(cloudevents.headers(event))
        yield partition_of(str(party).encode(), PARTITIONS), party, encoded
