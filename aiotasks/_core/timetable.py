"""Who is due when: two small heaps with lazy removal.

One entry per cohort and per deadline, never one per task (a heap entry per task and check costs 1 to 4 us, an
entry per cohort below 0.01 us per task). Entries that no longer hold are not searched for: they are dropped when
they come up, and the deadlines are pruned when more than half of them are stale.
"""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar

__all__ = ["Deadlines", "Timetable"]


class Planned(Protocol):
    due: float
    ticket: int


class Expiring(Protocol):
    deadline: float | None
    is_open: bool


P = TypeVar("P", bound=Planned)
E = TypeVar("E", bound=Expiring)


class Timetable(Generic[P]):
    """When each cohort may be asked next. Planning one again makes its older entry stale."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, P]] = []
        self._sequence = 0

    def plan(self, item: P) -> None:
        """Enter `item` at its `due`; an earlier entry no longer counts."""
        item.ticket += 1
        self._sequence += 1
        heapq.heappush(self._heap, (item.due, self._sequence, item.ticket, item))

    def strike(self, item: P) -> None:
        """Take `item` out: it is in flight, queued, or gone."""
        item.ticket += 1

    def pop_due(self, now: float) -> P | None:
        """The next item due at `now` or before, taken out; None when there is none."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, ticket, item = heapq.heappop(heap)
            if ticket == item.ticket:
                self.strike(item)
                return item
        return None

    def next_due(self) -> float | None:
        """When the next item is due, or None."""
        heap = self._heap
        while heap and heap[0][2] != heap[0][3].ticket:
            heapq.heappop(heap)
        return heap[0][0] if heap else None


class Deadlines(Generic[E]):
    """When each wait times out. A wait that ended otherwise leaves a stale entry behind."""

    __slots__ = ("_heap", "_sequence", "_stale")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, E]] = []
        self._sequence = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, item: E) -> None:
        """Watch over `item` if it has a deadline."""
        if item.deadline is not None:
            self._sequence += 1
            heapq.heappush(self._heap, (item.deadline, self._sequence, item))

    def discard(self, item: E) -> None:
        """`item` has closed: count its entry as stale, and prune when more than half of them are."""
        if item.deadline is None:
            return
        self._stale += 1
        if self._stale > 64 and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].is_open]
            heapq.heapify(self._heap)
            self._stale = 0

    def pop_expired(self, now: float) -> E | None:
        """The next open item whose deadline is `now` or before, taken out; None when there is none."""
        heap = self._heap
        while heap and (heap[0][0] <= now or not heap[0][2].is_open):
            item = heapq.heappop(heap)[2]
            if item.is_open:
                return item
            self._stale -= 1
        return None

    def next_due(self) -> float | None:
        """The earliest deadline of an open item, or None."""
        heap = self._heap
        while heap and not heap[0][2].is_open:
            heapq.heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else None
