"""Answers against the ids asked: which rows changed, which tasks the answer leaves out.

Rows are compared by position as long as ids match the request, and by id from the first mismatch on. A row that
says nothing new costs two comparisons and no object.

An id twice in one block with different words is believed neither time (B-37). Blocks are acted upon as they come,
so across blocks the first word counts and the second is a stray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

if TYPE_CHECKING:
    from aiotasks._core.cohorts import Cohort, Record
    from aiotasks.abc import StatusSource
    from aiotasks.errors import AiotasksError
    from aiotasks.models import Answer, Query, Request

__all__ = ["Flight", "Matched", "match"]


@attrs.define(eq=False)
class Flight:
    """One query under way, from its sending until the last block of its answer is applied."""

    #: Queries are numbered in the order sent.
    number: int
    cohort: Cohort
    #: The records asked about, in request order.
    members: list[Record]
    query: Query
    #: The source that made the request reads the answer.
    source: StatusSource
    request: Request
    #: Members that a wait for a fresh status is on: their rows count even when nothing changed.
    fresh: frozenset[Record] = frozenset()
    #: Whether comparing the body's hash with the last one is worth it.
    wants_digest: bool = True
    #: Nothing in the answer so far that would have to be looked at again in an equal answer.
    is_clean: bool = True
    #: The answer taught the lane something: what it leaves out may be due to that.
    has_taught: bool = False
    #: The platform leaves out what has not changed.
    is_partial: bool = False
    #: Rows matched by position so far.
    position: int = 0
    #: Once positions no longer match: the members not heard of yet, by id.
    unheard: dict[Any, Record] | None = None
    #: Members that the answer denies or gives an error for.
    unsound: set[Record] = attrs.field(factory=set)
    #: Rows about tasks that were not asked about, or that contradict each other.
    strays: int = 0

    def left_out(self) -> list[Record]:
        """The members that the answer does not tell of, once all of it was matched."""
        if self.unheard is None:
            return self.members[self.position :]
        return list(self.unheard.values())


class Matched(NamedTuple):
    """What one block of an answer says that has to be acted upon."""

    changed: list[tuple[Record, Any]]
    missing: list[Record]
    refused: list[tuple[Record, AiotasksError]]


def match(flight: Flight, answer: Answer) -> Matched:
    """Compare one block with the flight's members."""
    if flight.unheard is None and _matches_by_position(flight, answer):
        changed = _changed_by_position(flight, answer)
    else:
        changed = _changed_by_id(flight, answer)
    if not (answer.missing or answer.refused):
        return Matched(changed, [], [])
    flight.is_clean = False
    unheard = _by_id(flight)
    missing = [record for id in answer.missing if (record := unheard.pop(id, None)) is not None]
    refused = [(rec, error) for id, error in answer.refused.items() if (rec := unheard.pop(id, None)) is not None]
    return Matched(changed, missing, refused)


def _matches_by_position(flight: Flight, answer: Answer) -> bool:
    rows = answer.rows
    if flight.position + len(rows) > len(flight.members):
        return False
    # The first and last row tell: a source keeps the order asked or it does not. The rest is checked row by row.
    return not rows or (
        rows[0].id == flight.members[flight.position].id
        and rows[-1].id == flight.members[flight.position + len(rows) - 1].id
    )


def _changed_by_position(flight: Flight, answer: Answer) -> list[tuple[Record, Any]]:
    rows, start = answer.rows, flight.position
    members = flight.members[start : start + len(rows)]
    fresh = flight.fresh
    changed = []
    for record, row in zip(members, rows, strict=True):
        if row.id != record.id:
            return _changed_by_id(flight, answer)
        if row.word != record.word or row.progress != record.progress or (fresh and record in fresh):
            changed.append((record, row))
    flight.position = start + len(rows)
    return changed


def _changed_by_id(flight: Flight, answer: Answer) -> list[tuple[Record, Any]]:
    unheard = _by_id(flight)
    fresh = flight.fresh
    heard: dict[Any, Any] = {}
    disputed: set[Any] = set()
    for row in answer.rows:
        if row.id not in unheard:
            _stray(flight)  # not asked for (B-38)
        elif _contradicts(heard.setdefault(row.id, row), row):
            _stray(flight)
            disputed.add(row.id)
    changed = []
    for id, row in heard.items():
        if id in disputed:
            continue
        record = unheard.pop(id)
        if row.word != record.word or row.progress != record.progress or (fresh and record in fresh):
            changed.append((record, row))
    return changed


def _stray(flight: Flight) -> None:
    flight.strays += 1
    flight.is_clean = False


def _contradicts(first: Any, second: Any) -> bool:
    return first is not second and (first.word != second.word or first.progress != second.progress)


def _by_id(flight: Flight) -> dict[Any, Record]:
    if flight.unheard is None:
        flight.unheard = {record.id: record for record in flight.members[flight.position :]}
    return flight.unheard
