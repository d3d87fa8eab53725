"""Presigned URLs and what lies behind them: result files, and the pieces of export streams.

As storage services do, a URL carries its expiry and a signature, and whoever holds it may read; a request
that brings a credential besides is refused, so that a client that leaks its key to another host is found out.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import hdrs, web

from aiotasks.emulators.server import compress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiotasks.emulators.labelbox.world import Job, World

__all__ = ["Files"]

_XML: Final = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


class Files:
    """Signs URLs and serves them.

    Args:
        world: The jobs whose files these are.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._secret = world.user.encode()
        self.base = ""
        """Base URL of the server, as soon as it serves."""

    def url(self, path: str, ttl: float, **query: Any) -> str:
        """A URL that can be read for `ttl` seconds."""
        signed = {**query, "expires": f"{self._world.now() + ttl:.3f}"}
        return f"{self.base}/files/{path}?{urlencode({**signed, 'signature': self._signature(path, signed)})}"

    def _signature(self, path: str, query: Mapping[str, Any]) -> str:
        return hmac.new(self._secret, f"{path}?{urlencode(query)}".encode(), hashlib.sha256).hexdigest()

    def usual(self, status: int) -> str:
        """The storage's body for an HTTP status."""
        code = {403: "ExpiredToken", 404: "NoSuchKey"}.get(status, "InternalError")
        return _XML.format(code=code, message=f"The emulator answers {status}.")

    def answer(self, request: web.Request, *, gzip: bool) -> web.Response:
        """The file that a URL names, whole or the range that the request asks for."""
        query = dict(request.query)
        path = request.match_info["path"]
        signature = query.pop("signature", "")
        if hdrs.AUTHORIZATION in request.headers:
            return _refused(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not hmac.compare_digest(self._signature(path, query), signature):
            return _refused(403, "SignatureDoesNotMatch", "The request signature does not match")
        if self._world.now() >= float(query["expires"]):
            return _refused(403, "ExpiredToken", "The provided token has expired.")
        owner, _, name = path.partition("/")
        if owner == "uploads":
            return _whole(request, self._world.uploads.get(name, b""), "application/octet-stream", gzip=gzip)
        job = self._world.jobs[owner]
        if name == "error.json":
            return _whole(request, msgspec.json.encode({"error": job.reason}), "application/json", gzip=gzip)
        if name == "created.json":
            return _whole(request, b"".join(self._created(job)), "application/json", gzip=gzip)
        return _whole(request, self._stream(job, name.partition(".")[0], query), "application/x-ndjson", gzip=gzip)

    def _created(self, job: Job) -> Iterator[bytes]:
        """The file of an import of the older kind."""
        now = self._world.now()
        yield b'{"createdDataRows":['
        for number, block in enumerate(job.good.blocks(job.imported(now))):
            yield (b"," if number else b"") + msgspec.json.encode(block)[1:-1]
        yield b'],"errors":['
        for number, block in enumerate(job.bad.blocks(job.refused(now))):
            errors = [{"message": each["message"], "failedDataRows": [each["spec"]]} for each in block]
            yield (b"," if number else b"") + msgspec.json.encode(errors)[1:-1]
        yield b"]}"

    def _stream(self, job: Job, kind: str, query: Mapping[str, str]) -> bytes:
        stream = job.stream(kind, self._world.now())
        if stream is None:
            return b""
        return stream.read(int(query.get("start", 0)), int(query.get("stop", stream.size)))


def _refused(status: int, code: str, message: str) -> web.Response:
    return web.Response(status=status, text=_XML.format(code=code, message=message), content_type="application/xml")


def _whole(request: web.Request, content: bytes, content_type: str, *, gzip: bool) -> web.Response:
    """The content, or the part of it that the header `Range` asks for."""
    try:
        part = request.http_range
    except ValueError:
        part = slice(None)
    if part.start is None and part.stop is None:
        response = web.Response(body=content, content_type=content_type)
        if gzip:
            compress(request, response)
        return response
    start, stop, _ = part.indices(len(content))
    if start >= stop:
        return web.Response(status=416, headers={hdrs.CONTENT_RANGE: f"bytes */{len(content)}"})
    return web.Response(
        status=206,
        body=content[start:stop],
        content_type=content_type,
        headers={hdrs.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{len(content)}"},
    )
