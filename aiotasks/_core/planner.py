"""The machine as a whole: events in, effects out, time as an argument.

    planner.feed(event, now)      what happened
    planner.due(now) -> effects   what to do: first the queries to send, then the waits to wake
    planner.next_wakeup()         when to call `due` again, if nothing is fed before

It has four departments, each of which knows nothing of those below it:

    cohorts, seating, merging     who is asked together, and when
    desk                          the waits: how they begin, count down and end
    registry                      the tasks: how they come, change places and go
    faults                        what follows when something goes wrong

Inside one `due`: expired waits end, then cohorts that lost members are compacted, then queries are chosen. So no
query names a task whose last wait timed out in the same moment. Where many waits end at once, they do so a slice
per `due`, and no query is chosen before the last of them.

The two-second rule (I-01) is kept in one place, `_is_early`, whatever was planned and for whatever reason.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from aiotasks._core import events
from aiotasks._core.cohorts import NEVER, Board, Cohort, Record
from aiotasks._core.desk import Desk, open_originals
from aiotasks._core.faults import Faults
from aiotasks._core.lifecycle import observe
from aiotasks._core.matching import Flight, match
from aiotasks._core.merging import again
from aiotasks._core.pacing import after
from aiotasks._core.registry import AccountBook, Registry
from aiotasks.limits import ENDINGS, FLOOR, SLICE, WINDOW
from aiotasks.models import Absence, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiotasks._core.throttle import Throttle
    from aiotasks._core.waits import Wait
    from aiotasks.errors import AiotasksError
    from aiotasks.models import Account, Answer

__all__ = ["Planner", "Tally"]

#: Answers in a row that differ from the last before the comparison is dropped, and how often it is tried again.
_MISSES = 8
_TRIED_AGAIN = 16


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


class Planner:
    """Decides, for all tasks of one scheduler, who is asked when and which wait ends."""

    def __init__(self, *, jitter: Callable[[], float], window: float = WINDOW) -> None:
        self.tally = Tally()
        self._board = Board(window)
        self.desk = Desk(self._board)
        self._registry = Registry(self._board, self.desk, jitter)
        self._faults = Faults(self._registry, self.desk, jitter)
        #: Accounts with cohorts queued for a slot. They take turns.
        self._crowded: dict[AccountBook, None] = {}
        self._flights: dict[Flight, None] = {}
        self._now = NEVER
        #: Since when there are more waits to end than one `due` ends; None: there are none.
        self._behind_since: float | None = None
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
        return self._registry.count

    def records(self) -> Iterator[Record]:
        """Every registered task."""
        yield from self._registry

    def open_waits(self) -> list[Wait[Any]]:
        """Every open wait of a caller, once each."""
        return open_originals(self._registry)

    def books(self) -> Iterator[tuple[Account, AccountBook]]:
        """Every account and what belongs to it."""
        yield from self._registry.books.items()

    def adopt(self, account: Account, former: AccountBook, now: float) -> None:
        """Take over from a planner that crashed what keeps `account` from being asked too soon, and nothing else."""
        self._registry.adopt(account, former, now)

    def known(self, account: Account, id: Any) -> Record | None:
        """The registered record of that identity, if there is one."""
        book = self._registry.books.get(account)
        return book.records.get(id) if book is not None else None

    def is_unchanged(self, flight: Flight, digest: int) -> bool:
        """Whether a body of this hash says what the last answer said, so that it need not be read.

        It is read all the same when a word that was said long ago would end a wait if it were said again.
        """
        return flight.cohort.digest == digest and self.desk.doubted.keys().isdisjoint(flight.fresh)

    # --- in -----------------------------------------------------------------------------------------

    def feed(self, event: events.Event, now: float) -> None:
        """Take in what happened. What it leads to comes out of the next `due`."""
        self._now = max(now, self._now)
        match event:
            case events.Watched(tasks, wait):
                if wait.is_open and wait.since < 0:
                    self.desk.begin(wait, self.tally.requests)
                self._registry.watch(tasks, wait, self._now)
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
        # Each is tried: no kind of ending waits for another.
        is_behind = self.desk.expire(now, ENDINGS) | self.desk.end_some(ENDINGS) | self._faults.doom(ENDINGS)
        self.desk.sweep(SLICE)
        self._registry.forget(now, SLICE)
        self._registry.compact_thinned(now)
        effects: list[events.Effect] = []
        self._behind_since = (now if self._behind_since is None else self._behind_since) if is_behind else None
        # An account with very many endings keeps the others waiting for a window, and no longer (I-04).
        is_patient = self._behind_since is not None and now - self._behind_since < self._board.window
        if not (is_patient or self.is_held):
            effects.extend(self._launches(now, self._arrivals(now)))
        effects.extend(self.desk.effects)
        self.desk.effects.clear()
        return effects

    def next_wakeup(self) -> float | None:
        """When `due` has something to do by the clock alone; None: not before something is fed."""
        if self.desk.is_busy or self._faults.doomed:
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
        self.desk.let_go()
        cohort = self._board.timetable.pop_due(math.inf)
        if cohort is None:
            queues = (book.throttle.queue for book in self._crowded)
            queue = next((queue for queue in queues if queue), None)
            if queue is None:
                self._crowded.clear()
                return False
            cohort, _ = queue.popitem(last=False)
            cohort.is_queued = False
        cohort.is_stale = True
        self._registry.compact(cohort, self._now)
        if cohort.members:  # somebody waits again
            cohort.group.plan(cohort)
        return True

    def forget(self, now: float, most: int = SLICE) -> float | None:
        """Let go of parked tasks whose last query no longer matters. -> when there is more to let go of."""
        return self._registry.forget(now, most)

    # --- sending --------------------------------------------------------------------------------------

    def _arrivals(self, now: float) -> dict[Cohort, None]:
        """The cohorts that came due, now queued for a slot of their accounts."""
        arrivals: dict[Cohort, None] = {}
        while (cohort := self._board.timetable.pop_due(now)) is not None:
            arrivals[cohort] = None
        # A loop or a machine that stood still for long: no burst, but an interval in which all have a turn (F-41).
        overdue = [cohort for cohort in arrivals if now - cohort.due > cohort.group.interval]
        for place, cohort in enumerate(overdue[1:], start=1):
            del arrivals[cohort]
            cohort.due = now + cohort.group.interval * place / len(overdue)
            cohort.group.plan(cohort)
        for cohort in arrivals:
            book = self._registry.book_of(cohort)
            cohort.is_queued = True
            book.throttle.queue[cohort] = None
            self._crowded[book] = None
        return arrivals

    def _launches(self, now: float, arrivals: dict[Cohort, None]) -> Iterator[events.Send]:
        """Queries for the slots that are free, one account after the other until none has both."""
        turns = deque(self._crowded)
        while turns:
            book = turns.popleft()
            throttle = book.throttle
            while throttle.queue and throttle.may_send(now):
                cohort, _ = throttle.queue.popitem(last=False)
                cohort.is_queued = False
                # Lateness is ours; the time a cohort queued for a slot is the account's.
                due = max(cohort.due, throttle.blocked_until) if cohort in arrivals else now
                if self._may_launch(cohort, throttle, now) and (flight := self._launch(cohort, throttle)) is not None:
                    yield events.Send(flight, due)
                    turns.append(book)
                    break
            if not throttle.queue:
                self._crowded.pop(book, None)

    def _may_launch(self, cohort: Cohort, throttle: Throttle[Cohort], now: float) -> bool:
        self._registry.compact(cohort, now)
        return bool(cohort.members) and not self._is_early(cohort, throttle, now)

    def _is_early(self, cohort: Cohort, throttle: Throttle[Cohort], now: float) -> bool:
        """Whether it may not be asked yet after all; then it is planned anew."""
        earliest = max(cohort.earliest, after(cohort.asked_end, FLOOR))
        if earliest <= now and cohort.failed_at >= throttle.recovered_at and cohort.failures:
            earliest = now + throttle.retry_delay(now)
        if earliest <= now:
            return False
        cohort.due = earliest
        cohort.group.plan(cohort)
        return True

    def _launch(self, cohort: Cohort, throttle: Throttle[Cohort]) -> Flight | None:
        source = cohort.group.lane.source
        rest = cohort
        while len(rest.members) > source.batch_limit:
            rest.due = self._now
            rest = rest.group.cut(rest, source.batch_limit)
        if cohort.request is None or cohort.request[0] is not source:
            query = Query(tuple(record.id for record in cohort.members))
            try:
                request = source.request(query)
            except Exception as error:  # noqa: BLE001 - a source may be anybody's code, and breaks for its own tasks (F-39)
                self._faults.cannot_ask(cohort, error)
                self._registry.compact(cohort, self._now)
                return None
            cohort.request = (source, query, request)
            cohort.digest = None
        _, query, request = cohort.request
        self.tally.requests += 1
        self.tally.checks += len(cohort.members)
        desk = self.desk
        flight = Flight(
            number=self.tally.requests,
            cohort=cohort,
            members=cohort.members,
            query=query,
            source=source,
            request=request,
            fresh=frozenset(filter(desk.wants_row, cohort.members)) if desk.fresh or desk.doubted else frozenset(),
            # A rung that keeps missing is dropped, and tried again now and then.
            wants_digest=cohort.digest_misses < _MISSES or self.tally.requests % _TRIED_AGAIN == 0,
        )
        cohort.is_flying = True
        throttle.started()
        self._flights[flight] = None
        return flight

    # --- answers ----------------------------------------------------------------------------------------

    def _answered(self, flight: Flight, answer: Answer) -> None:
        changed, missing, refused = match(flight, answer)
        for record, row in changed:
            has_changed = observe(record, flight.source.observe(row), self._now)
            if record.is_final:
                flight.cohort.is_stale = True
            self.desk.observed(record, has_changed=has_changed)
        for record in missing:
            self._faults.denied(record, flight, self._now)
        for record, error in refused:
            self._faults.refused(record, flight, error, self._now)
        for fact in answer.facts:
            if flight.cohort.group.lane.learn(fact):
                flight.has_taught = True
                flight.is_clean = False
        flight.is_partial |= answer.absence is Absence.UNCHANGED

    def _landed(self, event: events.Landed) -> None:
        flight, at = event.flight, event.at
        cohort, book = flight.cohort, self._end_flight(flight, at)
        book.throttle.succeeded(at)
        if book.refused_query is not None and flight.number > book.refused_query:
            book.refused_query = None
        cohort.group.lane.successes += 1
        cohort.heard_at = at
        cohort.failures = cohort.refusals = 0
        cohort.error = None
        left_out = [] if event.is_unchanged else flight.left_out()
        absent = [] if flight.is_partial else left_out
        self._faults.heard(flight, absent)
        self._remember(cohort, event, is_clean=flight.is_clean and not left_out)
        self.tally.strays += flight.strays
        earliest = self._faults.answered(flight, absent, at)
        self._plan_again(cohort, earliest)

    def _failed(self, flight: Flight, error: AiotasksError, at: float) -> None:
        self._end_flight(flight, at)
        self.tally.failures += 1
        self._plan_again(flight.cohort, self._faults.failed(flight, error, at, self.tally.requests))

    def _end_flight(self, flight: Flight, at: float) -> AccountBook:
        cohort = flight.cohort
        del self._flights[flight]
        cohort.is_flying = False
        cohort.asked_end = at
        book = self._registry.book_of(cohort)
        book.throttle.ended()
        return book

    def _plan_again(self, cohort: Cohort, earliest: float) -> None:
        self._registry.compact(cohort, self._now)
        if cohort.members:
            again(cohort, earliest)

    def _remember(self, cohort: Cohort, event: events.Landed, *, is_clean: bool) -> None:
        if event.is_unchanged:
            self.tally.unchanged += 1
            cohort.digest_misses = 0
        elif event.digest is not None:
            cohort.digest_misses += cohort.digest is not None
            cohort.digest = event.digest if is_clean else None

    # --- the end ----------------------------------------------------------------------------------------

    def _shut(self, error: AiotasksError, account: Account | None) -> None:
        self.desk.end(self._registry if account is None else self._registry.close(account, self._now), error)
