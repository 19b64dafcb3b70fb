"""The protocol as it stands survives every seed, and the seeds are wild enough to mean something."""

from collections import Counter

import pytest

from tests.protocol_model.faults import RESTORES, USUAL, Faults
from tests.protocol_model.removals import ECONOMY, LEANED_ON_BY_REBUILDS
from tests.protocol_model.safeguards import PROTOCOL
from tests.protocol_model.schedule import run

SEEDS = 300
DISASTERS = 60
BLOCK = 30
HAPPENED = {
    "crashes": 40,
    "dead letters": 4,
    "episodes": 10,
    "late batches": 8,
    "lost acknowledgements": 10,
    "real holes": 2,
    "records": 300,
    "repeated requests": 4,
    "republished": 0.2,
    "rewinds": 0.5,
    "swallowed fetches": 2,
    "withdrawn": 1,
}
"""What a seed must have gone through, on the average of a block."""
BEFALLEN = {
    "confirmed": 0.5,
    "crashes": 30,
    "dead letters": 3,
    "episodes": 6,
    "raised": 0.7,
    "rebuilt": 0.4,
    "republished": 1,
    "restored": 0.7,
    "rewinds": 0.4,
    "rows of former lives": 0.5,
}
"""The same for seeds with restores and rebuilds."""


class TestProtocol:
    @pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
    def test_ends_with_what_the_documents_say(self, first: int) -> None:
        """INVARIANT: documents, sums, extrema and episodes are a function of what the producers wrote.

        Any rule of the protocol that is missing breaks it, see `removals`; so does a bug in this model.
        """
        _bear(range(first, first + BLOCK), USUAL, HAPPENED)

    def test_same_seed_ends_the_same(self) -> None:
        assert [run(seed) for seed in range(3)] == [run(seed) for seed in range(3)]


class TestRestoreAndRebuild:
    @pytest.mark.parametrize("first", range(0, DISASTERS, BLOCK))
    def test_ends_with_what_the_documents_say(self, first: int) -> None:
        """INVARIANT: a producer that was restored and a consumer that was emptied are equal again after confirmation.

        Before, nothing disappears, nothing counts twice and nobody is judged on half of his documents.
        """
        _bear(range(first, first + BLOCK), RESTORES, BEFALLEN)


class TestWithoutEconomies:
    def test_is_only_slower(self) -> None:
        """INVARIANT: no proof rests on what is called an economy, even with all of them gone at once.

        A safeguard that is put among them by mistake breaks it.
        """
        bare = PROTOCOL.without(*ECONOMY)
        for seed in range(60):
            outcome = run(seed, bare)
            assert not outcome.red, f"seed {seed}: {outcome.red}"

    def test_is_only_slower_with_restores_and_rebuilds(self) -> None:
        bare = PROTOCOL.without(*ECONOMY.keys() - LEANED_ON_BY_REBUILDS)
        for seed in range(15):
            outcome = run(seed, bare, RESTORES)
            assert not outcome.red, f"seed {seed}: {outcome.red}"


def _bear(seeds: range, faults: Faults, happened: dict[str, float]) -> None:
    """Every seed is green, and together they have gone through enough."""
    total: Counter[str] = Counter()
    for seed in seeds:
        outcome = run(seed, faults=faults)
        assert not outcome.red, f"seed {seed}: {outcome.red}"
        total += outcome.counts
    tame = {what: total[what] / len(seeds) for what, least in happened.items() if total[what] < least * len(seeds)}
    assert not tame, f"these seeds no longer test much: {tame}"
