"""What is done on each platform: tasks are started in the way of its SDK, and awaited while the next ones start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks import State
from aiotasks.providers import deepint, isahitlab, labelbox, supervisely

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiotasks import Scheduler, Task
    from aiotasks.cli.demo.processes import Emulator

__all__ = ["Work", "shares"]

#: Rows of the one large import, whose result is streamed.
_ROWS: Final = 20_000
#: Tasks of one platform that are started at once.
_STARTS: Final = 16
#: Tasks of isahit lab that are created by one call.
_CREATED_AT_ONCE: Final = 50
#: Seconds until a task must have ended.
_TIMEOUT: Final = 120.0
#: Below so many tasks all of them are Labelbox's.
_FOR_ALL: Final = 4


def shares(tasks: int) -> dict[str, int]:
    """How many tasks each platform gets: Labelbox most, Deep Intelligence, which is asked one by one, few.

    >>> shares(2_000)
    {'labelbox': 1590, 'supervisely': 300, 'isahitlab': 100, 'deepint': 10}
    >>> shares(4), shares(3)
    ({'labelbox': 1, 'supervisely': 1, 'isahitlab': 1, 'deepint': 1}, {'labelbox': 3})
    """
    if tasks < _FOR_ALL:
        return {"labelbox": tasks}
    others = {
        "supervisely": max(1, tasks * 15 // 100),
        "isahitlab": max(1, tasks * 5 // 100),
        "deepint": max(1, min(20, tasks // 200)),
    }
    return {"labelbox": tasks - sum(others.values()), **others}


@attrs.define(eq=False)
class Work:
    """The tasks of one platform, and what is known of them while they run."""

    emulator: Emulator
    total: int
    created: int = 0
    succeeded: int = 0
    failed: int = 0
    rows: int = 0
    #: When the wait on each task was woken, by its id as text, on the clock that the emulator reads too.
    woken: dict[str, float] = attrs.field(factory=dict, repr=False)

    @property
    def platform(self) -> str:
        """Its name."""
        return self.emulator.platform

    @property
    def ended(self) -> int:
        """Tasks that have ended, however they ended."""
        return self.succeeded + self.failed

    async def run(self, scheduler: Scheduler) -> None:
        """Starts all tasks, and returns when all have ended.

        Raises:
            AiotasksError, ExceptionGroup: the platform could not be asked.
        """
        await _PLATFORMS[self.platform](self, self.emulator.ready, scheduler)

    async def wait(self, task: Task) -> None:
        """Waits for a task that was just started, and notes when and how it ended."""
        await task.wait_till_done(timeout_seconds=_TIMEOUT)
        self.woken[str(task.id)] = asyncio.get_running_loop().time()
        if task.state is State.SUCCEEDED:
            self.succeeded += 1
        else:
            self.failed += 1

    async def start_all(self, start: Callable[[int], Awaitable[Task]]) -> None:
        """`start(0)`, `start(1)`, ... some at once; each task is awaited while the next ones start."""
        numbers = iter(range(self.total))
        async with asyncio.TaskGroup() as waits:

            async def starter() -> None:
                for number in numbers:
                    self.follow(waits, [await start(number)])

            for _ in range(min(_STARTS, self.total)):
                waits.create_task(starter())

    def follow(self, waits: asyncio.TaskGroup, tasks: Iterable[Task]) -> None:
        """Has tasks that were just started awaited."""
        for task in tasks:
            self.created += 1
            waits.create_task(self.wait(task))


# --- the platforms ------------------------------------------------------------------------------------------


async def _labelbox(work: Work, ready: Mapping[str, Any], scheduler: Scheduler) -> None:
    """Imports of data rows. The first is large, and its result is streamed as soon as it has ended."""
    async with (
        labelbox.Client(ready["api_key"], endpoint=ready["url"], scheduler=scheduler) as client,
        asyncio.TaskGroup() as streams,
    ):
        dataset = await client.create_dataset(name="aiotasks demo")

        async def start(number: int) -> Task:
            task = await dataset.create_data_rows(_data_rows(number))
            if number == 0:
                streams.create_task(_stream(work, task))
            return task

        await work.start_all(start)


def _data_rows(number: int) -> list[dict[str, str]]:
    count = _ROWS if number == 0 else 1
    return [
        {"row_data": f"https://images.example/{number}/{row}.jpg", "global_key": f"demo-{number}-{row}"}
        for row in range(count)
    ]


async def _stream(work: Work, task: labelbox.Task) -> None:
    await task.wait_till_done(timeout_seconds=_TIMEOUT)
    async for _ in task.result:
        work.rows += 1


async def _supervisely(work: Work, ready: Mapping[str, Any], scheduler: Scheduler) -> None:
    """Apps that run to their end."""
    async with supervisely.Api(ready["url"], ready["token"], scheduler=scheduler) as api:

        async def start(number: int) -> Task:
            info = await api.task.start(
                ready["agent_id"],
                workspace_id=ready["workspace_id"],
                module_id=ready["module_id"],
                task_name=f"demo-{number}",
            )
            return api.task.open(info.id)

        await work.start_all(start)


async def _isahitlab(work: Work, ready: Mapping[str, Any], scheduler: Scheduler) -> None:
    """Tasks for people, created many by a call."""
    project = ready["projects"]["iat-rectangle"]
    async with (
        isahitlab.IsahitLab(
            ready["access_id"], ready["secret_key"], endpoint=ready["url"], scheduler=scheduler
        ) as lab,
        asyncio.TaskGroup() as waits,
    ):
        for first in range(0, work.total, _CREATED_AT_ONCE):
            numbers = range(first, min(first + _CREATED_AT_ONCE, work.total))
            images = [{"name": f"demo-{n}", "resources": [f"https://images.example/{n}.jpg"]} for n in numbers]
            # The emulator's project has a batch of its own, under the same id.
            created = await lab.create_tasks(project, project, images, disable_progress_bar=True)
            work.follow(waits, lab.open_tasks(project, [task["_id"] for task in created]))


async def _deepint(work: Work, ready: Mapping[str, Any], scheduler: Scheduler) -> None:
    """Exports of a workspace."""
    credentials = deepint.Credentials(ready["token"], ready["url"])
    async with deepint.Client(credentials, organization_id=ready["organization_id"], scheduler=scheduler) as client:
        workspace = client.workspace(ready["workspace_id"])

        async def start(_: int) -> Task:
            return await workspace.export(wait_for_download=False)

        await work.start_all(start)


_PLATFORMS: Final[Mapping[str, Callable[[Work, Mapping[str, Any], Scheduler], Awaitable[None]]]] = {
    "labelbox": _labelbox,
    "supervisely": _supervisely,
    "isahitlab": _isahitlab,
    "deepint": _deepint,
}
