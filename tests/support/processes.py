"""Roles of an installation as processes of the crash program, to be killed and replaced one by one."""

import asyncio
import os
import signal
import subprocess
from typing import TypeAlias

from tests.support.crash_program import PROGRAM
from tests.support.installation import ROOT, environment
from tests.support.stage import Databases

Process: TypeAlias = "subprocess.Popen[str]"


class Processes:
    """Processes of the crash program, none of which outlives the test."""

    def __init__(self, databases: Databases) -> None:
        self._dsns = (databases.producer, databases.consumer, databases.bus)
        self._started: list[Process] = []

    async def start(self, role: str, point: str = "") -> tuple[Process, str]:
        """A process that is ready, and the address where it answers, if it does."""
        process = self._spawn(role, point)
        return process, await self.hear(process, "READY")

    async def hear(self, process: Process, word: str) -> str:
        """What follows a word that the process says."""
        assert process.stdout is not None
        while line := await asyncio.to_thread(process.stdout.readline):
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise AssertionError(f"the process ended without saying {word}")

    async def kill_at_its_point(self, process: Process) -> None:
        """kill -9, once it says that it has come there."""
        pid = int(await self.hear(process, "AT"))
        assert pid == process.pid
        await self.kill(process)

    async def kill(self, process: Process) -> None:
        """kill -9."""
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)

    def _spawn(self, role: str, point: str) -> Process:
        process = subprocess.Popen(
            [*PROGRAM, role, point, *self._dsns],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what is left."""
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
