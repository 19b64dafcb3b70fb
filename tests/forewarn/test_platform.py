"""Which installation a command looks at, and that it judges days as the processes of that installation do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forewarn.data_directory import NotRunning
from forewarn.platform import ConfigurationError, installed_platform
from tests.support.installation import Installation, copied

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def in_london(used_data_dir: Path) -> Iterator[Installation]:
    """A running installation whose processes were told a zone that is not the default."""
    with copied(used_data_dir, FOREWARN_TIME_ZONE="Europe/London") as installation:
        installation.up_and_ready()
        yield installation


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names a distributed installation."""
    monkeypatch.setenv("FOREWARN_DATABASE_URL_NOTIFY", "postgresql://elsewhere/notify")
    monkeypatch.setenv("FOREWARN_BUS_DATABASE_URL", "postgresql://elsewhere/bus")
    monkeypatch.setenv("FOREWARN_TOKEN_KEY", "k" * 64)
    return monkeypatch


class TestInstalledPlatform:
    def test_of_this_machine_keeps_to_the_zone_of_its_processes(self, in_london: Installation) -> None:
        """INVARIANT: an operator's shell does not know the seller's zone, and a dead letter tried again is judged."""
        platform = installed_platform(in_london.data_dir, ["notify"])
        assert platform.settings.time_zone == "Europe/London"
        assert platform.context("notify").database.dsn == in_london.server.dsn("notify")

    @pytest.mark.usefixtures("environment")
    def test_is_what_the_environment_names(self) -> None:
        dsn = installed_platform(None, ["notify"]).context("notify").database.dsn
        assert dsn == "postgresql://elsewhere/notify"

    @pytest.mark.usefixtures("environment")
    def test_is_that_of_a_data_directory_that_is_given(self, in_london: Installation) -> None:
        dsn = installed_platform(in_london.data_dir, ["notify"]).context("notify").database.dsn
        assert dsn == in_london.server.dsn("notify")

    def test_an_environment_that_names_only_a_part_is_refused(self, environment: pytest.MonkeyPatch) -> None:
        """INVARIANT: half of it from the environment and half from a directory would compare two installations."""
        environment.delenv("FOREWARN_DATABASE_URL_NOTIFY")
        environment.setenv("FOREWARN_DATABASE_URL_ORDERS", "postgresql://elsewhere/orders")
        with pytest.raises(ConfigurationError, match="FOREWARN_DATABASE_URL_NOTIFY"):
            installed_platform(None, ["notify"])

    def test_a_directory_on_which_nothing_runs_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NotRunning):
            installed_platform(tmp_path, ["notify"])
