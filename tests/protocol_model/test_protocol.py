"""The protocol as it stands survives every seed, and the seeds are wild enough to mean something."""

from collections import Counter

import pytest

from tests.protocol_model.removals import ECONOMY
from tests.protocol_model.safeguards import PROTOCOL
from tests.protocol_model.schedule import run

SEEDS = 300
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


class TestProtocol:
    @pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
    def test_ends_with_what_the_documents_say(self, first: int) -> None:
        """INVARIANT: documents, sums, extrema and episodes are a function of what the producers wrote.

        Any rule of the protocol that is missing breaks it, see `removals`; so does a bug in this model.
        """
        total: Counter[str] = Counter()
        for seed in range(first, first + BLOCK):
            outcome = run(seed)
            assert not outcome.red, f"seed {seed}: {outcome.red}"
            total += outcome.counts
        tame = {what: total[what] / BLOCK for what, least in HAPPENED.items() if total[what] < least * BLOCK}
        assert not tame, f"these seeds no longer test much: {tame}"

    def test_same_seed_ends_the_same(self) -> None:
        assert [run(seed) for seed in range(3)] == [run(seed) for seed in range(3)]


class TestWithoutEconomies:
    def test_is_only_slower(self) -> None:
        """INVARIANT: no proof rests on what is called an economy, even with all of them gone at once.

        A safeguard that is put among them by mistake breaks it.
        """
        bare = PROTOCOL.without(*ECONOMY)
        for seed in range(60):
            outcome = run(seed, bare)
            assert not outcome.red, f"seed {seed}: {outcome.red}"
