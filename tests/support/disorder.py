"""Files as bad feeds deliver them: lines shuffled within windows of business time, some of them more than once."""

import json
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

WEEK: Final = timedelta(days=7)


def disordered(lines: Iterable[str], *, seed: int, window: timedelta = WEEK, repeated: float = 0.05) -> list[str]:
    """The same lines of a replay file, each kept within its window; the share `repeated` of them comes twice."""
    chance, found = random.Random(seed), sorted(lines, key=_at)
    first = _at(found[0])
    mixed: list[str] = []
    for _, group in groupby(found, key=lambda line: (_at(line) - first) // window):
        within = list(group)
        within += chance.sample(within, round(repeated * len(within)))
        chance.shuffle(within)
        mixed += within
    return mixed


def _at(line: str) -> datetime:
    return datetime.fromisoformat(json.loads(line)["ts"])
