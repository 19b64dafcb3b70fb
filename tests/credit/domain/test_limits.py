"""Which limit decision counts."""

from services.credit.domain.limits import limit_in_force
from shared.events import CreditLimit
from tests.support.builders import day, limit, party

ROOT = party("C1").id


def number_in_force(at: float, *limits: CreditLimit) -> str | None:
    found = limit_in_force(limits, ROOT, day(at))
    return found.number if found else None


class TestLimitInForce:
    def test_is_none_while_nobody_decided(self) -> None:
        assert number_in_force(5) is None
        assert number_in_force(5, limit(live=False)) is None

    def test_counts_from_its_first_instant(self) -> None:
        assert [number_in_force(at, limit(at=3)) for at in (2.9, 3)] == [None, "L1"]

    def test_the_latest_counts_whenever_it_came(self) -> None:
        early, late = limit("L1", at=1), limit("L2", at=2)
        assert number_in_force(3, early, late) == number_in_force(3, late, early) == "L2"
        assert number_in_force(1, early, late) == "L1"

    def test_of_one_instant_the_higher_number_counts(self) -> None:
        low, high = limit("L1", at=1), limit("L2", at=1)
        assert number_in_force(3, low, high) == number_in_force(3, high, low) == "L2"

    def test_a_temporary_one_ends_with_its_period(self) -> None:
        usual, raised = limit("L1", at=0), limit("L2", at=2, valid_to=day(4))
        assert [number_in_force(at, usual, raised) for at in (1, 2, 3.9, 4)] == ["L1", "L2", "L2", "L1"]

    def test_a_later_decision_ends_a_temporary_one(self) -> None:
        raised, lowered = limit("L1", at=2, valid_to=day(9)), limit("L2", at=4)
        assert [number_in_force(at, raised, lowered) for at in (3, 5)] == ["L1", "L2"]

    def test_the_roots_goes_before_later_ones_of_members(self) -> None:
        mine, theirs = limit("L1", "C1", at=0), limit("L2", "OLD", at=5)
        assert number_in_force(6, mine, theirs) == "L1"

    def test_a_members_counts_while_the_root_has_none(self) -> None:
        mine, theirs = limit("L1", "C1", at=5), limit("L2", "OLD", at=0)
        assert [number_in_force(at, mine, theirs) for at in (4, 5)] == ["L2", "L1"]
