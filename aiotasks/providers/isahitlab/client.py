"""What users call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from aiotasks import (
    Account,
    AiotasksError,
    AuthError,
    BaseClient,
    InvalidArgument,
    Secret,
    ServerError,
    checked_id,
    checked_origin,
)
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.arguments import (
    checked_choice,
    checked_flag,
    checked_ids,
    checked_key,
    checked_texts,
)
from aiotasks.providers.isahitlab.changing import checked_properties, redo_or_review, update_properties
from aiotasks.providers.isahitlab.creating import Creation, refuse_duplicates, taken_names
from aiotasks.providers.isahitlab.exporting import EXPORT_FIELDS, export_of
from aiotasks.providers.isahitlab.fitting import drafted, fitted, need_checker
from aiotasks.providers.isahitlab.formats.kili import kili_format
from aiotasks.providers.isahitlab.formats.lab import lab_format
from aiotasks.providers.isahitlab.formats.project import tool_of
from aiotasks.providers.isahitlab.http import PLATFORM, ApiNotFound, Endpoint, named, reader
from aiotasks.providers.isahitlab.listing import TaskFilter, TaskPages, task_filter
from aiotasks.providers.isahitlab.login import Login
from aiotasks.providers.isahitlab.progress import bar
from aiotasks.providers.isahitlab.source import TaskStatuses
from aiotasks.providers.isahitlab.task import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from aiotasks import Request, Response, Results, Scheduler, TaskRef

__all__ = ["IsahitLab"]

T = TypeVar("T")
Row = dict[str, Any]

ENDPOINT: Final = "https://hub-api.isahit.com/"


class IsahitLab(BaseClient):
    """A client of isahit lab, with the methods of its SDK for tasks.

    An async context manager; `aclose()` does the same. Constructing it needs no running event loop and sends
    nothing; the first request logs in. All its tasks of one event loop share one scheduler with those of all other
    clients.

        async with IsahitLab(access_id, secret_key) as lab:
            created = await lab.create_tasks(project_id, batch_id, [{"name": "1.jpg", "resources": ["./1.jpg"]}])
            tasks = lab.open_tasks(project_id, [task["_id"] for task in created])
            async for task in aiotasks.as_completed(tasks):
                print(task.name, await task.result)

    Every method raises, besides what it says:
        InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.
        AuthenticationFailed, ApiForbidden, ApiNotFound, ApiBadRequest, InternalServerError: as in the SDK.
        AskError, AnswerError: isahit lab could not be asked, or its answer makes no sense.

    Args:
        access_id: None is that of the environment variable `ISAHIT_LAB_API_ACCESS_ID`, as in the SDK.
        secret_key: None is that of `ISAHIT_LAB_API_SECRET_KEY`.
        endpoint: the platform's base URL, None that of `ISAHIT_LAB_API_ENDPOINT` or production's; plain http for this
            machine alone.
        scheduler: what to wait by; None is the running loop's shared one.

    Raises:
        AuthenticationFailed: there is no access id or no secret key anywhere (it is an `InvalidArgument` as well).
        InvalidArgument, InvalidType: one of them is not allowed. Neither is shown.

    **Source**: wire notes, section 1 [V].
    """

    def __init__(
        self,
        access_id: str | None = None,
        secret_key: str | None = None,
        *,
        endpoint: str | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        id = access_id or os.environ.get("ISAHIT_LAB_API_ACCESS_ID")
        key = secret_key or os.environ.get("ISAHIT_LAB_API_SECRET_KEY")
        who = checked_key("access_id", "ISAHIT_LAB_API_ACCESS_ID", id)
        secret = checked_key("secret_key", "ISAHIT_LAB_API_SECRET_KEY", key)
        base = os.environ.get("ISAHIT_LAB_API_ENDPOINT", ENDPOINT) if endpoint is None else endpoint
        fingerprint = Secret(f"{who.reveal()} {secret.reveal()}").fingerprint()
        account = Account(platform=PLATFORM, origin=checked_origin(base), fingerprint=fingerprint)
        self.endpoint = Endpoint(base)
        self._login = Login(account, self.endpoint, who, secret)
        super().__init__(account=account, credential=self._login, scheduler=scheduler)

    @classmethod
    def from_env(cls, *, scheduler: Scheduler | None = None) -> Self:
        """The client that the environment describes: `ISAHIT_LAB_API_ACCESS_ID`, `_SECRET_KEY` and `_ENDPOINT`."""
        return cls(scheduler=scheduler)

    async def aclose(self) -> None:
        """End the waits on its tasks with `SchedulerClosed` and close its connections. Twice does nothing."""
        try:
            await super().aclose()
        finally:
            await self._login.aclose()

    # --- waiting ------------------------------------------------------------------------------------------

    def open_tasks(
        self, project_id: str, task_id_in: Iterable[str], status_in: Iterable[str] = ("complete", "reviewed")
    ) -> list[Task]:
        """Handles that can be awaited, one per id, in the order given; ids given twice count once. Sends nothing.

        Args:
            project_id: the project that all of them belong to.
            task_id_in: their ids.
            status_in: the statuses that end a wait on these handles. They are the handles' own: a task may be opened
                twice, for one who waits for its annotation and for one who waits for its review.
        """
        source = TaskStatuses(
            account=self.account, endpoint=self.endpoint, project_id=checked_id(project_id, "project_id")
        )
        words = frozenset(word.strip() for word in checked_texts("status_in", status_in))
        if not words:
            raise InvalidArgument("status_in: given none, allowed: at least one status")
        return [self._opened(id, source, words) for id in checked_ids("task_id_in", task_id_in)]

    def _opened(self, id: str, source: TaskStatuses, words: frozenset[str]) -> Task:
        task = self.open_task(Task, id, source)
        if task.end_words not in (words, frozenset()):
            task = Task(self, id, source, task.snapshot())  # somebody's handle, who waits for something else
        task.end_words = words
        return task

    def revive(self, ref: TaskRef) -> Task:
        """The task that a token tells of; `from_token` is what to call."""
        details: Mapping[str, Any] = ref.details
        (task,) = self.open_tasks(details.get("project"), [ref.id], details.get("until"))  # type: ignore[arg-type, list-item]
        return task

    # --- reading ------------------------------------------------------------------------------------------

    def tasks(
        self,
        project_id: str,
        batch_id_in: Sequence[str] | None = None,
        status_in: Sequence[str] | None = None,
        task_id_in: Sequence[str] | None = None,
        name_in: Sequence[str] | None = None,
        name_like: str | None = None,
        data: Mapping[str, str | float] | None = None,
        properties: Mapping[str, str | float] | None = None,
        created_at_gt: str | None = None,
        created_at_gte: str | None = None,
        created_at_lt: str | None = None,
        created_at_lte: str | None = None,
        updated_at_gt: str | None = None,
        updated_at_gte: str | None = None,
        updated_at_lt: str | None = None,
        updated_at_lte: str | None = None,
        optional_fields: Sequence[wire.TaskOptionalFields] | None = ("data",),
        disable_progress_bar: bool | None = False,
        compatibility_mode: wire.TaskCompatibilityMode | None = None,
        raw_data: bool | None = False,
        iterate: bool | None = False,
    ) -> Results[Row]:
        """The tasks of a project that meet all filters: `await` gives the list, `async for` one after the other.

        Lazy: nothing is sent before it is used. Ids and names beyond what one URL holds are asked for in several
        lists.

        Args:
            project_id: the project.
            batch_id_in, status_in, task_id_in, name_in: one of these.
            name_like: a regular expression, the server's.
            data, properties: fields that must have these values; a dot leads into what is nested.
            created_at_gt: later than this, as `2022-09-19 08:30:00`; `gte`, `lt`, `lte` and `updated_at_*` alike.
            optional_fields: what to get besides: `data`, `data.mask`, `jobs`, `jobs.history`, `metrics`,
                `lastAnnotator`. None and an empty list are nothing besides (the SDK crashes).
            disable_progress_bar: show no progress on stderr (it needs the extra `progress`).
            compatibility_mode: `lab` or `kili`; None is `lab`.
            raw_data: documents as they are, unless there is a `compatibility_mode`.
            iterate: as in the SDK it switches the progress bar off; what is returned can do both.

        **Source**: wire notes, sections 3 and 7 [V].
        """
        chosen = task_filter(project_id, locals())
        fields = tuple(
            checked_choice("optional_fields", field, get_args(wire.TaskOptionalFields))
            for field in checked_texts("optional_fields", optional_fields)
        )
        mode = None if checked_flag("raw_data", raw_data) else "lab"
        if compatibility_mode is not None:
            mode = checked_choice("compatibility_mode", compatibility_mode, get_args(wire.TaskCompatibilityMode))
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar) | checked_flag("iterate", iterate)
        return self._listed(chosen, fields, mode, is_silent=is_silent)

    def result_of(self, task: Task) -> Results[Row]:
        """The document of one task, once it is done; `Task.result` is what to call."""

        async def done() -> None:
            if not task.is_done:
                await task.wait_till_done(timeout_seconds=None)

        chosen = task_filter(task.project_id, {"task_id_in": [task.id]})
        return self._listed(chosen, ("data",), "lab", is_silent=True, before=done)

    def _listed(
        self,
        chosen: TaskFilter,
        fields: tuple[str, ...],
        mode: str | None,
        *,
        is_silent: bool,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Results[Row]:
        async def open() -> TaskPages[Row]:
            if before is not None:
                await before()
            shaped: Callable[[Row], Row] = dict
            if mode is not None:
                configuration = await self._configuration(chosen.project_id, is_silent=is_silent)
                with_annotator = "lastAnnotator" in fields
                shaped = lab_format(with_jobs="jobs" in fields, with_annotator=with_annotator)
                shaped = kili_format(tool_of(configuration)) if mode == "kili" else shaped
            return self._pages(chosen, fields, shaped, is_silent=is_silent)

        name = "id" if mode == "kili" else "_id"
        return self.results(open, key=lambda row: row.get(name) or object())

    def _pages(
        self, chosen: TaskFilter, fields: Sequence[str], shaped: Callable[[Row], T], *, is_silent: bool
    ) -> TaskPages[T]:
        asked = dict.fromkeys("jobs" if field == "lastAnnotator" else field for field in fields)
        shown = bar("Loading tasks... ", disabled=is_silent)
        return TaskPages(endpoint=self.endpoint, filter=chosen, fields=tuple(asked), shaped=shaped, bar=shown)

    async def export_tasks(
        self,
        project_id: str,
        format: wire.ExportFormat,
        output_folder: str | os.PathLike[str] | None = None,
        output_filename: str | None = None,
        in_memory: bool | None = False,
        options: Mapping[str, Any] | None = None,
        batch_id_in: Sequence[str] | None = None,
        status_in: Sequence[str] | None = None,
        task_id_in: Sequence[str] | None = None,
        name_in: Sequence[str] | None = None,
        name_like: str | None = None,
        created_at_gt: str | None = None,
        created_at_gte: str | None = None,
        created_at_lt: str | None = None,
        created_at_lte: str | None = None,
        updated_at_gt: str | None = None,
        updated_at_gte: str | None = None,
        updated_at_lt: str | None = None,
        updated_at_lte: str | None = None,
        disable_progress_bar: bool | None = False,
    ) -> list[Row] | Path | None:
        """Write tasks to a file, or a folder of masks, page by page.

        Args:
            project_id: the project; the filters are those of `tasks`.
            format: `lab`, `kili`, `yolo` (a zip) or `mask` (a folder).
            output_folder: a folder that is there; None is the present one.
            output_filename: a new name in it, with the format's extension; None makes one of format, project and
            time. in_memory: give the rows instead, for `lab` and `kili`.
            options: `input_id`, the input of a form that holds the image tool, for all but `lab`; for `mask`
                `replace_extension`, and `semantic_mapping`, a colour `[r, g, b]` per label id (it needs the extra
                `isahitlab-mask`).

        Returns:
            the path of what was written, None when there was no task to write; with `in_memory` a list of rows. Names
            of tasks that are no safe names of files are changed to such; the SDK makes folders of their slashes.

        Raises:
            ResultError: a page could not be had, or a task is not of the shape that is due; nothing is left on disk.
            NotSupported: an option needs a package that is not installed.
            FileExistsError: somebody else took the name meanwhile; theirs stays.

        Cancellation: nothing is left on disk.

        **Source**: wire notes, section 7 [V]; masks [V with the SDK's removed NumPy call mended].
        """
        chosen = task_filter(project_id, locals())
        export = export_of(
            chosen.project_id,
            format=format,
            folder=output_folder,
            name=output_filename,
            in_memory=in_memory,
            options=options,
        )
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar)
        configuration = await self._configuration(chosen.project_id, is_silent=is_silent)
        formatted = export.formatter(configuration)

        async def open() -> TaskPages[tuple[Any, Row]]:
            return self._pages(chosen, EXPORT_FIELDS, lambda task: (formatted(task), task), is_silent=is_silent)

        rows = self.results(open, key=lambda pair: pair[1].get("_id") or object())
        if export.in_memory:
            return [row for row, _ in await rows]
        async with rows.pages() as pages:
            page = await anext(pages, None)
            if page is None:
                return None
            with export.opened(configuration) as output:
                while page is not None:
                    for row, task in page.rows:
                        output.add(row, task)
                    page = await anext(pages, None)
        return export.folder / export.name

    # --- writing ------------------------------------------------------------------------------------------

    async def create_tasks(
        self,
        project_id: str,
        batch_id: str,
        tasks: Iterable[Mapping[str, Any]],
        disable_progress_bar: bool | None = False,
        disable_data_check: bool | None = False,
        disable_unicity_check: bool | None = False,
        raise_if_existing: bool | None = True,
        compatibility_mode: wire.TaskCompatibilityMode | None = None,
    ) -> list[Row]:
        """Create tasks in a batch. -> their documents, in the order given. What was given is never changed.

        Args:
            project_id, batch_id: where.
            tasks: mappings as `TaskPayload` describes them. Local files are uploaded, each read whole into memory.
            disable_progress_bar: show no progress on stderr.
            disable_data_check: do not check data by the project's schema, which needs the extra `isahitlab`.
            disable_unicity_check: take names that are in use, or given twice.
            raise_if_existing: False skips tasks whose name is in use in the batch, with a line in the log.
            compatibility_mode: `kili`: data is in the format of kili's labels.

        Raises:
            DuplicateNames: names that are in use, or given twice; nothing was created.
            ApiNotFound: no such project.
            PartlyDone: some were not created; `done` has the documents of those that were. Of one whose error is a
                `SubmitUnknown` nobody knows.
            NotSupported: `jsonschema` is not installed; nothing was sent.

        Cancellation: tasks created by then stay.

        **Source**: wire notes, sections 4 and 5 [V]; `kili` [R].
        """
        project, batch = checked_id(project_id, "project_id"), checked_id(batch_id, "batch_id")
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar)
        is_checked = not checked_flag("disable_data_check", disable_data_check)
        is_unique = not checked_flag("disable_unicity_check", disable_unicity_check)
        is_strict = checked_flag("raise_if_existing", raise_if_existing)
        modes = get_args(wire.TaskCompatibilityMode)
        is_kili = (
            compatibility_mode is not None
            and checked_choice("compatibility_mode", compatibility_mode, modes) == "kili"
        )
        drafts = await drafted(self, tasks)
        if is_checked:
            need_checker(drafts)
        names = [each.name for each in drafts]
        if is_unique:
            refuse_duplicates(names)
        if not drafts:
            return []
        await self._find_project(project)
        configuration = await self._configuration(project, is_silent=True)
        drafts = await fitted(self, drafts, configuration, is_kili=is_kili, is_checked=is_checked)
        if is_unique:
            taken = await taken_names(self, batch, names, raise_if_existing=is_strict)
            drafts = [each for each in drafts if each.name not in taken]
        return await Creation(client=self, batch_id=batch, disable_progress_bar=is_silent).create(drafts)

    async def _find_project(self, project_id: str) -> None:
        query = [("pagination", "true"), ("page", "1"), ("limit", "10"), ("ids", project_id)]
        found = await self.ask(self.endpoint.get(wire.PROJECTS, query=query), reader(wire.DOCUMENT_PAGE))
        if not found.docs:
            raise ApiNotFound(f"isahitlab: no project {project_id}", platform=PLATFORM)

    async def send_tasks_to_redo(
        self,
        project_id: str,
        task_id_in: Iterable[str],
        reset: bool | None = False,
        disable_progress_bar: bool | None = False,
    ) -> int:
        """Have tasks annotated again. -> how many were sent. They can be awaited again.

        Args:
            project_id: the project that they belong to.
            task_id_in: their ids; ids given twice count once.
            reset: begin with the initial data, not with what annotators made of it.
            disable_progress_bar: show no progress on stderr.

        Raises:
            PartlyDone: some were not sent; `failures` has why. Where one task was meant, its own error.

        **Source**: wire notes, section 6 [V].
        """
        project, ids = checked_id(project_id, "project_id"), checked_ids("task_id_in", task_id_in)
        keeps = "false" if checked_flag("reset", reset) else "true"
        query = [("projectId", project), ("keepState", keeps)]
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar)

        def request(id: str) -> Request:
            return self.endpoint.patch(self.endpoint.url(wire.RESET, id, query=query))

        return await redo_or_review(self, ids, request, "Sending tasks to redo... ", is_silent=is_silent)

    async def send_tasks_to_review(
        self, project_id: str, task_id_in: Iterable[str], disable_progress_bar: bool | None = False
    ) -> int:
        """Have tasks reviewed. Arguments, answer and errors as for `send_tasks_to_redo`."""
        project, ids = checked_id(project_id, "project_id"), checked_ids("task_id_in", task_id_in)
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar)

        def request(id: str) -> Request:
            return self.endpoint.patch(self.endpoint.url(wire.TO_REVIEW, id, query=[("projectId", project)]))

        return await redo_or_review(self, ids, request, "Sending tasks to review... ", is_silent=is_silent)

    async def update_properties_of_tasks(
        self,
        project_id: str,
        task_id_in: Iterable[str],
        properties: Mapping[str, Any],
        disable_progress_bar: bool | None = False,
    ) -> int:
        """Set properties of tasks: `score`, and the caller's own under `custom`. -> how many tasks were changed.

        Raises:
            PartlyDone: some were not changed; `failures` has why. Where one task was meant, its own error.

        **Source**: wire notes, section 6 [V].
        """
        project, ids = checked_id(project_id, "project_id"), checked_ids("task_id_in", task_id_in)
        given = checked_properties(properties)
        is_silent = checked_flag("disable_progress_bar", disable_progress_bar)
        return await update_properties(self, project, ids, given, is_silent=is_silent)

    # --- asking -------------------------------------------------------------------------------------------

    async def _configuration(self, project_id: str, *, is_silent: bool) -> wire.Configuration:
        shown = bar("Loading project configuration... ", 1, disabled=is_silent)
        try:
            found = await self.ask(self.endpoint.get(wire.CONFIGURATION, project_id), reader(wire.A_CONFIGURATION))
            shown.seen(1)
        finally:
            shown.close()
        return found

    async def ask(self, request: Request, read: Callable[[Response], T]) -> T:
        """`Transport.send`, its errors under the SDK's names."""
        try:
            return await self.transport.send(request, read)
        except (AuthError, ServerError) as error:
            raise named(error) from error.__cause__

    async def ask_all(self, requests: Iterable[Request], read: Callable[[Response], T]) -> list[T]:
        """`ask` for each, side by side; the first failure is raised."""
        answers = []
        for answer in await self.transport.send_many(requests, read):
            if isinstance(answer, AiotasksError):
                raise named(answer) if isinstance(answer, AuthError | ServerError) else answer
            answers.append(answer)
        return answers
