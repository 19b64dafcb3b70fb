"""A whole running system as stories meet it, whichever way it is run: embedded, or a process for each service."""

import subprocess
from pathlib import Path
from typing import Any, Protocol

from shared.database.embedded_postgres import EmbeddedPostgres


class System(Protocol):
    """What its users and operators can do with it; `data_dir` is a folder of its own, `server` its PostgreSQL."""

    data_dir: Path
    server: EmbeddedPostgres

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command on it; does not wait."""
        ...

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; it must end with this code."""
        ...

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints as JSON."""
        ...

    def address(self) -> dict[str, Any]:
        """Where its one API answers (`base_url`), and an administrator's `token`."""
        ...

    def pids(self) -> dict[str, int]:
        """Its processes, by name."""
        ...
