"""Who sits down where: a task that begins to be asked about joins a cohort with room, or opens one.

- One that was not asked before joins the cohort that is due soonest within one interval: nobody is asked alone just
  for being new, and a cohort that fills up is due at once.
- One that was asked before joins within its window, since the window bounds how late it may be asked.
- Whoever finds none opens a cohort that is due at the end of its window, so that later ones can join.

Members of a queued cohort are asked as soon as their account may: it is a good place for newcomers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiotasks._core.cohorts import NEVER
from aiotasks._core.pacing import after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks._core.cohorts import Cohort, Group, Lane, Record

__all__ = ["seat", "seat_new"]


def seat(lane: Lane, record: Record, now: float) -> None:
    """Seat one record in the group of its interval."""
    interval = record.interval
    assert interval is not None
    if record.asked_at > NEVER:
        _seat_within_window(lane.group(interval), record, now)
    else:
        seat_new(lane.group(interval), (record,), now)


def seat_new(group: Group, records: Sequence[Record], now: float) -> None:
    """Seat records that were never asked: with whom is due soonest within one interval, else together."""
    limit = group.lane.source.batch_limit
    seated = 0
    # At a limit of 1 nobody has room.
    while seated < len(records) and (host := group.seats.soonest(now + group.interval)) is not None:
        some = records[seated : seated + limit - len(host.members)]
        seated += len(some)
        _fill(group, host, some, now)
    for start in range(seated, len(records), limit):
        some = records[start : start + limit]
        due = now if len(some) == limit else now + group.lane.board.window
        group.open(list(some), earliest=now, due=due)
        _seated(some, now)


def _seat_within_window(group: Group, record: Record, now: float) -> None:
    window = group.lane.board.window
    earliest = after(record.asked_at, group.interval)
    moment = max(earliest, now)
    # No cohort is due later than its window is long, so those due before `earliest - window` cannot wait for it.
    for host in group.seats.between(earliest - window, moment + window):
        if host.due >= earliest or earliest <= host.latest:
            break
    else:
        due = moment + window if group.lane.source.batch_limit > 1 else moment
        group.open([record], earliest=moment, due=due)
        _seated((record,), now)
        return
    host.asked_end = max(host.asked_end, record.asked_at)
    host.earliest = max(host.earliest, earliest)
    if host.due < host.earliest:
        host.due = host.earliest
        group.plan(host)
    _fill(group, host, (record,), now)


def _fill(group: Group, host: Cohort, records: Sequence[Record], now: float) -> None:
    host.take(records)
    _seated(records, now)
    group.tasks += len(records)
    if host.has_room:
        return
    del group.room[host]
    soonest = max(host.earliest, now)
    if host.due > soonest:
        host.due = soonest  # nobody else can join: no reason to wait
        group.plan(host)


def _seated(records: Sequence[Record], now: float) -> None:
    for record in records:
        record.asked_at = now  # what the cohort heard before is nothing that these were told of
