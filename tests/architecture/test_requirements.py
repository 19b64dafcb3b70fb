"""The locks hold what the project asks for, and nothing of the machine that made them."""

import re
import tomllib
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import ROOT

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUILD: Final[list[str]] = PROJECT["dependency-groups"]["build"]
RUNTIME: Final[list[str]] = PROJECT["project"]["dependencies"] + BUILD
ASKED: Final = {"runtime": RUNTIME, "dev": RUNTIME + PROJECT["project"]["optional-dependencies"]["dev"]}
PIN: Final = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


@pytest.fixture(params=ASKED)
def lock(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def pins(lock: str) -> dict[str, str]:
    """Version of each package that is locked with its hashes."""
    return {name: version for name, version, _ in PIN.findall(text(lock))}


class TestLocks:
    def test_hold_every_package_the_project_asks_for(self, lock: str) -> None:
        """INVARIANT: `pip install --require-hashes` refuses what is not locked, on fresh machines only."""
        held = pins(lock)
        assert [line for line in ASKED[lock] if not _answered(Requirement(line), held)] == []

    def test_lock_each_package_by_hash(self, lock: str) -> None:
        unindented = [line for line in text(lock).splitlines() if line[:1] not in {"#", " ", ""}]
        assert len(unindented) == len(pins(lock))

    def test_name_no_address_and_no_option(self, lock: str) -> None:
        assert re.findall(r"^-.*|\S*://\S*|@ \S+|--(?!hash=)\S+", text(lock), re.M) == []

    def test_agree_on_every_version(self) -> None:
        assert pins("runtime").items() <= pins("dev").items()


class TestBuild:
    def test_needs_only_what_is_locked(self) -> None:
        """INVARIANT: `make setup` builds without isolation, so what the build asks for has to be installed before."""
        assert PROJECT["build-system"]["requires"] == BUILD


def _answered(wanted: Requirement, held: dict[str, str]) -> bool:
    version = held.get(canonicalize_name(wanted.name))
    return version is not None and version in wanted.specifier
