"""One caller's wait, from the call to its end: on a task, or on a whole set."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from aiotasks._core.cohorts import Record
from aiotasks._runtime import arguments
from aiotasks._runtime.scheduler import CallersWait, Scheduler
from aiotasks.errors import AiotasksError, InvalidArgument, SchedulerClosed, WaitTimeout
from aiotasks.limits import FLOOR

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiotasks._runtime.task import Task
    from aiotasks.models import Observation

__all__ = ["as_completed", "refresh_all", "wait_all"]

TaskT = TypeVar("TaskT", bound="Task")


async def until_done(task: Task, timeout: float | None, interval: float, words: frozenset[str] | None) -> None:
    """Wait for the end of one task, or for one of `words`."""
    scheduler = task.client.enter()
    if task.is_final or (timeout == 0 and (task.is_done if words is None else task.word in words)):
        return
    if timeout == 0:
        raise _timed_out([task], 0.0)
    wait = _wait((task,), interval, timeout, words=words)
    await _settled(scheduler, wait)
    if wait.outcome is not None:
        raise _raised(wait, timeout)


async def until_fresh(task: Task) -> None:
    """Wait for the answer to a query that starts after now."""
    scheduler = task.client.enter()
    if task.is_final:
        return
    wait = _wait((task,), FLOOR, None, is_fresh=True)
    await _settled(scheduler, wait)
    if wait.outcome is not None:
        raise _raised(wait, None)


async def changes(task: Task, interval: float) -> AsyncGenerator[Observation, None]:
    """Each change of one task, the end last."""
    scheduler = task.client.enter()
    if task.is_final:
        yield task.snapshot()
        return
    wait = _wait((task,), interval, None, is_listening=True)
    try:
        await scheduler.watch(wait.tasks, wait)
        while True:
            await wait.future
            if not wait.is_open:
                break
            _look_again(wait)
            yield task.snapshot()
    finally:
        scheduler.leave(wait)
    if wait.outcome is not None:
        raise _raised(wait, None)
    yield task.snapshot()


async def wait_all(
    tasks: Iterable[TaskT], timeout_seconds: float | None = None, check_frequency: float = 2.0
) -> list[TaskT]:
    """Wait until every one of `tasks` has ended, however it ended. One failure stops no other.

    A task that cannot be asked about (`TaskNotFound`, `AuthError`, ...) counts as ended, with the error in its
    `last_error`. Costs no coroutine, future or timer per task.

    Args:
        tasks: tasks of one scheduler, copied at once; repetitions are waited for once.
        timeout_seconds: seconds to wait at most; None is no limit, 0 asks nothing.
        check_frequency: seconds between two checks of one task, at least 2.0.

    Returns:
        list of the tasks in the order given, repetitions included.

    Raises:
        WaitTimeout: the time is up; `pending` has the tasks that had not ended.
        SchedulerClosed: the scheduler, or the client of one of the tasks, was closed.
        InvalidArgument, InvalidType, WrongLoop, SchedulerFull: wrong use; nothing was sent.

    Cancellation: ends this wait alone.
    """
    timeout, interval = arguments.timeout(timeout_seconds), arguments.frequency(check_frequency)
    given, once = arguments.distinct(tasks, Record)
    if not once:
        return given
    scheduler = _scheduler_of(once)
    if timeout == 0:
        if any(not task.is_done for task in once):
            raise _timed_out(once, 0.0)
        return given
    wait = _wait(once, interval, timeout, is_set=True)
    await _settled(scheduler, wait)
    if wait.outcome is not None:
        raise _raised(wait, timeout)
    return given


async def refresh_all(tasks: Iterable[TaskT]) -> list[TaskT]:
    """Take in one fresh status of each of `tasks`, as `Task.refresh` does of one. One failure stops no other.

    A task that cannot be asked about, or whose queries failed five times in a row, has the error in its
    `last_error`. Tasks that have ended are not asked about. Costs one future per task, and no coroutine.

    Args:
        tasks: tasks of one scheduler, copied at once; repetitions are asked about once.

    Returns:
        list of the tasks in the order given, repetitions included.

    Raises:
        SchedulerClosed: the scheduler, or the client of one of the tasks, was closed.
        InvalidArgument, InvalidType, WrongLoop, SchedulerFull: wrong use; nothing was sent.

    Cancellation: ends this call alone.
    """
    given, once = arguments.distinct(tasks, Record)
    asked = [task for task in once if not task.is_final]
    if not asked:
        return given
    scheduler = _scheduler_of(asked)
    waits = [_wait((task,), FLOOR, None, is_fresh=True) for task in asked]
    try:
        for wait in waits:
            await scheduler.watch(wait.tasks, wait)
        for wait in waits:
            await wait.future
    finally:
        for wait in waits:
            scheduler.leave(wait)
    for task, wait in zip(asked, waits, strict=True):
        if isinstance(wait.outcome, SchedulerClosed):
            raise _raised(wait, None)
        task.error = wait.outcome
    return given


def as_completed(
    tasks: Iterable[TaskT], timeout_seconds: float | None = None, check_frequency: float = 2.0
) -> AsyncGenerator[TaskT, None]:
    """Each of `tasks` once, as it ends: the same objects, in the order of their ends.

        async for task in aiotasks.as_completed(tasks):
            print(task.id, task.status)

    Arguments, errors and what counts as an end are those of `wait_all`; the time runs from the first iteration.
    Costs O(1) per task, and no coroutine.

    Cancellation, or leaving the loop: ends this wait alone.
    """
    # Checked and copied when called, not at the first iteration (B-16).
    timeout, interval = arguments.timeout(timeout_seconds), arguments.frequency(check_frequency)
    _, once = arguments.distinct(tasks, Record)
    return _each(once, timeout, interval)


async def _each(tasks: list[TaskT], timeout: float | None, interval: float) -> AsyncGenerator[TaskT, None]:
    if not tasks:
        return
    scheduler = _scheduler_of(tasks)
    if timeout == 0:
        for task in tasks:
            if task.is_done:
                yield task
        if any(not task.is_done for task in tasks):
            raise _timed_out(tasks, 0.0)
        return
    wait = _wait(tasks, interval, timeout, is_each=True, is_set=True)
    try:
        await scheduler.watch(wait.tasks, wait)
        while True:
            while wait.ready:
                yield wait.ready.popleft()
                if scheduler.turns.is_over:
                    await scheduler.turns.next()  # thousands may be ready, and the loop has others
            if not wait.is_open:
                break
            if wait.future.done():
                _look_again(wait)
            else:
                await wait.future
    finally:
        scheduler.leave(wait)
    if wait.outcome is not None:
        raise _raised(wait, timeout)


# --- shared ---------------------------------------------------------------------------------------------


def _wait(tasks: Any, interval: float, timeout: float | None, **kind: Any) -> CallersWait:
    deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
    return CallersWait(tasks, interval=interval, deadline=deadline, **kind)


async def _settled(scheduler: Scheduler, wait: CallersWait) -> None:
    try:
        await scheduler.watch(wait.tasks, wait)
        await wait.future
    finally:
        scheduler.leave(wait)


def _look_again(wait: CallersWait) -> None:
    """The caller has seen what it was told, and may be told again."""
    wait.is_told = False
    wait.future = wait.future.get_loop().create_future()


def _scheduler_of(tasks: list[TaskT]) -> Scheduler:
    """The one scheduler of all of them, once every client is seen to be open."""
    schedulers: set[Scheduler] = {client.enter() for client in set(map(attrgetter("client"), tasks))}
    if len(schedulers) > 1:
        raise InvalidArgument("tasks: given tasks of several schedulers, allowed: those of one")
    return schedulers.pop()


def _raised(wait: CallersWait, timeout: float | None) -> AiotasksError:
    """What the caller of an ended wait gets: made for it alone, since two raises of one error share a traceback."""
    assert wait.outcome is not None
    if isinstance(wait.outcome, WaitTimeout):
        return _timed_out(wait.tasks, timeout or 0.0, wait.lost)
    return wait.outcome.fresh()


def _timed_out(tasks: Any, timeout: float, lost: Iterable[Any] = ()) -> WaitTimeout:
    unaskable = set(lost)
    pending = [task for task in tasks if not task.is_done and task not in unaskable]
    if len(tasks) != 1:
        return WaitTimeout(
            f"{len(pending):,} of {len(tasks):,} tasks had not ended after {timeout:g} s",
            timeout_seconds=timeout,
            pending=pending,
        )
    task = tasks[0]
    heard = task.observed_at
    age = None if heard is None else asyncio.get_running_loop().time() - heard
    since = "" if age is None else f", {age:.1f} s ago"
    fault = f"; last error: {task.last_error}" if task.last_error is not None else ""
    return WaitTimeout(
        f"task {task.id} had not ended after {timeout:g} s: status {task.status}{since}{fault}",
        timeout_seconds=timeout,
        status=task.status,
        age=age,
        last_error=task.last_error,
        token=task.token(),
        pending=pending,
        platform=task.source.account.platform,
        task_id=task.id,
    )
