"""The safeguards of the protocol, each a switch of the model. Which removal shows how is left to `removals`."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Safeguards:
    """Everything on is the protocol. A field switched off is one rule broken, and nothing else."""

    # P1 revision
    revision_row_lock: bool = True
    outbox_in_same_transaction: bool = True
    repeated_request_writes_nothing: bool = True
    # P2 addressees
    other_parties_addressed: bool = True
    bill_to_addressed: bool = True
    previous_parties_addressed: bool = True
    # P3 relay
    delete_only_acknowledged: bool = True
    delete_own_ids: bool = True
    relay_selects_present_rows: bool = True
    one_batch_in_flight: bool = True
    relay_in_id_order: bool = True
    quota_per_partition: bool = True
    single_relay: bool = True
    # P4 restore
    identity_compared: bool = True
    log_compared: bool = True
    contents_compared: bool = True
    look_before_sending: bool = True
    former_lives_ignored: bool = True
    epoch_from_outside: bool = True
    raise_excludes_writers: bool = True
    raise_forgets_outbox: bool = True
    raise_republishes: bool = True
    begun_with_the_epoch: bool = True
    # P6 republish
    complete_behind_documents: bool = True
    beats_sent_last: bool = True
    page_with_its_cursor: bool = True
    incarnation_locked_first: bool = True
    # P5 beats
    beat_in_every_partition: bool = True
    beat_waits_for_answers: bool = True
    beats_wait_for_complete: bool = True
    beats_ask_for_the_epoch: bool = True
    # C1 cursor
    cursor_lock: bool = True
    cursor_compare_and_set: bool = True
    contiguity: bool = True
    cursor_not_before_effects: bool = True
    cursor_with_effects: bool = True
    # C2 effects
    revision_comparison: bool = True
    tombstones_kept: bool = True
    document_lock_first: bool = True
    document_locks_sorted: bool = True
    customer_row_locks: bool = True
    customer_locks_sorted: bool = True
    extrema_recomputed: bool = True
    # C3 dead letters
    poison_passed: bool = True
    frozen_by_dead_letters: bool = True
    frozen_read_under_row_lock: bool = True
    # C4 merge
    alias_lock: bool = True
    group_rows_locked: bool = True
    sums_stay_with_party: bool = True
    link_sent_to_both_parties: bool = True
    # C5 watermark
    watermark_of_all_members: bool = True
    watermark_of_all_sources: bool = True
    watermark_read_under_row_lock: bool = True
    # C6 episodes
    episodes_are_a_function: bool = True
    timer_waits_for_watermark: bool = True
    # C7 gate
    gate_closed: bool = True
    gate_wants_its_beginning: bool = True
    gate_wants_its_number: bool = True
    gate_of_all_partitions: bool = True
    closed_while_restoring: bool = True
    judged_when_it_opens: bool = True
    rebuild_asks_under_locks: bool = True
    # C8 fence
    confirmation_repeated: bool = True
    lost_retracted: bool = True
    lost_kept_until_confirmed: bool = True
    lost_after_all_partitions: bool = True
    former_life_dropped: bool = True
    markers_alone: bool = True
    replaced: bool = True
    replaced_in_batch: bool = True
    replaced_when_late: bool = True
    letters_pass_the_fence: bool = True
    letters_read_before_confirming: bool = True

    def without(self, *names: str) -> Self:
        """The same protocol with these safeguards removed."""
        return replace(self, **dict.fromkeys(names, False))


PROTOCOL = Safeguards()
