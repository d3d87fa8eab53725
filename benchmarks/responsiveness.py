"""How long the loop is kept from its other users while thousands of tasks are registered, asked about and woken.

    python benchmarks/responsiveness.py [--tasks 100000] [--waits 10000] [--uvloop] [--quick]

A neighbour goes round with the loop (`sleep(0)`) and notes the time between its turns: what any other coroutine of
the process would feel. The platform is in memory, so its own work counts too. The collector is off: what it costs
depends on the program around (a full collection beside a million objects takes longer than anything measured here).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from typing import TYPE_CHECKING, Any

import aiotasks
from aiotasks.testing import FakePlatform

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def measured(work: Awaitable[Any]) -> dict[str, float]:
    """Milliseconds between two turns of a neighbour while `work` is awaited, and seconds in all."""
    loop = asyncio.get_running_loop()
    gaps: list[float] = []

    async def neighbour() -> None:
        last = loop.time()
        while True:
            await asyncio.sleep(0)
            now = loop.time()
            gaps.append(now - last)
            last = now

    beside = loop.create_task(neighbour())
    await asyncio.sleep(0)
    began = loop.time()
    await asyncio.gather(work, return_exceptions=True)
    seconds = loop.time() - began
    beside.cancel()
    gaps.sort()
    return {
        "seconds": round(seconds, 3),
        "longest_ms": round(gaps[-1] * 1e3, 2),
        "p999_ms": round(gaps[int(len(gaps) * 0.999)] * 1e3, 2),
    }


async def drained(tasks: list[Any]) -> None:
    """Take each task as it ends."""
    async for _ in aiotasks.as_completed(tasks):
        pass


async def answers(count: int, waits: int) -> dict[str, dict[str, float]]:
    """One measurement per thing that happens to many at once."""
    platform = FakePlatform(batch_limit=250)
    found: dict[str, dict[str, float]] = {}
    loop = asyncio.get_running_loop()
    async with platform.client() as client:

        def begun(prefix: str, number: int) -> list[Any]:
            return [client.start(f"{prefix}{n}") for n in range(number)]

        def end(tasks: list[Any]) -> None:
            for task in tasks:
                platform.set(task.id, "done")

        tasks = begun("a", count)
        found["wait_all registers"] = await measured(aiotasks.wait_all(tasks, timeout_seconds=1.0))
        wait = loop.create_task(aiotasks.wait_all(tasks))
        await asyncio.sleep(2.0)
        end(tasks)
        found["wait_all ends"] = await measured(wait)

        tasks = begun("b", count)
        wait = loop.create_task(drained(tasks))
        await asyncio.sleep(3.0)
        end(tasks)
        found["as_completed ends"] = await measured(wait)

        tasks = begun("c", waits)
        many = [loop.create_task(task.wait_till_done()) for task in tasks]
        await asyncio.sleep(1.0)
        end(tasks)
        found["separate waits end"] = await measured(asyncio.wait(many))

        many = [loop.create_task(task.wait_till_done(timeout_seconds=1.0)) for task in begun("d", waits)]
        await asyncio.sleep(0.5)
        found["separate waits time out"] = await measured(asyncio.gather(*many, return_exceptions=True))

        many = [loop.create_task(task.wait_till_done()) for task in begun("e", waits)]
        await asyncio.sleep(1.0)
        closing = asyncio.gather(client.aclose(), *many, return_exceptions=True)
        found["separate waits end by closing"] = await measured(closing)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--waits", type=int, default=10_000)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.waits = 5_000, 1_000
    factory = None
    if given.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    gc.disable()
    with asyncio.Runner(loop_factory=factory) as runner:
        found = runner.run(answers(given.tasks, given.waits))
    loop = "uvloop" if given.uvloop else "asyncio"
    json.dump(
        {"tasks": given.tasks, "waits": given.waits, "loop": loop, "python": sys.version.split()[0], "found": found},
        sys.stdout,
        indent=2,
    )
    print()


if __name__ == "__main__":
    main()
