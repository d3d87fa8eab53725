"""What all emulators share: serving on loopback, and the control requests under `/__emulator__`.

GET    /__emulator__/audit         requests, status requests, tasks, checks, smallest gap, violations
POST   /__emulator__/audit/reset   the account starts anew
GET    /__emulator__/tasks         each job's id, status, start and end, seconds on the server's loop clock
POST   /__emulator__/tasks         creates jobs of any type, status and duration
PATCH  /__emulator__/tasks/{id}    moves a job
GET    /__emulator__/faults        the faults and switches that are set
POST   /__emulator__/faults        sets a fault or a switch
DELETE /__emulator__/faults        back to health
"""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import msgspec
from aiohttp import hdrs, web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from aiotasks.emulators.audit import Audit

__all__ = ["BODY_BYTES", "Emulator", "add_controls", "compress", "json_response", "run", "serving"]

#: Largest request body. Uploads reach 10 MB; manifests and documents stay far below.
BODY_BYTES: Final = 64 * 2**20
#: Longest request line and header: far above what a client may send, so that it is the client that is tested.
_HEADER_BYTES: Final = 2**18
#: Seconds that requests under way get when the server stops.
_GRACE: Final = 1.0


class Emulator(Protocol):
    """One pretended platform, as its own tests, the control requests and the command line use it."""

    def serve(self, port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serves inside the context and gives the URL that a client needs."""

    def greeting(self, url: str) -> Mapping[str, Any]:
        """What the ready line says: the platform, its URL, and what a client needs to log in."""

    def audit(self) -> Audit:
        """The auditor's account."""

    def reset_audit(self) -> None:
        """The account starts anew."""

    def tasks(self) -> Sequence[Mapping[str, Any]]:
        """Id, status, start and end of each job."""

    def create_tasks(self, **spec: Any) -> Sequence[Mapping[str, Any]]:
        """Creates jobs; raises `ValueError` for a name or value that is not allowed."""

    def change_task(self, id: str, **change: Any) -> Mapping[str, Any]:
        """Moves a job; raises `LookupError` for an unknown id and `ValueError` as `create_tasks` does."""

    def faults(self) -> Mapping[str, Any]:
        """The faults and switches that are set."""

    def fault(self, **switches: Any) -> None:
        """Sets a fault or a switch; raises `ValueError` for a name or value that is not allowed."""

    def clear_faults(self) -> None:
        """Back to health."""


def json_response(value: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def compress(request: web.Request, response: web.Response) -> None:
    """Compresses an answer with gzip for a client that accepts it."""
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.enable_compression(web.ContentCoding.gzip)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"body: not a JSON object: {error}") from None


def _explained(
    handler: Callable[[web.Request], Awaitable[object]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A control request: its value as JSON, and what it refuses as 400 or 404 with the reason."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return json_response(await handler(request))
        except LookupError as error:
            return json_response({"error": str(error.args[0])}, status=404)
        except ValueError as error:
            return json_response({"error": str(error)}, status=400)

    return answer


def add_controls(app: web.Application, emulator: Emulator) -> None:
    """Adds the control requests to an application."""

    async def read_audit(_: web.Request) -> object:
        return emulator.audit()

    async def reset_audit(_: web.Request) -> object:
        emulator.reset_audit()
        return emulator.audit()

    async def list_tasks(_: web.Request) -> object:
        return {"tasks": emulator.tasks()}

    async def create_tasks(request: web.Request) -> object:
        return {"tasks": emulator.create_tasks(**await _object(request))}

    async def change_task(request: web.Request) -> object:
        return emulator.change_task(request.match_info["id"], **await _object(request))

    async def read_faults(_: web.Request) -> object:
        return emulator.faults()

    async def set_fault(request: web.Request) -> object:
        emulator.fault(**await _object(request))
        return emulator.faults()

    async def clear_faults(_: web.Request) -> object:
        emulator.clear_faults()
        return emulator.faults()

    app.add_routes(
        [
            web.get("/__emulator__/audit", _explained(read_audit)),
            web.post("/__emulator__/audit/reset", _explained(reset_audit)),
            web.get("/__emulator__/tasks", _explained(list_tasks)),
            web.post("/__emulator__/tasks", _explained(create_tasks)),
            web.patch("/__emulator__/tasks/{id}", _explained(change_task)),
            web.get("/__emulator__/faults", _explained(read_faults)),
            web.post("/__emulator__/faults", _explained(set_fault)),
            web.delete("/__emulator__/faults", _explained(clear_faults)),
        ]
    )


@asynccontextmanager
async def serving(app: web.Application, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serves an application on 127.0.0.1 inside the context and gives its base URL.

    Args:
        app: The application; it lives as long as the context.
        port: 0 takes a free one.
        tls: Serves https as `localhost`, with the certificate in it; None is plain http.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_GRACE,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024, ssl_context=tls).start()
        base = "http://127.0.0.1" if tls is None else "https://localhost"
        yield f"{base}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def run(emulator: Emulator, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Prints one line of JSON as soon as requests are taken."""
    # The signals are ours before the line is out: whoever read it may stop us.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with emulator.serve(port) as url:
            print(msgspec.json.encode(emulator.greeting(url)).decode(), flush=True)  # noqa: T201  # the ready line
            async for _ in signals:
                return
