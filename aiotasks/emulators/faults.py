"""What goes wrong between a platform and its client: refused, slow, cut, reset, not even JSON.

A fault is thrown by a switch (`POST /__emulator__/faults`, `--fault`, `emulator.fault(...)`) and applies to
the requests of the platform, never to those of the control interface. Several may be set; the first that
matches a request takes it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import attrs
import msgspec
from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_T = TypeVar("_T", bound=msgspec.Struct)

__all__ = ["Fault", "Faults", "checked", "deliver"]

_HTML: Final = "<!doctype html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that goes wrong, and for which requests.

    What happens, in this order: the answer is `slow`; `reset` aborts the connection; a `status`, `body` or
    `html` replaces the answer; `cut` announces the whole answer and sends half of it.

    Args:
        status: HTTP status of the answer that replaces the platform's own.
        body: Its body: text as it stands, anything else as JSON. Without one, the platform's usual body for
            the status.
        html: True for a page instead of JSON, with `status` (200 if none is given).
        retry_after: Value of the header `Retry-After`, as it stands.
        reset: True to reset the connection (TCP RST) instead of answering.
        slow: Seconds to wait before anything else.
        cut: True to send half of the body and close.
        processed: True: the request is carried out, and only its answer suffers. False: nothing happens on
            the server.
        on: Applies to requests of this kind only: a root field (`upsertDataRows`, `uploadFile`), `status` (it
            asks for the status of tasks) or `file` (a download). None: to all but downloads.
        after: So many matching requests are spared first.
        every: Applies to each n-th matching request.
        times: Applies so often and is then gone. None: until cleared.
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    body: Any = None
    html: bool = False
    retry_after: str | int | float | None = None
    reset: bool = False
    slow: _Seconds = 0.0
    cut: bool = False
    processed: bool = False
    on: str | None = None
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    every: _Count = 1
    times: _Count | None = None

    def replaces(self) -> bool:
        """Whether the platform's own answer is not sent at all."""
        return self.html or self.status is not None or self.body is not None

    def matches(self, kinds: Collection[str]) -> bool:
        """Whether a request of these kinds is meant."""
        return "file" not in kinds if self.on is None else self.on in kinds


@attrs.define(eq=False)
class _Armed:
    """A fault and how many requests it met and struck."""

    fault: Fault
    met: int = 0
    struck: int = 0

    def strikes(self, kinds: Collection[str]) -> bool:
        """Whether this request is struck; to be asked once per request, since it counts."""
        fault = self.fault
        if not fault.matches(kinds):
            return False
        self.met += 1
        if self.met <= fault.after or (self.met - fault.after) % fault.every:
            return False
        self.struck += 1
        return True

    def is_spent(self) -> bool:
        """Whether it struck as often as it may."""
        return self.fault.times is not None and self.struck >= self.fault.times


class Faults:
    """The faults that are set, in the order they were set."""

    def __init__(self) -> None:
        self._set: list[_Armed] = []

    def add(self, switches: Mapping[str, Any]) -> None:
        """Sets one more fault. Raises `ValueError` for a name or value that is not allowed."""
        fault = checked(switches, Fault)
        if not (fault.replaces() or fault.reset or fault.slow or fault.cut):
            raise ValueError("fault: nothing goes wrong; give a status, body, html, reset, slow or cut")
        self._set.append(_Armed(fault))

    def take(self, kinds: Collection[str]) -> Fault | None:
        """The fault that strikes this request, if one does."""
        for armed in self._set:
            if armed.strikes(kinds):
                if armed.is_spent():
                    self._set.remove(armed)
                return armed.fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._set.clear()

    def report(self) -> list[Fault]:
        """The faults that are set."""
        return [armed.fault for armed in self._set]


def checked(values: Mapping[str, Any], kind: type[_T]) -> _T:
    """The values as a `msgspec.Struct`. Raises `ValueError` that names what is not allowed."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


async def deliver(
    fault: Fault | None,
    request: web.Request,
    answer: Callable[[], web.Response],
    usual: Callable[[int], Any],
) -> web.StreamResponse:
    """Answers a request as the fault lets it.

    Args:
        fault: None for a healthy answer.
        request: The request, its body read.
        answer: Carries the request out; called at most once.
        usual: The platform's usual body for an HTTP status, as JSON or text.
    """
    if fault is None:
        return answer()
    processed = answer() if fault.processed else None
    if fault.slow:
        await asyncio.sleep(fault.slow)
    if fault.reset:
        _reset(request)
        return web.Response()  # goes nowhere: the connection is gone
    response = _instead(fault, usual) if fault.replaces() else processed or answer()
    if fault.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(fault.retry_after)
    return await _cut(request, response) if fault.cut else response


def _instead(fault: Fault, usual: Callable[[int], Any]) -> web.Response:
    if fault.html:
        return web.Response(status=fault.status or 200, text=_HTML, content_type="text/html")
    status = fault.status or 200
    body = usual(status) if fault.body is None else fault.body
    if isinstance(body, str):
        kind = "text/html" if body.startswith("<") else "text/plain"
        return web.Response(status=status, text=body, content_type=kind)
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _reset(request: web.Request) -> None:
    """Makes the client see ECONNRESET: with no lingering, the abort sends RST in place of FIN."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _cut(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Announces the whole body, sends half of it and closes."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    part = web.StreamResponse(status=whole.status, headers={hdrs.CONTENT_TYPE: whole.headers[hdrs.CONTENT_TYPE]})
    if hdrs.RETRY_AFTER in whole.headers:
        part.headers[hdrs.RETRY_AFTER] = whole.headers[hdrs.RETRY_AFTER]
    part.content_length = len(body)
    part.force_close()
    await part.prepare(request)
    await part.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return part
