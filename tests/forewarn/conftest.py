"""Installations for tests of the command: new ones, and quick copies of one that has run before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared.messaging.conftest import stage as stage
from tests.shared.messaging.conftest import stage_databases as stage_databases
from tests.support.installation import Installation, copied, installation_in
from tests.support.postgres import temporary_data_dir


@pytest.fixture(scope="session")
def used_data_dir() -> Iterator[Path]:
    """A data directory of an installation that has run once and was stopped."""
    with temporary_data_dir() as data_dir, installation_in(data_dir) as installation:
        supervisor = installation.up_and_ready()
        supervisor.terminate()
        assert supervisor.wait(30) == 0
        yield data_dir


@pytest.fixture
def new_installation() -> Iterator[Installation]:
    """An installation that was never started."""
    with temporary_data_dir() as data_dir, installation_in(data_dir) as installation:
        yield installation


@pytest.fixture
def installation(used_data_dir: Path) -> Iterator[Installation]:
    """An installation that was stopped; its start takes half as long as the first."""
    with copied(used_data_dir) as installation:
        yield installation


@pytest.fixture(scope="module")
def running(used_data_dir: Path) -> Iterator[Installation]:
    """A running installation for tests which leave it running, whatever they kill."""
    with copied(used_data_dir) as installation:
        installation.up_and_ready()
        yield installation
