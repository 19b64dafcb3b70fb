"""What goes wrong in a story, and how often: batches and answers get lost, fetches leave records out, records rot."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from shared.events import cloudevents
from shared.messaging.bus import Bus, BusError, Message, Record, TopicPartition
from tests.support.harmed_bus import HarmedBus

LOST_BATCH: Final = 0.3
LOST_ANSWER: Final = 0.06
SWALLOWED: Final = 0.4
KILLED: Final = 0.04
WRITER_KILLED: Final = 0.15
ROTTEN: Final = 0.12
CALMER: Final = 0.1
"""So much less often beats are hit: they are most of what is sent, and lost ones only delay."""
SENT_MEANWHILE: Final = 0.3

MARK: Final = b"rotten "


class Killed(BaseException):
    """kill -9 at this point: whatever was not committed is gone, nobody cleans up."""


class FaultyBus(HarmedBus):
    """The bus as it is in bad weather; `calm` ends all faults. `meanwhile` is what others do while a batch is sent."""

    def __init__(
        self, inner: Bus, rng: random.Random, meanwhile: Callable[[], Awaitable[None]], suffix: str = ""
    ) -> None:
        super().__init__(inner, suffix)
        self._rng = rng
        self._meanwhile = meanwhile
        self._swallowed: set[tuple[str, int, int]] = set()
        self.calm = False

    async def on_send(self, partition: int, messages: Sequence[Message]) -> Sequence[Message]:  # noqa: ARG002
        if self._happens(LOST_BATCH, any(_is_beat(message) for message in messages)):
            raise BusError("the batch got lost")
        return [self._rot(message) if self._happens(ROTTEN, _is_beat(message)) else message for message in messages]

    async def on_sent(self, partition: int) -> None:  # noqa: ARG002
        if self._happens(SENT_MEANWHILE):
            await self._meanwhile()
        if self._happens(LOST_ANSWER):
            raise BusError("the answer got lost")

    async def on_poll(self, records: list[Record]) -> list[Record]:
        if not records or not self._happens(SWALLOWED):
            return records
        # No hole begins twice at the same place: one that is there again counts as real.
        places = [place for place, record in enumerate(records) if record[:3] not in self._swallowed]
        if not places:
            return records
        start = self._rng.choice([place for place in places if not _is_beat(records[place])] or places)
        first = records[start]
        self._swallowed.add(first[:3])
        end = start + self._rng.randint(1, 3)
        return [
            record
            for place, record in enumerate(records)
            if record.partition != first.partition or not start <= place < end
        ]

    async def on_commit(self, offsets: Mapping[TopicPartition, int]) -> None:  # noqa: ARG002
        if self._happens(KILLED):
            raise Killed

    def _happens(self, probability: float, to_beats: bool = False) -> bool:
        return not self.calm and self._rng.random() < probability * (CALMER if to_beats else 1)

    def _rot(self, message: Message) -> Message:
        """Unreadable: the snapshot; or the attributes too; or, for those who have one, even the key."""
        event = cloudevents.decode(message.headers, message.value, 0)
        value = MARK + f"{event.kind} {event.id} {event.revision}".encode()
        kind = self._rng.randrange(3)
        headers = message.headers if kind == 0 else ()
        key = b"\xff" if kind == 2 and message.key is not None else message.key
        return Message(key, value, headers)


def _is_beat(sent: Message | Record) -> bool:
    return sent.key is None
