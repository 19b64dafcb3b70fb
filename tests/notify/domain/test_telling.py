"""The table: what was told last and how the warning stands now give what is to be said."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain import Log, Said, Snapshot, is_seeded, tell
from shared.events import Warning as WarningDocument
from tests.support.builders import day
from tests.support.warnings import warning

ID, OTHER = UUID(int=1), UUID(int=2)
ME = "user:chen"

FIRING = Said("firing", "warning", "warning", pushed=True)
CRITICAL = Said("firing", "critical", "critical", pushed=True)
LOWERED = Said("firing", "warning", "critical", pushed=True)
QUIET = Said("firing", "warning", "warning", pushed=False)
RESOLVED = Said("resolved", "warning", "warning", pushed=True)
TAKEN_BACK = Said("taken_back", "warning", "warning", pushed=True)

JOINED: dict[str, Any] = {"condition": "retracted", "retraction": "joined", "into": str(OTHER)}
WRONG: dict[str, Any] = {"condition": "retracted", "retraction": "documents_changed"}


def snapshot(document: WarningDocument, id_: UUID = ID) -> Snapshot:
    return Snapshot(id_, 1, day(0), document)


def said(
    told: Said | None, document: WarningDocument, concerned: Collection[str] = (ME,)
) -> tuple[tuple[str, bool] | None, Said | None]:
    """What is said to me (what, pushed), and what the log says of it then."""
    lines, log = tell({ID: snapshot(document)}, {(ID, ME): told} if told else {}, {ID: concerned})
    assert {line.recipient for line in lines} <= {ME}
    assert len(lines) <= 1
    return (lines[0].told, lines[0].pushed) if lines else None, log.get((ID, ME))


class TestFiring:
    @pytest.mark.parametrize(
        ("told", "tier", "line"),
        [
            (None, "warning", ("firing", True)),
            (FIRING, "warning", None),
            (FIRING, "critical", ("raised", True)),
            (CRITICAL, "warning", ("lowered", False)),
            (LOWERED, "critical", ("raised", False)),
            (RESOLVED, "warning", ("reopened", True)),
        ],
        ids=["unheard", "known", "higher", "lower", "back up to what was told", "its end is taken back"],
    )
    def test_tells_what_is_new(self, told: Said | None, tier: str, line: tuple[str, bool] | None) -> None:
        found, log = said(told, warning(tier=tier))
        assert found == line
        assert log is not None
        assert (log.state, log.tier) == ("firing", tier)

    def test_after_a_reopening_a_raise_is_news_again(self) -> None:
        _, log = said(Said("resolved", "critical", "critical", pushed=True), warning())
        assert said(log, warning(tier="critical"))[0] == ("raised", True)

    def test_new_figures_and_what_people_did_are_no_news(self) -> None:
        assert said(FIRING, warning(numbers={"debt": "130.00"}))[0] is None

    @pytest.mark.parametrize("told", [None, QUIET])
    def test_old_documents_reach_the_inbox_only(self, told: Said | None) -> None:
        document = warning(tier="critical", suppression=("history",))
        assert said(told, document)[0] == ("raised" if told else "firing", False)

    def test_a_live_raise_after_a_quiet_firing_is_pushed(self) -> None:
        line, log = said(QUIET, warning(tier="critical"))
        assert line == ("raised", True)
        assert log is not None
        assert log.pushed

    def test_what_was_pushed_stays_pushed_through_a_quiet_raise(self) -> None:
        _, log = said(FIRING, warning(tier="critical", suppression=("history",)))
        assert said(log, warning(condition="resolved"))[0] == ("resolved", True)

    def test_halfway_back_up_does_not_forget_the_height(self) -> None:
        line, log = said(Said("firing", "info", "critical", pushed=True), warning())
        assert line == ("raised", False)
        assert said(log, warning(tier="critical"))[0] == ("raised", False)

    def test_declared_history_is_counted_not_told(self) -> None:
        document = warning(suppression=("seeded",))
        assert said(None, document) == (None, None)
        assert is_seeded(document)

    def test_a_live_rise_within_declared_history_is_told(self) -> None:
        assert said(None, warning())[0] == ("firing", True)
        assert not is_seeded(warning())

    def test_an_old_document_within_declared_history_reaches_the_inbox(self) -> None:
        document = warning(suppression=("history", "seeded"))
        assert said(None, document)[0] == ("firing", False)
        assert not is_seeded(document)

    @pytest.mark.parametrize("told", [None, FIRING, RESOLVED])
    def test_nothing_is_said_of_an_unjudged_one(self, told: Said | None) -> None:
        assert said(told, warning(suppression=("unjudged",))) == (None, told)

    def test_who_is_no_more_concerned_hears_of_no_raise(self) -> None:
        assert said(FIRING, warning(tier="critical"), concerned=())[0] is None
        assert said(CRITICAL, warning(), concerned=())[0] == ("lowered", False)


class TestResolved:
    over = warning(condition="resolved")

    @pytest.mark.parametrize(
        ("told", "line"),
        [
            (None, ("passed", False)),
            (FIRING, ("resolved", True)),
            (QUIET, ("resolved", False)),
            (RESOLVED, None),
            (TAKEN_BACK, None),
        ],
        ids=["both unheard", "told firing", "told quietly", "known", "taken back"],
    )
    def test_tells_the_end_to_whoever_was_told_the_beginning(
        self, told: Said | None, line: tuple[str, bool] | None
    ) -> None:
        assert said(told, self.over)[0] == line

    def test_whoever_was_told_hears_it_although_the_customer_is_not_his_any_more(self) -> None:
        """INVARIANT: without the log a former owner would chase a debt that is paid."""
        assert said(FIRING, self.over, concerned=())[0] == ("resolved", True)

    def test_a_new_owner_hears_nothing_of_what_was_over_before_him(self) -> None:
        lines, _ = tell({ID: snapshot(self.over)}, {(ID, "user:li"): RESOLVED}, {ID: (ME,)})
        assert lines == []

    @pytest.mark.parametrize("reason", ["seeded", "history"])
    def test_what_was_over_before_it_became_known_is_no_line(self, reason: str) -> None:
        """INVARIANT: a first import of two years must not put thousands of lines into the manager's inbox."""
        assert said(None, warning(condition="resolved", suppression=(reason,))) == (None, None)

    def test_no_suppression_keeps_the_end_from_whoever_was_told(self) -> None:
        document = warning(condition="resolved", suppression=("seeded",))
        assert said(FIRING, document)[0] == ("resolved", True)


class TestRetracted:
    @pytest.mark.parametrize(
        ("told", "line"),
        [
            (None, None),
            (FIRING, ("taken_back", True)),
            (QUIET, ("taken_back", False)),
            (RESOLVED, ("taken_back", False)),
            (TAKEN_BACK, None),
        ],
        ids=["unheard", "told firing", "told quietly", "over", "known"],
    )
    def test_is_taken_back_from_whoever_was_told(self, told: Said | None, line: tuple[str, bool] | None) -> None:
        assert said(told, warning(**WRONG))[0] == line

    def test_by_regrouping_alone_nobody_is_disturbed(self) -> None:
        assert said(FIRING, warning(condition="retracted", retraction="regrouped"))[0] == ("taken_back", False)


class TestJoined:
    @staticmethod
    def joined(log: Log, into: WarningDocument | None) -> tuple[list[tuple[UUID, str]], Log]:
        snapshots = {ID: snapshot(warning(**JOINED))}
        if into is not None:
            snapshots[OTHER] = snapshot(into, OTHER)
        lines, after = tell(snapshots, log, dict.fromkeys(snapshots, (ME,)))
        return [(line.snapshot.id, line.told) for line in lines], after

    def test_whoever_was_told_counts_as_told_of_the_other(self) -> None:
        assert self.joined({(ID, ME): FIRING}, warning()) == ([], {(OTHER, ME): FIRING})

    def test_its_recipients_wait_for_the_other_to_come(self) -> None:
        """INVARIANT: the two come through different partitions; forgotten in between, nobody hears of the end."""
        lines, log = self.joined({(ID, ME): FIRING}, None)
        assert (lines, log) == ([], {(OTHER, ME): FIRING})
        lines, _ = self.joined(log, warning(condition="resolved"))
        assert lines == [(OTHER, "resolved")]

    def test_told_of_both_he_hears_one_end(self) -> None:
        both = {(ID, ME): FIRING, (OTHER, ME): CRITICAL}
        assert self.joined(both, warning(condition="resolved"))[0] == [(OTHER, "resolved")]

    def test_a_resolve_of_what_goes_on_is_taken_back(self) -> None:
        assert self.joined({(ID, ME): RESOLVED}, warning())[0] == [(OTHER, "reopened")]

    def test_the_firing_one_counts(self) -> None:
        for log in ({(ID, ME): FIRING, (OTHER, ME): RESOLVED}, {(ID, ME): RESOLVED, (OTHER, ME): FIRING}):
            assert self.joined(log, warning())[0] == []

    def test_the_higher_tier_and_the_push_of_either_count(self) -> None:
        quiet = Said("firing", "critical", "critical", pushed=False)
        log = {(ID, ME): FIRING, (OTHER, ME): quiet}
        assert self.joined(log, warning(tier="critical")) == ([], {(OTHER, ME): CRITICAL})

    def test_over_several_it_ends_at_the_last(self) -> None:
        last = UUID(int=3)
        onward = warning(condition="retracted", retraction="joined", into=str(last))
        snapshots = {ID: snapshot(warning(**JOINED)), OTHER: snapshot(onward, OTHER), last: snapshot(warning(), last)}
        lines, log = tell(snapshots, {(ID, ME): FIRING}, dict.fromkeys(snapshots, (ME,)))
        assert (lines, log) == ([], {(last, ME): FIRING})


class TestOrder:
    def test_is_that_in_which_it_was_recorded(self) -> None:
        snapshots = {
            ID: Snapshot(ID, 1, day(2), warning("C1")),
            OTHER: Snapshot(OTHER, 1, day(1), warning("C2")),
        }
        lines, _ = tell(snapshots, {}, dict.fromkeys(snapshots, ("user:b", "user:a")))
        assert [(line.snapshot.id, line.recipient) for line in lines] == [
            (OTHER, "user:a"),
            (OTHER, "user:b"),
            (ID, "user:a"),
            (ID, "user:b"),
        ]
