"""The operating-system user who owns the server's files and processes: PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ACCOUNT: Final = "forewarn"
FALLBACK_ACCOUNTS: Final = ("postgres", "nobody")
"""Taken where no account can be made, for example because /etc is read-only."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs the server. `switch` says whether that is somebody else than who runs us."""

    uid: int
    gid: int
    switch: bool

    def run(self, command: Sequence[str], *, cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command as this user with output captured and no PostgreSQL variable of the caller's environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=() if self.switch else None,
        )

    def take(self, path: Path) -> None:
        """Make the path belong to this user."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_enter(self, folder: Path) -> bool:
        """Whether the modes of the folder and of all above it let this user through."""
        return not self.switch or all(self._may_search(path.stat()) for path in (folder, *folder.parents))

    def _may_search(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.uid:
            return bool(folder.st_mode & stat.S_IXUSR)
        if folder.st_gid == self.gid:
            return bool(folder.st_mode & stat.S_IXGRP)
        return bool(folder.st_mode & stat.S_IXOTH)


def owner_of(data: Path) -> Owner:
    """Ourselves, or as root the user who owns `data` already, else an unprivileged account found or made."""
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid(), switch=False)
    if data.exists():
        held = data.stat()
        return Owner(held.st_uid, held.st_gid, switch=True)
    account = _unprivileged_account()
    return Owner(account.pw_uid, account.pw_gid, switch=True)


def _unprivileged_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is not None and _account(ACCOUNT) is None:
        subprocess.run([useradd, "--system", "--no-create-home", ACCOUNT], check=False, capture_output=True)
    for name in (ACCOUNT, *FALLBACK_ACCOUNTS):
        if account := _account(name):
            return account
    raise LookupError("there is no unprivileged account to run PostgreSQL as; create one called 'forewarn'")


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
