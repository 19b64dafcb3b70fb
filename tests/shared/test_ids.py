"""Identifiers: parties named alike everywhere, and ids of ours that ascend."""

import json
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any
from uuid import RFC_4122, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Party
from shared.ids import PARTY_NAMESPACE, Uuid7Ids, canonical_external_id, party_id
from tests.support.published_language import GOLDEN

NAMES: dict[str, Any] = json.loads((GOLDEN / "party_ids.json").read_text(encoding="utf-8"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
sources = st.sampled_from(["erp", "sap-1", "kingdee"])
milliseconds = st.integers(0, 2**48 - 1)


@pytest.fixture
def threads_take_turns() -> Iterator[None]:
    """Threads are switched as often as can be, so that those not kept apart meet in the middle of things."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


class TestPartyId:
    @pytest.mark.parametrize("vector", NAMES["vectors"], ids=lambda vector: vector["what"])
    def test_is_that_of_the_golden_vector(self, vector: dict[str, str]) -> None:
        """INVARIANT: breaks when normalisation, trimming or the encoding of the name changes; every customer that
        documents name by external id would become another one."""
        assert str(party_id(vector["source"], vector["external_id"])) == vector["party"]

    def test_namespace_is_that_of_the_golden_vectors(self) -> None:
        assert str(PARTY_NAMESPACE) == NAMES["namespace"]

    @pytest.mark.parametrize("vector", NAMES["vectors"], ids=lambda vector: vector["what"])
    def test_can_be_computed_by_anybody_from_the_name(self, vector: dict[str, str]) -> None:
        assert str(uuid5(UUID(NAMES["namespace"]), vector["name"])) == vector["party"]

    @given(sources, texts)
    def test_is_the_same_for_every_spelling_of_one_text(self, source: str, external_id: str) -> None:
        spellings = (unicodedata.normalize("NFC", external_id), unicodedata.normalize("NFD", external_id))
        found = {party_id(source, f"{space}{one}\n") for one in spellings for space in ("", " ", "\u3000")}
        assert len(found) == 1

    @given(st.lists(st.tuples(sources, texts), min_size=2, max_size=2))
    def test_differs_where_source_or_text_differ(self, names: list[tuple[str, str]]) -> None:
        different = {(source, canonical_external_id(text)) for source, text in names}
        assert len({party_id(*name) for name in names}) == len(different)

    def test_source_and_text_cannot_be_taken_for_one_another(self) -> None:
        assert party_id("a", 'b","c') != party_id('a","b', "c")

    @given(sources, texts)
    def test_is_a_version_5_of_a_compact_json_array(self, source: str, external_id: str) -> None:
        name = json.dumps([source, canonical_external_id(external_id)], ensure_ascii=False, separators=(",", ":"))
        assert party_id(source, external_id) == uuid5(PARTY_NAMESPACE, name)

    @given(sources, texts)
    def test_is_the_id_of_the_party_in_documents(self, source: str, external_id: str) -> None:
        assert Party.external(source, external_id).id == party_id(source, external_id)


class TestCanonicalExternalId:
    @given(texts)
    def test_has_nothing_left_to_change(self, text: str) -> None:
        canonical = canonical_external_id(text)
        assert canonical_external_id(canonical) == canonical

    @pytest.mark.parametrize("text", ["0000104711", "Ab-17", "a  b", "\uff23\uff11", 'O\'Brien "Nord"'])
    def test_keeps(self, text: str) -> None:
        assert canonical_external_id(text) == text


class TestUuid7Ids:
    @given(st.lists(milliseconds, min_size=1, max_size=50))
    def test_ids_ascend_whatever_the_clock_does(self, times: list[int]) -> None:
        """INVARIANT: breaks when the clock is put back, or many ids fall on one millisecond; pages and outbox rows
        in the order of ids would skip documents."""
        clock = iter(time * 1_000_000 for time in times)
        ids = Uuid7Ids(lambda: next(clock))
        made = [ids.new() for _ in times]
        assert all(earlier < later for earlier, later in pairwise(made))

    @given(milliseconds)
    def test_is_version_7_of_rfc_9562_with_the_time_in_front(self, time: int) -> None:
        made = Uuid7Ids(lambda: time * 1_000_000).new()
        assert (made.version, made.variant) == (7, RFC_4122)
        assert made.int >> 80 == time

    def test_time_does_not_run_ahead_when_many_ids_fall_on_one_millisecond(self) -> None:
        ids = Uuid7Ids(lambda: 1_000_000)
        made = [ids.new() for _ in range(20_000)]
        assert {one.int >> 80 for one in made} == {1}
        assert all((one.version, one.variant) == (7, RFC_4122) for one in made)

    def test_threads_never_get_the_same(self, threads_take_turns: None) -> None:  # noqa: ARG002
        ids, together = Uuid7Ids(lambda: 1_000_000), Barrier(4)

        def some(_: int) -> list[UUID]:
            together.wait()
            return [ids.new() for _ in range(3_000)]

        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(some, range(4)))
        assert len({one for part in made for one in part}) == 12_000
        assert all(part == sorted(part) for part in made)

    def test_two_processes_do_not_count_alike(self) -> None:
        first, second = (self.frozen() for _ in range(2))
        assert {next(first) for _ in range(100)}.isdisjoint(next(second) for _ in range(100))

    @staticmethod
    def frozen() -> Iterator[UUID]:
        ids = Uuid7Ids(lambda: 1_000_000)
        while True:
            yield ids.new()
