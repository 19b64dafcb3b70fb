"""The draft's answer, kept to show why C6 dropped it: one timer per customer, fired and never taken back."""

from functools import partial

from tests.protocol_model.database import Transaction
from tests.protocol_model.snapshots import Rule, Snapshot
from tests.protocol_model.store import NEVER
from tests.protocol_model.world import World


def fire_timers(
    world: World,
    tx: Transaction,
    rule: Rule,
    members: tuple[str, ...],
    root: str,
    watermark: int,
    applied: list[Snapshot],
) -> None:
    """The timer moves to the latest order; before that an overdue one may fire, as the draft wanted it."""
    armed = tx.get(world.store.timers, root)
    armed = NEVER if armed is None else armed
    for document in applied:
        if document.kind == rule.opens and document.live and any(party in members for party in document.parties):
            passed = armed > NEVER and armed + rule.patience < document.at
            if passed and not world.safeguards.timer_waits_for_watermark:
                _fire(world, tx, rule, members, root, armed)
            armed = max(armed, document.at)
    tx.put(world.store.timers, root, armed)
    if armed > NEVER and armed + rule.patience <= watermark:
        _fire(world, tx, rule, members, root, armed)


def _fire(world: World, tx: Transaction, rule: Rule, members: tuple[str, ...], root: str, armed: int) -> None:
    key = (rule.name, root, armed)
    if not tx.get(world.store.episodes, key):
        tx.put(world.store.episodes, key, True)
        tx.at_commit(partial(world.truth.opened, key, rule, members))
