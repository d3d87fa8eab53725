"""Who is asked together: records, cohorts, groups and lanes.

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
  after its answer.
- Merging happens in surplus only (more than 1.05 times as many cohorts as needed): without that slack there are
  thousands of useless moves at small batch limits. Every merge fits the latest time of both sides, or the gaps
  between checks creep up.
- A cohort apart (under suspicion, see `Suspicion`) takes no part in any of this.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks._core.timetable import Timetable
from aiotasks._core.waits import Wait, open_waits
from aiotasks.models import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotasks._core.throttle import Throttle
    from aiotasks.abc import StatusSource
    from aiotasks.errors import AiotasksError
    from aiotasks.models import Query, Request

__all__ = ["Board", "Cohort", "Group", "Lane", "Record", "Suspicion", "Trouble"]

NEVER: Final = -math.inf
#: For `Record.asked_at`: asked at an unknown time, maybe just now (by another process, or before a crash). The
#: planner takes the time at which it first sees it.
RECENTLY: Final = math.inf
_SLACK: Final = 1.05
_births = count()


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
    #: Undecodable answers in a row about it alone, and when that began.
    undecodable: int = 0
    undecodable_since: float = 0.0


class Record:
    """What the scheduler knows of one task: all of it, so a million of them fit in memory."""

    __slots__ = (
        "asked_at",
        "cohort",
        "details",
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
        #: End of the last query that named it, for as long as no cohort keeps that.
        self.asked_at = NEVER
        #: When something was last heard of it, likewise.
        self.heard_at = NEVER
        #: When this process submitted it.
        self.submitted_at = NEVER
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

    def drop_wait(self, wait: Wait[Any]) -> None:
        """`wait` has closed."""
        if self.waits is wait:
            self.waits = None
        elif isinstance(self.waits, dict):
            self.waits.pop(wait, None)

    def open_waits(self) -> tuple[Wait[Any], ...]:
        """The waits on it that are open; closed ones of sets are purged on the way."""
        found = open_waits(self.waits)
        if not found:
            self.waits = None
        elif isinstance(self.waits, dict) and len(found) < len(self.waits):
            self.waits = dict.fromkeys(found)
        return found

    @property
    def interval(self) -> float | None:
        """That of the most impatient wait on it; None when no wait is open."""
        return min((wait.interval for wait in self.open_waits()), default=None)


@attrs.define(eq=False)
class Suspicion:
    """A refused cohort is halved until the culprit is alone; its pieces share this."""

    #: Tasks in the query that was refused at first.
    size: int
    #: Pieces whose innocence or guilt is still open.
    pieces: int = 1
    #: A single task turned out to be refused by itself.
    has_culprit: bool = False


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
        "failures",
        "group",
        "heard_at",
        "is_flying",
        "is_queued",
        "is_stale",
        "latest",
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
        #: A member may have left: compact before sending.
        self.is_stale = False
        #: `Board.closings` when it was last compacted.
        self.closings = group.lane.board.closings
        #: The request for exactly these members by the source it was made by, until either changes.
        self.request: tuple[StatusSource, Query, Request] | None = None
        #: Hash of the last answer, if it was clean and about exactly these members.
        self.digest: int | None = None
        self.digest_misses = 0
        #: Queries that failed in a row, and the last fault.
        self.failures = 0
        self.error: AiotasksError | None = None
        #: Definite refusals in a row, and the lane's count of successes when they began.
        self.refusals = 0
        self.refused_since = 0
        #: Not None: it is apart.
        self.suspicion: Suspicion | None = None
        for record in members:
            record.cohort = self

    @property
    def has_room(self) -> bool:
        """Whether it could take one more."""
        return len(self.members) < self.group.lane.source.batch_limit

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

    __slots__ = ("closings", "timetable", "window")

    def __init__(self, window: float) -> None:
        self.window = window
        self.timetable: Timetable[Cohort] = Timetable()
        #: Waits on sets that have closed: a cohort compacted before the last of them may hold leavers. So the
        #: end of a wait on a million tasks marks them all at once.
        self.closings = 0


class Lane:
    """Tasks of one account that may share a query, the source that knows how, and their groups."""

    __slots__ = ("board", "groups", "source", "successes", "throttle")

    def __init__(self, source: StatusSource, throttle: Throttle[Cohort], board: Board) -> None:
        self.source = source
        self.throttle = throttle
        self.board = board
        self.groups: dict[float, Group] = {}
        #: Queries that were answered.
        self.successes = 0

    def group(self, interval: float) -> Group:
        """The group of tasks to be asked every `interval` seconds, a multiple of the window."""
        found = self.groups.get(interval)
        if found is None:
            found = self.groups[interval] = Group(self, interval)
        return found

    def learn(self, fact: Any) -> bool:
        """Take a fact in; whether the source changed by it."""
        known, self.source = self.source, self.source.learn(fact)
        if self.source.batch_limit != known.batch_limit:
            for group in self.groups.values():
                group.recount_room()
        return self.source != known


class Group:
    """The tasks of one lane and interval, in cohorts."""

    __slots__ = ("cohorts", "interval", "lane", "room", "tasks")

    def __init__(self, lane: Lane, interval: float) -> None:
        self.lane = lane
        self.interval = interval
        #: Records in regular cohorts.
        self.tasks = 0
        #: Regular cohorts, and those of them with room. Full ones are never scanned.
        self.cohorts: dict[Cohort, None] = {}
        self.room: dict[Cohort, None] = {}

    @property
    def is_in_surplus(self) -> bool:
        """Whether it has more cohorts than it needs, by more than the slack."""
        return len(self.cohorts) > _SLACK * math.ceil(self.tasks / self.lane.source.batch_limit)

    # --- joining --------------------------------------------------------------------------------

    def seat_new(self, records: Sequence[Record], now: float) -> None:
        """Seat records that were never asked: with whom is due soonest within one interval, else together."""
        limit = self.lane.source.batch_limit
        seated = 0
        while seated < len(records) and (host := self._soonest(now + self.interval)) is not None:
            some = records[seated : seated + limit - len(host.members)]
            seated += len(some)
            self._fill(host, some, now)
        for start in range(seated, len(records), limit):
            some = records[start : start + limit]
            # One that is not full is due at the end of its window, so that later ones can join.
            due = now if len(some) == limit else now + self.lane.board.window
            self._open(list(some), earliest=now, due=due)

    def seat(self, record: Record, now: float) -> None:
        """Seat one record that was asked before, within its window."""
        earliest = record.asked_at + self.interval
        moment = max(earliest, now)
        best, best_due = None, moment + self.lane.board.window
        if self.lane.source.batch_limit > 1:
            for cohort in self.room:
                due = max(cohort.due, earliest)
                if due <= best_due and not cohort.is_flying and (cohort.due >= earliest or due <= cohort.latest):
                    best, best_due = cohort, due
        if best is None:
            due = moment + self.lane.board.window if self.lane.source.batch_limit > 1 else moment
            self._open([record], earliest=moment, due=due)
            return
        best.asked_end = max(best.asked_end, record.asked_at)
        best.earliest = max(best.earliest, earliest)
        if best_due > best.due:
            best.due = best_due
            self._plan(best)
        self._fill(best, (record,), now)

    def _soonest(self, latest: float) -> Cohort | None:
        if self.lane.source.batch_limit == 1:
            return None  # nothing is under-full then; looking would be quadratic
        best = None
        for cohort in self.room:
            if cohort.due <= latest and not cohort.is_flying:
                best, latest = cohort, cohort.due
        return best

    def _fill(self, host: Cohort, records: Sequence[Record], now: float) -> None:
        host.take(records)
        self.tasks += len(records)
        if not host.has_room:
            del self.room[host]
            if host.due > max(host.earliest, now):
                host.due = max(host.earliest, now)  # nobody else can join: no reason to wait
                self._plan(host)

    def _open(self, records: list[Record], earliest: float, due: float) -> None:
        self.tasks += len(records)
        self._add(Cohort(self, records, earliest, due))

    def _add(self, cohort: Cohort) -> None:
        self.cohorts[cohort] = None
        if cohort.has_room:
            self.room[cohort] = None
        self._plan(cohort)

    def _plan(self, cohort: Cohort) -> None:
        if not cohort.is_queued and not cohort.is_flying:
            self.lane.board.timetable.plan(cohort)

    # --- leaving --------------------------------------------------------------------------------

    def compact(self, cohort: Cohort) -> list[Record]:
        """Let those go who left, ended or changed their interval. Not while it flies. -> who went."""
        cohort.is_stale = False
        cohort.closings = self.lane.board.closings
        stays = self._stays
        kept = [record for record in cohort.members if record.cohort is cohort and stays(record)]
        if len(kept) == len(cohort.members):
            return []
        staying = set(kept)
        gone = [record for record in cohort.members if record.cohort is cohort and record not in staying]
        if cohort.suspicion is None:
            self.tasks -= len(cohort.members) - len(kept)
        cohort.members = kept
        cohort.changed()
        for record in gone:
            self.release(record, cohort)
        if not kept:
            self.remove(cohort)
        elif cohort.suspicion is None and cohort.has_room:
            self.room[cohort] = None
        return gone

    def _stays(self, record: Record) -> bool:
        waits = record.waits
        if waits is None or record.is_final:
            return False
        if isinstance(waits, Wait):  # the common case, without a call
            return waits.is_open and waits.interval == self.interval
        return record.interval == self.interval

    def expel(self, record: Record, cohort: Cohort) -> None:
        """`record` leaves now rather than at the next compaction, since it may come back before that."""
        cohort.members.remove(record)
        cohort.changed()
        self.release(record, cohort)
        if cohort.suspicion is None:
            self.tasks -= 1
            self.room[cohort] = None
        if not cohort.members:
            self.remove(cohort)

    @staticmethod
    def release(record: Record, cohort: Cohort) -> None:
        """`record` is of no cohort now, and carries the cohort's stamps with it."""
        record.cohort = None
        record.asked_at = cohort.asked_end
        record.heard_at = max(record.heard_at, cohort.heard_at)
        if cohort.error is not None:
            record.error = cohort.error

    def remove(self, cohort: Cohort) -> None:
        """`cohort` is gone."""
        if cohort.suspicion is not None:
            cohort.suspicion.pieces -= 1
        self.lane.board.timetable.strike(cohort)
        self.remove_regular(cohort)

    def remove_regular(self, cohort: Cohort) -> None:
        """`cohort` no longer counts among the regular ones."""
        self.cohorts.pop(cohort, None)
        self.room.pop(cohort, None)
        if not self.cohorts and self.lane.groups.get(self.interval) is self:
            del self.lane.groups[self.interval]

    def recount_room(self) -> None:
        """The batch limit changed."""
        self.room = {cohort: None for cohort in self.cohorts if cohort.has_room}

    # --- after an answer ------------------------------------------------------------------------

    def again(self, cohort: Cohort, earliest: float, *, may_meet: bool) -> None:
        """Plan the next query of a cohort that landed, not before `earliest`, and merge what can be merged."""
        cohort.earliest = cohort.due = earliest
        cohort.latest = earliest + self.lane.board.window
        if may_meet and cohort.suspicion is None and cohort in self.room and self.is_in_surplus:
            self._meet(cohort)
            if not cohort.members:
                return
            if cohort in self.room and self.is_in_surplus and cohort is not min(self.room, key=_age):
                cohort.due = cohort.latest  # whoever meets nobody drifts, until it meets the oldest
        self._plan(cohort)

    def _meet(self, cohort: Cohort) -> None:
        for other in sorted(self.room, key=_age):
            if other is cohort or other.is_flying or other.is_queued:
                continue
            floor = max(cohort.earliest, other.earliest)
            ceiling = min(cohort.latest, other.latest)
            if floor > ceiling:
                continue
            old, young = (cohort, other) if cohort.born < other.born else (other, cohort)
            self._pour(young, old)
            old.earliest, old.latest = floor, ceiling
            old.due = min(max(old.due, floor), ceiling)
            if old is not cohort:
                self._plan(old)
            if not cohort.members or not cohort.has_room or not self.is_in_surplus:
                return

    def _pour(self, young: Cohort, old: Cohort) -> None:
        some = young.members[: self.lane.source.batch_limit - len(old.members)]
        young.members = young.members[len(some) :]
        young.changed()
        old.take(some)
        old.asked_end = max(old.asked_end, young.asked_end)
        old.heard_at = max(old.heard_at, young.heard_at)
        old.is_stale |= young.is_stale
        old.closings = min(old.closings, young.closings)
        if not old.has_room:
            del self.room[old]
        if young.members:
            self.room[young] = None
        else:
            self.remove(young)

    # --- cutting and rejoining --------------------------------------------------------------------

    def cut(self, cohort: Cohort, limit: int) -> list[Cohort]:
        """Cut off what exceeds `limit`. -> the new cohorts, with the stamps of the old, due as it is."""
        pieces = []
        for start in range(limit, len(cohort.members), limit):
            piece = self._piece(cohort, cohort.members[start : start + limit])
            if cohort.suspicion is None:
                self._add(piece)
            else:
                cohort.suspicion.pieces += 1
                self._plan(piece)
            pieces.append(piece)
        cohort.members = cohort.members[:limit]
        cohort.changed()
        return pieces

    def split(self, cohort: Cohort, earliest: float) -> None:
        """Halve a cohort that was refused as a whole; the halves are apart until their innocence is shown."""
        suspicion = cohort.suspicion
        if suspicion is None:
            suspicion = Suspicion(len(cohort.members))
            self._set_apart(cohort, suspicion)
        half = (len(cohort.members) + 1) // 2
        piece = self._piece(cohort, cohort.members[half:])
        cohort.members = cohort.members[:half]
        cohort.changed()
        suspicion.pieces += 1
        for part in (cohort, piece):
            part.refusals = 0
            part.earliest = part.due = earliest
            self._plan(part)

    def isolate(self, record: Record, earliest: float) -> None:
        """Ask `record` alone from now on, until it is heard of. It has just been released."""
        alone = Cohort(self, [record], earliest, earliest)
        alone.suspicion = Suspicion(1)
        alone.is_stale = True  # its waits may have closed while the query flew
        self._plan(alone)

    def acquit(self, cohort: Cohort) -> None:
        """A cohort apart was answered soundly: it is a regular one again."""
        cohort.suspicion = None
        cohort.refusals = 0
        home = cohort.group = self.lane.group(self.interval)  # this one may have lost its last and gone
        home.tasks += len(cohort.members)
        home.cohorts[cohort] = None
        if cohort.has_room:
            home.room[cohort] = None

    def _set_apart(self, cohort: Cohort, suspicion: Suspicion) -> None:
        cohort.suspicion = suspicion
        self.tasks -= len(cohort.members)
        self.remove_regular(cohort)

    def _piece(self, cohort: Cohort, members: list[Record]) -> Cohort:
        piece = Cohort(self, members, cohort.earliest, cohort.due)
        piece.latest = cohort.latest
        piece.asked_end = cohort.asked_end
        piece.heard_at = cohort.heard_at
        piece.failures = cohort.failures
        piece.error = cohort.error
        piece.suspicion = cohort.suspicion
        piece.is_stale = cohort.is_stale
        piece.closings = cohort.closings
        return piece


def _age(cohort: Cohort) -> int:
    return cohort.born
