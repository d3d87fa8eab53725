"""Where waits begin, are counted down, and end exactly once (I-02)."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiotasks._core import events
from aiotasks._core.lifecycle import copy_state
from aiotasks._core.pacing import rounded_up
from aiotasks._core.timetable import Timetable
from aiotasks.errors import WaitTimeout
from aiotasks.limits import TRIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiotasks._core.cohorts import Board, Record
    from aiotasks._core.waits import Wait
    from aiotasks.errors import AiotasksError

__all__ = ["Desk", "open_originals"]


class Desk:
    """Keeps the open waits, their deadlines, and the effects that they lead to."""

    __slots__ = (
        "_board",
        "_closed_sets",
        "_deadlines",
        "_ending",
        "doubted",
        "effects",
        "fresh",
        "open",
        "timeouts",
        "waits",
    )

    def __init__(self, board: Board) -> None:
        self._board = board
        self._deadlines: Timetable[Wait[Any]] = Timetable()
        #: Waits to be ended, with the reason: there may be a million, so a slice at a time.
        self._ending: list[tuple[list[Wait[Any]], AiotasksError]] = []
        #: Tasks of closed waits on sets, whose cohorts have yet to be told.
        self._closed_sets: deque[Iterator[Record]] = deque()
        #: What is to be done, in the order it was decided.
        self.effects: deque[events.Effect] = deque()
        #: Records that some wait wants one fresh status of, and how many do: few, so kept apart from the many.
        self.fresh: dict[Record, int] = {}
        #: Records whose last word would end a wait, but was said long ago: their next row counts, changed or not.
        self.doubted: dict[Record, None] = {}
        #: Waits that are open; counts of those begun and timed out.
        self.open = 0
        self.waits = 0
        self.timeouts = 0

    def begin(self, wait: Wait[Any], last_query: int) -> None:
        """Open `wait`; queries numbered above `last_query` start after it."""
        wait.since = last_query
        wait.interval = rounded_up(wait.interval, self._board.window)
        self.open += 1
        self.waits += wait.stands_for is None
        if wait.deadline is not None:
            self._deadlines.plan(wait, wait.deadline)
        if not wait.remaining:
            self.settle(wait, None)

    def wants_row(self, record: Record) -> bool:
        """Whether the next row about `record` is to be looked at even if it says nothing new."""
        return record in self.fresh or record in self.doubted

    def put_on(self, record: Record, wait: Wait[Any]) -> None:
        """Let `wait` hear of `record`."""
        record.add_wait(wait)
        if _is_end(wait, record):
            self.doubted[record] = None
        if wait.is_fresh:
            self.fresh[record] = self.fresh.get(record, 0) + 1

    def expire(self, now: float, most: int) -> bool:
        """End waits whose time is up, `most` at once. -> whether there are more."""
        for _ in range(most):
            wait = self._deadlines.pop_due(now)
            if wait is None:
                return False
            self.timeouts += 1
            self.settle(wait, WaitTimeout("time is up"))
        moment = self._deadlines.next_due()
        return moment is not None and moment <= now

    def next_deadline(self) -> float | None:
        """When the next wait times out, or None."""
        return self._deadlines.next_due()

    def sweep(self, most: int) -> None:
        """Tell the cohorts of closed waits on sets, `most` tasks at once, that members may have left."""
        while self._closed_sets and most > 0:
            some = list(islice(self._closed_sets[0], most))
            most -= len(some)
            if not some:
                self._closed_sets.popleft()
            for record in some:
                if record.cohort is not None:
                    self._board.left(record.cohort)

    @property
    def is_busy(self) -> bool:
        """Whether there is more to end, to sweep or to give out, whatever the time."""
        return bool(self.effects or self._ending or self._closed_sets)

    # --- what happened to a record ------------------------------------------------------------------

    def observed(self, record: Record, *, has_changed: bool) -> None:
        """`record` was heard of: wake those whom that concerns."""
        self.doubted.pop(record, None)
        for wait in record.open_waits():
            if _is_end(wait, record):
                self.reached(wait, record)
            elif has_changed and wait.is_listening:
                self._tell(wait)

    def refreshed(self, record: Record, query: int) -> None:
        """A sound answer to `query` told of `record`, changed or not."""
        for wait in record.open_waits():
            if wait.is_fresh and wait.since < query:
                self.reached(wait, record)

    def failed(self, record: Record, query: int, error: AiotasksError) -> None:
        """`query` failed, and a fresh status of `record` was hoped for: that hope ends after some tries."""
        for wait in record.open_waits():
            if wait.is_fresh and wait.since < query:
                wait.failures += 1
                if wait.failures >= TRIES:
                    self.reached(wait, record, error)

    def given_up(self, record: Record, error: AiotasksError) -> None:
        """`record` cannot be asked about: that ends every wait on it (I-10: it says nothing of the job)."""
        record.error = error
        for wait in record.open_waits():
            self.reached(wait, record, error)

    def reached(self, wait: Wait[Any], record: Record, error: AiotasksError | None = None) -> None:
        """`record` is where `wait` wants it, or cannot get there any more."""
        if not wait.is_open:
            return
        wait.remaining -= 1
        self._take_off(record, wait)
        if record.cohort is not None and not record.is_final:
            self._board.left(record.cohort)  # a word ended it, for one task of a set that goes on
        if wait.stands_for is not None:
            original, twin = wait.stands_for
            copy_state(twin, record)
            self.close(wait)
            self.reached(original, twin, error)
            return
        if error is not None and wait.is_set:
            wait.lose(record)
        if wait.is_each:
            wait.ready.append(record)
            self._tell(wait)
        if not wait.remaining:
            self.settle(wait, None if wait.is_set else error)

    # --- endings --------------------------------------------------------------------------------------

    def settle(self, wait: Wait[Any], outcome: AiotasksError | None) -> None:
        """`wait` ends, and its caller is woken."""
        wait.outcome = outcome
        self.close(wait)
        self.effects.append(events.Settle(wait))

    def close(self, wait: Wait[Any]) -> None:
        """`wait` is over, whatever the reason. Its tasks go when their cohorts are next looked at."""
        wait.is_open = False
        if wait.since >= 0:
            self.open -= 1
            self._deadlines.strike(wait)
        for mirror in wait.mirrors or ():
            if mirror.is_open:
                self.close(mirror)
        if len(wait.tasks) != 1:
            self._board.closings += 1
            self._closed_sets.append(iter(wait.tasks))
            return
        record = wait.tasks[0]
        self._take_off(record, wait)
        if record.cohort is not None:
            self._board.left(record.cohort)

    def end(self, records: Iterable[Record], error: AiotasksError) -> None:
        """End, soon, every wait on any of `records`. They are not given up: another client may wait for them."""
        if waits := open_originals(records):
            self._ending.append((waits, error))

    def end_some(self, most: int) -> bool:
        """End some of the waits that are to end. -> whether there are more."""
        while self._ending and most > 0:
            waits, error = self._ending[-1]
            some = waits[-most:]
            del waits[-most:]
            most -= len(some)
            for wait in some:
                if wait.is_open:
                    self.settle(wait, error)
            if not waits:
                self._ending.pop()
        return bool(self._ending)

    def let_go(self) -> None:
        """Nobody waits: nothing is held on to."""
        self._closed_sets.clear()

    def _take_off(self, record: Record, wait: Wait[Any]) -> None:
        if record.drop_wait(wait) and wait.is_fresh:
            self.fresh[record] -= 1
            if not self.fresh[record]:
                del self.fresh[record]

    def _tell(self, wait: Wait[Any]) -> None:
        if wait.stands_for is not None:
            original, twin = wait.stands_for
            copy_state(twin, wait.tasks[0])
            wait = original
        if wait.is_open and not wait.is_told:
            wait.is_told = True
            self.effects.append(events.Tell(wait))


def _is_end(wait: Wait[Any], record: Record) -> bool:
    """Whether what is known of `record` is what `wait` is for."""
    if record.is_final:
        return True
    words = wait.words if wait.words is not None else record.end_words
    return record.word in words and not wait.is_fresh


def open_originals(records: Iterable[Record]) -> list[Wait[Any]]:
    """The open waits of callers on any of `records`, once each."""
    waits = (wait for record in records for wait in record.open_waits())
    return list(dict.fromkeys(wait.stands_for[0] if wait.stands_for else wait for wait in waits))
