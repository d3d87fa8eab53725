"""The asyncio shell around the planner: it sleeps, sends, reads, and wakes.

One root asyncio task per scheduler, started by the first wait and gone when nothing is waited for; one child per
query in flight. The root is the only one who calls `planner.due`; everybody else feeds and nudges it. This is the
one module of the package that starts asyncio tasks, and it owns each until it ends (I-09).
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import attrs

from aiotasks._core import events
from aiotasks._core.cohorts import RECENTLY
from aiotasks._core.planner import Planner
from aiotasks._core.waits import Wait
from aiotasks._runtime.turns import Turns
from aiotasks.errors import (
    AiotasksError,
    AuthError,
    ForkedScheduler,
    ProtocolError,
    SchedulerClosed,
    SchedulerCrashed,
    SchedulerFull,
    WrongLoop,
)
from aiotasks.limits import CLOSE_GRACE, CLOSE_HARD, MOST_TASKS, MOST_WAITS_PER_TASK, SLICE, TURN_SLICE

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Self

    from aiotasks._core.cohorts import Record
    from aiotasks._core.matching import Flight
    from aiotasks._runtime.transport import HttpTransport
    from aiotasks.models import Account

__all__ = ["LaneStatistics", "Scheduler", "Statistics", "current_scheduler"]

T = TypeVar("T")


class CallersWait(Wait[Any]):
    """A wait with the future that its caller sleeps on. The future never leaves this package."""

    __slots__ = ("future",)

    future: asyncio.Future[None]


@attrs.frozen(kw_only=True)
class LaneStatistics:
    """One source of the scheduler: the tasks that share queries."""

    platform: str
    origin: str
    lane: str
    tasks: int
    cohorts: int
    #: Ids per query that the source allows now.
    batch_limit: int
    #: Queries of its account in flight, and how many may be.
    in_flight: int
    in_flight_limit: int
    #: Its account is not answering, or asked to be left alone: seconds until the next query, else 0.0.
    away_seconds: float
    #: The account's circuit is open: one probe at a time.
    is_circuit_open: bool


@attrs.frozen(kw_only=True)
class Statistics:
    """A snapshot of a scheduler. Counts run from its construction."""

    #: Registered tasks, open waits, cohorts they are asked in, queries in flight: now.
    tasks: int
    waits: int
    cohorts: int
    in_flight: int
    #: Seconds until the next query may start, at least 0.0; None when none is planned.
    next_query_seconds: float | None
    #: Queries sent, those that failed, and answers that equalled the last one.
    requests: int
    failures: int
    unchanged: int
    #: Task checks: each task once per query that names it.
    checks: int
    #: Waits begun, and waits that timed out.
    waits_begun: int
    timeouts: int
    #: Rows of answers that nobody asked for, or that contradicted each other.
    strays: int
    #: How late queries were sent, in seconds, over the last 1,024: median, 99th percentile, worst.
    lateness_p50: float
    lateness_p99: float
    lateness_max: float
    #: Failed queries by class of error.
    errors: dict[str, int]
    sources: tuple[LaneStatistics, ...]


class Scheduler:
    """Asks for the status of many tasks in few queries, and wakes each waiter once.

    One serves an event loop (see `current_scheduler`); give a client another one to keep its tasks apart.
    Constructing it needs no running loop and does no I/O: it belongs to the loop of the first `await`.

        async with aiotasks.Scheduler() as scheduler:
            client = labelbox.Client(api_key, scheduler=scheduler)

    Guarantees: between the end of one query that names a task and the start of the next pass at least 2.000 s
    (I-01); each wait ends exactly once (I-02); a fault of one task, credential or platform delays no other by
    more than one interval (I-04).
    """

    def __init__(self) -> None:
        self._planner = Planner(jitter=random.random)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: Turns | None = None
        self._pid = os.getpid()
        self._root: asyncio.Task[None] | None = None
        self._is_awake = False
        self._queries: set[asyncio.Task[Any]] = set()
        self._children: set[asyncio.Task[Any]] = set()
        #: Effects that the planner decided and the root has yet to carry out.
        self._effects: deque[events.Effect] = deque()
        self._sleeper: asyncio.Future[None] | None = None
        self._forgetter: asyncio.TimerHandle | None = None
        self._transports: dict[Account, list[HttpTransport]] = {}
        self._lateness: deque[float] = deque(maxlen=1024)
        self._errors: Counter[str] = Counter()
        self._is_closing = False
        self._closed: asyncio.Future[None] | None = None

    # --- life -------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._is_closing else "waiting" if self._is_awake else "idle"
        planner = self._planner
        counts = f"{planner.tasks} tasks, {planner.desk.open} waits, {planner.in_flight} in flight"
        return f"<Scheduler {state}: {counts}>"

    async def aclose(self) -> None:
        """End every wait with `SchedulerClosed` and everything under way.

        Queries in flight may finish for up to 10 s, so that what they bring is not lost (L-17); no new one is
        sent. May be called from any task of the loop, and twice: later calls wait for the first.

        Cancellation: what was in flight is dropped at once, and every wait still ends.
        """
        if self._loop is None:
            self._is_closing = True
            return
        self._check_place()
        if self._closed is not None:
            await asyncio.shield(self._closed)
            return
        self._is_closing = self._planner.is_held = True
        self._closed = self._loop.create_future()
        try:
            if self._queries:
                await asyncio.wait(self._queries, timeout=CLOSE_GRACE)
        finally:
            owned = self._end_all(SchedulerClosed("the scheduler was closed; the remote jobs go on"))
            self._closed.set_result(None)
        if owned:
            await asyncio.wait(owned, timeout=CLOSE_HARD)

    def _end_all(self, error: AiotasksError) -> list[asyncio.Task[Any]]:
        """End every wait and everything owned. -> the asyncio tasks that were cancelled."""
        assert self._loop is not None
        current = asyncio.current_task(self._loop)
        roots = [self._root] if self._root is not None else []
        owned = [task for task in (*roots, *self._queries, *self._children) if task is not current]
        for task in owned:
            task.cancel()
        if self._forgetter is not None:
            self._forgetter.cancel()
        now = self._loop.time()
        self._planner.is_held = True
        self._planner.feed(events.Closed(error), now)
        self._effects.extend(self._planner.due(now))
        self._wake_all()
        return owned

    def _wake_all(self) -> None:
        """Carry out what wakes somebody, at once: there will be no later."""
        while self._effects:
            effect = self._effects.popleft()
            if not isinstance(effect, events.Send):
                _wake(effect.wait)

    # --- where it lives ---------------------------------------------------------------------------------

    def enter(self) -> asyncio.AbstractEventLoop:
        """Bind to the running loop at first use, and make sure that it is still that one.

        Raises:
            WrongLoop: another loop, or none, is running here.
            SchedulerClosed: it was closed.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongLoop("a scheduler is used from inside a running event loop") from None
        if self._loop is None:
            self._loop = loop
            self._turns = Turns(loop)
            self._pid = os.getpid()
        self._check_place()
        if self._is_closing:
            raise SchedulerClosed("the scheduler is closed; construct another one")
        return loop

    def _check_place(self) -> None:
        if self._pid != os.getpid():
            raise ForkedScheduler("the scheduler lives in the parent process; construct one in this process")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._loop:
            raise WrongLoop(
                "this scheduler, its clients and tasks belong to the event loop of their first await; "
                "use a client of this loop, and Task.token() to hand a task over"
            )

    @property
    def is_usable(self) -> bool:
        """Whether it was not closed, and this is the process it lives in."""
        return not self._is_closing and self._pid == os.getpid()

    def now(self) -> float:
        """Seconds on the clock of its loop."""
        return self.enter().time()

    @property
    def turns(self) -> Turns:
        """The turns of its loop, once it has one."""
        assert self._turns is not None
        return self._turns

    # --- clients ----------------------------------------------------------------------------------------

    def attach(self, account: Account, transport: HttpTransport) -> None:
        """Send queries of `account` by `transport`, unless one is attached already."""
        transports = self._transports.setdefault(account, [])
        if transport not in transports:
            transports.append(transport)

    def detach(self, account: Account, transport: HttpTransport) -> None:
        """`transport` is about to close: end the account's waits, unless another client of it is there."""
        transports = self._transports.get(account, [])
        if transport not in transports:
            return
        transports.remove(transport)
        if transports or self._loop is None or self._is_closing:
            return
        del self._transports[account]
        error = SchedulerClosed("the task's client was closed; the remote job goes on", platform=account.platform)
        self._feed(events.Closed(error, account))

    def known(self, account: Account, id: Any) -> Record | None:
        """The registered task of that identity, if there is one."""
        return self._planner.known(account, id)

    # --- waits ------------------------------------------------------------------------------------------

    async def watch(self, tasks: Sequence[Record], wait: CallersWait) -> None:
        """Begin `wait` on its tasks: a long list in slices, so that the loop goes on meanwhile.

        Raises:
            SchedulerFull: more tasks, or waits on one of them, than the limit; nothing was registered.
        """
        loop = self.enter()
        slices = range(0, max(1, len(tasks)), SLICE)
        newcomers = 0
        for start in slices:
            newcomers += self._checked(tasks[start : start + SLICE])
            if start and self.turns.is_over:
                await self.turns.next()
        if self._planner.tasks + newcomers > MOST_TASKS:
            raise SchedulerFull(f"tasks: given {newcomers:,} new ones, allowed: {MOST_TASKS:,} in all")
        wait.future = loop.create_future()
        for start in slices:
            self._planner.feed(events.Watched(tasks[start : start + SLICE], wait), loop.time())
            if start and self.turns.is_over:
                self._nudge()
                await self.turns.next()
        self._nudge()

    @staticmethod
    def _checked(tasks: Sequence[Record]) -> int:
        """How many of the tasks are not being asked about yet, once none has too many waits."""
        for task in tasks:
            if isinstance(task.waits, dict) and len(task.open_waits()) >= MOST_WAITS_PER_TASK:
                raise SchedulerFull(f"task {task.id!r} has {MOST_WAITS_PER_TASK:,} waits, the most allowed")
        return sum(task.cohort is None for task in tasks)

    def leave(self, wait: CallersWait) -> None:
        """The caller gave `wait` up, or is done with it."""
        if wait.is_open and self._loop is not None and not self._loop.is_closed():
            self._feed(events.Ended(wait))

    def _feed(self, event: events.Event) -> None:
        assert self._loop is not None
        self._planner.feed(event, self._loop.time())
        self._nudge()

    def _nudge(self) -> None:
        """Have the root look at the planner again; start it if it is not there."""
        assert self._loop is not None
        if not self._is_awake:
            if not self._planner.is_idle:
                if self._forgetter is not None:
                    self._forgetter.cancel()
                self._is_awake = True  # before the start, which an eager task factory carries out at once
                self._root = self._start(self._run(), name="aiotasks scheduler")
        elif self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a child that `aclose` ends."""
        self.enter()
        child = self._start(work, name="aiotasks child")
        self._children.add(child)
        child.add_done_callback(self._children.discard)
        return child

    def _start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        assert self._loop is not None
        # In an empty context: else it would keep the first caller's request variables for ever.
        return self._loop.create_task(work, name=name, context=contextvars.Context())

    # --- the root ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._carry_out()
        except asyncio.CancelledError:
            # The loop shuts down, or `aclose` has ended everything already.
            self._is_closing = True
            self._end_all(SchedulerClosed("the event loop is shutting down; the remote jobs go on"))
            raise
        except BaseException as error:
            self._crash(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._is_awake = False
            self._root = None

    def _crash(self, cause: BaseException) -> None:
        """A fault of ours: every wait hears of it, and the next one begins with a planner that is whole (F-45)."""
        crash = SchedulerCrashed(f"the scheduler failed: {type(cause).__name__}: {cause}")
        crash.__cause__ = cause
        self._wake_all()
        for task in self._queries:
            task.cancel()
        self._planner, broken = Planner(jitter=random.random), self._planner
        for wait in broken.open_waits():
            wait.is_open = False
            wait.outcome = crash
            _wake(wait)
        for record in broken.records():
            record.cohort = record.waits = None
            record.asked_at = RECENTLY

    async def _carry_out(self) -> None:
        assert self._loop is not None
        planner, turns = self._planner, self.turns
        while True:
            self._effects.extend(planner.due(self._loop.time()))
            while self._effects:
                match effect := self._effects.popleft():
                    case events.Send(flight, due):
                        self._lateness.append(max(0.0, self._loop.time() - due))
                        self._launch(flight)
                    case events.Settle(wait) | events.Tell(wait):
                        _wake(wait)
                    case _:
                        assert_never(effect)
                if len(self._effects) % TURN_SLICE == 0 and turns.is_over:
                    await turns.next()
            while planner.is_idle and planner.tidy():
                if turns.is_over:
                    await turns.next()
            if planner.is_idle:
                break
            await self._sleep_until(planner.next_wakeup())
        self._forget_later()

    async def _sleep_until(self, moment: float | None) -> None:
        assert self._loop is not None
        if moment is not None and moment <= self._loop.time():
            await self.turns.next()  # more at once: but others first
            return
        self._sleeper = self._loop.create_future()
        timer = self._loop.call_at(moment, _wake_future, self._sleeper) if moment is not None else None
        try:
            await self._sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()

    def _forget_later(self) -> None:
        """The root is about to end; what is parked is let go of when its last query no longer matters."""
        assert self._loop is not None
        moment = self._planner.forget(self._loop.time())
        if moment is not None:
            self._forgetter = self._loop.call_at(max(moment, self._loop.time()), self._forget_later)

    # --- one query --------------------------------------------------------------------------------------

    def _launch(self, flight: Flight) -> None:
        child = self._start(self._fly(flight), name=f"aiotasks query {flight.number}")
        self._queries.add(child)
        child.add_done_callback(self._queries.discard)

    async def _fly(self, flight: Flight) -> None:
        assert self._loop is not None
        at: float | None = None
        try:
            transport = self._transport(flight.source.account)
            seen = transport.renewals
            try:
                response = await transport.dispatch(flight.request)
                at = self._loop.time()
                await self._read(flight, response, at)
            except AuthError as error:
                at = self._loop.time() if at is None else at
                await transport.renew(seen)  # at most once per refusal; whether it helped, the next query tells
                self._fail(flight, error, at)
        except AiotasksError as error:
            self._fail(flight, error, at)
        except Exception as error:  # noqa: BLE001 - a source may be anybody's code (F-39)
            failure = ProtocolError(f"the source failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._fail(flight, failure, at)
        self._nudge()

    def _fail(self, flight: Flight, error: AiotasksError, at: float | None) -> None:
        assert self._loop is not None
        self._errors[type(error).__name__] += 1
        now = self._loop.time()
        self._planner.feed(events.Failed(flight, error, now if at is None else at), now)

    async def _read(self, flight: Flight, response: Any, at: float) -> None:
        """Feed the answer block by block; the cohort stays in flight until the last one is applied."""
        assert self._loop is not None
        digest = hash(response.body) if flight.wants_digest and response.status == 200 else None
        if digest is not None and self._planner.is_unchanged(flight, digest):
            self._planner.feed(events.Landed(flight, at, digest, is_unchanged=True), at)
            return
        for answer in flight.source.read(flight.query, response):
            self._planner.feed(events.Answered(flight, answer), self._loop.time())
            self._nudge()
            if self.turns.is_over:
                await self.turns.next()
        self._planner.feed(events.Landed(flight, at, digest), self._loop.time())

    def _transport(self, account: Account) -> HttpTransport:
        transports = self._transports.get(account)
        if not transports:
            raise SchedulerClosed("the client of this task was closed", platform=account.platform)
        return transports[-1]

    # --- looking in -------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """What it is doing: a snapshot that no longer changes. Costs time in proportion to cohorts, not tasks."""
        planner, tally, desk = self._planner, self._planner.tally, self._planner.desk
        now = self._loop.time() if self._loop is not None else 0.0
        lateness = sorted(self._lateness) or [0.0]
        sources = tuple(
            LaneStatistics(
                platform=account.platform,
                origin=account.origin,
                lane=str(key),
                tasks=sum(group.tasks for group in lane.groups.values()),
                cohorts=sum(len(group.cohorts) for group in lane.groups.values()),
                batch_limit=lane.source.batch_limit,
                in_flight=book.throttle.in_flight,
                in_flight_limit=book.throttle.limit,
                away_seconds=max(0.0, book.throttle.blocked_until - now),
                is_circuit_open=book.throttle.is_open,
            )
            for account, book in planner.books()
            for key, lane in book.lanes.items()
        )
        next_query = planner.next_query()
        return Statistics(
            tasks=planner.tasks,
            waits=desk.open,
            cohorts=sum(source.cohorts for source in sources),
            in_flight=planner.in_flight,
            next_query_seconds=None if next_query is None else max(0.0, next_query - now),
            requests=tally.requests,
            failures=tally.failures,
            unchanged=tally.unchanged,
            checks=tally.checks,
            waits_begun=desk.waits,
            timeouts=desk.timeouts,
            strays=tally.strays,
            lateness_p50=lateness[len(lateness) // 2],
            lateness_p99=lateness[min(len(lateness) - 1, len(lateness) * 99 // 100)],
            lateness_max=lateness[-1],
            errors=dict(self._errors),
            sources=sources,
        )


def _wake(wait: Wait[Any]) -> None:
    assert isinstance(wait, CallersWait)
    _wake_future(wait.future)


def _wake_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


#: The one piece of global state: each loop's shared scheduler. It goes when another is made after the loop closed.
_schedulers: dict[asyncio.AbstractEventLoop, Scheduler] = {}


def current_scheduler() -> Scheduler:
    """The running loop's shared scheduler: idle until somebody waits, and ended with the loop.

    Raises:
        WrongLoop: no event loop is running here.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise WrongLoop("current_scheduler() is called from inside a running event loop") from None
    scheduler = _schedulers.get(loop)
    if scheduler is None or not scheduler.is_usable:
        for known in [known for known in _schedulers if known.is_closed()]:
            del _schedulers[known]
        scheduler = _schedulers[loop] = Scheduler()
        scheduler.enter()
    return scheduler
