"""What the server counts, whom it lets in, what goes wrong on the way."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from aiotasks.emulators.supervisely import SuperviselyEmulator
from tests.emulators.supervisely.conftest import served


async def test_who_may_ask(client):
    """400 without a token, 401 with another, whatever is asked; a token can be chosen."""
    assert (await client.send("tasks.info", {"id": 1}, **{"x-api-key": "another"}))[0] == 401
    async with client.session.post(f"{client.url}/public/api/v3/tasks.info", json={"id": 1}) as response:
        assert response.status == 400
    async with served(SuperviselyEmulator(token="mine")) as other:
        assert await other.ask("instance.version") == {"version": "6.99.0"}
        greeting = other.emulator.greeting(other.url)
    assert (greeting["platform"], greeting["token"], greeting["url"]) == ("supervisely", "mine", other.url)
    assert set(greeting) == {"platform", "url", "token", "workspace_id", "agent_id", "module_id"}


async def test_method_and_body_that_are_not_known(client):
    """404, and 400 for what is no JSON or of another shape."""
    assert (await client.send("tasks.nothing", {}))[0] == 404
    assert (await client.send("tasks.info", {"id": "7"}))[0] == 400
    url, headers = f"{client.url}/public/api/v3/tasks.info", {"x-api-key": client.emulator.token}
    async with client.session.post(url, data=b"{", headers=headers) as response:
        assert response.status == 400


async def test_get_asks_as_well_as_post(client):
    """By query, or by a body, as the reference has it."""
    [id] = client.made()
    headers = {"x-api-key": client.emulator.token}
    async with client.session.get(f"{client.url}/public/api/v3/tasks.info?id={id}", headers=headers) as response:
        assert (await response.json())["id"] == id
    url = f"{client.url}/public/api/v3/tasks.list"
    async with client.session.get(
        url, json={"workspaceId": client.emulator.workspace_id}, headers=headers
    ) as response:
        assert (await response.json())["total"] == 1


async def test_tls_on_the_plain_port_is_answered_at_once(client):
    """The SDK knocks with a ClientHello first, and waits 15 s for whoever swallows it."""
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(bytes.fromhex("16030100"))
    writer.write(b"\x05" + b"\x00" * 64)
    async with asyncio.timeout(2):
        assert b"400" in await reader.read(64)
    writer.close()


# --- what is counted --------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_audit_counts_by_what_is_asked(client):
    """tasks.info and a filter by ids name tasks; any other list is a page; the rest are requests alone."""
    a, b, c = client.made(count=3)
    await client.ask("tasks.info", id=a)
    await client.listed(("id", "in", [b, c, c]))
    await client.listed(("status", "=", "queued"))
    await client.ask("GetTaskContext", id=a)
    await asyncio.sleep(2)
    await client.listed(("id", "eq", a))
    assert await client.control("GET", "audit") == (
        200,
        {"requests": 5, "status_requests": 4, "tasks": 3, "checks": 4, "min_gap_seconds": 2.0, "violations": 0},
    )


@pytest.mark.looptime
async def test_audit_finds_each_task_asked_too_early(client):
    """By whatever method; and the same page of the same list."""
    a, b = client.made(count=2)
    await client.listed(("id", "in", [a, b]))
    await client.listed()
    await client.listed(page=2)
    assert client.emulator.audit()["violations"] == 0
    await asyncio.sleep(1.5)
    await client.ask("tasks.info", id=b)
    await client.listed()
    assert (client.emulator.audit()["violations"], client.emulator.audit()["min_gap_seconds"]) == (2, 1.5)
    client.emulator.reset_audit()
    assert client.emulator.audit()["requests"] == 0


@pytest.mark.looptime
@pytest.mark.parametrize("fault", [{"status": 502}, {"reset": True}, {"cut": True}, {"list_status": 403}])
async def test_audit_counts_requests_that_went_wrong(client, fault):
    """A request has arrived even if its answer never does."""
    [id] = client.made()
    client.emulator.fault(**fault)
    with pytest.raises((aiohttp.ClientError, ValueError, AssertionError)):
        await client.listed(("id", "in", [id]))
    assert client.emulator.audit()["checks"] == 1


# --- what goes wrong --------------------------------------------------------------------------------------------


async def test_switches_change_what_lists_are(client):
    """Each by itself; clearing sets them back."""
    a, b, c = client.made(count=3)

    async def status(**switches):
        client.emulator.clear_faults()
        client.emulator.fault(**switches)
        body = {"workspaceId": client.emulator.workspace_id}
        return (await client.send("tasks.list", {**body, "filter": [_in(a, b)]}))[0]

    assert await status(in_filter=False) == 400
    assert await status(max_ids=1) == 400
    assert await status(list_status=405) == 405
    assert await status(poisoned=[b]) == 400
    assert await status(filters=False) == 200
    assert await client.listed(("id", "=", a)) == [a, b, c]
    assert await status(max_per_page=1) == 200
    assert await client.listed(("id", "in", [a, b])) == [a]
    assert await status(unlisted=[a]) == 200
    assert await client.listed(("id", "in", [a, b])) == [b]
    assert (await client.ask("tasks.info", id=a))["id"] == a
    assert await status(hidden=[a], missing_status=410) == 200
    assert await client.listed() == [b, c]
    assert (await client.send("tasks.info", {"id": a}))[0] == 410
    assert await status(gzip=True) == 200
    client.emulator.clear_faults()
    assert await client.listed() == [a, b, c]


def _in(*ids):
    return {"field": "id", "operator": "in", "value": list(ids)}


async def test_faults_are_set_and_listed_by_control_requests(client):
    """By wire method or for all that ask for a status."""
    [id] = client.made()
    await client.control("POST", "faults", status=503, on="status", times=1)
    _, state = await client.control("POST", "faults", max_ids=5)
    assert (state["faults"], state["switches"]["max_ids"]) == ([{"status": 503, "on": "status", "times": 1}], 5)
    assert await client.ask("GetTaskContext", id=id)
    with pytest.raises(ValueError, match="Expecting value"):
        await client.send("tasks.info", {"id": id})  # a proxy's page
    assert await client.ask("tasks.info", id=id)
    await client.control("POST", "faults", status=429, retry_after=7, on="GetTaskContext")
    assert (await client.send("GetTaskContext", {"id": id}))[0] == 429
    assert (await client.control("DELETE", "faults"))[1]["faults"] == []


async def test_uploads_of_a_wrong_hash_are_refused(client):
    """And so are hashes that are not there."""
    [id] = client.made()
    form = aiohttp.FormData()
    form.add_field("0", '{"fullpath": "/a", "hash": "wrong"}')
    form.add_field("0-file", b"content", filename="a")
    headers = {"x-api-key": client.emulator.token, "x-task-id": str(id)}
    url = f"{client.url}/public/api/v3/tasks.files.bulk.upload"
    async with client.session.post(url, data=form, headers=headers) as response:
        assert response.status == 400
    body = {"taskId": id, "files": [{"name": "/a", "hash": "wrong"}]}
    assert (await client.send("tasks.files.bulk.add-by-hash", body))[0] == 400
    assert await client.ask("tasks.import.files_list", id=id) == []
