"""Each safeguard is worth something: taken out alone, a seed or a schedule made by hand goes red."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from tests.protocol_model import by_hand
from tests.protocol_model.removals import ECONOMY, SEEN_BY_SEEDS, Removal
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
}
"""Too rare for the seeds: the schedule that shows each, and what it shows."""


class TestWithoutASafeguard:
    @pytest.mark.parametrize("removal", SEEN_BY_SEEDS, ids=lambda removal: removal.name)
    def test_a_seed_goes_red(self, removal: Removal, record_property: Record) -> None:
        """INVARIANT: every safeguard carries weight that the seeds can see.

        A fault mix that has grown too tame breaks it, or a rule that another one has made superfluous.
        """
        without = PROTOCOL.without(*removal.switches)
        for seed in range(SEARCHED):
            outcome = run(seed, without)
            if outcome.red:
                detail = next(iter(outcome.red.values()))
                record_property(PROPERTY, f"{removal.name} | seed {seed} | {', '.join(outcome.red)}: {detail[:90]}")
                return
        pytest.fail(f"no seed below {SEARCHED} noticed, although: {removal.harm}")

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
        named = [removal.name for removal in SEEN_BY_SEEDS] + list(RARE) + list(ECONOMY)
        assert sorted(named) == sorted(field.name for field in fields(Safeguards))
