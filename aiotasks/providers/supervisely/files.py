"""Files of tasks: uploaded by their contents, downloaded by name."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import InvalidArgument, InvalidType, Part, Request, escaped
from aiotasks.limits import PAGE_TIMEOUT
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import ANYTHING, LIST, Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiotasks import Response

__all__ = ["Files"]

#: Hashes of one question, and files of one upload, as in the SDK [S].
_HASHES, _FILES = 900, 50
#: Bytes of files that one upload holds in memory; a larger file travels alone.
_BATCH_BYTES: Final = 16 * 2**20
#: Bytes of a file that are hashed at a time.
_BLOCK: Final = 2**20
#: Largest file that `download_import_file` takes: it passes through memory.
DOWNLOAD_BYTES: Final = 2**30


@attrs.frozen
class _File:
    path: str
    name: str
    hash: str
    size: int


class Files(Calls):
    """The methods of `TaskApi` that take or give files. Local files are read on the event loop, piece by piece."""

    async def upload_files(
        self,
        task_id: int,
        abs_paths: Sequence[str],
        names: Sequence[str],
        progress_cb: Callable[[int], Any] | None = None,
    ) -> None:
        """Upload local files to a task. What the server has by content is not sent again.

        Args:
            task_id: the task's id.
            abs_paths: where the files are.
            names: what they are called in the task, one for each.
            progress_cb: called with the number of files just done, or an object whose `update` is, such as a tqdm;
                the numbers add up to the number of files (the SDK's do not).

        Raises:
            InvalidArgument, InvalidType: not as many names as paths, or a file cannot be read; nothing was sent.
            TaskNotFound, AskError, AnswerError: some files may have been uploaded; doing it again does no harm.

        Cancellation: as an error. A request that failed on its way is sent again whole (the SDK's hangs).

        **Source**: wire notes, section 9 [R].
        """
        id = arguments.whole("task_id", task_id)
        paths, called = arguments.texts("abs_paths", abs_paths), arguments.texts("names", names)
        if len(paths) != len(called):
            raise InvalidArgument(f"names: given {len(called)}, allowed: one for each of {len(paths)} paths")
        step = _stepper(progress_cb)
        files = [_described(path, name) for path, name in zip(paths, called, strict=True)]
        known = await self._known({file.hash for file in files})
        new = {file.hash: file for file in reversed(files) if file.hash not in known}
        uploads = [file for file in files if new.get(file.hash) is file]
        for batch in _batches(uploads):
            await self._api.transport.send(self._upload(id, batch), wire.task_reader(ANYTHING, id))
            step(len(batch))
        others = [file for file in files if new.get(file.hash) is not file]
        for first in range(0, len(others), _FILES):
            batch = others[first : first + _FILES]
            rows = [{"name": file.name, "hash": file.hash} for file in batch]
            await self._tell("tasks.files.bulk.add-by-hash", id, {"files": rows}, ANYTHING)
            step(len(batch))

    async def _known(self, hashes: set[str]) -> set[str]:
        """Those hashes whose contents the server has."""
        known: set[str] = set()
        ordered = sorted(hashes)
        for first in range(0, len(ordered), _HASHES):
            known.update(await self._ask("images.internal.hashes.list", ordered[first : first + _HASHES], LIST))
        return known

    def _upload(self, task_id: int, files: Sequence[_File]) -> Request:
        parts: list[Part] = []
        for n, file in enumerate(files):
            about = msgspec.json.encode({"fullpath": file.name, "hash": file.hash})
            parts.append(Part(name=str(n), content=about))
            parts.append(Part(name=f"{n}-file", content=_content(file.path), filename=file.name))
        return Request(
            url=f"{self._api.base}tasks.files.bulk.upload",
            headers={"x-task-id": str(task_id)},  # the body does not say whose files they are
            parts=tuple(parts),
            is_repeatable=True,
            timeout=PAGE_TIMEOUT,
        )

    async def upload_dtl_archive(
        self, task_id: int, archive_path: str, progress_cb: Callable[[int], Any] | None = None
    ) -> Any:
        """Upload the archive of a transformation's result; `progress_cb` is called with its bytes at the end.

        Raises:
            InvalidArgument, InvalidType: the archive cannot be read; nothing was sent.
            TaskNotFound, AskError, AnswerError: it was not uploaded.

        **Source**: wire notes, section 9: a method of older servers [S].
        """
        id = arguments.whole("task_id", task_id)
        step = _stepper(progress_cb)
        path = arguments.text("archive_path", archive_path)
        content, name = _content(path, "archive_path"), os.path.basename(path)
        parts = (
            Part(name="id", content=str(id).encode()),
            Part(name="name", content=name.encode()),
            Part(name="archive", content=content, filename=name, content_type="application/x-tar"),
        )
        url = f"{self._api.base}tasks.upload.dtl_archive"
        upload = Request(url=url, parts=parts, is_repeatable=True, timeout=PAGE_TIMEOUT)
        answer = await self._api.transport.send(upload, wire.task_reader(ANYTHING, id))
        step(len(content))
        return answer

    async def get_import_files_list(self, id: int) -> Any:
        """The files that an import was given, as the server lists them.

        **Source**: wire notes, section 9: a method of older servers [S].
        """
        return await self._tell("tasks.import.files_list", id, {}, ANYTHING, name="id")

    async def download_import_file(self, id: int, file_path: str, save_path: str) -> None:
        """Save a file that an import was given. It passes through memory, and is at most 1 GiB large.

        Args:
            id: the task's id.
            file_path: the file's name in the task.
            save_path: where to put it: a name that does not exist, in a folder that does.

        Raises:
            InvalidArgument, InvalidType: nothing was sent.
            TaskNotFound: there is no such task or file.
            AskError, AnswerError: it could not be had. OSError: it could not be written. Nothing is left behind.

        **Source**: wire notes, section 9: a method of older servers [S].
        """
        task_id = arguments.whole("id", id)
        body = {"id": task_id, "filename": arguments.text("file_path", file_path)}
        target = _free(arguments.text("save_path", save_path))
        question = wire.request(
            self._api.base, "tasks.import.download_file", body, timeout=PAGE_TIMEOUT, answer_limit=DOWNLOAD_BYTES
        )
        _save(target, await self._api.transport.send(question, _bytes_of))


def _bytes_of(response: Response) -> bytes:
    wire.checked(response)
    return response.body


# --- local files --------------------------------------------------------------------------------------------


def _described(path: str, name: str) -> _File:
    """A file with the hash that Supervisely knows contents by: base64 of SHA-256 [S]."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except (OSError, ValueError) as error:
        raise _unreadable("abs_paths", path, error) from error
    return _File(path, name, base64.b64encode(digest.digest()).decode(), size)


def _content(path: str, argument: str = "abs_paths") -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise _unreadable(argument, path, error) from error


def _unreadable(argument: str, path: str, error: Exception) -> InvalidArgument:
    reason = getattr(error, "strerror", None) or "not a path"
    return InvalidArgument(f"{argument}: given {escaped(path, 80)!r}, which cannot be read ({escaped(reason, 80)})")


def _batches(files: Sequence[_File]) -> Iterator[list[_File]]:
    """Files that travel together: so many, and of so many bytes."""
    batch: list[_File] = []
    size = 0
    for file in files:
        if batch and (len(batch) == _FILES or size + file.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _free(path: str) -> str:
    """A path that nothing is at, in a folder that exists (B-13)."""
    folder = os.path.dirname(path) or "."
    if "\0" in path or not os.path.isdir(folder):
        raise InvalidArgument(f"save_path: given {escaped(path, 80)!r}, allowed: a name in a folder that exists")
    if os.path.lexists(path):
        raise InvalidArgument(f"save_path: given {escaped(path, 80)!r}, which exists, allowed: a name that is free")
    return path


def _save(path: str, content: bytes) -> None:
    """Write a file whole, or not at all."""
    part = f"{path}.part"
    try:
        with open(part, "xb") as file:
            file.write(content)
        os.replace(part, path)
    except FileExistsError:
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def _stepper(progress: Any) -> Callable[[int], Any]:
    """What is told of progress: a callable, or the `update` of a progress bar."""
    if progress is None:
        return lambda _: None
    told = getattr(progress, "update", progress)
    if not callable(told):
        raise InvalidType(f"progress_cb: given {type(progress).__name__}, allowed: something to call, or None")
    step: Callable[[int], Any] = told
    return step
