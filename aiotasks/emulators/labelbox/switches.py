"""How the pretended server differs from the kindest one that Labelbox's answers leave room for."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Switches"]


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour that holds until it is changed, where a fault strikes and is gone.

    Args:
        id_in: Whether tasks can be asked for by a list of ids; if not, such a document is not valid.
        complexity_limit: How many fields of one document may give tasks, each alias counted; beyond it "Query
            complexity limit exceeded".
        max_first: Most tasks on one page; a larger `first` is clamped without a word.
        hidden: Ids that are as if they did not exist.
        poisoned: Ids that make the whole request fail with 400.
        failing: Ids whose entry alone fails, with an error beside the data of the others.
        failing_code: The code of that error.
        file_ttl: Seconds until a file's URL expires.
        file_bytes: Size of the files that an export stream is cut into.
        gzip: Whether answers and files are compressed for clients that accept it.
        streamable: Whether new exports can be streamed; if not, they give one file under `result`.
    """

    id_in: bool = True
    complexity_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_first: Annotated[int, msgspec.Meta(ge=1)] | None = None
    hidden: frozenset[str] = frozenset()
    poisoned: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    failing_code: str = "INTERNAL_SERVER_ERROR"
    file_ttl: Annotated[float, msgspec.Meta(ge=0)] = 3_600.0
    file_bytes: Annotated[int, msgspec.Meta(ge=1)] = 2**20
    gzip: bool = False
    streamable: bool = True
