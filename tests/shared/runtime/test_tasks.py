"""Supervised tasks: begun again after failures, ended together within a bound."""

import asyncio

import pytest

from shared.runtime.host import TaskLost, WorkerHost
from shared.runtime.tasks import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, Backoff, Task, pause


class TestBackoff:
    def test_delays_double_up_to_the_longest(self) -> None:
        backoff = Backoff()
        delays = [backoff.after(0) for _ in range(8)]
        assert delays[:3] == [FIRST_DELAY_SECONDS, 2 * FIRST_DELAY_SECONDS, 4 * FIRST_DELAY_SECONDS]
        assert delays[-1] == LONGEST_DELAY_SECONDS

    def test_a_sound_run_begins_with_the_first_delay(self) -> None:
        backoff = Backoff()
        for _ in range(5):
            backoff.after(0)
        assert backoff.after(61) == FIRST_DELAY_SECONDS


class TestPause:
    async def test_ends_at_once_when_stopped(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stop.set)
        assert await asyncio.wait_for(pause(stop, 60), 1)

    async def test_tells_that_time_is_up(self) -> None:
        assert not await pause(asyncio.Event(), 0.01)


class TestWorkerHost:
    async def test_a_failing_task_is_run_again_and_disturbs_no_other(self) -> None:
        """INVARIANT: one poisoned consumer must not end relays and jobs of the same process."""
        stop, attempts, undisturbed = asyncio.Event(), 0, True

        async def fail_twice(stop: asyncio.Event) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise ValueError("no luck")
            if attempts == 3:
                stop.set()

        async def go_on(stop: asyncio.Event) -> None:
            nonlocal undisturbed
            await stop.wait()
            undisturbed = undisturbed and attempts == 3

        await asyncio.wait_for(WorkerHost([Task("a", fail_twice), Task("b", go_on)]).run(stop), 10)
        assert attempts == 3
        assert undisturbed

    async def test_what_does_not_end_in_time_is_cancelled(self) -> None:
        stop, cancelled = asyncio.Event(), asyncio.Event()

        async def deaf(_: asyncio.Event) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        asyncio.get_running_loop().call_later(0.01, stop.set)
        await asyncio.wait_for(WorkerHost([Task("deaf", deaf)], stop_seconds=0.05).run(stop), 2)
        assert cancelled.is_set()

    async def test_a_task_cancelled_from_inside_ends_the_host(self) -> None:
        """INVARIANT: swallowing it would leave a process that looks alive and does not consume."""

        async def cancel_itself(_: asyncio.Event) -> None:
            raise asyncio.CancelledError

        with pytest.raises(TaskLost, match="broken"):
            await WorkerHost([Task("broken", cancel_itself)]).run(asyncio.Event())

    async def test_without_tasks_it_waits_for_stop(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stop.set)
        await asyncio.wait_for(WorkerHost([]).run(stop), 1)

    async def test_a_stop_set_before_the_start_is_honoured(self) -> None:
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(WorkerHost([Task("idle", lambda _: asyncio.sleep(60))]).run(stop), 1)
