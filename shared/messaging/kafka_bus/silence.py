"""How long nothing has been heard about partitions that are read: aiokafka has states in which it asks no more."""

import time
from collections.abc import Iterable

from shared.messaging.bus import TopicPartition


class Silence:
    """Remembers signs of life; a partition that gives none for `seconds` is overdue."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard: dict[TopicPartition, tuple[float, int | None]] = {}
        self._looked = 0.0

    def heard(self, places: Iterable[TopicPartition]) -> None:
        """Records came from there, or it was sought."""
        now = time.monotonic()
        for where in places:
            self._heard[where] = now, None

    def overdue(self, answers: dict[TopicPartition, int | None]) -> list[TopicPartition]:
        """Of the partitions read now those about which no answer came for too long, by when the last one did."""
        now = time.monotonic()
        if now - self._looked > self._seconds / 4:
            # Nobody polled, so nothing was fetched either.
            self._heard.clear()
        self._looked = now
        for where, answered in answers.items():
            if where not in self._heard or self._heard[where][1] != answered:
                self._heard[where] = now, answered
        return [where for where in answers if now - self._heard[where][0] > self._seconds]
