"""Who pours into whom: cohorts that lost members meet, so that few queries ask for many.

Bound, per group and with cohorts apart left out: queries per interval <= 1.1 * ceil(tasks / batch_limit) + 1, under
churn and after thinning too (`tests/core/test_bounds.py`).

- Only in surplus: when there are more than 1.05 times as many cohorts as needed. Without that slack there are
  thousands of useless moves at small batch limits.
- Two meet when one due time suits both: not before either's earliest, not after either's latest. Else the gaps
  between checks creep up.
- The younger pours into the older, in part if need be. "Merge whole cohorts only" breaks the bound for ever after
  thinning to 60 %.
- One that meets nobody waits its window longer each time, until it meets the oldest with room, which stands still.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiotasks._core.cohorts import Cohort, Group

__all__ = ["again", "is_in_surplus"]

_SLACK: Final = 1.05
_born = attrgetter("born")


def is_in_surplus(group: Group) -> bool:
    """Whether `group` has more cohorts than it needs, by more than the slack."""
    return len(group.cohorts) > _SLACK * math.ceil(group.tasks / group.lane.source.batch_limit)


def again(cohort: Cohort, earliest: float) -> None:
    """Plan the next query of a cohort that landed, not before `earliest`, and merge what can be merged."""
    group = cohort.group
    cohort.earliest = cohort.due = earliest
    cohort.latest = earliest + group.lane.board.window
    if cohort in group.room and not (cohort.failures or cohort.refusals) and is_in_surplus(group):
        _meet(group, cohort)
        if not cohort.members:
            return
        if cohort in group.room and is_in_surplus(group) and _has_elder(group, cohort):
            cohort.due = cohort.latest
    group.plan(cohort)


def _has_elder(group: Group, cohort: Cohort) -> bool:
    return any(other.born < cohort.born for other in group.room)


def _meet(group: Group, cohort: Cohort) -> None:
    window = group.lane.board.window
    # `due` is between `earliest` and a window after it; the exact condition is tested below.
    near = group.seats.between(cohort.earliest - window, cohort.latest + window)
    for other in sorted(near, key=_born):
        floor = max(cohort.earliest, other.earliest)
        ceiling = min(cohort.latest, other.latest)
        if other is cohort or other.is_queued or other.failures or floor > ceiling:
            continue
        old, young = (cohort, other) if cohort.born < other.born else (other, cohort)
        _pour(group, young, old)
        old.earliest, old.latest = floor, ceiling
        old.due = min(max(old.due, floor), ceiling)
        if old is not cohort:
            group.plan(old)
        if not (cohort.members and cohort.has_room and is_in_surplus(group)):
            return


def _pour(group: Group, young: Cohort, old: Cohort) -> None:
    some = young.members[: group.lane.source.batch_limit - len(old.members)]
    young.members = young.members[len(some) :]
    young.changed()
    old.take(some)
    old.asked_end = max(old.asked_end, young.asked_end)
    old.heard_at = max(old.heard_at, young.heard_at)
    old.is_stale |= young.is_stale
    old.leavers += young.leavers
    old.closings = min(old.closings, young.closings)
    old.has_trouble |= young.has_trouble
    if not old.has_room:
        del group.room[old]
    if not young.members:
        group.remove(young)
