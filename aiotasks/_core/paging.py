"""What a walk through the pages of one result has seen, and whether it still makes sense (B-48 to B-51)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from aiotasks.errors import PaginationError
from aiotasks.limits import EMPTY_PAGES, MOST_PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from aiotasks.models import Page

__all__ = ["Ledger"]

T = TypeVar("T")


class Ledger(Generic[T]):
    """Takes the answers of one walk in order and says where to go on, or why not.

    A fault shows in `fault` after the answer that betrays it: its rows are as good as those before, so they are
    handed out first, and the error comes in place of the next page. Never silently short, never the same twice.

    Args:
        start: the cursor that the walk begins at; None is the first page.
        key: what makes a row the same as another, for platforms whose pages shift while they are read. Every key
            is remembered.
    """

    __slots__ = ("_asked", "_empty", "_is_whole", "_key", "_keys", "_rows", "cursor", "fault", "is_over")

    def __init__(self, *, start: str | None = None, key: Callable[[T], Hashable] | None = None) -> None:
        self.cursor = start
        self.is_over = False
        self.fault: PaginationError | None = None
        self._key = key
        self._keys: set[Hashable] = set()
        self._is_whole = start is None  # totals count from the beginning
        self._asked: set[int] = {hash(start)}  # 64 bits each: a cursor may be long, and there may be 100,000
        self._empty = 0
        self._rows = 0

    def take(self, pages: Sequence[Page[T]]) -> list[Page[T]]:
        """The pages of one answer that have rows, without rows that were there before. Moves `cursor` on."""
        kept = [page for page in map(self._without_doubles, pages) if page.rows]
        self._rows += sum(len(page.rows) for page in kept)
        self._empty = 0 if kept else self._empty + 1
        following = pages[-1].cursor if pages else None
        objection = self._objection(following, pages[-1].total if pages else None)
        if objection is not None:
            self.fault = PaginationError(f"{objection}; {self._rows} rows were read", cursor=self.cursor)
        elif following is None:
            self.is_over = True
        else:
            self._asked.add(hash(following))
            self.cursor = following
        return kept

    def _without_doubles(self, page: Page[T]) -> Page[T]:
        if self._key is None:
            return page
        rows: list[Any] = []
        for row in page.rows:
            key = self._key(row)
            if key not in self._keys:
                self._keys.add(key)
                rows.append(row)
        return page if len(rows) == len(page.rows) else attrs.evolve(page, rows=rows)

    def _objection(self, following: str | None, total: int | None) -> str | None:
        if total is not None and self._is_whole:
            if total < self._rows:
                return f"more rows than the total of {total} that the platform tells"
            if following is None and total > self._rows:
                return f"the pages end before the total of {total} rows that the platform tells"
        if following is None:
            return None
        if hash(following) in self._asked:
            return "the next page is one that was read before"
        if self._empty > EMPTY_PAGES:
            return f"{self._empty} empty pages in a row, and there is always another"
        if len(self._asked) >= MOST_PAGES:
            return f"more than {MOST_PAGES} pages"
        return None
