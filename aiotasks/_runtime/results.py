"""Results that arrive page by page: the next page is fetched while the caller works on the present one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import attrs

from aiotasks._core.paging import Ledger
from aiotasks.errors import (
    AnswerError,
    AskError,
    AuthError,
    InvalidArgument,
    InvalidType,
    PermissionDenied,
    ResultError,
    SchedulerClosed,
    UsageError,
)
from aiotasks.limits import PREFETCH
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Hashable, Sequence
    from types import TracebackType
    from typing import Self

    from aiotasks.abc import PageSource, Transport
    from aiotasks.models import Page

    Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

__all__ = ["Pages", "Results"]

T = TypeVar("T")
Finish: TypeAlias = "Callable[[Sequence[Any]], Awaitable[Sequence[T]]]"


class Results(Generic[T]):
    """Rows of one result, in order: lazy until used, and read from the beginning by each use.

        rows = await results                          # the whole list
        async for row in results: ...                 # row by row, in flat memory
        async with results.pages() as pages:          # page by page: the fast way
            async for page in pages: ...

    Args:
        transport: what sends.
        spawn: starts an asyncio task that the scheduler owns; it fetches ahead.
        open: gives the source, awaited at the first use of each walk: it may wait for the job's end.
        key: what makes a row the same as another, where pages shift while they are read; doubles are dropped.
        finish: awaited with the rows of each page when its turn comes: gives the rows that the caller sees, or
            fewer. It runs on the loop, where a source reads large answers in a worker thread.

    Every way of reading raises:
        ResultError: a page could not be had; `cursor` is where to go on with `pages(after=)`.
        PaginationError: the pages repeat, contradict each other, or never end. The rows so far were handed out.
        AuthError, PermissionDenied: the credential does not do.
        and whatever `open` raises, such as `TaskFailed`.
    """

    __slots__ = ("_finish", "_key", "_open", "_spawn", "_transport")

    def __init__(
        self,
        transport: Transport,
        spawn: Spawn,
        open: Callable[[], Awaitable[PageSource[Any]]],
        *,
        key: Callable[[Any], Hashable] | None = None,
        finish: Finish[T] | None = None,
    ) -> None:
        self._transport = transport
        self._spawn = spawn
        self._open = open
        self._key = key
        self._finish = finish

    def __repr__(self) -> str:
        return "<Results: await them, or iterate with `async for`>"

    def __bool__(self) -> bool:
        # The SDKs' `if task.errors:` would be true whatever there is.
        raise TypeError("results are fetched when awaited: `if await task.errors:`")

    def __await__(self) -> Generator[Any, None, list[T]]:
        """The whole list. An empty result is an empty list."""
        return self._whole().__await__()

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Row by row.

        Leaving the loop early frees the page fetched ahead when the iterator is closed or collected;
        `contextlib.aclosing(aiter(results))` does so at once.
        """
        async with self.pages() as pages:
            async for page in pages:
                for row in page.rows:
                    yield row

    async def _whole(self) -> list[T]:
        rows: list[T] = []
        async with self.pages() as pages:
            async for page in pages:
                rows += page.rows
        return rows

    def pages(self, *, prefetch: int = PREFETCH, after: str | None = None) -> Pages[T]:
        """The result page by page, to be iterated inside `async with`.

        Args:
            prefetch: pages fetched ahead of the caller, 0 or more; at most `prefetch + 1` are in memory.
            after: the `cursor` of a page, or of an error: go on after that page. None is the beginning.

        Raises:
            InvalidType, InvalidArgument: of another type or range than that.
        """
        if isinstance(prefetch, bool) or not isinstance(prefetch, int):
            raise InvalidType(f"prefetch: given {escaped(prefetch, 40)!r}, allowed: a whole number")
        if prefetch < 0:
            raise InvalidArgument(f"prefetch: given {prefetch}, allowed: 0 or more")
        if after is not None and not isinstance(after, str):
            raise InvalidType(f"after: given {escaped(after, 40)!r}, allowed: the cursor of a page, or None")
        ledger: Ledger[Any] = Ledger(start=after, key=self._key)
        return Pages(self._transport, self._spawn, self._open, ledger, prefetch, self._finish)


class Pages(Generic[T]):
    """The pages of one result: an async context manager, and inside it an async iterator for one consumer.

    Pages without rows are not handed out. After an error, going on iterating asks for the same page again.
    """

    def __init__(
        self,
        transport: Transport,
        spawn: Spawn,
        open: Callable[[], Awaitable[PageSource[Any]]],
        ledger: Ledger[Any],
        prefetch: int,
        finish: Finish[T] | None = None,
    ) -> None:
        self._transport = transport
        self._spawn = spawn
        self._open = open
        self._ledger = ledger
        self._prefetch = prefetch
        self._finish = finish
        self._source: PageSource[Any] | None = None
        self._ready: deque[Page[Any]] = deque()
        self._ahead: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_entered = self._is_left = self._is_asking = False

    def __repr__(self) -> str:
        state = "left" if self._is_left else "open" if self._is_entered else "not entered"
        return f"<Pages {state}, {len(self._ready)} ready>"

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise UsageError("pages are entered once: call pages() again to read from the beginning")
        self._is_entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_left = True
        self._ready.clear()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait({ahead})  # not `await ahead`: its cancellation is not the caller's

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        """The next page.

        Cancellation: a fetch ahead goes on, and the next call gives the page that this one would have given.
        """
        if not self._is_entered or self._is_left:
            raise UsageError("pages are read inside their context: `async with results.pages() as pages:`")
        if self._is_asking:
            raise UsageError("pages have one consumer: somebody is waiting for the next one already")
        self._is_asking = True
        try:
            return await self._next()
        finally:
            self._is_asking = False

    async def _next(self) -> Page[T]:
        while True:
            await self._more()
            if not self._ready:
                raise StopAsyncIteration
            page: Page[T] = self._ready[0]  # left where it is until it is finished: that may fail, or be cancelled
            if self._finish is not None:
                page = attrs.evolve(page, rows=await self._finish(page.rows))
            self._ready.popleft()
            self._reach_ahead()
            if page.rows:
                return page

    async def _more(self) -> None:
        """Return when a page is ready, or none is left."""
        if self._source is None:
            self._source = await self._open()  # in the caller's own task: it may be a wait
        while not self._ready:
            if self._prefetch == 0:
                if self._ledger.is_over:
                    return
                await self._step()
                continue
            self._reach_ahead()
            if self._ahead is None:
                return
            if self._ahead.done():
                failed, self._ahead = self._ahead, None
                _raise_failure(failed)
            else:
                self._news.clear()
                await self._news.wait()

    def _reach_ahead(self) -> None:
        """Have pages fetched while there is room, unless that failed: first the consumer must hear of it."""
        if self._ahead is not None and self._ahead.done() and not _has_failed(self._ahead):
            self._ahead = None
        if self._ahead is not None or len(self._ready) >= self._prefetch or self._ledger.is_over:
            return
        work = self._fill()
        try:
            self._ahead = self._spawn(work)
        except BaseException:
            work.close()
            raise
        # Not a `finally` in `_fill`: a task that is cancelled before its first step never enters it.
        self._ahead.add_done_callback(self._on_end)

    def _on_end(self, ahead: asyncio.Task[None]) -> None:
        _has_failed(ahead)  # looked at, so that an error nobody comes for is not logged
        self._news.set()

    async def _fill(self) -> None:
        while len(self._ready) < self._prefetch and not self._ledger.is_over:
            await self._step()
            self._news.set()

    async def _step(self) -> None:
        """One answer. Nothing changes before it is whole, so that a step can be cancelled or tried again."""
        if self._ledger.fault is not None:
            raise self._ledger.fault.fresh()
        source, cursor = self._source, self._ledger.cursor
        assert source is not None
        try:
            pages = await self._transport.send(
                source.request(cursor), lambda response: list(source.read(cursor, response))
            )
        except (AuthError, PermissionDenied):
            raise
        except (AskError, AnswerError) as error:
            raise _failure(error, cursor) from error
        except ResultError as error:
            error.cursor = error.cursor if error.cursor is not None else cursor
            raise
        self._ready += self._ledger.take(pages)


def _failure(error: AskError | AnswerError, cursor: str | None) -> ResultError:
    return ResultError(
        f"a page of the result could not be had: {error}",
        cursor=cursor,
        platform=error.platform,
        task_id=error.task_id,
        http_status=error.http_status,
        request_id=error.request_id,
    )


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None


def _raise_failure(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        # Not by us: its owner ended it. A `CancelledError` would say that the caller was cancelled (I-07).
        raise SchedulerClosed("the scheduler was closed while the next page was fetched")
    task.result()
