"""Results page by page: gapless, in order, in flat memory, and never silently short."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import msgspec
import pytest

from aiotasks._core.paging import Ledger
from aiotasks._runtime.results import Pages, Results
from aiotasks.errors import (
    AiotasksError,
    AuthError,
    DecodeError,
    InvalidArgument,
    InvalidType,
    NetworkError,
    PaginationError,
    PermissionDenied,
    QueryRefused,
    ResultError,
    SchedulerClosed,
    TaskFailed,
    UsageError,
)
from aiotasks.limits import EMPTY_PAGES, TRIES
from aiotasks.models import Page, Request, Response
from aiotasks.testing import ScriptedTransport, json_response


class NumberSource:
    """Pages of a document `{"rows", "next", "total"}`."""

    def request(self, cursor: str | None) -> Request:
        return Request(method="GET", url=f"https://platform.test/{cursor or 'first'}", is_repeatable=True)

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
        if response.status == 400:
            raise QueryRefused("no such cursor", http_status=400)
        if response.status == 403:
            raise PermissionDenied("not yours")
        page = msgspec.json.decode(response.body)
        yield Page(rows=page["rows"], cursor=page["next"], total=page.get("total"))


Answers = Callable[[Request], Response]


def cursor_of(request: Request) -> str:
    return request.url.rpartition("/")[2]


def book(*pages: Sequence[int], total: int | None = None) -> Answers:
    """A platform with these pages; page n is at cursor `n`."""

    def answer(request: Request) -> Response:
        cursor = cursor_of(request)
        number = 0 if cursor == "first" else int(cursor)
        following = str(number + 1) if number + 1 < len(pages) else None
        return json_response({"rows": list(pages[number]), "next": following, "total": total})

    return answer


@attrs.define
class Owner:
    """Stands in for the scheduler: starts tasks and knows them."""

    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)

    def spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    @property
    def idle(self) -> bool:
        return all(task.done() for task in self.tasks)


@attrs.define
class Shelf:
    """Results over a scripted platform, and what they used."""

    transport: ScriptedTransport
    owner: Owner
    results: Results[int]
    opened: list[int]

    @property
    def asked(self) -> list[str]:
        return [cursor_of(request) for request in self.transport.requests]


def shelf(answer: Answers, *, key: Any = None, finish: Any = None) -> Shelf:
    transport, owner, opened = ScriptedTransport(answer), Owner(), []

    async def open() -> NumberSource:
        opened.append(1)
        return NumberSource()

    return Shelf(transport, owner, Results(transport, owner.spawn, open, key=key, finish=finish), opened)


async def rows_of(pages: Pages[int], *, into: list[int] | None = None) -> list[int]:
    """All rows that are left; those before an error are in `into`."""
    rows = [] if into is None else into
    async for page in pages:
        rows += page.rows
    return rows


async def idle(passes: int = 20) -> None:
    """Let everything that can run do so."""
    for _ in range(passes):
        await asyncio.sleep(0)


THREE = ([1, 2, 3], [4, 5, 6], [7])

# --- ways of reading -----------------------------------------------------------------------------------


async def test_awaiting_gives_the_whole_list():
    """`await results` is a list, each time a new one."""
    it = shelf(book(*THREE))
    assert await it.results == [1, 2, 3, 4, 5, 6, 7]
    assert await it.results == [1, 2, 3, 4, 5, 6, 7]
    assert it.asked == ["first", "1", "2"] * 2


async def test_iterating_gives_row_by_row():
    """`async for` gives rows in order, each use from the beginning."""
    it = shelf(book(*THREE))
    for _ in range(2):
        assert [row async for row in it.results] == [1, 2, 3, 4, 5, 6, 7]
    assert it.owner.idle


@pytest.mark.parametrize("prefetch", [0, 1, 2, 10])
async def test_pages_come_in_order_with_their_cursors(prefetch: int):
    """Each page carries the cursor to go on after it, and the total where the platform tells."""
    it = shelf(book(*THREE, total=7))
    async with it.results.pages(prefetch=prefetch) as pages:
        got = [(list(page.rows), page.cursor, page.total) async for page in pages]
    assert got == [([1, 2, 3], "1", 7), ([4, 5, 6], "2", 7), ([7], None, 7)]
    assert it.asked == ["first", "1", "2"]
    assert it.owner.idle


@pytest.mark.parametrize("prefetch", [0, 1, 2])
async def test_reading_goes_on_after_a_cursor(prefetch: int):
    """A cursor from another process resumes after its page; totals of the whole are then not checked."""
    it = shelf(book(*THREE, total=7))
    async with it.results.pages(after="1", prefetch=prefetch) as pages:
        assert await rows_of(pages) == [4, 5, 6, 7]


async def test_nothing_happens_until_used():
    """Making results and pages asks nobody anything."""
    it = shelf(book(*THREE))
    it.results.pages()
    await idle()
    assert (it.asked, it.opened, it.owner.tasks) == ([], [], [])


async def test_empty_result_is_an_empty_list():
    """No rows is a list without rows."""
    it = shelf(book([], total=0))
    assert await it.results == []
    assert [page async for page in aiter(it.results)] == []


async def test_source_is_opened_once_per_walk():
    """Opening may wait for the job; each walk does it for itself."""
    it = shelf(book(*THREE))
    await it.results
    await it.results
    assert it.opened == [1, 1]


async def test_error_of_opening_is_passed_as_it_is():
    """A job that failed has no result: its own error says so."""

    async def open() -> Any:
        raise TaskFailed("bad rows")

    it = shelf(book(*THREE))
    results = Results[int](it.transport, it.owner.spawn, open)
    with pytest.raises(TaskFailed, match="bad rows"):
        await results
    assert it.asked == []


async def test_answer_of_several_pages_is_given_page_by_page():
    """One answer may hold many pages; each comes with its own cursor."""

    class Blocks(NumberSource):
        def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
            yield Page(rows=[1, 2], cursor="b")
            yield Page(rows=[3], cursor="c")
            yield Page(rows=[4], cursor=None)

    async def open() -> Blocks:
        return Blocks()

    it = shelf(book([0]))
    async with Results(it.transport, it.owner.spawn, open).pages() as pages:
        assert [(list(page.rows), page.cursor) async for page in pages] == [([1, 2], "b"), ([3], "c"), ([4], None)]


# --- fetching ahead ------------------------------------------------------------------------------------


@pytest.mark.covers("F-50")
@pytest.mark.parametrize("prefetch", [0, 1, 2, 3])
async def test_at_most_so_many_pages_are_fetched_ahead(prefetch: int):
    """While the consumer works on a page, `prefetch` more are fetched, and not one besides."""
    it = shelf(book(*[[n] for n in range(10)]))
    async with it.results.pages(prefetch=prefetch) as pages:
        for number in range(10):
            page = await anext(pages)
            assert list(page.rows) == [number]
            await idle()
            assert len(it.asked) == min(10, number + 1 + prefetch)


@pytest.mark.looptime
async def test_next_page_is_fetched_while_the_caller_works():
    """Fetching and working overlap: the whole takes little more than the longer of the two."""
    it = shelf(book(*[[n] for n in range(5)]))

    async def slowly(request: Request) -> Response:
        await asyncio.sleep(3)
        return book(*[[n] for n in range(5)])(request)

    it.transport.dispatch = slowly  # type: ignore[method-assign]
    it.transport._exchanges.exchange = slowly
    async with it.results.pages() as pages:
        async for _ in pages:
            await asyncio.sleep(3)
    assert asyncio.get_running_loop().time() == 18.0


@pytest.mark.covers("F-50", "I-09")
@pytest.mark.parametrize("prefetch", [1, 4])
async def test_leaving_the_context_ends_the_fetch_ahead(prefetch: int):
    """Nothing is fetched, and no asyncio task left, once the context is left."""
    it = shelf(book(*[[n] for n in range(100)]))
    async with it.results.pages(prefetch=prefetch) as pages:
        await anext(pages)
    assert it.owner.idle
    asked = len(it.asked)
    await idle()
    assert len(it.asked) == asked
    with pytest.raises(UsageError):
        await anext(pages)


@pytest.mark.covers("F-50")
async def test_closed_iterator_ends_the_fetch_ahead():
    """Breaking out of the loop and closing the iterator frees what it held."""
    it = shelf(book(*[[n] for n in range(100)]))
    async with contextlib.aclosing(aiter(it.results)) as rows:
        async for _ in rows:
            break
    assert it.owner.idle


@pytest.mark.covers("F-50", "F-38")
async def test_abandoned_iterator_ends_the_fetch_ahead_when_collected():
    """Simply breaking out is enough: the iterator is closed when it is collected."""
    it = shelf(book(*[[n] for n in range(100)]))
    async for _ in it.results:
        break
    for _ in range(50):  # how often the collector must run is the interpreter's affair; that it ends is ours
        gc.collect()
        await idle()
        if it.owner.idle:
            break
    assert it.owner.idle


async def test_page_is_let_go_when_the_next_is_taken():
    """Flat memory: a page lives no longer than its turn."""

    class Rows(list[int]):
        pass

    kept: list[weakref.ref[Rows]] = []

    class Source(NumberSource):
        def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
            (page,) = super().read(cursor, response)
            rows = Rows(page.rows)
            kept.append(weakref.ref(rows))
            yield Page(rows=rows, cursor=page.cursor)

    async def open() -> Source:
        return Source()

    it = shelf(book(*[[n] for n in range(10)]))
    most = 0
    async for _ in Results(it.transport, it.owner.spawn, open):
        await idle()
        most = max(most, sum(ref() is not None for ref in kept))
    assert most == 2


@pytest.mark.covers("F-34", "I-07")
@pytest.mark.parametrize("prefetch", [0, 1, 2])
async def test_cancelled_consumer_loses_no_page(prefetch: int):
    """A wait for a page that is cancelled at any await takes nothing with it: the next call gives that page."""
    it = shelf(book(*THREE, *THREE))
    async with it.results.pages(prefetch=prefetch) as pages:
        got: list[int] = []
        passes = 0
        while True:
            ask = asyncio.get_running_loop().create_task(pages.__anext__())
            for _ in range(passes % 4):
                await asyncio.sleep(0)
            passes += 1
            ask.cancel()
            (ended,) = await asyncio.gather(ask, return_exceptions=True)
            if isinstance(ended, StopAsyncIteration):
                break
            if not isinstance(ended, asyncio.CancelledError):
                got += ended.rows
            assert passes < 200
    assert got == [1, 2, 3, 4, 5, 6, 7] * 2
    assert it.owner.idle


@pytest.mark.covers("F-44", "I-07")
async def test_owner_that_closes_is_not_taken_for_a_cancellation():
    """When the scheduler ends the fetch ahead, the consumer hears that it was closed."""
    it = shelf(book(*THREE))
    async with it.results.pages() as pages:
        await anext(pages)
        it.owner.tasks[-1].cancel()
        with pytest.raises(SchedulerClosed):
            await rows_of(pages)


async def test_owner_that_refuses_leaves_nothing_behind():
    """A closed scheduler takes no new work; no coroutine is left unawaited."""

    def refuse(_: Any) -> asyncio.Task[None]:
        raise SchedulerClosed("closed")

    it = shelf(book(*THREE))

    async def open() -> NumberSource:
        return NumberSource()

    with pytest.raises(SchedulerClosed):
        await Results[int](it.transport, refuse, open)


# --- misuse --------------------------------------------------------------------------------------------


async def test_iterating_outside_the_context_is_told():
    """Pages fetch ahead, so they need a place to end: the error names it."""
    with pytest.raises(UsageError, match="async with"):
        await anext(shelf(book(*THREE)).results.pages())


async def test_context_is_entered_once():
    """A second reading is a second `pages()`."""
    pages = shelf(book(*THREE)).results.pages()
    async with pages:
        with pytest.raises(UsageError, match="once"):
            await pages.__aenter__()
    assert repr(pages) == "<Pages left, 0 ready>"


async def test_pages_have_one_consumer():
    """Two tasks that share one iterator would tear the stream apart."""
    async with shelf(book(*THREE)).results.pages() as pages:
        first, second = await asyncio.gather(anext(pages), anext(pages), return_exceptions=True)
        assert isinstance(first, Page)
        assert isinstance(second, UsageError)


@pytest.mark.covers("B-09")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"prefetch": -1}, InvalidArgument),
        ({"prefetch": True}, InvalidType),
        ({"prefetch": 1.0}, InvalidType),
        ({"prefetch": None}, InvalidType),
        ({"after": 3}, InvalidType),
    ],
)
def test_odd_options_are_refused(options: dict[str, Any], error: type[Exception]):
    """Before anything is asked; the error names the argument."""
    with pytest.raises(error, match=next(iter(options))):
        shelf(book(*THREE)).results.pages(**options)


# --- faults --------------------------------------------------------------------------------------------


def flaky(answer: Answers, faults: dict[str, int], fault: Callable[[], AiotasksError]) -> Answers:
    """`answer`, but the first n asks for some cursors fail."""
    left = dict(faults)

    def respond(request: Request) -> Response:
        cursor = cursor_of(request)
        if left.get(cursor, 0) > 0:
            left[cursor] -= 1
            raise fault()
        return answer(request)

    return respond


@pytest.mark.covers("F-30")
@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_page_that_fails_is_fetched_again_from_its_cursor(prefetch: int):
    """Faults in mid-stream are not seen by the consumer: no row twice, none missing."""
    it = shelf(flaky(book(*THREE, total=7), {"first": 1, "1": TRIES - 1, "2": 2}, lambda: NetworkError("gone")))
    async with it.results.pages(prefetch=prefetch) as pages:
        assert await rows_of(pages) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.covers("F-30")
@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_page_that_keeps_failing_is_one_error_with_the_cursor(prefetch: int):
    """All rows before it are handed out; the error tells where to go on, here or in another process."""
    it = shelf(flaky(book(*THREE), {"1": TRIES}, lambda: NetworkError("gone", platform="p")))
    got: list[int] = []
    async with it.results.pages(prefetch=prefetch) as pages:
        with pytest.raises(ResultError, match="gone") as caught:
            await rows_of(pages, into=got)
    assert got == [1, 2, 3]
    assert (caught.value.cursor, caught.value.platform) == ("1", "p")
    assert isinstance(caught.value.__cause__, NetworkError)
    async with it.results.pages(after=caught.value.cursor) as pages:
        assert await rows_of(pages) == [4, 5, 6, 7]


@pytest.mark.covers("F-30")
@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_iterating_on_after_an_error_asks_again(prefetch: int):
    """The consumer may simply go on: the stream continues where it broke."""
    it = shelf(flaky(book(*THREE), {"1": TRIES}, lambda: NetworkError("gone")))
    got: list[int] = []
    async with it.results.pages(prefetch=prefetch) as pages:
        with pytest.raises(ResultError):
            await rows_of(pages, into=got)
        await rows_of(pages, into=got)
    assert got == [1, 2, 3, 4, 5, 6, 7]


async def test_error_at_the_beginning_has_no_cursor():
    """None is the beginning."""
    it = shelf(lambda _: json_response({}, status=400))
    with pytest.raises(ResultError, match="no such cursor") as caught:
        await it.results
    assert caught.value.cursor is None
    assert caught.value.http_status == 400


@pytest.mark.covers("F-18", "F-17")
@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (403, PermissionDenied)])
async def test_refused_credential_is_told_as_such(status: int, kind: type[AiotasksError]):
    """The caller can do something about the credential, so that error is not dressed as another."""
    it = shelf(lambda _: json_response({}, status=status))
    with pytest.raises(kind):
        await it.results


async def test_result_error_of_a_source_gets_the_cursor():
    """A source that says itself that the result cannot be had need not know where the walk is."""

    class Gone(NumberSource):
        def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
            if cursor == "1":
                raise ResultError("expired for good")
            return super().read(cursor, response)

    async def open() -> Gone:
        return Gone()

    it = shelf(book(*THREE))
    with pytest.raises(ResultError, match="expired for good") as caught:
        await Results(it.transport, it.owner.spawn, open)
    assert caught.value.cursor == "1"


@pytest.mark.covers("B-21", "F-07")
async def test_page_that_does_not_decode_is_fetched_again():
    """A cut page is a transient fault like any other."""

    class Cut(NumberSource):
        tries = 0

        def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
            self.tries += 1
            if self.tries == 2:
                raise DecodeError("cut")
            return super().read(cursor, response)

    source = Cut()

    async def open() -> Cut:
        return source

    it = shelf(book(*THREE))
    assert await Results(it.transport, it.owner.spawn, open) == [1, 2, 3, 4, 5, 6, 7]
    assert source.tries == 4


async def test_failed_fetch_that_nobody_comes_for_is_silent():
    """An error of the fetch ahead is not logged when the consumer left before it."""
    it = shelf(flaky(book(*THREE), {"1": 99}, lambda: QueryRefused("no")))
    async with it.results.pages() as pages:
        await anext(pages)
        await idle()
    it.owner.tasks.clear()
    gc.collect()  # "exception was never retrieved" would fail the test


# --- pages that make no sense --------------------------------------------------------------------------


def endless(rows: Callable[[int], Sequence[int]], following: Callable[[int], str]) -> Answers:
    asked = 0

    def answer(_: Request) -> Response:
        nonlocal asked
        asked += 1
        return json_response({"rows": list(rows(asked - 1)), "next": following(asked - 1)})

    return answer


async def broken(it: Shelf) -> tuple[list[int], PaginationError]:
    got: list[int] = []
    async with it.results.pages() as pages:
        with pytest.raises(PaginationError) as caught:
            await rows_of(pages, into=got)
    return got, caught.value


@pytest.mark.covers("B-49")
@pytest.mark.parametrize(("cycle", "pages"), [(["a"], 2), (["a", "b"], 3), (["a", "b", "c"], 4)])
async def test_cursor_that_comes_back_is_an_error(cycle: list[str], pages: int):
    """A cycle is noticed at its first repeat; the rows before it were handed out."""
    it = shelf(endless(lambda n: [n], lambda n: cycle[n % len(cycle)]))
    got, error = await broken(it)
    assert got == list(range(pages))
    assert "read before" in str(error)
    assert error.cursor == cycle[-1]


@pytest.mark.covers("B-50")
async def test_empty_pages_are_followed_ten_times():
    """Filtered lists have empty pages; eleven in a row is a platform that will never end."""
    rows = [[1], *[[]] * EMPTY_PAGES, [2]]
    it = shelf(book(*rows))
    assert await it.results == [1, 2]
    got, error = await broken(shelf(endless(lambda n: [], str)))
    assert got == []
    assert f"{EMPTY_PAGES + 1} empty pages" in str(error)


@pytest.mark.covers("B-48")
async def test_endless_pages_end(monkeypatch: pytest.MonkeyPatch):
    """There is a last page to every stream, and the error says how far it got."""
    monkeypatch.setattr("aiotasks._core.paging.MOST_PAGES", 50)
    got, error = await broken(shelf(endless(lambda n: [n], lambda n: f"c{n}")))
    assert got == list(range(50))
    assert "50 rows were read" in str(error)
    assert error.cursor is not None


@pytest.mark.covers("B-51")
async def test_pages_that_end_short_of_the_total_are_an_error():
    """Never silently short: the rows are handed out, and then the error."""
    got, error = await broken(shelf(book([1, 2], [3], total=4)))
    assert got == [1, 2, 3]
    assert "total of 4" in str(error)


@pytest.mark.covers("B-51")
async def test_total_that_shrinks_below_the_rows_is_an_error():
    """Rows that went while paging mean that others were skipped."""

    def answer(request: Request) -> Response:
        if cursor_of(request) == "first":
            return json_response({"rows": [1, 2, 3], "next": "1", "total": 5})
        return json_response({"rows": [4], "next": None, "total": 3})

    got, error = await broken(shelf(answer))
    assert got == [1, 2, 3, 4]
    assert "total of 3" in str(error)


@pytest.mark.covers("B-51")
async def test_rows_that_shift_onto_the_next_page_are_given_once():
    """Where rows have a key, doubles are dropped and the total counts what is left."""
    it = shelf(book([1, 2, 3], [3, 4, 5], [5], [6], total=6), key=lambda row: row)
    assert await it.results == [1, 2, 3, 4, 5, 6]


@pytest.mark.covers("B-51")
async def test_doubles_without_a_key_do_not_fit_the_total():
    """Without a key they cannot be told, but the total can."""
    _, error = await broken(shelf(book([1, 2, 3], [3, 4], total=4)))
    assert "more rows than the total of 4" in str(error)


async def test_fault_stays_when_iterating_on():
    """Pages that make no sense do not begin to make sense."""
    it = shelf(book([1], total=2))
    async with it.results.pages() as pages:
        await anext(pages)
        errors = []
        for _ in range(2):
            with pytest.raises(PaginationError) as caught:
                await anext(pages)
            errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_ledger_is_pure():
    """The bookkeeping of a walk is plain calls: pages in, where to go on out."""
    ledger: Ledger[int] = Ledger()
    assert ledger.take([Page(rows=[1], cursor="x")])[0].rows == [1]
    assert (ledger.cursor, ledger.is_over, ledger.fault) == ("x", False, None)
    assert ledger.take([]) == []
    assert ledger.is_over


def test_pages_show_their_state():
    """One line says whether they were entered."""
    pages = shelf(book(*THREE)).results.pages()
    assert isinstance(pages, Pages)
    assert repr(pages) == "<Pages not entered, 0 ready>"


# --- rows that are finished on the loop ------------------------------------------------------------------


async def test_finished_rows_are_what_the_caller_sees() -> None:
    """Rows are changed and left out on the way; a page that nothing is left of is not handed out, however many."""

    async def finish(rows: Sequence[int]) -> list[str]:
        await asyncio.sleep(0)
        return [str(row) for row in rows if row % 10 == 0]

    numbers = shelf(book(*([n] for n in range(2 * EMPTY_PAGES + 1))), finish=finish)

    assert await numbers.results == ["0", "10", "20"]


async def test_page_whose_finish_fails_is_finished_again() -> None:
    """The error reaches the caller as it is; going on gives the same page, without a second request."""
    failures = [QueryRefused("not now")]

    async def finish(rows: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return rows

    numbers = shelf(book([1], [2]), finish=finish)

    async with numbers.results.pages(prefetch=0) as pages:
        with pytest.raises(QueryRefused):
            await anext(pages)
        assert [page.rows async for page in pages] == [[1], [2]]
    assert numbers.asked == ["first", "1"]


async def test_results_are_not_mistaken_for_their_rows():
    """`if task.errors:` is how the SDKs are used; here it would be true whatever there is."""
    results = shelf(book([1])).results
    with pytest.raises(TypeError, match="await"):
        bool(results)
    assert "await" in repr(results)
