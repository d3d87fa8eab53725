"""What the server counts, whom it lets in, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from aiotasks.emulators.labelbox import LabelboxEmulator
from tests.emulators.labelbox.conftest import served

_USER = "query GetUserPyApi { user { id } }"


def _aliases(count):
    declared = ", ".join(f"$t{n}: ID!" for n in range(count))
    fields = " ".join(
        f"a{n}: createdTasks(where: {{id: $t{n}}} skip: 0 first: 1) {{ id status }}" for n in range(count)
    )
    return f"query({declared}) {{ user {{ {fields} }} }}"


# --- who may ask --------------------------------------------------------------------------------------


async def test_another_key_is_refused_as_labelbox_does(client):
    """401 with AUTHENTICATION_ERROR in JSON, whatever is asked."""
    for query in (_USER, "{ nonsense"):
        status, answer = await client.send(query, key="another")
        assert status == 401
        assert answer["errors"][0]["extensions"]["code"] == "AUTHENTICATION_ERROR"
        assert "data" not in answer


async def test_key_can_be_chosen():
    """The greeting says it."""
    async with served(LabelboxEmulator(api_key="mine")) as client:
        assert client.emulator.greeting(client.url) == {"platform": "labelbox", "url": client.url, "api_key": "mine"}
        assert (await client.send(_USER, key="mine"))[0] == 200


# --- what is counted ----------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_audit_counts_by_what_is_asked(client):
    """Aliases, id lists, a root task: each names its tasks once; other requests are requests alone."""
    a, b, c = (task["id"] for task in client.emulator.create_tasks(count=3))
    await client.ask(_USER)
    await client.ask(_aliases(3), t0=a, t1=b, t2=b)
    await asyncio.sleep(2)
    await client.statuses(a, b, c, c)
    await asyncio.sleep(3)
    await client.ask("query($w: WhereUniqueIdInput) { task(where: $w) { status } }", w={"id": c})
    await client.ask("query($w: WhereUniqueIdInput) { task(where: $w) { result } }", w={"id": c})
    assert await client.control("GET", "audit") == (
        200,
        {
            "requests": 5,
            "status_requests": 3,
            "tasks": 3,
            "checks": 6,
            "min_gap_seconds": 2.0,
            "violations": 0,
        },
    )


@pytest.mark.looptime
async def test_audit_finds_each_task_asked_too_early(client):
    """Two arrivals within 1.999 s are a violation per task, also when different documents name it."""
    a, b = (task["id"] for task in client.emulator.create_tasks(count=2))
    await client.statuses(a, b)
    await asyncio.sleep(1.5)
    await client.ask(_aliases(1), t0=b)
    report = client.emulator.audit()
    assert (report["violations"], report["min_gap_seconds"]) == (1, 1.5)
    client.emulator.reset_audit()
    await client.ask(_aliases(1), t0=b)
    assert (client.emulator.audit()["checks"], client.emulator.audit()["min_gap_seconds"]) == (1, None)


@pytest.mark.looptime
async def test_audit_judges_list_pages_as_pages(client):
    """Pages of one list may follow each other; the same page may not; none of them names a task."""
    client.emulator.create_tasks(count=3)
    page = "query($s: TaskStatus!) { user { createdTasks(where: {status: $s} skip: %d first: 100) { id status } } }"
    await client.ask(page % 0, s="IN_PROGRESS")
    await client.ask(page % 100, s="IN_PROGRESS")
    await client.ask(page % 0, s="COMPLETE")
    assert client.emulator.audit()["violations"] == 0
    await asyncio.sleep(1)
    await client.ask(page % 0, s="IN_PROGRESS")
    report = client.emulator.audit()
    assert (report["violations"], report["min_gap_seconds"], report["tasks"], report["checks"]) == (1, 1.0, 0, 0)


@pytest.mark.looptime
@pytest.mark.parametrize("fault", [{"status": 502}, {"reset": True}, {"slow": 5}, {"cut": True}, {"html": True}])
async def test_audit_counts_requests_that_went_wrong(client, fault):
    """A request has arrived even if its answer never does; the time is that of the arrival."""
    [task] = client.emulator.create_tasks()
    client.emulator.fault(times=1, **fault)
    with contextlib.suppress(aiohttp.ClientError, ValueError):
        await client.send(_aliases(1), {"t0": task["id"]})
    await asyncio.sleep(10 - asyncio.get_running_loop().time())
    await client.statuses(task["id"])
    report = client.emulator.audit()
    assert (report["checks"], report["min_gap_seconds"]) == (2, 10.0)


async def test_audit_of_a_refused_key_counts_too(client):
    """The wrong key asked about the task all the same."""
    [task] = client.emulator.create_tasks()
    await client.send(_aliases(1), {"t0": task["id"]}, key="wrong")
    assert client.emulator.audit()["checks"] == 1


async def test_control_requests_are_not_counted(client):
    """Reading the audit does not change it, and a reset starts it anew."""
    await client.ask(_USER)
    for path in ("audit", "tasks", "faults"):
        await client.control("GET", path)
    assert client.emulator.audit()["requests"] == 1
    assert (await client.control("POST", "audit/reset"))[1]["requests"] == 0


# --- what goes wrong ----------------------------------------------------------------------------------


async def test_faults_are_set_listed_and_cleared_by_control_requests(client):
    """What was set is listed; clearing sets faults and switches back."""
    await client.control("POST", "faults", status=502, times=3)
    _, state = await client.control("POST", "faults", id_in=False, complexity_limit=5)
    assert state["faults"] == [{"status": 502, "times": 3}]
    assert (state["switches"]["id_in"], state["switches"]["complexity_limit"]) == (False, 5)
    _, state = await client.control("DELETE", "faults")
    assert state["faults"] == []
    assert (state["switches"]["id_in"], state["switches"]["complexity_limit"]) == (True, None)


async def test_faults_can_be_set_at_the_start():
    """The same words as in a control request."""
    async with served(LabelboxEmulator(faults=[{"status": 503, "times": 1}, {"id_in": False}])) as client:
        async with client.session.post(client.url, json={"query": _USER}) as response:
            assert response.status == 503
        assert (await client.refused("{ user { createdTasks(where: {id_in: []}) { id } } }"))[0] == 400


async def test_rate_limit_says_when_to_come_back(client):
    """429 with `Retry-After` as given, and the text that the SDK knows."""
    client.emulator.fault(status=429, retry_after=7, times=1)
    async with client.session.post(client.url, json={"query": _USER}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert (await response.json())["message"].startswith("You have exceeded")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_USER_INPUT"),
        (401, "AUTHENTICATION_ERROR"),
        (403, "AUTHORIZATION_ERROR"),
        (404, "RESOURCE_NOT_FOUND"),
    ],
)
async def test_status_below_500_has_json_with_a_code(client, status, code):
    """The SDK reads the body of every status below 500."""
    client.emulator.fault(status=status)
    found, found_code, _ = await client.refused(_USER)
    assert (found, found_code) == (status, code)


async def test_status_from_500_is_a_proxys_page(client):
    """HTML, as a load balancer answers."""
    client.emulator.fault(status=502)
    async with client.session.post(client.url, json={"query": _USER}) as response:
        assert (response.status, response.content_type) == (502, "text/html")


async def test_body_can_be_anything(client):
    """JSON or text as it stands, with 200 if no status is given."""
    client.emulator.fault(body={"data": None}, times=1)
    assert await client.send(_USER) == (200, {"data": None})
    client.emulator.fault(body="not json", status=418, times=1)
    async with client.session.post(client.url, json={"query": _USER}) as response:
        assert (response.status, await response.text()) == (418, "not json")


@pytest.mark.parametrize("status", [200, 503])
async def test_page_in_place_of_json(client, status):
    """A login or maintenance page, also with 200."""
    client.emulator.fault(html=True, status=status)
    async with client.session.post(client.url, json={"query": _USER}) as response:
        assert (response.status, response.content_type) == (status, "text/html")


async def test_reset_is_a_reset(client):
    """ECONNRESET, not a clean end; the next request is well."""
    client.emulator.fault(reset=True, times=1)
    host, port = client.url.removeprefix("http://").removesuffix("/graphql").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert await client.ask(_USER)


async def test_cut_body_is_shorter_than_announced(client):
    """The client sees half an answer and a closed connection."""
    client.emulator.fault(cut=True, times=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.ask(_USER)
    assert await client.ask(_USER)


@pytest.mark.looptime
async def test_slow_answer_takes_its_time(client):
    """So many seconds later, and otherwise well."""
    client.emulator.fault(slow=12.5, times=1)
    await client.ask(_USER)
    assert asyncio.get_running_loop().time() == 12.5


@pytest.mark.parametrize(("processed", "jobs"), [(False, 0), (True, 1)])
async def test_lost_answer_may_hide_a_started_job(client, processed, jobs):
    """`processed` decides whether a request whose answer is lost took effect."""
    query = 'mutation { exportDataRowsInCatalog(input: {taskName: "e"}) { taskId } }'
    client.emulator.fault(reset=True, on="exportDataRowsInCatalog", processed=processed, times=1)
    with pytest.raises(aiohttp.ClientError):
        await client.ask(query)
    assert len(client.emulator.tasks()) == jobs


async def test_fault_of_status_requests_leaves_others_alone(client):
    """`on` names a kind of request."""
    [task] = client.emulator.create_tasks()
    client.emulator.fault(status=500, on="status")
    assert await client.ask(_USER)
    async with client.session.post(
        client.url, json={"query": _aliases(1), "variables": {"t0": task["id"]}}
    ) as response:
        assert response.status == 500


async def test_fault_of_files_is_the_storages(client):
    """403 in XML for so many downloads, then the same URL works."""
    url = await client.upload(b"content")
    client.emulator.fault(on="file", status=403, times=2)
    assert [(await client.get(url))[0] for _ in range(3)] == [403, 403, 200]
    client.emulator.fault(on="file", cut=True, times=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get(url)


async def test_thousands_of_requests_at_once_are_answered(client):
    """Many connections, one server, no answer mixed up."""
    tasks = client.emulator.create_tasks(count=500)

    async def check(task):
        assert await client.statuses(task["id"]) == {task["id"]: "IN_PROGRESS"}

    await asyncio.gather(*(check(task) for task in tasks))
    assert client.emulator.audit()["checks"] == 500
