"""Workspaces: their tasks, and the tasks that copy them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import attrs

from aiotasks import InvalidType, TaskNotFound, refresh_all
from aiotasks.providers.deepint import wire
from aiotasks.providers.deepint.arguments import checked_flag, checked_id, checked_text
from aiotasks.providers.deepint.download import checked_target, download
from aiotasks.providers.deepint.info import TaskStatus
from aiotasks.providers.deepint.listing import TaskPages
from aiotasks.providers.deepint.sources import Source
from aiotasks.providers.deepint.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiotasks import Results
    from aiotasks.providers.deepint.client import Client

__all__ = ["Workspace", "WorkspaceTasks"]

PathLike: TypeAlias = str | os.PathLike[str]


@attrs.frozen(kw_only=True)
class Workspace:
    """A workspace of Deep Intelligence: `client.workspace(id)`. Nothing is asked before it is used."""

    client: Client = attrs.field(repr=False, eq=False)
    organization_id: str
    workspace_id: str

    @property
    def tasks(self) -> WorkspaceTasks:
        """Its tasks."""
        return WorkspaceTasks(self)

    @property
    def url(self) -> str:
        """Where it is in the API."""
        return self.client.account.origin + wire.workspace_path(self.workspace_id)

    def source(self, source_id: str) -> Source:
        """The source of that id. Nothing is asked: whether there is one shows at its first use."""
        return Source(workspace=self, source_id=checked_id("source_id", source_id))

    @overload
    async def clone(self, name: str | None = None, *, wait_for_creation: Literal[True] = True) -> Workspace: ...
    @overload
    async def clone(self, name: str | None = None, *, wait_for_creation: Literal[False]) -> Task: ...
    @overload
    async def clone(self, name: str | None = None, *, wait_for_creation: bool) -> Workspace | Task: ...
    async def clone(self, name: str | None = None, *, wait_for_creation: bool = True) -> Workspace | Task:
        """Start a copy of the workspace, and wait for it.

        Args:
            name: its name; None is `Copy of <this one's name>`.
            wait_for_creation: False gives the task at once, and not the workspace; that is `task.workspace_id`.

        Returns:
            the new workspace, or the task that makes it.

        Raises:
            DeepintTaskError: it failed.
            DeepintHTTPError: the service refuses, or knows no such workspace.
            SubmitUnknown: it may or may not have been started; it was not asked for twice.
            InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.

        Cancellation: ends the wait; the copy goes on.

        **Source**: wire notes, section 5 [V].
        """
        checked_flag("wait_for_creation", wait_for_creation)
        title = f"Copy of {await self._name()}" if name is None else checked_text("name", name)
        task = await self._start("clone", {"name": title})
        if not wait_for_creation:
            return task
        await task.resolve()
        return attrs.evolve(self, workspace_id=task.workspace_id)

    @overload
    async def export(
        self, folder_path: PathLike = ".", wait_for_download: Literal[True] = True, task: Task | None = None
    ) -> str: ...
    @overload
    async def export(
        self, folder_path: PathLike = ".", *, wait_for_download: Literal[False], task: None = None
    ) -> Task: ...
    @overload
    async def export(
        self, folder_path: PathLike = ".", wait_for_download: bool = True, task: Task | None = None
    ) -> str | Task: ...
    async def export(
        self, folder_path: PathLike = ".", wait_for_download: bool = True, task: Task | None = None
    ) -> str | Task:
        """Start an export of the workspace; wait for it, and download its ZIP.

        Args:
            folder_path: an existing folder, for `<workspace id>.zip`, which must not exist yet.
            wait_for_download: False gives the task at once, and downloads nothing.
            task: an export that was started before: nothing is started, that one is downloaded.

        Returns:
            the file's absolute path, or the task.

        Raises:
            InvalidArgument, InvalidType: an argument that is not allowed, or the file exists; nothing was sent.
            DeepintTaskError: the export failed.
            ResultError: the export is done and there is no file to be had.
            SubmitUnknown: it may or may not have been started; it was not asked for twice.
            AskError, AnswerError: the file could not be downloaded; no part of it is left.

        Cancellation: ends the wait; the export goes on, and no part of a file is left.

        **Source**: wire notes, section 5: the task [V], the download [R].
        """
        checked_flag("wait_for_download", wait_for_download)
        if task is not None and not isinstance(task, Task):
            raise InvalidType(f"task: given {type(task).__name__}, allowed: a Task of deepint, or None")
        if task is None and not wait_for_download:
            return await self._start("export")
        target = checked_target(folder_path, f"{self.workspace_id}.zip")
        started = await self._start("export") if task is None else task
        await started.resolve()
        await download(started, target)
        return str(target)

    # --- how a task starts ------------------------------------------------------------------------------

    async def _start(self, call: str, fields: dict[str, str] | None = None) -> Task:
        order = wire.request("POST", f"{self.url}/{call}", self.organization_id, fields)
        return self.started(await self.client.transport.send(order, wire.started))

    def started(self, answer: wire.Started) -> Task:
        """The handle on a task that was started just now. It is not asked about yet."""
        source = self.client.statuses(self.organization_id, answer.workspace_id or self.workspace_id)
        return self.client.open_task(Task, answer.task_id, source, submitted=True)

    async def _name(self) -> str:
        question = wire.request("GET", self.url, self.organization_id, is_repeatable=True)
        row = await self.client.transport.send(question, lambda answer: wire.document(answer, wire.WORKSPACE))
        return row.name or self.workspace_id


@attrs.frozen
class WorkspaceTasks:
    """The tasks of a workspace. Nothing is kept: each use reads anew, so `force_reload` changes nothing."""

    workspace: Workspace

    def fetch_all(self, force_reload: bool = False) -> Results[Task]:
        """All tasks, fetched page by page when asked for; the SDK asks for each task besides.

        Returns:
            `Results` of tasks, in the server's order, each once, even if new ones shift the pages while they are
            read. A task of which the list tells too little is looked up, as `load` does; one that is gone by then is
            left out.

        Raises, when used:
            ResultError: a page cannot be had.
            AskError, AnswerError: a task could not be looked up.

        **Source**: wire notes, section 4: pages [V]; that items carry a status [I].
        """
        checked_flag("force_reload", force_reload)
        return self._those(lambda task: True)

    def fetch_by_status(self, status: TaskStatus, force_reload: bool = False) -> Results[Task]:
        """The tasks in that status, out of all: the service has no filter. Otherwise as `fetch_all`.

        Raises:
            InvalidType: the status is none.
        """
        checked_flag("force_reload", force_reload)
        if not isinstance(status, TaskStatus):
            raise InvalidType(f"status: given {type(status).__name__}, allowed: a TaskStatus")
        return self._those(lambda task: task.info.status is status)

    async def fetch(
        self, task_id: str | None = None, name: str | None = None, force_reload: bool = False
    ) -> Task | None:
        """The first task of that id or name; None if there is none, or neither was given.

        By id it costs one query, as `Task.build`; by name the list is read until the name turns up.

        Raises:
            InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.
            ResultError, AskError, AnswerError: it could not be looked for.

        **Source**: wire notes, section 4 [V].
        """
        checked_flag("force_reload", force_reload)
        wanted = None if name is None else checked_text("name", name)
        if task_id is not None:
            workspace = self.workspace
            try:
                return await workspace.client.find(workspace.organization_id, workspace.workspace_id, task_id)
            except TaskNotFound:
                pass
        if wanted is not None:
            async with self._those(lambda task: task.info.name == wanted).pages(prefetch=0) as pages:
                async for page in pages:
                    return page.rows[0]
        return None

    # --- how the list is read -----------------------------------------------------------------------------

    def _those(self, is_wanted: Callable[[Task], bool]) -> Results[Task]:
        workspace = self.workspace

        async def open() -> TaskPages:
            return TaskPages(
                origin=workspace.client.account.origin,
                organization_id=workspace.organization_id,
                workspace_id=workspace.workspace_id,
            )

        async def finish(rows: Sequence[wire.TaskRow]) -> list[Task]:
            return [task for task in await self._tasks(rows) if is_wanted(task)]

        return workspace.client.results(open, key=lambda row: row.id, finish=finish)

    async def _tasks(self, rows: Sequence[wire.TaskRow]) -> list[Task]:
        """The tasks of these rows, each heard of; whether items carry a status is seen from each of them."""
        workspace = self.workspace
        source = workspace.client.statuses(workspace.organization_id, workspace.workspace_id)
        tasks = [
            workspace.client.open_task(Task, row.id, source, wire.observed(row) if row.is_whole else None)
            for row in rows
        ]
        unheard = await refresh_all([task for task in tasks if task.observed_at is None])
        for task in unheard:
            if task.last_error is not None and not isinstance(task.last_error, TaskNotFound):
                raise task.last_error.fresh()
        return [task for task in tasks if task.observed_at is not None]
