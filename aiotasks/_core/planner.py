"""The machine as a whole: events in, effects out, time as an argument.

    planner.feed(event, now)      what happened
    planner.due(now) -> effects   what to do: first the queries to send, then the waits to wake
    planner.next_wakeup()         when to call `due` again, if nothing is fed before

Inside one `due`: expired waits end, then the cohorts that are due are compacted, then queries are chosen. So no
query names a task whose last wait timed out in the same moment.

What a fault does to the cohort that met it (F-01 to F-24):

    no answer, 5xx, nonsense ......... asked again with backoff; counted by the account's circuit
    asked to stay away ............... the whole account keeps away until then
    credential refused ............... asked once more; then every wait of the account ends
    too large ........................ the source learns it; cohorts are cut to its new limit
    refused as such .................. asked once more; then halved until the culprit is alone, and given up
    one entry refused or denied ...... that task alone: asked once more, then given up

"Given up" ends the task's waits with the error. It says nothing about the job (I-10): a new wait asks again.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from aiotasks._core import events
from aiotasks._core.cohorts import NEVER, RECENTLY, Board, Cohort, Lane, Record, Suspicion, Trouble
from aiotasks._core.desk import Desk
from aiotasks._core.lifecycle import copy_state, observe
from aiotasks._core.matching import Flight, match
from aiotasks._core.pacing import backoff, stay_away
from aiotasks._core.throttle import Throttle
from aiotasks._core.waits import Wait
from aiotasks.errors import (
    AiotasksError,
    AuthError,
    DecodeError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    ServerError,
    TaskNotFound,
    TaskQueryError,
)
from aiotasks.limits import (
    ABSENCE_SPAN,
    ABSENCES,
    DENIALS,
    FLOOR,
    REFUSALS,
    SLICE,
    SUBMIT_GRACE,
    SUSPECTS_AT_ONCE,
    UNDECODABLE_ANSWERS,
    UNDECODABLE_SPAN,
    WINDOW,
)
from aiotasks.models import Absence, Query, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from aiotasks.models import Account, Answer

__all__ = ["Planner", "Tally"]


@attrs.define
class Tally:
    """Counters since the planner began."""

    #: Queries sent, those that failed, and answers equal to the last one (not decoded).
    requests: int = 0
    failures: int = 0
    unchanged: int = 0
    #: Task checks: each task once per query that names it.
    checks: int = 0
    #: Rows about tasks not asked about, or contradicting each other.
    strays: int = 0


class AccountBook:
    """What belongs to one account: its pace, its lanes, the tasks registered under it."""

    __slots__ = ("auth_failures", "is_closed", "lanes", "records", "suspicions", "throttle", "throttlings")

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.throttle: Throttle[Cohort] = Throttle(jitter)
        self.lanes: dict[Hashable, Lane] = {}
        self.records: dict[Any, Record] = {}
        #: Refused cohorts that are being halved.
        self.suspicions: dict[Suspicion, None] = {}
        #: Refusals of the credential, and requests to slow down, in a row.
        self.auth_failures = 0
        self.throttlings = 0
        #: Its client is gone: the book goes with its last task.
        self.is_closed = False


class Planner:
    """Decides, for all tasks of one scheduler, who is asked when and which wait ends."""

    def __init__(self, *, jitter: Callable[[], float], window: float = WINDOW) -> None:
        self.tally = Tally()
        self._jitter = jitter
        self._board = Board(window)
        self.desk = Desk(self._board)
        self._books: dict[Account, AccountBook] = {}
        #: Accounts with cohorts queued for a slot. They take turns.
        self._crowded: dict[AccountBook, None] = {}
        #: Records with trouble: few, so kept apart from the many.
        self._troubled: dict[Record, None] = {}
        #: Records nobody waits for, with the time from which their last query no longer matters.
        self._parked: deque[tuple[float, list[Record]]] = deque()
        #: Records being given up, and waits being ended, a slice per `due`.
        self._doomed: deque[tuple[list[Record], AiotasksError]] = deque()
        self._ending: deque[tuple[list[Wait[Any]], AiotasksError]] = deque()
        self._flights: dict[Flight, None] = {}
        self._registered = 0
        self._now = NEVER
        #: No more queries are chosen: the scheduler is closing.
        self.is_held = False

    # --- what others ask ------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Nothing is waited for and nothing is in flight."""
        return not (self.desk.open or self._flights or self.desk.effects)

    @property
    def in_flight(self) -> int:
        """Queries sent and not yet landed."""
        return len(self._flights)

    @property
    def tasks(self) -> int:
        """Registered tasks."""
        return self._registered

    def records(self) -> Iterator[Record]:
        """Every registered task."""
        for book in self._books.values():
            yield from book.records.values()

    def open_waits(self) -> list[Wait[Any]]:
        """Every open wait of a caller, once each."""
        return _waits_on(self.records())

    def books(self) -> Iterator[tuple[Account, AccountBook]]:
        """Every account and what belongs to it."""
        yield from self._books.items()

    def known(self, account: Account, id: Any) -> Record | None:
        """The registered record of that identity, if there is one."""
        book = self._books.get(account)
        return book.records.get(id) if book is not None else None

    def is_unchanged(self, flight: Flight, digest: int) -> bool:
        """Whether a body of this hash says what the last answer said, so that it need not be read."""
        return flight.cohort.digest == digest

    # --- in -----------------------------------------------------------------------------------------

    def feed(self, event: events.Event, now: float) -> None:
        """Take in what happened. What it leads to comes out of the next `due`."""
        self._now = max(now, self._now)
        match event:
            case events.Watched(tasks, wait):
                self._watch(tasks, wait)
            case events.Ended(wait):
                if wait.is_open:
                    self.desk.close(wait)
            case events.Answered(flight, answer):
                self._answered(flight, answer)
            case events.Landed():
                self._landed(event)
            case events.Failed(flight, error, at):
                self._failed(flight, error, at)
            case events.Closed(error, account):
                self._shut(error, account)
            case _:
                assert_never(event)

    # --- out ----------------------------------------------------------------------------------------

    def due(self, now: float) -> list[events.Effect]:
        """What is to be done at `now`: queries first, in the order they came due, then waits."""
        self._now = now = max(now, self._now)
        self.desk.expire(now)
        self.forget(now)
        self._doom()
        arrivals: set[Cohort] = set()
        while not self.is_held and (cohort := self._board.timetable.pop_due(now)) is not None:
            self._queue(cohort)
            arrivals.add(cohort)
        effects: list[events.Effect] = [] if self.is_held else list(self._launches(now, arrivals))
        effects.extend(self.desk.effects)
        self.desk.effects.clear()
        return effects

    def next_wakeup(self) -> float | None:
        """When `due` has something to do by the clock alone; None: not before something is fed."""
        if self.desk.effects or self._doomed or self._ending:
            return self._now
        moments = (self.next_query(), self.desk.next_deadline())
        return min((moment for moment in moments if moment is not None), default=None)

    def next_query(self) -> float | None:
        """When the next query may start, or None: not before something is fed."""
        if self.is_held:
            return None
        moments = [self._board.timetable.next_due()]
        moments.extend(book.throttle.next_slot() for book in self._crowded)
        return min((moment for moment in moments if moment is not None), default=None)

    def tidy(self) -> bool:
        """While nobody waits: take one more cohort apart. -> False: there is none left."""
        cohort = self._board.timetable.pop_due(math.inf)
        if cohort is None:
            for book in self._crowded:
                if book.throttle.queue:
                    cohort = book.throttle.queue.popleft()
                    cohort.is_queued = False
                    break
            else:
                self._crowded.clear()
                return False
        cohort.is_stale = True
        self._compact(cohort)
        if cohort.members:  # somebody waits again
            self._board.timetable.plan(cohort)
        return True

    def forget(self, now: float, most: int = SLICE) -> float | None:
        """Let go of parked tasks whose last query no longer matters. -> when there is more to let go of."""
        while self._parked and self._parked[0][0] <= now and most > 0:
            _, records = self._parked.popleft()
            most -= len(records)
            for record in records:
                self._forget(record, now)
        return self._parked[0][0] if self._parked else None

    # --- tasks come and go ----------------------------------------------------------------------------

    def _watch(self, tasks: Sequence[Record], wait: Wait[Any]) -> None:
        if wait.since < 0:
            self.desk.begin(wait, self.tally.requests)
        newcomers: dict[Lane, list[Record]] = {}
        for record in tasks:
            if not wait.is_open:
                return
            if record.is_final:
                self.desk.reached(wait, record)
                continue
            book = self._book(record.source.account)
            if record.asked_at == RECENTLY:
                record.asked_at = self._now
            leader = book.records.get(record.id)
            if leader is None:
                book.records[record.id] = record
                self._registered += 1
            elif leader is not record and not self._take_over(book, leader, record):
                self._mirror(leader, record, wait)
                continue
            if record.is_final or self._was_just_heard(record, wait.words):
                self.desk.reached(wait, record)
                continue
            self.desk.put_on(record, wait)
            if record.cohort is not None:
                self._hasten(record, wait)
            elif record.asked_at > NEVER:
                self._lane(book, record).group(wait.interval).seat(record, self._now)
            else:
                newcomers.setdefault(self._lane(book, record), []).append(record)
        for lane, records in newcomers.items():
            lane.group(wait.interval).seat_new(records, self._now)

    @staticmethod
    def _was_just_heard(record: Record, words: frozenset[str] | None) -> bool:
        """Whether one of `words` is what a task now being asked about said last; an older one is asked about."""
        return words is not None and record.word in words and record.cohort is not None

    def _take_over(self, book: AccountBook, leader: Record, record: Record) -> bool:
        """Let `record`, another handle on a registered task, take its place if nobody waits for that one."""
        cohort = leader.cohort
        if cohort is not None:
            if cohort.is_flying or leader.interval is not None:
                return False
            cohort.group.expel(leader, cohort)
        record.asked_at = max(record.asked_at, leader.asked_at)
        copy_state(record, leader)
        book.records[record.id] = record
        self._parked.append((record.asked_at + FLOOR, [record]))
        return True

    def _mirror(self, leader: Record, record: Record, wait: Wait[Any]) -> None:
        """Wait on the registered handle, for the sake of a wait on another handle of the same task (F-75)."""
        copy_state(record, leader)
        mirror = Wait(
            (leader,),
            interval=wait.interval,
            words=wait.words,
            is_fresh=wait.is_fresh,
            is_listening=wait.is_listening,
        )
        mirror.stands_for = (wait, record)
        wait.mirrors = [*(wait.mirrors or ()), mirror]
        self._watch((leader,), mirror)

    def _hasten(self, record: Record, wait: Wait[Any]) -> None:
        """A new wait on a seated record may wish for a shorter interval: at once, unless a query flies."""
        cohort = record.cohort
        assert cohort is not None
        group = cohort.group
        cohort.is_stale |= wait.interval != group.interval
        if wait.interval < group.interval and not cohort.is_flying and cohort.suspicion is None:
            group.expel(record, cohort)
            self._seat(group.lane, record)

    def _seat(self, lane: Lane, record: Record) -> None:
        interval = record.interval
        assert interval is not None
        if record.asked_at > NEVER:
            lane.group(interval).seat(record, self._now)
        else:
            lane.group(interval).seat_new((record,), self._now)

    def _compact(self, cohort: Cohort) -> None:
        """Let go of those who left, and seat those anew who changed their interval."""
        if not cohort.is_stale and cohort.closings == self._board.closings:
            return
        lane, suspicion = cohort.group.lane, cohort.suspicion
        parked = []
        for record in cohort.group.compact(cohort):
            if record.is_final or record.interval is None:
                parked.append(record)
            else:
                self._seat(lane, record)
        if parked:
            self._parked.append((cohort.asked_end + FLOOR, parked))
        if suspicion is not None:
            self._conclude(lane, suspicion)

    def _forget(self, record: Record, now: float) -> None:
        book = self._books.get(record.source.account)
        if book is None or record.cohort is not None or record.asked_at + FLOOR > now:
            return
        if book.records.get(record.id) is record:
            del book.records[record.id]
            self._registered -= 1
            self._troubled.pop(record, None)
            if book.is_closed and not book.records:
                del self._books[record.source.account]

    def _book(self, account: Account) -> AccountBook:
        book = self._books.get(account)
        if book is None:
            book = self._books[account] = AccountBook(self._jitter)
        return book

    def _book_of(self, cohort: Cohort) -> AccountBook:
        return self._book(cohort.group.lane.source.account)

    def _lane(self, book: AccountBook, record: Record) -> Lane:
        lane = book.lanes.get(record.source.lane)
        if lane is None:
            lane = book.lanes[record.source.lane] = Lane(record.source, book.throttle, self._board)
        return lane

    # --- sending --------------------------------------------------------------------------------------

    def _queue(self, cohort: Cohort) -> None:
        book = self._book_of(cohort)
        cohort.is_queued = True
        book.throttle.queue.append(cohort)
        self._crowded[book] = None

    def _launches(self, now: float, arrivals: set[Cohort]) -> Iterator[events.Send]:
        """Queries for the slots that are free, one account after the other until none has both."""
        turns = deque(self._crowded)
        while turns:
            book = turns.popleft()
            throttle = book.throttle
            while throttle.queue and throttle.may_send(now):
                cohort = throttle.queue.popleft()
                cohort.is_queued = False
                # Lateness is ours; the time a cohort queued for a slot is the account's.
                due = max(cohort.due, throttle.blocked_until) if cohort in arrivals else now
                flight = self._launch(cohort, throttle, now)
                if flight is not None:
                    yield events.Send(flight, due)
                    turns.append(book)
                    break
            if not throttle.queue:
                self._crowded.pop(book, None)

    def _launch(self, cohort: Cohort, throttle: Throttle[Cohort], now: float) -> Flight | None:
        self._compact(cohort)
        if not cohort.members or self._is_early(cohort, throttle, now):
            return None
        source = cohort.group.lane.source
        if len(cohort.members) > source.batch_limit:
            cohort.group.cut(cohort, source.batch_limit)
        if cohort.request is None or cohort.request[0] is not source:
            query = Query(tuple(record.id for record in cohort.members))
            cohort.request = (source, query, source.request(query))
            cohort.digest = None
        _, query, request = cohort.request
        self.tally.requests += 1
        self.tally.checks += len(cohort.members)
        fresh = self.desk.fresh
        flight = Flight(
            number=self.tally.requests,
            cohort=cohort,
            members=cohort.members,
            query=query,
            source=source,
            request=request,
            fresh=frozenset(filter(fresh.__contains__, cohort.members)) if fresh else frozenset(),
            # A rung that keeps missing is dropped, and tried again now and then.
            wants_digest=cohort.digest_misses < 8 or self.tally.requests % 16 == 0,
        )
        cohort.is_flying = True
        throttle.in_flight += 1
        self._flights[flight] = None
        return flight

    def _is_early(self, cohort: Cohort, throttle: Throttle[Cohort], now: float) -> bool:
        """Whether it may not be asked yet after all; then it is planned anew."""
        earliest = max(cohort.earliest, cohort.asked_end + FLOOR)
        if earliest <= now and cohort.failures:
            earliest = now + throttle.retry_delay(now)
        if earliest <= now:
            return False
        cohort.due = earliest
        self._board.timetable.plan(cohort)
        return True

    # --- answers ----------------------------------------------------------------------------------------

    def _answered(self, flight: Flight, answer: Answer) -> None:
        changed, missing, refused = match(flight, answer)
        for record, row in changed:
            has_changed = observe(record, flight.source.observe(row))
            if record.is_final:
                flight.cohort.is_stale = True
            self.desk.observed(record, has_changed=has_changed)
        for record in missing:
            self._denied(record, flight)
        for record, error in refused:
            self._refused(record, flight, error)
        for fact in answer.facts:
            flight.is_clean = False
            flight.cohort.group.lane.learn(fact)
        if answer.absence is Absence.UNCHANGED:
            flight.unheard = {}

    def _landed(self, event: events.Landed) -> None:
        flight, at = event.flight, event.at
        cohort, book = flight.cohort, self._book_of(flight.cohort)
        self._end_flight(flight, at)
        book.throttle.succeeded(at)
        book.auth_failures = book.throttlings = 0
        cohort.group.lane.successes += 1
        cohort.heard_at = at
        cohort.failures = cohort.refusals = 0
        cohort.error = None
        absent = [] if event.is_unchanged else flight.absent()
        self._heard(flight, absent)
        self._remember(cohort, event, is_clean=flight.is_clean and not absent)
        self.tally.strays += flight.strays
        if cohort.suspicion is not None and not absent and not flight.unsound:
            self._acquit(cohort)
        for record in absent:
            self._missed(record, cohort, at)
        self._compact(cohort)
        if cohort.members:
            cohort.group.again(cohort, at + cohort.group.interval, may_meet=True)

    def _end_flight(self, flight: Flight, at: float) -> None:
        cohort = flight.cohort
        del self._flights[flight]
        cohort.is_flying = False
        cohort.asked_end = at
        self._book_of(cohort).throttle.in_flight -= 1

    def _heard(self, flight: Flight, absent: list[Record]) -> None:
        """What being heard of does to members with a wait for a fresh status, or with trouble."""
        if not (flight.fresh or self._troubled):
            return
        silent = flight.unsound.union(absent)
        for record in flight.fresh:
            if record not in silent:
                self.desk.refreshed(record, flight.number)
        for record in [r for r in self._troubled if r.cohort is flight.cohort and r not in silent]:
            record.trouble = record.error = None
            del self._troubled[record]

    def _remember(self, cohort: Cohort, event: events.Landed, *, is_clean: bool) -> None:
        if event.is_unchanged:
            self.tally.unchanged += 1
            cohort.digest_misses = 0
        elif event.digest is not None:
            cohort.digest_misses += cohort.digest is not None
            cohort.digest = event.digest if is_clean else None

    # --- faults of one task -----------------------------------------------------------------------------

    def _trouble(self, record: Record, error: AiotasksError | None = None) -> Trouble:
        if record.trouble is None:
            record.trouble = Trouble()
            self._troubled[record] = None
        if error is not None:
            record.error = error
        return record.trouble

    def _denied(self, record: Record, flight: Flight) -> None:
        """The platform says that it knows no such task."""
        flight.unsound.add(record)
        if self._now - record.submitted_at < SUBMIT_GRACE:
            return  # this process submitted it: not visible yet
        error = _not_found(record)
        trouble = self._trouble(record, error)
        trouble.denials += 1
        if trouble.denials >= DENIALS:
            self._give_up(record, error)

    def _refused(self, record: Record, flight: Flight, error: AiotasksError) -> None:
        """A good answer holds an error for this task."""
        if isinstance(error, TaskNotFound):
            self._denied(record, flight)
            return
        flight.unsound.add(record)
        trouble = self._trouble(record, error)
        if isinstance(error, QueryRefused | PermissionDenied | AuthError):
            trouble.refusals += 1
            if trouble.refusals >= REFUSALS:
                self._give_up(record, error)

    def _missed(self, record: Record, cohort: Cohort, at: float) -> None:
        """A good answer leaves this task out."""
        trouble = self._trouble(record)
        if trouble.absences == 0:
            trouble.absent_since = at
        trouble.absences += 1
        if cohort.suspicion is not None and len(cohort.members) == 1:
            trouble.denials += at - record.submitted_at >= SUBMIT_GRACE
            if trouble.denials >= DENIALS:
                self._give_up(record, _not_found(record))
        elif trouble.absences >= ABSENCES or at - trouble.absent_since >= ABSENCE_SPAN:
            cohort.group.expel(record, cohort)
            cohort.group.isolate(record, at + FLOOR)

    def _give_up(self, record: Record, error: AiotasksError) -> None:
        record.trouble = None
        self._troubled.pop(record, None)
        if record.cohort is not None:
            record.cohort.is_stale = True
        self.desk.given_up(record, error)

    # --- faults of a query ------------------------------------------------------------------------------

    def _failed(self, flight: Flight, error: AiotasksError, at: float) -> None:
        cohort, book = flight.cohort, self._book_of(flight.cohort)
        self._end_flight(flight, at)
        self.tally.failures += 1
        cohort.failures += 1
        cohort.error = error
        cohort.digest = None
        self._slow_down(book, error, at)
        for record in flight.fresh:
            self.desk.failed(record, flight.number, error)
        if isinstance(error, AuthError):
            book.auth_failures += 1
            if book.auth_failures >= REFUSALS:
                self._doomed.append((list(book.records.values()), error))
        earliest = at + max(cohort.group.interval, backoff(cohort.failures, self._jitter))
        if isinstance(error, QueryTooLarge) and len(cohort.members) > 1:
            cohort.failures = 0
            cohort.group.lane.learn(TooLarge(len(cohort.members)))
            earliest = at + FLOOR
        elif isinstance(error, QueryRefused | PermissionDenied | TaskNotFound | DecodeError):
            self._suspect(cohort, book, error, at)
            if cohort.suspicion is not None:
                earliest = at + FLOOR
        self._compact(cohort)
        if cohort.members:
            cohort.group.again(cohort, earliest, may_meet=False)

    def _slow_down(self, book: AccountBook, error: AiotasksError, at: float) -> None:
        """What the fault means for the account's pace."""
        throttle = book.throttle
        match error:
            case RateLimited() | ServerError(retry_after=float()):
                book.throttlings += 1
                away = (
                    backoff(book.throttlings, self._jitter)
                    if error.retry_after is None
                    else stay_away(error.retry_after, self._jitter)
                )
                throttle.throttled(at, at + away)
            case QueryRefused() | PermissionDenied() | TaskNotFound() | AuthError():
                throttle.succeeded(at)  # it works, and says no
            case _:
                throttle.failed(at)

    def _suspect(self, cohort: Cohort, book: AccountBook, error: AiotasksError, at: float) -> None:
        """The query was refused as such: find out for which task, or whether for its size."""
        lane = cohort.group.lane
        cohort.refusals += 1
        if cohort.refusals == 1:
            cohort.refused_since = lane.successes
        if len(cohort.members) == 1:
            self._suspect_alone(cohort, error, at)
        elif cohort.suspicion is not None or self._may_split(cohort, book):
            is_new = cohort.suspicion is None
            cohort.group.split(cohort, at + FLOOR)
            if is_new and cohort.suspicion is not None:
                book.suspicions[cohort.suspicion] = None

    def _may_split(self, cohort: Cohort, book: AccountBook) -> bool:
        lane = cohort.group.lane
        is_only_one = sum(len(group.cohorts) for group in lane.groups.values()) == 1
        # Where no other cohort was answered meanwhile, the fault may be the platform's: ask once more.
        needed = REFUSALS if is_only_one or lane.successes > cohort.refused_since else REFUSALS + 1
        return cohort.refusals >= needed and len(book.suspicions) < SUSPECTS_AT_ONCE

    def _suspect_alone(self, cohort: Cohort, error: AiotasksError, at: float) -> None:
        record = cohort.members[0]
        platform = record.source.account.platform
        if isinstance(error, DecodeError):
            trouble = self._trouble(record, error)
            if trouble.undecodable == 0:
                trouble.undecodable_since = at
            trouble.undecodable += 1
            if trouble.undecodable < UNDECODABLE_ANSWERS or at - trouble.undecodable_since < UNDECODABLE_SPAN:
                return
            error = ProtocolError(
                f"no answer about task {record.id!r} could be read: {error}", platform=platform, task_id=record.id
            )
        elif cohort.refusals < REFUSALS or (
            isinstance(error, TaskNotFound) and at - record.submitted_at < SUBMIT_GRACE
        ):
            return
        elif isinstance(error, TaskNotFound):
            error = _not_found(record)
        elif isinstance(error, QueryRefused):
            error = TaskQueryError(
                f"every query about task {record.id!r} is refused: {error}", platform=platform, task_id=record.id
            )
        if cohort.suspicion is not None:
            cohort.suspicion.has_culprit = True
        self._give_up(record, error)

    def _acquit(self, cohort: Cohort) -> None:
        suspicion = cohort.suspicion
        assert suspicion is not None
        cohort.group.acquit(cohort)
        suspicion.pieces -= 1
        self._conclude(cohort.group.lane, suspicion)

    def _conclude(self, lane: Lane, suspicion: Suspicion) -> None:
        """Every piece is settled: if none was guilty, it was the size."""
        if suspicion.pieces > 0:
            return
        book = self._book(lane.source.account)
        if book.suspicions.pop(suspicion, False) is None and not suspicion.has_culprit:
            lane.learn(TooLarge(suspicion.size))

    # --- the end ----------------------------------------------------------------------------------------

    def _shut(self, error: AiotasksError, account: Account | None) -> None:
        if account is None:
            for wait in self.open_waits():
                self.desk.settle(wait, error)
        elif account in self._books:
            book = self._books[account]
            book.is_closed = True
            # The waits and not the tasks: another client of the account may wait for these a moment later.
            self._ending.append((_waits_on(book.records.values()), error))

    def _doom(self) -> None:
        """Give up a slice of those whose account was refused, and end one of the waits whose client is closed."""
        left = SLICE
        while self._doomed and left > 0:
            records, error = self._doomed[0]
            some = records[-left:]
            del records[-left:]
            left -= len(some)
            for record in some:
                self._give_up(record, error)
            if not records:
                self._doomed.popleft()
        while self._ending and left > 0:
            waits, error = self._ending[0]
            ending = waits[-left:]
            del waits[-left:]
            left -= len(ending)
            for wait in ending:
                if wait.is_open:
                    self.desk.settle(wait, error)
            if not waits:
                self._ending.popleft()


def _waits_on(records: Iterable[Record]) -> list[Wait[Any]]:
    """The open waits of callers on any of `records`, once each."""
    waits = (wait for record in records for wait in record.open_waits())
    return list(dict.fromkeys(wait.stands_for[0] if wait.stands_for else wait for wait in waits))


def _not_found(record: Record) -> TaskNotFound:
    platform = record.source.account.platform
    return TaskNotFound(f"{platform} knows no task {record.id!r}", platform=platform, task_id=record.id)
