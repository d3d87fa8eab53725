"""Waiting for tasks of isahit lab against the emulator, in virtual time: statuses, batches, faults, gaps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import State, TaskNotFound, TaskQueryError, WaitTimeout
from aiotasks.providers.isahitlab import AuthenticationFailed, IsahitLab, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiotasks.emulators.isahitlab import IsahitLabEmulator

    Start = Callable[..., Awaitable[tuple[IsahitLabEmulator, IsahitLab]]]

pytestmark = pytest.mark.looptime


def opened(emulator: IsahitLabEmulator, lab: IsahitLab, created: list[dict[str, Any]], *more: Any) -> list[Task]:
    return lab.open_tasks(created[0]["project"], [each["id"] for each in created], *more)


def sound(emulator: IsahitLabEmulator) -> dict[str, Any]:
    """The audit, which must show no violation."""
    audit = dict(emulator.audit())
    assert audit["violations"] == 0
    assert audit["min_gap_seconds"] is None or audit["min_gap_seconds"] >= 1.999_999
    return audit


async def test_task_is_awaited_until_it_is_annotated(isahitlab: Start) -> None:
    """`await` gives the task, which tells its fields and its document."""
    emulator, lab = await isahitlab(frozen=False, duration=(5, 5))
    (task,) = opened(emulator, lab, emulator.create_tasks(name="1.jpg"))

    assert await task is task

    assert (task.status, task.state, task.is_done, task.name) == ("complete", State.SUCCEEDED, True, "1.jpg")
    assert task.project_id == task.batch_id == emulator.projects["iat-rectangle"]
    assert task.created_at is not None
    assert task.updated_at is not None
    assert (task.updated_at - task.created_at).total_seconds() == pytest.approx(5, abs=0.01)
    (document,) = await task.result
    assert document["_id"] == task.id
    assert document["data"]["annotations"]
    sound(emulator)


@pytest.mark.covers("I-01")
async def test_2000_tasks_cost_a_request_per_100_and_interval(isahitlab: Start) -> None:
    """20 requests an interval where one by one takes 2,000; everybody is told once, within an interval of the end."""
    emulator, lab = await isahitlab(frozen=False, duration=(20, 20))
    tasks = opened(emulator, lab, emulator.create_tasks(count=2_000))
    loop = asyncio.get_running_loop()
    begin = loop.time()

    await asyncio.gather(*(task.wait_till_done(timeout_seconds=100) for task in tasks))

    assert loop.time() - begin <= 23
    audit = sound(emulator)
    intervals = audit["checks"] / 2_000
    assert audit["status_requests"] <= 20 * 1.1 * intervals + intervals
    assert audit["checks"] >= 2_000 * 8
    assert all(task.is_done for task in tasks)


async def test_handle_has_statuses_of_its_own(isahitlab: Start) -> None:
    """One waits for the annotation and another for the review of the same task; each ends at its own."""
    emulator, lab = await isahitlab()
    created = emulator.create_tasks(status="pending")
    (annotated,) = opened(emulator, lab, created)
    (reviewed,) = opened(emulator, lab, created, ["reviewed"])
    first, second = asyncio.ensure_future(annotated), asyncio.ensure_future(reviewed)  # noqa: TID251
    await asyncio.sleep(3)

    emulator.change_task(annotated.id, status="complete")
    await first
    await asyncio.sleep(10)
    assert not second.done()
    emulator.change_task(annotated.id, status="reviewed")

    assert (await second).status == "reviewed"
    sound(emulator)


async def test_handle_that_is_waited_for_is_opened_once(isahitlab: Start) -> None:
    """The same statuses give the same object, others another one."""
    emulator, lab = await isahitlab()
    created = emulator.create_tasks()
    (task,) = opened(emulator, lab, created)
    wait = asyncio.ensure_future(task)  # noqa: TID251
    await asyncio.sleep(1)

    assert opened(emulator, lab, created)[0] is task
    assert opened(emulator, lab, created, ["reviewed"])[0] is not task
    wait.cancel()


async def test_task_is_awaited_again_after_redo(isahitlab: Start) -> None:
    """No status is final: a finished task sent to redo is waited for anew."""
    emulator, lab = await isahitlab(frozen=False, duration=(5, 5))
    (task,) = await asyncio.gather(*opened(emulator, lab, emulator.create_tasks()))

    assert await lab.send_tasks_to_redo(task.project_id, [task.id]) == 1
    begin = asyncio.get_running_loop().time()
    await task
    assert 5 <= asyncio.get_running_loop().time() - begin < 8
    await lab.send_tasks_to_review(task.project_id, [task.id])
    await task.wait_for("to-review")
    await task.wait_for("reviewed")
    sound(emulator)


async def test_review_keeps_a_task_open(isahitlab: Start) -> None:
    """`to-review` is not the end unless the caller says so."""
    emulator, lab = await isahitlab(frozen=False, duration=(5, 5), failures=1.0)
    created = emulator.create_tasks()
    (task,) = opened(emulator, lab, created)

    with pytest.raises(WaitTimeout) as caught:
        await task.wait_till_done(timeout_seconds=30)

    assert (caught.value.status, task.state, task.is_done) == ("to-review", State.RUNNING, False)
    (chosen,) = opened(emulator, lab, created, ["to-review"])
    await chosen
    assert chosen.is_done
    sound(emulator)


@pytest.mark.covers("B-34")
async def test_unknown_status_is_open(isahitlab: Start) -> None:
    """A word nobody knows is neither an end nor an error; it can be waited for all the same."""
    emulator, lab = await isahitlab()
    (task,) = opened(emulator, lab, emulator.create_tasks(status="frobnicating"))

    with pytest.raises(WaitTimeout):
        await task.wait_till_done(timeout_seconds=10)

    assert (task.status, task.state) == ("frobnicating", State.UNKNOWN)
    assert await task.wait_for("frobnicating") == "frobnicating"


async def test_refresh_asks_once_and_goes_by_the_floor(isahitlab: Start) -> None:
    """Two refreshes in a row are 2 s apart; refreshes at the same time share their query."""
    emulator, lab = await isahitlab()
    tasks = opened(emulator, lab, emulator.create_tasks(count=50))
    for _ in range(2):
        await asyncio.gather(*(task.refresh() for task in tasks))
    assert sound(emulator)["status_requests"] <= 3
    assert tasks[0].status == "pending"


async def test_token_takes_the_wait_up_elsewhere(isahitlab: Start) -> None:
    """The project and the chosen statuses travel with it."""
    emulator, lab = await isahitlab()
    (task,) = opened(emulator, lab, emulator.create_tasks(status="to-review"), ["to-review"])

    again = lab.from_token(task.token())

    assert isinstance(again, Task)
    assert again.end_words == {"to-review"}
    await again
    assert again.project_id == task.project_id
    assert emulator.secret_key not in task.token()


# --- when things go wrong -------------------------------------------------------------------------------


@pytest.mark.covers("B-36")
async def test_absent_task_is_not_found_and_its_siblings_go_on(isahitlab: Start) -> None:
    """An id that lists leave out is asked alone, and then does not exist."""
    emulator, lab = await isahitlab(frozen=False, duration=(60, 60))
    created = emulator.create_tasks(count=30)
    project = created[0]["project"]
    stranger, *others = lab.open_tasks(project, ["nobody", *(each["id"] for each in created)])

    with pytest.raises(TaskNotFound):
        await asyncio.gather(stranger, *others)

    await asyncio.gather(*others)
    assert sound(emulator)["tasks"] == 31


@pytest.mark.covers("F-22")
async def test_poisoned_id_is_found_and_its_siblings_go_on(isahitlab: Start) -> None:
    """A query that is refused is split until the culprit is alone."""
    emulator, lab = await isahitlab(frozen=False, duration=(60, 60))
    tasks = opened(emulator, lab, emulator.create_tasks(count=40))
    emulator.fault(poisoned=[tasks[7].id])
    waits = [asyncio.ensure_future(task) for task in tasks]  # noqa: TID251

    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_EXCEPTION)

    assert done == {waits[7]}
    assert isinstance(waits[7].exception(), TaskQueryError)
    await asyncio.gather(*waits[:7], *waits[8:])
    sound(emulator)


@pytest.mark.covers("F-15")
async def test_rate_limit_is_kept(isahitlab: Start) -> None:
    """After 429 nothing is asked before `Retry-After`, and the waits go on by themselves."""
    emulator, lab = await isahitlab(frozen=False, duration=(5, 5))
    (task,) = opened(emulator, lab, emulator.create_tasks())
    emulator.fault(status=429, retry_after=30, on="status", times=1)
    begin = asyncio.get_running_loop().time()

    await task

    assert asyncio.get_running_loop().time() - begin >= 30
    assert sound(emulator)["status_requests"] == 2


@pytest.mark.parametrize("fault", [{"status": 502}, {"reset": True}, {"cut": True}, {"html": True}, {"status": 500}])
@pytest.mark.covers("I-10")
async def test_failed_query_is_no_failed_task(isahitlab: Start, fault: dict[str, Any]) -> None:
    """Faults delay the wait and end nothing."""
    emulator, lab = await isahitlab(frozen=False, duration=(5, 5))
    (task,) = opened(emulator, lab, emulator.create_tasks())
    emulator.fault(on="status", times=3, **fault)

    await task

    assert task.is_done
    sound(emulator)


@pytest.mark.covers("F-17")
async def test_wrong_key_ends_every_wait(isahitlab: Start) -> None:
    """One login or two are refused, no task is asked about, and every waiter hears of it."""
    emulator, lab = await isahitlab()
    async with IsahitLab(
        emulator.access_id, "wrong", endpoint=lab.endpoint.base, scheduler=lab.scheduler
    ) as stranger:
        tasks = opened(emulator, stranger, emulator.create_tasks(count=300))
        errors = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(error) for error in errors} == {AuthenticationFailed}
    audit = sound(emulator)
    assert (audit["status_requests"], audit["requests"] <= 3) == (0, True)


async def test_one_login_serves_all(isahitlab: Start) -> None:
    """Lists, changes and queries that begin together share one login, and the next is before the token's end."""
    emulator, lab = await isahitlab(faults=[{"expires_in": 100}])
    created = emulator.create_tasks(count=300)
    tasks = opened(emulator, lab, created)

    await asyncio.gather(
        lab.tasks(created[0]["project"], raw_data=True, name_in=["x"]),
        lab.send_tasks_to_review(created[0]["project"], [created[0]["id"]]),
        *(task.refresh() for task in tasks),
    )
    assert emulator.audit()["requests"] == 1 + 1 + 1 + 3
    await asyncio.sleep(80)
    await tasks[0].refresh()
    assert emulator.audit()["requests"] == 7
    await asyncio.sleep(10)
    await tasks[0].refresh()
    assert emulator.audit()["requests"] == 9
    assert lab.scheduler.statistics().failures == 0


async def test_token_that_is_refused_is_renewed(isahitlab: Start) -> None:
    """A 401 in the middle costs a login and an interval, and ends no wait."""
    emulator, lab = await isahitlab(frozen=False, duration=(9, 9))
    (task,) = opened(emulator, lab, emulator.create_tasks())
    emulator.fault(status=401, on="status", after=1, times=1)

    await task

    emulator.fault(status=401, on="properties", times=1)
    assert await lab.update_properties_of_tasks(task.project_id, [task.id], {"score": 1}) == 1
    sound(emulator)


async def test_smaller_pages_are_learnt(isahitlab: Start) -> None:
    """A server that puts 10 documents on a page is asked for 10, and nobody is lost or suspected."""
    emulator, lab = await isahitlab(frozen=False, duration=(40, 40), faults=[{"page_limit": 10}])
    tasks = opened(emulator, lab, emulator.create_tasks(count=95))

    await asyncio.gather(*tasks)

    assert lab.open_tasks(tasks[0].project_id, ["other"])[0].last_error is None
    sound(emulator)


async def test_long_request_lines_are_halved(isahitlab: Start) -> None:
    """414 is learnt from."""
    emulator, lab = await isahitlab(frozen=False, duration=(20, 20), faults=[{"line_limit": 1_500}])
    tasks = opened(emulator, lab, emulator.create_tasks(count=100))

    await asyncio.gather(*tasks)

    sound(emulator)


@pytest.mark.covers("B-35")
async def test_row_that_cannot_be_read_harms_nobody_else(isahitlab: Start) -> None:
    """A status of a wrong type is no answer about that task; the others' stand."""
    emulator, lab = await isahitlab()
    tasks = opened(emulator, lab, emulator.create_tasks(count=3, status="complete"))
    emulator.change_task(tasks[1].id, shown={"status": None})
    waits = [asyncio.ensure_future(task) for task in tasks]  # noqa: TID251

    await asyncio.gather(waits[0], waits[2])
    await asyncio.sleep(20)
    assert not waits[1].done()
    emulator.change_task(tasks[1].id, shown={"status": "reviewed"})
    assert (await waits[1]).status == "reviewed"
    sound(emulator)
