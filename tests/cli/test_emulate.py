"""`aiotasks emulate` serves until it is told to stop, and says what it needs."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from typing import Any

import aiohttp
import msgspec
import pytest

from aiotasks.cli import main
from aiotasks.emulators.faults import Fault
from aiotasks.emulators.isahitlab.switches import Switches as IsahitLabSwitches
from aiotasks.emulators.labelbox.switches import Switches
from aiotasks.emulators.supervisely.switches import Switches as SuperviselySwitches


async def _started(*arguments: str, platform: str = "labelbox") -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aiotasks",
        "emulate",
        platform,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_process_greets_serves_and_stops(number):
    """One line of JSON, a server behind it, exit code 0 at the signal, and nothing more on stdout or stderr."""
    process, ready = await _started("--seed", "7", "--duration", "0.2")
    assert set(ready) == {"platform", "url", "api_key"}
    assert ready["platform"] == "labelbox"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {ready['api_key']}"}) as session:
        async with session.post(ready["url"], json={"query": "{ user { id } }"}) as response:
            assert (await response.json())["data"]["user"]["id"]
        base = ready["url"].removesuffix("/graphql")
        async with session.post(f"{base}/__emulator__/tasks", json={}) as response:
            [task] = (await response.json())["tasks"]
        # Both processes read CLOCK_MONOTONIC.
        assert 0 <= asyncio.get_running_loop().time() - task["start"] < 5
        assert task["end"] - task["start"] == pytest.approx(0.2)
        process.send_signal(number)
        output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")


@pytest.mark.slow
async def test_supervisely_says_what_its_client_needs():
    """Server, token, and what an app is started with; frozen tasks stay where they are."""
    process, ready = await _started("--frozen", "--api-key", "mine", platform="supervisely")
    assert set(ready) == {"platform", "url", "token", "workspace_id", "agent_id", "module_id"}
    assert (ready["platform"], ready["token"]) == ("supervisely", "mine")
    app = {"workspaceId": ready["workspace_id"], "agentId": ready["agent_id"], "moduleId": ready["module_id"]}
    async with aiohttp.ClientSession(headers={"x-api-key": "mine"}) as session:
        async with session.post(f"{ready['url']}/public/api/v3/tasks.run.app", json=app) as response:
            [task] = await response.json()
        async with session.get(f"{ready['url']}/__emulator__/tasks") as response:
            assert (await response.json())["tasks"] == [
                {"id": task["taskId"], "status": "queued", "start": pytest.approx(0, abs=1e9), "end": None}
            ]
    process.send_signal(signal.SIGTERM)
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


@pytest.mark.slow
async def test_isahitlab_greets_with_its_projects():
    """What a client needs to log in, and a project of each common type; frozen tasks stand still."""
    process, ready = await _started("--frozen", platform="isahitlab")
    assert list(ready) == ["platform", "url", "access_id", "secret_key", "projects"]
    assert list(ready["projects"]) == ["iat-rectangle", "iat-polygon", "iat-segmentation", "form"]
    form = {"access_id": ready["access_id"], "secret_key": ready["secret_key"]}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{ready['url']}api/user-manager/auth/login", data=form) as response:
            assert response.status == 201
        async with session.post(f"{ready['url']}__emulator__/tasks", json={"project": "form"}) as response:
            assert (await response.json())["tasks"][0]["end"] is None
    process.send_signal(signal.SIGTERM)
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


@pytest.mark.slow
async def test_process_stops_while_an_answer_is_under_way():
    """A slow answer does not keep it from stopping."""
    process, ready = await _started("--fault", '{"slow": 60}')
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):  # noqa: PT012  # the request is under way when the process stops
            async with asyncio.timeout(20):
                asyncio.get_running_loop().call_later(0.5, process.send_signal, signal.SIGTERM)
                async with session.post(ready["url"], json={"query": "{ user { id } }"}):
                    pass
    await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["nonsense"], "nonsense"),
        (["emulate"], "platform"),
        (["emulate", "nobody"], "nobody"),
        (["emulate", "labelbox", "--port", "99999"], "not a port"),
        (["emulate", "labelbox", "--port", "x"], "not a port"),
        (["emulate", "labelbox", "--duration", "15:5"], "5:15"),
        (["emulate", "labelbox", "--duration", "soon"], "5:15"),
        (["emulate", "labelbox", "--failures", "2"], "from 0 to 1"),
        (["emulate", "labelbox", "--failures", "few"], "from 0 to 1"),
        (["emulate", "labelbox", "--fault", "{"], "not a JSON object"),
        (["emulate", "labelbox", "--seed", "x"], "--seed"),
    ],
)
def test_call_that_cannot_work_exits_with_2(arguments, message, capsys):
    """argparse says what is wrong."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


def test_unknown_fault_exits_with_2(capsys):
    """With the name that is not known."""
    assert main(["emulate", "labelbox", "--fault", '{"statuss": 3}']) == 2
    assert "statuss" in capsys.readouterr().err


def test_port_in_use_exits_with_2(capsys):
    """With the port and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["emulate", "labelbox", "--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err


def test_missing_package_names_the_extra(monkeypatch, capsys):
    """Without graphql-core the message says what to install."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "graphql"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("aiotasks.emulators.labelbox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "graphql", None)
    assert main(["emulate", "labelbox"]) == 2
    assert "pip install 'aiotasks[demo]'" in capsys.readouterr().err


def test_help_shows_how_to_set_faults(capsys):
    """The JSON of a fault is nothing one can guess."""
    with pytest.raises(SystemExit) as exit:
        main(["emulate", "--help"])
    assert exit.value.code == 0
    shown = capsys.readouterr().out
    assert "/__emulator__/faults" in shown
    assert "--duration FROM:TO" in shown


def test_help_names_every_fault_and_switch(capsys):
    """A name that exists is a name that help tells."""
    with pytest.raises(SystemExit):
        main(["emulate", "--help"])
    words = set(capsys.readouterr().out.replace(".", " ").split())
    kinds = (Fault, Switches, SuperviselySwitches, IsahitLabSwitches)
    names = {field.name for kind in kinds for field in msgspec.structs.fields(kind)}
    assert names <= words
