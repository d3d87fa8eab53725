"""What a scheduler is doing, as a snapshot: for health pages, metrics and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiotasks._core.planner import Planner

__all__ = ["LaneStatistics", "Statistics"]


@attrs.frozen(kw_only=True)
class LaneStatistics:
    """One source of the scheduler: the tasks that share queries."""

    platform: str
    origin: str
    lane: str
    tasks: int
    cohorts: int
    #: Ids per query that the source allows now.
    batch_limit: int
    #: Queries of its account in flight, and how many may be.
    in_flight: int
    in_flight_limit: int
    #: Its account is not answering, or asked to be left alone: seconds until the next query, else 0.0.
    away_seconds: float
    #: The account's circuit is open: one probe at a time.
    is_circuit_open: bool


@attrs.frozen(kw_only=True)
class Statistics:
    """A snapshot of a scheduler. Counts run from its construction."""

    #: Registered tasks, open waits, cohorts they are asked in, queries in flight: now.
    tasks: int
    waits: int
    cohorts: int
    in_flight: int
    #: Seconds until the next query may start, at least 0.0; None when none is planned.
    next_query_seconds: float | None
    #: Queries sent, those that failed, and answers that equalled the last one.
    requests: int
    failures: int
    unchanged: int
    #: Task checks: each task once per query that names it.
    checks: int
    #: Waits begun, and waits that timed out.
    waits_begun: int
    timeouts: int
    #: Rows of answers that nobody asked for, or that contradicted each other.
    strays: int
    #: How late queries were sent, in seconds, over the last 1,024: median, 99th percentile, worst.
    lateness_p50: float
    lateness_p99: float
    lateness_max: float
    #: Failed queries by class of error.
    errors: dict[str, int]
    sources: tuple[LaneStatistics, ...]


def snapshot(planner: Planner, lateness: Iterable[float], errors: Mapping[str, int], now: float) -> Statistics:
    """The numbers of `planner` at `now`."""
    tally, desk = planner.tally, planner.desk
    late = sorted(lateness) or [0.0]
    sources = tuple(
        LaneStatistics(
            platform=account.platform,
            origin=account.origin,
            lane=str(key),
            tasks=sum(group.tasks for group in lane.groups.values()),
            cohorts=sum(len(group.cohorts) for group in lane.groups.values()),
            batch_limit=lane.source.batch_limit,
            in_flight=book.throttle.in_flight,
            in_flight_limit=book.throttle.limit,
            away_seconds=max(0.0, book.throttle.blocked_until - now),
            is_circuit_open=book.throttle.is_open,
        )
        for account, book in planner.books()
        for key, lane in book.lanes.items()
    )
    next_query = planner.next_query()
    return Statistics(
        tasks=planner.tasks,
        waits=desk.open,
        cohorts=sum(source.cohorts for source in sources),
        in_flight=planner.in_flight,
        next_query_seconds=None if next_query is None else max(0.0, next_query - now),
        requests=tally.requests,
        failures=tally.failures,
        unchanged=tally.unchanged,
        checks=tally.checks,
        waits_begun=desk.waits,
        timeouts=desk.timeouts,
        strays=tally.strays,
        lateness_p50=late[len(late) // 2],
        lateness_p99=late[min(len(late) - 1, len(late) * 99 // 100)],
        lateness_max=late[-1],
        errors=dict(errors),
        sources=sources,
    )
