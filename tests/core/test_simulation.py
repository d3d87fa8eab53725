"""Random scenarios from a seed: the promises hold after every step, and a seed replays to the same effects."""

from __future__ import annotations

import random

import pytest

from aiotasks.errors import DecodeError, NetworkError, QueryRefused, QueryTooLarge, RateLimited, ServerError
from aiotasks.models import Answer
from tests.core.model import ModelSource, World, account

SEEDS = 300


def scenario(seed: int) -> World:
    """60 tasks on a bad day: slow answers, faults, time-outs, cancellations, re-registration."""
    chance = random.Random(seed)
    poisoned = {f"t{chance.randrange(60)}"} if chance.random() < 0.4 else set()
    fault_rate = chance.choice([0.0, 0.05, 0.3])

    def respond(world: World, flight):
        if poisoned.intersection(flight.query.ids):
            return QueryRefused("poisoned")
        if chance.random() < fault_rate:
            return chance.choice(
                [
                    NetworkError("reset"),
                    ServerError("502"),
                    RateLimited("429", retry_after=chance.choice([None, 1.0, 7.5])),
                    DecodeError("cut"),
                    QueryTooLarge("too many") if chance.random() < 0.1 else NetworkError("reset"),
                ]
            )
        answer = world.answer(flight)
        rows = [row for row in answer.rows if chance.random() > fault_rate * 0.1]
        if chance.random() < 0.1:
            chance.shuffle(rows)
        return Answer(rows=rows)

    world = World(
        ModelSource(account(), batch_limit=chance.choice([1, 2, 3, 7, 50])),
        latency=lambda: chance.choice([0.0, 0.05, 0.4, 3.0]),
        respond=respond,
        jitter=chance.random,
    )
    tasks = world.tasks(60)
    waits = []
    for _ in range(chance.choice([40, 120])):
        act = chance.random()
        some = chance.sample(tasks, chance.choice([1, 1, 1, 4, 25]))
        if act < 0.5:
            kind = chance.choice([{}, {}, {"is_each": True}])
            if len(some) == 1:
                kind = chance.choice(
                    [{}, {"is_fresh": True}, {"is_listening": True}, {"words": frozenset({"queued"})}]
                )
            timeout = chance.choice([None, 0.5, 3.0, 30.0])
            waits.append(world.wait(*some, interval=chance.choice([2.0, 2.0, 2.3, 5.0]), timeout=timeout, **kind))
        elif act < 0.65 and waits:
            world.cancel(chance.choice(waits))
        elif act < 0.8:
            world.set(
                chance.choice(tasks).id, chance.choice(["queued", "running", "done", "failed"]), chance.random()
            )
        elif act < 0.85:  # another handle on a task that may be registered
            twin = world.task(chance.choice(tasks).id)
            tasks[next(i for i, t in enumerate(tasks) if t.id == twin.id)] = twin
        world.run(world.now + chance.choice([0.0, 0.1, 0.7, 2.0, 6.0]))
    for task in tasks:
        world.set(task.id, "done")
    fault_rate = 0.0
    world.run(world.now + 2_000.0)
    for wait in waits:
        assert not wait.is_open, f"seed {seed}: {wait} never ended (I-02)"
    return world


@pytest.mark.covers("I-01", "I-02", "I-03", "I-05", "F-33", "F-36", "F-75")
@pytest.mark.parametrize("decade", range(0, SEEDS, 10))
def test_every_promise_holds_in_random_scenarios(decade):
    """No gap under 2 s, no lost or doubled wait, nothing after a terminal state, and nothing is left behind."""
    for seed in range(decade, decade + 10):
        world = scenario(seed)
        while world.planner.tidy():
            pass
        world.planner.forget(world.now + 10.0, most=10_000)
        assert world.planner.is_idle
        assert world.planner.tasks == 0, f"seed {seed}: {world.planner.tasks} tasks are still registered"


def test_a_seed_replays_to_the_same_effects():
    """The planner has no chance and no clock of its own."""
    assert scenario(7).effects == scenario(7).effects
