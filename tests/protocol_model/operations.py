"""What people do while the system runs: replay dead letters, rewind a cursor, publish again."""

from tests.protocol_model.effects import Application, Batch, Stale
from tests.protocol_model.republishing import ask
from tests.protocol_model.snapshots import IDLE, PARTITIONS, TOPICS, Steps
from tests.protocol_model.store import LetterKey
from tests.protocol_model.world import World


def replay_letters(world: World) -> Steps:
    """Mends the consumer for one record after another and applies it like a batch of one."""
    while True:
        yield from wait(world, 20, 200)
        unresolved = [key for key, letter in world.store.letters.rows.items() if not letter.resolved]
        if unresolved:
            yield from replay(world, world.rng.choice(unresolved))


def replay(world: World, key: LetterKey) -> Steps:
    letter = world.store.letters.rows[key]
    snapshot = letter.record.snapshot
    world.poison.pop((snapshot.id, snapshot.revision), None)
    with world.store.database.begin() as tx:
        try:
            yield from Application(world, tx, Batch(letter.part, [snapshot], {}, [key])).run()
        except Stale:
            return
        tx.commit()


def rewind_and_republish(world: World) -> Steps:
    """Some partitions are read again from an earlier offset; some services publish everything again."""
    for topic in TOPICS:
        if world.rng.random() < world.faults.rewind:
            yield from wait(world, 100, 700)
            yield from _rewind(world, topic, world.rng.randrange(PARTITIONS))
        if world.rng.random() < world.faults.republish:
            yield from wait(world, 100, 700)
            yield from ask(world, world.services[topic], whole=True)
    world.unfinished.discard("rewinds")


def _rewind(world: World, topic: str, part: int) -> Steps:
    with world.store.database.begin() as tx:
        yield from tx.lock("cursor", topic, str(part))
        at = tx.get(world.store.cursors, (topic, part)) or 0
        world.counts["rewinds"] += 1
        tx.put(world.store.cursors, (topic, part), max(0, at - world.rng.randint(1, 25)))
        tx.commit()


def wait(world: World, least: float, most: float) -> Steps:
    until = world.now + world.rng.uniform(least, most)
    while world.now < until:
        yield IDLE
