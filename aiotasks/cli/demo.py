"""`aiotasks demo`: thousands of Labelbox tasks awaited on one loop, against an emulator of our own."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import attrs

from aiotasks.cli.progress import line
from aiotasks.providers import labelbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiotasks.cli.progress import Line

__all__ = ["add_parser", "run"]

#: Rows of the one large import, whose result is streamed.
_ROWS: Final = 20_000
#: Imports started at once.
_STARTS: Final = 16
#: Seconds for the emulator to say that it is ready.
_READY: Final = 20.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="await thousands of tasks of an emulated Labelbox",
        description="Starts an emulated Labelbox as a process of its own, imports data rows in thousands of tasks, "
        "awaits all of them on one event loop, and streams one large result. Ends by itself within about 30 s.",
    )
    parser.add_argument("--tasks", type=_count, default=2_000, metavar="N", help="tasks to await (default: 2000)")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object, and nothing else")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tasks from 1 to 100000")
    return int(text)


@attrs.define
class _Run:
    """What is known of the tasks while they run."""

    total: int
    created: int = 0
    succeeded: int = 0
    failed: int = 0
    rows: int = 0
    #: When the wait on each task was woken, on the clock that the emulator reads too.
    woken: dict[str, float] = attrs.field(factory=dict)

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed


def run(args: argparse.Namespace) -> int:
    """Runs the demonstration: 0 when every task ended, 1 when something went wrong."""
    try:
        figures = asyncio.run(_demo(args.tasks, is_quiet=args.json))
    except (OSError, RuntimeError, TimeoutError) as error:
        print(f"aiotasks: demo: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(figures))
    else:
        _print_summary(figures)
    return 0 if figures["violations"] == 0 and figures["succeeded"] + figures["failed"] == figures["tasks"] else 1


async def _demo(tasks: int, *, is_quiet: bool) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    state = _Run(total=tasks)
    async with _emulator() as ready:
        begun = loop.time()
        async with labelbox.Client(ready["api_key"], endpoint=ready["url"]) as client:
            with line(is_wanted=not is_quiet) as progress:
                await _await_all(client, state, progress)
        seconds = loop.time() - begun
        async with aiohttp.ClientSession(ready["url"].removesuffix("graphql")) as control:
            audit = await _json(control, "__emulator__/audit")
            jobs = (await _json(control, "__emulator__/tasks"))["tasks"]
    ends = {job["id"]: job["end"] for job in jobs if job["end"] is not None}
    delays = sorted(woken - ends[id] for id, woken in state.woken.items() if id in ends)
    return {
        "tasks": tasks,
        "succeeded": state.succeeded,
        "failed": state.failed,
        "seconds": round(seconds, 3),
        "requests": audit["status_requests"],
        "requests_one_by_one": audit["checks"],
        "min_gap_seconds": audit["min_gap_seconds"],
        "violations": audit["violations"],
        "rows": state.rows,
        "delay_p50_seconds": _quantile(delays, 50),
        "delay_p99_seconds": _quantile(delays, 99),
    }


@asynccontextmanager
async def _emulator() -> AsyncIterator[dict[str, Any]]:
    """The emulator as a process of its own, from its ready line to its end."""
    command = (sys.executable, "-m", "aiotasks", "emulate", "labelbox", "--duration", "5:15")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), _READY)
        if not said:
            raise RuntimeError("the emulator did not start; what it needs comes with: pip install 'aiotasks[demo]'")
        yield json.loads(said)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _await_all(client: labelbox.Client, state: _Run, progress: Line) -> None:
    dataset = await client.create_dataset(name="aiotasks demo")
    numbers = iter(range(state.total))
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(_show(client, state, progress))
        async with asyncio.TaskGroup() as waits:
            for _ in range(_STARTS):
                waits.create_task(_start(dataset, numbers, state, waits))
        watcher.cancel()


async def _start(dataset: labelbox.Dataset, numbers: Iterator[int], state: _Run, waits: asyncio.TaskGroup) -> None:
    """Starts one import after the other; each is awaited from then on, while the next ones start."""
    for number in numbers:
        task = await dataset.create_data_rows(_rows(number))
        state.created += 1
        waits.create_task(_await_one(task, state, is_large=number == 0))


def _rows(number: int) -> list[dict[str, str]]:
    """The first import is the large one."""
    count = _ROWS if number == 0 else 1
    return [
        {"row_data": f"https://images.example/{number}/{row}.jpg", "global_key": f"demo-{number}-{row}"}
        for row in range(count)
    ]


async def _await_one(task: labelbox.Task, state: _Run, *, is_large: bool) -> None:
    await task.wait_till_done(timeout_seconds=120)
    state.woken[task.uid] = asyncio.get_running_loop().time()
    if task.status == "COMPLETE":
        state.succeeded += 1
    else:
        state.failed += 1
    if is_large:
        async for _ in task.result:
            state.rows += 1


async def _show(client: labelbox.Client, state: _Run, progress: Line) -> None:
    while True:
        statistics = client.scheduler.statistics()
        progress.show(
            f"tasks ended · {state.created:,} created · {statistics.waits:,} waits · "
            f"{statistics.requests:,} queries · {state.rows:,} rows",
            state.ended,
            state.total,
        )
        await asyncio.sleep(0.1)


async def _json(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json()


def _quantile(values: list[float], percent: int) -> float | None:
    return round(values[min(len(values) - 1, len(values) * percent // 100)], 3) if values else None


def _print_summary(figures: dict[str, Any]) -> None:
    fewer = figures["requests_one_by_one"] / max(1, figures["requests"])
    gap, median, tail = (figures[key] for key in ("min_gap_seconds", "delay_p50_seconds", "delay_p99_seconds"))
    print(
        f"{figures['tasks']:,} tasks awaited on one event loop in {figures['seconds']:.1f} s: "
        f"{figures['succeeded']:,} succeeded, {figures['failed']:,} failed\n"
        f"  status requests      {figures['requests']:,} instead of {figures['requests_one_by_one']:,} "
        f"one by one ({fewer:.0f} times fewer)\n"
        f"  smallest gap         {'-' if gap is None else f'{gap:.3f} s'} between two requests about one task, "
        f"{figures['violations']} under 2 s, as the server counted\n"
        f"  delay                {'-' if median is None else f'{median:.2f} s (median), {tail:.2f} s (99 %)'} "
        f"from a job's end to its waiter's waking\n"
        f"  result streamed      {figures['rows']:,} rows"
    )
