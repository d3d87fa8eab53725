"""A task as answers show it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiotasks.emulators.isahitlab.configurations import annotated

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiotasks.emulators.isahitlab.world import Task

__all__ = ["body_of", "document", "moment", "text_of"]

#: When the loop's clock showed 0, as documents tell it.
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_ANNOTATOR: Final = {"id": "u1", "name": "Ada King Lovelace", "email": "ada@annotators.invalid"}


def text_of(instant: float) -> str:
    """An instant of the clock as documents write it."""
    return datetime.fromtimestamp(_EPOCH + instant, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def moment(text: str) -> float:
    """The instant of a date in a filter, UTC where it names no zone. Raises `ValueError`."""
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() - _EPOCH


def document(task: Task, now: float, fields: Collection[str] = ()) -> dict[str, Any]:
    """A task's document, with the optional fields that were asked for."""
    shown: dict[str, Any] = {
        "_id": task.id,
        "name": task.name,
        "status": task.status(now),
        "projectId": task.project.id,
        "batchId": task.batch.id,
        "createdAt": text_of(task.created),
        "updatedAt": text_of(task.updated(now)),
        "resources": task.resources,
        "properties": task.properties,
    }
    if "data" in fields and (data := _data(task, now)) is not None:
        shown["data"] = data if "data.mask" in fields else _unmasked(data)
    if "jobs" in fields:
        shown["jobs"] = _jobs(task, now)
    if "metrics" in fields:
        shown["metrics"] = {}
    return shown | task.shown


def body_of(task: Task, now: float) -> dict[str, Any] | None:
    """What there is of its data: what annotators made, else what it was created with."""
    if task.body is not None:
        return task.body
    if task.initial is not None:
        return task.initial
    return annotated(task.project.type) if task.ended(now) is not None else None


def _data(task: Task, now: float) -> dict[str, Any] | None:
    body, end = body_of(task, now), task.ended(now)
    if body is None:
        return None
    return {
        "body": body,
        "metadata": None,
        "type": "review" if task.status(now) == "reviewed" else "annotation",
        "projectType": task.project.type,
        "createdAt": text_of(task.created if end is None else end),
        "user": None if end is None else _ANNOTATOR,
    }


def _unmasked(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "body": {name: value for name, value in data["body"].items() if name != "mask"}}


def _jobs(task: Task, now: float) -> list[dict[str, Any]]:
    end = task.ended(now)
    if end is None:
        return []
    state = {"completedAt": text_of(end), "completedBy": {"email": _ANNOTATOR["email"]}}
    return [{"status": "complete", "state": state}]
