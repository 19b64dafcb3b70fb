"""The conformance checks see what they are there for: each broken bus fails the check of the promise it breaks."""

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from tests.contracts import broken_buses as broken
from tests.contracts import checks_fault as fault
from tests.contracts import checks_group as group
from tests.contracts import checks_log as log
from tests.contracts.embedded_harness import EmbeddedHarness, MakeBus
from tests.contracts.test_bus_conformance import CHECKS, Check

MUTATIONS: tuple[tuple[MakeBus, Check], ...] = (
    (broken.LosesTheTail, log.offsets_are_dense_and_in_the_order_sent),
    (broken.ReordersWithinABatch, log.offsets_are_dense_and_in_the_order_sent),
    (broken.MixesPartitions, log.each_partition_counts_for_itself),
    (broken.KeepsHeadersInAMapping, log.bytes_come_back_as_sent),
    (broken.MakesNullKeysEmpty, log.bytes_come_back_as_sent),
    (broken.TakesOffsetsOutsideTheLock, log.concurrent_producers_lose_nothing),
    (broken.AcknowledgesTooEarly, log.acknowledged_is_in_the_log),
    (broken.HidesSendErrors, log.a_lost_acknowledgement_doubles_but_never_reorders),
    (broken.DropsRepetitions, log.a_lost_acknowledgement_doubles_but_never_reorders),
    (broken.ConnectsAgainByItself, log.a_producer_that_failed_stays_failed),
    (broken.CreatesTopicsOnUse, log.unknown_topics_and_partitions_are_errors),
    (broken.AcceptsAnyNumberOfPartitions, log.topics_are_created_once),
    (broken.CountsFromZeroForEver, log.bounds_are_first_and_next_offset),
    (broken.ReadsToTheEnd, log.reading_needs_no_group),
    (broken.ResetsToTheEarliest, log.positions_outside_the_log_raise),
    (broken.GoesOnAfterAnError, log.after_an_error_everything_is_positioned_again),
    (broken.NeverWaits, log.an_empty_topic_yields_nothing_in_time),
    (broken.NeverWakes, log.an_append_wakes_a_waiting_poll),
    (broken.BeginsAtTheFirstOffset, group.nothing_comes_before_seek),
    (broken.ForgetsSeeks, group.seek_moves_in_both_directions),
    (broken.ReadsWhateverIsSought, group.seek_in_a_partition_not_held_is_ignored),
    (broken.RemembersWhatItHandedOut, group.a_killed_member_is_replaced_from_the_callers_positions),
    (broken.BeginsAtTheCommittedOffset, group.commit_is_only_a_hint),
    (broken.FailsWhenItCannotCommit, group.commit_is_only_a_hint),
    (broken.SharesNothing, group.two_members_share_the_partitions),
    (broken.KeepsTheFirstMember, group.two_members_share_the_partitions),
    (broken.OwnershipOutlivesItsOwner, group.a_killed_member_hands_over_all),
    (broken.CloseForgetsTheGroup, group.a_closed_member_hands_over_all),
    (broken.KeepsOldPositions, group.a_partition_that_comes_back_waits_for_seek),
    (broken.SharesOneGroup, group.groups_do_not_disturb_each_other),
    (broken.SwallowsOnRebalance, group.nothing_is_lost_while_members_come_and_go),
    (broken.LimitsEachPartition, group.a_poll_gives_at_most_what_was_asked_for),
    (broken.CutsWhatIsTooMuch, group.a_poll_gives_at_most_what_was_asked_for),
    (broken.MixesRecords, group.each_partition_comes_in_one_piece_and_in_order),
    (broken.ServesTheFullestFirst, group.a_busy_partition_does_not_starve_the_others),
    (broken.ReadsOverAnotherConnection, fault.lost_ownership_is_noticed_before_records_are_returned),
    (broken.RaisesWhatTheDriverRaises, fault.errors_of_a_broken_connection_are_bus_errors),
    (broken.KeepsItsOldClients, fault.clients_are_replaced_after_a_restart_of_the_server),
    (broken.WaitsForAnAnswerBeforeItCloses, fault.closing_is_bounded_while_the_server_is_stopped),
    (broken.HidesSendErrors, fault.closing_is_bounded_while_nobody_answers),
    (broken.ClosesOnce, fault.closing_twice_is_harmless),
)


@pytest.mark.parametrize(
    ("make_bus", "check"), MUTATIONS, ids=[f"{make.__name__}-{check.__name__}" for make, check in MUTATIONS]
)
async def test_a_broken_bus_fails_the_check(bus_server: EmbeddedPostgres, make_bus: MakeBus, check: Check) -> None:
    harness = EmbeddedHarness(bus_server, make_bus)
    try:
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            await check(harness)
    finally:
        await harness.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_check_has_a_broken_bus(check: Check) -> None:
    assert check in [target for _, target in MUTATIONS]
