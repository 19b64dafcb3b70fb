"""The broker of a test run, which all its processes share."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.kafka_broker.java import locked
from tests.support.kafka import GIVEN, Cluster, kept_folder, need_kafka

_folder = pytest.StashKey[Path]()
_until_end = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that began the run keeps the folder; parallel workers are told where it is."""
    given: dict[str, str] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[_folder] = Path(given["kafka_folder"])
        return
    config.stash[_until_end] = ExitStack()
    config.stash[_folder] = config.stash[_until_end].enter_context(kept_folder())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Called in the process that began the run, for each parallel worker before it starts."""
    config, workerinput = vars(node)["config"], vars(node)["workerinput"]
    workerinput["kafka_folder"] = str(config.stash[_folder])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run's broker ends with the run."""
    kept = config.stash.get(_until_end, None)
    if kept is not None:
        with kept:
            Cluster(config.stash[_folder] / "kafka").discard()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses a broker is marked, before marks are selected."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kafka_bootstrap" in fixtures:
            item.add_marker("kafka")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A marked test needs what brokers need, unless the run was given one."""
    if item.get_closest_marker("kafka") and GIVEN not in os.environ:
        need_kafka()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """Address of the run's one broker, which is never harmed; topics and groups need names of their own."""
    if GIVEN in os.environ:
        return os.environ[GIVEN]
    need_kafka()
    folder = request.config.stash[_folder]
    cluster = Cluster(folder / "kafka")
    with locked(folder / "starting"):
        cluster.start("--while-locked", str(folder / "lock"))
    return cluster.bootstrap
