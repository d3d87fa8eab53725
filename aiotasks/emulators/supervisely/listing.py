"""Lists of tasks: filters, order and pages, as the reference tells of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from aiotasks.emulators.supervisely.world import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiotasks.emulators.supervisely.switches import Switches
    from aiotasks.emulators.supervisely.world import Job, World

__all__ = ["AppTasks", "Filter", "Tasks", "app_tasks", "named_ids", "tasks"]

_Id = Annotated[int, msgspec.Meta(ge=1)]


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    """One condition; all of a list must hold."""

    field: Literal["id", "type", "status"]
    operator: Literal["=", "eq", "!=", "not", "in", "!in"]
    value: Any


class _Paging(msgspec.Struct, kw_only=True):
    filter: list[Filter] = []
    sort: Literal["id", "type", "status", "startedAt", "finishedAt"] = "id"
    sort_order: Literal["asc", "desc"] = "asc"
    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    per_page: Annotated[int, msgspec.Meta(ge=1)] = 500
    pagination_mode: Literal["page", "token"] = "page"
    after: str | None = None


class Tasks(_Paging, kw_only=True):
    """`tasks.list`."""

    workspace_id: _Id = msgspec.field(name="workspaceId")


class AppTasks(_Paging, kw_only=True):
    """`apps.tasks.list`: the tasks of one app in all workspaces of a team."""

    app_id: _Id = msgspec.field(name="appId")
    team_id: _Id = msgspec.field(name="teamId")
    only_running: bool = msgspec.field(name="onlyRunning", default=False)


def tasks(world: World, switches: Switches, asked: Tasks) -> dict[str, Any]:
    """One page of a workspace's tasks."""
    if asked.workspace_id not in world.workspaces:
        raise Refusal(404, f"Workspace with id {asked.workspace_id} not found")
    return _page(world, switches, asked, lambda job: job.workspace_id == asked.workspace_id)


def app_tasks(world: World, switches: Switches, asked: AppTasks) -> dict[str, Any]:
    """One page of an app's tasks."""
    now = world.now()

    def belongs(job: Job) -> bool:
        return job.app_id == asked.app_id and not (asked.only_running and job.is_over(now))

    return _page(world, switches, asked, belongs)


def named_ids(filters: Iterable[Filter]) -> list[int] | None:
    """The ids that filters name; None when they name none, and the request is for a page of a list."""
    for each in filters:
        if each.field == "id" and each.operator in ("=", "eq", "in"):
            values = each.value if isinstance(each.value, list) else [each.value]
            return [value for value in values if isinstance(value, int)]
    return None


_MATCHES: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda field, value: bool(field == value),
    "eq": lambda field, value: bool(field == value),
    "!=": lambda field, value: bool(field != value),
    "not": lambda field, value: bool(field != value),
    "in": lambda field, value: field in value,
    "!in": lambda field, value: field not in value,
}


def _page(world: World, switches: Switches, asked: _Paging, belongs: Callable[[Job], bool]) -> dict[str, Any]:
    if switches.list_status is not None:
        raise Refusal(switches.list_status, "The list is refused")
    now = world.now()
    gone = switches.hidden | switches.unlisted
    jobs: Iterable[Job] = _candidates(world, switches, asked.filter)
    entries = [job.entry(now) for job in jobs if job.id not in gone and belongs(job)]
    if switches.filters:
        for each in asked.filter:
            entries = _chosen(entries, each, switches)
    entries.sort(key=lambda entry: (entry[asked.sort] is not None, entry[asked.sort]))
    if asked.sort_order == "desc":
        entries.reverse()
    per_page = min(asked.per_page, switches.max_per_page or asked.per_page)
    return _envelope(entries, asked, per_page)


def _candidates(world: World, switches: Switches, filters: Sequence[Filter]) -> Iterable[Job]:
    """The tasks that a filter by id leaves, so that asking for 500 of 100,000 costs 500."""
    ids = named_ids(filters) if switches.filters else None
    if ids is None:
        return world.jobs.values()
    return [world.jobs[id] for id in dict.fromkeys(ids) if id in world.jobs]


def _chosen(entries: list[dict[str, Any]], each: Filter, switches: Switches) -> list[dict[str, Any]]:
    value, matches = each.value, _MATCHES[each.operator]
    if each.operator in ("in", "!in"):
        if not isinstance(value, list) or (each.operator == "in" and not switches.in_filter):
            raise Refusal(400, f'"filter" has a wrong operator "{each.operator}"')
        if switches.max_ids is not None and len(value) > switches.max_ids:
            raise Refusal(400, f'"value" must contain less than or equal to {switches.max_ids} items')
        value = frozenset(value)
    return [entry for entry in entries if matches(entry[each.field], value)]


def _envelope(entries: list[dict[str, Any]], asked: _Paging, per_page: int) -> dict[str, Any]:
    total = len(entries)
    first = _offset(asked.after) if asked.pagination_mode == "token" else (asked.page - 1) * per_page
    answer = {
        "total": total,
        "perPage": per_page,
        "pagesCount": -(-total // per_page),
        "entities": entries[first : first + per_page],
    }
    if asked.pagination_mode == "token":
        following = first + per_page
        answer["after"] = base64.b64encode(str(following).encode()).decode() if following < total else None
    return answer


def _offset(after: str | None) -> int:
    try:
        return int(base64.b64decode(after, validate=True)) if after else 0
    except ValueError:
        raise Refusal(400, '"after" is not a valid token') from None
