"""All services look alike: who knows one knows all."""

import re
from pathlib import Path
from typing import Final

import pytest

from forewarn.services import NAMES
from tests.architecture.sources import ROOT

SERVICES: Final = ROOT / "services"
MODULES: Final = (
    "service",
    "api",
    "schemas",
    "consumers",
    "jobs",
    "use_cases",
    "repository",
    "tables",
    "domain",
    "errors",
    "settings",
)
"""What a service is made of. Each may outgrow its file and become a folder of the same name."""
REVISION: Final = re.compile(r"\d{4}_[a-z0-9_]+\.py")


def strangers(service: Path) -> list[str]:
    """What lies in a service's folder and is no part of the common layout."""
    files = [file.relative_to(service) for file in service.rglob("*") if file.is_file()]
    found = [path.as_posix() for path in files if "__pycache__" not in path.parts and not _belongs(path)]
    return sorted(found + [name for name in MODULES if _is_file_and_folder(service / name)])


def _belongs(path: Path) -> bool:
    match path.parts:
        case ("README.md" | "__init__.py",) | ("migrations", "env.py"):
            return True
        case ("migrations", "versions", revision):
            return REVISION.fullmatch(revision) is not None
        case (_,):
            return path.suffix == ".py" and path.stem in MODULES
        case (folder, *_):
            return path.suffix == ".py" and folder in MODULES
    return False


def _is_file_and_folder(module: Path) -> bool:
    return module.is_dir() and module.with_suffix(".py").exists()


def lay(folder: Path, *paths: str) -> Path:
    """A service's folder with some files in it."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


class TestServices:
    @pytest.mark.parametrize("name", NAMES)
    def test_hold_no_stranger(self, name: str) -> None:
        assert strangers(SERVICES / name) == []

    def test_are_those_the_program_knows(self) -> None:
        found = {entry.name for entry in SERVICES.iterdir()} - {"__init__.py", "__pycache__"}
        assert found <= set(NAMES)


class TestLayout:
    def test_takes_the_common_files(self, tmp_path: Path) -> None:
        common = [f"{module}.py" for module in MODULES]
        migrations = ["migrations/env.py", "migrations/versions/0001_orders.py"]
        assert strangers(lay(tmp_path, "README.md", "__init__.py", *common, *migrations)) == []

    def test_takes_a_folder_where_a_file_was(self, tmp_path: Path) -> None:
        assert strangers(lay(tmp_path, "api/__init__.py", "api/orders.py", "domain/rules/churn.py")) == []

    def test_refuses_both_file_and_folder(self, tmp_path: Path) -> None:
        """INVARIANT: Python would import the folder and nobody would notice that the file is dead."""
        assert strangers(lay(tmp_path, "api.py", "api/__init__.py")) == ["api"]

    @pytest.mark.parametrize(
        "path",
        [
            "helpers.py",
            "utils/__init__.py",
            "apis.py",
            "NOTES.md",
            "api/template.html",
            "service",
            "migrations/helpers.py",
            "migrations/versions/orders.py",
        ],
    )
    def test_refuses_a_stranger(self, tmp_path: Path, path: str) -> None:
        assert strangers(lay(tmp_path, path)) == [path]
