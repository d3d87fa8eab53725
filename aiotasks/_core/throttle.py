"""How many queries an account may have in flight now: window, `Retry-After`, circuit, retry budget.

The timetable says when a cohort may be asked, the throttle how many now. Due cohorts without a slot queue here,
in the order they came due.

    closed --5 failures in a row, or half of 20 within 30 s--> open --its time is over--> one probe
      ^---------------------- the probe is answered ------------------------------------------|
                                                  open, twice as long <--the probe fails------|

While it is open, only the probe counts: what was sent before it opened and comes in late says nothing new, neither
good nor bad. A probe starts when nothing else is in flight, so the two are never mixed up.

The window grows by one per round of answers without a fault, and at most doubles in a second: so recovery is a
ramp, not a spike (F-23).
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiotasks._core.pacing import backoff, stay_away
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
_REMEMBERED: Final = 512
#: Seconds in which the window at most doubles.
_RAMP_SPAN: Final = 1.0


class Throttle(Generic[Q]):
    """The pace of one account. Every method takes `now`, in seconds on the planner's clock."""

    __slots__ = (
        "_budget",
        "_budget_at",
        "_clean",
        "_failures",
        "_halved_at",
        "_is_probing",
        "_jitter",
        "_open_for",
        "_outcomes",
        "_ramp_at",
        "_ramp_top",
        "_throttlings",
        "blocked_until",
        "in_flight",
        "is_open",
        "limit",
        "queue",
        "recovered_at",
    )

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        #: Due, and waiting for a slot.
        self.queue: OrderedDict[Q, None] = OrderedDict()
        self.in_flight = 0
        #: Queries allowed in flight (AIMD).
        self.limit = IN_FLIGHT_START
        #: No query starts before this.
        self.blocked_until = -math.inf
        #: The circuit is open: one probe at a time, from `blocked_until` on.
        self.is_open = False
        #: When the circuit last closed: what failed before that is no retry, it was an outage.
        self.recovered_at = -math.inf
        self._is_probing = False
        self._open_for = CIRCUIT_FIRST
        self._failures = 0
        self._clean = 0
        self._throttlings = 0
        self._halved_at = -math.inf
        self._ramp_at = -math.inf
        self._ramp_top = 0
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=_REMEMBERED)
        self._budget = RETRIES_SAVED
        self._budget_at = -math.inf

    # --- what may be sent -----------------------------------------------------------------------

    def may_send(self, now: float) -> bool:
        """Whether one more query may start."""
        return now >= self.blocked_until and self._has_slot

    @property
    def _has_slot(self) -> bool:
        return self.in_flight < (1 if self.is_open else self.limit)

    def next_slot(self) -> float | None:
        """When the queue can move by the clock alone; None when it is empty or an answer must come first."""
        return self.blocked_until if self.queue and self._has_slot else None

    def started(self) -> None:
        """A query was sent."""
        self.in_flight += 1
        self._is_probing = self.is_open

    def ended(self) -> None:
        """A query landed or failed; how it went is told apart from that."""
        self.in_flight -= 1

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
        if self.is_open:
            if not self._is_probing:
                return
            self._recover(now)
        self._outcomes.append((now, True))
        self._failures = self._throttlings = 0
        self._budget = min(RETRIES_SAVED, self._budget + RETRIES_PER_SUCCESS)
        self._clean += 1
        if self._clean >= self.limit:
            self._grow(now)

    def failed(self, now: float) -> None:
        """The service did not answer, or answered nonsense."""
        self._clean = 0
        if self.is_open:
            if self._is_probing:
                self._open_for = min(CIRCUIT_LONGEST, self._open_for * 2)
                self._open(now)
            return
        self._outcomes.append((now, False))
        self._failures += 1
        if self._failures >= CIRCUIT_FAILURES or self._is_failing(now):
            self._open(now)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """The service asks for less: nothing for `retry_after` seconds, and half as much at once after that."""
        self._clean = 0
        if now - self._halved_at >= THROTTLE_SPAN:  # those that were in flight together count once
            self.limit = max(1, self.limit // 2)
            self._halved_at = now
            self._throttlings += 1
        if retry_after is None:
            self._block(now + backoff(self._throttlings, self._jitter))
        else:
            self._block(now + stay_away(retry_after, self._jitter))

    def doubt(self, until: float) -> None:
        """One query tells whether to go on at all: nothing before `until`, then a probe."""
        self.is_open = True
        self._is_probing = False
        self._block(until)

    # --- inside -----------------------------------------------------------------------------------

    def _grow(self, now: float) -> None:
        if now - self._ramp_at >= _RAMP_SPAN:
            self._ramp_at = now
            self._ramp_top = self.limit * 2
        self.limit = min(self.limit + 1, self._ramp_top, IN_FLIGHT_MOST)
        self._clean = 0

    def _open(self, now: float) -> None:
        self.is_open = True
        self._is_probing = False
        self._block(now + self._open_for * (1.0 + 0.1 * self._jitter()))

    def _recover(self, now: float) -> None:
        self.is_open = self._is_probing = False
        self.recovered_at = now
        self.limit = 1
        self._open_for = CIRCUIT_FIRST
        self._clean = 0
        self._outcomes.clear()

    def _block(self, until: float) -> None:
        self.blocked_until = max(self.blocked_until, until)

    def _is_failing(self, now: float) -> bool:
        outcomes = self._outcomes
        while outcomes and outcomes[0][0] < now - CIRCUIT_SPAN:
            outcomes.popleft()
        if len(outcomes) < CIRCUIT_SAMPLE:
            return False
        return sum(not ok for _, ok in outcomes) >= CIRCUIT_SHARE * len(outcomes)
