"""Labelbox's tasks of one type: imports of data rows, and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import NotSupported, State
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.graphql import PLATFORM
from aiotasks.providers.labelbox.pages import CREATED_ROWS, FAILED_ROWS, ImportPages
from aiotasks.providers.labelbox.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks import Results
    from aiotasks.providers.labelbox.pages import ImportRows

__all__ = ["DataUpsertTask", "ExportTask", "kind_of"]

Row = dict[str, Any]


class DataUpsertTask(Task):
    """An import of data rows: what `create_data_rows` and `upsert_data_rows` start.

    Its rows come in pages of 5,000, each needing the cursor of the one before, so the next page is fetched while
    the present one is worked on. That some rows failed is no failure of the job: see `errors`.
    """

    __slots__ = ()

    one_type = wire.UPSERT

    @property
    def result(self) -> Results[Row]:
        """The created rows, each `{"id", "external_id", "row_data", "global_key"}`. Of a cancelled job, those so far.

        Raises, when used:
            TaskFailed: the job failed, with the failed rows in `details`.
            ResultError: a page cannot be had.
        """

        async def open() -> ImportPages:
            await self._end_unfailed()
            return self._pages(CREATED_ROWS)

        return self.client.results(open)

    @property
    def errors(self) -> Results[Row]:
        """The failed rows, each `{"message", "failedDataRows": [row]}`, whatever became of the job.

        A row is `{"externalId", "rowData", "globalKey", "metadata", "attachments"}`, the last two maybe None.
        """

        async def open() -> ImportPages:
            await self._end()
            return self._pages(FAILED_ROWS)

        return self.client.results(open)

    @property
    def created_data_rows(self) -> Results[Row]:
        """The created rows: `result`."""
        return self.result

    @property
    def failed_data_rows(self) -> Results[Row]:
        """The failed rows: `errors`."""
        return self.errors

    async def has_errors(self) -> bool:
        """Whether the job failed, or any of its rows did; waits for its end. Asks for one row, not for all."""
        await self._end()
        return self.state is State.FAILED or bool(await self._first_page(FAILED_ROWS, page_size=1))

    def _pages(self, kind: ImportRows, **more: int) -> ImportPages:
        return ImportPages(endpoint=self.client.endpoint, task_id=self.uid, kind=kind, **more)

    async def _first_page(self, kind: ImportRows, **more: int) -> Sequence[Row]:
        source = self._pages(kind, **more)
        pages = await self.client.transport.send(source.request(None), lambda answer: list(source.read(None, answer)))
        return [row for page in pages for row in page.rows]

    async def _reasons(self) -> Sequence[Row]:
        return await self._first_page(FAILED_ROWS)


class ExportTask(Task):
    """An export. It can be found, waited for and cancelled; reading its rows comes with a later release.

    Until then `result`, `errors` and `has_errors` raise `NotSupported` when used. An export that was not made for
    streaming still names its file at `result_url`.
    """

    __slots__ = ()

    one_type = wire.EXPORT

    async def wait_till_done(self, timeout_seconds: float | None = 7_200.0, check_frequency: float = 2.0) -> None:
        """`Task.wait_till_done`, with the two hours that the SDK gives an export."""
        await super().wait_till_done(timeout_seconds, check_frequency)

    async def wait_until_done(self, timeout_seconds: float | None = 7_200.0, check_frequency: float = 2.0) -> None:
        """`wait_till_done` by its older name."""
        await self.wait_till_done(timeout_seconds, check_frequency)

    async def has_errors(self) -> bool:
        """Raises `NotSupported`."""
        raise self._unreadable()

    async def _results(self) -> Sequence[Any]:
        raise self._unreadable()

    _errors = _created = _results

    async def _reasons(self) -> Sequence[Any]:
        return ()

    def _unreadable(self) -> NotSupported:
        return NotSupported(
            f"labelbox task {self.id} is an export: this release waits for exports, and does not read their rows yet",
            platform=PLATFORM,
            task_id=self.id,
        )


def kind_of(type: Any) -> type[Task]:
    """The class for tasks of that type."""
    name = type.lower() if isinstance(type, str) else None
    return next((kind for kind in (DataUpsertTask, ExportTask) if kind.one_type == name), Task)
