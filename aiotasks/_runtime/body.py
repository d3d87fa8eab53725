"""Bodies out, and bodies in under a cap: nothing is read or inflated without one (B-22, B-23)."""

from __future__ import annotations

import asyncio
import io
import re
import secrets
import zlib
from typing import TYPE_CHECKING, Final

from aiotasks.errors import AnswerTooLarge, NetworkError, ProtocolError
from aiotasks.limits import (
    INFLATION_GRACE,
    INFLATION_RATIO,
    LEAST_SPEED,
    QUERY_TIMEOUT,
    SPEED_SPAN,
)
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp

    from aiotasks.models import Part, Request

__all__ = ["Inflater", "multipart", "outgoing", "received"]


# --- out ------------------------------------------------------------------------------------------------

#: aiohttp sends bytes up to this size in one piece; a file-like object is sent in chunks.
_WHOLE: Final = 2**20


def outgoing(request: Request) -> tuple[bytes | io.BytesIO | None, str | None]:
    """The body as the HTTP library takes it, anew for every send; its content type if that is ours to say."""
    body, content_type = request.body, None
    if request.parts:
        body, content_type = multipart(request.parts)
    if body is not None and len(body) > _WHOLE:
        return io.BytesIO(body), content_type  # shares the bytes
    return body, content_type


def multipart(parts: tuple[Part, ...]) -> tuple[bytes, str]:
    """A `multipart/form-data` body and its content type.

    The boundary is drawn anew each time: contents come from the caller's users, who must not be able to
    forge it.
    """
    boundary = f"aiotasks-{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for part in parts:
        pieces += (f"--{boundary}\r\n{_part_head(part)}\r\n\r\n".encode(), part.content, b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def _part_head(part: Part) -> str:
    head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quoted(part.filename)}"'
    if part.content_type is not None:
        head += f"\r\nContent-Type: {_BREAKS.sub(' ', part.content_type)}"
    return head


_BREAKS: Final = re.compile(r"[\r\n]+")


def _quoted(text: str) -> str:
    # As browsers do (HTML standard, "multipart form data"): these three are the ones that break out.
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


# --- in -------------------------------------------------------------------------------------------------


async def received(answer: aiohttp.ClientResponse, request: Request) -> bytes:
    """The whole body, decompressed.

    Raises:
        AnswerTooLarge: beyond `request.answer_limit` or the inflation ratio; the rest is not read.
        ProtocolError: an encoding that was not asked for, or that is broken.
        NetworkError: a page that trickles in (F-09).
    """
    limit = request.answer_limit
    length = answer.content_length
    if length is not None and length > limit and not answer.content.at_eof():  # HEAD has a length and no body
        raise _too_large(limit)
    inflater = Inflater.of(answer.headers.get("content-encoding", ""), limit)
    pace = _Pace() if request.timeout > QUERY_TIMEOUT else None
    pieces: list[bytes] = []
    size = 0
    while block := await answer.content.readany():
        if pace is not None:
            pace.note(len(block))
        if inflater is None:
            size += len(block)
            if size > limit:
                raise _too_large(limit)
            pieces.append(block)
            continue
        for piece in inflater.feed(block):
            pieces.append(piece)
            if len(piece) == _PIECE:  # a small block can inflate into milliseconds of work
                await asyncio.sleep(0)
    if inflater is not None:
        inflater.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int) -> AnswerTooLarge:
    return AnswerTooLarge(f"an answer of more than {limit} bytes is not taken")


class _Pace:
    """Least speed over spans of loop time: a read time-out alone never ends a trickle."""

    __slots__ = ("_loop", "_received", "_since")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._since, self._received = self._loop.time(), 0

    def note(self, count: int) -> None:
        self._received += count
        now = self._loop.time()
        if now - self._since < SPEED_SPAN:
            return
        if self._received < LEAST_SPEED * (now - self._since):
            raise NetworkError(f"the answer came in more slowly than {LEAST_SPEED} bytes per second")
        self._since, self._received = now, 0


#: Inflated in pieces of this size, so that the cap is looked at in time.
_PIECE: Final = 2**16


class Inflater:
    """Inflates a body piece by piece and watches its size and ratio.

    Ours rather than the HTTP library's: that one takes a gzip body that ends early for whole, and passes
    unknown and nested encodings through undecoded.
    """

    __slots__ = ("_is_gzip", "_limit", "_read", "_stream", "_written")

    def __init__(self, *, is_gzip: bool, limit: int) -> None:
        self._is_gzip, self._limit = is_gzip, limit
        self._read = self._written = 0
        self._stream: zlib._Decompress | None = None

    @classmethod
    def of(cls, encoding: str, limit: int) -> Inflater | None:
        """The one for a `Content-Encoding`; None where nothing is to be done.

        Raises:
            ProtocolError: an encoding that was not asked for, or several on top of each other.
        """
        match encoding.strip().lower():
            case "" | "identity":
                return None
            case "gzip" | "x-gzip":
                return cls(is_gzip=True, limit=limit)
            case "deflate":
                return cls(is_gzip=False, limit=limit)
            case other:
                raise ProtocolError(f"the answer's encoding {escaped(other, 40)!r} was not asked for")

    def feed(self, block: bytes) -> Iterator[bytes]:
        """What `block` inflates into, a piece at a time."""
        self._read += len(block)
        piece = b""
        # A full piece may leave more behind inside the stream, even when all of the block is used up.
        while block or len(piece) == _PIECE:
            if self._stream is None:
                self._stream = zlib.decompressobj(self._window(block))
            piece = self._inflated(self._stream, block)
            if piece:
                self._count(len(piece))
                yield piece
            if self._stream.eof:  # a gzip body may have several members
                block, self._stream, piece = self._stream.unused_data, None, b""
                if block and not self._is_gzip:
                    raise ProtocolError("the answer goes on after the end of its compressed body")
            else:
                block = self._stream.unconsumed_tail

    def finish(self) -> None:
        """Say that the body is over.

        Raises:
            ProtocolError: its compressed stream is not.
        """
        if self._stream is not None:
            raise ProtocolError("the answer's compressed body ends early")

    def _window(self, block: bytes) -> int:
        if self._is_gzip:
            return zlib.MAX_WBITS | 16
        # "deflate" is meant to have a zlib header; some servers leave it out.
        return zlib.MAX_WBITS if block[0] & 0x0F == 8 else -zlib.MAX_WBITS

    @staticmethod
    def _inflated(stream: zlib._Decompress, block: bytes) -> bytes:
        try:
            return stream.decompress(block, _PIECE)
        except zlib.error:
            pass
        raise ProtocolError("the answer's compressed body is broken")

    def _count(self, size: int) -> None:
        self._written += size
        if self._written > self._limit:
            raise _too_large(self._limit)
        if self._written > INFLATION_GRACE and self._written > INFLATION_RATIO * self._read:
            raise AnswerTooLarge(f"an answer that inflates more than {INFLATION_RATIO} times is not taken")
