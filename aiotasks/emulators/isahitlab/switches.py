"""How the pretended server differs from the kindest one that isahit lab's answers leave room for."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Switches"]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour that holds until it is changed, where a fault strikes and is gone.

    Args:
        expires_in: Seconds that an access token is good for. The SDK logs in anew before every call once fewer than
            15 are left.
        line_limit: Longest request line in bytes; beyond it 414.
        page_limit: Most documents on one page; a larger `limit` is clamped without a word.
        hidden: Ids of tasks that are as if they did not exist.
        poisoned: Ids of tasks that make every request that names one fail with 400.
        gzip: Whether answers are compressed for clients that accept it.
        any_batch: Whether a batch that nobody created comes into being when it is named first, in the project whose
            configuration was read last; if not, it is not found.
    """

    expires_in: Annotated[float, msgspec.Meta(gt=0)] = 3_600.0
    line_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    page_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    hidden: frozenset[str] = frozenset()
    poisoned: frozenset[str] = frozenset()
    gzip: bool = False
    any_batch: bool = True
