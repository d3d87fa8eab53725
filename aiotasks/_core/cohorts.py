"""Who is asked together: records, cohorts, groups and lanes, and the bookkeeping of who is where.

A *lane* is what may share one query; a *group* is its tasks of one interval; a *cohort* is up to `batch_limit`
tasks of one group that are due together. A cohort is scheduled as one thing, so a check costs nothing per task.

Times of a cohort, in seconds on the planner's clock:

    asked_end ......... earliest ............... due .......... latest
    end of its last     not before this:         planned        earliest + W: a joiner may raise the
    query               asked_end + interval                    floor up to here, and never moves this

Rules, with the reason for each:

- `asked_end` is one number for all members, the latest over them. It can only be too late, never too early, so
  the two-second rule (I-01) needs no stamp per task. A leaver takes it along as its own.
- Members never change while a query flies: leaving only marks, and the cohort is compacted before it is sent and
  after its answer. One that lost the greater part of its members otherwise is compacted at once, so that nobody
  is kept for an hour because their cohort is due, or blocked, for so long.
- Who joins whom is `seating`; who pours into whom is `merging`.
- A cohort apart (see `Suspicion`) takes no part in either, and does not count.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from aiotasks._core.seats import Seats
from aiotasks._core.timetable import Timetable
from aiotasks._core.waits import Wait, open_waits
from aiotasks.models import State, TooLarge

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiotasks._core.throttle import Throttle
    from aiotasks._core.trouble import Suspicion, Trouble
    from aiotasks.abc import StatusSource
    from aiotasks.errors import AiotasksError
    from aiotasks.models import Query, Request

__all__ = ["NEVER", "RECENTLY", "Board", "Cohort", "Group", "Lane", "Record"]

NEVER: Final = -math.inf
#: One for all: `frozenset()` makes a new one each time, of 216 bytes.
NO_WORDS: Final[frozenset[str]] = frozenset()
#: For `Record.asked_at`: asked at an unknown time, maybe just now, by another process. The planner takes the
#: time at which it first sees it.
RECENTLY: Final = math.inf
_births = count()


class Record:
    """What the scheduler knows of one task: all of it, so a million of them fit in memory."""

    __slots__ = (
        "asked_at",
        "cohort",
        "details",
        "end_words",
        "error",
        "heard_at",
        "id",
        "is_final",
        "message",
        "progress",
        "source",
        "state",
        "submitted_at",
        "trouble",
        "waits",
        "word",
    )

    def __init__(self, id: Any, source: StatusSource) -> None:
        self.id = id
        self.source = source
        self.cohort: Cohort | None = None
        self.waits: Wait[Any] | dict[Wait[Any], None] | None = None
        #: End of the last query that named it, for as long as no cohort keeps that; in a cohort, when it was seated.
        self.asked_at = NEVER
        #: When something was last heard of it, likewise.
        self.heard_at = NEVER
        #: When this process submitted it.
        self.submitted_at = NEVER
        #: Words that end waits on this handle though the platform can leave them.
        self.end_words = NO_WORDS
        self.word: str | None = None
        self.state = State.UNKNOWN
        self.progress: float | None = None
        self.is_final = False
        self.details: Any = None
        self.message: str | None = None
        self.error: AiotasksError | None = None
        self.trouble: Trouble | None = None

    def add_wait(self, wait: Wait[Any]) -> None:
        """One more wait. Kept as nothing, one, or a dict: in a list, 10,000 waits cost 20 us per leaver."""
        waits = self.waits
        if isinstance(waits, dict):
            waits[wait] = None
        elif waits is None or not waits.is_open:
            self.waits = wait
        else:
            self.waits = {waits: None, wait: None}

    def drop_wait(self, wait: Wait[Any]) -> bool:
        """`wait` is over for this task. -> whether it was on it."""
        if self.waits is wait:
            self.waits = None
            return True
        return isinstance(self.waits, dict) and self.waits.pop(wait, self) is None

    def open_waits(self) -> tuple[Wait[Any], ...]:
        """The waits on it that are open; closed ones of sets are purged on the way."""
        found = open_waits(self.waits)
        if not found:
            self.waits = None
        elif isinstance(self.waits, dict) and len(found) < len(self.waits):
            self.waits = dict.fromkeys(found)
        return found

    @property
    def is_waited_for(self) -> bool:
        """Whether any wait on it is open."""
        waits = self.waits
        if isinstance(waits, dict):
            return any(wait.is_open for wait in waits)
        return waits is not None and waits.is_open

    @property
    def interval(self) -> float | None:
        """That of the most impatient wait on it; None when no wait is open."""
        return min((wait.interval for wait in self.open_waits()), default=None)


class Cohort:
    """Up to `batch_limit` records of one group that are asked together."""

    __slots__ = (
        "asked_end",
        "born",
        "closings",
        "digest",
        "digest_misses",
        "due",
        "earliest",
        "error",
        "failed_at",
        "failures",
        "group",
        "has_trouble",
        "heard_at",
        "is_flying",
        "is_queued",
        "is_stale",
        "latest",
        "leavers",
        "members",
        "refusals",
        "refused_since",
        "request",
        "suspicion",
        "ticket",
    )

    def __init__(self, group: Group, members: list[Record], earliest: float, due: float) -> None:
        self.group = group
        #: In request order.
        self.members = members
        self.born = next(_births)
        self.earliest = earliest
        self.latest = earliest + group.lane.board.window
        self.due = due
        self.ticket = 0
        self.asked_end = max((record.asked_at for record in members), default=NEVER)
        self.heard_at = NEVER
        self.is_flying = False
        self.is_queued = False
        #: A member may have left: compact before sending. How many did, at most, as far as was counted.
        self.is_stale = False
        self.leavers = 0
        #: `Board.closings` when it was last compacted.
        self.closings = group.lane.board.closings
        #: The request for exactly these members by the source it was made by, until either changes.
        self.request: tuple[StatusSource, Query, Request] | None = None
        #: Hash of the last answer, if it was clean and about exactly these members.
        self.digest: int | None = None
        self.digest_misses = 0
        #: Queries that failed in a row; when the last of them did, and of what.
        self.failures = 0
        self.failed_at = NEVER
        self.error: AiotasksError | None = None
        #: Definite refusals in a row, and the lane's count of successes when they began.
        self.refusals = 0
        self.refused_since = 0
        #: A member may have trouble, or carry an error of before.
        self.has_trouble = False
        #: Not None: it is apart.
        self.suspicion: Suspicion | None = None
        for record in members:
            record.cohort = self

    @property
    def has_room(self) -> bool:
        """Whether it could take one more."""
        return len(self.members) < self.group.lane.source.batch_limit

    @property
    def may_be_joined(self) -> bool:
        """Whether its membership may grow now: not while it flies, nor while it may hold a culprit."""
        return not (self.is_flying or self.refusals)

    def take(self, records: Sequence[Record]) -> None:
        """Add `records`; the caller has seen to it that they fit, in number and in time."""
        for record in records:
            record.cohort = self
        self.members.extend(records)
        self.changed()

    def changed(self) -> None:
        """Its membership changed: the request and the last answer no longer belong to it."""
        self.request = None
        self.digest = None

    def __repr__(self) -> str:
        return f"<Cohort {self.born} of {len(self.members)}, due {self.due:.3f}>"


class Board:
    """What all lanes of a planner share."""

    __slots__ = ("closings", "thinned", "timetable", "window")

    def __init__(self, window: float) -> None:
        self.window = window
        self.timetable: Timetable[Cohort] = Timetable()
        #: Waits on sets that have closed: a cohort compacted before the last of them may hold leavers. So the
        #: end of a wait on a million tasks marks them all at once.
        self.closings = 0
        #: Cohorts that may have lost the greater part of their members.
        self.thinned: dict[Cohort, None] = {}

    def left(self, cohort: Cohort) -> None:
        """A member of `cohort` may have left."""
        cohort.is_stale = True
        cohort.leavers += 1
        if cohort.leavers * 2 > len(cohort.members):
            self.thinned[cohort] = None


class Lane:
    """Tasks of one account that may share a query, the source that knows how, and their groups."""

    __slots__ = ("board", "groups", "source", "successes", "suspicions", "throttle")

    def __init__(self, source: StatusSource, throttle: Throttle[Cohort], board: Board) -> None:
        self.source = source
        self.throttle = throttle
        self.board = board
        self.groups: dict[float, Group] = {}
        #: Queries that were answered.
        self.successes = 0
        #: Refused cohorts that are being halved.
        self.suspicions: set[Suspicion] = set()

    def group(self, interval: float) -> Group:
        """The group of tasks to be asked every `interval` seconds, a multiple of the window."""
        found = self.groups.get(interval)
        if found is None:
            found = self.groups[interval] = Group(self, interval)
        return found

    def learn(self, fact: Any) -> bool:
        """Take a fact in; whether the source changed by it."""
        known = self.source
        try:
            self.source = known.learn(fact)
        except Exception:  # noqa: BLE001 - a source may be anybody's code: one that cannot learn stays as it is (F-39)
            return False
        if self.source.batch_limit != known.batch_limit:
            for group in self.groups.values():
                group.recount_room()
        return self.source != known

    def settle_piece(self, suspicion: Suspicion) -> None:
        """One piece less is under `suspicion`. When all are settled and none was guilty, it was the size."""
        suspicion.pieces -= 1
        if suspicion.pieces == 0 and suspicion in self.suspicions:
            self.suspicions.remove(suspicion)
            if suspicion.may_be_size:
                self.learn(TooLarge(suspicion.size))


class Group:
    """The tasks of one lane and interval, in cohorts."""

    __slots__ = ("cohorts", "interval", "lane", "room", "seats", "tasks")

    def __init__(self, lane: Lane, interval: float) -> None:
        self.lane = lane
        self.interval = interval
        #: Records in regular cohorts.
        self.tasks = 0
        #: Regular cohorts, and those of them with room. Full ones are never looked at.
        self.cohorts: dict[Cohort, None] = {}
        self.room: dict[Cohort, None] = {}
        self.seats: Seats[Cohort] = Seats(self.room)

    # --- coming -----------------------------------------------------------------------------------

    def open(self, records: list[Record], earliest: float, due: float) -> None:
        """A new cohort of `records`."""
        self.add(Cohort(self, records, earliest, due))

    def add(self, cohort: Cohort) -> None:
        """`cohort` is a regular one from now on."""
        self.tasks += len(cohort.members)
        self.cohorts[cohort] = None
        if cohort.has_room:
            self.room[cohort] = None
        self.plan(cohort)

    def plan(self, cohort: Cohort) -> None:
        """Enter `cohort` in the timetable, at its `due`, unless it waits for a slot or an answer."""
        if cohort.is_flying or cohort.is_queued:
            return
        self.lane.board.timetable.plan(cohort, cohort.due)
        if cohort in self.room:
            self.seats.offer(cohort)

    def recount_room(self) -> None:
        """The batch limit changed."""
        self.room.clear()
        self.room.update((cohort, None) for cohort in self.cohorts if cohort.has_room)
        for cohort in self.room:
            self.seats.offer(cohort)

    # --- leaving ----------------------------------------------------------------------------------

    def compact(self, cohort: Cohort) -> list[Record]:
        """Let those go who left, ended or changed their interval. Not while it flies. -> who went."""
        cohort.is_stale = False
        cohort.leavers = 0
        cohort.closings = self.lane.board.closings
        stays = self._stays
        gone = [record for record in cohort.members if not stays(record)]
        if gone:
            self._let_go(cohort, gone)
        return gone

    def _stays(self, record: Record) -> bool:
        waits = record.waits
        if waits is None or record.is_final:
            return False
        if isinstance(waits, Wait):  # the common case, without a call
            return waits.is_open and waits.interval == self.interval
        return record.interval == self.interval

    def expel(self, cohort: Cohort, *gone: Record) -> None:
        """These leave now rather than at the next compaction, since they may come back before that."""
        self._let_go(cohort, gone)

    def _let_go(self, cohort: Cohort, gone: Collection[Record]) -> None:
        for record in gone:
            release(record, cohort)
        if len(gone) == 1:
            cohort.members.remove(*gone)
        else:
            cohort.members = [record for record in cohort.members if record.cohort is cohort]
        cohort.changed()
        if cohort.suspicion is not None:
            cohort.suspicion.may_be_size = False  # the culprit may be among those who left
        else:
            self.tasks -= len(gone)
        if not cohort.members:
            self.remove(cohort)
        elif cohort.suspicion is None:
            self.make_room(cohort)

    def make_room(self, cohort: Cohort) -> None:
        """A regular cohort has fewer members than it had."""
        if cohort.has_room and cohort not in self.room:
            self.room[cohort] = None
            self.seats.offer(cohort)

    def remove(self, cohort: Cohort) -> None:
        """`cohort` is gone."""
        self.lane.board.timetable.strike(cohort)
        self.lane.board.thinned.pop(cohort, None)
        if cohort.is_queued:
            cohort.is_queued = False
            del self.lane.throttle.queue[cohort]
        self.discount(cohort)
        if cohort.suspicion is not None:
            self.lane.settle_piece(cohort.suspicion)

    def discount(self, cohort: Cohort) -> None:
        """`cohort` no longer counts among the regular ones."""
        self.cohorts.pop(cohort, None)
        self.room.pop(cohort, None)
        if not self.cohorts and self.lane.groups.get(self.interval) is self:
            del self.lane.groups[self.interval]

    # --- apart, and back --------------------------------------------------------------------------

    def set_apart(self, cohort: Cohort, suspicion: Suspicion) -> None:
        """`cohort` takes no part in joining and merging until it is acquitted."""
        cohort.suspicion = suspicion
        self.tasks -= len(cohort.members)
        self.discount(cohort)

    def acquit(self, cohort: Cohort) -> None:
        """A cohort apart is a regular one again; the caller plans it."""
        suspicion, cohort.suspicion = cohort.suspicion, None
        assert suspicion is not None
        cohort.refusals = 0
        home = cohort.group = self.lane.group(self.interval)  # this one may have lost its last and gone
        home.add(cohort)
        self.lane.settle_piece(suspicion)

    def cut(self, cohort: Cohort, keep: int) -> Cohort:
        """Cut off what exceeds the first `keep` members. -> the new cohort, with the stamps of the old."""
        piece = Cohort(self, cohort.members[keep:], cohort.earliest, cohort.due)
        cohort.members = cohort.members[:keep]
        cohort.changed()
        piece.latest = cohort.latest
        piece.asked_end = cohort.asked_end
        piece.heard_at = cohort.heard_at
        piece.failures, piece.failed_at, piece.error = cohort.failures, cohort.failed_at, cohort.error
        piece.refusals, piece.refused_since = cohort.refusals, cohort.refused_since
        piece.is_stale, piece.closings = cohort.is_stale, cohort.closings
        piece.has_trouble = cohort.has_trouble
        piece.suspicion = cohort.suspicion
        if piece.suspicion is not None:
            piece.suspicion.pieces += 1
            self.plan(piece)
        else:
            self.tasks -= len(piece.members)
            self.add(piece)
        return piece


def release(record: Record, cohort: Cohort) -> None:
    """`record` is of no cohort now, and carries the cohort's stamps with it."""
    seated = record.asked_at
    record.cohort = None
    record.asked_at = cohort.asked_end
    if cohort.heard_at >= seated:
        record.heard_at = max(record.heard_at, cohort.heard_at)
    if record.error is None and cohort.failed_at >= seated:  # else it has one of its own, which says more
        record.error = cohort.error
