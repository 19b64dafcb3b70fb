"""Installations of the real program, and the real documents that stories are made of."""

import gzip
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from forewarn.up import PROGRAM
from tests.support.installation import installation_in
from tests.support.postgres import temporary_data_dir

DATA: Final = Path(os.environ.get("FOREWARN_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
"""Real documents lie beside the repository; they are not ours to publish with it."""

WHOLE: Final = "FOREWARN_WHOLE_REPLAY" in os.environ
"""Play whole files instead of their beginnings: minutes instead of seconds."""


@pytest.fixture(scope="session")
def real_data_dir() -> Iterator[Path]:
    """A data directory of the real program, which has run once and was stopped."""
    with temporary_data_dir() as data_dir, installation_in(data_dir, PROGRAM) as installation:
        supervisor = installation.up_and_ready()
        supervisor.terminate()
        assert supervisor.wait(30) == 0
        yield data_dir


@pytest.fixture(scope="session")
def real_orders() -> list[str]:
    """Lines of a shop's real orders and returns, oldest first."""
    path = DATA / "events_online_retail_ii.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs {path.name} in {DATA}; say with FOREWARN_SHARED_DATA where it is")
    with gzip.open(path, "rt") as stream:
        return list(stream if WHOLE else islice(stream, 2000))
