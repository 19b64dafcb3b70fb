"""The data directory of an embedded installation: who runs on it, its signing key, where it can be reached."""

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from shared.files import write_private

EARLIER_SECONDS: Final = 15.0
"""Processes whose supervisor was killed end within 10 seconds."""


class DataDirectoryError(Exception):
    """The data directory cannot be used as asked; the message says why and what to do."""


class AlreadyRunning(DataDirectoryError):
    """Another `forewarn up` holds the directory."""


class NotRunning(DataDirectoryError):
    """No `forewarn up` holds the directory."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running installation is reached, for the other commands on this machine."""

    base_url: str
    token: str
    """An administrator's."""
    pids: dict[str, int] = field(default_factory=dict)
    time_zone: str | None = None
    """The seller's, as its processes were told: a dead letter tried again is judged by the same days."""
    worker_url: str | None = None
    """Health and metrics of the process behind the API; None where one process does both."""


class DataDirectory:
    """Making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._address = self.path / "address.json"
        self._key = self.path / "token.key"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the one supervisor of this directory; raises `AlreadyRunning`. The lock dies with the process."""
        # Others may pass through but not look around: below lies the folder of PostgreSQL's own user.
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        with _locked(self.path / "supervisor.lock", fcntl.LOCK_EX) as gained:
            if not gained:
                raise AlreadyRunning(f"Forewarn runs already on {self.path}{self._where()}")
            yield

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Be a process of this installation, for whom the next supervisor waits."""
        with _locked(self.path / "processes.lock", fcntl.LOCK_SH) as gained:
            if not gained:
                raise AlreadyRunning(f"{self.path} is being taken over by another `forewarn up`")
            yield

    def wait_for_earlier_processes(self, seconds: float = EARLIER_SECONDS) -> None:
        """Return when no process of an earlier supervisor is left."""
        deadline = time.monotonic() + seconds
        while True:
            with _locked(self.path / "processes.lock", fcntl.LOCK_EX) as gained:
                if gained:
                    return
            if time.monotonic() > deadline:
                raise DataDirectoryError(f"processes of an earlier run on {self.path} did not end; end them first")
            time.sleep(0.1)

    def make_token_key(self) -> None:
        """Make the key that signs tokens, once for the life of the installation."""
        if not self._key.exists():
            write_private(self._key, secrets.token_hex(32))

    def token_key(self) -> str:
        """The key that signs tokens."""
        try:
            return self._key.read_text()
        except FileNotFoundError as error:
            raise NotRunning(f"there is no installation in {self.path}; start one with `forewarn up`") from error

    def write_address(self, address: Address) -> None:
        """Tell other commands where we are."""
        write_private(self._address, json.dumps(asdict(address), indent=2))

    def remove_address(self) -> None:
        """We are nowhere any more."""
        self._address.unlink(missing_ok=True)

    def address(self) -> Address:
        """Where the running installation is; raises `NotRunning`, also if only a killed one left its address."""
        supervised = self.path.exists() and self._is_held()
        if not supervised or (found := self._read_address()) is None:
            raise NotRunning(f"Forewarn does not run on {self.path}, or is not ready; start it with `forewarn up`")
        return found

    def _read_address(self) -> Address | None:
        try:
            return Address(**json.loads(self._address.read_text()))
        except FileNotFoundError:
            return None

    def _is_held(self) -> bool:
        with _locked(self.path / "supervisor.lock", fcntl.LOCK_EX) as gained:
            return not gained

    def _where(self) -> str:
        found = self._read_address()
        return f" (process {found.pids['supervisor']}, {found.base_url})" if found else ""


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[bool]:
    """Hold a lock on a file, or tell that it cannot be had now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
