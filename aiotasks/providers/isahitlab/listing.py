"""Lists of tasks: which of them, and page by page.

**Source**: wire notes, sections 2 and 3: names, encoding and pages are the SDK's [V]; what the server does with
each filter is [I].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs
import msgspec

from aiotasks import InvalidArgument, InvalidType, Page, ProtocolError, ResultError, checked_id, decoded
from aiotasks.limits import PAGE_BYTES, PAGE_TIMEOUT
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.arguments import checked_mapping, checked_text, checked_texts, shown
from aiotasks.providers.isahitlab.http import PLATFORM, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aiotasks import Request, Response
    from aiotasks.providers.isahitlab.http import Endpoint
    from aiotasks.providers.isahitlab.progress import Bar

__all__ = ["TaskFilter", "TaskPages", "task_filter"]

T_co = TypeVar("T_co", covariant=True)
Row = dict[str, Any]
Pair = tuple[str, str]

#: Documents of one page, and ids in one request, as the SDK's pages have.
TASK_PAGE: Final = 100
#: Most characters of ids or names in one request: common servers take a request line of 8 kB.
_LINE: Final = 6_000

_BOUNDS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LISTS: Final = {"batch_id_in": "batchIds", "status_in": "statuses", "task_id_in": "taskIds", "name_in": "taskNames"}


@attrs.frozen
class TaskFilter:
    """Which tasks of a project: all conditions must hold, and one of several values of each.

    Long lists of ids or names are asked for in several requests: `chunks` has what differs between them.
    """

    project_id: str
    conditions: tuple[Pair, ...] = ()
    chunks: tuple[tuple[Pair, ...], ...] = ((),)


def task_filter(project_id: object, arguments: Mapping[str, Any]) -> TaskFilter:
    """The filter that these arguments of `IsahitLab.tasks` describe; None and empty ones are left out.

    Raises:
        InvalidType, InvalidArgument: one of them is not allowed.
    """
    project = checked_id(project_id, "project_id")
    lists = {key: checked_texts(name, arguments.get(name)) for name, key in _LISTS.items()}
    longest = "taskIds" if lists["taskIds"] else "taskNames"
    chunks = _chunks([(longest, value) for value in lists.pop(longest)])
    conditions = [(key, value) for key, values in lists.items() for value in values]
    if like := arguments.get("name_like"):
        conditions.append(("nameLike", checked_text("name_like", like)))
    conditions += _dates("created_at", "createdAt", arguments)
    conditions += _dates("updated_at", "updatedAt", arguments)
    for name in ("data", "properties"):
        conditions += _fields(name, arguments.get(name))
    return TaskFilter(project, tuple(conditions), chunks)


def _dates(name: str, key: str, arguments: Mapping[str, Any]) -> Iterator[Pair]:
    for suffix, operator in _BOUNDS.items():
        if given := arguments.get(f"{name}_{suffix}"):
            yield key, operator + checked_text(f"{name}_{suffix}", given)


def _fields(name: str, given: object) -> Iterator[Pair]:
    for field, value in checked_mapping(name, given).items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidType(f"{name}.{field}: given {shown(value)}, allowed: text or a number")
        if not field:
            raise InvalidArgument(f"{name}: given an empty name, allowed: names of fields")
        yield f"{name}.{field}", str(value)


def _chunks(pairs: Sequence[Pair]) -> tuple[tuple[Pair, ...], ...]:
    """`pairs` in requests of at most 100, none of them too long for a request line."""
    chunks: list[list[Pair]] = [[]]
    length = 0
    for pair in pairs:
        size = len(pair[0]) + 3 * len(pair[1].encode()) + 2 if not pair[1].isalnum() else len(pair[0] + pair[1]) + 2
        if chunks[-1] and (len(chunks[-1]) == TASK_PAGE or length + size > _LINE):
            chunks.append([])
            length = 0
        chunks[-1].append(pair)
        length += size
    return tuple(map(tuple, chunks))


@attrs.frozen(kw_only=True)
class TaskPages(Generic[T_co]):
    """One run through a list, by page number, 100 documents a page.

    Tasks that come and go while the list is read shift the others: one that shows up on two pages is given once;
    one that slips between two pages shows in `Page.total` alone.
    """

    endpoint: Endpoint = attrs.field(repr=False)
    filter: TaskFilter
    fields: tuple[str, ...]
    #: Turns a document into what the caller sees.
    shaped: Callable[[Row], T_co] = attrs.field(repr=False)
    bar: Bar = attrs.field(repr=False)

    def request(self, cursor: str | None) -> Request:
        """The request for the page at `cursor`: the number of the chunk, and that of its page."""
        chunk, page = self._place(cursor)
        query = [("pagination", "true"), ("page", str(page)), ("limit", str(TASK_PAGE))]
        query += [("projectId", self.filter.project_id), *self.filter.conditions, *self.filter.chunks[chunk]]
        query += [("optionalFields", field) for field in self.fields]
        found = self.endpoint.get(wire.TASKS, query=query)
        return attrs.evolve(found, timeout=PAGE_TIMEOUT, answer_limit=PAGE_BYTES)

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[T_co]]:
        """The one page of an answer."""
        judge(response)
        page = decoded(response, wire.DOCUMENT_PAGE, platform=PLATFORM)
        chunk, number = self._place(cursor)
        following: list[int] | None = None
        if page.has_next:
            if page.next_page is None or page.next_page <= number:
                raise ProtocolError("isahitlab: there is a next page, and it is not said which", platform=PLATFORM)
            following = [chunk, page.next_page]
        elif chunk + 1 < len(self.filter.chunks):
            following = [chunk + 1, 1]
        total = page.total if len(self.filter.chunks) == 1 else None
        rows = [self._row(row) for row in page.docs]
        self.bar.seen(len(rows), total)
        if following is None:
            self.bar.close()
        after = None if following is None else msgspec.json.encode(following).decode()
        yield Page(rows=rows, cursor=after, total=total)

    def _row(self, row: Row) -> T_co:
        try:
            return self.shaped(row)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ResultError(
                f"isahitlab: task {shown(row.get('_id'))} does not have the shape that is due: {shown(error)}",
                platform=PLATFORM,
                task_id=row.get("_id"),
            ) from error

    def _place(self, cursor: str | None) -> tuple[int, int]:
        if cursor is None:
            return 0, 1
        try:
            chunk, page = msgspec.json.decode(cursor, type=tuple[int, int])
        except msgspec.MsgspecError as error:
            raise ResultError("isahitlab: not a cursor of this list", platform=PLATFORM, cursor=cursor) from error
        if not 0 <= chunk < len(self.filter.chunks) or page < 1:
            raise ResultError("isahitlab: not a cursor of this list", platform=PLATFORM, cursor=cursor)
        return chunk, page
