"""Processes that outlive the command which started them: told apart from strangers, signalled, waited for."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.02


def launch(command: Sequence[str], log: Path, mark: str) -> int:
    """Start a process in a session of its own, so that no Ctrl+C of the caller's terminal reaches it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    # For a moment after its start a process has no command line yet, and would be taken for a dead one.
    while process.poll() is None and not runs(process.pid, mark):
        time.sleep(POLL_SECONDS)
    return process.pid


def runs(pid: int | None, mark: str) -> bool:
    """Whether the process lives and is the one meant: a word of its command line tells, for pids are used again."""
    return pid is not None and mark in _command_line(pid)


def send(pid: int, signal_number: signal.Signals) -> None:
    """Signal a process that may be gone meanwhile."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return


def wait_gone(pids: Collection[int], mark: str, seconds: float) -> list[int]:
    """Wait until processes are gone; those that are still there after so long are returned."""
    deadline = time.monotonic() + seconds
    left = list(pids)
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = [pid for pid in left if runs(pid, mark)]
    return left


def _command_line(pid: int) -> str:
    """Empty for a process that is gone, or dead and not yet reaped."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False).stdout
