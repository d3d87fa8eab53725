"""Which tasks are registered, under which account: they come with a wait, and go 2 s after their last query.

The task is its own record. Of several handles on the same remote job (F-75) one is registered, and the waits on the
others have stand-ins on that one, which carry what they hear over (`Wait.stands_for`). A handle that nobody waits
for gives its place up to the next.

A task that nobody waits for is *parked*: of no cohort, not asked about, and its last-asked time kept for as long as
that matters to the two-second rule.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aiotasks._core.cohorts import NEVER, RECENTLY, Board, Cohort, Lane, Record
from aiotasks._core.lifecycle import copy_state
from aiotasks._core.pacing import after
from aiotasks._core.seating import seat, seat_new
from aiotasks._core.throttle import Throttle
from aiotasks._core.waits import Wait
from aiotasks.limits import FLOOR

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from aiotasks._core.desk import Desk
    from aiotasks.models import Account

__all__ = ["AccountBook", "Registry"]


class AccountBook:
    """What belongs to one account: its pace, its lanes, the tasks registered under it."""

    __slots__ = ("lanes", "records", "refused_query", "throttle")

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.throttle: Throttle[Cohort] = Throttle(jitter)
        self.lanes: dict[Hashable, Lane] = {}
        self.records: dict[Any, Record] = {}
        #: The last query sent when the credential was refused; None while it is good.
        self.refused_query: int | None = None


class Registry:
    """The tasks of one planner."""

    __slots__ = ("_board", "_closed", "_desk", "_jitter", "_parked", "books", "count")

    def __init__(self, board: Board, desk: Desk, jitter: Callable[[], float]) -> None:
        self._board = board
        self._desk = desk
        self._jitter = jitter
        self.books: dict[Account, AccountBook] = {}
        #: Accounts whose client is gone: the book goes with its last task.
        self._closed: dict[Account, None] = {}
        #: Registered tasks.
        self.count = 0
        #: Records nobody waits for, with the time from which their last query no longer matters.
        self._parked: deque[tuple[float, list[Record]]] = deque()

    def __iter__(self) -> Iterator[Record]:
        for book in self.books.values():
            yield from book.records.values()

    def book(self, account: Account) -> AccountBook:
        """The book of `account`."""
        book = self.books.get(account)
        if book is None:
            book = self.books[account] = AccountBook(self._jitter)
        return book

    def book_of(self, cohort: Cohort) -> AccountBook:
        """The book of the account that `cohort` belongs to."""
        return self.book(cohort.group.lane.source.account)

    def _lane(self, book: AccountBook, record: Record) -> Lane:
        lane = book.lanes.get(record.source.lane)
        if lane is None:
            lane = book.lanes[record.source.lane] = Lane(record.source, book.throttle, self._board)
        return lane

    # --- coming ---------------------------------------------------------------------------------------

    def watch(self, tasks: Sequence[Record], wait: Wait[Any], now: float) -> None:
        """Let `wait`, which has begun, hear of `tasks`; register and seat those who were not."""
        newcomers: dict[Lane, list[Record]] = {}
        twins: list[Record] = []
        for record in tasks:
            if not wait.is_open:
                break
            if record.is_final:
                self._desk.reached(wait, record)
                continue
            book = self.book(record.source.account)
            if not self._register(book, record, now):
                twins.append(record)  # later: the registered one may be a newcomer of this very call
            elif record.is_final or _said_just_now(record, wait, now):
                self._desk.reached(wait, record)
                if record.cohort is None:
                    self._park([record], record.asked_at)
            else:
                self._desk.put_on(record, wait)
                if record.cohort is not None:
                    self._hasten(record, wait, now)
                elif record.asked_at > NEVER:
                    self._seat(self._lane(book, record), record, now)
                else:
                    newcomers.setdefault(self._lane(book, record), []).append(record)
        for lane, records in newcomers.items():
            seat_new(lane.group(wait.interval), records, now)
            _mark_trouble(records)
        for record in twins:
            if wait.is_open:
                self._mirror(record, wait, now)

    def adopt(self, account: Account, former: AccountBook, now: float) -> None:
        """Take over from a planner that crashed what keeps `account` from being asked too soon, and nothing else.

        Its tasks come parked, as if asked about just now: what it knew of their last queries may be wrong.
        """
        book, records = self.book(account), list(former.records.values())
        book.throttle.blocked_until = former.throttle.blocked_until
        for record in records:
            record.asked_at = now
            book.records[record.id] = record
        self.count += len(records)
        self._park(records, now)

    def _register(self, book: AccountBook, record: Record, now: float) -> bool:
        """Whether `record` is the registered handle of its task, now if not before."""
        if record.asked_at == RECENTLY:
            record.asked_at = now
        leader = book.records.get(record.id)
        if leader is record:
            return True
        if leader is None:
            book.records[record.id] = record
            self._closed.pop(record.source.account, None)
            self.count += 1
            return True
        return self._take_over(book, leader, record)

    def _take_over(self, book: AccountBook, leader: Record, record: Record) -> bool:
        """Let `record`, another handle on a registered task, take its place if nobody waits for that one."""
        cohort = leader.cohort
        if leader.is_waited_for or (cohort is not None and cohort.is_flying):
            return False
        if cohort is not None:
            cohort.group.expel(cohort, leader)
        self._desk.doubted.pop(leader, None)
        record.asked_at = max(record.asked_at, leader.asked_at)
        copy_state(record, leader)
        book.records[record.id] = record
        self._park([record], record.asked_at)
        return True

    def _mirror(self, record: Record, wait: Wait[Any], now: float) -> None:
        """Wait on the registered handle, for the sake of a wait on another handle of the same task (F-75)."""
        leader = self.books[record.source.account].records[record.id]
        copy_state(record, leader)
        mirror = Wait(
            (leader,),
            interval=wait.interval,
            words=wait.words if wait.words is not None else record.end_words,
            is_fresh=wait.is_fresh,
            is_listening=wait.is_listening,
        )
        mirror.stands_for = (wait, record)
        if wait.mirrors is None:
            wait.mirrors = []
        wait.mirrors.append(mirror)
        self._desk.begin(mirror, wait.since)
        self.watch((leader,), mirror, now)

    def _hasten(self, record: Record, wait: Wait[Any], now: float) -> None:
        """A new wait on a seated record may wish for a shorter interval: at once, unless a query flies."""
        cohort = record.cohort
        assert cohort is not None
        group = cohort.group
        cohort.is_stale |= wait.interval != group.interval
        if wait.interval < group.interval and not cohort.is_flying and cohort.suspicion is None:
            group.expel(cohort, record)
            self._seat(group.lane, record, now)

    def _seat(self, lane: Lane, record: Record, now: float) -> None:
        seat(lane, record, now)
        _mark_trouble((record,))

    # --- going ----------------------------------------------------------------------------------------

    def compact(self, cohort: Cohort, now: float) -> None:
        """Park those who left, and seat those anew who changed their interval."""
        if not cohort.is_stale and cohort.closings == self._board.closings:
            return
        lane = cohort.group.lane
        parked = []
        for record in cohort.group.compact(cohort):
            if record.is_final or not record.is_waited_for:
                record.open_waits()  # lets go of closed ones
                parked.append(record)
            else:
                self._seat(lane, record, now)
        if parked:
            self._park(parked, cohort.asked_end)

    def compact_thinned(self, now: float) -> None:
        """Compact the cohorts that may have lost the greater part of their members."""
        while self._board.thinned:
            cohort, _ = self._board.thinned.popitem()
            if not cohort.is_flying:  # else after its answer
                self.compact(cohort, now)

    def _park(self, records: list[Record], asked_at: float) -> None:
        if self._desk.doubted:
            for record in records:
                self._desk.doubted.pop(record, None)
        self._parked.append((after(asked_at, FLOOR), records))

    def forget(self, now: float, most: int) -> float | None:
        """Let go of parked tasks whose last query no longer matters. -> when there is more to let go of."""
        while self._parked and self._parked[0][0] <= now and most > 0:
            _, records = self._parked.popleft()
            most -= len(records)
            for record in records:
                self._forget(record, now)
        if self._closed:
            self._drop_closed(now)
        return self._parked[0][0] if self._parked else None

    def _forget(self, record: Record, now: float) -> None:
        book = self.books.get(record.source.account)
        if book is None or book.records.get(record.id) is not record:
            return  # another handle took over
        if record.cohort is None and now - record.asked_at >= FLOOR:
            del book.records[record.id]
            self.count -= 1
            if not book.records:
                book.records = {}  # a dict never gives back what it grew to

    def close(self, account: Account, now: float) -> list[Record]:
        """The client of `account` is gone. -> its tasks."""
        if account not in self.books:
            return []
        records = list(self.books[account].records.values())
        self._closed[account] = None
        self._drop_closed(now)
        return records

    def _drop_closed(self, now: float) -> None:
        for account in tuple(self._closed):
            book = self.books[account]
            # While it is to be left alone, its next client has to know.
            if not book.records and book.throttle.blocked_until <= now:
                del self.books[account], self._closed[account]


def _said_just_now(record: Record, wait: Wait[Any], now: float) -> bool:
    """Whether the word that `wait` is for was heard within one interval; an older one is asked about."""
    return wait.words is not None and record.word in wait.words and now - record.heard_at < wait.interval


def _mark_trouble(records: Sequence[Record]) -> None:
    """Have the next answer clear what was wrong with `records` before."""
    for record in records:
        if (record.error is not None or record.trouble is not None) and record.cohort is not None:
            record.cohort.has_trouble = True
