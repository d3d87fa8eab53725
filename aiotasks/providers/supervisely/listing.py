"""Lists, page by page: what to ask for next, and which rows are new.

Tasks come and go while a list is read, so that `total` moves and rows shift between pages. A row that shows up twice
is given once, and a total that does not fit is no error (the SDK raises).

**Source**: wire notes, section 3 [R].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import PaginationError, ProtocolError
from aiotasks.limits import MOST_PAGES
from aiotasks.providers.supervisely.wire import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["ByPage", "ByToken", "matches", "named_ids", "sorted_by_id"]


class _Envelope(msgspec.Struct, rename="camel"):
    """What every page says. `after` is there in token mode only."""

    entities: list[Any]
    pages_count: int | None = None
    per_page: int | None = None
    after: str | None = None


def _envelope(answer: Mapping[str, Any]) -> _Envelope:
    try:
        return msgspec.convert(answer, _Envelope)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"supervisely: the answer is no page of a list ({error})", platform=PLATFORM) from None


def sorted_by_id(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `data` with an order, which pages need; that of the caller if there is one."""
    return dict(data) if "sort" in data else {**data, "sort": "id", "sort_order": "asc"}


@attrs.define
class _Walk:
    """One run through a list."""

    data: Mapping[str, Any]
    #: The next request's body; None when the list is over.
    body: dict[str, Any] | None = attrs.field(init=False)
    _seen: set[Any] = attrs.field(factory=set, init=False)
    _pages: int = attrs.field(default=0, init=False)

    def _fresh(self, entities: Iterable[Any]) -> list[Any]:
        """Those of `entities` that no page before had; entities without an id are all new."""
        self._pages += 1
        if self._pages >= MOST_PAGES:
            raise PaginationError(f"supervisely: a list of more than {MOST_PAGES:,} pages", platform=PLATFORM)
        fresh = []
        for entity in entities:
            id = entity.get("id") if isinstance(entity, dict) else None
            if id is None or id not in self._seen:
                fresh.append(entity)
            if id is not None:
                self._seen.add(id)
        return fresh


@attrs.define
class ByPage(_Walk):
    """By page number: as many pages as the latest answer tells of."""

    def __attrs_post_init__(self) -> None:
        self.body = sorted_by_id(self.data)

    def take(self, answer: Mapping[str, Any]) -> list[Any]:
        """The new rows of an answer."""
        page = _envelope(answer)
        rows = self._fresh(page.entities)
        following = self._pages + 1
        is_over = not page.entities or page.pages_count is None or following > page.pages_count
        size = {} if page.per_page is None else {"per_page": page.per_page}
        self.body = None if is_over else {**sorted_by_id(self.data), "page": following, **size}
        return rows


@attrs.define
class ByToken(_Walk):
    """By the token that each answer gives for the next."""

    def __attrs_post_init__(self) -> None:
        self.body = {**sorted_by_id(self.data), "pagination_mode": "token"}

    def take(self, answer: Mapping[str, Any]) -> list[Any]:
        """The new rows of an answer."""
        page = _envelope(answer)
        if "after" not in answer and (page.pages_count or 0) > 1:
            raise PaginationError("supervisely: the server pages this list by number alone", platform=PLATFORM)
        if page.after is not None and self.body is not None and page.after == self.body.get("after"):
            raise PaginationError("supervisely: a page names itself as the next", platform=PLATFORM)
        rows = self._fresh(page.entities)
        mode = {"pagination_mode": "token", "after": page.after}
        self.body = None if page.after is None else {**sorted_by_id(self.data), **mode}
        return rows


# --- filters, for tasks that were asked about by id -----------------------------------------------------------


def named_ids(conditions: Iterable[Mapping[str, Any]]) -> list[int] | None:
    """The ids that all conditions allow; None when none names any."""
    allowed: list[int] | None = None
    for each in conditions:
        if each["field"] == "id" and each["operator"] in ("=", "eq", "in"):
            ids = each["value"] if each["operator"] == "in" else [each["value"]]
            allowed = list(dict.fromkeys(ids)) if allowed is None else [id for id in allowed if id in ids]
    return allowed


_MATCHES: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda field, value: bool(field == value),
    "eq": lambda field, value: bool(field == value),
    "!=": lambda field, value: bool(field != value),
    "not": lambda field, value: bool(field != value),
    "in": lambda field, value: field in value,
    "!in": lambda field, value: field not in value,
}


def matches(info: Mapping[str, Any], conditions: Collection[Mapping[str, Any]]) -> bool:
    """Whether a task meets all conditions, as the server would judge."""
    return all(_MATCHES[each["operator"]](info.get(each["field"]), each["value"]) for each in conditions)
