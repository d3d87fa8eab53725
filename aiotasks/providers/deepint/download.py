"""The file of an export: fetched in parts where the storage gives parts, and there whole or not at all.

**Source**: wire notes, section 5: the result of an export is a URL, fetched without the token [R].
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from aiotasks import InvalidArgument, InvalidType, ProtocolError, Request, ResultError, escaped, raise_for_status
from aiotasks.limits import PAGE_BYTES, PAGE_TIMEOUT
from aiotasks.providers.deepint.wire import PLATFORM

if TYPE_CHECKING:
    from aiotasks import Response
    from aiotasks.providers.deepint.task import Task

__all__ = ["checked_target", "download"]

#: Bytes of one part.
PART_BYTES: Final = 8 * 2**20
#: One component of a path, on every system: no separators, no leading dot or dash (S-21).
_SAFE_NAME: Final = re.compile(r"\w[\w.-]{0,190}", re.ASCII)
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def checked_target(folder: object, name: str) -> Path:
    """The absolute path of a new file, in a folder that exists (B-13).

    Raises:
        InvalidArgument, InvalidType: it cannot be made there.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InvalidType(f"folder_path: given {type(folder).__name__}, allowed: a path")
    if not _SAFE_NAME.fullmatch(name):
        raise InvalidArgument(f"workspace_id: given {escaped(name, 40)!r}, allowed: one that a file can be named by")
    path = Path(folder)
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise InvalidArgument(f"folder_path: given {escaped(path, 80)!r}, allowed: a folder that can be written to")
    target = path.resolve() / name
    if target.exists() or target.is_symlink():
        raise InvalidArgument(f"folder_path: {escaped(target, 80)!r} exists, allowed: a folder without it")
    return target


async def download(task: Task, target: Path) -> None:
    """Fetch the file that `task` has made. It is under its name when it is whole, and never before.

    A storage that gives no parts may send 64 MiB at most.

    Raises:
        ResultError: there is no file, or it changed on the way.
        AskError, AnswerError: it cannot be had.
    """
    url = (await task.fetch_result()).get("file")
    if url is None:
        raise ResultError(f"deepint task {task.id} is done, and names no file", platform=PLATFORM, task_id=task.id)
    with tempfile.NamedTemporaryFile(prefix=".export-", suffix=".part", dir=target.parent, delete=False) as part:
        try:
            await _fetch(task, url, part)
        except BaseException:
            os.unlink(part.name)
            raise
    os.replace(part.name, target)


async def _fetch(task: Task, url: str, file: IO[bytes]) -> None:
    offset: int | None = 0
    tag = ""

    def read(response: Response) -> tuple[int | None, str]:
        """Write a part where it belongs: in a worker thread if it is large, and twice to the same effect."""
        return _written(file, start, response)

    while offset is not None:
        start = offset
        headers = {"range": f"bytes={start}-{start + PART_BYTES - 1}", **({"if-range": tag} if tag else {})}
        request = Request(
            method="GET",
            url=url,
            headers=headers,
            is_foreign=True,
            is_repeatable=True,
            timeout=PAGE_TIMEOUT,
            answer_limit=PAGE_BYTES,
        )
        offset, tag = await task.client.transport.send(request, read)


def _written(file: IO[bytes], start: int, response: Response) -> tuple[int | None, str]:
    """Where the next part begins, None after the last one; and what the storage knows this version by."""
    if response.status in (404, 410):
        raise ResultError("deepint: the file is gone", platform=PLATFORM, http_status=response.status)
    raise_for_status(response, platform=PLATFORM)
    if response.status != 206:
        if start:
            raise ResultError("deepint: the file changed while it was downloaded", platform=PLATFORM)
        _write(file, 0, response.body, is_last=True)
        return None, ""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    first, last, size = map(int, found.groups()) if found else (-1, -1, -1)
    if first != start or last - first + 1 != len(response.body) or not response.body:
        raise ProtocolError("deepint: another part of the file than was asked for", platform=PLATFORM)
    is_last = last + 1 >= size
    _write(file, start, response.body, is_last=is_last)
    tag = response.headers.get("etag", "")
    return (None if is_last else last + 1), ("" if tag.startswith("W/") else tag)


def _write(file: IO[bytes], start: int, content: bytes, *, is_last: bool) -> None:
    file.seek(start)
    file.write(content)
    if is_last:
        file.flush()
        os.fsync(file.fileno())  # here, since large answers are read in a worker thread
