"""Which tasks a list asks for, and its pages, in the shape of the mongoose-paginate plug-in."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Final

from aiotasks.emulators.isahitlab.documents import body_of, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from multidict import MultiMapping

    from aiotasks.emulators.isahitlab.world import Task, World

__all__ = ["paged", "tasks_of"]

_BOUND: Final = re.compile(r"(>=|<=|>|<)(.+)", re.DOTALL)
_COMPARED: Final = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def tasks_of(world: World, query: MultiMapping[str], hidden: frozenset[str]) -> list[Task]:
    """The tasks that a query asks for. Raises `ValueError` for a filter that cannot be read."""
    project = world.projects.get(query.get("projectId", ""))
    if project is None:
        return []
    now = world.now()
    ids = query.getall("taskIds", [])
    found: Iterable[Task] = project.tasks
    if ids:
        known = (world.tasks.get(id) for id in dict.fromkeys(ids))
        found = (task for task in known if task is not None and task.project is project)
    tests = [*_tests(query, now)]
    if hidden:
        tests.append(lambda task: task.id not in hidden)
    return [task for task in found if all(test(task) for test in tests)]


def _tests(query: MultiMapping[str], now: float) -> Iterable[Callable[[Task], bool]]:
    """One test per filter: all must hold."""
    readers: Mapping[str, Callable[[Task], str]] = {
        "batchIds": lambda task: task.batch.id,
        "statuses": lambda task: task.status(now),
        "taskNames": lambda task: task.name,
    }
    for name, read in readers.items():
        if name in query:
            yield _among(frozenset(query.getall(name)), read)
    if "nameLike" in query:
        yield _like(query["nameLike"])
    instants: Mapping[str, Callable[[Task], float]] = {
        "createdAt": lambda task: task.created,
        "updatedAt": lambda task: task.updated(now),
    }
    for name, at in instants.items():
        for bound in query.getall(name, []):
            yield _bounded(name, bound, at)
    for name in query:
        kind, _, path = name.partition(".")
        if path and kind in ("data", "properties"):
            source = _properties if kind == "properties" else lambda task: body_of(task, now)
            yield _equal(source, path.split("."), query[name])


def _among(wanted: frozenset[str], read: Callable[[Task], str]) -> Callable[[Task], bool]:
    return lambda task: read(task) in wanted


def _like(pattern: str) -> Callable[[Task], bool]:
    try:
        like = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"nameLike is no regular expression: {error}") from None
    return lambda task: like.search(task.name) is not None


def _bounded(name: str, bound: str, at: Callable[[Task], float]) -> Callable[[Task], bool]:
    read = _BOUND.fullmatch(bound)
    if read is None:
        raise ValueError(f"{name} has no operator: {bound}")
    compare, instant = _COMPARED[read[1]], moment(read[2].strip())
    return lambda task: compare(at(task), instant)


def _properties(task: Task) -> Any:
    return task.properties


def _equal(source: Callable[[Task], Any], path: Sequence[str], wanted: str) -> Callable[[Task], bool]:
    def test(task: Task) -> bool:
        value = source(task)
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value is not None and str(value) == wanted

    return test


def paged(rows: Sequence[Any], page: int, limit: int) -> dict[str, Any]:
    """One page: its `docs` are rows still, for the caller to show."""
    pages = max(1, -(-len(rows) // limit))
    first = (page - 1) * limit
    return {
        "docs": rows[first : first + limit],
        "totalDocs": len(rows),
        "limit": limit,
        "totalPages": pages,
        "page": page,
        "pagingCounter": first + 1,
        "hasPrevPage": page > 1,
        "hasNextPage": page < pages,
        "prevPage": page - 1 if page > 1 else None,
        "nextPage": page + 1 if page < pages else None,
    }
