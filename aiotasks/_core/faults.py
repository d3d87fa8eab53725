"""What a fault does, to the query that met it and to the tasks that it named.

A query that failed (F-01 to F-24):

    no answer, 5xx, nonsense ......... asked again with backoff; counted by the account's circuit
    asked to stay away ............... the whole account keeps away until then
    credential refused ............... one query more, 2 s later; refused again: every wait of the account ends
    too large ........................ the source learns it; cohorts are cut to its new limit
    refused as such, not readable .... asked once more; then halved until the culprit is alone, and given up

One task in a good answer:

    refused, or said not to exist .... asked once more, then given up
    left out ......................... asked on; after three times asked apart, with the others that were left out.
                                       An answer that tells of some of those halves them; only one that tells of
                                       none speaks against them, and after two of these they are given up

"Given up" ends the task's waits with the error. It says nothing about the job (I-10): a new wait asks again.

A refused cohort is *apart* while it is halved, one level per 2 s, so that its siblings keep their cadence (F-22).
Its pieces share a `Suspicion`. When all are answered, none was guilty and nobody has left, it was the size that was
refused, and the source learns that. 5xx and network faults never split a cohort: they are about the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiotasks._core.cohorts import Cohort, Record
from aiotasks._core.pacing import after, backoff
from aiotasks._core.trouble import Suspicion, Trouble
from aiotasks.errors import (
    AiotasksError,
    AnswerError,
    AnswerTooLarge,
    AuthError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    ServerError,
    TaskNotFound,
    TaskQueryError,
    UsageError,
)
from aiotasks.limits import (
    ABSENCE_SPAN,
    ABSENCES,
    DENIALS,
    FLOOR,
    REFUSALS,
    SUBMIT_GRACE,
    SUSPECTS_AT_ONCE,
    UNDECODABLE_ANSWERS,
    UNDECODABLE_SPAN,
)
from aiotasks.models import TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotasks._core.desk import Desk
    from aiotasks._core.matching import Flight
    from aiotasks._core.registry import AccountBook, Registry

__all__ = ["Faults"]


class Faults:
    """Judges what goes wrong. Every method leaves planning the cohort's next query to the planner."""

    __slots__ = ("_desk", "_jitter", "_registry", "doomed")

    def __init__(self, registry: Registry, desk: Desk, jitter: Callable[[], float]) -> None:
        self._registry = registry
        self._desk = desk
        self._jitter = jitter
        #: Tasks to be given up, with the reason: there may be a million, so the planner takes a slice at a time.
        self.doomed: list[tuple[list[Record], AiotasksError]] = []

    # --- giving up ----------------------------------------------------------------------------------------

    def give_up(self, record: Record, error: AiotasksError) -> None:
        """End the waits on `record`: it cannot be asked about."""
        record.trouble = None
        if record.cohort is not None:
            record.cohort.is_stale = True
        self._desk.given_up(record, error)

    def cannot_ask(self, cohort: Cohort, cause: Exception) -> None:
        """The source cannot make a request about these."""
        for record in tuple(cohort.members):
            error = ProtocolError(
                f"the source cannot ask about task {record.id!r}: {type(cause).__name__}: {cause}",
                platform=record.source.account.platform,
                task_id=record.id,
            )
            error.__cause__ = cause
            self.give_up(record, error)

    def doom(self, most: int) -> bool:
        """Give up some of those whose account was refused or closed. -> whether there are more."""
        while self.doomed and most > 0:
            records, error = self.doomed[-1]
            some = records[-most:]
            del records[-most:]
            most -= len(some)
            for record in some:
                self.give_up(record, error)
            if not records:
                self.doomed.pop()
        return bool(self.doomed)

    # --- one task in a good answer --------------------------------------------------------------------------

    def denied(self, record: Record, flight: Flight, now: float) -> None:
        """The platform says that it knows no such task."""
        flight.unsound.add(record)
        trouble = _trouble(record, _not_found(record))
        if now - record.submitted_at < SUBMIT_GRACE:
            return  # this process submitted it: not visible yet
        trouble.denials += 1
        if trouble.denials >= DENIALS:
            self.give_up(record, _not_found(record))

    def refused(self, record: Record, flight: Flight, error: AiotasksError, now: float) -> None:
        """A good answer holds an error for this task."""
        if isinstance(error, TaskNotFound):
            self.denied(record, flight, now)
            return
        flight.unsound.add(record)
        trouble = _trouble(record, error)
        if isinstance(error, QueryRefused | PermissionDenied | AuthError):
            trouble.refusals += 1
            if trouble.refusals >= REFUSALS:
                self.give_up(record, error)
                return
        if record in flight.fresh:
            self._desk.failed(record, flight.number, error)

    # --- an answer as a whole -----------------------------------------------------------------------------

    def heard(self, flight: Flight, absent: list[Record]) -> None:
        """A good answer came: clear what it clears, and tell those who hoped for a fresh status."""
        cohort = flight.cohort
        if not (flight.fresh or cohort.has_trouble):
            return
        silent = flight.unsound.union(absent)
        for record in flight.fresh:
            if record not in silent:
                self._desk.refreshed(record, flight.number)
        if cohort.has_trouble:
            cohort.has_trouble = bool(silent)
            for record in flight.members:
                if record not in silent:
                    record.trouble = record.error = None

    def answered(self, flight: Flight, absent: list[Record], at: float) -> float:
        """What a good answer means for the cohort's standing. -> when it may be asked again."""
        cohort = flight.cohort
        group, suspicion = cohort.group, cohort.suspicion
        next_check = after(at, group.interval)
        if suspicion is not None and not (suspicion.is_of_absence and absent):
            group.acquit(cohort)
        if flight.has_taught or not absent:
            return next_check  # what is left out may be due to what was just learnt
        if cohort.suspicion is None:
            self._miss(cohort, absent, at)
            return next_check
        if len(absent) < len(cohort.members):
            _part(cohort, absent, next_check)
        else:
            self._deny_all(cohort, at)
        return after(at, FLOOR)

    def _miss(self, cohort: Cohort, absent: list[Record], at: float) -> None:
        """These were left out; those for whom it is too often are asked apart."""
        lost = []
        for record in absent:
            trouble = _trouble(record)
            if trouble.absences == 0:
                trouble.absent_since = at
            trouble.absences += 1
            if trouble.absences >= ABSENCES or at - trouble.absent_since >= ABSENCE_SPAN:
                lost.append(record)
        if lost:
            group = cohort.group
            group.expel(cohort, *lost)
            apart = Cohort(group, lost, at, after(at, FLOOR))
            apart.earliest = apart.due
            apart.suspicion = Suspicion(len(lost), is_of_absence=True)
            apart.has_trouble = apart.is_stale = True  # its waits may have closed while the query flew
            group.plan(apart)

    def _deny_all(self, cohort: Cohort, at: float) -> None:
        """Asked apart, and the answer tells of none of them."""
        for record in cohort.members:
            trouble = _trouble(record)
            trouble.denials += at - record.submitted_at >= SUBMIT_GRACE
            if trouble.denials >= DENIALS:
                self.give_up(record, _not_found(record))

    # --- a query that failed ------------------------------------------------------------------------------

    def failed(self, flight: Flight, error: AiotasksError, at: float, last_query: int) -> float:
        """The query as a whole failed; `last_query` was sent by now. -> when its cohort may be asked again."""
        cohort, book = flight.cohort, self._registry.book_of(flight.cohort)
        cohort.failures += 1
        cohort.failed_at = at
        cohort.error = error
        cohort.digest = None
        for record in flight.fresh:
            self._desk.failed(record, flight.number, error)
        self._slow_down(book, error, at)
        match error:
            case UsageError():
                self._desk.end(cohort.members, error)  # it could not even be sent: its client is closed
            case AuthError():
                if book.refused_query is None:
                    # One query more tells; those that were in flight with this one do not.
                    book.refused_query = last_query
                    book.throttle.doubt(after(at, FLOOR))
                elif flight.number > book.refused_query:
                    book.refused_query = None
                    self.doomed.append((list(book.records.values()), error))
            case QueryTooLarge() | AnswerTooLarge() if len(cohort.members) > 1:
                cohort.failures = 0
                cohort.group.lane.learn(TooLarge(len(cohort.members)))
                return after(at, FLOOR)
            case QueryRefused() | PermissionDenied() | TaskNotFound() | AnswerError():
                self._suspect(cohort, book, error, at)
                if cohort.suspicion is not None or (
                    cohort.refusals < REFUSALS and not isinstance(error, AnswerError)
                ):
                    return after(at, FLOOR)
            case _:
                pass  # about the platform, and no fault of these tasks: asked again with backoff, all together
        return after(at, max(cohort.group.interval, backoff(cohort.failures, self._jitter)))

    def _slow_down(self, book: AccountBook, error: AiotasksError, at: float) -> None:
        """What the fault means for the account's pace."""
        match error:
            case RateLimited():
                book.throttle.throttled(at, error.retry_after)
            case ServerError() if error.retry_after is not None:
                book.throttle.throttled(at, error.retry_after)
            case QueryRefused() | PermissionDenied() | TaskNotFound() | AnswerTooLarge():
                book.throttle.succeeded(at)  # it works, and says no
            case AuthError() | UsageError():
                pass  # says nothing of how well the service is
            case _:
                book.throttle.failed(at)

    # --- who is to blame ------------------------------------------------------------------------------------

    def _suspect(self, cohort: Cohort, book: AccountBook, error: AiotasksError, at: float) -> None:
        """The query was refused as such: find out for which task, or whether for its size."""
        lane = cohort.group.lane
        cohort.refusals += 1
        if cohort.refusals == 1:
            cohort.refused_since = lane.successes
        if _may_be_platform(cohort, error):
            return
        if len(cohort.members) == 1:
            self._suspect_alone(cohort, error, at)
        elif cohort.suspicion is not None or _may_split(cohort, book):
            _split(cohort, at, may_be_size=not isinstance(error, ProtocolError))

    def _suspect_alone(self, cohort: Cohort, error: AiotasksError, at: float) -> None:
        record = cohort.members[0]
        platform = record.source.account.platform
        if isinstance(error, AnswerError):
            trouble = _trouble(record, error)
            if trouble.unreadable == 0:
                trouble.unreadable_since = at
            trouble.unreadable += 1
            if trouble.unreadable < UNDECODABLE_ANSWERS or at - trouble.unreadable_since < UNDECODABLE_SPAN:
                return
            error = ProtocolError(
                f"no answer about task {record.id!r} could be read: {error}", platform=platform, task_id=record.id
            )
        elif cohort.refusals < REFUSALS:
            return
        elif isinstance(error, TaskNotFound):
            if at - record.submitted_at < SUBMIT_GRACE:
                return
            error = _not_found(record)
        elif isinstance(error, QueryRefused):
            error = TaskQueryError(
                f"every query about task {record.id!r} is refused: {error}", platform=platform, task_id=record.id
            )
        self.give_up(record, error)


def _may_be_platform(cohort: Cohort, error: AiotasksError) -> bool:
    """Whether it is a page for people, or a proxy's: that is nobody's fault here, unless others are answered."""
    return isinstance(error, ProtocolError) and cohort.group.lane.successes == cohort.refused_since


def _may_split(cohort: Cohort, book: AccountBook) -> bool:
    lane = cohort.group.lane
    is_only_one = sum(len(group.cohorts) for group in lane.groups.values()) == 1
    # Where no other cohort was answered meanwhile, the fault may be the platform's: ask once more.
    needed = REFUSALS if is_only_one or lane.successes > cohort.refused_since else REFUSALS + 1
    suspicions = sum(len(lane.suspicions) for lane in book.lanes.values())
    return cohort.refusals >= needed and suspicions < SUSPECTS_AT_ONCE


def _split(cohort: Cohort, at: float, *, may_be_size: bool) -> None:
    """Halve a cohort that was refused as a whole; the halves are apart until their innocence is shown."""
    group = cohort.group
    if cohort.suspicion is None:
        suspicion = Suspicion(len(cohort.members), may_be_size=may_be_size)
        group.lane.suspicions.add(suspicion)
        group.set_apart(cohort, suspicion)
    cohort.refusals = 0
    cohort.earliest = cohort.due = after(at, FLOOR)
    group.cut(cohort, (len(cohort.members) + 1) // 2)


def _part(cohort: Cohort, absent: list[Record], next_check: float) -> None:
    """Those of a cohort apart who were heard of are regular again; the others stay apart."""
    left_out = set(absent)
    heard = [record for record in cohort.members if record not in left_out]
    cohort.members = absent + heard
    piece = cohort.group.cut(cohort, len(absent))
    piece.earliest = piece.due = next_check
    piece.group.acquit(piece)


def _trouble(record: Record, error: AiotasksError | None = None) -> Trouble:
    if record.trouble is None:
        record.trouble = Trouble()
    if error is not None:
        record.error = error
    if record.cohort is not None:
        record.cohort.has_trouble = True
    return record.trouble


def _not_found(record: Record) -> TaskNotFound:
    platform = record.source.account.platform
    return TaskNotFound(f"{platform} knows no task {record.id!r}", platform=platform, task_id=record.id)
