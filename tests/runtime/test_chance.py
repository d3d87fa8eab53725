"""Hours of chance: callers come, go and change their minds, the platform fails in every way, and the rules hold."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import aiotasks
from aiotasks.errors import AiotasksError, NetworkError
from aiotasks.models import Response
from aiotasks.testing import FakePlatform
from tests.runtime.support import assert_forgotten, least_gap, now, start

if TYPE_CHECKING:
    from aiotasks.testing import FakeClient

WORDS = ("queued", "running", "deployed", "running", "done", "failed")
FAULTS = (
    Response(status=500),
    Response(status=503, headers={"retry-after": "7"}),
    Response(status=429, headers={"retry-after": "3"}),
    Response(status=429),
    Response(status=400),
    Response(status=413),
    Response(status=200, body=b"{"),
    Response(status=200, body=b"[]"),
    Response(status=200, body=b'[{"id":"stranger","word":"done"}]'),
    NetworkError("reset"),
)


class Crowd:
    """Callers of one platform, at random."""

    def __init__(self, platform: FakePlatform, chance: random.Random) -> None:
        self.platform = platform
        self.chance = chance
        self.waits: set[asyncio.Task[Any]] = set()

    def some_id(self) -> str:
        return f"job {self.chance.randrange(60)}"

    def call(self, client: FakeClient) -> None:
        """One call more, of any kind."""
        chance, task = self.chance, client.open(self.some_id())
        timeout = chance.choice((None, 0.5, 3.0, 20.0))
        frequency = chance.choice((2, 2, 2.3, 5, 30))
        calls: tuple[Any, ...] = (
            lambda: task.wait_till_done(timeout, frequency),
            lambda: task.wait_for("deployed", timeout_seconds=timeout, check_frequency=frequency),
            lambda: task.refresh(),
            lambda: client.find(self.some_id()),
            lambda: _drained(task.changes(check_frequency=frequency)),
            lambda: aiotasks.wait_all([client.open(self.some_id()) for _ in range(20)], timeout, frequency),
            lambda: _drained(
                aiotasks.as_completed([client.open(self.some_id()) for _ in range(20)], timeout, frequency)
            ),
        )
        wait = start(chance.choice(calls)())
        self.waits.add(wait)

    def step(self, clients: list[FakeClient]) -> None:
        """What happens in one moment."""
        chance = self.chance
        for _ in range(chance.randrange(4)):
            self.call(chance.choice(clients))
        for _ in range(chance.randrange(3)):
            self.platform.set(self.some_id(), chance.choice(WORDS), chance.choice((None, 10.0, 50.0)))
        if chance.random() < 0.15:
            self.platform.script.append(chance.choice(FAULTS))
        if self.waits and chance.random() < 0.3:
            chance.choice(sorted(self.waits, key=id)).cancel()


async def _drained(iterator: Any) -> list[Any]:
    return [each async for each in iterator]


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-02", "I-05", "I-07", "I-09", "F-12")
@pytest.mark.parametrize("seed", range(8))
async def test_rules_hold_under_hours_of_chance(seed: int):
    """Two seconds between queries about a job, an end for every wait, no spin, and nothing left at the end."""
    chance = random.Random(seed)
    platform = FakePlatform(batch_limit=chance.choice((1, 7, 100)), latency=chance.choice((0.0, 0.3, 2.5)))
    crowd = Crowd(platform, chance)
    looks: Counter[float] = Counter()
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        planner = scheduler._planner
        due = planner.due

        def counted(moment: float) -> Any:
            looks[moment] += 1
            return due(moment)

        planner.due = counted  # type: ignore[method-assign]
        other = platform.client(scheduler)
        for _ in range(300):
            crowd.step([client, other])
            await asyncio.sleep(chance.choice((0.0, 0.1, 0.7, 3.0)))
            if chance.random() < 0.02:
                await other.aclose()
                other = platform.client(scheduler)
        await other.aclose()
        platform.script.clear()
        for n in range(60):
            platform.set(f"job {n}", "done")
        async with asyncio.timeout(1_000):
            ends = await asyncio.gather(*crowd.waits, return_exceptions=True)
        assert scheduler._planner is planner, "it never crashed"
        await assert_forgotten(client)
    odd = [end for end in ends if isinstance(end, BaseException) and not isinstance(end, AiotasksError)]
    assert all(isinstance(end, asyncio.CancelledError) for end in odd)
    assert least_gap(platform) >= 2.0 + platform.latency - 1e-6
    assert max(looks.values()) < 200, "the root spins"
    assert sum(looks.values()) < 20 * now()
