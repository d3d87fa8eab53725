"""How many queries an account may have in flight now: window, `Retry-After`, circuit, retry budget.

The timetable says when a cohort may be asked, the throttle how many now. Due cohorts without a slot queue here,
in the order they came due.

    closed --5 failures in a row, or half of 20 within 30 s--> open --its time is over--> one probe
      ^---------------------- the probe is answered ------------------------------------------|
                                                  open, twice as long <--the probe fails------|
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from aiotasks.limits import (
    CIRCUIT_FAILURES,
    CIRCUIT_FIRST,
    CIRCUIT_LONGEST,
    CIRCUIT_SAMPLE,
    CIRCUIT_SHARE,
    CIRCUIT_SPAN,
    IN_FLIGHT_MOST,
    IN_FLIGHT_START,
    RETRIES_PER_SECOND,
    RETRIES_PER_SUCCESS,
    RETRIES_SAVED,
    THROTTLE_SPAN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Throttle"]

Q = TypeVar("Q")

#: Outcomes remembered for the share of failures: enough for CIRCUIT_SPAN at 16 in flight, and bounded.
_REMEMBERED = 512


class Throttle(Generic[Q]):
    """The pace of one account. Every method takes `now`, in seconds on the planner's clock."""

    __slots__ = (
        "_budget",
        "_budget_at",
        "_clean",
        "_failures",
        "_halved_at",
        "_jitter",
        "_open_for",
        "_outcomes",
        "blocked_until",
        "in_flight",
        "is_open",
        "limit",
        "queue",
    )

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        #: Due, and waiting for a slot.
        self.queue: deque[Q] = deque()
        self.in_flight = 0
        #: Queries allowed in flight (AIMD).
        self.limit = IN_FLIGHT_START
        #: No query starts before this.
        self.blocked_until = -math.inf
        #: The circuit is open: one probe at a time, from `blocked_until` on.
        self.is_open = False
        self._open_for = CIRCUIT_FIRST
        self._failures = 0
        self._clean = 0
        self._halved_at = -math.inf
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=_REMEMBERED)
        self._budget = RETRIES_SAVED
        self._budget_at = -math.inf

    # --- what may be sent -----------------------------------------------------------------------

    def may_send(self, now: float) -> bool:
        """Whether one more query may start."""
        return now >= self.blocked_until and self.in_flight < (1 if self.is_open else self.limit)

    def next_slot(self) -> float | None:
        """When the queue can move by the clock alone; None when it is empty or an answer must come first."""
        if not self.queue or self.in_flight >= (1 if self.is_open else self.limit):
            return None
        return self.blocked_until

    def retry_delay(self, now: float) -> float:
        """Take one retry from the budget (L-13): 0.0 if there was one, else the seconds until there will be."""
        if self._budget_at < now:
            earned = (now - self._budget_at) * RETRIES_PER_SECOND if self._budget_at > -math.inf else 0.0
            self._budget = min(RETRIES_SAVED, self._budget + earned)
            self._budget_at = now
        if self._budget >= 1.0:
            self._budget -= 1.0
            return 0.0
        return (1.0 - self._budget) / RETRIES_PER_SECOND

    # --- how it went ------------------------------------------------------------------------------

    def succeeded(self, now: float) -> None:
        """An answer arrived: the service works, whatever it said about single tasks."""
        self._outcomes.append((now, True))
        self._failures = 0
        self._budget = min(RETRIES_SAVED, self._budget + RETRIES_PER_SUCCESS)
        if self.is_open:
            # Back from an outage: start small, so that recovery is a ramp and no spike (F-23).
            self.is_open = False
            self._open_for = CIRCUIT_FIRST
            self.limit = 1
            self._clean = 0
            self._outcomes.clear()
        self._clean += 1
        if self._clean >= self.limit:
            self.limit = min(IN_FLIGHT_MOST, self.limit + 1)
            self._clean = 0

    def failed(self, now: float) -> None:
        """The service did not answer, or answered nonsense."""
        self._outcomes.append((now, False))
        self._failures += 1
        self._clean = 0
        if self.is_open:
            self._open_for = min(CIRCUIT_LONGEST, self._open_for * 2)
            self._block(now + self._open_for * (1.0 + 0.1 * self._jitter()))
        elif self._failures >= CIRCUIT_FAILURES or self._is_failing(now):
            self.is_open = True
            self._block(now + self._open_for * (1.0 + 0.1 * self._jitter()))

    def throttled(self, now: float, until: float) -> None:
        """The service asks for less: nothing before `until`, and half as much at once after that."""
        self._clean = 0
        self._block(until)
        if now - self._halved_at >= THROTTLE_SPAN:
            self.limit = max(1, self.limit // 2)
            self._halved_at = now

    def _block(self, until: float) -> None:
        self.blocked_until = max(self.blocked_until, until)

    def _is_failing(self, now: float) -> bool:
        outcomes = self._outcomes
        while outcomes and outcomes[0][0] < now - CIRCUIT_SPAN:
            outcomes.popleft()
        if len(outcomes) < CIRCUIT_SAMPLE:
            return False
        return sum(not ok for _, ok in outcomes) >= CIRCUIT_SHARE * len(outcomes)
