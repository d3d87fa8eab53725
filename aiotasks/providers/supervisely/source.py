"""How the statuses of many Supervisely tasks are asked for in one request.

Tasks are listed by workspace, so the workspace is the lane:

    tasks.list   {"workspaceId": W, "filter": [{"field": "id", "operator": "in", "value": [...]}], ...}
    tasks.info   {"id": N}

Up to 500 ids go into one list, the documented size of a page, so that one answer holds them all whatever the
server makes of `per_page`. A task whose workspace is not known is asked by `tasks.info`, alone; so is a task that is
the only one due, since only there a missing one is said to be missing.

A task that a list leaves out may be gone, in another workspace, or archived. It is remembered, and a query about
nothing but such tasks asks for the first of them by `tasks.info`; the scheduler, which sets apart those that stay
silent, comes to each of them so.

What a server refuses is learnt for good, lane by lane:

    400 for more ids than it ever took ..... half as many, down to 50; below that tasks are asked alone
    400 for no more than it took before .... about one of the ids: the scheduler splits the list and finds it
    413 ................................... half as many
    403, 404, 405 for the list ............. tasks are asked alone
    pages smaller than asked for ........... as many ids as a page holds
    more tasks than were asked for ......... the filter was ignored: tasks are asked alone

**Source**: wire notes, section 4: the filter [D, R], the page size [D]; what limits a server has is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import (
    Accepted,
    Account,
    Answer,
    PermissionDenied,
    QueryRefused,
    QueryTooLarge,
    TaskNotFound,
    TooLarge,
    decoded,
)
from aiotasks.providers.supervisely import wire

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from aiotasks import Observation, Query, Request, Response

__all__ = ["NARROWEST", "WIDEST", "TaskStatuses"]

#: Ids of one list: the documented page size [D].
WIDEST: Final = 500
#: Fewer are not worth a try once a list was refused: the SDK itself asks for images so many at a time [S].
NARROWEST: Final = 50
#: Ids that are remembered as left out by lists, by the lane.
REMEMBERED: Final = 10_000
#: Rows of one block of an answer, some 32 KB of it.
_BLOCK: Final = 64


class _Page(msgspec.Struct, rename="camel"):
    """The answer of `tasks.list`, its entries undecoded so that a bad one spoils no other (B-35)."""

    entities: list[msgspec.Raw]
    total: Any = None
    per_page: Any = None


_PAGE: Final = msgspec.json.Decoder(_Page)
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)


@attrs.frozen(kw_only=True)
class TaskStatuses:
    """The `StatusSource` of one workspace's tasks; the module's docstring tells how it asks.

    Attributes:
        base: URL that the names of methods are put after.
        workspace_id: whose tasks; None for those whose workspace is not known.
        width: most ids of one list.
        proven: most ids of one list that was answered well.
        unlisted: ids that a list left out.
    """

    account: Account
    base: str = attrs.field(repr=False)
    workspace_id: int | None = None
    width: int = WIDEST
    proven: int = 0
    unlisted: frozenset[int] = attrs.field(default=frozenset(), repr=lambda ids: str(len(ids)))

    @property
    def lane(self) -> Hashable:
        """The workspace."""
        return self.workspace_id

    @property
    def batch_limit(self) -> int:
        """Ids per query."""
        return 1 if self.workspace_id is None else self.width

    def request(self, query: Query) -> Request:
        """Never sent again by itself: it names tasks, and 2 s are theirs (I-01)."""
        if self._asks_for_one(query):
            return wire.request(self.base, "tasks.info", {"id": query.ids[0]}, is_repeatable=False)
        body = {
            "workspaceId": self.workspace_id,
            "filter": [{"field": "id", "operator": "in", "value": query.ids}],
            "sort": "id",
            "sort_order": "asc",
            "per_page": len(query.ids),
        }
        return wire.request(self.base, "tasks.list", body, is_repeatable=False)

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """One block for a single task, blocks of 64 rows for a list."""
        return self._read_one(query, response) if self._asks_for_one(query) else self._read_list(query, response)

    def _asks_for_one(self, query: Query) -> bool:
        return len(query.ids) == 1 or self.unlisted.issuperset(query.ids)

    def observe(self, row: wire.TaskRow) -> Observation:
        """`row` as an observation."""
        return wire.observed(row)

    def learn(self, fact: Any) -> TaskStatuses:
        """This, knowing `fact` too."""
        match fact:
            case Accepted(count=count) if count > self.proven:
                return attrs.evolve(self, proven=count)
            case TooLarge(count=count):
                half = count // 2
                return attrs.evolve(self, width=min(self.width, half if half >= NARROWEST else 1))
            case _Fits(count=count) if count < self.width:
                return attrs.evolve(self, width=count)
            case _Unlisted(ids=ids) if not ids <= self.unlisted:
                known = self.unlisted if len(self.unlisted) < REMEMBERED else frozenset()
                return attrs.evolve(self, unlisted=known | ids)
        return self

    def _read_one(self, query: Query, response: Response) -> Iterator[Answer]:
        try:
            wire.checked(response)
        except TaskNotFound:
            yield Answer(missing=query.ids[:1])
            return
        row = wire.row_of(decoded(response, _RAW, platform=wire.PLATFORM))
        yield Answer(rows=() if row is None else (row,))

    def _read_list(self, query: Query, response: Response) -> Iterator[Answer]:
        count = len(query.ids)
        try:
            wire.checked(response)
        except (PermissionDenied, TaskNotFound):
            yield Answer(facts=(_Fits(1),))  # left out, they are asked again after their two seconds
            return
        except QueryRefused as error:
            if response.status == 405:
                yield Answer(facts=(_Fits(1),))
                return
            if isinstance(error, QueryTooLarge) or NARROWEST < count > self.proven:
                raise QueryTooLarge(str(error), platform=wire.PLATFORM, http_status=response.status) from None
            raise
        page = decoded(response, _PAGE, platform=wire.PLATFORM)
        silent = set(query.ids)
        for first in range(0, len(page.entities), _BLOCK):
            block = map(wire.row_of, page.entities[first : first + _BLOCK])
            rows = [row for row in block if row is not None]
            silent.difference_update(row.id for row in rows)
            yield Answer(rows=rows)
        yield Answer(facts=self._learnt(count, page, frozenset(silent)))

    def _learnt(self, count: int, page: _Page, silent: frozenset[int]) -> tuple[Any, ...]:
        if type(page.total) is int and page.total > count:
            return (_Fits(1),)
        if type(page.per_page) is int and 0 < page.per_page < min(count, self.width):
            return (_Fits(page.per_page),)
        grown = (Accepted(count),) if count > self.proven else ()
        return (*grown, _Unlisted(silent)) if silent - self.unlisted else grown


@attrs.frozen
class _Fits:
    """Fact: one query can be about so many tasks, and no more."""

    count: int


@attrs.frozen
class _Unlisted:
    """Fact: a list left these tasks out."""

    ids: frozenset[int]
