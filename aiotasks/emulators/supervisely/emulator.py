"""The pretended Supervisely over HTTP: what arrives, who may ask, what is counted, what goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from aiotasks.emulators.audit import Audit, Auditor
from aiotasks.emulators.faults import Faults, checked, deliver
from aiotasks.emulators.life import Fates
from aiotasks.emulators.server import BODY_BYTES, add_controls, compress, json_response, serving
from aiotasks.emulators.supervisely.methods import METHODS, Method, asked_ids
from aiotasks.emulators.supervisely.switches import Switches
from aiotasks.emulators.supervisely.world import Change, Creation, Job, Refusal, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from aiohttp.typedefs import Handler

__all__ = ["SuperviselyEmulator"]

_ARRIVED: Final = web.RequestKey("arrived", float)


def _clock() -> float:
    return asyncio.get_running_loop().time()


@web.middleware
async def _stamped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Notes when a request arrived: its header is read, its body is not."""
    request[_ARRIVED] = _clock()
    return await handler(request)


class SuperviselyEmulator:
    """A Supervisely of one team, in this process or behind `python -m aiotasks emulate supervisely`.

    >>> emulator = SuperviselyEmulator(seed=1, frozen=True)
    >>> emulator.token == SuperviselyEmulator(seed=1).token
    True

    Inside `async with emulator.serve() as url` a client can use `url` and `emulator.token`. All durations are
    seconds; the clock is the running loop's, so under virtual time tasks age in virtual time, and in a process of its
    own it is CLOCK_MONOTONIC.

    Args:
        seed: Makes ids, durations and failures; the same seed gives the same ones.
        frozen: True: tasks do not move by themselves.
        duration: Shortest and longest life of a task.
        failures: Share of the tasks that end in `error`, from 0 to 1.
        token: The one token that is taken; None makes one from the seed.
        faults: Faults and switches to start with, each as `fault` takes it.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        frozen: bool = False,
        duration: tuple[float, float] = (5.0, 15.0),
        failures: float = 0.0,
        token: str | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        fates = Fates(seed=seed, frozen=frozen, duration=duration, failures=failures)
        self.token = token or f"token-{fates.identifier()}"
        self._world = World(fates, _clock, frozen=frozen)
        self._auditor = Auditor()
        self._faults = Faults()
        self._switches = Switches()
        for each in faults:
            self.fault(**each)

    # --- what a test or a control request may do

    @property
    def workspace_id(self) -> int:
        """The workspace that is there from the start."""
        return self._world.workspace_id

    @property
    def agent_id(self) -> int:
        """The one agent."""
        return self._world.agent_id

    @property
    def module_id(self) -> int:
        """The one app."""
        return self._world.module_id

    def greeting(self, url: str) -> dict[str, Any]:
        """What the ready line says."""
        return {
            "platform": "supervisely",
            "url": url,
            "token": self.token,
            "workspace_id": self.workspace_id,
            "agent_id": self.agent_id,
            "module_id": self.module_id,
        }

    def audit(self) -> Audit:
        """The auditor's account."""
        return self._auditor.report()

    def reset_audit(self) -> None:
        """The account starts anew, and forgets when each task was asked about last."""
        self._auditor = Auditor()

    def tasks(self) -> list[dict[str, Any]]:
        """Each task: `id`, `status`, `start` and `end` (None: not known)."""
        now = _clock()
        return [_summary(job, now) for job in self._world.jobs.values()]

    def create_tasks(self, **spec: Any) -> list[dict[str, Any]]:
        """Creates tasks as `Creation` describes them: `create_tasks(count=3, status="started")`.

        Raises:
            ValueError: A name or value that is not allowed.
        """
        now = _clock()
        return [_summary(job, now) for job in self._world.make(checked(spec, Creation))]

    def change_task(self, id: int | str, **change: Any) -> dict[str, Any]:
        """Moves a task as `Change` describes it: `change_task(id, status="error")`.

        Raises:
            LookupError: No task has this id.
            ValueError: A name or value that is not allowed.
        """
        job = self._world.jobs.get(int(id)) if str(id).isdecimal() else None
        if job is None:
            raise LookupError(f"id: no task {id!r}")
        self._world.move(job, checked(change, Change))
        return _summary(job, _clock())

    def faults(self) -> dict[str, Any]:
        """The faults and switches that are set."""
        return {"faults": self._faults.report(), "switches": self._switches}

    def fault(self, **switches: Any) -> None:
        """Sets a fault (`fault(status=502, times=3)`) or switches (`fault(in_filter=False)`); see `Fault` and
        `Switches` for the names. A fault's `on` is a wire method, or `status`.

        Raises:
            ValueError: A name or value that is not allowed.
        """
        names = frozenset(Switches.__struct_fields__)
        behaviour = {name: value for name, value in switches.items() if name in names}
        fault = {name: value for name, value in switches.items() if name not in names}
        if fault:
            self._faults.add(fault)
        if behaviour:
            self._switches = checked({**msgspec.structs.asdict(self._switches), **behaviour}, Switches)

    def clear_faults(self) -> None:
        """No fault, and every switch as it is by default."""
        self._faults.clear()
        self._switches = Switches()

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """Serves on 127.0.0.1 inside the context and gives the address of the server.

        Args:
            port: 0 takes a free one.
        """
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_stamped])
        app.router.add_post("/public/api/v3/{method}", self._api)
        app.router.add_get("/public/api/v3/{method}", self._api)
        add_controls(app, self)
        async with serving(app, port) as base:
            yield base

    # --- requests of the platform

    async def _api(self, request: web.Request) -> web.StreamResponse:
        self._auditor.arrived()
        name = request.match_info["method"]
        method = METHODS.get(name)
        asked = await _asked(request, method)
        kinds = {name}
        # Counted before anything goes wrong with it: a request that is refused or lost has arrived all the same.
        if method is not None and method.is_status and not isinstance(asked, Refusal):
            self._account(request[_ARRIVED], name, asked)
            kinds.add("status")
        fault = self._faults.take(kinds)
        return await deliver(fault, request, lambda: self._answer(request, method, asked), _usual)

    def _account(self, arrived: float, name: str, asked: Any) -> None:
        """Tells the auditor what a request asks about."""
        ids = asked_ids(asked)
        if ids is not None:
            self._auditor.asked(arrived, tasks=[str(id) for id in ids])
        else:
            self._auditor.asked(arrived, pages=[(name, msgspec.json.encode(asked, order="sorted"))])

    def _answer(self, request: web.Request, method: Method | None, asked: Any) -> web.Response:
        try:
            self._authorize(request)
            if isinstance(asked, Refusal):
                raise asked
            assert method is not None
            self._poison(method, asked)
            answer = method.run(self._world, self._switches, asked)
        except Refusal as refusal:
            return json_response(_error(refusal.message), status=refusal.status)
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/octet-stream")
        response = json_response(answer)
        if self._switches.gzip:
            compress(request, response)
        return response

    def _authorize(self, request: web.Request) -> None:
        token = request.headers.get("x-api-key")
        if token is None:
            raise Refusal(400, "Token is required")
        if token != self.token:
            raise Refusal(401, "Token is not valid")

    def _poison(self, method: Method, asked: Any) -> None:
        """Refuses a status request that names what the server chokes on."""
        if self._switches.poisoned and method.is_status:
            ids = asked_ids(asked) or ()
            if not self._switches.poisoned.isdisjoint(ids):
                raise Refusal(400, "Bad Request")


async def _asked(request: web.Request, method: Method | None) -> Any:
    """The body in the shape of its method; a `Refusal` if it has another, or there is no such method."""
    if method is None:
        return Refusal(404, f"Cannot {request.method} {request.path}")
    try:
        return _shaped(await _body(request), method)
    except Refusal as refusal:
        return refusal


async def _body(request: web.Request) -> Any:
    """What a request asks, from JSON, a query or a form. Raises `Refusal`."""
    if request.content_type == "multipart/form-data":
        return await _form(request)
    raw = await request.read()
    if request.method == "GET" and not raw:
        return {name: int(value) if value.isdecimal() else value for name, value in request.query.items()}
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The body is not JSON: {error}") from None


async def _form(request: web.Request) -> Any:
    """A form as the object that it stands for: the fields of an archive, or numbered files."""
    parts: dict[str, Any] = {}
    for name, part in (await request.post()).items():
        if isinstance(part, web.FileField):
            with part.file as file:
                parts[name] = file.read()
        else:
            parts[name] = part
    if "archive" in parts:
        return {**parts, "id": int(parts["id"])}
    task = request.headers.get("x-task-id")
    descriptions = {name: text for name, text in parts.items() if not name.endswith("-file")}
    return {
        "taskId": None if task is None else int(task),
        "files": [
            {**msgspec.json.decode(text), "content": parts.get(f"{name}-file", b"")}
            for name, text in descriptions.items()
        ],
    }


def _shaped(body: Any, method: Method) -> Any:
    try:
        return msgspec.convert(body, method.shape, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Refusal(400, str(error)) from None


def _error(message: str) -> dict[str, Any]:
    return {"error": message, "details": {"message": message}}


def _usual(status: int) -> Any:
    """Supervisely's body for an HTTP status; from 502 on, that of the proxy before it."""
    if status >= 502:
        return (
            f"<html><head><title>{status} Gateway Time-out</title></head><body><center>nginx</center></body></html>"
        )
    return {} if status < 400 else _error(f"The emulator answers {status}")


def _summary(job: Job, now: float) -> dict[str, Any]:
    return {"id": job.id, "status": job.status(now), "start": job.life.start, "end": job.life.end}
