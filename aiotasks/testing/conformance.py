"""One suite that every platform passes: what callers rely on, whoever translated the platform.

Write a `Subject` for your platform (its emulator, or a fake), derive from `Conformance`, and let pytest run it:

    @pytest.mark.looptime                        # virtual time, by looptime and pytest-asyncio in auto mode
    class TestMine(Conformance):
        @pytest.fixture
        async def subject(self):
            async with mine.emulator() as emulator:
                yield MySubject(emulator)

A case that a platform cannot show is overridden in that class, with the reason as its docstring; no built-in platform
needs that, one whose queries name a single task included.

Nothing here imports pytest: a test is a method that is given the subject, and asserts. It takes some 200 s of the
loop's time, which pass at once where time is virtual.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Protocol

from aiotasks._runtime.waiting import as_completed, wait_all
from aiotasks.errors import AskError, AuthError, SchedulerClosed, TaskNotFound, WaitTimeout
from aiotasks.models import State

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from aiotasks._runtime.client import BaseClient
    from aiotasks._runtime.task import Task

__all__ = ["Conformance", "Subject"]

INTERVAL = 2.0
WINDOW = 0.5


class Subject(Protocol):
    """A platform under examination: jobs that do what they are told, faults on demand, and an audit."""

    #: Ids that one query may name, once the platform's limits are learnt.
    batch_limit: int

    def client(self, *, is_trusted: bool = True) -> BaseClient:
        """A client, to be used as a context manager; of a credential that the platform refuses if not trusted."""
        ...

    async def tasks(self, client: Any, count: int) -> Sequence[Task]:
        """Tasks of `count` new jobs, which run until they are told otherwise."""
        ...

    async def absent(self, client: Any) -> Task:
        """A task that the platform has never heard of."""
        ...

    def end(self, *ids: Any) -> None:
        """Let these jobs end well."""
        ...

    def say(self, id: Any, word: str) -> None:
        """Let the platform say that word of the job from now on."""
        ...

    def poison(self, id: Any) -> None:
        """Refuse, with 400, every query that names the job."""
        ...

    def throttle(self, seconds: int) -> None:
        """Answer the next query with 429 and that `Retry-After`."""
        ...

    def audit(self) -> Mapping[str, Any]:
        """`status_requests`, `checks`, `violations` and `min_gap_seconds`, as our emulators count them."""
        ...


class Conformance:
    """The suite. Every test begins with a platform that is well, and a client of its own."""

    async def test_no_task_is_asked_about_twice_within_two_seconds(self, subject: Subject) -> None:
        """Three waits each, refreshes and cancelled waits do not make queries about one task meet (I-01)."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 30)
            waits = [_start(task.wait_till_done()) for task in tasks for _ in range(3)]
            refreshes = []
            for number, wait in enumerate(waits[::3]):
                await asyncio.sleep(0.3)
                wait.cancel()
                refreshes.append(_start(tasks[number].refresh()))
            await asyncio.gather(*refreshes)
            subject.end(*(task.id for task in tasks))
            ended = await asyncio.gather(*waits, return_exceptions=True)
            assert all(end is None for number, end in enumerate(ended) if number % 3)
        _assert_paced(subject)

    async def test_tasks_are_asked_about_together(self, subject: Subject) -> None:
        """An interval takes 1.1 times the fewest queries possible, and one more."""
        count, intervals = max(20, min(2_000, subject.batch_limit * 3 + 1)), 5
        async with subject.client() as client:
            tasks = await subject.tasks(client, count)
            wait = _start(wait_all(tasks))
            await asyncio.sleep(8 * INTERVAL)  # the platform's limits are learnt
            before = subject.audit()["status_requests"]
            await asyncio.sleep(intervals * INTERVAL)
            asked = subject.audit()["status_requests"] - before
            subject.end(*(task.id for task in tasks))
            await wait
        # One interval more than fit: queries of one interval may come in two bursts.
        assert asked <= (1.1 * math.ceil(count / subject.batch_limit) + 1) * (intervals + 1)
        _assert_paced(subject)

    async def test_every_end_is_noticed_in_time(self, subject: Subject) -> None:
        """A waiter is woken within an interval, the window and a little, and only then."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 10)
            woken = {task.id: _start(_moment_of(task)) for task in tasks}
            loop = asyncio.get_running_loop()
            for task in tasks:
                await asyncio.sleep(0.4)
                assert not woken[task.id].done()
                subject.end(task.id)
                ended = loop.time()
                assert ended <= await woken[task.id] <= ended + INTERVAL + WINDOW + 0.3
                assert task.is_done
        _assert_paced(subject)

    async def test_absent_task_is_not_found_alone(self, subject: Subject) -> None:
        """Its siblings are asked on as if nothing had happened (F-19)."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 5)
            absent = await subject.absent(client)
            wait = _start(wait_all(tasks))
            assert isinstance(await _outcome(absent.wait_till_done(timeout_seconds=60)), TaskNotFound)
            assert not wait.done()
            subject.end(*(task.id for task in tasks))
            await wait
        _assert_paced(subject)

    async def test_poisoned_task_is_found_and_given_up_alone(self, subject: Subject) -> None:
        """The others of its queries end as they should, whatever it does to them (F-22)."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 12)
            poisoned = tasks[5]
            subject.poison(poisoned.id)
            wait = _start(wait_all(tasks))
            assert isinstance(await _outcome(poisoned.wait_till_done(timeout_seconds=120)), AskError)
            subject.end(*(task.id for task in tasks if task is not poisoned))
            await wait
            assert [task for task in tasks if not task.is_done] == [poisoned]
            assert isinstance(poisoned.last_error, AskError)
        _assert_paced(subject)

    async def test_refused_credential_ends_the_wait_and_the_asking(self, subject: Subject) -> None:
        """`AuthError`, after few requests, and none after that (F-17)."""
        async with subject.client() as client:
            good = await subject.tasks(client, 1)
        async with subject.client(is_trusted=False) as client:
            outcome = await _outcome(self._wait_as_a_stranger(subject, client, good[0]))
            assert isinstance(outcome, AuthError)
            asked = subject.audit()["status_requests"]
            await asyncio.sleep(3 * INTERVAL)
            assert subject.audit()["status_requests"] == asked
        _assert_paced(subject)

    async def _wait_as_a_stranger(self, subject: Subject, client: BaseClient, known: Task) -> None:
        task = client.from_token(known.token())
        await task.wait_till_done(timeout_seconds=60)

    async def test_rate_limit_pauses_and_ends_nothing(self, subject: Subject) -> None:
        """The whole account keeps away for as long as it was asked to (F-15)."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 5)
            wait = _start(wait_all(tasks))
            await asyncio.sleep(2 * INTERVAL)
            subject.throttle(9)
            asked = subject.audit()["status_requests"]
            while subject.audit()["status_requests"] == asked:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.05)
            asked = subject.audit()["status_requests"]
            subject.end(*(task.id for task in tasks))
            await asyncio.sleep(8.5)
            assert subject.audit()["status_requests"] == asked
            await wait
        _assert_paced(subject)

    async def test_unknown_word_is_not_the_end(self, subject: Subject) -> None:
        """A word that nobody knows is kept as it is, and waited through (B-34)."""
        async with subject.client() as client:
            (task,) = await subject.tasks(client, 1)
            subject.say(task.id, "LEVITATING")
            wait = _start(task.wait_till_done())
            await asyncio.sleep(3 * INTERVAL)
            assert (task.status, task.state, task.is_done) == ("LEVITATING", State.UNKNOWN, False)
            subject.end(task.id)
            await wait
        _assert_paced(subject)

    async def test_time_out_belongs_to_its_wait_alone(self, subject: Subject) -> None:
        """It tells the status and a token; another wait on the task goes on (F-36)."""
        async with subject.client() as client:
            (task,) = await subject.tasks(client, 1)
            other = _start(task.wait_till_done())
            outcome = await _outcome(task.wait_till_done(timeout_seconds=3))
            assert isinstance(outcome, WaitTimeout)
            assert (outcome.status, outcome.token, list(outcome.pending)) == (task.status, task.token(), [task])
            assert not other.done()
            subject.end(task.id)
            await other
        _assert_paced(subject)

    async def test_cancellation_belongs_to_its_wait_alone(self, subject: Subject) -> None:
        """Of two waits on a task one is cancelled, and the other ends as it should (I-07)."""
        async with subject.client() as client:
            (task,) = await subject.tasks(client, 1)
            first, second = _start(task.wait_till_done()), _start(task.wait_till_done())
            await asyncio.sleep(1)
            first.cancel()
            assert isinstance(await _outcome(first), asyncio.CancelledError)
            subject.end(task.id)
            assert await second is None
        _assert_paced(subject)

    async def test_each_task_comes_once_as_it_ends(self, subject: Subject) -> None:
        """`as_completed` gives the same objects, in the order of their ends."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 4)
            came: list[Any] = []

            async def collect() -> None:
                came.extend([task async for task in as_completed(tasks)])

            collecting = _start(collect())
            order = [tasks[2], tasks[0], tasks[3], tasks[1]]
            for task in order:
                subject.end(task.id)
                await asyncio.sleep(INTERVAL + 2 * WINDOW)
            await collecting
            assert came == order
        _assert_paced(subject)

    async def test_token_takes_a_wait_up_elsewhere(self, subject: Subject) -> None:
        """Another client opens the task by what `token()` gave, two seconds included."""
        async with subject.client() as client:
            (task,) = await subject.tasks(client, 1)
            await task.refresh()
            token = task.token()
        async with subject.client() as client:
            again = client.from_token(token)
            assert again.id == task.id
            subject.end(task.id)
            await again.wait_till_done(timeout_seconds=20)
        _assert_paced(subject)

    async def test_closing_ends_every_wait(self, subject: Subject) -> None:
        """`SchedulerClosed`, at once, and nothing is asked after that (F-44)."""
        async with subject.client() as client:
            tasks = await subject.tasks(client, 3)
            waits = [_start(task.wait_till_done()) for task in tasks]
            await asyncio.sleep(INTERVAL)
        outcomes = [await _outcome(wait) for wait in waits]
        assert all(isinstance(outcome, SchedulerClosed) for outcome in outcomes), outcomes
        asked = subject.audit()["status_requests"]
        await asyncio.sleep(3 * INTERVAL)
        assert subject.audit()["status_requests"] == asked


def _start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def _moment_of(task: Task) -> float:
    await task.wait_till_done()
    return asyncio.get_running_loop().time()


async def _outcome(work: Any) -> BaseException | None:
    """How `work` ended: None if well."""
    try:
        await work
    except (Exception, asyncio.CancelledError) as outcome:  # noqa: BLE001 - that is what is asked for
        return outcome
    return None


def _assert_paced(subject: Subject) -> None:
    audit = subject.audit()
    assert audit["violations"] == 0, f"asked again after {audit['min_gap_seconds']} s (I-01)"
