"""What the pretended Deep Intelligence answers, counts, refuses and breaks."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from aiotasks.emulators.deepint import DeepintEmulator
from tests.emulators.deepint.conftest import served

pytestmark = pytest.mark.looptime


# --- who may ask --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-auth-token": "another"}, 401, "UNAUTHORIZED"),
        ({"x-deepint-organization": "another"}, 403, "FORBIDDEN"),
    ],
)
async def test_strangers_are_refused(client, headers, status, code):
    """The token, and the organization, must be the right ones."""
    answer = await client.send("GET", "/tasks", headers=headers)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_token_can_be_chosen():
    """The greeting says it, and what is seeded."""
    async with served(DeepintEmulator(token="mine")) as client:
        assert client.ready["token"] == "mine"
        assert set(client.ready) == {
            "platform",
            "url",
            "token",
            "organization_id",
            "workspace_id",
            "tasks",
            "source_id",
        }
        assert set(client.ready["tasks"]) == {"failed", "unknown", "null"}
        assert (await client.send("GET", ""))[0] == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/task/nobody", "TASK_NOT_FOUND"),
        ("/source/nobody", "SOURCE_NOT_FOUND"),
        ("/nonsense", "NOT_FOUND"),
        ("/../nobody/tasks", "WORKSPACE_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_not_found(client, path, code):
    """404, with a code that says what is missing."""
    status, answer = await client.send("GET", path)
    assert (status, answer["code"]) == (404, code)


# --- jobs ---------------------------------------------------------------------------------------------


async def test_seeded_tasks_are_the_odd_ones(client):
    """One that failed, one with a word that nobody knows, one without numbers."""
    failed, unknown, null = [await client.task(client.ready["tasks"][kind]) for kind in ("failed", "unknown", "null")]
    assert (failed["status"], failed["error_code"], failed["result"]) == ("failed", "EMULATED", None)
    assert unknown["status"] not in {"pending", "running", "failed", "success"}
    assert (null["status"], null["duration"], null["progress"], null["created"]) == ("success", None, None, None)


async def test_job_lives_by_the_clock():
    """Pending, running with progress in steps, success with a result: only then is there a duration."""
    async with served(DeepintEmulator(duration=(10, 10))) as client:
        _, started = await client.send("POST", "/export")
        seen = []
        for _ in range(4):
            task = await client.task(started["task_id"])
            seen.append((task["status"], task["progress"], task["duration"], task["result_type"]))
            await asyncio.sleep(5)
        assert seen[0] == ("pending", 0, 0, None)
        assert seen[1] == ("running", 50, 0, None)
        assert seen[2] == seen[3] == ("success", 100, 10_000, "file")


async def test_failing_job_says_why():
    """All jobs of this server fail."""
    async with served(DeepintEmulator(duration=(1, 1), failures=1.0)) as client:
        _, started = await client.send("POST", "/export")
        await asyncio.sleep(2)
        task = await client.task(started["task_id"])
        assert (task["status"], task["error_code"], task["result"]) == ("failed", "EMULATED", None)


async def test_control_creates_and_moves_jobs(client):
    """Any word, any field, an end at a chosen time."""
    [job] = (await client.control("POST", "tasks", name="n", status="running", result="r", result_type="source"))[1][
        "tasks"
    ]
    assert (await client.task(job["id"]))["name"] == "n"
    await client.control("PATCH", f"tasks/{job['id']}", duration=4.0, ends="failed", shown={"progress": 7})
    assert (await client.task(job["id"]))["progress"] == 7
    await asyncio.sleep(5)
    assert (await client.task(job["id"]))["status"] == "failed"
    assert (await client.control("PATCH", "tasks/nobody", status="success"))[0] == 404
    assert (await client.control("POST", "tasks", workspace="nowhere"))[0] == 400
    assert (await client.control("POST", "tasks", colour="red"))[0] == 400


async def test_deleted_task_is_gone(client):
    """200 with JSON, then 404."""
    [job] = client.emulator.create_tasks()
    assert (await client.send("DELETE", f"/task/{job['id']}"))[0] == 200
    assert (await client.send("GET", f"/task/{job['id']}"))[0] == 404


async def test_list_is_paged_from_zero(client):
    """The first page needs no parameter; the newest task comes first; the end is where page + 1 is the count."""
    ids = [job["id"] for job in client.emulator.create_tasks(count=12)]
    _, first = await client.send("GET", "/tasks")
    _, second = await client.send("GET", "/tasks?page=1")
    assert (first["page"], second["page"], first["pages_count"]) == (0, 1, 2)
    listed = [item["id"] for item in first["items"] + second["items"]]
    assert listed[:12] == ids[::-1]
    assert set(listed[12:]) == set(client.ready["tasks"].values())
    assert first["items"][0]["status"] == "pending"
    client.emulator.fault(listed_status=False, page_size=5, hidden=[ids[-1]])
    _, bare = await client.send("GET", "/tasks")
    assert bare["items"] == [{"id": id} for id in ids[:-1][::-1][:5]]
    assert (await client.send("GET", "/tasks?page=x"))[0] == 400


# --- calls that start a job ---------------------------------------------------------------------------


async def test_clone_runs_in_a_workspace_of_its_own(client):
    """The answer names it, and the task is found there."""
    status, answer = await client.send("POST", "/clone", json={"name": "copy"})
    assert status == 200
    copy = f"/../{answer['workspace_id']}"
    assert (await client.send("GET", copy))[1]["name"] == "copy"
    assert (await client.send("GET", f"{copy}/task/{answer['task_id']}"))[0] == 200
    assert (await client.send("GET", f"/task/{answer['task_id']}"))[0] == 404
    assert (await client.send("POST", "/clone", json={}))[0] == 400
    assert (await client.send("POST", "/clone", data=b"{"))[0] == 400
    assert await client.send("GET", f"{copy}/emails") == (200, [])


async def test_instances_are_added_replaced_and_cleaned(client):
    """Multipart with a CSV, as the SDK sends it; DELETE with a JSON body."""
    path = f"/source/{client.ready['source_id']}"

    async def update(text, replace):
        form = aiohttp.FormData({"replace": replace, "separator": ",", "quotes": '"', "csv_header": "yes"})
        form.add_field("file", text, filename="file")
        return await client.send("POST", f"{path}/instances", data=form)

    async def count():
        return (await client.send("GET", path))[1]["instances"]

    head = "name,amount,day\n"
    assert (await update(f"{head}a,1,2024-01-01\nb,2,2024-01-02\n", "False"))[0] == 200
    assert (await update(f"{head}c,3,2024-01-03\n", "False"))[0] == 200
    assert await count() == 3
    assert (await update(f"{head}c,3,2024-01-03\n", "True"))[0] == 200
    assert await count() == 1
    assert (await update("other\n1\n", "True"))[0] == 400
    assert (await client.send("DELETE", f"{path}/instances", json={"where": "amount > 1"}))[0] == 200
    assert await count() == 0


async def test_export_is_downloaded_without_the_token(client):
    """The result is a URL of a file: whole, in parts, and not for whoever brings a credential."""
    _, started = await client.send("POST", "/export")
    client.emulator.change_task(started["task_id"], status="success")
    url = (await client.task(started["task_id"]))["result"]

    async def get(**headers):
        async with client.session.get(url, headers=headers) as response:
            return response.status, await response.read()

    status, whole = await get()
    assert (status, whole[:4]) == (200, b"PK\x05\x06")
    assert await get(Range="bytes=10-19") == (206, whole[10:20])
    assert (await get(Range="bytes=999999-"))[0] == 416
    assert (await get(**{"x-auth-token": client.emulator.token}))[0] == 400
    client.emulator.fault(ranges=False)
    assert await get(Range="bytes=10-19") == (200, whole)


# --- what is counted, what goes wrong -----------------------------------------------------------------


async def test_audit_names_tasks_and_pages(client):
    """A status request names its task; a page of the list is judged as a page; the rest are requests alone."""
    a, b = (job["id"] for job in client.emulator.create_tasks(count=2))
    await client.task(a)
    await client.task(b)
    await client.send("GET", "/tasks")
    await client.send("GET", "/tasks?page=1")
    await client.send("GET", "")
    await client.send("DELETE", f"/task/{b}")
    assert client.emulator.audit() == {
        "requests": 6,
        "status_requests": 4,
        "tasks": 2,
        "checks": 2,
        "min_gap_seconds": None,
        "violations": 0,
    }
    await asyncio.sleep(1.5)
    await client.send("GET", "/tasks?page=0")
    await client.task(a)
    assert client.emulator.audit()["violations"] == 2
    assert client.emulator.audit()["min_gap_seconds"] == 1.5
    client.emulator.reset_audit()
    assert client.emulator.audit()["requests"] == 0


async def test_faults_strike_by_kind(client):
    """LIMIT is what 429 says; from 500 on a proxy answers; a poisoned task is a 400; then back to health."""
    [job] = client.emulator.create_tasks()
    client.emulator.fault(status=429, on="status", times=1)
    status, answer = await client.send("GET", f"/task/{job['id']}")
    assert (status, answer["code"]) == (429, "LIMIT")
    client.emulator.fault(status=504, on="list", times=1)
    with pytest.raises(ValueError, match="Expecting value"):
        await client.send("GET", "/tasks")
    client.emulator.fault(poisoned=[job["id"]])
    assert client.emulator.faults()["switches"].poisoned == {job["id"]}
    assert (await client.send("GET", f"/task/{job['id']}"))[0] == 400
    client.emulator.clear_faults()
    assert (await client.send("GET", f"/task/{job['id']}"))[0] == 200
    with pytest.raises(ValueError, match="statuss"):
        client.emulator.fault(statuss=1)


def test_emulator_can_begin_with_faults():
    """Faults and switches of the command line."""
    emulator = DeepintEmulator(faults=[{"status": 502}, {"page_size": 3}])
    assert emulator.faults()["switches"].page_size == 3
    assert len(emulator.faults()["faults"]) == 1


# --- https --------------------------------------------------------------------------------------------


async def test_https_with_a_certificate_to_trust(tmp_path):
    """The certificate written to the folder is what makes a client believe in `localhost`."""
    emulator = DeepintEmulator(tls_dir=tmp_path / "new")
    async with emulator.serve() as url, aiohttp.ClientSession() as session:
        ready = emulator.greeting(url)
        assert url.startswith("https://localhost:")
        context = ssl.create_default_context(cafile=ready["certificate"])
        async with session.get(f"{url}/__emulator__/audit", ssl=context) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{url}/__emulator__/audit")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["certificate.pem"]
