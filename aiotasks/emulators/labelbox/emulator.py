"""The pretended Labelbox over HTTP: what arrives, who may ask, what is counted, what goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import hdrs, web

from aiotasks.emulators.audit import Audit, Auditor
from aiotasks.emulators.faults import Faults, checked, deliver
from aiotasks.emulators.labelbox.documents import Engine
from aiotasks.emulators.labelbox.execution import Plan, Refusal
from aiotasks.emulators.labelbox.files import Files
from aiotasks.emulators.labelbox.resolvers import RESOLVERS, Context, named_ids
from aiotasks.emulators.labelbox.schema import schema
from aiotasks.emulators.labelbox.switches import Switches
from aiotasks.emulators.labelbox.world import Change, Creation, Job, World
from aiotasks.emulators.life import Fates
from aiotasks.emulators.server import BODY_BYTES, add_controls, compress, json_response, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Iterable, Mapping

    from aiohttp.typedefs import Handler

__all__ = ["LabelboxEmulator"]

_ARRIVED: Final = web.RequestKey("arrived", float)
_CODES: Final = {
    400: "BAD_USER_INPUT",
    401: "AUTHENTICATION_ERROR",
    403: "AUTHORIZATION_ERROR",
    404: "RESOURCE_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
}


@lru_cache(maxsize=2)
def _engine(*, id_in: bool) -> Engine:
    return Engine(schema(id_in=id_in), RESOLVERS, costly="Task")


def _clock() -> float:
    return asyncio.get_running_loop().time()


@web.middleware
async def _stamped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Notes when a request arrived: its header is read, its body is not."""
    request[_ARRIVED] = _clock()
    return await handler(request)


class LabelboxEmulator:
    """A Labelbox of one user, in this process or behind `python -m aiotasks emulate labelbox`.

    >>> emulator = LabelboxEmulator(seed=1, frozen=True)
    >>> emulator.api_key == LabelboxEmulator(seed=1).api_key
    True

    Inside `async with emulator.serve() as url` a client can use `url` and `emulator.api_key`. All durations
    are seconds; the clock is the running loop's, so under virtual time jobs age in virtual time, and in a
    process of its own it is CLOCK_MONOTONIC.

    Args:
        seed: Makes ids, durations and failures; the same seed gives the same ones.
        frozen: True: jobs do not move by themselves.
        duration: Shortest and longest life of a job.
        failures: Share of the jobs that fail, from 0 to 1.
        api_key: The one key that is taken; None makes one from the seed.
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
        self.api_key = api_key or f"key-{fates.identifier()}"
        self._world = World(fates, _clock)
        self._files = Files(self._world)
        self._auditor = Auditor()
        self._faults = Faults()
        self._switches = Switches()
        for each in faults:
            self.fault(**each)

    # --- what a test or a control request may do

    def greeting(self, url: str) -> dict[str, str]:
        """What the ready line says."""
        return {"platform": "labelbox", "url": url, "api_key": self.api_key}

    def audit(self) -> Audit:
        """The auditor's account."""
        return self._auditor.report()

    def reset_audit(self) -> None:
        """The account starts anew, and forgets when each task was asked about last."""
        self._auditor = Auditor()

    def tasks(self) -> list[dict[str, Any]]:
        """Each job: `id`, `status`, `start` and `end` (None: not known)."""
        now = _clock()
        return [_summary(job, now) for job in self._world.jobs.values()]

    def create_tasks(self, **spec: Any) -> list[dict[str, Any]]:
        """Creates jobs as `Creation` describes them: `create_tasks(count=3, status="COMPLETE", rows=20_000)`.

        Raises:
            ValueError: A name or value that is not allowed.
        """
        now = _clock()
        return [_summary(job, now) for job in self._world.make(checked(spec, Creation))]

    def change_task(self, id: str, **change: Any) -> dict[str, Any]:
        """Moves a job as `Change` describes it: `change_task(id, status="FAILED")`.

        Raises:
            LookupError: No job has this id.
            ValueError: A name or value that is not allowed.
        """
        job = self._world.jobs.get(id)
        if job is None:
            raise LookupError(f"id: no task {id!r}")
        self._world.move(job, checked(change, Change))
        return _summary(job, _clock())

    def faults(self) -> dict[str, Any]:
        """The faults and switches that are set."""
        return {"faults": self._faults.report(), "switches": self._switches}

    def fault(self, **switches: Any) -> None:
        """Sets a fault (`fault(status=502, times=3)`) or switches (`fault(id_in=False)`); see `Fault` and
        `Switches` for the names.

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
        """Serves on 127.0.0.1 inside the context and gives the GraphQL URL.

        Args:
            port: 0 takes a free one.
        """
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_stamped])
        app.router.add_post("/graphql", self._graphql)
        app.router.add_post("/_gql", self._graphql)
        app.router.add_get("/files/{path:.+}", self._file)
        add_controls(app, self)
        async with serving(app, port) as base:
            self._files.base = base
            yield f"{base}/graphql"

    # --- requests of the platform

    async def _graphql(self, request: web.Request) -> web.StreamResponse:
        self._auditor.arrived()
        asked: tuple[Plan, Mapping[str, Any]] | Refusal
        try:
            text, variables = await _operation(request)
            plan = _engine(id_in=self._switches.id_in).plan(text)
            asked = plan, plan.variables(variables)
        except Refusal as refusal:
            asked = refusal
        # Counted before anything goes wrong with it: a request that is refused or lost has arrived all the same.
        kinds = set() if isinstance(asked, Refusal) else self._account(request[_ARRIVED], *asked)
        return await deliver(self._faults.take(kinds), request, lambda: self._answer(request, asked), _usual)

    def _answer(self, request: web.Request, asked: tuple[Plan, Mapping[str, Any]] | Refusal) -> web.Response:
        try:
            self._authorize(request)
            if isinstance(asked, Refusal):
                raise asked
            plan, variables = asked
            self._weigh(plan, variables)
            context = Context(self._world, self._files, self._switches, _clock())
            response = json_response(plan.run(variables, context))
        except Refusal as refusal:
            response = json_response({"errors": [refusal.entry()]}, status=refusal.http_status)
        if self._switches.gzip:
            compress(request, response)
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self._auditor.arrived()
        return await deliver(
            self._faults.take({"file"}),
            request,
            lambda: self._files.answer(request, gzip=self._switches.gzip),
            self._files.usual,
        )

    def _account(self, arrived: float, plan: Plan, variables: Mapping[str, Any]) -> set[str]:
        """Tells the auditor what a document asks about; gives the kinds of request it is."""
        tasks: list[str] = []
        pages: list[Hashable] = []
        for call in plan.calls:
            if call.where in {"User.createdTasks", "Organization.tasks"}:
                arguments = call.arguments(variables)
                ids = named_ids(arguments.get("where"))
                if ids is None:
                    pages.append((call.where, msgspec.json.encode(arguments, order="sorted")))
                else:
                    tasks += ids
            elif call.where == "Query.task" and "status" in call.selects:
                where = call.arguments(variables).get("where")
                tasks += [where["id"]] if where else []
        if not tasks and not pages:
            return set(plan.roots)
        self._auditor.asked(arrived, tasks=tasks, pages=pages)
        return {*plan.roots, "status"}

    def _authorize(self, request: web.Request) -> None:
        if request.headers.get(hdrs.AUTHORIZATION) != f"Bearer {self.api_key}":
            raise Refusal("Invalid API key", "AUTHENTICATION_ERROR", http_status=401)

    def _weigh(self, plan: Plan, variables: Mapping[str, Any]) -> None:
        """Refuses a document that is too much, or that names what the server chokes on."""
        limit = self._switches.complexity_limit
        if limit is not None and plan.cost > limit:
            raise Refusal("Query complexity limit exceeded", "GRAPHQL_VALIDATION_FAILED", http_status=400)
        if not self._switches.poisoned:
            return
        for call in plan.calls:
            ids = named_ids(call.arguments(variables).get("where"))
            if ids is not None and not self._switches.poisoned.isdisjoint(ids):
                raise Refusal("Argument Validation Error", "BAD_USER_INPUT", http_status=400)


async def _operation(request: web.Request) -> tuple[str, Mapping[str, Any]]:
    """The document and its variables, from JSON or from a GraphQL multipart request. Raises `Refusal`."""
    try:
        if request.content_type == "multipart/form-data":
            body = await _multipart(request)
        else:
            body = msgspec.json.decode(await request.read())
        text, variables = body["query"], body.get("variables")
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError):
        raise Refusal("POST body is not a GraphQL request", "MALFORMED_REQUEST", http_status=400) from None
    if not isinstance(text, str) or not isinstance(variables, dict | None):
        raise Refusal("POST body is not a GraphQL request", "MALFORMED_REQUEST", http_status=400)
    return text, variables or {}


async def _multipart(request: web.Request) -> Any:
    """The operation with its files put in place. The SDK swaps names and types of the parts: both are ignored."""
    form = await request.post()
    body = msgspec.json.decode(_content(form["operations"]))
    for part, places in msgspec.json.decode(_content(form["map"])).items():
        content = _content(form[part])
        for place in places:
            *path, last = place.split(".")
            target = body
            for step in path:
                target = target[step]
            target[last] = content
    return body


def _content(part: str | bytes | bytearray | web.FileField) -> bytes:
    if isinstance(part, web.FileField):
        with part.file as file:
            return file.read()
    return part.encode() if isinstance(part, str) else bytes(part)


def _usual(status: int) -> Any:
    """Labelbox's body for an HTTP status, where it is known; from 500 on, a proxy's."""
    if status >= 500:
        return f"<html><body><h1>{status} Server Error</h1></body></html>"
    if status == 429:
        return {"message": "You have exceeded your limit of requests per minute"}
    if status < 400:
        return {"data": None}
    refusal = Refusal(f"The emulator answers {status}", _CODES.get(status, "INTERNAL_SERVER_ERROR"))
    return {"errors": [refusal.entry()]}


def _summary(job: Job, now: float) -> dict[str, Any]:
    return {"id": job.id, "status": job.status(now), "start": job.life.start, "end": job.life.end}
