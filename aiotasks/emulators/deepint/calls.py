"""One request to the pretended Deep Intelligence, and the shapes of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from aiohttp import web

from aiotasks.emulators.server import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks.emulators.deepint.world import Job

__all__ = ["Call", "Refusal", "read", "started", "usual"]

#: Codes of errors. The service's own are unknown but for LIMIT, which the SDK looks for.
_CODES: Final = {
    400: "BAD_PARAMETERS",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    429: "LIMIT",
}


@attrs.frozen
class Refusal(Exception):
    """What the platform says instead of doing as told."""

    status: int
    code: str
    message: str

    def response(self) -> web.Response:
        """It as an answer."""
        return json_response({"code": self.code, "message": self.message}, self.status)


@attrs.frozen
class Call:
    """One request, its body read, and what the handlers need of it."""

    request: web.Request
    #: Query parameters, or the fields of the body.
    fields: Mapping[str, Any]
    #: The content of the part that is a file.
    file: str | None = None

    def part(self, name: str) -> str:
        """A variable part of the path."""
        return self.request.match_info[name]


async def read(request: web.Request) -> Call:
    """The request with its body: a form, or a JSON object."""
    if request.method == "GET":
        return Call(request, dict(request.query))
    if request.content_type == "multipart/form-data":
        form = await request.post()
        part = form.get("file")
        content = part.file.read().decode() if isinstance(part, web.FileField) else None
        return Call(request, {name: value for name, value in form.items() if name != "file"}, content)
    try:
        fields = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        fields = {}
    return Call(request, fields)


def started(job: Job, **more: str) -> web.Response:
    """The answer to a call that starts a task."""
    return json_response({"task_id": job.id, **more})


def usual(status: int) -> Any:
    """The platform's body for an HTTP status; from 500 on, a proxy's."""
    if status >= 500:
        return f"<html><body><h1>{status} Server Error</h1></body></html>"
    return {"code": _CODES.get(status, "ERROR"), "message": f"The emulator answers {status}"}
