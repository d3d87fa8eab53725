"""The file of an export: whole or not at all, in parts or in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import InvalidArgument, PermissionDenied, ProtocolError, Request, Response, ResultError
from aiotasks.providers.deepint import Client, Credentials, Task
from aiotasks.providers.deepint.download import checked_target, download
from aiotasks.providers.deepint.wire import TaskRow, observed
from aiotasks.testing import ScriptedTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = bytes(range(256)) * 10


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 1,000 bytes: the content has three."""
    monkeypatch.setattr("aiotasks.providers.deepint.download.PART_BYTES", 1_000)


def part(request: Request, content: bytes = CONTENT, etag: str = '"v1"') -> Response:
    """What a storage answers to a range."""
    first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
    body = content[first : last + 1]
    headers = {"content-range": f"bytes {first}-{first + len(body) - 1}/{len(content)}", "etag": etag}
    return Response(status=206, headers=headers, body=body)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def fetched(folder: Path, answer: Callable[[Request], Response], **row: Any) -> tuple[bytes, list[Request]]:
    """The file that came of it, and the requests."""
    client = Client(Credentials("canary", "http://127.0.0.1:9"))
    transport = ScriptedTransport(answer, account=client.account)
    client._transport = transport
    seen = observed(TaskRow(**{"id": "t", "status": "success", "result": "http://127.0.0.1:9/f", **row}))
    async with client:
        task = client.open_task(Task, "t", client.statuses("o", "w"), seen)
        try:
            await download(task, folder / "w.zip")
        finally:
            assert not [name for name in names(folder) if name.startswith(".")]
        return (folder / "w.zip").read_bytes(), transport.requests


async def test_file_comes_in_parts(tmp_path: Path) -> None:
    """Each is asked for of the same version, bare, and may be asked for twice."""
    content, requests = await fetched(tmp_path, part, result_type="file")
    assert content == CONTENT
    assert [request.headers["range"] for request in requests] == [
        "bytes=0-999",
        "bytes=1000-1999",
        "bytes=2000-2999",
    ]
    assert [request.headers.get("if-range") for request in requests] == [None, '"v1"', '"v1"']
    assert all(request.is_foreign and request.is_repeatable for request in requests)


async def test_storage_without_parts_sends_the_whole(tmp_path: Path) -> None:
    """In one answer."""
    content, requests = await fetched(tmp_path, lambda _: Response(status=200, body=CONTENT), result_type="file")
    assert (content, len(requests)) == (CONTENT, 1)


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (Response(status=200, body=CONTENT), ResultError),
        (Response(status=206, headers={"content-range": "bytes 0-9/2560"}, body=b"x" * 10), ProtocolError),
        (Response(status=206, headers={"content-range": "bytes 1000-1009/2560"}, body=b"x" * 9), ProtocolError),
        (Response(status=206, headers={"content-range": "bytes 1000-/2560"}, body=b"x"), ProtocolError),
        (Response(status=206, body=b"x"), ProtocolError),
        (Response(status=404), ResultError),
        (Response(status=403), PermissionDenied),
    ],
)
@pytest.mark.covers("S-22")
async def test_file_that_changes_on_the_way_is_not_there(
    tmp_path: Path, second: Response, kind: type[Exception]
) -> None:
    """Nor any part of it."""

    def answer(request: Request) -> Response:
        return part(request) if request.headers["range"].startswith("bytes=0-") else second

    with pytest.raises(kind):
        await fetched(tmp_path, answer, result_type="file")
    assert names(tmp_path) == []


@pytest.mark.parametrize("row", [{"result_type": "source"}, {"result_type": "file", "result": None}])
@pytest.mark.covers("B-47")
async def test_task_without_a_file_says_so(tmp_path: Path, row: dict[str, Any]) -> None:
    """It is done all the same."""
    with pytest.raises(ResultError, match="names no file"):
        await fetched(tmp_path, part, **row)


@pytest.mark.parametrize("name", ["../x.zip", "a/b.zip", ".zip", "-x.zip", "a b.zip", "ä.zip", "x" * 300])
@pytest.mark.covers("B-13", "S-21")
def test_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Only one plain component."""
    with pytest.raises(InvalidArgument, match="workspace_id: given"):
        checked_target(tmp_path, name)


@pytest.mark.covers("B-13", "S-22")
def test_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    """So is a link to nowhere; a file is no folder."""
    (tmp_path / "w.zip").write_text("mine")
    (tmp_path / "v.zip").symlink_to(tmp_path / "nowhere")
    for name in ("w.zip", "v.zip"):
        with pytest.raises(InvalidArgument, match="exists"):
            checked_target(tmp_path, name)
    with pytest.raises(InvalidArgument, match="folder_path: given"):
        checked_target(tmp_path / "w.zip", "x.zip")
    assert checked_target(str(tmp_path), "x.zip") == tmp_path / "x.zip"
