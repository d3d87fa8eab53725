"""The asyncio shell around the planner: it sleeps, sends, reads, and wakes.

One root asyncio task per scheduler, started by the first wait and gone when nothing is waited for; one child per
query in flight. The root is the only one who calls `planner.due`; everybody else feeds and nudges it. This is the
one module of the package that starts asyncio tasks, and it owns each until it ends (I-09).
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import warnings
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, assert_never

from aiotasks._core import events
from aiotasks._core.planner import Planner
from aiotasks._core.waits import Wait
from aiotasks._runtime.home import Home
from aiotasks._runtime.statistics import Statistics, snapshot
from aiotasks.errors import (
    AiotasksError,
    AuthError,
    NetworkError,
    ProtocolError,
    SchedulerClosed,
    SchedulerCrashed,
    SchedulerFull,
    WrongLoop,
)
from aiotasks.limits import CLOSE_GRACE, CLOSE_HARD, MOST_TASKS, MOST_WAITS_PER_TASK, TURN_SLICE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Hashable, Sequence
    from typing import Self

    from aiotasks._core.cohorts import Record
    from aiotasks._core.matching import Flight
    from aiotasks._runtime.transport import HttpTransport
    from aiotasks._runtime.turns import Turns
    from aiotasks.models import Account, Response

__all__ = ["Scheduler", "current_scheduler"]

T = TypeVar("T")


class Kept(Protocol):
    """What a scheduler can own: a client."""

    @property
    def is_closed(self) -> bool: ...
    async def aclose(self) -> None: ...


KeptT = TypeVar("KeptT", bound=Kept)


class CallersWait(Wait[Any]):
    """A wait with the future that its caller sleeps on. The future never leaves this package."""

    __slots__ = ("future",)

    future: asyncio.Future[None]


class Scheduler:
    """Asks for the status of many tasks in few queries, and wakes each waiter once.

    One serves an event loop (see `current_scheduler`); give a client another one to keep its tasks apart.
    Constructing it needs no running loop and does no I/O: it belongs to the loop of the first `await`.

        async with aiotasks.Scheduler() as scheduler:
            client = labelbox.Client(api_key, scheduler=scheduler)

    Guarantees, for the tasks that one scheduler is asked to wait for: between the end of one query that names a task
    and the start of the next pass at least 2.000 s (I-01); each wait ends exactly once (I-02); a fault of one task,
    credential or platform delays no other by more than one interval (I-04). Schedulers know nothing of each other.
    """

    def __init__(self) -> None:
        self._planner = Planner(jitter=random.random)
        self._home = Home()
        self._root: asyncio.Task[None] | None = None
        self._is_awake = False
        self._queries: set[asyncio.Task[Any]] = set()
        self._children: set[asyncio.Task[Any]] = set()
        #: Effects that the planner decided and the root has yet to carry out.
        self._effects: deque[events.Effect] = deque()
        self._sleeper: asyncio.Future[float] | None = None
        self._forgetter: asyncio.TimerHandle | None = None
        self._transports: dict[Account, list[HttpTransport]] = {}
        self._kept: dict[Hashable, Any] = {}
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
        if not self._home.is_found:
            self._is_closing = True
            return
        loop = self._home.enter()
        if self._closed is not None:
            await asyncio.shield(self._closed)
            return
        self._is_closing = self._planner.is_held = True
        self._closed = loop.create_future()
        try:
            try:
                await self._ended(self._queries, CLOSE_GRACE)
            finally:
                owned = self._let_go(SchedulerClosed("the scheduler was closed; the remote jobs go on"))
            await self._ended(owned, CLOSE_HARD)
        finally:
            self._closed.set_result(None)

    async def _ended(self, tasks: Collection[asyncio.Task[Any]], timeout: float) -> None:
        """Wait until `tasks` have ended, apart from the one that asks."""
        others = set(tasks) - {asyncio.current_task(self._home.loop)}
        if others:
            await asyncio.wait(others, timeout=timeout)

    def _let_go(self, error: AiotasksError) -> list[asyncio.Task[Any]]:
        """End every wait, and cancel every asyncio task that is owned but the running one. -> those cancelled."""
        running = asyncio.current_task(self._home.loop)
        roots = () if self._root is None else (self._root,)
        owned = [task for task in (*roots, *self._queries, *self._children) if task is not running]
        for task in owned:
            task.cancel()
        if self._forgetter is not None:
            self._forgetter.cancel()
        self._begin_anew(error)
        return owned

    def _begin_anew(self, error: AiotasksError) -> None:
        """End every wait, at once, and leave the planner for a new one, which knows who may not be asked yet.

        Goes by what the planner holds and has it decide nothing: it may be broken (F-45).
        """
        planner = self._planner
        for effect in (*self._effects, *planner.desk.effects):
            if not isinstance(effect, events.Send):
                _wake(effect.wait)
        self._effects.clear()
        for wait in planner.open_waits():
            wait.is_open = False
            wait.outcome = error
            _wake(wait)
        for record in planner.records():
            if record.cohort is not None:
                record.heard_at = max(record.heard_at, record.cohort.heard_at)
            record.cohort = record.waits = None
        self._planner = Planner(jitter=random.random)
        self._planner.is_held = self._is_closing
        self._planner.tally = planner.tally
        self._planner.desk.waits, self._planner.desk.timeouts = planner.desk.waits, planner.desk.timeouts
        if not self._is_closing:
            now = self._home.just_after()
            for account, book in planner.books():
                self._planner.adopt(account, book, now)

    def __del__(self) -> None:
        if self._is_awake and not self._is_closing and self._home.is_in_this_process:
            # F-43: its loop was closed under it. One warning, and nothing raised.
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=1)

    # --- where it lives ---------------------------------------------------------------------------------

    def enter(self) -> asyncio.AbstractEventLoop:
        """Bind to the running loop at first use, and make sure that it is still that one.

        Raises:
            WrongLoop: another loop, or none, is running here.
            SchedulerClosed: it was closed.
        """
        loop = self._home.enter()
        if self._is_closing:
            raise SchedulerClosed("the scheduler is closed; construct another one")
        return loop

    @property
    def is_usable(self) -> bool:
        """Whether it was not closed, and this is the process it lives in."""
        return not self._is_closing and self._home.is_in_this_process

    def now(self) -> float:
        """Seconds on the clock of its loop."""
        return self.enter().time()

    @property
    def turns(self) -> Turns:
        """The turns of its loop, once it has one."""
        return self._home.turns

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
        self._home.enter()
        transports.remove(transport)
        if transports:
            return
        del self._transports[account]
        if not self._is_closing:
            self._feed(events.Closed(_client_closed(account), account))

    def keep(self, key: Hashable, make: Callable[[], KeptT]) -> KeptT:
        """What `make` gives, made once per key, and closed with this scheduler or its loop, whichever ends first.

        For clients that nobody owns: a platform whose SDK has none shares one behind its functions.
        """
        self.enter()
        kept: KeptT | None = self._kept.get(key)
        if kept is None or kept.is_closed:
            kept = self._kept[key] = make()
            self.spawn(self._close_in_the_end(kept))
        return kept

    async def _close_in_the_end(self, kept: Kept) -> None:
        """Sleep until cancelled: by `aclose`, or by the loop's shutdown."""
        try:
            await self._home.loop.create_future()
        finally:
            await kept.aclose()

    def known(self, account: Account, id: Any) -> Record | None:
        """The registered task of that identity, if there is one."""
        return self._planner.known(account, id)

    # --- waits ------------------------------------------------------------------------------------------

    async def watch(self, tasks: Sequence[Record], wait: CallersWait) -> None:
        """Begin `wait` on its tasks: a long list in slices, so that the loop goes on meanwhile.

        Raises:
            SchedulerFull: more tasks, or waits on one of them, than the limit; nothing was registered.
            SchedulerClosed: it was closed, maybe meanwhile.
        """
        loop = self.enter()
        count = len(tasks)
        is_long = count > TURN_SLICE
        slices = [tasks[i : i + TURN_SLICE] for i in range(0, count, TURN_SLICE)] if is_long else [tasks]
        newcomers = 0
        for some in slices:
            newcomers += _checked(some)
            if is_long:
                await self._let_others(wait)
        if self._planner.tasks + newcomers > MOST_TASKS:
            raise SchedulerFull(
                f"tasks: given {newcomers:,} new ones beside {self._planner.tasks:,}, allowed: {MOST_TASKS:,} in all"
            )
        wait.future = loop.create_future()
        for some in slices:
            self._planner.feed(events.Watched(some, wait), loop.time())
            self._nudge()
            if is_long:
                await self._let_others(wait)

    async def _let_others(self, wait: CallersWait) -> None:
        """Let the loop go round if it is time, and make sure that `wait` still has somebody to end it."""
        if self.turns.is_over:
            await self.turns.next()
            if wait.is_open:
                self.enter()  # what closed meanwhile ended the waits on its tasks: this one may be on none yet

    def leave(self, wait: CallersWait) -> None:
        """The caller gave `wait` up, or is done with it."""
        if wait.is_open and not self._home.loop.is_closed():
            self._feed(events.Ended(wait))

    def _feed(self, event: events.Event) -> None:
        self._planner.feed(event, self._home.now())
        self._nudge()

    def _nudge(self) -> None:
        """Have the root look at the planner again; start it if it is not there."""
        if not self._is_awake:
            if not (self._planner.is_idle or self._is_closing):
                if self._forgetter is not None:
                    self._forgetter.cancel()
                self._is_awake = True  # before the start, which an eager task factory carries out at once
                self._root = self._start(self._run(), name="aiotasks scheduler")
        elif self._sleeper is not None:
            _wake_root(self._sleeper, 0.0)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a child that `aclose` ends."""
        self.enter()
        child = self._start(work, name="aiotasks child")
        self._children.add(child)
        child.add_done_callback(self._children.discard)
        return child

    def _start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        # In an empty context: else it would keep the first caller's request variables for ever.
        return self._home.loop.create_task(work, name=name, context=contextvars.Context())

    # --- the root ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._carry_out()
        except asyncio.CancelledError:
            # The loop shuts down, or `aclose` has ended everything already.
            self._is_closing, self._is_awake = True, False
            self._let_go(SchedulerClosed("the event loop is shutting down; the remote jobs go on"))
            raise
        except GeneratorExit:
            raise  # the loop was closed under it, and with it every caller: nobody is left to be woken
        except BaseException as error:
            self._crash(error)
            if not isinstance(error, Exception):
                raise
            self._forget_later()
        self._is_awake = False
        self._root = None

    def _crash(self, cause: BaseException) -> None:
        """A fault of ours: every wait hears of it, and the next one begins with a planner that is whole (F-45)."""
        self._errors[SchedulerCrashed.__name__] += 1
        crash = SchedulerCrashed(f"the scheduler failed: {type(cause).__name__}: {cause}")
        crash.__cause__ = cause
        running = asyncio.current_task(self._home.loop)
        for query in self._queries:
            if query is not running:
                query.cancel()
        self._begin_anew(crash)

    async def _carry_out(self) -> None:
        turns, now = self.turns, self._home.now()
        while True:  # by `self._planner` throughout: a query may find it broken, and begin anew
            self._effects.extend(self._planner.due(now))
            while self._effects:
                for _ in range(min(TURN_SLICE, len(self._effects))):
                    match effect := self._effects.popleft():
                        case events.Send(flight, due):
                            self._lateness.append(max(0.0, self._home.now() - due))
                            self._launch(flight)
                        case events.Settle(wait) | events.Tell(wait):
                            _wake(wait)
                        case _:
                            assert_never(effect)
                if self._effects:
                    await turns.next()  # whoever was woken has work to do as well, all of it in the next pass
            while self._planner.is_idle and self._planner.tidy():
                if turns.is_over:
                    await turns.next()
            if self._planner.is_idle:
                break
            now = await self._sleep_until(self._planner.next_wakeup())
        self._forget_later()

    async def _sleep_until(self, moment: float | None) -> float:
        """Sleep until `moment`, or until nudged. -> the time."""
        if moment is not None and moment <= self._home.now():
            await self.turns.next()  # more at once: but others first
            return self._home.now()
        self._sleeper = self._home.loop.create_future()
        timer = self._home.loop.call_at(moment, _wake_root, self._sleeper, moment) if moment is not None else None
        try:
            # A timer may fire earlier than asked, by less than the clock can tell; going by the clock alone the
            # root would find nothing due, ask for the same moment again, and spin until the clock moves.
            reached = await self._sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()
        return max(reached, self._home.now())

    def _forget_later(self) -> None:
        """The root is about to end; what is parked is let go of when its last query no longer matters."""
        moment = self._planner.forget(self._home.now())
        if moment is not None:
            self._forgetter = self._home.loop.call_at(max(moment, self._home.now()), self._forget_later)

    # --- one query --------------------------------------------------------------------------------------

    def _launch(self, flight: Flight) -> None:
        child = self._start(self._fly(flight), name=f"aiotasks query {flight.number}")
        self._queries.add(child)
        child.add_done_callback(self._queries.discard)

    async def _fly(self, flight: Flight) -> None:
        """Send one query and feed what comes of it. However this ends, the flight has ended too."""
        planner = self._planner
        try:
            end = await self._ask(planner, flight)
        except asyncio.CancelledError:
            # By somebody else, or the loop shuts down: its tasks must not seem to be asked about for ever (I-02).
            if not self._is_closing:
                error = NetworkError("the query was cancelled from outside")
                self._land(planner, events.Failed(flight, error, self._home.just_after()))
            raise
        self._land(planner, end)

    async def _ask(self, planner: Planner, flight: Flight) -> events.Landed | events.Failed:
        """Send one query and feed its answer block by block. -> how it ended."""
        just_after, account = self._home.just_after, flight.source.account
        transport: HttpTransport | None = None
        try:
            transport = self._transport(account)
            seen = transport.renewals
            try:
                response = await transport.dispatch(flight.request)
                return await self._read(planner, flight, response, just_after())
            except AuthError as error:
                at = just_after()
                await transport.renew(seen)  # at most once per refusal; whether it helped, the next query tells
                return events.Failed(flight, error, at)
        except SchedulerClosed as error:
            if not self._is_closing and transport not in self._transports.get(account, [transport]):
                # One client of several was closed: the others' waits go on, and the next query goes by another.
                lost = NetworkError("the client that asked was closed", platform=account.platform)
                return events.Failed(flight, lost, just_after())
            return events.Failed(flight, error, just_after())
        except AiotasksError as error:
            return events.Failed(flight, error, just_after())
        except Exception as error:  # noqa: BLE001 - a source may be anybody's code (F-39)
            failure = ProtocolError(f"the source failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            return events.Failed(flight, failure, just_after())

    def _land(self, planner: Planner, end: events.Landed | events.Failed) -> None:
        """Feed how a flight ended. A fault of ours on the way ends its waits, too, rather than lose them (F-45)."""
        if planner is not self._planner:
            return  # that one crashed, and this one knows nothing of the flight
        try:
            planner.feed(end, self._home.now())
            if isinstance(end, events.Failed):
                self._failed(end)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would hear of it
            self._crash(error)
        self._nudge()

    def _failed(self, end: events.Failed) -> None:
        self._errors[type(end.error).__name__] += 1
        account = end.flight.source.account
        if isinstance(end.error, SchedulerClosed) and account not in self._transports:
            self._feed(events.Closed(end.error, account))  # waits that began while its client closed

    async def _read(self, planner: Planner, flight: Flight, response: Response, at: float) -> events.Landed:
        """Feed the answer block by block; the cohort stays in flight until the last one is applied. -> its end."""
        digest = hash(response.body) if flight.wants_digest and response.status == 200 else None
        if digest is not None and planner.is_unchanged(flight, digest):
            return events.Landed(flight, at, digest, is_unchanged=True)
        answers = flight.source.read(flight.query, response)
        while True:
            if self.turns.is_over:  # before the first block too: many answers may land in one pass
                await self.turns.next()
            answer = next(answers, None)
            if answer is None:
                break
            planner.feed(events.Answered(flight, answer), self._home.now())
            self._nudge()
        return events.Landed(flight, at, digest)

    def _transport(self, account: Account) -> HttpTransport:
        transports = self._transports.get(account)
        if transports is None:
            raise _client_closed(account)
        return transports[-1]

    # --- looking in -------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """What it is doing: a snapshot that no longer changes. Costs time in proportion to cohorts, not tasks."""
        now = self._home.now() if self._home.is_found else 0.0
        return snapshot(self._planner, self._lateness, self._errors, now)


def _checked(tasks: Sequence[Record]) -> int:
    """How many of the tasks are not being asked about yet, once none has too many waits."""
    for task in tasks:
        # The length alone counts waits that have ended: a look at each is for when it matters.
        waits = task.waits
        if isinstance(waits, dict) and len(waits) >= MOST_WAITS_PER_TASK <= len(task.open_waits()):
            raise SchedulerFull(f"task {task.id!r} has {MOST_WAITS_PER_TASK:,} waits, the most allowed")
    return sum(task.cohort is None for task in tasks)


def _client_closed(account: Account) -> SchedulerClosed:
    return SchedulerClosed("the task's client was closed; the remote job goes on", platform=account.platform)


def _wake(wait: Wait[Any]) -> None:
    assert isinstance(wait, CallersWait)
    if not wait.future.done():
        wait.future.set_result(None)


def _wake_root(sleeper: asyncio.Future[float], reached: float) -> None:
    if not sleeper.done():
        sleeper.set_result(reached)


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
        for known in list(_schedulers):  # a copy: other threads may have loops and schedulers of their own
            if known.is_closed():
                _schedulers.pop(known, None)
        scheduler = _schedulers[loop] = Scheduler()
        scheduler.enter()
    return scheduler
