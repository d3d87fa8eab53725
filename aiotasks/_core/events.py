"""What is fed to the planner, and what it wants done: one each per cohort or wait, never per task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks._core.cohorts import Record
    from aiotasks._core.matching import Flight
    from aiotasks._core.waits import Wait
    from aiotasks.errors import AiotasksError
    from aiotasks.models import Account, Answer

__all__ = [
    "Answered",
    "Closed",
    "Effect",
    "Ended",
    "Event",
    "Failed",
    "Landed",
    "Send",
    "Settle",
    "Tell",
    "Watched",
]


class Watched(NamedTuple):
    """`wait` begins, or goes on to begin, for these of its tasks (a long list comes in slices)."""

    tasks: Sequence[Record]
    wait: Wait[Any]


class Ended(NamedTuple):
    """The caller gave `wait` up."""

    wait: Wait[Any]


class Answered(NamedTuple):
    """One block of the answer to `flight`."""

    flight: Flight
    answer: Answer


class Landed(NamedTuple):
    """All of the answer to `flight` was fed; its last byte arrived at `at`."""

    flight: Flight
    at: float
    #: Hash of the body; None when it was not taken.
    digest: int | None = None
    #: The body equals the last one: no block was fed.
    is_unchanged: bool = False


class Failed(NamedTuple):
    """The query failed as a whole, at `at`."""

    flight: Flight
    error: AiotasksError
    at: float


class Closed(NamedTuple):
    """No more queries: for this account, or at all."""

    error: AiotasksError
    account: Account | None = None


Event: TypeAlias = Watched | Ended | Answered | Landed | Failed | Closed


class Send(NamedTuple):
    """Send this query now, once."""

    flight: Flight
    #: When it was to be sent: the difference to now is its lateness.
    due: float


class Settle(NamedTuple):
    """This wait has ended: wake its caller."""

    wait: Wait[Any]


class Tell(NamedTuple):
    """This wait goes on, and has something to look at: wake its caller."""

    wait: Wait[Any]


Effect: TypeAlias = Send | Settle | Tell
