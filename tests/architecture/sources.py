"""The modules of the project, parsed, for rules that judge the source itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
APPLICATION: Final = ("forewarn", "services", "shared")
ALL: Final = (*APPLICATION, "tests", "benchmarks")


@dataclass(frozen=True)
class Module:
    """One file: where it lies, seen from the root, and what it says."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def lies_in(self, homes: tuple[str, ...]) -> bool:
        """A home is a file, or a folder if it ends in a slash."""
        return any(self.path == home or (home.endswith("/") and self.path.startswith(home)) for home in homes)


def modules(*folders: str) -> Iterator[Module]:
    """Every module in some folders of the root."""
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield Module(file.relative_to(ROOT).as_posix(), file.read_text())
