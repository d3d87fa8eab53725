"""Where a task is, by its address: on the web pages of Deep Intelligence, or in its API.

**Source**: wire notes, section 3 (URLs accepted by `from_url`) [V].
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from aiotasks import InvalidArgument, InvalidType, escaped, origin_of

__all__ = ["Place", "place_of"]

_ALLOWED: Final = (
    "https://HOST/o/<organization>/workspace?ws=<workspace>&s=task&i=<task> or "
    "https://HOST/api/v1/workspace/<workspace>/task/<task>"
)


class Place(NamedTuple):
    """What a URL says of a task; the API's does not name the organization."""

    origin: str
    organization_id: str | None
    workspace_id: str
    task_id: str


def place_of(url: object) -> Place:
    """Where the task of that URL is.

    Raises:
        InvalidArgument, InvalidType: not the URL of a task.
    """
    if not isinstance(url, str):
        raise InvalidType(f"url: given {type(url).__name__}, allowed: {_ALLOWED}")
    try:
        origin, parts = origin_of(url), urlsplit(url)
    except ValueError as error:
        raise InvalidArgument(f"url: {error}, allowed: {_ALLOWED}") from None
    match [unquote(part) for part in parts.path.split("/") if part]:
        case ["api", "v1", "workspace", workspace, "task" | "tasks", task]:
            return Place(origin, None, workspace, task)
        case ["o", organization, "workspace"]:
            match parse_qs(parts.query):
                case {"s": ["task"], "ws": [workspace], "i": [task]}:
                    return Place(origin, organization, workspace, task)
    raise InvalidArgument(f"url: given {escaped(parts.path, 80)!r}, allowed: {_ALLOWED}")
