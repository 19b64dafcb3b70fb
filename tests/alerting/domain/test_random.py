"""The random test of judging.md section 4, and what it says when a safeguard is taken out.

FOREWARN_JUDGING_SEEDS = number of seeds (each in two orders of arrival); the report of a failure names the seed.
"""

import os
from collections.abc import Callable

import pytest

from tests.alerting.domain.mutations import RED, Mutation
from tests.alerting.domain.simulation import run
from tests.alerting.domain.world import Broken

SEEDS = int(os.environ.get("FOREWARN_JUDGING_SEEDS", "120"))
BLOCK = 20
SEARCHED = 80
"""Seeds in which a missing safeguard must show."""


class TestAnyArrival:
    @pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
    def test_says_what_the_documents_and_the_horizon_say(self, first: int) -> None:
        """INVARIANT: held = from scratch after every touch, and both orders of arrival end alike.

        Anything that remembers arrival, trusts a stale checkpoint, or judges absence beyond J breaks it.
        """
        for seed in range(first, min(first + BLOCK, SEEDS)):
            outcomes = [_outcome(seed, shuffled) for shuffled in (False, True)]
            assert outcomes[0] == outcomes[1], f"seed {seed}: the orders of arrival end differently"


class TestWithoutASafeguard:
    @pytest.mark.parametrize("mutation", RED, ids=lambda mutation: mutation.__name__)
    def test_a_seed_goes_red(
        self, mutation: Mutation, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
    ) -> None:
        """INVARIANT: the random test sees each safeguard. A script grown too tame would let one rot unnoticed."""
        mutation(monkeypatch)
        for seed in range(SEARCHED):
            for shuffled in (False, True):
                try:
                    run(seed, shuffled)
                except (Broken, ValueError, KeyError) as error:
                    record_property("red", f"seed {seed}, shuffled {shuffled}: {error}")
                    return
        pytest.fail(f"no seed below {SEARCHED} noticed")


def _outcome(seed: int, shuffled: bool) -> list[tuple[object, ...]]:
    try:
        return run(seed, shuffled).outcome()
    except Broken as error:
        pytest.fail(f"seed {seed}, shuffled {shuffled}: {error}")
