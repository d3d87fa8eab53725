"""Tasks looked up, listed and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiotasks import InvalidArgument, InvalidType, TaskNotFound, WaitTimeout
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import Calls
from aiotasks.providers.supervisely.listing import ByPage, ByToken, matches, named_ids
from aiotasks.providers.supervisely.task import Task
from aiotasks.providers.supervisely.wire import Status, TaskFinishedWithError, TaskInfo, WaitingTimeExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

__all__ = ["Reading"]


class Reading(Calls):
    """The methods of `TaskApi` that read. All durations are seconds."""

    #: Checks of one `wait`, at most. As in the SDK.
    MAX_WAIT_ATTEMPTS: Final = 999
    #: Seconds between two checks of one `wait`. The SDK's 1 is below the floor of two seconds.
    WAIT_ATTEMPT_TIMEOUT_SEC: Final = 2

    # --- one task -------------------------------------------------------------------------------------------

    def open(self, id: int, workspace_id: int | None = None) -> Task:
        """The awaitable handle on a task. Sends nothing; opened again while it is waited for, it is the same object.

        Args:
            id: the task's id.
            workspace_id: the workspace it is in, if you know it. Tasks of known workspaces are asked about together,
                up to 500 in a request; others one by one. This client remembers it of tasks that it started, listed,
                or looked up.
        """
        arguments.whole("id", id)
        if arguments.optional_whole("workspace_id", workspace_id) is not None:
            self._api.remember(id, workspace_id)
        return self._api.opened(id)

    async def get_info_by_id(self, id: int) -> TaskInfo | None:
        """All that Supervisely tells of a task, after one fresh status; None if there is no such task.

        It keeps the two seconds between two questions about one task: calls at the same time share one question, and
        a call soon after another waits. While the task is being waited for together with others, the answer is that
        of a list, and lacks `agentId`, `settings` and the like.

        Raises:
            InvalidArgument, InvalidType: not an id; nothing was sent.
            AskError, AnswerError: it could not be asked about.

        **Source**: wire notes, section 6 [R].
        """
        try:
            return (await self._looked_up(arguments.whole("id", id))).info
        except TaskNotFound:
            return None

    async def _looked_up(self, id: int) -> Task:
        """The task after one fresh status that tells its workspace."""
        task = await self._api.find_task(id, self._api.statuses_of(None), _kind)
        if task.workspace_id is not None:
            self._api.remember(id, task.workspace_id)
        return task

    async def get_status(self, task_id: int) -> Status | str:
        """The status of a task, after one fresh answer; a word that this library does not know as it is.

        Calls for many tasks of known workspaces share requests, as waits do.

        Raises:
            TaskNotFound: there is no such task (the SDK dies of a `TypeError`).
            InvalidArgument, InvalidType, AskError, AnswerError: as for `get_info_by_id`.
        """
        id = arguments.whole("task_id", task_id)
        source = self._api.statuses(id)
        task = await (self._looked_up(id) if source.workspace_id is None else self._api.find_task(id, source, _kind))
        return _status(task.status)

    def raise_for_status(self, status: Status | str) -> None:
        """Raise `TaskFinishedWithError` if `status` is `error`; return for any other."""
        if arguments.text("status", status) == Status.ERROR:
            raise TaskFinishedWithError("Task finished with status error", status=status, platform=wire.PLATFORM)

    async def get_context(self, id: int) -> dict[str, Any]:
        """Team and workspace of a task: `{"team": {"id", "name"}, "workspace": {"id", "name"}}`.

        Raises:
            TaskNotFound: there is no such task.
            InvalidArgument, InvalidType, AskError, AnswerError: as for `get_info_by_id`.
        """
        context: dict[str, Any] = await self._tell("GetTaskContext", id, {}, name="id")
        return context

    # --- waiting --------------------------------------------------------------------------------------------

    async def wait(
        self,
        id: int,
        target_status: Status | str,
        wait_attempts: int | None = None,
        wait_attempt_timeout_sec: float | None = None,
    ) -> bool:
        """Wait until a task has a status, or is settled in another one.

        Args:
            id: the task's id.
            target_status: one of the eight, as a member or as text.
            wait_attempts: checks at most, at least 1; None is `MAX_WAIT_ATTEMPTS`.
            wait_attempt_timeout_sec: seconds between two checks, at least 2; None is `WAIT_ATTEMPT_TIMEOUT_SEC`.
                The two multiplied are the deadline, however slow the server.

        Returns:
            True at the target; False at another settled status: `finished`, `stopped` or `deployed`. The SDK says
            None for both. It does not say that the target was never reached: between two checks a task may pass it.

        Raises:
            TaskFinishedWithError: the task ended in `error`, unless that is the target.
            WaitingTimeExceeded: the deadline has come; the task goes on.
            TaskNotFound: there is no such task.
            InvalidArgument, InvalidType: nothing was sent.

        Cancellation: ends this wait alone.

        **Source**: wire notes, section 5 [R].
        """
        target = arguments.status("target_status", target_status)
        attempts = arguments.optional_whole("wait_attempts", wait_attempts) or self.MAX_WAIT_ATTEMPTS
        interval = self.WAIT_ATTEMPT_TIMEOUT_SEC if wait_attempt_timeout_sec is None else wait_attempt_timeout_sec
        _check_interval(interval)
        task = self.open(id)
        try:
            word = await self._reached(task, target, attempts * interval, interval)
        except WaitTimeout as error:
            raise _exceeded(error, attempts, interval) from None
        if word == target:
            return True
        if word == Status.ERROR:
            raise TaskFinishedWithError(
                f"Task {id} finished with status error", status=word, platform=wire.PLATFORM, task_id=id
            )
        return False

    async def _reached(self, task: Task, target: Status, timeout: float, interval: float) -> str | None:
        """The word at which a wait ends."""
        if task.workspace_id is None:
            # The first answer tells the workspace; from then on it is asked about with its neighbours.
            now = self._api.enter().now
            deadline = now() + timeout
            word = await task.wait_for(*Status, timeout_seconds=timeout, check_frequency=interval)
            if task.is_done or word in (target, Status.DEPLOYED):
                return word
            task, timeout = self._placed(task), max(0.0, deadline - now())
        return await task.wait_for(target, Status.DEPLOYED, timeout_seconds=timeout, check_frequency=interval)

    def _placed(self, task: Task) -> Task:
        """The handle that is asked about with its neighbours, now that the workspace is known."""
        if task.workspace_id is None:
            return task
        self._api.remember(task.id, task.workspace_id)
        return Task(self._api, task.id, self._api.statuses(task.id), task.snapshot())

    # --- lists ----------------------------------------------------------------------------------------------

    async def get_list(self, workspace_id: int, filters: Sequence[Mapping[str, Any]] | None = None) -> list[TaskInfo]:
        """The tasks of a workspace, ordered by id.

        Args:
            workspace_id: the workspace's id.
            filters: conditions that must all hold, each `{"field": "id", "type" or "status", "operator": "=", "eq",
                "!=", "not", "in" or "!in", "value": ...}`, the value a list for `in` and `!in`. None is none.

        Returns:
            list of the tasks; empty if there are none. Filters that name ids are answered by the scheduler, which
            keeps the two seconds between two questions about one task; an id that does not exist then costs seconds.

        Raises:
            ResourceNotFoundError: there is no such workspace.
            InvalidArgument, InvalidType: nothing was sent.
            AskError, AnswerError: it could not be asked about.

        **Source**: wire notes, section 4 [R, D].
        """
        arguments.whole("workspace_id", workspace_id)
        conditions = arguments.conditions(filters)
        ids = named_ids(conditions)
        if ids is None:
            rows = await self._listed("tasks.list", {"workspaceId": workspace_id, "filter": conditions})
            infos = [TaskInfo(row) for row in rows]
        else:
            found = [info for info in await self._named(workspace_id, ids) if matches(info, conditions)]
            infos = sorted(found, key=lambda info: info.id)
        for info in infos:
            self._api.remember(info.id, workspace_id)
        return infos

    async def _named(self, workspace_id: int, ids: Sequence[int]) -> list[TaskInfo]:
        """Those of some tasks that are in a workspace, after one fresh status of each."""
        source = self._api.statuses_of(workspace_id)

        async def look(id: int) -> TaskInfo | None:
            try:
                task = await self._api.find_task(id, source, _kind)
            except TaskNotFound:
                return None
            return task.info if task.workspace_id == workspace_id else None

        spawn = self._api.enter().spawn
        looks = [spawn(look(id)) for id in ids]
        try:
            infos = [await each for each in looks]
        finally:
            for each in looks:
                each.cancel()
        return [info for info in infos if info is not None]

    async def get_list_all_pages(
        self,
        method: str,
        data: Mapping[str, Any],
        progress_cb: Callable[[int], Any] | None = None,
        convert_json_info_cb: Callable[[Any], Any] | None = None,
        limit: int | None = None,
        return_first_response: bool = False,  # the SDK's signature
    ) -> Any:
        """All entities of a list, of any method that pages.

        This sends what you say, when you say it: a filter that names tasks is not held to the two seconds.

        Args:
            method: the wire method, such as `tasks.list`.
            data: the body; ordered by id unless it has a `sort`. It is not changed.
            progress_cb: called with the number of new entities of each page.
            convert_json_info_cb: makes what is returned of each entity; None leaves the JSON object.
            limit: entities at most; no page beyond is read (the SDK reads one).
            return_first_response: whether to give the first answer too.

        Returns:
            list of entities; with `return_first_response` a tuple of it and the first answer's JSON object.

        Raises:
            PaginationError: the list never ends. Tasks that come and go meanwhile are no error (the SDK raises).
            InvalidArgument, InvalidType: nothing was sent.
            AskError, AnswerError: a page could not be had.

        **Source**: wire notes, section 3 [R].
        """
        arguments.text("method", method)
        body = arguments.mapping("data", data)
        arguments.optional_whole("limit", limit)
        _check_callable("progress_cb", progress_cb)
        _check_callable("convert_json_info_cb", convert_json_info_cb)
        first: list[dict[str, Any]] = []
        rows = await self._listed(method, body, progress_cb, limit, first)
        entities = rows if convert_json_info_cb is None else [convert_json_info_cb(row) for row in rows]
        return (entities, first[0]) if return_first_response else entities

    async def _listed(
        self,
        method: str,
        data: Mapping[str, Any],
        progress_cb: Callable[[int], Any] | None = None,
        limit: int | None = None,
        first: list[dict[str, Any]] | None = None,
    ) -> list[Any]:
        """All rows of a list; its first answer is put into `first`."""
        walk, rows = ByPage(data), list[Any]()
        while walk.body is not None and (limit is None or len(rows) < limit):
            answer = await self._ask(method, walk.body)
            if first is not None and not first:
                first.append(answer)
            found = walk.take(answer)
            rows += found
            if progress_cb is not None:
                progress_cb(len(found))
        return rows if limit is None else rows[:limit]

    async def get_list_all_pages_generator(
        self,
        method: str,
        data: Mapping[str, Any],
        progress_cb: Callable[[int], Any] | None = None,
        convert_json_info_cb: Callable[[Any], Any] | None = None,
        limit: int | None = None,
        return_first_response: bool = False,  # the SDK's signature
    ) -> AsyncIterator[list[Any]]:
        """The entities of a list page by page, as lists; a page is asked for when the one before was used.

        Arguments and errors are those of `get_list_all_pages`; `return_first_response` does nothing, as in the SDK.
        `"pagination_mode": "token"` is added to the body, which in the SDK is the caller's to do.
        """
        arguments.text("method", method)
        walk = ByToken(arguments.mapping("data", data))
        left = arguments.optional_whole("limit", limit)
        _check_callable("progress_cb", progress_cb)
        _check_callable("convert_json_info_cb", convert_json_info_cb)
        while walk.body is not None and left != 0:
            rows = walk.take(await self._ask(method, walk.body))[:left]
            left = None if left is None else left - len(rows)
            if progress_cb is not None:
                progress_cb(len(rows))
            if rows:
                yield rows if convert_json_info_cb is None else [convert_json_info_cb(row) for row in rows]

    @staticmethod
    def info_sequence() -> list[str]:
        """The keys of a task's info, in the order of the SDK's documentation (the SDK raises)."""
        return list(wire.INFO_KEYS)

    @staticmethod
    def info_tuple_name() -> str:
        """The name of the type that holds a task's info (the SDK raises)."""
        return TaskInfo.__name__


def _kind(_: object) -> type[Task]:
    return Task


def _status(word: str | None) -> Status | str:
    try:
        return Status(word or "")
    except ValueError:
        return word or ""


def _check_interval(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidType(f"wait_attempt_timeout_sec: given {value!r}, allowed: a number of at least 2")
    if not 2 <= value <= 86_400:
        raise InvalidArgument(f"wait_attempt_timeout_sec: given {value!r}, allowed: 2 to 86400 seconds")


def _check_callable(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: something to call, or None")


def _exceeded(error: WaitTimeout, attempts: int, interval: float) -> WaitingTimeExceeded:
    return WaitingTimeExceeded(
        f"Waiting time exceeded: {attempts} attempts, {attempts * interval:g} s; {error}",
        timeout_seconds=attempts * interval,
        status=error.status,
        age=error.age,
        last_error=error.last_error,
        token=error.token,
        pending=error.pending,
        platform=error.platform,
        task_id=error.task_id,
    )
