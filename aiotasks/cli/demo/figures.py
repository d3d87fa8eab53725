"""The figures of a demonstration: what the servers counted, added up, and the summary for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiotasks.cli.demo.work import Work

__all__ = ["Figures", "PlatformFigures", "gathered", "summary"]

_NAMES: Final = {
    "labelbox": "Labelbox",
    "supervisely": "Supervisely",
    "isahitlab": "isahit lab",
    "deepint": "Deep Intelligence",
}


class PlatformFigures(TypedDict):
    """One platform, as its server counted."""

    tasks: int
    requests: int
    min_gap_seconds: float | None
    violations: int


class Figures(TypedDict):
    """All platforms together. `requests` are those about statuses; gaps are between two about one task."""

    tasks: int
    succeeded: int
    failed: int
    seconds: float
    requests: int
    requests_one_by_one: int
    min_gap_seconds: float | None
    violations: int
    rows: int
    delay_p50_seconds: float | None
    delay_p99_seconds: float | None
    platforms: dict[str, PlatformFigures]


async def gathered(works: Sequence[Work], seconds: float) -> Figures:
    """Asks the emulators what they counted.

    Raises:
        aiohttp.ClientError: one does not answer.
    """
    async with aiohttp.ClientSession() as session:
        audits = {work.platform: await _json(session, work, "audit") for work in works}
        delays = sorted([delay for work in works for delay in _delays(work, await _json(session, work, "tasks"))])
    return {
        "tasks": sum(work.total for work in works),
        "succeeded": sum(work.succeeded for work in works),
        "failed": sum(work.failed for work in works),
        "seconds": round(seconds, 3),
        "requests": sum(audit["status_requests"] for audit in audits.values()),
        "requests_one_by_one": sum(audit["checks"] for audit in audits.values()),
        "min_gap_seconds": _least(audit["min_gap_seconds"] for audit in audits.values()),
        "violations": sum(audit["violations"] for audit in audits.values()),
        "rows": sum(work.rows for work in works),
        "delay_p50_seconds": _quantile(delays, 50),
        "delay_p99_seconds": _quantile(delays, 99),
        "platforms": {work.platform: _platform(work, audits[work.platform]) for work in works},
    }


def _platform(work: Work, audit: Mapping[str, Any]) -> PlatformFigures:
    return {
        "tasks": work.total,
        "requests": audit["status_requests"],
        "min_gap_seconds": audit["min_gap_seconds"],
        "violations": audit["violations"],
    }


def _delays(work: Work, answer: Mapping[str, Any]) -> Iterable[float]:
    """From each job's end to its waiter's waking."""
    for job in answer["tasks"]:
        woken = work.woken.get(str(job["id"]))
        if woken is not None and job["end"] is not None:
            yield woken - job["end"]


async def _json(session: aiohttp.ClientSession, work: Work, what: str) -> Any:
    async with session.get(work.emulator.controls / what) as answer:
        return await answer.json()


def _least(gaps: Iterable[float | None]) -> float | None:
    return min((gap for gap in gaps if gap is not None), default=None)


def _quantile(values: Sequence[float], percent: int) -> float | None:
    return round(values[min(len(values) - 1, len(values) * percent // 100)], 3) if values else None


# --- for people ---------------------------------------------------------------------------------------------


def summary(figures: Figures) -> str:
    """The figures as a few lines, one of them for each platform."""
    fewer = figures["requests_one_by_one"] / max(1, figures["requests"])
    median, tail = figures["delay_p50_seconds"], figures["delay_p99_seconds"]
    lines = [
        f"{figures['tasks']:,} tasks awaited on one event loop in {figures['seconds']:.1f} s: "
        f"{figures['succeeded']:,} succeeded, {figures['failed']:,} failed",
        f"  status requests      {figures['requests']:,} instead of {figures['requests_one_by_one']:,} one by one "
        f"({fewer:.0f} times fewer)",
        f"  smallest gap         {_seconds(figures['min_gap_seconds'], 3)} between two requests about one task, "
        f"{figures['violations']} under 2 s, as the servers counted",
        f"  delay                {_seconds(median, 2)} (median), {_seconds(tail, 2)} (99 %) "
        "from a job's end to its waiter's waking",
        f"  result streamed      {figures['rows']:,} rows",
        *(_platform_line(name, platform) for name, platform in figures["platforms"].items()),
    ]
    return "\n".join(lines)


def _platform_line(name: str, platform: PlatformFigures) -> str:
    tasks = platform["tasks"]
    return (
        f"  {_NAMES[name]:<20} {tasks:,} task{'' if tasks == 1 else 's'}, {platform['requests']:,} status requests, "
        f"smallest gap {_seconds(platform['min_gap_seconds'], 3)}, {platform['violations']} under 2 s"
    )


def _seconds(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f} s"
