"""The platform's own format: documents with the data that annotators made over what they were given.

**Source**: wire notes, section 7 [V].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lab_format", "merged"]

Row = dict[str, Any]


def lab_format(*, with_jobs: bool = False, with_annotator: bool = False) -> Callable[[Row], Row]:
    """What turns a document into its lab format.

    Args:
        with_jobs: keep `jobs`.
        with_annotator: add `lastAnnotator`, the e-mail of who completed the latest job, or None.
    """

    def formatted(task: Row) -> Row:
        row = {**task, "data": merged(task.get("data"))}
        if with_annotator:
            row["lastAnnotator"] = _last_annotator(task)
        if not with_jobs:
            row.pop("jobs", None)
        return row

    return formatted


def merged(data: Mapping[str, Any] | None) -> Row | None:
    """The body over that of the metadata, one level deep: `{}` without data, None where both are empty."""
    if not data:
        return {}
    body = data.get("body") or {}
    given = (data.get("metadata") or {}).get("body") or {}
    if not body and not given:
        return None
    # In a fixed order, where the SDK's is that of a set.
    both = {key: _merged(body.get(key), given.get(key)) for key in dict.fromkeys([*body, *given])}
    return {key: value for key, value in both.items() if value is not None}


def _merged(made: Any, given: Any) -> Any:
    if made and given and isinstance(made, dict) and isinstance(given, dict):
        return {**given, **made}
    return given if made is None else made


def _last_annotator(task: Row) -> str | None:
    states = [job.get("state") or {} for job in task.get("jobs") or () if job.get("status") == "complete"]
    if not states:
        return None
    latest = max(states, key=lambda state: state.get("completedAt") or "")
    email: str | None = (latest.get("completedBy") or {}).get("email")
    return email
