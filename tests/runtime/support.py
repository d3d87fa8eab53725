"""What the tests of waiting share: a way to start callers, to look for leaks, and to cancel at every await."""

from __future__ import annotations

import asyncio
import functools
import gc
import types
from typing import TYPE_CHECKING, Any

from aiotasks._core.waits import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from aiotasks.testing import FakeClient, FakePlatform


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a caller."""
    return asyncio.get_running_loop().create_task(work)


async def passes(count: int = 10) -> None:
    """Let the loop go round; that takes no loop time."""
    for _ in range(count):
        await asyncio.sleep(0)


async def later(seconds: float, act: Callable[[], Any]) -> None:
    """Act after so many seconds."""
    await asyncio.sleep(seconds)
    act()


async def outcome(task: asyncio.Task[Any]) -> Any:
    """What a caller got: its value, or its exception as a value."""
    return (await asyncio.gather(task, return_exceptions=True))[0]


def now() -> float:
    """Seconds on the loop's clock."""
    return asyncio.get_running_loop().time()


def names() -> set[str]:
    """Names of the library's asyncio tasks that are alive."""
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("aiotasks")}


def waits_alive() -> int:
    """Waits that exist in memory."""
    gc.collect()
    return sum(isinstance(thing, Wait) for thing in gc.get_objects())


def least_gap(platform: FakePlatform) -> float:
    """The shortest time between two queries that named one job, as the platform saw it."""
    return round(min(platform.gaps, default=float("inf")), 9)


async def assert_forgotten(client: FakeClient) -> None:
    """Nothing of the library goes on, and after two seconds nothing is known any more."""
    await passes()
    now = client.scheduler.statistics()
    assert (now.waits, now.in_flight) == (0, 0)
    assert not names()
    await asyncio.sleep(2.01)
    assert client.scheduler.statistics().tasks == 0
    assert client.scheduler.statistics().cohorts == 0


async def cancelled_at(step: int, work: Coroutine[Any, Any, Any]) -> int:
    """Run `work` in the current asyncio task, cancelled while it sleeps at its `step`-th await.

    Returns:
        the number of awaits, if it came to its end before that, or would not be cancelled.
    """
    return await _counted(step, work)


@types.coroutine
def _counted(step: int, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, int]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    count = 0
    resume: Callable[[], Any] = functools.partial(work.send, None)
    while True:
        try:
            awaited = resume()
        except StopIteration:
            return count
        count += 1
        if count == step:
            loop.call_soon(task.cancel)
        try:
            resume = functools.partial(work.send, (yield awaited))
        except BaseException as error:  # noqa: BLE001 - handed on to where it belongs
            resume = functools.partial(work.throw, error)
