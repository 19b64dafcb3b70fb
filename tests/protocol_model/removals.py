"""Which safeguard the seeds see missing, which are economy, and what breaks. The rare ones have schedules by hand."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Removal:
    """A safeguard taken out, the red seeds of 250 that protocol.md counts (None: not in its table), and the harm."""

    name: str
    red_of_250: int | None
    harm: str
    together_with: tuple[str, ...] = ()

    @property
    def switches(self) -> tuple[str, ...]:
        return self.name, *self.together_with


SEEN_BY_SEEDS: Final = (
    Removal("revision_row_lock", 132, "Two contents share one revision; the consumer keeps the wrong one."),
    Removal("outbox_in_same_transaction", 71, "A crash between the two commits loses the rows for ever."),
    Removal("repeated_request_writes_nothing", 250, "A command that was answered late takes effect twice."),
    Removal("other_parties_addressed", 91, "The beat overtakes the document in all partitions but one."),
    Removal("bill_to_addressed", 80, "The bill-to's beat passes before the document came."),
    Removal("previous_parties_addressed", 16, "The old customer is judged with a document he no longer has."),
    Removal("delete_only_acknowledged", 245, "A batch that got lost is deleted."),
    Removal("delete_own_ids", 248, "A row with a lower id that was committed later is deleted unsent."),
    Removal("relay_selects_present_rows", 250, "A row with a lower id that was committed later is never sent."),
    Removal("one_batch_in_flight", 12, "A beat lands before the batch in front of it."),
    Removal("relay_in_id_order", 43, "A beat is sent before the documents it covers."),
    Removal("quota_per_partition", 24, "The rows of a partition without leader fill the window."),
    Removal("beat_in_every_partition", 228, "A beat of one partition says nothing of the rows in another."),
    Removal("beat_waits_for_answers", 14, "The beat covers a command that has not been written yet."),
    Removal("contiguity", 146, "Records that a fetch left out are never applied."),
    Removal("cursor_not_before_effects", 162, "A crash after the cursor and before the effects loses a batch."),
    Removal("revision_comparison", 250, "An older snapshot that arrives late replaces the newer one."),
    Removal("tombstones_kept", None, "An older revision of a removed retraction comes back as new."),
    Removal("customer_row_locks", 172, "Two transactions add to the same sum; one addition is lost."),
    Removal("customer_locks_sorted", 239, "Two transactions take the same rows the other way round."),
    Removal("extrema_recomputed", 32, "The maximum outlives the document that was the maximum."),
    Removal("poison_passed", 143, "The partition stands for ever before what it cannot read."),
    Removal("frozen_by_dead_letters", 64, "A good beat passes the order that could not be read."),
    Removal("sums_stay_with_party", 125, "An unmerge does not find what the merge has moved."),
    Removal("watermark_of_all_members", 55, "The root's partition says nothing of the other members' documents."),
    Removal("watermark_of_all_sources", 147, "The fast source speaks for the slow one."),
    Removal("episodes_are_a_function", 125, "A timer that moved on forgets the silence before it."),
    Removal(
        "timer_waits_for_watermark",
        125,
        "The order that fires the timer says nothing of another one still under way.",
        ("episodes_are_a_function",),
    ),
)

SEEN_BY_RESTORES: Final = (
    Removal("log_compared", None, "A dump put back into the same server looks like the same life."),
    Removal("look_before_sending", None, "Revisions are given away a second time before anybody knows."),
    Removal("former_lives_ignored", None, "What a life that was left has said begins a new epoch at every start."),
    Removal("epoch_from_outside", None, "A backup from before the first restore counts to the same epoch again."),
    Removal("raise_excludes_writers", None, "A document written meanwhile has the old epoch and is dropped."),
    Removal("raise_forgets_outbox", None, "Rows from before the look repeat revisions of the former life: forks."),
    Removal("raise_republishes", 248, "Consumers keep revisions that their producer has forgotten."),
    Removal("complete_behind_documents", None, "The gate opens before the documents are through."),
    Removal("page_with_its_cursor", None, "A crash between cursor and rows leaves a page out."),
    Removal("incarnation_locked_first", None, "A piece of a republication and a new epoch wait for each other."),
    Removal("beats_ask_for_the_epoch", None, "A beat is written beside the raise and keeps the old epoch."),
    Removal(
        "cursor_compare_and_set",
        None,
        "A batch on its way moves the cursor of an emptied consumer on, as if nothing had happened.",
        ("cursor_lock",),
    ),
    Removal("gate_closed", 125, "An emptied consumer is judged with what happens to be there."),
    Removal("gate_of_all_partitions", None, "The fastest partition opens it for all."),
    Removal("judged_when_it_opens", None, "Who has no document behind the gate is never looked at again."),
    Removal("lost_retracted", 248, "What the producer has lost stays for ever."),
    Removal("lost_kept_until_confirmed", None, "A restore alone takes back what was accepted."),
    Removal("markers_alone", None, "The last two partitions each miss the other's marker."),
    Removal("replaced", None, "A lost document and its second coming both count."),
    Removal("replaced_when_late", None, "The lost one comes behind the one that replaces it."),
    Removal("letters_pass_the_fence", None, "A letter taken up again brings a lost document back."),
    Removal("letters_read_before_confirming", None, "What lies unread in a letter is taken for lost."),
)

ECONOMY: Final = {
    "single_relay": "Two relays double records; any prefix of the present rows may be sent by anybody.",
    "cursor_lock": "Without it the cursor may step back and work is repeated, which C2 absorbs.",
    "cursor_with_effects": "Moved after the effects, a crash repeats a batch, which C2 absorbs.",
    "alias_lock": "Aliases are read again under the row locks, and a group that grew is taken anew.",
    "beats_wait_for_complete": "Nothing is judged before the republication is through; beats would only be too early.",
    "beats_sent_last": "As long as documents may be missing nothing is judged, in whatever order they come.",
    "link_sent_to_both_parties": "Groups come from held links wherever they arrived; both keys only make it sooner.",
}
"""Red in 0 of 250 seeds: kept to save work or time, no proof rests on them."""

LEANED_ON_BY_REBUILDS: Final = ("cursor_lock", "cursor_with_effects", "alias_lock")
"""Economy as long as nobody empties the consumer: that has to keep batches on their way out."""
