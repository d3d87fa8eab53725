"""How an import starts, where a server or a disk does what it should not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aiotasks import AuthError, InvalidArgument, QueryRefused, Request, Response, SubmitUnknown
from aiotasks.providers.labelbox.dataset import _started
from aiotasks.testing import ScriptedTransport, in_turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiotasks.emulators.labelbox import LabelboxEmulator
    from aiotasks.providers.labelbox import Client

    Start = Callable[..., Awaitable[tuple[LabelboxEmulator, Client]]]


def answer(body: Any) -> Response:
    return Response(status=200, body=body if isinstance(body, bytes) else msgspec.json.encode(body))


def test_started_import_is_the_row_of_its_task() -> None:
    """The mutation's answer is a whole task, so nothing has to be asked about it."""
    row = _started(answer({"data": {"upsertDataRows": {"id": "t1", "status": "IN_PROGRESS", "name": "n"}}}))

    assert (row.id, row.word, row.name) == ("t1", "IN_PROGRESS", "n")


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"upsertDataRows": None}},
        {"data": {"upsertDataRows": {"id": "", "status": "IN_PROGRESS"}}},
        {"data": {"upsertDataRows": {"status": "IN_PROGRESS"}}},
        {"data": {}},
        {"data": None},
        b'{"data": {"upsertDa',
        b"<html>",
    ],
)
@pytest.mark.covers("B-56")
async def test_answer_without_a_task_leaves_it_open_whether_there_is_one(body: Any) -> None:
    """The import may have been started: the caller is told so, and not that it was not."""
    transport = ScriptedTransport(in_turn(answer(body)))
    with pytest.raises(SubmitUnknown):
        await transport.send(Request(url="https://api.example:443/graphql", body=b"{}"), _started)


@pytest.mark.parametrize(
    ("code", "kind"), [("GRAPHQL_VALIDATION_FAILED", QueryRefused), ("AUTHENTICATION_ERROR", AuthError)]
)
def test_refused_import_is_refused(code: str, kind: type[Exception]) -> None:
    """A definite no is a definite error."""
    body = {"errors": [{"message": "no", "extensions": {"code": code}}], "data": None}

    with pytest.raises(kind):
        _started(answer(body))


@pytest.mark.looptime
async def test_file_that_cannot_be_read_is_named(
    labelbox: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is there, and cannot be read after all, ends the call before the import is asked for."""
    emulator, client = await labelbox()
    dataset = await client.create_dataset("cats")
    path = tmp_path / "locked.jpg"
    path.touch()

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("aiotasks.providers.labelbox.dataset.file_request", refuse)

    with pytest.raises(InvalidArgument, match=r"locked\.jpg.*Permission denied"):
        await dataset.create_data_rows([{"row_data": str(path)}])
    assert emulator.tasks() == []


async def test_long_lists_are_checked_in_turns(labelbox: Start) -> None:
    """While 20,000 rows are checked and encoded, the loop goes round."""
    _, client = await labelbox()
    dataset = await client.create_dataset("cats")
    passes = 0

    async def neighbour() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        beside = group.create_task(neighbour())
        drafted = await dataset._drafted([{"row_data": "https://x/y"}] * 20_000, is_upsert=False)
        beside.cancel()

    assert len(drafted.rows) == 20_000
    assert passes > 20
