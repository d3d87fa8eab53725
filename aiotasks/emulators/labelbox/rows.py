"""Rows of results, stored or made up by their number, and the byte streams that exports cut into files."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LineStream", "Lines", "MadeLines", "Rows", "export_error", "export_row", "failed_row", "row"]

Row = dict[str, Any]

#: Rows that a stream of bytes is built from at a time.
_BLOCK: Final = 1_000


def row(owner: str, number: int) -> Row:
    """A made-up row of a job: the same number gives the same row, each as wide as all others."""
    return {
        "id": f"c{number:010d}{owner[-14:]}",
        "externalId": f"row-{number:010d}",
        "globalKey": f"{owner[-14:]}-{number:010d}",
        "rowData": f"https://storage.invalid/{number:010d}.jpg",
    }


def failed_row(message: str, spec: Row) -> Row:
    """A row that was refused, as the failed imports list it."""
    return {
        "message": message,
        "spec": {
            "externalId": spec["externalId"],
            "globalKey": spec["globalKey"],
            "rowData": spec["rowData"],
            "metadata": spec.get("metadata"),
            "attachments": spec.get("attachments"),
        },
    }


def export_row(of: Row) -> Row:
    """A row as exports write it."""
    return {
        "data_row": _exported(of),
        "media_attributes": {"height": 1080, "width": 1920, "mime_type": "image/jpeg"},
        "projects": {},
    }


def export_error(of: Row) -> Row:
    """A failed row as exports write it."""
    return {"message": of["message"], "data_row": _exported(of["spec"])}


def _exported(of: Row) -> Row:
    return {
        "id": of.get("id"),
        "external_id": of["externalId"],
        "global_key": of["globalKey"],
        "row_data": of["rowData"],
    }


@attrs.frozen
class Rows:
    """Rows by number: stored ones, then made-up ones, of which 10 million need no memory."""

    stored: Sequence[Row] = ()
    made: int = 0
    make: Callable[[int], Row] = attrs.field(default=lambda number: {}, repr=False)

    def __len__(self) -> int:
        return len(self.stored) + self.made

    def between(self, start: int, stop: int) -> list[Row]:
        """Rows `start` to `stop`, without the last, as far as there are any."""
        stop = min(stop, len(self))
        kept = len(self.stored)
        return [
            *self.stored[start:stop],
            *(self.make(number - kept) for number in range(max(start, kept), stop)),
        ]

    def blocks(self, stop: int | None = None) -> Iterator[list[Row]]:
        """All rows up to `stop`, in blocks."""
        end = len(self) if stop is None else stop
        for start in range(0, end, _BLOCK):
            yield self.between(start, min(start + _BLOCK, end))


class LineStream(Protocol):
    """One export stream: NDJSON whose bytes and lines can be found by offset."""

    size: int
    lines: int

    def line_at(self, offset: int) -> int:
        """The line that holds a byte."""

    def offset_of(self, line: int) -> int:
        """The first byte of a line."""

    def read(self, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, without the last."""


class Lines:
    """A stream of stored rows: encoded once, kept as it stands."""

    def __init__(self, rows: Rows, shape: Callable[[Row], Row]) -> None:
        lines = [msgspec.json.encode(shape(each)) + b"\n" for block in rows.blocks() for each in block]
        self._starts = [0, *accumulate(map(len, lines))]
        self._content = b"".join(lines)
        self.size = len(self._content)
        self.lines = len(lines)

    def line_at(self, offset: int) -> int:
        """The line that holds a byte."""
        return bisect_right(self._starts, offset) - 1

    def offset_of(self, line: int) -> int:
        """The first byte of a line."""
        return self._starts[line]

    def read(self, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, without the last."""
        return self._content[start:stop]


class MadeLines:
    """A stream of made-up rows: all lines are equally long, so a byte is found by division and nothing is kept."""

    def __init__(self, rows: Rows, shape: Callable[[Row], Row]) -> None:
        count = rows.made
        self._make = rows.make
        self._shape = shape
        self._width = len(self._line(0))
        self.size = count * self._width
        self.lines = count

    def _line(self, number: int) -> bytes:
        return msgspec.json.encode(self._shape(self._make(number))) + b"\n"

    def line_at(self, offset: int) -> int:
        """The line that holds a byte."""
        return offset // self._width

    def offset_of(self, line: int) -> int:
        """The first byte of a line."""
        return line * self._width

    def read(self, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, without the last."""
        first = start // self._width
        text = b"".join(self._line(number) for number in range(first, min(-(-stop // self._width), self.lines)))
        return text[start - first * self._width : stop - first * self._width]
