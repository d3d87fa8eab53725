"""The pretended isahit lab: who may ask, what is counted, how tasks live, what goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from aiotasks.emulators.isahitlab import IsahitLabEmulator
from tests.emulators.isahitlab.conftest import served


async def test_login_gives_a_token_that_ends():
    """201 and the seconds it is good for; 401 for another key, 400 for none; an old token is refused."""
    async with served(IsahitLabEmulator(faults=[{"expires_in": 0.05}])) as client:
        assert await client.login(secret_key="no") == (
            401,
            {"statusCode": 401, "errorCode": None, "message": "Unauthorized"},
        )
        assert (await client.login(secret_key=""))[0] == 400
        status, answer = await client.login()
        assert (status, answer["expires_in"]) == (201, 0.05)
        assert (await client.send("GET", "api/task-manager/tasks"))[0] == 200
        await asyncio.sleep(0.1)
        assert (await client.send("GET", "api/task-manager/tasks"))[0] == 401


async def test_greeting_has_what_a_client_needs(client):
    """The ready line of the issue."""
    assert client.emulator.greeting("u") == {
        "platform": "isahitlab",
        "url": "u",
        "access_id": client.emulator.access_id,
        "secret_key": client.emulator.secret_key,
        "projects": client.emulator.projects,
    }
    assert list(client.emulator.projects) == ["iat-rectangle", "iat-polygon", "iat-segmentation", "form"]
    assert IsahitLabEmulator(seed=1).secret_key == client.emulator.secret_key


@pytest.mark.looptime
async def test_audit_counts_by_what_is_asked(client):
    """Ids without optional fields are named; other lists are pages; exports and changes are requests alone."""
    a, b = (each["id"] for each in client.emulator.create_tasks(count=2, project="form"))
    await client.tasks(("taskIds", a), ("taskIds", b), ("taskIds", a))
    await asyncio.sleep(2)
    await client.tasks(("taskIds", a))
    await client.tasks(("taskIds", a), ("optionalFields", "data"))
    await client.tasks(("optionalFields", "data"), ("optionalFields", "data.mask"))
    await client.send("PATCH", f"api/task-manager/tasks/{b}/reset", {"projectId": client.emulator.projects["form"]})
    assert await client.control("GET", "audit") == (
        200,
        {
            "requests": 5,
            "status_requests": 3,
            "tasks": 2,
            "checks": 3,
            "min_gap_seconds": 2.0,
            "violations": 0,
        },
    )
    await asyncio.sleep(1)
    await client.tasks(("taskIds", b), ("taskIds", a))
    await client.tasks(("taskIds", a), ("optionalFields", "data"))
    assert client.emulator.audit()["violations"] == 2


@pytest.mark.looptime
async def test_tasks_live_by_the_clock_and_move_by_requests():
    """pending until the end, then complete; review leads to reviewed, redo back to pending; times follow."""
    async with served(IsahitLabEmulator(duration=(5, 5))) as client:
        (task,) = client.emulator.create_tasks(project="form", name="x")
        project = {"projectId": client.emulator.projects["form"]}

        async def shown():
            (found,) = (await client.tasks(("taskIds", task["id"]), ("optionalFields", "data")))["docs"]
            return found["status"], found["updatedAt"][17:23], "data" in found

        assert await shown() == ("pending", "00.000", False)
        await asyncio.sleep(6)
        assert await shown() == ("complete", "05.000", True)
        await client.send("PATCH", f"api/task-manager/tasks/{task['id']}/to-review", project)
        assert await shown() == ("to-review", "06.000", False)
        await asyncio.sleep(5)
        assert (await shown())[:2] == ("reviewed", "11.000")
        await client.send("PATCH", f"api/task-manager/tasks/{task['id']}/reset", {**project, "keepState": "true"})
        assert (await shown())[:2] == ("pending", "11.000")


async def test_share_of_tasks_ends_under_review():
    """The platform has no failed tasks: `failures` are those that a reviewer must see."""
    async with served(IsahitLabEmulator(duration=(0, 0), failures=1.0)) as client:
        client.emulator.create_tasks(project="form")
        assert [task["status"] for task in client.emulator.tasks()] == ["to-review"]


async def test_pages_have_the_shape_of_the_platforms(client):
    """Keys and numbers of mongoose-paginate; without pagination all is one page."""
    client.emulator.create_tasks(count=5, project="form")
    page = await client.tasks(("page", "2"), ("limit", "2"))
    assert {**page, "docs": len(page["docs"])} == {
        "docs": 2,
        "totalDocs": 5,
        "limit": 2,
        "totalPages": 3,
        "page": 2,
        "pagingCounter": 3,
        "hasPrevPage": True,
        "hasNextPage": True,
        "prevPage": 1,
        "nextPage": 3,
    }
    assert len((await client.tasks(("pagination", "false")))["docs"]) == 5
    assert (await client.send("GET", "api/task-manager/tasks", {"page": "0"}))[0] == 400


async def test_control_requests_move_tasks(client):
    """Any word and any field; what is not allowed is refused with its name."""
    (task,) = client.emulator.create_tasks(project="form")
    status, changed = await client.control("PATCH", f"tasks/{task['id']}", status="odd", shown={"updatedAt": None})
    assert (status, changed["status"], changed["end"]) == (200, "odd", None)
    (found,) = (await client.tasks(("taskIds", task["id"])))["docs"]
    assert (found["status"], found["updatedAt"]) == ("odd", None)
    assert (await client.control("PATCH", "tasks/nobody"))[0] == 404
    for body in ({"statuss": "x"}, {"project": "nobody"}, {"batch": "nobody"}, {"duration": -1}):
        assert (await client.control("POST", "tasks", **body))[0] == 400
    assert (await client.control("POST", "tasks", project="form", status="reviewed"))[1]["tasks"][0][
        "end"
    ] is not None


@pytest.mark.parametrize(
    ("switch", "query", "expected"),
    [
        ({"hidden": ["ID"]}, [("taskIds", "ID")], (200, 0)),
        ({"poisoned": ["ID"]}, [("taskIds", "ID")], (400, None)),
        ({"page_limit": 1}, [("limit", "100")], (200, 1)),
        ({"line_limit": 20}, [], (414, None)),
        ({"gzip": True}, [], (200, 2)),
        ({"status": 503, "on": "status"}, [], (503, None)),
    ],
)
async def test_switches_and_faults(client, switch, query, expected):
    """Each does what its name says, and is gone when cleared."""
    id, _ = (each["id"] for each in client.emulator.create_tasks(count=2, project="form"))
    client.emulator.fault(**{name: [id] if value == ["ID"] else value for name, value in switch.items()})
    asked = [("projectId", client.emulator.projects["form"]), *((k, v.replace("ID", id)) for k, v in query)]
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.get(f"{client.url}api/task-manager/tasks", params=asked, headers=headers) as response:
        count = len((await response.json())["docs"]) if response.status == 200 else None
        assert (response.status, count) == expected
    client.emulator.clear_faults()
    assert (await client.tasks())["totalDocs"] == 2


async def test_unknown_batches_come_into_being_unless_told_otherwise(client):
    """In the project whose configuration was read last."""
    path = "api/task-manager/batches/mine/tasks"
    body = {"name": "n", "resources": []}
    assert (await client.send("POST", path, json=body))[0] == 404
    form = client.emulator.projects["form"]
    await client.send("GET", f"api/project-configuration-manager/projects/{form}/project-configuration")
    client.emulator.fault(any_batch=False)
    assert (await client.send("POST", path, json=body))[0] == 404
    client.emulator.clear_faults()
    status, made = await client.send("POST", path, json=body)
    assert (status, made["projectId"], made["batchId"]) == (201, form, "mine")


async def test_data_and_files_must_be_granted(client):
    """A task gets what a token was given for, and nothing else."""
    form = client.emulator.projects["form"]
    body = {"name": "n", "resources": [], "dataId": "x", "grantData": "y"}
    assert (await client.send("POST", f"api/task-manager/batches/{form}/tasks", json=body))[0] == 403
    body = {"name": "n", "resources": [{"id": "x"}]}
    assert (await client.send("POST", f"api/task-manager/batches/{form}/tasks", json=body))[0] == 403
    assert (await client.send("POST", "api/file-manager/grant/files", json={"ids": ["x"]}))[0] == 404
    assert (await client.send("GET", "api/nothing"))[0] == 404
