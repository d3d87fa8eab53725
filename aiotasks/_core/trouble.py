"""What is wrong: with one task, or with a query that names many."""

from __future__ import annotations

import attrs

__all__ = ["Suspicion", "Trouble"]


@attrs.define(eq=False)
class Trouble:
    """What is wrong with one record, while something is. Healthy records have none."""

    #: Answers that said it does not exist.
    denials: int = 0
    #: Answers in a row that left it out, and when that began.
    absences: int = 0
    absent_since: float = 0.0
    #: Definite refusals of a query about it alone, or of its entry in a good answer.
    refusals: int = 0
    #: Answers in a row about it alone that could not be read, and when that began.
    unreadable: int = 0
    unreadable_since: float = 0.0


@attrs.define(eq=False)
class Suspicion:
    """Why cohorts are apart; the pieces of one that was refused share it while they are halved."""

    #: Tasks in the query that was refused at first.
    size: int
    #: It began with tasks that answers left out, not with a refusal.
    is_of_absence: bool = False
    #: Pieces whose innocence or guilt is still open.
    pieces: int = 1
    #: Nobody has left, and nobody was guilty so far: then what was refused was the size.
    may_be_size: bool = True
