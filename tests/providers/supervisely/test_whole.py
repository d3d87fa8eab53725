"""The provider against the emulator over loopback, in virtual time: what a user does, from start to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import aiotasks
from aiotasks import AuthError, ServerError, State, TaskCancelled, TaskNotFound, TaskQueryError, WaitTimeout
from aiotasks.providers.supervisely import (
    Api,
    Status,
    Task,
    TaskFinishedWithError,
    TaskInfo,
    WaitingTimeExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiotasks.emulators.supervisely import SuperviselyEmulator

    Start = Callable[..., Awaitable[tuple[SuperviselyEmulator, Api]]]

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


def ids(created: list[dict[str, Any]]) -> list[int]:
    return [task["id"] for task in created]


async def started(emulator: SuperviselyEmulator, api: Api, **options: Any) -> TaskInfo:
    return await api.task.start(
        emulator.agent_id, workspace_id=emulator.workspace_id, module_id=emulator.module_id, **options
    )


# --- from start to end ------------------------------------------------------------------------------------


async def test_app_is_started_awaited_and_looked_up(supervisely: Start) -> None:
    """The way of the module's docstring: start, open, await."""
    emulator, api = await supervisely(frozen=False, duration=(7, 7))

    info = await started(emulator, api)
    task = api.task.open(info.id)
    assert (task.status, task.state, task.workspace_id) == (None, State.UNKNOWN, emulator.workspace_id)
    assert await task is task

    assert (task.status, task.state, task.is_done) == ("finished", State.SUCCEEDED, True)
    assert task.info is not None
    assert task.info.finished_at is not None
    assert emulator.audit()["violations"] == 0


async def test_failed_and_stopped_tasks_raise(supervisely: Start) -> None:
    """`error` is TaskFinishedWithError, `stopped` TaskCancelled; `wait_till_done` returns for both."""
    emulator, api = await supervisely()
    failed, stopped = ids(emulator.create_tasks(duration=3, ends="error") + emulator.create_tasks(status="started"))
    await api.task.get_list(emulator.workspace_id)

    with pytest.raises(TaskFinishedWithError) as caught:
        await api.task.open(failed)
    assert (caught.value.status, caught.value.task_id) == ("error", failed)

    task = api.task.open(stopped)
    asyncio.get_running_loop().call_later(5, lambda: emulator.change_task(stopped, status="stopped"))
    with pytest.raises(TaskCancelled):
        await task
    await task.wait_till_done()


async def test_stopping_takes_a_moment(supervisely: Start) -> None:
    """`stop` gives terminating, which is not the end; then stopped."""
    emulator, api = await supervisely(frozen=False, duration=(50, 50))
    info = await started(emulator, api)

    assert await api.task.stop(info.id) is Status.TERMINATING
    task = api.task.open(info.id)
    await task.wait_till_done()

    assert task.status == "stopped"


async def test_same_task_is_the_same_object_while_waited_for(supervisely: Start) -> None:
    """Opening it again gives what the waiters wait on."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(duration=10, ends="finished"))

    first = api.task.open(id, emulator.workspace_id)
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(first.wait_till_done()) for _ in range(3)]
        await asyncio.sleep(3)
        assert api.task.open(id) is first
    assert all(wait.done() for wait in waits)


async def test_token_takes_the_wait_up_again(supervisely: Start) -> None:
    """A token carries the workspace, and no secret."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(duration=10))
    text = api.task.open(id, emulator.workspace_id).token()

    async with Api(api.server_address, emulator.token, scheduler=api.scheduler) as other:
        task = other.from_token(text)
        assert isinstance(task, Task)
        await task.wait_till_done()

    assert task.workspace_id == emulator.workspace_id
    assert emulator.token not in text
    assert emulator.audit()["violations"] == 0


# --- reading ------------------------------------------------------------------------------------------------


async def test_info_has_attributes_and_keys(supervisely: Start) -> None:
    """Every key of `tasks.info` is an attribute too."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="started", description="mine"))

    info = await api.task.get_info_by_id(id)

    assert info is not None
    assert set(info) == set(api.task.info_sequence())
    assert [info.id, info.status, info.workspace_id, info.description] == [
        info["id"],
        info["status"],
        info["workspaceId"],
        "mine",
    ]
    assert info.finished_at is None
    assert await api.task.get_status(id) is Status.STARTED
    assert (await api.task.get_context(id))["workspace"]["id"] == emulator.workspace_id


async def test_info_of_nobody_is_none_and_its_status_an_error(supervisely: Start) -> None:
    """Said twice by the server before it is believed."""
    emulator, api = await supervisely()

    assert await api.task.get_info_by_id(5) is None
    with pytest.raises(TaskNotFound):
        await api.task.get_status(5)
    with pytest.raises(TaskNotFound):
        await api.task.get_context(5)
    assert emulator.audit()["violations"] == 0


async def test_info_is_asked_once_for_callers_at_the_same_time(supervisely: Start) -> None:
    """Ten callers share one request, and the next call two seconds later makes one more."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="started"))

    await asyncio.gather(*(api.task.get_info_by_id(id) for _ in range(10)))
    assert emulator.audit()["status_requests"] == 1
    await api.task.get_info_by_id(id)

    report = emulator.audit()
    assert (report["status_requests"], report["violations"]) == (2, 0)


async def test_unknown_word_is_kept_and_open(supervisely: Start) -> None:
    """A word nobody knows is not the end; `get_status` gives it as it is."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="hibernating"))

    assert await api.task.get_status(id) == "hibernating"
    task = api.task.open(id)
    with pytest.raises(WaitTimeout):
        await task.wait_till_done(timeout_seconds=5)
    assert (task.status, task.state, task.is_done) == ("hibernating", State.UNKNOWN, False)


# --- wait ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("target", [*Status])
async def test_wait_reaches_each_of_the_eight(supervisely: Start, target: Status, *, known: bool) -> None:
    """True at the target, as a member or as text, whether the workspace is known or not."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="queued" if target is not Status.QUEUED else "consumed"))
    asyncio.get_running_loop().call_later(5, lambda: emulator.change_task(id, status=target.value))
    if known:
        api.task.open(id, emulator.workspace_id)

    assert await api.task.wait(id, target.value) is True

    assert 5 <= now() < 8
    assert emulator.audit()["violations"] == 0


@pytest.mark.parametrize("word", ["finished", "stopped", "deployed"])
async def test_wait_ends_at_another_settled_status(supervisely: Start, word: str) -> None:
    """False: the target was not reached."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="started"))
    asyncio.get_running_loop().call_later(5, lambda: emulator.change_task(id, status=word))

    assert await api.task.wait(id, Status.TERMINATING) is False


async def test_wait_raises_on_error_and_at_its_deadline(supervisely: Start) -> None:
    """TaskFinishedWithError; WaitingTimeExceeded after attempts times seconds, exactly."""
    emulator, api = await supervisely()
    failed, running = ids(emulator.create_tasks(status="error") + emulator.create_tasks(status="started"))

    with pytest.raises(TaskFinishedWithError):
        await api.task.wait(failed, Status.FINISHED)
    began = now()
    with pytest.raises(WaitingTimeExceeded) as caught:
        await api.task.wait(running, Status.FINISHED, 5, 3)

    assert now() - began == pytest.approx(15)
    assert isinstance(caught.value, WaitTimeout)
    assert (caught.value.status, caught.value.timeout_seconds) == ("started", 15)


async def test_wait_of_nobody_is_not_found(supervisely: Start) -> None:
    """The SDK dies of a TypeError, or polls for ever."""
    _, api = await supervisely()

    with pytest.raises(TaskNotFound):
        await api.task.wait(5, Status.FINISHED)


async def test_waits_on_many_bare_ids_move_into_lists(supervisely: Start) -> None:
    """After one question each, 60 tasks of unknown workspace are asked about together."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=60, duration=60))

    assert all(await asyncio.gather(*(api.task.wait(id, "finished") for id in made)))

    report = emulator.audit()
    assert report["violations"] == 0
    assert report["status_requests"] < 60 + 60


# --- batching -----------------------------------------------------------------------------------------------


@pytest.mark.covers("I-01")
async def test_two_thousand_tasks_are_four_requests_an_interval(supervisely: Start) -> None:
    """500 ids a list: 2,000 waiting tasks cost 4 requests an interval, and no task is asked twice within 2 s."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=2_000, status="started"))
    tasks = [api.task.open(id, emulator.workspace_id) for id in made]

    with pytest.raises(WaitTimeout) as caught:
        await aiotasks.wait_all(tasks, timeout_seconds=60)

    report = emulator.audit()
    assert len(caught.value.pending) == 2_000
    assert report["tasks"] == 2_000
    assert report["violations"] == 0
    assert report["status_requests"] <= (1.1 * 4 + 1) * 31


async def test_workspaces_are_asked_apart(supervisely: Start) -> None:
    """A list is one workspace's: three of them, three requests."""
    emulator, api = await supervisely()
    tasks = []
    for workspace in (11, 12, 13):
        made = ids(emulator.create_tasks(count=20, duration=1, workspace_id=workspace))
        tasks += [api.task.open(id, workspace) for id in made]

    await aiotasks.wait_all(tasks)

    assert emulator.audit()["status_requests"] <= 6


async def test_listed_tasks_are_asked_together(supervisely: Start) -> None:
    """`get_list` tells where tasks are; opening them needs nothing more."""
    emulator, api = await supervisely()
    emulator.create_tasks(count=30, duration=5)

    infos = await api.task.get_list(emulator.workspace_id)
    await aiotasks.wait_all([api.task.open(info.id) for info in infos])

    assert emulator.audit()["status_requests"] <= 5


async def test_wrong_workspace_is_found_out(supervisely: Start) -> None:
    """Tasks that the list of their workspace leaves out are asked alone, and found."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=3, duration=30, workspace_id=12))
    tasks = [api.task.open(id, emulator.workspace_id) for id in made]

    await aiotasks.wait_all(tasks, timeout_seconds=60)

    assert {task.status for task in tasks} == {"finished"}
    assert emulator.audit()["violations"] == 0


# --- when the server refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "switches",
    [
        {"max_ids": 60},
        {"max_per_page": 60},
        {"in_filter": False},
        {"filters": False},
        {"list_status": 403},
        {"list_status": 404},
        {"list_status": 405},
        {"list_status": 413},
    ],
    ids=str,
)
async def test_every_rung_of_the_ladder_leads_to_the_end(supervisely: Start, switches: dict[str, Any]) -> None:
    """Whatever the server thinks of lists, 150 tasks end, within the two seconds."""
    emulator, api = await supervisely(faults=[switches])
    made = ids(emulator.create_tasks(count=150, duration=60))

    await aiotasks.wait_all([api.task.open(id, emulator.workspace_id) for id in made], timeout_seconds=600)

    assert emulator.audit()["violations"] == 0


@pytest.mark.covers("F-20", "F-22")
async def test_poisoned_id_is_found_and_its_siblings_go_on(supervisely: Start) -> None:
    """One id that makes every list fail is given up alone."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=40, duration=90))
    emulator.fault(poisoned=[made[17]])
    tasks = [api.task.open(id, emulator.workspace_id) for id in made]

    await aiotasks.wait_all(tasks, timeout_seconds=300)

    assert [task.id for task in tasks if not task.is_done] == [made[17]]
    assert isinstance(tasks[17].last_error, TaskQueryError)
    assert emulator.audit()["violations"] == 0


@pytest.mark.covers("F-19", "B-36")
async def test_absent_id_is_not_found_and_its_siblings_go_on(supervisely: Start) -> None:
    """An id that the list leaves out is asked alone, twice denied, and given up."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=10, duration=90))
    tasks = [api.task.open(id, emulator.workspace_id) for id in [*made, 5]]

    await aiotasks.wait_all(tasks, timeout_seconds=300)

    assert [task.is_done for task in tasks] == [True] * 10 + [False]
    assert isinstance(tasks[-1].last_error, TaskNotFound)
    assert emulator.audit()["violations"] == 0


async def test_unlisted_task_is_followed_alone(supervisely: Start) -> None:
    """A task that lists do not show reaches its end all the same."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=10, duration=60))
    emulator.fault(unlisted=made[:1])
    tasks = [api.task.open(id, emulator.workspace_id) for id in made]

    await aiotasks.wait_all(tasks, timeout_seconds=300)

    assert all(task.is_done for task in tasks)


@pytest.mark.covers("F-15")
async def test_rate_limit_is_kept(supervisely: Start) -> None:
    """429 with `Retry-After: 20`: nothing is asked for 20 s."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(duration=10))
    emulator.fault(status=429, retry_after=20, times=1, on="status")

    await api.task.open(id, emulator.workspace_id)

    assert now() >= 20
    assert emulator.audit()["status_requests"] == 2


@pytest.mark.covers("F-14", "F-05", "B-31")
@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (408, 499, 500, 504, 598)),
        *({"reset": True}, {"html": True}, {"cut": True}, {"body": {"entities": 3}}, {"body": []}),
    ],
    ids=str,
)
async def test_failed_polls_are_no_failed_job(supervisely: Start, fault: dict[str, Any]) -> None:
    """Two queries that fail, and the task still ends well."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=3, duration=10))
    emulator.fault(**fault, times=2, on="status")
    tasks = [api.task.open(id, emulator.workspace_id) for id in made]

    await aiotasks.wait_all(tasks, timeout_seconds=300)

    assert {task.status for task in tasks} == {"finished"}
    assert emulator.audit()["violations"] == 0


@pytest.mark.covers("F-17")
async def test_wrong_token_ends_all_waits(supervisely: Start) -> None:
    """AuthError after the second refusal; and it does not show the token."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=3))
    async with Api(api.server_address, "canary-token", scheduler=api.scheduler) as stranger:
        waits = [stranger.task.open(id, emulator.workspace_id).wait_till_done() for id in made]
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        with pytest.raises(AuthError):
            await stranger.task.get_context(made[0])

    assert {type(outcome) for outcome in outcomes} == {AuthError}
    assert "canary" not in str(outcomes)
    assert emulator.audit()["violations"] == 0


# --- lists --------------------------------------------------------------------------------------------------


async def test_list_with_filters(supervisely: Start) -> None:
    """Each filter by itself, together, and by id through the scheduler."""
    emulator, api = await supervisely()
    done = ids(emulator.create_tasks(count=3, status="finished"))
    running = ids(emulator.create_tasks(count=2, status="started", type="train"))
    (foreign,) = ids(emulator.create_tasks(workspace_id=77))

    async def found(*filters: dict[str, Any]) -> list[int]:
        return [info.id for info in await api.task.get_list(emulator.workspace_id, filters)]

    def where(field: str, operator: str, value: Any) -> dict[str, Any]:
        return {"field": field, "operator": operator, "value": value}

    assert await found() == [*done, *running]
    assert await found(where("status", "in", ["started"])) == running
    assert await found(where("type", "not", "train"), where("status", "=", "finished")) == done
    assert await found(where("id", "!in", done)) == running
    assert await found(where("id", "=", done[1])) == [done[1]]
    assert await found(where("id", "in", [running[0], done[0], foreign])) == [done[0], running[0]]
    assert await found(where("id", "in", [*done, *running]), where("status", "!=", "finished")) == running
    assert await found(where("id", "=", foreign)) == []
    assert await found(where("id", "in", [])) == []
    assert emulator.audit()["violations"] == 0


async def test_pages_of_a_list(supervisely: Start) -> None:
    """All pages, with progress, limit and first answer; and page by page."""
    emulator, api = await supervisely()
    made = ids(emulator.create_tasks(count=23))
    emulator.fault(max_per_page=5)
    data = {"workspaceId": emulator.workspace_id, "per_page": 5}
    seen: list[int] = []

    listed, first = await api.task.get_list_all_pages("tasks.list", data, seen.append, return_first_response=True)
    assert [row["id"] for row in listed] == made
    assert (first["total"], seen) == (23, [5, 5, 5, 5, 3])
    before = emulator.audit()["requests"]
    limited = await api.task.get_list_all_pages("tasks.list", data, None, lambda row: row["id"], limit=10)
    assert limited == made[:10]
    assert emulator.audit()["requests"] - before == 2

    pages = [page async for page in api.task.get_list_all_pages_generator("tasks.list", data)]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    pages = [page async for page in api.task.get_list_all_pages_generator("tasks.list", data, limit=7)]
    assert [len(page) for page in pages] == [5, 2]
    assert data == {"workspaceId": emulator.workspace_id, "per_page": 5}


# --- apps and what tasks hold -------------------------------------------------------------------------------


async def test_running_app_answers(supervisely: Start) -> None:
    """echo, is_running, is_ready; a task that does not run answers nothing."""
    emulator, api = await supervisely()
    running, queued = ids(emulator.create_tasks(status="started") + emulator.create_tasks())

    assert await api.task.send_request(running, "echo", {"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}
    assert [await api.task.is_running(id) for id in (running, queued)] == [True, False]
    assert [await api.task.is_ready(id) for id in (running, queued)] == [True, False]
    with pytest.raises(aiotasks.QueryRefused):
        await api.task.send_request(queued, "echo", {})
    emulator.fault(status=502, on="tasks.request.direct", times=1)
    assert not await api.task.is_running(running)


async def test_command_is_sent_as_often_as_was_said(supervisely: Start) -> None:
    """Three tries are three, one is one, and `raise_error` is one."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="started"))
    emulator.fault(status=502, on="tasks.request.direct")

    for options, count in (({"retries": 3}, 3), ({"retries": 1}, 1), ({"raise_error": True}, 1)):
        before = emulator.audit()["requests"]
        with pytest.raises(ServerError):
            await api.task.send_request(id, "echo", {}, **options)
        assert emulator.audit()["requests"] - before == count


async def test_what_a_task_holds(supervisely: Start) -> None:
    """Meta, output, fields and logs come back as they were set."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(status="started"))

    await api.task.update_meta(id, {"name": "mine"}, "/host", "app")
    await api.task.set_output_archive(id, 5, "a.tar")
    await api.task.set_fields(id, [{"field": "data.a", "payload": 1}])
    await api.task.set_field(id, "data.list", [1])
    await api.task.set_field(id, "data.list", [2], append=True)
    await api.task.set_fields_from_dict(id, {"data.b": {"x": 1}})
    await api.task.submit_logs([{"message": "m", "timestamp": "2030-01-01T00:00:00.000Z", "task_id": id}])
    await api.task.update_status(id, "deployed")

    info = await api.task.get_info_by_id(id)
    assert info is not None
    assert (info.status, info.meta["name"], info.meta["agentStorageFolder"]["folder"]) == ("deployed", "mine", "app")
    assert info.meta["output"]["general"]["titleUrl"] == "/storage/files/5.bin"
    assert await api.task.get_fields(id, ["data.a", "data.b"]) == {"data.a": 1, "data.b": {"x": 1}}
    assert await api.task.get_field(id, "data.list") == [1, 2]
    assert [entry["message"] for entry in await api.task.get_logs(id, "2030-01-01", 5)] == ["m"]


async def test_files_go_up_once_and_come_down(supervisely: Start, tmp_path: Any) -> None:
    """Equal contents travel once; progress adds up; a download is whole or not there."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks())
    paths = []
    for n, text in enumerate(["one", "two", "one", "three"]):
        (tmp_path / f"{n}.txt").write_text(text)
        paths.append(str(tmp_path / f"{n}.txt"))
    steps: list[int] = []

    await api.task.upload_files(id, paths, ["/a", "/b", "/c", "/d"], steps.append)
    assert (steps, sum(steps)) == ([3, 1], 4)
    before = emulator.audit()["requests"]
    await api.task.upload_files(id, paths[:1], ["/again"])
    assert emulator.audit()["requests"] - before == 2

    assert sorted(await api.task.get_import_files_list(id)) == ["/a", "/again", "/b", "/c", "/d"]
    target = tmp_path / "down.txt"
    await api.task.download_import_file(id, "/c", str(target))
    assert target.read_text() == "one"
    with pytest.raises(TaskNotFound):
        await api.task.download_import_file(id, "/nothing", str(tmp_path / "other.txt"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.txt", "1.txt", "2.txt", "3.txt", "down.txt"]


async def test_failed_upload_is_sent_again_whole(supervisely: Start, tmp_path: Any) -> None:
    """The SDK hangs here: its second try announces a body that it has read already."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks())
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    emulator.fault(status=500, on="tasks.files.bulk.upload", times=2)

    await api.task.upload_files(id, [str(tmp_path / "a")], ["/a"])

    assert await api.task.get_import_files_list(id) == ["/a"]


# --- calls of older versions --------------------------------------------------------------------------------


async def test_older_ways_to_start(supervisely: Start, tmp_path: Any) -> None:
    """run_inference, run_train, run_dtl, create_task_detached: tasks of their types."""
    emulator, api = await supervisely()
    (tmp_path / "a.tar").write_bytes(b"tar")

    started = [
        await api.task.run_inference(emulator.agent_id, 1, 8, "out"),
        await api.task.run_train(emulator.agent_id, 1, 8, "out", {"lr": 1}),
        await api.task.run_dtl(emulator.workspace_id, [], emulator.agent_id),
        await api.task.create_task_detached(emulator.workspace_id),
    ]
    await api.task.upload_dtl_archive(started[2], str(tmp_path / "a.tar"))

    infos = [await api.task.get_info_by_id(id) for id in started]
    assert [info.type for info in infos if info is not None] == ["inference", "train", "dtl", "python"]
    assert await api.task.get_import_files_list(started[2]) == ["a.tar"]


async def test_model_is_deployed_once(supervisely: Start) -> None:
    """A model that is served already is not deployed again; `deploy_model` waits for it."""
    emulator, api = await supervisely(frozen=False, duration=(10, 10))

    first = await api.task.deploy_model_async(emulator.agent_id, 8)
    assert await api.task.deploy_model(emulator.agent_id, 8) == first
    assert now() >= 10
    assert await api.task.get_status(first) is Status.DEPLOYED
    assert len(emulator.tasks()) == 1


async def test_app_that_serves_models(supervisely: Start) -> None:
    """Started, awaited until it answers, and told what to serve."""
    emulator, api = await supervisely(frozen=False, duration=(100, 100))
    emulator.fault(status=400, on="tasks.request.direct", times=1)

    info = await api.task.deploy_model_app(emulator.module_id, emulator.workspace_id, deploy_params={"device": "cpu"})

    assert now() >= 20
    assert await api.task.send_request(info.id, "get_deploy_info", {}) == {"device": "cpu"}


async def test_app_that_never_serves(supervisely: Start) -> None:
    """The time is up, or it has ended."""
    emulator, api = await supervisely()
    with pytest.raises(WaitTimeout):
        await api.task.deploy_model_app(emulator.module_id, emulator.workspace_id, timeout=30)
    emulator.fault(status=400, on="tasks.request.direct")
    asyncio.get_running_loop().call_later(
        5, lambda: emulator.change_task(emulator.tasks()[-1]["id"], status="started")
    )
    with pytest.raises(WaitTimeout):
        await api.task.deploy_model_app(emulator.module_id, emulator.workspace_id, timeout=30)
    asyncio.get_running_loop().call_later(5, lambda: emulator.change_task(emulator.tasks()[-1]["id"], status="error"))
    with pytest.raises(TaskFinishedWithError):
        await api.task.deploy_model_app(emulator.module_id, emulator.workspace_id, timeout=30)


async def test_trainings(supervisely: Start) -> None:
    """Metrics and checkpoints; a task of another type has none."""
    emulator, api = await supervisely()
    training, other = ids(emulator.create_tasks(type="train", checkpoints=3) + emulator.create_tasks())

    assert len((await api.task.get_training_metrics(training))["loss"]) == 3
    assert await api.task.get_training_metrics(other) is None
    assert len(await api.task.list_checkpoints(training)) == 3
    await api.task.delete_unused_checkpoints(training)
    assert len(await api.task.list_checkpoints(training)) == 1
    with pytest.raises(aiotasks.NotSupported):
        await api.task.list_checkpoints(other)
    with pytest.raises(TaskNotFound):
        await api.task.delete_unused_checkpoints(5)


async def test_unstoppable_task(supervisely: Start) -> None:
    """501 is said once, and is NotSupported."""
    emulator, api = await supervisely()
    (id,) = ids(emulator.create_tasks(type="import"))

    with pytest.raises(aiotasks.NotSupported):
        await api.task.stop(id)
    assert emulator.audit()["requests"] == 1
