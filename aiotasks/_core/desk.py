"""Where waits begin, are counted down, and end exactly once (I-02)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aiotasks._core import events
from aiotasks._core.lifecycle import copy_state
from aiotasks._core.pacing import rounded_up
from aiotasks._core.timetable import Deadlines
from aiotasks.errors import WaitTimeout
from aiotasks.limits import TRIES

if TYPE_CHECKING:
    from aiotasks._core.cohorts import Board, Record
    from aiotasks._core.waits import Wait
    from aiotasks.errors import AiotasksError

__all__ = ["Desk"]


class Desk:
    """Keeps the open waits, their deadlines, and the effects that they lead to."""

    __slots__ = ("_board", "_deadlines", "effects", "fresh", "open", "timeouts", "waits")

    def __init__(self, board: Board) -> None:
        self._board = board
        self._deadlines: Deadlines[Wait[Any]] = Deadlines()
        #: What is to be done, in the order it was decided.
        self.effects: deque[events.Effect] = deque()
        #: Records that some wait wants one fresh status of: few, so kept apart from the many.
        self.fresh: dict[Record, None] = {}
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
        self._deadlines.add(wait)
        if not wait.remaining:
            self.settle(wait, None)

    def put_on(self, record: Record, wait: Wait[Any]) -> None:
        """Let `wait` hear of `record`."""
        record.add_wait(wait)
        if wait.is_fresh:
            self.fresh[record] = None

    def expire(self, now: float) -> None:
        """End the waits whose time is up."""
        while (wait := self._deadlines.pop_expired(now)) is not None:
            self.timeouts += 1
            self.settle(wait, WaitTimeout("time is up"))

    def next_deadline(self) -> float | None:
        """When the next wait times out, or None."""
        return self._deadlines.next_due()

    # --- what happened to a record ------------------------------------------------------------------

    def observed(self, record: Record, *, has_changed: bool) -> None:
        """`record` was heard of: wake those whom that concerns."""
        for wait in record.open_waits():
            if record.is_final or (wait.words is not None and record.word in wait.words):
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
        record.drop_wait(wait)
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
            self._deadlines.discard(wait)
        for mirror in wait.mirrors or ():
            if mirror.is_open:
                self.close(mirror)
        if wait.is_set:
            self._board.closings += 1
            return
        record = wait.tasks[0]
        record.drop_wait(wait)
        if record.cohort is not None:
            record.cohort.is_stale = True
        if wait.is_fresh and not any(other.is_fresh for other in record.open_waits()):
            self.fresh.pop(record, None)

    def _tell(self, wait: Wait[Any]) -> None:
        if wait.stands_for is not None:
            original, twin = wait.stands_for
            copy_state(twin, wait.tasks[0])
            wait = original
        if wait.is_open and not wait.is_told:
            wait.is_told = True
            self.effects.append(events.Tell(wait))
