"""Partitions of which nothing is heard: the sign that Kafka's client has ceased to ask."""

import time

import pytest

from shared.messaging.bus import TopicPartition
from shared.messaging.kafka_bus.silence import Silence

WHERE = TopicPartition("t", 0)


class TestSilence:
    @pytest.fixture
    def at(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The clock; its one element may be set."""
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        return now

    def look(self, watch: Silence, at: list[float], seconds: int, answer: int | None) -> list[TopicPartition]:
        """Look every second for some seconds, with the same last answer."""
        found: list[TopicPartition] = []
        for _ in range(seconds):
            at[0] += 1
            found = watch.overdue({WHERE: answer})
        return found

    def test_a_partition_without_answers_is_overdue(self, at: list[float]) -> None:
        assert self.look(Silence(10), at, 9, 5) == []
        assert self.look(Silence(10), at, 12, 5) == [WHERE]

    def test_an_answer_without_records_is_a_sign_of_life(self, at: list[float]) -> None:
        watch = Silence(10)
        for answer in range(30):
            assert self.look(watch, at, 1, answer) == []

    def test_records_are_a_sign_of_life(self, at: list[float]) -> None:
        watch = Silence(10)
        self.look(watch, at, 9, 5)
        watch.heard([WHERE])
        assert self.look(watch, at, 9, 5) == []

    def test_who_does_not_poll_hears_nothing(self, at: list[float]) -> None:
        """INVARIANT: breaks when a consumer that was busy for a minute throws its client away."""
        watch = Silence(10)
        self.look(watch, at, 9, 5)
        at[0] += 60
        assert self.look(watch, at, 1, 5) == []
