"""The public surface as a type checker sees it. Never run: `mypy` reads it, strictly."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_type

import aiotasks
from aiotasks.testing import FakeClient, FakePlatform, FakeTask


class Report(aiotasks.Task):
    """A platform's own class of task."""

    __slots__ = ()

    @property
    def url(self) -> str:
        return f"https://platform.invalid/{self.id}"


async def tasks(task: Report) -> None:
    """`await` gives the very class of the task; waiting gives nothing; what is known may be None."""
    assert_type(await task, Report)
    assert_type((await task).url, str)
    assert_type(await task.wait_till_done(timeout_seconds=5_000, check_frequency=10), None)
    assert_type(await task.wait_till_done(None), None)
    assert_type(await task.wait_for("deployed", "stopped", timeout_seconds=60.0), str | None)
    assert_type(await task.refresh(), None)
    assert_type(task.status, str | None)
    assert_type(task.state, aiotasks.State)
    assert_type(task.progress, float | None)
    assert_type(task.is_done, bool)
    assert_type(task.observed_at, float | None)
    assert_type(task.last_error, aiotasks.AiotasksError | None)
    assert_type(task.next_check_at, float | None)
    assert_type(task.token(), str)
    assert_type(task.changes(), AsyncGenerator[aiotasks.Observation, None])
    async for change in task.changes(check_frequency=5):
        assert_type(change, aiotasks.Observation)
        assert_type(change.word, str | None)


async def sets(reports: list[Report], mixed: tuple[Report, FakeTask]) -> None:
    """Sets give the class that was given, and what classes have in common."""
    assert_type(await aiotasks.wait_all(reports), list[Report])
    assert_type(await aiotasks.wait_all(report for report in reports), list[Report])
    assert_type(await aiotasks.wait_all(set(reports), timeout_seconds=None, check_frequency=2), list[Report])
    assert_type(await aiotasks.refresh_all(reports), list[Report])
    async for report in aiotasks.as_completed(reports, timeout_seconds=60):
        assert_type(report, Report)
    async for either in aiotasks.as_completed(mixed):
        assert_type(either.token(), str)


async def results(rows: aiotasks.Results[int]) -> None:
    """Results are awaited, iterated by row, or by page; a page's rows are of the same type."""
    assert_type(await rows, list[int])
    async for row in rows:
        assert_type(row, int)
    async with rows.pages(prefetch=2, after=None) as pages:
        assert_type(pages, aiotasks.Pages[int])
        async for page in pages:
            assert_type(page, aiotasks.Page[int])
            assert_type(page.rows[0], int)
            assert_type(page.cursor, str | None)
            assert_type(page.total, int | None)


async def schedulers() -> None:
    """A scheduler is entered as itself; statistics are values."""
    async with aiotasks.Scheduler() as scheduler:
        assert_type(scheduler, aiotasks.Scheduler)
        statistics = scheduler.statistics()
        assert_type(statistics, aiotasks.Statistics)
        assert_type(statistics.next_query_seconds, float | None)
        assert_type(statistics.errors, dict[str, int])
        assert_type(statistics.sources, tuple[aiotasks.LaneStatistics, ...])
        assert_type(await scheduler.aclose(), None)
    assert_type(aiotasks.current_scheduler(), aiotasks.Scheduler)


async def clients(client: aiotasks.BaseClient, source: aiotasks.StatusSource) -> None:
    """What authors of platforms build on keeps the classes they name."""
    async with client as entered:
        assert_type(entered, aiotasks.BaseClient)
    assert_type(client.transport, aiotasks.Transport)
    assert_type(client.scheduler, aiotasks.Scheduler)
    assert_type(client.open_task(Report, "id", source), Report)
    assert_type(await client.find_task("id", source, lambda seen: Report), Report)
    assert_type(client.from_token("{}"), aiotasks.Task)

    async def answer() -> int:
        return 7

    assert_type(await client.once("answer", answer), int)


async def errors(task: Report) -> None:
    """What a handler finds in the errors it catches."""
    try:
        await task
    except aiotasks.WaitTimeout as error:
        assert_type(error.age, float | None)
        assert_type(error.token, str | None)
    except (aiotasks.TaskFailed, aiotasks.TaskCancelled) as error:
        assert_type(error.status, str | None)
    except aiotasks.AiotasksError as error:
        assert_type(error.platform, str | None)
        assert_type(error.http_status, int | None)


async def fakes() -> None:
    """The platform for tests gives tasks like any other."""
    platform = FakePlatform(batch_limit=10)
    async with platform.client() as client:
        assert_type(client, FakeClient)
        assert_type(await client.start("job"), FakeTask)
        assert_type(await client.find("job"), FakeTask)
