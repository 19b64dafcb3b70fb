"""Tests of `services/alerting/domain/judging.py`, `matching.py` and `change.py`: warnings through their lives."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.alerting.domain import (
    RULES,
    Acknowledge,
    Checkpoint,
    Churn,
    Close,
    HeldWarning,
    RuleVersion,
    Span,
    document,
    handle,
    needs,
    reach,
)
from services.alerting.domain.facts import Hush
from services.alerting.domain.warning import suppression
from shared.events import Warning as WarningDocument
from tests.alerting.domain.stage import UTC, midnight
from tests.alerting.domain.world import World
from tests.support.builders import day, invoice, limit, order, party, payment


def world(*customers: str, now: float = 100) -> World:
    made = World([party(name) for name in customers or ("C1",)], UTC, sparing=True)
    made.now = day(now)
    return made


def say(stage: World, *documents: Any) -> None:
    for one in documents:
        held = stage.documents.get((one.kind, one.natural_key))
        stage.document(0 if held is None else held[0] + 1, one)


def all_held(stage: World) -> list[HeldWarning]:
    return sorted(stage.held.values(), key=lambda one: one.id)


def acknowledge(stage: World, one: HeldWarning) -> None:
    change = handle(one, Acknowledge(actor="u1", until=stage.now + timedelta(days=20)), stage.now)
    assert change is not None
    stage.held[one.id] = change.warning


def owing(amount: int, at: float, number: str = "I1", customer: str = "C1", **fields: Any) -> Any:
    return invoice(number, customer, at, amount, due=day(900).date(), **fields)


class TestLateDocuments:
    def test_an_earlier_start_is_the_same_warning_with_its_acknowledgement(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=20))
        acknowledge(stage, all_held(stage)[0])
        say(stage, owing(1100, at=10))
        (one,) = all_held(stage)
        assert (one.episode.started, one.handling.state) == (day(10), "acknowledged")

    def test_a_wrong_one_is_retracted_and_true_again_is_new(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=20), owing(1100, at=20, live=False), owing(1100, at=20))
        first, second = all_held(stage)
        assert (first.condition, first.retraction) == ("retracted", "documents_changed")
        assert (second.condition, second.previous) == ("firing", first.id)

    def test_a_resolve_taken_back_reopens_the_same_warning(self) -> None:
        stage = world()
        paid = payment(at=30, amount=1100)
        say(stage, limit(amount=1000), owing(1100, at=20), paid)
        (one,) = all_held(stage)
        close = Close(actor="u1", cause="a", countermeasure="b", outcome="useful")
        change = handle(one, close, stage.now)
        assert change is not None
        stage.held[one.id] = change.warning
        say(stage, payment(at=30, amount=1100, live=False))
        (again,) = all_held(stage)
        assert (again.id, again.condition, again.handling.state) == (one.id, "firing", "new")
        assert again.handling.cause == "a"

    def test_a_bounced_payment_is_a_second_episode_not_a_reopening(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=20), payment(at=30, amount=1100))
        say(stage, payment(at=30, amount=1100, reversed_at=day(40)))
        first, second = all_held(stage)
        assert (first.condition, second.condition, second.previous) == ("resolved", "firing", first.id)

    def test_two_warnings_of_one_episode_become_one_and_the_firing_one_stays(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10), payment(at=20, amount=1100), owing(1100, at=30, number="I2"))
        acknowledge(stage, all_held(stage)[1])
        say(stage, payment(at=20, amount=1100, live=False))
        say(stage, payment("P2", at=31, amount=1100))
        old, stays = all_held(stage)
        assert (old.condition, old.retraction, old.into) == ("retracted", "joined", stays.id)
        assert stays.episode.started == day(10)

    def test_one_warning_over_two_episodes_keeps_the_open_one(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10), owing(1100, at=40, number="I2"))
        say(stage, payment(at=20, amount=1100))
        kept, new = all_held(stage)
        assert (kept.condition, kept.episode.started) == ("firing", day(40))
        assert (new.condition, new.episode.started) == ("resolved", day(10))

    def test_a_late_order_retracts_a_churn_warning_that_never_was_true(self) -> None:
        stage = world()
        stage.beat("order", day(99).date())
        say(stage, order("O1", at=0), order("O2", at=3), order("O3", at=6))
        (one,) = all_held(stage)
        assert (one.code, one.condition) == ("churn", "firing")
        say(stage, *(order(f"X{n}", at=6 + 3 * n) for n in range(1, 32)))
        assert all_held(stage)[0].condition == "retracted"


class TestTiers:
    def test_a_raise_above_what_was_told_drops_the_acknowledgement(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10))
        acknowledge(stage, all_held(stage)[0])
        say(stage, owing(200, at=11, number="I2"))
        (one,) = all_held(stage)
        assert (one.told, one.handling.state) == (2, "new")

    def test_back_up_to_a_tier_already_told_keeps_it(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1300, at=10), payment(at=11, amount=200))
        acknowledge(stage, all_held(stage)[0])
        say(stage, owing(200, at=12, number="I2"))
        (one,) = all_held(stage)
        assert ([span.level for span in one.episode.spans], one.handling.state) == ([2, 1, 2], "acknowledged")


class TestGroups:
    def test_a_link_joins_the_firing_warnings_of_both(self) -> None:
        stage = world("C1", "C2")
        say(stage, owing(1100, at=10), owing(1100, at=12, number="I2", customer="C2"))
        stage.link(0, 1, True)
        stays, joined = all_held(stage)
        assert (stays.condition, stays.root, joined.into) == ("firing", party("C1"), stays.id)

    def test_when_the_link_ends_the_warning_stays_with_its_root(self) -> None:
        stage = world("C1", "C2")
        stage.link(0, 1, True)
        say(stage, owing(1100, at=10), owing(1100, at=12, number="I2", customer="C2"))
        acknowledge(stage, all_held(stage)[0])
        stage.link(0, 1, False)
        kept, new = all_held(stage)
        assert (kept.root, kept.handling.state) == (party("C1"), "acknowledged")
        assert (new.root, new.condition) == (party("C2"), "firing")

    def test_or_goes_to_the_other_half_if_only_that_has_the_episode(self) -> None:
        stage = world("C1", "C2")
        stage.link(0, 1, True)
        say(stage, owing(1100, at=12, number="I2", customer="C2"))
        stage.link(0, 1, False)
        (one,) = all_held(stage)
        assert (one.root, one.members) == (party("C2"), (party("C2"),))

    def test_what_no_half_owes_is_retracted_as_regrouped(self) -> None:
        stage = world("C1", "C2")
        stage.link(0, 1, True)
        say(stage, limit(amount=1000), limit("L2", "C2", amount=1000))
        say(stage, owing(700, at=12), owing(700, at=12, number="I2", customer="C2"))
        stage.link(0, 1, False)
        (one,) = all_held(stage)
        assert (one.condition, one.retraction) == ("retracted", "regrouped")


class TestHorizon:
    def overdue_then_linked_to_a_laggard(self) -> World:
        stage = world("C1", "C2")
        stage.beat("payment", day(99).date(), only=0)
        stage.beat("payment", day(5).date(), only=1)
        say(stage, limit(amount=10**9), invoice(at=0, amount=100, due=day(10).date()))
        acknowledge(stage, all_held(stage)[0])
        stage.link(0, 1, True)
        return stage

    def test_a_link_to_one_whose_feed_lags_hides_the_warning(self) -> None:
        (one,) = all_held(self.overdue_then_linked_to_a_laggard())
        assert (one.unjudged, one.suppression, one.handling.state) == (True, ("unjudged",), "acknowledged")

    def test_and_it_comes_back_as_it_was_when_the_feed_catches_up(self) -> None:
        stage = self.overdue_then_linked_to_a_laggard()
        stage.beat("payment", day(99).date(), only=1)
        (one,) = all_held(stage)
        assert (one.firing, one.suppression, one.handling.state) == (True, (), "acknowledged")

    def test_or_is_retracted_if_it_was_paid_meanwhile(self) -> None:
        """INVARIANT: an unjudged warning is due by itself. No timer of the fold is left to wake it here."""
        stage = self.overdue_then_linked_to_a_laggard()
        say(stage, payment(at=1, amount=100))
        assert all_held(stage)[0].unjudged
        stage.beat("payment", day(99).date(), only=1)
        assert all_held(stage)[0].condition == "retracted"

    def test_a_feed_that_falls_back_takes_nothing_back(self) -> None:
        """INVARIANT: J never falls. Else every warning of the customer would vanish with a restored feed."""
        stage = world()
        stage.beat("payment", day(99).date())
        say(stage, limit(amount=10**9), invoice(at=0, amount=100, due=day(10).date()))
        stage.beat("payment", day(5).date())
        say(stage, owing(5, at=98, number="I2"))
        assert all_held(stage)[0].firing


class TestSuppression:
    def test_of_imported_history_that_reaches_the_present_is_seeded(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10, backfill=True))
        assert all_held(stage)[0].suppression == ("seeded",)

    def test_ends_with_a_live_raise(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10, backfill=True), owing(200, at=99, number="I2"))
        assert all_held(stage)[0].suppression == ()

    def test_does_not_end_with_a_live_fall(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1300, at=10, backfill=True), payment(at=99, amount=200))
        assert all_held(stage)[0].suppression == ("seeded",)

    def test_does_not_touch_the_episode(self) -> None:
        one, other = world(), world()
        say(one, limit(amount=1000), owing(1100, at=10, backfill=True))
        say(other, limit(amount=1000), owing(1100, at=10))
        first, second = all_held(one)[0].episode, all_held(other)[0].episode
        assert (first.started, first.proof) == (second.started, second.proof)

    def test_of_documents_that_came_late_is_history(self) -> None:
        assert suppression((rise(hush=Hush.HISTORY), rise(hush=Hush.SEEDED)), None) == ("history", "seeded")
        assert suppression((rise(hush=Hush.HISTORY), rise(hush=Hush.NONE)), None) == ()

    def test_of_a_silence_is_seeded_only_as_far_as_history_was_imported(self) -> None:
        assert suppression((rise(by_time=True),), day(10)) == ("seeded",)
        assert suppression((rise(by_time=True),), day(9)) == ()
        assert suppression((rise(by_time=True),), None) == ()


def rise(hush: Hush = Hush.NONE, by_time: bool = False) -> Span:
    return Span(day(10), 1, by_absence=by_time, by_time=by_time, hush=hush, rise=True, numbers={})


class TestCheckpoint:
    def row(self) -> tuple[World, dict[str, Checkpoint]]:
        stage = world()
        for kind in ("order", "payment"):
            stage.beat(kind, day(50).date())
        say(stage, limit(amount=1000), owing(300, at=10), owing(300, at=60, number="I2"))
        return stage, stage.rows[party().id]

    def need(self, since: float | None, **how: Any) -> Any:
        stage, row = self.row()
        judged = how.get("judged", stage.judged)
        members = how.get("members", (party().id,))
        at = None if since is None else day(since)
        return reach(RULES, row, members, judged, at, UTC)

    def test_facts_later_than_the_head_need_only_those(self) -> None:
        assert (self.need(61).mode, self.need(61).after) == ("head", day(60))

    def test_facts_at_the_head_need_the_tail(self) -> None:
        assert (self.need(60).mode, self.need(60).after) == ("tail", midnight(51))

    def test_facts_before_the_cut_need_all(self) -> None:
        assert self.need(50).mode == "all"

    def test_a_moved_horizon_needs_the_tail(self) -> None:
        judged = {(party().id, kind): day(55).date() for kind in ("order", "payment")}
        assert self.need(None, judged=judged).mode == "tail"

    def test_other_members_need_all(self) -> None:
        judged = {(party(name).id, kind): day(50).date() for name in ("C1", "C2") for kind in ("order", "payment")}
        assert self.need(None, judged=judged, members=(party().id, party("C2").id)).mode == "all"

    def test_other_code_needs_all(self) -> None:
        class NewChurn(Churn):
            build = 2

        stage, row = self.row()
        assert needs(NewChurn(), row["churn"], [party().id], day(50).date(), None, UTC).mode == "all"
        assert stage.held == {}

    def test_a_rule_without_facts_after_the_cut_knows_how_far_the_group_was_read(self) -> None:
        """INVARIANT: one rule's silence must not make the driver load the day of a busy customer again and again."""
        _, row = self.row()
        assert (row["churn"].head, row["churn"].head_at) == (None, day(60))

    def test_survives_storage(self) -> None:
        _, row = self.row()
        stored = msgspec.msgpack.encode(row)
        assert msgspec.msgpack.decode(stored, type=dict[str, Checkpoint]) == row


class TestDocument:
    def test_is_the_published_snapshot(self) -> None:
        stage = world()
        say(stage, limit(amount=1000), owing(1100, at=10), owing(200, at=12, number="I2"))
        published = document(all_held(stage)[0])
        assert msgspec.json.decode(msgspec.json.encode(published), type=WarningDocument) == published
        assert (published.tier, published.started_at, published.rule_version) == ("critical", day(10), 1)
        assert [span.tier for span in published.spans] == ["warning", "critical"]
        assert published.evidence.numbers["debt"] == "13.00"

    def test_of_a_joined_one_says_into_which(self) -> None:
        stage = world("C1", "C2")
        say(stage, owing(1100, at=10), owing(1100, at=12, number="I2", customer="C2"))
        stage.link(0, 1, True)
        stays, joined = all_held(stage)
        assert document(joined).into == str(stays.id)


class TestVersions:
    @pytest.mark.parametrize("known", [5, 60])
    def test_a_version_counts_from_its_time_whenever_it_is_saved(self, known: float) -> None:
        stage = world(now=known)
        say(stage, limit(amount=1000), owing(1010, at=10))
        stage.version(RuleVersion("credit_limit", 2, day(20), {"critical_percent": 101}))
        stage.pass_time(day(61))
        (one,) = all_held(stage)
        assert [(span.since, span.level) for span in one.episode.spans] == [(day(10), 1), (day(20), 2)]
        assert one.episode.proof.version == 2
