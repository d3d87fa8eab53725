"""`aiotasks emulate deepint`: its ready line, and https."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest

from aiotasks.cli import main
from aiotasks.emulators.deepint.switches import Switches


async def _started(*arguments: str) -> tuple[asyncio.subprocess.Process, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "aiotasks", "emulate", "deepint", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


@pytest.mark.slow
async def test_process_serves_https_on_request(tmp_path):
    """The ready line names the certificate, which makes the server one to trust; a signal ends it with 0."""
    process, ready = await _started("--tls-dir", str(tmp_path), "--api-key", "mine", "--frozen")
    assert (ready["platform"], ready["token"]) == ("deepint", "mine")
    assert Path(str(ready["certificate"])) == tmp_path / "certificate.pem"
    context = ssl.create_default_context(cafile=ready["certificate"])
    headers = {"x-auth-token": "mine", "x-deepint-organization": str(ready["organization_id"])}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"{ready['url']}/api/v1/workspace/{ready['workspace_id']}/tasks"
        async with session.get(url, ssl=context) as response:
            assert len((await response.json())["items"]) == 3
    process.send_signal(signal.SIGTERM)
    output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")


@pytest.mark.slow
async def test_ready_line_of_plain_http():
    """What a client needs to log in, and one task of each odd kind."""
    process, ready = await _started("--seed", "7")
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert set(ready) == {"platform", "url", "token", "organization_id", "workspace_id", "tasks", "source_id"}
    assert str(ready["url"]).startswith("http://127.0.0.1:")


def test_https_is_for_deepint_alone(capsys, tmp_path):
    """Another platform's SDK needs none."""
    assert main(["emulate", "labelbox", "--tls-dir", str(tmp_path)]) == 2
    assert "--tls-dir" in capsys.readouterr().err


def test_folder_that_cannot_be_made_exits_with_2(capsys, tmp_path):
    """A file is where the folder should be."""
    (tmp_path / "file").touch()
    assert main(["emulate", "deepint", "--tls-dir", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_https_without_trustme_names_the_extra(monkeypatch, capsys, tmp_path):
    """The message says what to install."""
    monkeypatch.delitem(sys.modules, "aiotasks.emulators.tls", raising=False)
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert main(["emulate", "deepint", "--tls-dir", str(tmp_path)]) == 2
    assert "pip install 'aiotasks[demo]'" in capsys.readouterr().err


def test_help_names_every_switch(capsys):
    """A name that exists is a name that help tells."""
    with pytest.raises(SystemExit):
        main(["emulate", "--help"])
    words = set(capsys.readouterr().out.replace(".", " ").split())
    assert {field.name for field in msgspec.structs.fields(Switches)} <= words
