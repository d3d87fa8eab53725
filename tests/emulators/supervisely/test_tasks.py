"""What is said of tasks, and how they live."""

from __future__ import annotations

import asyncio

import pytest

from aiotasks.emulators.supervisely import SuperviselyEmulator
from tests.emulators.supervisely.conftest import served

_WORDS = ["queued", "consumed", "started", "deployed", "error", "finished", "terminating", "stopped"]


@pytest.mark.looptime
async def test_life_goes_through_its_words():
    """Queued, consumed, started, and the end with its time; the same seed lives the same life."""
    async with served(SuperviselyEmulator(seed=3, duration=(100, 100))) as client:
        app = {"workspaceId": client.emulator.workspace_id, "moduleId": client.emulator.module_id}
        [started] = await client.ask("tasks.run.app", **app)
        words = []
        for pause in (0, 6, 10, 85):
            await asyncio.sleep(pause)
            words.append((await client.ask("tasks.info", id=started["taskId"]))["status"])
        info = await client.ask("tasks.info", id=started["taskId"])
    assert words == ["queued", "consumed", "started", "finished"]
    assert info["finishedAt"] > info["startedAt"]
    assert SuperviselyEmulator(seed=3).workspace_id == client.emulator.workspace_id


@pytest.mark.looptime
async def test_failures_end_in_error():
    """As many as were asked for."""
    async with served(SuperviselyEmulator(failures=1.0, duration=(5, 5))) as client:
        [id] = client.made()
        await asyncio.sleep(6)
        assert (await client.ask("tasks.info", id=id))["status"] == "error"


@pytest.mark.looptime
@pytest.mark.parametrize("word", _WORDS)
async def test_status_that_was_set_stays(client, word):
    """Each of the eight, until the next change; an unknown one is refused."""
    [id] = client.made(duration=10)
    await client.ask("tasks.status.update", id=id, status=word)
    await asyncio.sleep(100)
    assert (await client.ask("tasks.info", id=id))["status"] == word
    assert (await client.send("tasks.status.update", {"id": id, "status": "odd"}))[0] == 400


@pytest.mark.looptime
async def test_stop_is_terminating_then_stopped(client):
    """In a second; a frozen task stays terminating, an ended one as it is."""
    async with served(SuperviselyEmulator()) as living:
        [id] = living.made(status="started")
        assert await living.ask("tasks.stop", id=id) == {"status": "terminating"}
        await asyncio.sleep(2)
        assert await living.ask("tasks.stop", id=id) == {"status": "stopped"}
    [id] = client.made(status="started")
    await client.ask("tasks.stop", id=id)
    await asyncio.sleep(100)
    assert (await client.ask("tasks.info", id=id))["status"] == "terminating"
    [unstoppable] = client.made(type="clone")
    assert (await client.send("tasks.stop", {"id": unstoppable}))[0] == 501


async def test_app_starts_once_for_each_user(client):
    """A list, one entry a user; one for all in a common session."""
    app = {"workspaceId": client.emulator.workspace_id, "moduleId": client.emulator.module_id, "usersIds": [4, 5]}
    assert [each["userId"] for each in await client.ask("tasks.run.app", **app)] == [4, 5]
    assert len(await client.ask("tasks.run.app", **app, singleSessionMode=True)) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"workspaceId": 1}, 404),
        ({"moduleId": 1}, 404),
        ({"agentId": 1}, 404),
        ({"moduleId": None}, 400),
        ({"appId": 1}, 400),
        ({"params": [1]}, 400),
        ({"workspaceId": "x"}, 400),
        ({"restartPolicy": "maybe"}, 400),
    ],
    ids=str,
)
async def test_app_that_cannot_start(client, changes, status):
    """Refused, and no task is there."""
    app = {"workspaceId": client.emulator.workspace_id, "moduleId": client.emulator.module_id}
    assert (await client.send("tasks.run.app", {**app, **changes}))[0] == status
    assert client.emulator.tasks() == []


async def test_running_app_answers(client):
    """is_ready, is_running, echo; a command it does not know is refused, as is a task that does not run."""
    [id] = client.made(status="started")
    ask = {"taskId": id, "skipResponse": False}
    assert await client.ask("tasks.request.direct", **ask, command="is_ready") == {"status": "ready"}
    assert await client.ask("tasks.request.direct", **ask, command="is_running") == {"running": True}
    assert await client.ask("tasks.request.direct", **ask, command="echo", state={"a": 1}) == {"a": 1}
    assert await client.ask("tasks.request.direct", taskId=id, command="echo") == {"success": True}
    assert (await client.send("tasks.request.direct", {**ask, "command": "odd"}))[0] == 404
    await client.ask("tasks.status.update", id=id, status="finished")
    assert (await client.send("tasks.request.direct", {**ask, "command": "echo"}))[0] == 400


# --- lists ----------------------------------------------------------------------------------------------------


async def test_list_filters_orders_and_pages(client):
    """Three fields, six operators, five orders, pages by number and by token."""
    first, second = client.made(status="started", type="train") + client.made(status="finished")
    client.made(workspace_id=77)
    assert await client.listed() == [first, second]
    for operator in ("=", "eq"):
        assert await client.listed(("id", operator, second)) == [second]
    for operator in ("!=", "not"):
        assert await client.listed(("type", operator, "train")) == [second]
    assert await client.listed(("status", "in", ["finished", "error"])) == [second]
    assert await client.listed(("id", "!in", [second])) == [first]
    assert await client.listed(("id", "in", [first, second, 5]), ("status", "=", "started")) == [first]
    assert await client.listed(sort="status", sort_order="desc") == [first, second]
    assert await client.listed(sort="finishedAt") == [first, second]
    assert await client.listed(page=2, per_page=1) == [second]
    body = {"workspaceId": client.emulator.workspace_id, "pagination_mode": "token", "per_page": 1}
    page = await client.ask("tasks.list", **body)
    assert (page["total"], page["perPage"], page["pagesCount"]) == (2, 1, 2)
    page = await client.ask("tasks.list", **body, after=page["after"])
    assert ([task["id"] for task in page["entities"]], page["after"]) == ([second], None)


@pytest.mark.parametrize(
    "change",
    [
        {"workspaceId": None},
        {"workspaceId": 0},
        {"filter": [{"field": "name", "operator": "=", "value": 1}]},
        {"filter": [{"field": "id", "operator": "<", "value": 1}]},
        {"filter": [{"field": "id", "operator": "in", "value": 1}]},
        {"filter": [{"field": "id", "operator": "="}]},
        {"sort": "name"},
        {"page": 0},
        {"per_page": 0},
        {"pagination_mode": "token", "after": "%"},
    ],
    ids=str,
)
async def test_list_that_is_refused(client, change):
    """With 400 and a text, as an object and inside of `details`."""
    status, answer = await client.send("tasks.list", {"workspaceId": client.emulator.workspace_id, **change})
    assert status == 400
    assert answer["error"] == answer["details"]["message"]


async def test_tasks_of_an_app(client):
    """apps.tasks.list spans workspaces; the running ones alone if asked."""
    app = {"workspaceId": client.emulator.workspace_id, "moduleId": client.emulator.module_id, "usersIds": [4, 5]}
    first, second = await client.ask("tasks.run.app", **app)
    client.emulator.change_task(first["taskId"], workspace_id=77)
    client.emulator.change_task(second["taskId"], status="finished")
    body = {"appId": first["appId"], "teamId": 1}
    assert (await client.ask("apps.tasks.list", **body))["total"] == 2
    assert (await client.ask("apps.tasks.list", **body, onlyRunning=True))["total"] == 1


# --- control ----------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_tasks_are_made_moved_and_shown(client):
    """By control requests, to any word and any field."""
    status, answer = await client.control("POST", "tasks", count=2, duration=10, ends="error")
    assert (status, len(answer["tasks"])) == (200, 2)
    id = answer["tasks"][0]["id"]
    await client.control("PATCH", f"tasks/{id}", status="hibernating", shown={"agentId": None, "extra": 1})
    info = await client.ask("tasks.info", id=id)
    assert (info["status"], info["agentId"], info["extra"]) == ("hibernating", None, 1)
    await asyncio.sleep(11)
    assert [task["status"] for task in client.emulator.tasks()] == ["hibernating", "error"]
    assert (await client.control("PATCH", "tasks/5", status="x"))[0] == 404
    assert (await client.control("PATCH", "tasks/x", status="x"))[0] == 404
    assert (await client.control("POST", "tasks", count=0))[0] == 400
    assert (await client.control("POST", "tasks", odd=1))[0] == 400
