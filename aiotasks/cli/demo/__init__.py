"""`aiotasks demo`: thousands of tasks of four platforms awaited on one loop, against emulators of our own."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import aiohttp

from aiotasks import AiotasksError, Scheduler
from aiotasks.cli.demo import figures, work
from aiotasks.cli.demo.processes import EmulatorError, emulators
from aiotasks.cli.progress import line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks.cli.demo.figures import Figures
    from aiotasks.cli.demo.processes import Emulator
    from aiotasks.cli.progress import Line

__all__ = ["add_parser", "run"]

#: What may go wrong on the way to the emulators and back; anything else is a fault of the demonstration.
_TROUBLE: Final = (OSError, EmulatorError, AiotasksError, aiohttp.ClientError)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="await thousands of tasks of four emulated platforms",
        description="Starts emulated platforms (Labelbox, Supervisely, isahit lab, Deep Intelligence), each as a "
        "process of its own, starts thousands of tasks there, most of them imports of data rows, awaits all of them "
        "on one event loop by one scheduler, and streams one large result. Ends by itself within about 30 s.",
    )
    parser.add_argument(
        "--tasks",
        type=_count,
        default=2_000,
        metavar="N",
        help="tasks to await on all platforms together; below 4, on Labelbox alone (default: 2000)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object, and nothing else")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tasks from 1 to 100000")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Runs the demonstration.

    Returns:
        0 when every task ended and none was asked about too often, 1 when something went wrong, 128 and the signal's
        number when it was stopped: 130 for Ctrl-C.
    """
    stops: list[int] = []
    try:
        found = asyncio.run(_stoppable(args.tasks, stops, is_quiet=args.json))
    except (*_TROUBLE, BaseExceptionGroup, KeyboardInterrupt, asyncio.CancelledError) as error:
        if stops or isinstance(error, KeyboardInterrupt):
            return 128 + (stops[0] if stops else signal.SIGINT)
        print(f"aiotasks: demo: {_told(error)}", file=sys.stderr)
        return 1
    print(json.dumps(found) if args.json else figures.summary(found))
    return 0 if found["violations"] == 0 and found["succeeded"] + found["failed"] == found["tasks"] else 1


def _told(error: BaseException) -> str:
    """What went wrong, in a line; an error that is none of the platforms' is raised again."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, _TROUBLE):
        raise error
    return str(error) or type(error).__name__


async def _stoppable(tasks: int, stops: list[int], *, is_quiet: bool) -> Figures:
    """The demonstration, cancelled by the signals that end a command; they are noted in `stops`."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None

    def stop(number: int) -> None:
        stops.append(number)
        main.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows: asyncio.run ends at Ctrl-C by itself
            number = getattr(signal, name)
            loop.add_signal_handler(number, stop, number)
    return await _demo(work.shares(tasks), is_quiet=is_quiet)


async def _demo(shares: dict[str, int], *, is_quiet: bool) -> Figures:
    async with emulators(shares) as started:
        works = [work.Work(emulator, shares[emulator.platform]) for emulator in started]
        begun = asyncio.get_running_loop().time()
        with line(is_wanted=not is_quiet) as progress:
            await _work(works, started, progress)
        seconds = asyncio.get_running_loop().time() - begun
        return await figures.gathered(works, seconds)


async def _work(works: Sequence[work.Work], started: Sequence[Emulator], progress: Line) -> None:
    """All platforms at once, on this loop and one scheduler; an emulator that ends before them ends it all."""
    async with Scheduler() as scheduler, asyncio.TaskGroup() as group:
        watchers = [group.create_task(emulator.watch()) for emulator in started]
        watchers.append(group.create_task(_show(scheduler, works, progress)))
        async with asyncio.TaskGroup() as platforms:
            for each in works:
                platforms.create_task(each.run(scheduler))
        for watcher in watchers:
            watcher.cancel()


async def _show(scheduler: Scheduler, works: Sequence[work.Work], progress: Line) -> None:
    total = sum(each.total for each in works)
    while True:
        statistics = scheduler.statistics()
        created, rows = sum(each.created for each in works), sum(each.rows for each in works)
        progress.show(
            f"tasks ended · {created:,} created · {statistics.waits:,} waits · "
            f"{statistics.requests:,} queries · {rows:,} rows",
            sum(each.ended for each in works),
            total,
        )
        await asyncio.sleep(0.1)
