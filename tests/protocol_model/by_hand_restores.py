"""Schedules by hand of a producer that was restored and a consumer that was emptied: windows too narrow for seeds."""

from collections.abc import Callable, Generator
from typing import Any

from tests.protocol_model import disasters, republishing
from tests.protocol_model.by_hand import Stage
from tests.protocol_model.lives import look
from tests.protocol_model.producer import answer
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.service import Backup
from tests.protocol_model.snapshots import PARTITIONS, SOURCES, beat_id, partition_of
from tests.protocol_model.store import Marks
from tests.protocol_model.story import Command

EVERYWHERE = range(PARTITIONS)


class Restored(Stage):
    """Topic `orders`, whose service falls back to a backup; rows go to the log when the schedule says so."""

    def __init__(self, safeguards: Safeguards) -> None:
        super().__init__(safeguards)
        self.service = self.world.services["orders"]

    def send(self, name: str, customer: str, at: int, amount: int = 10) -> None:
        """A source sends a document; its rows stay in the outbox."""
        fields: dict[str, object] = {"sold": customer, "bill": customer, "at": at, "amount": amount}
        self._answer(Command(f"{name} {customer} {amount} {self.service.life}", name, "order", "erp", fields))

    def beat(self, at: int) -> None:
        """All sources of orders promise this day."""
        for source in SOURCES["order"]:
            self._answer(Command(f"beat {source} {at}", beat_id(source, "order"), "beat", source, {"at": at}))

    def relay(self, topic: str = "orders") -> None:
        """Everything that waits goes to the log."""
        outbox = self.world.services[topic].outbox.rows
        for number, row in sorted(outbox.items()):
            del outbox[number]
            self.land(row.part, row.snapshot, topic=topic)

    def fall_back(
        self, backup: Backup, *, other_server: bool = False, meanwhile: Callable[[], None] | None = None
    ) -> None:
        """The restore, and the look of the relay that follows."""
        before = dict(self.service.documents.rows)
        forgotten = self.service.handled.rows.keys() - backup["handled"].keys()
        self.service.restore(backup, self.service.server + other_server)
        self.world.truth.restored(before, dict(self.service.documents.rows), forgotten)
        if meanwhile is not None:
            meanwhile()
        self.take(look(self.world, self.service))

    def republish(self, topic: str = "orders", last: int | None = None) -> None:
        """All that was asked for, or up to this run, into the outbox."""
        service = self.world.services[topic]
        steps = republishing.republisher(self.world, service)
        runs = service.republications.rows
        while any(not run.completed for run in runs.values() if last is None or run.number <= last):
            next(steps)

    def confirm(self) -> None:
        self.take(republishing.confirm(self.world, self.service))
        self.relay()

    def take(self, steps: Generator[str, None, Any]) -> None:
        """To its end, nobody else in between."""
        for _ in steps:
            pass

    def _answer(self, command: Command) -> None:
        for _ in answer(self.world, self.service, command):
            pass


def second_coming_first(safeguards: Safeguards) -> dict[str, str]:
    """A lost document is sent again for another customer, whose partition is faster than that of the lost one."""
    stage = Restored(safeguards)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    stage.relay()
    stage.fall_back(backup)
    stage.send("order-1", "c1", 1)
    stage.relay()
    stage.apply_all(1, 0)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.confirm()
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def moved_back_by_the_restore(safeguards: Safeguards) -> dict[str, str]:
    """The restored producer does not know that the order was once c0's; c0's partition has its beat before the rest."""
    stage = Restored(safeguards)
    stage.send("order-1", "c1", 1)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.fall_back(backup)
    stage.republish()
    stage.beat(20)
    stage.relay()
    stage.apply_all(0, 2, 1)
    stage.confirm()
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def another_operator(safeguards: Safeguards) -> dict[str, str]:
    """While a consumer is emptied to get everything again, somebody else asks for the markers only."""
    stage = Restored(safeguards)
    stage.send("order-1", "c0", 1)
    stage.beat(20)
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    emptying = disasters.begin(stage.world, True)
    next(emptying)
    stage.take(republishing.ask(stage.world, stage.service, whole=False))
    stage.take(emptying)
    stage.republish("credit")
    stage.relay("credit")
    stage.apply_all(*EVERYWHERE, topic="credit")
    for number in sorted(stage.service.republications.rows):
        stage.republish(last=number)
        stage.relay()
        stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def confirmed_behind_its_back(safeguards: Safeguards) -> dict[str, str]:
    """A consumer is emptied and goes on behind the confirmation; then a process of the former life speaks."""
    stage = Restored(safeguards)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    lost = stage.service.documents.rows["order-1"]
    stage.relay()
    stage.fall_back(backup)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.confirm()
    stage.take(disasters.begin(stage.world, True))
    stage.republish()
    stage.relay()
    stage.land(partition_of("c0"), lost)
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def confirmed_in_one_partition(safeguards: Safeguards) -> dict[str, str]:
    """c1's partition has everything, c0's nothing yet of what the restored producer still knows."""
    stage = Restored(safeguards)
    stage.send("order-1", "c0", 1)
    backup = stage.service.backup()
    stage.send("order-2", "c1", 1)
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.fall_back(backup)
    stage.republish()
    stage.relay()
    stage.confirm()
    stage.apply_all(1, 2, 0)
    return stage.verdict()


def nothing_in_the_log_yet(safeguards: Safeguards) -> dict[str, str]:
    """What the former server sent last lands behind the look of its successor."""
    stage = Restored(safeguards)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    lost = stage.service.documents.rows["order-1"]
    stage.fall_back(backup, other_server=True)
    stage.land(partition_of("c0"), lost)
    stage.send("order-1", "c0", 1)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    if stage.service.republications.rows:
        stage.confirm()
        stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def begun_before_the_gate_closed(safeguards: Safeguards) -> dict[str, str]:
    """A new consumer finds its history trimmed in the middle of a republication; the end of it opens nothing."""
    stage = Restored(safeguards)
    stage.send("order-1", "c0", 1)
    stage.beat(20)
    stage.take(republishing.ask(stage.world, stage.service, whole=True))
    stage.republish()
    stage.relay()
    marks = stage.world.store.marks
    for part in EVERYWHERE:
        log = stage.world.bus.logs["orders", part]
        stage.world.store.cursors.rows["orders", part] = trimmed = len(log) - 2
        assert log[trimmed] is not None
        marks.rows["orders", part] = Marks(closed=True)
    stage.apply_all(*EVERYWHERE)
    if not any(mark.closed for mark in marks.rows.values()):
        stage.world.truth.red("judged on half", "the rest of a log was taken for all of it")
    stage.take(republishing.ask(stage.world, stage.service, whole=True))
    stage.republish()
    stage.relay()
    for _ in range(2):
        stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def an_older_run_in_the_log(safeguards: Safeguards) -> dict[str, str]:
    """A consumer reads the log again, and finds there a republication from before it was emptied."""
    stage = Restored(safeguards)
    stage.take(republishing.ask(stage.world, stage.service, whole=True))
    stage.republish()
    for day in range(1, 5):
        stage.send(f"order-{day}", "c0", day)
    # One more than goes into the batch that ends the older run.
    stage.send("order-5", "c0", 9)
    stage.beat(20)
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.take(disasters.begin(stage.world, False))
    stage.republish("credit")
    stage.relay("credit")
    stage.apply_all(*EVERYWHERE, topic="credit")
    stage.apply_all(1, 2, 0)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def the_former_life_speaks(safeguards: Safeguards) -> dict[str, str]:
    """A relay that was forgotten somewhere sends what is lost, when everybody has given it up."""
    stage = Restored(safeguards)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    lost = stage.service.documents.rows["order-1"]
    stage.send("order-2", "c0", 1)
    del stage.service.outbox.rows[min(stage.service.outbox.rows)]
    stage.relay()
    stage.fall_back(backup)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.confirm()
    stage.apply_all(*EVERYWHERE)
    stage.land(partition_of("c0"), lost)
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def both_comings_at_once(safeguards: Safeguards) -> dict[str, str]:
    """A consumer was away all the time: the lost document and its second coming are in one batch."""
    stage = Restored(safeguards)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1)
    stage.relay()
    stage.fall_back(backup)
    stage.send("order-1", "c0", 1)
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.confirm()
    stage.apply_all(*EVERYWHERE)
    return stage.verdict()


def written_before_the_look(safeguards: Safeguards) -> dict[str, str]:
    """The one revision that would show the restore is given away again before the relay looks."""
    stage = Restored(safeguards)
    stage.send("order-1", "c0", 1)
    backup = stage.service.backup()
    stage.send("order-1", "c0", 1, amount=20)
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    stage.fall_back(backup, meanwhile=lambda: stage.send("order-1", "c0", 1, amount=30))
    stage.republish()
    stage.relay()
    stage.apply_all(*EVERYWHERE)
    if stage.service.republications.rows:
        stage.confirm()
        stage.apply_all(*EVERYWHERE)
    return stage.verdict()
