"""The pretended isahit lab over HTTP: what arrives, who may ask, what is counted, what goes wrong."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import attrs
import msgspec
from aiohttp import hdrs, web

from aiotasks.emulators.audit import Audit, Auditor
from aiotasks.emulators.faults import Faults, checked, deliver
from aiotasks.emulators.isahitlab import requests
from aiotasks.emulators.isahitlab.requests import Call, Refusal
from aiotasks.emulators.isahitlab.switches import Switches
from aiotasks.emulators.isahitlab.world import Change, Creation, Task, World
from aiotasks.emulators.life import Fates
from aiotasks.emulators.server import BODY_BYTES, add_controls, compress, json_response, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from aiohttp.typedefs import Handler

__all__ = ["IsahitLabEmulator"]

_ARRIVED: Final = web.RequestKey("arrived", float)


def _clock() -> float:
    return asyncio.get_running_loop().time()


@web.middleware
async def _stamped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Notes when a request arrived: its header is read, its body is not."""
    request[_ARRIVED] = _clock()
    return await handler(request)


class IsahitLabEmulator:
    """An isahit lab of one account, in this process or behind `python -m aiotasks emulate isahitlab`.

    >>> emulator = IsahitLabEmulator(seed=1, frozen=True)
    >>> emulator.secret_key == IsahitLabEmulator(seed=1).secret_key
    True

    Inside `async with emulator.serve() as url` a client can use `url`, `emulator.access_id` and
    `emulator.secret_key`. All durations are seconds; the clock is the running loop's, so under virtual time tasks age
    in virtual time, and in a process of its own it is CLOCK_MONOTONIC.

    The auditor: a list that names ids and asks for no optional fields asks for statuses, and names those tasks. One
    that asks for masks is an export: it reads results, and is not judged. Every other list is judged page by page.

    Args:
        seed: Makes ids, durations, and which tasks end under review; the same seed gives the same ones.
        frozen: True: tasks do not move by themselves.
        duration: Shortest and longest life of a task.
        failures: Share of the tasks that end as `to-review`, from 0 to 1; the platform has no failed ones.
        api_key: The one secret key that is taken; None makes one from the seed.
        faults: Faults and switches to start with, each as `fault` takes it.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        frozen: bool = False,
        duration: tuple[float, float] = (5.0, 15.0),
        failures: float = 0.0,
        api_key: str | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        fates = Fates(seed=seed, frozen=frozen, duration=duration, failures=failures)
        self.access_id = f"id-{fates.identifier()}"
        self.secret_key = api_key or f"key-{fates.identifier()}"
        self._world = World(fates, _clock)
        self._tokens: dict[str, float] = {}
        self._fates = fates
        self._auditor = Auditor()
        self._faults = Faults()
        self._switches = Switches()
        for each in faults:
            self.fault(**each)

    # --- what a test or a control request may do

    @property
    def projects(self) -> dict[str, str]:
        """Id of the seeded project of each type."""
        return dict(self._world.seeded)

    def create_project(self, configuration: dict[str, Any]) -> str:
        """One more project, of any configuration. -> its id, which is the id of its first batch too."""
        return self._world.create_project(configuration).id

    def uploads(self) -> dict[str, tuple[str, bytes]]:
        """Name and content of each uploaded file, by id."""
        return dict(self._world.files)

    def greeting(self, url: str) -> dict[str, Any]:
        """What the ready line says."""
        return {
            "platform": "isahitlab",
            "url": url,
            "access_id": self.access_id,
            "secret_key": self.secret_key,
            "projects": self.projects,
        }

    def audit(self) -> Audit:
        """The auditor's account."""
        return self._auditor.report()

    def reset_audit(self) -> None:
        """The account starts anew, and forgets when each task was asked about last."""
        self._auditor = Auditor()

    def tasks(self) -> list[dict[str, Any]]:
        """Each task: `id`, `status`, `start` and `end` (None: not known), `name` and `project`."""
        now = _clock()
        return [_summary(task, now) for task in self._world.tasks.values()]

    def create_tasks(self, **spec: Any) -> list[dict[str, Any]]:
        """Creates tasks as `Creation` describes them: `create_tasks(count=3, project="form", status="complete")`.

        Raises:
            ValueError: A name or value that is not allowed.
        """
        now = _clock()
        return [_summary(task, now) for task in self._world.make(checked(spec, Creation))]

    def change_task(self, id: str, **change: Any) -> dict[str, Any]:
        """Moves a task as `Change` describes it: `change_task(id, status="complete")`.

        Raises:
            LookupError: No task has this id.
            ValueError: A name or value that is not allowed.
        """
        task = self._world.tasks.get(id)
        if task is None:
            raise LookupError(f"id: no task {id!r}")
        self._world.move(task, checked(change, Change))
        return _summary(task, _clock())

    def faults(self) -> dict[str, Any]:
        """The faults and switches that are set."""
        return {"faults": self._faults.report(), "switches": self._switches}

    def fault(self, **switches: Any) -> None:
        """Sets a fault (`fault(status=502, times=3)`) or switches (`fault(page_limit=10)`); see `Fault` and
        `Switches` for the names. `on` may be `status`, or the name of a request as `requests.ROUTES` has it.

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
        """Serves on 127.0.0.1 inside the context and gives the URL that clients take as their endpoint.

        Args:
            port: 0 takes a free one.
        """
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_stamped])
        add_controls(app, self)
        app.router.add_route("*", "/{path:.*}", self._platform)
        async with serving(app, port) as base:
            yield f"{base}/"

    # --- requests of the platform

    async def _platform(self, request: web.Request) -> web.StreamResponse:
        self._auditor.arrived()
        name, ids = _found(request)
        call = Call(self._world, self._switches, ids, request.query, *await _body(request))
        # Counted before anything goes wrong with it: a request that is refused or lost has arrived all the same.
        kinds = self._account(request[_ARRIVED], name, call)
        return await deliver(self._faults.take(kinds), request, lambda: self._answer(request, name, call), _usual)

    def _account(self, arrived: float, name: str | None, call: Call) -> set[str]:
        """Tells the auditor what a request asks about; gives the kinds of request it is."""
        if name != "tasks":
            return {name} if name else set()
        ids, fields = call.query.getall("taskIds", []), call.query.getall("optionalFields", [])
        if "data.mask" in fields:
            return {name}
        if ids and not fields:
            self._auditor.asked(arrived, tasks=ids)
        else:
            self._auditor.asked(arrived, pages=[tuple(sorted(call.query.items()))])
        return {"tasks", "status"}

    def _answer(self, request: web.Request, name: str | None, call: Call) -> web.Response:
        try:
            self._measure(request)
            if name == "login":
                answer = self._login(call)
            else:
                self._authorize(request)
                answer = _route_of(request, name).answer(call)
            response = json_response(answer, 201 if request.method == "POST" else 200)
        except Refusal as refusal:
            response = json_response(refusal.body(), refusal.status)
        if self._switches.gzip:
            compress(request, response)
        return response

    def _measure(self, request: web.Request) -> None:
        limit = self._switches.line_limit
        if limit is not None and len(f"{request.method} {request.raw_path} HTTP/1.1") > limit:
            raise Refusal(414, "URI Too Long")

    def _login(self, call: Call) -> dict[str, Any]:
        given = call.form.get("access_id"), call.form.get("secret_key")
        if not all(given):
            raise Refusal(400, "access_id and secret_key should not be empty")
        if given != (self.access_id, self.secret_key):
            raise Refusal(401, "Unauthorized")
        token = f"token-{self._fates.identifier()}"
        self._tokens[token] = _clock() + self._switches.expires_in
        return {"access_token": token, "expires_in": self._switches.expires_in}

    def _authorize(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme != "Bearer" or self._tokens.get(token, 0.0) <= _clock():
            raise Refusal(401, "Unauthorized")


@attrs.frozen
class _Pattern:
    """Where a request of some name is found."""

    name: str
    method: str
    path: re.Pattern[str]


_PATTERNS: Final = [
    _Pattern(name, route.method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)))
    for name, route in requests.ROUTES.items()
]


def _found(request: web.Request) -> tuple[str | None, dict[str, str]]:
    """The name of a request and the ids in its path."""
    path = request.raw_path.partition("?")[0].lstrip("/")  # an id may hold an encoded slash
    for pattern in _PATTERNS:
        found = pattern.path.fullmatch(path)
        if found is not None and pattern.method == request.method:
            return pattern.name, {key: unquote(value) for key, value in found.groupdict().items()}
    return None, {}


def _route_of(request: web.Request, name: str | None) -> requests.Route:
    if name is None:
        raise Refusal(404, f"Cannot {request.method} {request.path}")
    return requests.ROUTES[name]


async def _body(request: web.Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON object and the form of a request; what is not there, or is neither, is empty."""
    if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return {}, {name: _content(value) for name, value in (await request.post()).items()}
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any]), {}
    except msgspec.DecodeError:
        return {}, {}


def _content(part: str | bytes | bytearray | web.FileField) -> Any:
    if isinstance(part, web.FileField):
        with part.file as file:
            return part.filename, file.read()
    return part


def _usual(status: int) -> Any:
    """The platform's body for an HTTP status; from 502 on, a proxy's."""
    if status > 500:
        return f"<html><body><h1>{status} Server Error</h1></body></html>"
    if status < 400:
        return {}
    return Refusal(status, f"The emulator answers {status}").body()


def _summary(task: Task, now: float) -> dict[str, Any]:
    return {
        "id": task.id,
        "status": task.status(now),
        "start": task.life.start,
        "end": task.life.end,
        "name": task.name,
        "project": task.project.id,
    }
