"""The provider against the emulator over loopback, in virtual time: what a user does, and what a server may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import (
    AuthError,
    PermissionDenied,
    ResultError,
    SchedulerClosed,
    State,
    SubmitUnknown,
    TaskNotFound,
    TaskQueryError,
    WaitTimeout,
    as_completed,
    current_scheduler,
    wait_all,
)
from aiotasks.providers.deepint import Client, Credentials, DeepintHTTPError, DeepintTaskError, Task, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiotasks import Scheduler
    from tests.providers.deepint.conftest import Deepint

    Start = Callable[..., Awaitable[Deepint]]

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


# --- one task -----------------------------------------------------------------------------------------


async def test_task_is_built_resolved_and_read(deepint: Start) -> None:
    """The SDK's path: build, resolve, fetch the result; one query each two seconds at most."""
    server = await deepint(frozen=False)
    (id,) = server.create(result="s-1", result_type="source", name="n", duration=7.0)
    task = await server.task(id)
    assert (task.info.name, task.status, task.state) == ("n", "pending", State.PENDING)
    assert (await task.fetch_result(), await task.is_errored()) == ({}, False)
    await task.resolve()
    assert await task is task
    assert await task.fetch_result() == {"source": "s-1"}
    assert (task.info.status, task.info.progress, task.info.duration) == (TaskStatus.success, 100, 7_000)
    assert (task.organization_id, task.workspace_id) == (
        server.ready["organization_id"],
        server.ready["workspace_id"],
    )
    assert server.emulator.audit()["violations"] == 0


async def test_failed_task_raises_from_resolve_and_await(deepint: Start) -> None:
    """With the platform's code; `raise_on_error=False` returns."""
    server = await deepint()
    task = await server.task(server.ready["tasks"]["failed"])
    with pytest.raises(DeepintTaskError, match=r"TASK_EMULATED: Task \(.*\) failed failed with description"):
        await task.resolve()
    with pytest.raises(DeepintTaskError):
        await task
    await task.resolve(raise_on_error=False)
    assert await task.is_errored(force_reload=True)
    assert server.emulator.audit()["checks"] == 1


async def test_unknown_word_is_not_the_end(deepint: Start) -> None:
    """The SDK returns as if it were done; here the wait goes on, and can be for that very word."""
    server = await deepint()
    task = await server.task(server.ready["tasks"]["unknown"])
    assert (task.status, task.state, task.info.status) == ("archived", State.UNKNOWN, TaskStatus.unknown)
    with pytest.raises(WaitTimeout) as caught:
        await task.wait_till_done(timeout_seconds=20)
    assert caught.value.status == "archived"
    assert await task.wait_for("archived") == "archived"
    server.emulator.change_task(task.id, status="success")
    await task.resolve()
    assert server.emulator.audit()["violations"] == 0


async def test_null_numbers_are_none(deepint: Start) -> None:
    """What breaks the SDK is a finished task like any other."""
    server = await deepint()
    task = await server.task(server.ready["tasks"]["null"])
    assert (task.info.duration, task.info.progress, task.info.created, task.progress) == (None,) * 4
    assert task.is_done
    assert task.to_dict()["info"]["status"] == "success"


@pytest.mark.covers("I-01")
async def test_load_is_a_refresh_that_keeps_the_two_seconds(deepint: Start) -> None:
    """Many at once share one query; each call after another waits for its turn."""
    server = await deepint()
    (id,) = server.create(status="running")
    tasks = await asyncio.gather(*(server.task(id) for _ in range(20)))
    assert len(set(tasks)) == 1
    server.emulator.change_task(id, shown={"progress": 40})
    await asyncio.gather(*(tasks[0].load() for _ in range(20)))
    assert tasks[0].info.progress == 40
    await tasks[0].fetch_result(force_reload=True)
    report = server.emulator.audit()
    assert (report["checks"], report["violations"]) == (3, 0)


async def test_poll_interval_is_kept(deepint: Start) -> None:
    """Three seconds unless it says otherwise, as in the SDK."""
    server = await deepint()
    (id,) = server.create(status="running")
    task = await server.task(id)
    server.emulator.reset_audit()
    wait = asyncio.get_running_loop().create_task(task.resolve())
    await asyncio.sleep(31)
    wait.cancel()
    assert server.emulator.audit()["checks"] in (10, 11)
    assert (server.emulator.audit()["min_gap_seconds"] or 0) >= 3.0


async def test_deleted_task_is_not_found(deepint: Start) -> None:
    """By whoever waits for it; deleting it twice says so."""
    server = await deepint()
    (id,) = server.create(status="running")
    task = await server.task(id)
    wait = asyncio.get_running_loop().create_task(task.wait_till_done())
    await asyncio.sleep(1)
    await task.delete()
    with pytest.raises(TaskNotFound):
        await wait
    with pytest.raises(TaskNotFound):
        await task.delete()


async def test_urls_lead_to_tasks(deepint: Start) -> None:
    """Web and API, of the client's own host."""
    server = await deepint()
    id, ready = server.ready["tasks"]["failed"], server.ready
    web = f"{ready['url']}/o/{ready['organization_id']}/workspace?ws={ready['workspace_id']}&s=task&i={id}"
    api = f"{ready['url']}/api/v1/workspace/{ready['workspace_id']}/task/{id}"
    assert (await Task.from_url(web, "ignored", client=server.client)).id == id
    assert (await Task.from_url(api, ready["organization_id"], client=server.client)).id == id
    assert (await Task.from_url(api, client=server.client)).organization_id == ready["organization_id"]


async def test_token_takes_the_wait_up_elsewhere(deepint: Start) -> None:
    """Another client needs nothing but the token."""
    server = await deepint()
    (id,) = server.create(duration=9.0)
    text = (await server.task(id)).token()
    async with Client(server.client.credentials, scheduler=server.client.scheduler) as other:
        task = other.from_token(text)
        await task.wait_till_done()
    assert (task.id, task.is_done) == (id, True)
    assert server.emulator.audit()["violations"] == 0


# --- a client that nobody owns ------------------------------------------------------------------------


async def test_client_of_nobody_is_shared_and_closed_with_the_scheduler(deepint: Start) -> None:
    """`Task.build` without a client makes one per loop and credentials."""
    server = await deepint()
    ready, credentials = server.ready, server.client.credentials
    place = ready["organization_id"], ready["workspace_id"]
    failed = await Task.build(*place, ready["tasks"]["failed"], credentials)
    null = await Task.build(*place, ready["tasks"]["null"], credentials)
    assert failed.client is null.client is Client.shared(Credentials(server.emulator.token, ready["url"]))
    assert failed.client is not server.client
    await current_scheduler().aclose()
    assert failed.client.is_closed
    assert (await Task.build(*place, ready["tasks"]["unknown"], credentials)).client is not failed.client
    await current_scheduler().aclose()


# --- many tasks ---------------------------------------------------------------------------------------


async def test_two_thousand_tasks_are_awaited_without_a_violation(deepint: Start) -> None:
    """One query a task and interval, never two within two seconds, each end once."""
    server = await deepint()
    ids = server.create(2_000, duration=(3.0, 6.0))
    tasks = [server.open(id) for id in ids]
    done = [task.id async for task in as_completed(tasks, timeout_seconds=60)]
    report = server.emulator.audit()
    assert sorted(done) == sorted(ids)
    assert report["violations"] == 0
    assert report["status_requests"] == report["checks"] <= 2_000 * (now() / 2 + 1)


@pytest.mark.covers("I-05")
async def test_queries_in_flight_are_bounded(deepint: Start) -> None:
    """However many tasks are due."""
    server = await deepint()
    tasks = [server.open(id) for id in server.create(300, duration=30.0)]
    server.emulator.fault(slow=0.05, on="status")
    wait = asyncio.get_running_loop().create_task(wait_all(tasks))
    most = 0
    while not wait.done():
        await asyncio.sleep(0.02)
        most = max(most, server.client.scheduler.statistics().in_flight)
    assert 1 < most <= 16
    assert server.emulator.audit()["violations"] == 0


# --- lists --------------------------------------------------------------------------------------------


async def test_list_costs_one_request_a_page(deepint: Start) -> None:
    """The SDK asks for each task besides: 26 tasks on 3 pages are 29 requests; here they are 3."""
    server = await deepint()
    ids = server.create(23, status="running")
    server.emulator.reset_audit()
    tasks = await server.workspace.tasks.fetch_all()
    assert [task.id for task in tasks[:23]] == ids[::-1]
    assert {task.id for task in tasks[23:]} == set(server.ready["tasks"].values())
    assert server.emulator.audit()["requests"] == 3
    await asyncio.sleep(2)
    assert len([task async for task in server.workspace.tasks.fetch_all(force_reload=True)]) == 26


async def test_listed_task_is_known_and_can_be_awaited(deepint: Start) -> None:
    """Its status is the list's; waiting goes on from there."""
    server = await deepint()
    (id,) = server.create(duration=5.0, name="needle")
    task = await server.workspace.tasks.fetch(name="needle")
    assert task is not None
    assert (task.id, task.status) == (id, "pending")
    await task.resolve()
    assert task.is_done


async def test_items_without_a_status_are_looked_up_together(deepint: Start) -> None:
    """Once each, through the scheduler, so that even a second list keeps the two seconds."""
    server = await deepint()
    server.create(9, status="running")
    server.emulator.fault(listed_status=False)
    tasks = await server.workspace.tasks.fetch_all()
    assert {task.status for task in tasks} == {"running", "archived", "success", "failed"}
    assert server.emulator.audit()["requests"] == 2 + 12
    await asyncio.sleep(2)
    again = await server.workspace.tasks.fetch_all()
    assert len(again) == 12
    assert server.emulator.audit()["violations"] == 0


async def test_task_that_is_gone_by_the_time_it_is_looked_up_is_left_out(deepint: Start) -> None:
    """The others are there."""
    server = await deepint()
    gone, kept = server.create(2, status="running")
    server.emulator.fault(listed_status=False)
    server.emulator.fault(status=404, body={"code": "TASK_NOT_FOUND", "message": "m"}, on="status", times=1)
    found = {task.id for task in await server.workspace.tasks.fetch_all()}
    assert {gone, kept} <= found  # one 404 is not believed: it is asked again, and there
    server.emulator.fault(poisoned=[gone])
    await asyncio.sleep(2)
    with pytest.raises(TaskQueryError):
        await server.workspace.tasks.fetch_all()


async def test_tasks_are_found_by_status(deepint: Start) -> None:
    """The server has no filter: the pages are read, however few of them have any."""
    server = await deepint()
    server.create(40, status="running")
    server.emulator.fault(page_size=2)
    tasks = server.workspace.tasks
    assert [task.id for task in await tasks.fetch_by_status(TaskStatus.failed)] == [server.ready["tasks"]["failed"]]
    await asyncio.sleep(2)
    assert len(await tasks.fetch_by_status(TaskStatus.running)) == 40
    await asyncio.sleep(2)
    assert [task.status async for task in tasks.fetch_by_status(TaskStatus.unknown)] == ["archived"]
    await asyncio.sleep(2)
    assert await tasks.fetch_by_status(TaskStatus.pending) == []
    assert server.emulator.audit()["violations"] == 0


async def test_task_is_fetched_by_id_or_name(deepint: Start) -> None:
    """By id in one query; by name from the list; None if there is none, or nothing was asked for."""
    server = await deepint()
    (id,) = server.create(name="needle")
    tasks = server.workspace.tasks
    by_id, by_name = await tasks.fetch(id), await tasks.fetch(name="needle")
    assert by_id is not None
    assert by_name is not None
    assert by_id.id == by_name.id == id
    before = server.emulator.audit()["requests"]
    assert await tasks.fetch() is None
    assert server.emulator.audit()["requests"] == before
    await asyncio.sleep(2)
    found = await tasks.fetch("nobody", name="needle", force_reload=True)
    assert found is not None
    assert found.id == id
    await asyncio.sleep(2)
    assert await tasks.fetch("nobody", name="nobody") is None


async def test_page_that_fails_is_asked_for_again(deepint: Start) -> None:
    """One stream without a gap."""
    server = await deepint()
    server.create(22, status="running")
    server.emulator.fault(status=502, on="list", after=1, times=2)
    assert len({task.id for task in await server.workspace.tasks.fetch_all()}) == 25
    assert server.emulator.audit()["violations"] == 0


async def test_list_of_no_workspace_is_a_result_error(deepint: Start) -> None:
    """With the service's word."""
    server = await deepint()
    with pytest.raises(ResultError, match="WORKSPACE_NOT_FOUND"):
        await server.client.workspace("nobody").tasks.fetch_all()


# --- calls that start a task --------------------------------------------------------------------------


async def test_export_is_awaited_and_downloaded(deepint: Start, tmp_path: Path) -> None:
    """The task at once, or the file; an export that was started before; nothing is overwritten."""
    server = await deepint(frozen=False)
    workspace = server.workspace
    path = await workspace.export(tmp_path)
    assert path == str(tmp_path / f"{workspace.workspace_id}.zip")
    assert (tmp_path / f"{workspace.workspace_id}.zip").read_bytes()[:2] == b"PK"
    before = server.emulator.audit()["requests"]
    with pytest.raises(ValueError, match="exists"):
        await workspace.export(str(tmp_path))
    assert server.emulator.audit()["requests"] == before
    task = await workspace.export(wait_for_download=False)
    assert isinstance(task, Task)
    assert task.status is None
    (tmp_path / "second").mkdir()
    await workspace.export(str(tmp_path / "second"), task=task)
    assert list(await task.fetch_result()) == ["file"]
    assert names(tmp_path / "second") == [f"{workspace.workspace_id}.zip"]
    assert server.emulator.audit()["violations"] == 0


async def test_failed_export_leaves_no_file(deepint: Start, tmp_path: Path) -> None:
    """The job's own verdict."""
    server = await deepint(frozen=False, failures=1.0)
    with pytest.raises(DeepintTaskError):
        await server.workspace.export(str(tmp_path))
    assert names(tmp_path) == []


async def test_clone_is_awaited(deepint: Start) -> None:
    """Its task is in the new workspace, which is what one gets."""
    server = await deepint(frozen=False)
    copy = await server.workspace.clone()
    task = await server.workspace.clone("mine", wait_for_creation=False)
    assert isinstance(task, Task)
    await task
    assert not isinstance(copy, Task)
    assert len({copy.workspace_id, task.workspace_id, server.workspace.workspace_id}) == 3
    assert [task.info.name for task in await copy.tasks.fetch_all()] == ["clone"]


async def test_instances_are_updated_and_cleaned(deepint: Start) -> None:
    """Each gives a task that names the source."""
    server = await deepint(frozen=False)
    instances = server.workspace.source(server.ready["source_id"]).instances
    rows = [{"name": "a", "amount": 1, "day": None}, {"day": "2024-01-01", "amount": 2, "name": "b, c"}]
    for task in (
        await instances.update(rows),
        await instances.update(rows, replace=True, date_format_feature=2),
        await instances.clean(where="amount > 1"),
        await instances.clean(),
    ):
        await task.resolve()
        assert await task.fetch_result() == {"source": server.ready["source_id"]}
    with pytest.raises(DeepintHTTPError, match="SOURCE_NOT_FOUND"):
        await server.workspace.source("nobody").instances.update(rows)


@pytest.mark.covers("F-25")
@pytest.mark.parametrize("fault", [{"reset": True}, {"cut": True}, {"html": True}])
async def test_lost_answer_to_a_start_is_not_asked_for_twice(deepint: Start, fault: dict[str, Any]) -> None:
    """The caller is told that the task may exist; there is exactly one."""
    server = await deepint()
    server.emulator.fault(on="export", processed=True, **fault)
    with pytest.raises(SubmitUnknown):
        await server.workspace.export(wait_for_download=False)
    assert len(server.emulator.tasks()) == 3 + 1


# --- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.covers("F-13", "I-10")
async def test_limit_keeps_the_whole_account_away(deepint: Start) -> None:
    """Ten seconds as the SDK does, or for as long as it is told; then all goes on."""
    server = await deepint()
    tasks = [server.open(id) for id in server.create(50, duration=20.0)]
    server.emulator.fault(status=429, on="status", times=1)
    wait = asyncio.get_running_loop().create_task(wait_all(tasks, timeout_seconds=300))
    await asyncio.sleep(5)
    asked = server.emulator.audit()["status_requests"]
    await asyncio.sleep(4)
    assert server.emulator.audit()["status_requests"] == asked <= 3
    await wait
    assert all(task.is_done for task in tasks)
    assert server.emulator.audit()["violations"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "body": {"code": "LIMIT", "message": "m"}},
        {"status": 500},
        {"status": 502},
        {"status": 504},
        {"status": 404, "html": True},
        {"status": 201, "body": {"id": "t"}},
        {"html": True},
        {"reset": True},
        {"cut": True},
        {"body": "{"},
    ],
)
@pytest.mark.covers("I-10")
async def test_failed_query_is_no_failed_task(deepint: Start, fault: dict[str, Any]) -> None:
    """Transient faults delay, and end nothing."""
    server = await deepint()
    (id,) = server.create(duration=5.0)
    task = server.open(id)
    server.emulator.fault(on="status", times=3, **fault)
    await task.resolve()
    assert task.is_done
    assert server.emulator.audit()["violations"] == 0


@pytest.mark.covers("I-04")
async def test_poisoned_and_absent_tasks_harm_no_other(deepint: Start) -> None:
    """Each gets its own error; the rest end as they do."""
    server = await deepint()
    poisoned, absent, *good = server.create(12, duration=8.0)
    server.emulator.fault(poisoned=[poisoned], hidden=[absent])
    tasks = [server.open(id) for id in (poisoned, absent, *good)]
    await wait_all(tasks, timeout_seconds=100)
    assert isinstance(tasks[0].last_error, TaskQueryError)
    assert isinstance(tasks[1].last_error, TaskNotFound)
    assert all(task.is_done for task in tasks[2:])
    with pytest.raises(TaskNotFound):
        await server.task("nobody")
    assert server.emulator.audit()["violations"] == 0


async def test_wrong_token_is_an_auth_error(deepint: Start) -> None:
    """Of the task and of the list; nothing shows it."""
    server = await deepint()
    credentials = Credentials("canary-token", server.ready["url"])
    async with Client(credentials, organization_id=server.ready["organization_id"]) as stranger:
        for ask in (
            Task.build(server.ready["organization_id"], server.ready["workspace_id"], "t", client=stranger),
            stranger.workspace(server.ready["workspace_id"]).export(wait_for_download=False),
        ):
            with pytest.raises(AuthError) as caught:
                await ask
            assert "canary-token" not in str(caught.value)


async def test_wrong_organization_is_not_permitted(deepint: Start) -> None:
    """403 in the service's word."""
    server = await deepint()
    with pytest.raises(PermissionDenied):
        await Task.build("another", server.ready["workspace_id"], "t", client=server.client)


@pytest.mark.covers("I-07")
async def test_cancelled_wait_ends_alone(deepint: Start) -> None:
    """Others go on, and the remote job too."""
    server = await deepint()
    (id,) = server.create(duration=9.0)
    task = server.open(id)
    first, second = (asyncio.get_running_loop().create_task(task.resolve()) for _ in range(2))
    await asyncio.sleep(3)
    first.cancel()
    await second
    assert first.cancelled()
    assert task.is_done


async def test_closed_client_ends_its_waits(deepint: Start) -> None:
    """With what to do next."""
    server = await deepint()
    scheduler: Scheduler = server.client.scheduler
    (id,) = server.create(status="running")
    wait = asyncio.get_running_loop().create_task(server.open(id).resolve())
    await asyncio.sleep(3)
    await server.client.aclose()
    with pytest.raises(SchedulerClosed):
        await wait
    assert scheduler.statistics().tasks == 0
