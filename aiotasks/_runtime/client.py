"""What every platform's client has: a transport of its own, and a scheduler to wait by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import attrs

from aiotasks._core.cohorts import RECENTLY
from aiotasks._core.lifecycle import copy_state
from aiotasks._runtime import arguments
from aiotasks._runtime.results import Results
from aiotasks._runtime.scheduler import Scheduler, current_scheduler
from aiotasks._runtime.task import Task
from aiotasks._runtime.transport import HttpTransport
from aiotasks.errors import InvalidArgument, InvalidType, NotSupported, SchedulerClosed
from aiotasks.limits import TURN_SLICE
from aiotasks.models import Observation, TaskRef
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
    from typing import Self

    from aiotasks.abc import Credential, PageSource, StatusSource, Transport
    from aiotasks.models import Account

__all__ = ["BaseClient"]

R = TypeVar("R")
P = ParamSpec("P")
T = TypeVar("T")
TaskT = TypeVar("TaskT", bound=Task)


@attrs.define(eq=False)
class _Search:
    """Callers of `find_task` for one id: they share one query and one task."""

    stranger: Task
    callers: int = 0
    found: Task | None = None


class BaseClient:
    """The root of every platform's client: an account, the transport that serves it, the scheduler it waits by.

    An async context manager; `aclose()` does the same. Constructing it needs no running loop and does no I/O:
    it belongs to the loop of its first `await`.

    Args:
        account: whose requests these are.
        credential: what goes into requests to the account's own origin.
        scheduler: what to wait by; None is the running loop's shared one.
        transport: what sends, instead of one that is made for the account.
    """

    def __init__(
        self,
        *,
        account: Account,
        credential: Credential,
        scheduler: Scheduler | None = None,
        transport: HttpTransport | None = None,
    ) -> None:
        if scheduler is not None and not isinstance(scheduler, Scheduler):
            raise InvalidType(f"scheduler: given {arguments.shown(scheduler)}, allowed: a Scheduler or None")
        self.account = account
        self._transport = transport or HttpTransport(account=account, credential=credential)
        self._scheduler = scheduler
        self._is_closed = False
        self._searches: dict[Any, _Search] = {}
        self._answers: dict[str, Any] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        self.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return f"<{type(self).__name__} of {self.account.platform} at {self.account.origin}, {state}>"

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._is_closed

    @property
    def transport(self) -> Transport:
        """The one place that sends."""
        return self._transport

    @property
    def scheduler(self) -> Scheduler:
        """What its tasks are waited for by. Without one given: that of the running loop, from the first use on."""
        if self._scheduler is None:
            self._scheduler = current_scheduler()
        return self._scheduler

    def enter(self) -> Scheduler:
        """Make sure that the client is open and this is its loop. -> its scheduler.

        Raises:
            SchedulerClosed: the client, or its scheduler, was closed.
            WrongLoop: not the loop of its first use.
        """
        if self._is_closed:
            raise SchedulerClosed("the client is closed; construct another one", platform=self.account.platform)
        scheduler = self.scheduler
        scheduler.enter()
        scheduler.attach(self.account, self._transport)
        return scheduler

    async def aclose(self) -> None:
        """End the waits on its tasks with `SchedulerClosed` and close its connections. Twice does nothing.

        Another open client of the same account on the same scheduler takes its waits over.
        """
        if not self._is_closed:
            if self._scheduler is not None:
                self._scheduler.detach(self.account, self._transport)
            self._is_closed = True
        await self._transport.aclose()  # by whoever comes, since the first may have been cancelled

    # --- tasks ------------------------------------------------------------------------------------------

    def open_task(
        self,
        kind: type[TaskT],
        id: Any,
        source: StatusSource,
        observation: Observation | None = None,
        *,
        submitted: bool = False,
    ) -> TaskT:
        """The handle on one task: the registered one if the task is being waited for, else a new one.

        Args:
            kind: the platform's task class.
            id: the task's id on the platform.
            source: how its status is asked for.
            observation: what is known of it already.
            submitted: this process has just created it, so the platform may not see it yet.
        """
        known = self._known(id)
        if isinstance(known, kind):
            return known
        task = kind(self, id, source, observation)
        if observation is not None or submitted:
            now = self.enter().now()
            task.heard_at = now if observation is not None else task.heard_at
            task.submitted_at = now if submitted else task.submitted_at
        return task

    def _known(self, id: Any) -> Task | None:
        """The registered task of that id, unless the client that it waits by was closed."""
        known = self._scheduler.known(self.account, id) if self._scheduler is not None else None
        return known if isinstance(known, Task) and not known.client.is_closed else None

    async def find_task(self, id: Any, source: StatusSource, choose: Callable[[Observation], type[TaskT]]) -> TaskT:
        """The task of that id, after one fresh status: of the class that `choose` picks by what was said.

        Concurrent calls for one id share one query; calls for many ids share queries as waits do.

        Raises:
            TaskNotFound: the platform knows no such task.
            AskError, AnswerError: it could not be asked about.
        """
        self.enter()
        known = self._known(id)
        search = self._searches.get(id)
        if known is not None and (search is None or known is not search.stranger):
            await known.refresh()
            seen = known.snapshot()
            kind = choose(seen)
            return known if isinstance(known, kind) else self.open_task(kind, id, source, seen)
        if search is None:
            search = self._searches[id] = _Search(Task(self, id, source))
        search.callers += 1
        try:
            await search.stranger.refresh()
        finally:
            search.callers -= 1
            if not search.callers:
                self._searches.pop(id, None)
        seen = search.stranger.snapshot()
        if search.found is None:
            search.found = self.open_task(choose(seen), id, source, seen)
        else:
            copy_state(search.found, search.stranger)  # a later caller has seen more
        return search.found  # type: ignore[return-value]  # every caller of one id brings the same `choose`

    def from_token(self, text: str) -> Task:
        """The task that `Task.token()` told of, in this process or another.

        Its first query comes 2 s after its first wait begins, since the other process may have asked just now.

        Raises:
            InvalidArgument: no token, or one of another platform, origin or version.
        """
        if not isinstance(text, str):
            raise InvalidType(f"token: given {arguments.shown(text)}, allowed: what Task.token() gave")
        ref = TaskRef.from_text(text)
        here = self.account
        if (ref.platform, ref.origin) != (here.platform, here.origin):
            raise InvalidArgument(
                f"token: given one of {escaped(ref.platform, 40)} at {escaped(ref.origin, 80)}, "
                f"allowed: one of {here.platform} at {here.origin}"
            )
        task = self.revive(ref)
        if self._known(task.id) is not task:  # else it is known when it was asked about
            task.asked_at = RECENTLY
        return task

    def revive(self, ref: TaskRef) -> Task:
        """The task that `ref` tells of. Every platform overrides this."""
        raise NotSupported(f"{type(self).__name__} cannot take a task up from a token")

    # --- results and answers ------------------------------------------------------------------------------

    @overload
    def results(
        self, open: Callable[[], Awaitable[PageSource[T]]], *, key: Callable[[T], Hashable] | None = None
    ) -> Results[T]: ...
    @overload
    def results(
        self,
        open: Callable[[], Awaitable[PageSource[R]]],
        *,
        key: Callable[[R], Hashable] | None = None,
        finish: Callable[[Sequence[R]], Awaitable[Sequence[T]]],
    ) -> Results[T]: ...
    def results(
        self, open: Callable[[], Awaitable[PageSource[Any]]], *, key: Any = None, finish: Any = None
    ) -> Results[Any]:
        """Rows that are fetched page by page when asked for. `open` is awaited at each use, and says from where.

        Args:
            open: gives the source of the pages.
            key: what makes a row the same as another, where pages shift while they are read; doubles are dropped.
            finish: awaited with the rows of each page when its turn comes: gives what the caller sees of them.
        """
        return Results(self._transport, self._spawn, open, key=key, finish=finish)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.enter().spawn(work)

    async def off_loop(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` gives, called in a worker thread: for files, which would keep the loop from everybody else.

        Cancellation: ends this call; the thread goes on to its end.
        """
        self.enter()
        return await asyncio.to_thread(work, *args, **kwargs)

    async def in_turns(self, items: Iterable[T]) -> AsyncGenerator[T, None]:
        """`items` one by one, in turns with whatever else runs on the loop: for work on many of them."""
        turns = self.enter().turns
        for number, item in enumerate(items, start=1):
            yield item
            if number % TURN_SLICE == 0 and turns.is_over:
                await turns.next()

    async def once(self, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `ask` gives, asked once per client: its callers share the answer, and a failure is forgotten.

        Cancellation: ends this call; the next caller in line asks.
        """
        self.enter()
        async with self._asking.setdefault(name, asyncio.Lock()):
            if name not in self._answers:
                self._answers[name] = await ask()
        answer: T = self._answers[name]
        return answer
