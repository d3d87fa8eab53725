"""How the pretended server differs from the kindest one that Deep Intelligence's answers leave room for."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Switches"]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour that holds until it is changed, where a fault strikes and is gone.

    Args:
        page_size: Tasks on one page of a list.
        listed_status: Whether items of a list are whole tasks; if not, they carry nothing but their id.
        ranges: Whether files can be fetched in parts.
        hidden: Ids of tasks that are as if they did not exist.
        poisoned: Ids of tasks that cannot be asked about: 400.
    """

    page_size: Annotated[int, msgspec.Meta(ge=1)] = 10
    listed_status: bool = True
    ranges: bool = True
    hidden: frozenset[str] = frozenset()
    poisoned: frozenset[str] = frozenset()
