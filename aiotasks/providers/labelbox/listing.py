"""The list of a user's tasks: which of them, in which order, page by page.

**Source**: wire notes, sections 3 and 6.3: the documents are those of the SDK [R]; what the server does with each
filter and order is [I].
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar

import attrs

from aiotasks import InvalidArgument, InvalidType, Page, ProtocolError, Request, escaped
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.graphql import PLATFORM, data_of, request
from aiotasks.providers.labelbox.held import OpenedRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiotasks import Response

__all__ = ["Order", "TaskFilter", "TaskPages", "task_filter"]

T_co = TypeVar("T_co", covariant=True)

#: Tasks of one page, as the SDK asks for; a shorter one is the last.
TASK_PAGE: Final = 100

Order: TypeAlias = Literal["created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc"]

_ORDERS: Final = {
    "created_at_asc": "createdAt_ASC",
    "created_at_desc": "createdAt_DESC",
    "updated_at_asc": "updatedAt_ASC",
    "updated_at_desc": "updatedAt_DESC",
}


@attrs.frozen
class Condition:
    """One test of a field, as in `createdAt_gt: $param_0`."""

    field: str
    kind: str
    value: str


@attrs.frozen
class TaskFilter:
    """Which tasks, and in which order: all conditions must hold."""

    conditions: tuple[Condition, ...] = ()
    order: str | None = None

    def variables(self, user_id: str) -> dict[str, str]:
        """The values, numbered as the SDK numbers them: the filter's first, then the user."""
        return {f"param_{n}": value for n, value in enumerate([*(c.value for c in self.conditions), user_id])}

    def document(self, skip: int) -> str:
        """The document for the page after the first `skip` tasks."""
        user = f"$param_{len(self.conditions)}"
        kinds = "".join(f"$param_{n}: {c.kind}!, " for n, c in enumerate(self.conditions))
        order = f" orderBy: {self.order}" if self.order else ""
        return (
            f"query GetUserCreatedTasksPyApi({kinds}{user}: ID!) {{ user(where: {{id: {user}}}) "
            f"{{ createdTasks({self._where()}skip: {skip} first: {TASK_PAGE}{order}) "
            f"{{ {wire.TASK_FIELDS} }} }} }}"
        )

    def _where(self) -> str:
        tests = [f"{{{c.field}: $param_{n}}}" for n, c in enumerate(self.conditions)]
        match tests:
            case []:
                return ""
            case [test]:
                return f"where: {test} "
        return f"where: {{AND: [{', '.join(tests)}]}} "


def task_filter(
    *,
    status: str | None,
    type: str | None,
    name: str | None,
    created_after: datetime | None,
    updated_after: datetime | None,
    order_by: str | None,
) -> TaskFilter:
    """The filter that these arguments of `User.created_tasks` describe.

    Raises:
        InvalidType, InvalidArgument: one of them is not allowed.
    """
    if order_by is not None and order_by not in _ORDERS:
        raise InvalidArgument(f"order_by: given {escaped(order_by, 40)!r}, allowed: {', '.join(_ORDERS)}")
    conditions = (
        _equal("status", status, "TaskStatus"),
        _equal("type", type, "String"),
        _equal("name", name, "String"),
        _after("created_after", created_after, "createdAt_gt"),
        _after("updated_after", updated_after, "updatedAt_gt"),
    )
    return TaskFilter(tuple(c for c in conditions if c is not None), _ORDERS.get(order_by or ""))


def _equal(argument: str, given: Any, kind: str) -> Condition | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidType(f"{argument}: given {type(given).__name__}, allowed: text")
    return Condition(argument, kind, given.value if isinstance(given, wire.TaskStatus) else given)


def _after(argument: str, given: Any, field: str) -> Condition | None:
    if given is None:
        return None
    if not isinstance(given, datetime):
        raise InvalidType(f"{argument}: given {type(given).__name__}, allowed: an aware datetime")
    if given.tzinfo is None:
        raise InvalidArgument(f"{argument}: given a naive datetime, allowed: one with a time zone")
    return Condition(field, "DateTime", wire.wire_moment(given))


@attrs.frozen(kw_only=True)
class TaskPages(Generic[T_co]):
    """One run through a list, by offset, 100 tasks a page.

    Tasks that begin or end while the list is read shift the others: one that shows up on two pages is given once. One
    that slips between two pages is not noticed, since the list tells no total.
    """

    endpoint: str = attrs.field(repr=False)
    user_id: str
    filter: TaskFilter
    #: Turns a row into what the caller sees.
    opened: Callable[[wire.TaskRow], T_co] = attrs.field(repr=False)
    # Task id -> the offset it was first seen at. Reading one page twice, as after a fault, gives the same rows.
    _first_seen: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)

    def request(self, cursor: str | None) -> Request:
        """The request for the page at `cursor`, the number of tasks before it."""
        return request(self.endpoint, self.filter.document(_offset(cursor)), self.filter.variables(self.user_id))

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[T_co]]:
        """The one page of an answer."""
        user, skip = data_of(response, wire.TASKS).user, _offset(cursor)
        found = user.get("createdTasks") if user is not None else None
        if found is None:
            raise ProtocolError(
                "labelbox: the answer holds no list of tasks", platform=PLATFORM, http_status=response.status
            )
        rows = [row for row in found if self._first_seen.setdefault(row.id, skip) == skip]
        yield Page(
            rows=OpenedRows(rows, self.opened), cursor=str(skip + TASK_PAGE) if len(found) >= TASK_PAGE else None
        )


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()):
        raise InvalidArgument(f"after: given {escaped(cursor, 40)!r}, allowed: the cursor of a page")
    return int(cursor)
