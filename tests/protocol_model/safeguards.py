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
    # P5 beats
    beat_in_every_partition: bool = True
    beat_waits_for_answers: bool = True
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

    def without(self, *names: str) -> Self:
        """The same protocol with these safeguards removed."""
        return replace(self, **dict.fromkeys(names, False))


PROTOCOL = Safeguards()
