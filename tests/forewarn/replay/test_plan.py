"""The first pass: beats that cover nothing still to come, whatever the order of the file and the size of chunks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.replay.lines import ReplayRefused
from forewarn.replay.plan import BeatSchedule, make_plan
from forewarn.replay.translate import Kind, Options, Translator
from shared.events.sources import SOURCE_KINDS
from tests.forewarn.replay.support import OPTIONS, invoice, limit, order, payment, write

START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS: list[Kind] = ["order", "return", "invoice", "payment", "credit_limit"]
DOCUMENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 50)), min_size=1, max_size=60)


def filled(documents: list[tuple[Kind, int]], chunk: int) -> BeatSchedule:
    schedule = BeatSchedule()
    for number, (kind, hour) in enumerate(documents):
        schedule.add(number // chunk, kind, START + timedelta(hours=hour))
    schedule.finish()
    return schedule


class TestBeatSchedule:
    @given(documents=DOCUMENTS, chunk=st.integers(1, 20))
    def test_no_beat_covers_what_is_still_to_come(self, documents: list[tuple[Kind, int]], chunk: int) -> None:
        """INVARIANT: `complete_until` after chunk i is at or before every later document of its kind.

        A beat beyond one would let a rule judge an absence that the next chunk disproves.
        """
        schedule = filled(documents, chunk)
        for answered in range(len(documents) // chunk + 1):
            promised = schedule.after(answered)
            for kind, hour in documents[(answered + 1) * chunk :]:
                if kind in SOURCE_KINDS:
                    assert promised[SOURCE_KINDS[kind]] <= START + timedelta(hours=hour)

    @given(documents=DOCUMENTS, chunk=st.integers(1, 20))
    def test_the_last_beat_covers_every_document_of_its_kind(
        self, documents: list[tuple[Kind, int]], chunk: int
    ) -> None:
        promised = filled(documents, chunk).after((len(documents) - 1) // chunk)
        assert set(promised) == {SOURCE_KINDS[kind] for kind, _ in documents if kind in SOURCE_KINDS}
        for kind, hour in documents:
            if kind in SOURCE_KINDS:
                assert promised[SOURCE_KINDS[kind]] > START + timedelta(hours=hour)

    @given(documents=DOCUMENTS, chunk=st.integers(1, 20))
    def test_promises_never_fall(self, documents: list[tuple[Kind, int]], chunk: int) -> None:
        schedule = filled(documents, chunk)
        for answered in range(len(documents) // chunk):
            before, after = schedule.after(answered), schedule.after(answered + 1)
            assert all(before[of] <= after[of] for of in before)

    @given(documents=DOCUMENTS, one=st.integers(1, 20), other=st.integers(1, 20))
    def test_the_last_beat_does_not_depend_on_the_chunks(
        self, documents: list[tuple[Kind, int]], one: int, other: int
    ) -> None:
        last = len(documents) - 1
        assert filled(documents, one).after(last // one) == filled(documents, other).after(last // other)

    def test_a_feed_that_ends_early_is_promised_only_as_far_as_it_went(self) -> None:
        schedule = filled([("payment", 1), ("order", 2), ("order", 9)], chunk=1)
        assert schedule.after(2)["payment"] == START + timedelta(hours=1, microseconds=1)


class TestMakePlan:
    def test_counts_documents_and_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", [limit(), order(), "", "broken", invoice(), payment(), order(2)])
        plan = make_plan(path, Translator(OPTIONS), chunk=3)
        assert plan.documents == {"credit_limit": 1, "order": 2, "invoice": 1, "payment": 1}
        assert (plan.lines, plan.last) == (7, 7)
        assert plan.beats.kinds == ("invoice", "order", "payment")

    def test_a_late_line_holds_the_beats_back(self, tmp_path: Path) -> None:
        times = ["2026-03-02T10:00:00Z", "2026-03-09T10:00:00Z", "2026-03-03T10:00:00Z", "2026-03-10T10:00:00Z"]
        path = write(tmp_path / "f", [order(number, ts) for number, ts in enumerate(times)])
        beats = make_plan(path, Translator(OPTIONS), chunk=1).beats
        assert [beats.after(chunk)["order"].day for chunk in range(4)] == [3, 3, 10, 10]

    def test_refused_lines_promise_and_hold_back_nothing(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", [order(), order(2, "2026-01-01T00:00:00Z", amount="?")])
        assert make_plan(path, Translator(OPTIONS), chunk=1).beats.after(0)["order"].month == 3

    def test_chunks_are_counted_from_the_first_line_sent(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", [order(number) for number in range(10)])
        plan = make_plan(path, Translator(OPTIONS), chunk=3, first=5)
        assert plan.documents["order"] == plan.lines == 6
        assert [plan.chunk_of(line) for line in (5, 7, 8, 10)] == [0, 0, 1, 1]

    def test_a_missing_option_refuses_the_run_at_the_line_that_needs_it(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", [order(1, "2026-03-02T10:00:00Z"), order(2)])
        with pytest.raises(ReplayRefused) as refused:
            make_plan(path, Translator(Options(currency="CNY")), chunk=1)
        assert refused.value.line == 2
