"""The conformance checks see what they are there for: each broken bus fails the check of the promise it breaks."""

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from tests.contracts import checks_fault as fault
from tests.contracts import checks_group as group
from tests.contracts import checks_log as log
from tests.contracts.broken_buses import fault as fault_buses
from tests.contracts.broken_buses import group as group_buses
from tests.contracts.broken_buses import log as log_buses
from tests.contracts.embedded_harness import EmbeddedHarness, MakeBus
from tests.contracts.test_bus_conformance import CHECKS, Check

MUTATIONS: tuple[tuple[MakeBus, Check], ...] = (
    (log_buses.LosesTheTail, log.offsets_are_dense_and_in_the_order_sent),
    (log_buses.ReordersWithinABatch, log.offsets_are_dense_and_in_the_order_sent),
    (log_buses.MixesPartitions, log.each_partition_counts_for_itself),
    (log_buses.KeepsHeadersInAMapping, log.bytes_come_back_as_sent),
    (log_buses.MakesNullKeysEmpty, log.bytes_come_back_as_sent),
    (log_buses.TakesOffsetsOutsideTheLock, log.concurrent_producers_lose_nothing),
    (log_buses.AcknowledgesTooEarly, log.acknowledged_is_in_the_log),
    (log_buses.HidesSendErrors, log.a_lost_acknowledgement_doubles_but_never_reorders),
    (log_buses.DropsRepetitions, log.a_lost_acknowledgement_doubles_but_never_reorders),
    (log_buses.ConnectsAgainByItself, log.a_producer_that_failed_stays_failed),
    (log_buses.CreatesTopicsOnUse, log.unknown_topics_and_partitions_are_errors),
    (log_buses.AcceptsAnyNumberOfPartitions, log.topics_are_created_once),
    (log_buses.CountsFromZeroForEver, log.bounds_are_first_and_next_offset),
    (log_buses.ReadsToTheEnd, log.reading_needs_no_group),
    (log_buses.ResetsToTheEarliest, log.positions_outside_the_log_raise),
    (log_buses.GoesOnAfterAnError, log.after_an_error_everything_is_positioned_again),
    (log_buses.NeverWaits, log.an_empty_topic_yields_nothing_in_time),
    (log_buses.NeverWakes, log.an_append_wakes_a_waiting_poll),
    (group_buses.BeginsAtTheFirstOffset, group.nothing_comes_before_seek),
    (group_buses.ForgetsSeeks, group.seek_moves_in_both_directions),
    (group_buses.ReadsWhateverIsSought, group.seek_in_a_partition_not_held_is_ignored),
    (group_buses.RemembersWhatItHandedOut, group.a_killed_member_is_replaced_from_the_callers_positions),
    (group_buses.BeginsAtTheCommittedOffset, group.commit_is_only_a_hint),
    (group_buses.FailsWhenItCannotCommit, group.commit_is_only_a_hint),
    (group_buses.SharesNothing, group.two_members_share_the_partitions),
    (group_buses.KeepsTheFirstMember, group.two_members_share_the_partitions),
    (group_buses.OwnershipOutlivesItsOwner, group.a_killed_member_hands_over_all),
    (group_buses.CloseForgetsTheGroup, group.a_closed_member_hands_over_all),
    (group_buses.KeepsOldPositions, group.a_partition_that_comes_back_waits_for_seek),
    (group_buses.SharesOneGroup, group.groups_do_not_disturb_each_other),
    (group_buses.CountsWhoEverCame, group.members_are_counted),
    (group_buses.SwallowsOnRebalance, group.nothing_is_lost_while_members_come_and_go),
    (group_buses.LimitsEachPartition, group.a_poll_gives_at_most_what_was_asked_for),
    (group_buses.CutsWhatIsTooMuch, group.a_poll_gives_at_most_what_was_asked_for),
    (group_buses.MixesRecords, group.each_partition_comes_in_one_piece_and_in_order),
    (group_buses.ServesTheFullestFirst, group.a_busy_partition_does_not_starve_the_others),
    (fault_buses.ReadsOverAnotherConnection, fault.lost_ownership_is_noticed_before_records_are_returned),
    (fault_buses.RaisesWhatTheDriverRaises, fault.errors_of_a_broken_connection_are_bus_errors),
    (fault_buses.KeepsItsOldClients, fault.clients_are_replaced_after_a_restart_of_the_server),
    (fault_buses.WaitsForAnAnswerBeforeItCloses, fault.closing_is_bounded_while_the_server_is_stopped),
    (log_buses.HidesSendErrors, fault.closing_is_bounded_while_nobody_answers),
    (fault_buses.ClosesOnce, fault.closing_twice_is_harmless),
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
