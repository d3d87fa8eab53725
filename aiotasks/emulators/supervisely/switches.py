"""How the pretended server differs from the kindest one that Supervisely's answers leave room for."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Switches"]

_Count = Annotated[int, msgspec.Meta(ge=1)]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour that holds until it is changed, where a fault strikes and is gone.

    Args:
        in_filter: Whether lists take the operator `in`; if not, it is refused as an unknown one is.
        filters: Whether lists heed filters at all; if not, they are ignored without a word.
        max_ids: Most values of one filter; a longer one is refused with 400.
        max_per_page: Most entries on one page; a larger `per_page` is clamped without a word.
        list_status: HTTP status that refuses every list of tasks.
        missing_status: HTTP status for the id of a task that does not exist. What the real one is, is not known.
        hidden: Ids that are as if they did not exist.
        unlisted: Ids that no list shows, though they exist.
        poisoned: Ids that make the whole request fail with 400.
        gzip: Whether answers are compressed for clients that accept it.
    """

    in_filter: bool = True
    filters: bool = True
    max_ids: _Count | None = None
    max_per_page: _Count | None = None
    list_status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    missing_status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 404
    hidden: frozenset[int] = frozenset()
    unlisted: frozenset[int] = frozenset()
    poisoned: frozenset[int] = frozenset()
    gzip: bool = False
