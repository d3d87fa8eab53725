"""What all of Labelbox's tasks have, under the names of its SDK; `kinds` has those of one type.

Where the SDK's behaviour is a fault, these differ: an empty result is an empty list, never None; a job that failed is
a `TaskFailed`, never a bare `ValueError`; CANCELLING and words nobody knows are not the end; a wait whose time is up
raises; and what downloads rows is awaited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from aiotasks import (
    AiotasksError,
    NotSupported,
    PermissionDenied,
    QueryRefused,
    Request,
    ResultError,
    Results,
    State,
    TaskNotFound,
    escaped,
)
from aiotasks import Task as BaseTask
from aiotasks.limits import PAGE_BYTES, PAGE_TIMEOUT
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.graphql import PLATFORM
from aiotasks.providers.labelbox.held import NOWHERE, HeldRows
from aiotasks.providers.labelbox.pages import (
    LegacyFile,
    created,
    failures,
    read_legacy_file,
    results,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from aiotasks import JobError
    from aiotasks.providers.labelbox.client import Client
    from aiotasks.providers.labelbox.people import Organization, User
    from aiotasks.providers.labelbox.source import TaskStatuses

__all__ = ["Task"]


class Task(BaseTask):
    """A job of Labelbox's. What its fields say is what was last heard; None before anything was.

    Rows come as `Results`: nothing is fetched before they are awaited or iterated, each use fetches anew, and the
    first use waits for the job's end.
    """

    __slots__ = ()

    #: The type of all tasks of this class, where they have one.
    one_type: ClassVar[str | None] = None

    client: Client
    source: TaskStatuses
    details: wire.TaskRow | None

    # --- fields (wire notes, section 5) -------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """The task's id."""
        uid: str = self.id
        return uid

    @property
    def name(self) -> str | None:
        """The name that its creator, or the server, gave it."""
        return self._text("name")

    @property
    def type(self) -> str | None:
        """What kind of job it is, in kebab case, as in `adv-upsert-data-rows`."""
        return self._text("type") or self.one_type

    @property
    def metadata(self) -> Any:
        """Whatever JSON the server keeps with it."""
        return None if self.details is None else self.details.metadata

    @property
    def completion_percentage(self) -> float | None:
        """Percent, 0 to 100; the same as `progress`."""
        return self.progress

    @property
    def created_at(self) -> datetime | None:
        """When it was created: aware, UTC."""
        return None if self.details is None else wire.moment(self.details.created)

    @property
    def updated_at(self) -> datetime | None:
        """When it last changed, at the last observed change of its status: aware, UTC."""
        return None if self.details is None else wire.moment(self.details.updated)

    @property
    def status_as_enum(self) -> wire.TaskStatus:
        """The status as a member of `TaskStatus`; `Unknown` for any other word."""
        return wire.TaskStatus((self.word or "").upper())

    @property
    def result_url(self) -> str | None:
        """Where the result file is, for a while; for some failed types the error itself as JSON text."""
        return self._text("result")

    @property
    def errors_url(self) -> str | None:
        """Where the file of errors is, for a while. Imports have both in one file, as in the SDK."""
        return self.result_url if self.is_creation_task() else self._text("errors")

    def is_creation_task(self) -> bool:
        """Whether it imports data rows."""
        return self.name == wire.LEGACY_IMPORT or self.type == wire.UPSERT

    def _text(self, field: str) -> str | None:
        value = getattr(self.details, field, None)
        return value if isinstance(value, str) else None

    async def created_by(self) -> User:
        """The user who created it: the owner of the API key, since Labelbox shows tasks to their creators alone."""
        return await self.client.get_user()

    async def organization(self) -> Organization:
        """The organisation that it belongs to: that of the API key."""
        return await self.client.get_organization()

    # --- waiting ----------------------------------------------------------------------------------------

    async def wait_until_done(self, timeout_seconds: float | None = 300.0, check_frequency: float = 2.0) -> None:
        """`wait_till_done` by its older name."""
        await self.wait_till_done(timeout_seconds, check_frequency)

    # --- rows -------------------------------------------------------------------------------------------

    @property
    def result(self) -> Results[Any]:
        """The created rows of an old import, each `{"id", "external_id", "row_data", "global_key"}`.

        Raises, when used:
            TaskFailed: the job failed, with the server's errors in `details`.
            NotSupported: jobs of this type have no rows; what they have is at `result_url`.
            ResultError: the result is not there, or cannot be had.
        """
        return self._held(self._results)

    @property
    def errors(self) -> Results[Any]:
        """What went wrong: failed rows of an import, or the errors of a job that failed. Empty if nothing did.

        Rows of an old import that completed are `{"message", "failedDataRows": [...]}`; otherwise they are what
        the server says, of any shape. Jobs of types that keep no errors have none.
        """
        return self._held(self._errors)

    @property
    def created_data_rows(self) -> Results[Any]:
        """The created rows of an old import as its file has them, in camelCase. None were if it failed."""
        return self._held(self._created)

    @property
    def failed_data_rows(self) -> Results[Any]:
        """The failed rows of an old import: `errors`."""
        return self.errors

    async def has_errors(self) -> bool:
        """Whether the job failed, or rows of it did; waits for its end. The SDK says no to some failed imports."""
        await self._end()
        return self.state is State.FAILED or (self.is_creation_task() and bool(await self._errors()))

    def _held(self, get: Callable[[], Awaitable[Sequence[Any]]]) -> Results[Any]:
        async def open() -> HeldRows[Any]:
            return HeldRows(await get())

        return Results(NOWHERE, lambda work: self.client.scheduler.spawn(work), open)

    async def _end(self) -> None:
        if not self.is_done:
            await self.wait_till_done(timeout_seconds=None)

    async def _end_unfailed(self) -> None:
        await self._end()
        if self.state is State.FAILED and (verdict := await self.verdict()) is not None:
            raise verdict

    async def _results(self) -> Sequence[Any]:
        await self._end_unfailed()
        if not self.is_creation_task():
            raise NotSupported(
                f"labelbox task {self.id}: type {escaped(self.type, 40)!r} has no rows; what it has is at result_url",
                platform=PLATFORM,
                task_id=self.id,
            )
        return results(await self._file())

    async def _created(self) -> Sequence[Any]:
        await self._end()
        return created(await self._file()) if self.is_creation_task() else ()

    async def _errors(self) -> Sequence[Any]:
        await self._end()
        if self.is_creation_task():
            return failures(await self._file())
        if self.state is State.FAILED and self.type in wire.EMBEDDED_RESULT:
            return _embedded(self.result_url)
        return ()

    async def _file(self) -> LegacyFile:
        """The result file. A URL that has expired is asked for anew, by a look at the task (F-29)."""
        try:
            return await self._download(self)
        except (PermissionDenied, QueryRefused, TaskNotFound, ResultError):
            fresh = await self.client.get_task_by_id(self.uid)
            if fresh.result_url in (None, self.result_url):
                raise
        return await self._download(fresh)

    async def _download(self, task: Task) -> LegacyFile:
        if task.result_url is None:
            if task.state is State.CANCELLED:
                return LegacyFile()  # it was stopped before there was anything
            raise ResultError(
                f"labelbox task {self.id} is done, and names no result file", platform=PLATFORM, task_id=self.id
            )
        request = Request(
            method="GET",
            url=task.result_url,
            is_foreign=True,
            is_repeatable=True,
            timeout=PAGE_TIMEOUT,
            answer_limit=PAGE_BYTES,
        )
        return await self.client.transport.send(request, read_legacy_file)

    # --- what the library asks of a task --------------------------------------------------------------------

    def token_details(self) -> Mapping[str, Any]:
        """Whose task it is and of which type: enough to ask about it elsewhere."""
        return {"user": self.source.user_id, "type": self.type}

    async def verdict(self) -> JobError | None:
        """The error of a job that ended badly; of one that failed, with the server's errors in `details`.

        `details` is a list of what `errors` gives, of an import at most the first 5,000. It is None when the errors
        themselves cannot be had: that the job failed is no less true.
        """
        verdict = await super().verdict()
        if verdict is None or self.state is not State.FAILED:
            return verdict
        try:
            verdict.details = await self._reasons()
        except AiotasksError as error:
            verdict.__cause__ = error
            verdict.details = None
        return verdict

    async def _reasons(self) -> Sequence[Any]:
        return list(await self._errors())


def _embedded(text: str | None) -> list[Any]:
    """The error inside of `result`, as a list; text that is no JSON is the error itself."""
    if text is None:
        return []
    try:
        error = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return [text]
    return error if isinstance(error, list) else [error]
