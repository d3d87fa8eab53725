"""What one caller waits for: one task or a whole set, to its end, a word, a fresh status, or every change."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks.errors import AiotasksError

__all__ = ["Wait", "open_waits"]

R = TypeVar("R")

#: What most waits share, since an empty list each costs 56 bytes.
_NOBODY: list[Any] = []


class Wait(Generic[R]):
    """One caller's wait. The planner counts it down and closes it exactly once (I-02).

    The kinds differ in few flags, and a set is a wait with a larger count: so a wait on a million tasks costs
    no object per task, and every kind ends in the one place.
    """

    __slots__ = (
        "deadline",
        "failures",
        "interval",
        "is_each",
        "is_fresh",
        "is_listening",
        "is_open",
        "is_set",
        "is_told",
        "lost",
        "mirrors",
        "outcome",
        "ready",
        "remaining",
        "since",
        "stands_for",
        "tasks",
        "ticket",
        "words",
    )

    def __init__(
        self,
        tasks: Sequence[R],
        *,
        interval: float,
        deadline: float | None = None,
        words: frozenset[str] | None = None,
        is_fresh: bool = False,
        is_listening: bool = False,
        is_each: bool = False,
        is_set: bool | None = None,
    ) -> None:
        #: Distinct tasks, in the order given.
        self.tasks = tasks
        #: Seconds between checks that this caller wishes for.
        self.interval = interval
        #: When the wait times out, on the planner's clock; None is never.
        self.deadline = deadline
        #: The platform's words that end it besides the task's end.
        self.words = words
        #: One fresh answer ends it.
        self.is_fresh = is_fresh
        #: It is told of every change.
        self.is_listening = is_listening
        #: It is told of every task that ends; they queue up in `ready`.
        self.is_each = is_each
        #: One failure does not end it: a task that cannot be asked about counts as ended. A set may be of one task.
        self.is_set = len(tasks) != 1 if is_set is None else is_set
        self.is_open = True
        #: It was told and has not looked since: told again only after that.
        self.is_told = False
        #: Tasks of the set that have not ended for this wait.
        self.remaining = len(tasks)
        self.ready: deque[R] = deque()
        #: Tasks of the set that cannot be asked about: they count as ended, though the jobs may go on.
        self.lost: list[R] = _NOBODY
        #: Why it ended, where that is not the task's own end: a time-out, a closed scheduler, an unknown id.
        self.outcome: AiotasksError | None = None
        #: Number of the last query sent before it began: an answer to a later one is fresh. -1: not begun.
        self.since = -1
        #: Its place among the deadlines.
        self.ticket = 0
        #: Queries that failed while a fresh answer was waited for.
        self.failures = 0
        #: A wait on one handle of a task whose other handle is the registered one has a stand-in there.
        self.mirrors: list[Wait[R]] | None = None
        self.stands_for: tuple[Wait[R], R] | None = None

    def lose(self, task: R) -> None:
        """`task` of the set cannot be asked about."""
        if self.lost is _NOBODY:
            self.lost = []
        self.lost.append(task)

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"ended: {self.outcome or 'as waited for'}"
        return f"<{type(self).__name__} on {len(self.tasks)} tasks, {self.remaining} remaining, {state}>"


def open_waits(waits: Wait[Any] | dict[Wait[Any], None] | None) -> tuple[Wait[Any], ...]:
    """The waits that are still open, of a record's `waits`: nothing, one, or many."""
    if waits is None:
        return ()
    if isinstance(waits, dict):
        return tuple(wait for wait in waits if wait.is_open)
    return (waits,) if waits.is_open else ()
