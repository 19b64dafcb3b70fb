"""What the bus checks need besides the port: processes to kill, a network to cut, a server to stop. One per bus."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from shared.messaging.bus import Bus, BusProducer, Message, TopicPartition

_numbers = itertools.count(1)


def unique(name: str) -> str:
    """A name nobody has used in this run."""
    return f"{name}-{next(_numbers)}"


class Process(ABC):
    """A process that uses the bus, as far as the bus can tell."""

    bus: Bus

    @abstractmethod
    async def kill(self) -> None:
        """End it as SIGKILL does: its connections are closed by its system, it says nothing. Its objects are void."""

    @abstractmethod
    async def expel(self) -> None:
        """Let the bus end its sessions without telling it, while it lives on and may connect again."""

    @abstractmethod
    async def isolate(self) -> None:
        """Break its connections and let no other one come, until `reconnect`."""

    @abstractmethod
    async def reconnect(self) -> None:
        """It may connect again."""

    @abstractmethod
    def silence(self) -> None:
        """From now on nothing of what it says arrives, and it hears nothing, although no connection is closed."""

    @abstractmethod
    async def send_unacknowledged(
        self, producer: BusProducer, topic: str, partition: int, messages: Sequence[Message]
    ) -> None:
        """Send so that the messages are in the log, but the answer is lost. Raises what `send` raises."""


class BusHarness(ABC):
    """One empty bus and the means to harm it."""

    handover_seconds: float
    """Within this every partition of a dead member has an owner again."""

    notice_seconds: float
    """Within this a member that the bus has expelled knows it."""

    hint_seconds: float
    """Within this tools see what was committed."""

    unfair_records: int
    """So many records of a busy partition may come before those of others."""

    @abstractmethod
    async def process(self) -> Process:
        """A new process with a bus of its own; ended with the harness."""

    @abstractmethod
    async def stop_server(self) -> None:
        """End the bus's server; its data stay."""

    @abstractmethod
    async def start_server(self) -> None:
        """Begin it again."""

    @abstractmethod
    async def delete_before(self, where: TopicPartition, offset: int) -> None:
        """Forget the history of a partition below an offset."""

    @abstractmethod
    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """What tools see of how far a group is."""

    async def bus(self) -> Bus:
        """The bus of a new process."""
        return (await self.process()).bus

    async def topic(self, partitions: int = 1) -> str:
        """A new topic."""
        name = unique("topic")
        await (await self.bus()).create_topics({name: partitions})
        return name
