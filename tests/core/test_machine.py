"""Any order of events: a Hypothesis state machine whose invariants are the rules of the fault catalogue.

`World` checks with every query that it keeps its two seconds, names nobody twice, nobody who ended and nobody whom
no one waits for (I-01, I-03, F-10), and with every settled wait that it was open (I-02). The machine adds accounts,
lanes and faults of every class, and what holds between the steps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiotasks._core import events
from aiotasks.errors import (
    AiotasksError,
    AnswerTooLarge,
    AuthError,
    DecodeError,
    NetworkError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    SchedulerClosed,
    ServerError,
    TaskNotFound,
)
from aiotasks.models import Absence, Answer
from tests.core.model import ModelSource, World, account

if TYPE_CHECKING:
    from aiotasks._core.waits import Wait

FAULTS: list[AiotasksError] = [
    NetworkError("reset"),
    ServerError("502"),
    ServerError("503", retry_after=4.0),
    RateLimited("429"),
    RateLimited("429", retry_after=9.0),
    AuthError("401"),
    PermissionDenied("403"),
    TaskNotFound("404"),
    QueryRefused("400"),
    QueryTooLarge("413"),
    AnswerTooLarge("8 MiB"),
    DecodeError("cut"),
    ProtocolError("HTML"),
]
ENTRY_FAULTS: list[AiotasksError] = [TaskNotFound("404"), QueryRefused("400"), ServerError("500"), AuthError("401")]
WORDS = ["queued", "running", "done", "failed", "unheard of"]
PER_LANE = 8

picks = st.integers(0, 3 * PER_LANE - 1)


class Machine(RuleBasedStateMachine):
    """Two accounts, the first with two lanes; eight tasks in each lane."""

    @initialize(limits=st.tuples(*[st.sampled_from([1, 2, 3, 50])] * 3), latency=st.sampled_from([0.0, 0.05, 3.0]))
    def begin(self, limits, latency) -> None:
        self.script: list[Any] = []
        self.poisoned: set[str] = set()
        self.world = World(ModelSource(account("a")), latency=lambda: latency, respond=self.respond)
        self.sources = [
            ModelSource(account(name), lane=lane, batch_limit=limit)
            for (name, lane), limit in zip((("a", "one"), ("a", "two"), ("b", "one")), limits, strict=True)
        ]
        self.tasks = [self.world.task(f"t{n}", self.sources[n // PER_LANE]) for n in range(3 * PER_LANE)]
        self.waits: list[Wait[Any]] = []
        self.cancelled: set[Wait[Any]] = set()

    def respond(self, world: World, flight: Any) -> Answer | AiotasksError:
        if self.poisoned.intersection(flight.query.ids):
            return QueryRefused("poisoned")
        answer = world.answer(flight)
        rows = list(answer.rows)
        match self.script.pop() if self.script else None:
            case AiotasksError() as error:
                return error
            case "shuffled":
                return Answer(rows=rows[::-1])
            case "partial":
                return Answer(rows=rows[1:])
            case "unchanged":
                return Answer(rows=rows[1:], absence=Absence.UNCHANGED)
            case "strange":
                return Answer(rows=[*rows, *rows[:1], world.words["t0"]])
            case ("missing", _):
                return Answer(rows=rows[1:], missing=[row.id for row in rows[:1]])
            case ("refused", error):
                return Answer(rows=rows[1:], refused={row.id: error for row in rows[:1]})
        return answer

    # --- what callers do --------------------------------------------------------------------------------

    @rule(
        pick=picks,
        kind=st.sampled_from(
            [{}, {}, {"is_fresh": True}, {"is_listening": True}, {"words": frozenset({"queued", "running"})}]
        ),
        interval=st.sampled_from([2.0, 2.3, 5.0, 60.0]),
        timeout=st.sampled_from([None, None, 0.5, 2.0, 30.0]),
    )
    def wait(self, pick, kind, interval, timeout) -> None:
        self.waits.append(self.world.wait(self.tasks[pick], interval=interval, timeout=timeout, **kind))

    @rule(some=st.sets(picks, max_size=12), is_each=st.booleans(), timeout=st.sampled_from([None, 3.0]))
    def wait_for_a_set(self, some, is_each, timeout) -> None:
        tasks = [self.tasks[pick] for pick in sorted(some)]
        self.waits.append(self.world.wait(*tasks, timeout=timeout, is_each=is_each))

    @precondition(lambda self: self.waits)
    @rule(data=st.data())
    def cancel(self, data) -> None:
        wait = data.draw(st.sampled_from(self.waits))
        if wait.is_open:
            self.cancelled.add(wait)
        self.world.cancel(wait)

    @rule(pick=picks)
    def open_another_handle(self, pick) -> None:
        self.tasks[pick] = self.world.task(f"t{pick}", self.sources[pick // PER_LANE])

    @rule(pick=picks)
    def close_account(self, pick) -> None:
        closed = self.tasks[pick].source.account
        self.world.planner.feed(events.Closed(SchedulerClosed("closed"), closed), self.world.now)
        self.world.step()
        for task in self.tasks:
            assert task.source.account != closed or not task.is_waited_for

    # --- what the platforms do --------------------------------------------------------------------------

    @rule(pick=picks, word=st.sampled_from(WORDS), progress=st.sampled_from([None, 10.0, 100.0]))
    def work(self, pick, word, progress) -> None:
        if self.world.words.get(f"t{pick}", None) is None or self.world.words[f"t{pick}"].word != "done":
            self.world.set(f"t{pick}", word, progress)

    @rule(pick=picks)
    def forget_job(self, pick) -> None:
        if pick:
            self.world.words.pop(f"t{pick}", None)

    @rule(pick=picks)
    def poison(self, pick) -> None:
        self.poisoned = {f"t{pick}"} if not self.poisoned else set()

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=8))
    def fail(self, faults) -> None:
        self.script.extend(faults)

    @rule(
        odd=st.one_of(
            st.sampled_from(["shuffled", "partial", "unchanged", "strange", ("missing", None)]),
            st.tuples(st.just("refused"), st.sampled_from(ENTRY_FAULTS)),
        )
    )
    def answer_oddly(self, odd) -> None:
        self.script.append(odd)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 2.0, 2.0, 7.3, 60.0]))
    def pass_time(self, seconds) -> None:
        self.world.run(self.world.now + seconds)

    @rule(seconds=st.sampled_from([3.0, 90.0]))
    def stall(self, seconds) -> None:
        """The loop gets no turn; answers that arrived meanwhile are read late."""
        self.world.now += seconds

    # --- what always holds ------------------------------------------------------------------------------

    @invariant()
    def every_wait_is_open_or_ended_once(self) -> None:
        """I-02: settled, or given up by its caller; never both."""
        if not hasattr(self, "world"):
            return
        for wait in self.waits:
            assert wait.is_open == (wait not in self.world.settled and wait not in self.cancelled)
            assert not (wait in self.cancelled and wait in self.world.settled)
        assert self.world.planner.desk.open >= sum(wait.is_open for wait in self.waits)

    @invariant()
    def books_are_balanced(self) -> None:
        """I-05: every cohort, task, slot and suspicion is accounted for."""
        if not hasattr(self, "world"):
            return
        planner = self.world.planner
        cohorts = {record.cohort for record in planner.records() if record.cohort is not None}
        for cohort in cohorts:
            assert all(record.cohort is cohort for record in cohort.members)
            assert cohort.is_flying + cohort.is_queued + bool(cohort.ticket) == 1, f"{cohort} is nowhere, or twice"
            assert (cohort.suspicion is None) == (cohort in cohort.group.cohorts)
        for _, book in planner.books():
            assert 0 <= book.throttle.in_flight <= 16
            for lane in book.lanes.values():
                for group in lane.groups.values():
                    assert group.tasks == sum(len(cohort.members) for cohort in group.cohorts)
                    assert set(group.room) == {cohort for cohort in group.cohorts if cohort.has_room}
                    assert set(group.cohorts) <= cohorts
                for suspicion in lane.suspicions:
                    assert suspicion.pieces == sum(cohort.suspicion is suspicion for cohort in cohorts)
        assert planner.tasks <= len(self.tasks)
        assert planner.in_flight == sum(book.throttle.in_flight for _, book in planner.books())

    def teardown(self) -> None:
        """When all jobs end on platforms that work again, so do all waits, and nothing is left behind."""
        if not hasattr(self, "world"):
            return
        self.script.clear()
        self.poisoned.clear()
        for task in self.tasks:
            self.world.set(task.id, "done")
        self.world.run(self.world.now + 1_000.0)
        assert [wait for wait in self.waits if wait.is_open] == []
        planner = self.world.planner
        assert planner.is_idle
        assert planner.desk.fresh == {}
        while planner.tidy():
            pass
        assert planner.forget(self.world.now + 10.0, most=10_000) is None
        assert planner.tasks == 0
        assert planner.next_wakeup() is None


TestMachine = pytest.mark.covers("I-01", "I-02", "I-03", "I-05", "F-10", "F-33", "F-36", "F-75")(Machine.TestCase)
TestMachine.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.covers("I-04")
@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'retry_after', '')}"
)
@pytest.mark.parametrize("whom", ["one task", "one account"])
def test_fault_of_one_delays_the_others_by_an_interval_at_most(fault, whom):
    """A task that no query may name, or an account that only fails: all the others are asked on."""
    theirs = account("b")

    def respond(it, flight):
        is_hit = "t7" in flight.query.ids if whom == "one task" else flight.source.account == theirs
        return fault if is_hit and it.now > 10.0 else it.answer(flight)

    it = World(ModelSource(account("a"), batch_limit=10), respond=respond)
    mine = it.tasks(40)
    others = [it.task(f"x{n}", ModelSource(theirs, batch_limit=10)) for n in range(40)]
    for task in (*mine, *others):
        it.wait(task)
    it.run(130.0)
    # A word about the whole account, though said for one task's sake, concerns its account; the others are spared.
    is_about_account = isinstance(fault, RateLimited | AuthError | ServerError)
    siblings = others if is_about_account else mine[10:]
    spared = siblings if whom == "one task" else mine
    for task in spared:
        starts = [at for at in it.asked(task.id) if at > 5.0]
        gaps = [b - a for a, b in pairwise(starts)]
        assert max(gaps) <= 2 * 2.0 + 0.5 + 0.1, f"{task.id}: {max(gaps)}"
