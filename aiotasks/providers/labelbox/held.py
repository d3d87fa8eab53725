"""Rows that are there once somebody asked for them, in the shape of rows that are fetched page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar, overload

import attrs

from aiotasks import InvalidArgument, Page, Request, Response, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aiotasks import AiotasksError

__all__ = ["NOWHERE", "HeldRows", "OpenedRows"]

T = TypeVar("T")
RowT = TypeVar("RowT")
T_co = TypeVar("T_co", covariant=True)

#: Rows of one page of what is held.
HELD_PAGE: Final = 5_000


@attrs.frozen
class HeldRows(Generic[T_co]):
    """A `PageSource` of rows in memory. A page's cursor is the number of rows up to its end."""

    rows: Sequence[T_co]

    def request(self, cursor: str | None) -> Request:
        """A request that `NOWHERE` does not send."""
        return Request(method="GET", url="about:blank")

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[T_co]]:
        """All pages from `cursor` on."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise InvalidArgument(f"after: given {escaped(cursor, 40)!r}, allowed: the cursor of a page")
        total = len(self.rows)
        for first in range(int(cursor or 0), total, HELD_PAGE):
            end = first + HELD_PAGE
            yield Page(rows=self.rows[first:end], cursor=str(end) if end < total else None, total=total)


class _Nowhere:
    """A `Transport` that sends nothing, and has every request answered by an empty response."""

    async def send(self, request: Request, read: Callable[[Response], T]) -> T:
        return read(Response(status=200))

    async def send_many(
        self, requests: Iterable[Request], read: Callable[[Response], T], *, limit: int = 1
    ) -> list[T | AiotasksError]:
        return [await self.send(request, read) for request in requests]


NOWHERE: Final = _Nowhere()


class OpenedRows(Sequence[T]):
    """Rows that are turned into what the caller sees when the caller looks at them, and once.

    Pages may be read in a worker thread, while tasks are opened on the loop.
    """

    __slots__ = ("_open", "_opened", "_rows")

    def __init__(self, rows: Sequence[RowT], open: Callable[[RowT], T]) -> None:
        self._rows = rows
        self._open = open
        self._opened: list[T] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if self._opened is None:
            self._opened = [self._open(row) for row in self._rows]
        return self._opened[index]
