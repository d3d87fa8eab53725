"""Who is due when: a small heap with lazy removal.

One entry per cohort and per wait with a time limit, never one per task (a heap entry per task and check costs 1 to
4 us, an entry per cohort below 0.01 us per task). An entry that no longer holds is not searched for: it is dropped
when it comes up, and all such are pruned when they are the greater part. So what the heap holds is bounded by what
is planned, and whatever left it is let go of soon.
"""

from __future__ import annotations

import heapq
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["Timetable"]

#: Stale entries that are not worth pruning.
_FEW: Final = 64


class Planned(Protocol):
    #: The number of its entry that holds; 0 while it has none.
    ticket: int


P = TypeVar("P", bound=Planned)


class Timetable(Generic[P]):
    """When each item is due next. Planning one again makes its older entry stale."""

    __slots__ = ("_heap", "_sequence", "_stale")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, P]] = []
        self._sequence = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._heap) - self._stale

    def plan(self, item: P, moment: float) -> None:
        """Enter `item` at `moment`; an earlier entry no longer counts. Equal moments come in the order planned."""
        self.strike(item)
        self._sequence += 1
        item.ticket = self._sequence
        heapq.heappush(self._heap, (moment, self._sequence, item))

    def strike(self, item: P) -> None:
        """Take `item` out, if it is in."""
        if not item.ticket:
            return
        item.ticket = 0
        self._stale += 1
        # All of them, however few: an idle timetable holds nothing (a wait may hold a million tasks).
        if self._stale == len(self._heap) or (self._stale > _FEW and self._stale * 2 > len(self._heap)):
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].ticket]
            heapq.heapify(self._heap)
            self._stale = 0

    def pop_due(self, now: float) -> P | None:
        """The next item due at `now` or before, taken out; None when there is none."""
        moment = self.next_due()
        if moment is None or moment > now:
            return None
        item = heapq.heappop(self._heap)[2]
        item.ticket = 0
        return item

    def next_due(self) -> float | None:
        """When the next item is due, or None."""
        heap = self._heap
        while heap and heap[0][1] != heap[0][2].ticket:
            heapq.heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else None
