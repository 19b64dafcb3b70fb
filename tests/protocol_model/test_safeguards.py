"""Each safeguard is worth something: taken out alone, a seed or a schedule made by hand goes red."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from tests.protocol_model import by_hand, by_hand_restores
from tests.protocol_model.faults import RESTORES, USUAL, Faults
from tests.protocol_model.removals import ECONOMY, SEEN_BY_RESTORES, SEEN_BY_SEEDS, Removal
from tests.protocol_model.report import PROPERTY
from tests.protocol_model.safeguards import PROTOCOL, Safeguards
from tests.protocol_model.schedule import run

SEARCHED = 150
"""Seeds in which a missing safeguard must show."""

Record = Callable[[str, object], None]
Schedule = Callable[[Safeguards], dict[str, str]]
RARE: dict[str, tuple[Schedule, str]] = {
    "document_lock_first": (by_hand.revisions_in_two_partitions, "sums"),
    "document_locks_sorted": (by_hand.same_documents_the_other_way_round, "deadlock"),
    "frozen_read_under_row_lock": (by_hand.letter_behind_the_back, "false alarm"),
    "group_rows_locked": (by_hand.two_members_at_once, "episodes"),
    "watermark_read_under_row_lock": (by_hand.two_beats_at_once, "episodes"),
    "identity_compared": (by_hand_restores.nothing_in_the_log_yet, "documents"),
    "contents_compared": (by_hand_restores.written_before_the_look, "fork"),
    "begun_with_the_epoch": (by_hand_restores.second_coming_first, "counts twice"),
    "closed_while_restoring": (by_hand_restores.moved_back_by_the_restore, "false alarm"),
    "gate_wants_its_beginning": (by_hand_restores.begun_before_the_gate_closed, "judged on half"),
    "rebuild_asks_under_locks": (by_hand_restores.another_operator, "judged on half"),
    "confirmation_repeated": (by_hand_restores.confirmed_behind_its_back, "documents"),
    "gate_wants_its_number": (by_hand_restores.an_older_run_in_the_log, "judged on half"),
    "former_life_dropped": (by_hand_restores.the_former_life_speaks, "documents"),
    "replaced_in_batch": (by_hand_restores.both_comings_at_once, "counts twice"),
    "lost_after_all_partitions": (by_hand_restores.confirmed_in_one_partition, "disappeared"),
}
"""Too rare for the seeds: the schedule that shows each, and what it shows."""


class TestWithoutASafeguard:
    @pytest.mark.parametrize("removal", SEEN_BY_SEEDS, ids=lambda removal: removal.name)
    def test_a_seed_goes_red(self, removal: Removal, record_property: Record) -> None:
        """INVARIANT: every safeguard carries weight that the seeds can see.

        A fault mix that has grown too tame breaks it, or a rule that another one has made superfluous.
        """
        _search(removal, USUAL, record_property)

    @pytest.mark.parametrize("removal", SEEN_BY_RESTORES, ids=lambda removal: removal.name)
    def test_a_restore_or_rebuild_goes_red(self, removal: Removal, record_property: Record) -> None:
        """INVARIANT: every safeguard of republication, gate, epoch and fence carries weight.

        A disaster that has grown too tame breaks it, or a rule that another one has made superfluous.
        """
        _search(removal, RESTORES, record_property)

    @pytest.mark.parametrize("name", RARE)
    def test_a_schedule_by_hand_goes_red(self, name: str, record_property: Record) -> None:
        """INVARIANT: the schedule is harmless with the safeguard and harmful without it.

        A step that moved in the model breaks it: then the schedule no longer meets in the narrow window.
        """
        schedule, harm = RARE[name]
        assert schedule(PROTOCOL) == {}
        red = schedule(PROTOCOL.without(name))
        assert harm in red
        record_property(PROPERTY, f"{name} | {schedule.__name__} | {harm}: {red[harm][:100]}")

    def test_every_safeguard_is_accounted_for(self) -> None:
        named = [removal.name for removal in (*SEEN_BY_SEEDS, *SEEN_BY_RESTORES)] + list(RARE) + list(ECONOMY)
        assert sorted(named) == sorted(field.name for field in fields(Safeguards))


def _search(removal: Removal, faults: Faults, record_property: Record) -> None:
    without = PROTOCOL.without(*removal.switches)
    for seed in range(SEARCHED):
        outcome = run(seed, without, faults)
        if outcome.red:
            detail = next(iter(outcome.red.values()))
            record_property(PROPERTY, f"{removal.name} | seed {seed} | {', '.join(outcome.red)}: {detail[:90]}")
            return
    pytest.fail(f"no seed below {SEARCHED} noticed, although: {removal.harm}")
