"""The pretended Deep Intelligence over HTTP: what arrives, who may ask, what is counted, what goes wrong."""

from __future__ import annotations

import asyncio
import csv
import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import hdrs, web

from aiotasks.emulators.audit import Audit, Auditor
from aiotasks.emulators.deepint.calls import Call, Refusal, read, started, usual
from aiotasks.emulators.deepint.switches import Switches
from aiotasks.emulators.deepint.world import FEATURES, Change, Creation, World, summary
from aiotasks.emulators.faults import Faults, checked, deliver
from aiotasks.emulators.life import Fates
from aiotasks.emulators.server import BODY_BYTES, add_controls, json_response, serving

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from aiotasks.emulators.deepint.world import Job, Source, Workspace

__all__ = ["DeepintEmulator"]

_ARRIVED: Final = web.RequestKey("arrived", float)
_API: Final = "/api/v1"


def _clock() -> float:
    return asyncio.get_running_loop().time()


@web.middleware
async def _stamped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Notes when a request arrived: its header is read, its body is not."""
    request[_ARRIVED] = _clock()
    return await handler(request)


class DeepintEmulator:
    """A Deep Intelligence of one organization, in this process or behind `python -m aiotasks emulate deepint`.

    >>> emulator = DeepintEmulator(seed=1, frozen=True)
    >>> emulator.token == DeepintEmulator(seed=1).token
    True

    Inside `async with emulator.serve() as url` a client can use `url`, `emulator.token` and the ids that
    `emulator.greeting(url)` tells. All durations are seconds; the clock is the running loop's, so under virtual
    time jobs age in virtual time, and in a process of its own it is CLOCK_MONOTONIC.

    Args:
        seed: Makes ids, durations and failures; the same seed gives the same ones.
        frozen: True: jobs do not move by themselves.
        duration: Shortest and longest life of a job.
        failures: Share of the jobs that fail, from 0 to 1.
        token: The one token that is taken; None makes one from the seed.
        tls_dir: A folder: serve https as `localhost`, and write there `certificate.pem` for clients to trust.
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
        tls_dir: Path | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        fates = Fates(seed=seed, frozen=frozen, duration=duration, failures=failures)
        self.token = token or f"token-{fates.identifier()}"
        self._certificate = None if tls_dir is None else tls_dir / "certificate.pem"
        self._tls = None if self._certificate is None else _tls(self._certificate)
        self._world = World(fates, _clock)
        self._seeds: dict[str, str] = {}
        self._auditor = Auditor()
        self._faults = Faults()
        self._switches = Switches()
        self._base = ""
        for each in faults:
            self.fault(**each)

    # --- what a test or a control request may do

    def greeting(self, url: str) -> dict[str, Any]:
        """What the ready line says. Of the tasks there is one of each kind that clients trip over."""
        world = self._world
        line = {
            "platform": "deepint",
            "url": url,
            "token": self.token,
            "organization_id": world.organization,
            "workspace_id": world.workspace,
            "tasks": dict(self._seeds),
            "source_id": world.source,
        }
        return line if self._certificate is None else {**line, "certificate": str(self._certificate)}

    def audit(self) -> Audit:
        """The auditor's account."""
        return self._auditor.report()

    def reset_audit(self) -> None:
        """The account starts anew, and forgets when each task was asked about last."""
        self._auditor = Auditor()

    def tasks(self) -> list[Mapping[str, Any]]:
        """Each job: `id`, `status`, `start` and `end` (None: not known)."""
        now = _clock()
        return [summary(job, now) for job in self._world.jobs.values()]

    def create_tasks(self, **spec: Any) -> list[Mapping[str, Any]]:
        """Creates jobs as `Creation` describes them: `create_tasks(count=3, status="success")`.

        Raises:
            ValueError: A name or value that is not allowed.
        """
        now = _clock()
        return [summary(job, now) for job in self._world.make(checked(spec, Creation))]

    def change_task(self, id: str, **change: Any) -> Mapping[str, Any]:
        """Moves a job as `Change` describes it: `change_task(id, status="failed")`.

        Raises:
            LookupError: No job has this id.
            ValueError: A name or value that is not allowed.
        """
        job = self._world.jobs.get(id)
        if job is None:
            raise LookupError(f"id: no task {id!r}")
        self._world.move(job, checked(change, Change))
        return summary(job, _clock())

    def faults(self) -> dict[str, Any]:
        """The faults and switches that are set."""
        return {"faults": self._faults.report(), "switches": self._switches}

    def fault(self, **switches: Any) -> None:
        """Sets a fault (`fault(status=502, times=3)`) or switches (`fault(page_size=5)`); see `Fault` and
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
        """Serves on 127.0.0.1 inside the context and gives the base URL; the seeded tasks exist from then on.

        Args:
            port: 0 takes a free one.
        """
        self._seeds = self._seeds or self._world.seed()
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_stamped])
        for method, path, kind, handler in self._routes():
            app.router.add_route(method, path, self._served(kind, handler))
        app.router.add_get("/files/{name}", self._served("file", self._file))
        app.router.add_route("*", _API + "/{path:.*}", self._served("unknown", self._nothing))
        add_controls(app, self)
        async with serving(app, port, self._tls) as self._base:
            yield self._base

    # --- requests of the platform

    def _routes(self) -> Iterable[tuple[str, str, str, Callable[[Call], web.Response]]]:
        """Method, path, kind and handler of what the platform can do."""
        workspace = _API + "/workspace/{workspace}"
        source = workspace + "/source/{source}"
        yield "GET", workspace + "/task/{task}", "status", self._task
        yield "DELETE", workspace + "/task/{task}", "delete", self._delete
        yield "GET", workspace + "/tasks", "list", self._tasks
        yield "GET", workspace, "workspace", self._workspace
        yield "GET", workspace + "/emails", "workspace", self._emails
        yield "POST", workspace + "/export", "export", self._export
        yield "POST", workspace + "/clone", "clone", self._clone
        yield "GET", source, "source", self._source
        yield "POST", source + "/instances", "instances", self._update
        yield "DELETE", source + "/instances", "instances", self._clean

    def _served(
        self, kind: str, handler: Callable[[Call], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            self._auditor.arrived()
            call = await read(request)
            # Counted before anything goes wrong with it: a request that is refused or lost has arrived all the same.
            self._account(kind, call)
            fault = self._faults.take({kind})
            return await deliver(fault, request, lambda: self._answer(kind, call, handler), usual)

        return serve

    def _account(self, kind: str, call: Call) -> None:
        """Tells the auditor what is asked about: one task, or a page of the list of them."""
        arrived = call.request[_ARRIVED]
        if kind == "status":
            self._auditor.asked(arrived, tasks=[call.part("task")])
        elif kind == "list":
            self._auditor.asked(arrived, pages=[(call.part("workspace"), call.fields.get("page", "0"))])

    def _answer(self, kind: str, call: Call, handler: Callable[[Call], web.Response]) -> web.Response:
        try:
            if kind != "file":
                self._authorize(call.request)
            return handler(call)
        except Refusal as refusal:
            return refusal.response()

    def _authorize(self, request: web.Request) -> None:
        if request.headers.get("x-auth-token") != self.token:
            raise Refusal(401, "UNAUTHORIZED", "The token is not valid")
        if request.headers.get("x-deepint-organization") != self._world.organization:
            raise Refusal(403, "FORBIDDEN", "The token does not belong to this organization")

    def _nothing(self, call: Call) -> web.Response:
        raise Refusal(404, "NOT_FOUND", "There is no such endpoint")

    # --- tasks

    def _job(self, call: Call) -> Job:
        workspace, id = self._of_workspace(call), call.part("task")
        job = self._world.jobs.get(id)
        if id in self._switches.poisoned:
            raise Refusal(400, "BAD_PARAMETERS", "The emulator chokes on this task")
        if job is None or job.workspace != workspace.id or id in self._switches.hidden:
            raise Refusal(404, "TASK_NOT_FOUND", "The task was not found")
        return job

    def _task(self, call: Call) -> web.Response:
        return json_response(self._job(call).shown(_clock()))

    def _delete(self, call: Call) -> web.Response:
        del self._world.jobs[self._job(call).id]
        return json_response({"deleted": True})

    def _tasks(self, call: Call) -> web.Response:
        text = call.fields.get("page", "0")
        if not (text.isascii() and text.isdigit()):
            raise Refusal(400, "BAD_PARAMETERS", "The page is not a number")
        jobs = self._world.listed(self._of_workspace(call).id)
        jobs = [job for job in jobs if job.id not in self._switches.hidden]
        size, page, now = self._switches.page_size, int(text), _clock()
        shown = [job.shown(now) for job in jobs[page * size : (page + 1) * size]]
        items = shown if self._switches.listed_status else [{"id": task["id"]} for task in shown]
        return json_response({"items": items, "page": page, "pages_count": -(-len(jobs) // size)})

    # --- workspaces and sources

    def _of_workspace(self, call: Call) -> Workspace:
        workspace = self._world.workspaces.get(call.part("workspace"))
        if workspace is None:
            raise Refusal(404, "WORKSPACE_NOT_FOUND", "The workspace was not found")
        return workspace

    def _of_source(self, call: Call) -> Source:
        source = self._of_workspace(call).sources.get(call.part("source"))
        if source is None:
            raise Refusal(404, "SOURCE_NOT_FOUND", "The source was not found")
        return source

    def _workspace(self, call: Call) -> web.Response:
        return json_response(self._of_workspace(call).shown())

    def _emails(self, call: Call) -> web.Response:
        self._of_workspace(call)
        return json_response([])

    def _export(self, call: Call) -> web.Response:
        return started(self._world.export(self._of_workspace(call), self._base))

    def _clone(self, call: Call) -> web.Response:
        name = call.fields.get("name")
        if not isinstance(name, str) or not name:
            raise Refusal(400, "BAD_PARAMETERS", "The name is missing")
        job = self._world.clone(self._of_workspace(call), name)
        return started(job, workspace_id=job.workspace)

    def _source(self, call: Call) -> web.Response:
        return json_response(self._of_source(call).shown())

    def _update(self, call: Call) -> web.Response:
        workspace, source = self._of_workspace(call), self._of_source(call)
        columns = [name for name, _ in FEATURES[:-1]]
        rows = list(csv.reader(io.StringIO(call.file or "")))
        if not rows or rows[0][-len(columns) :] != columns:
            raise Refusal(400, "BAD_PARAMETERS", f"The columns are not {columns}")
        replace = str(call.fields.get("replace")).lower() == "true"
        return started(self._world.update(workspace, source, rows[1:], replace=replace))

    def _clean(self, call: Call) -> web.Response:
        return started(self._world.clean(self._of_workspace(call), self._of_source(call)))

    # --- files

    def _file(self, call: Call) -> web.Response:
        """A file, whole or the range that is asked for. As a storage does, it refuses whoever brings a credential."""
        if "x-auth-token" in call.request.headers:
            raise Refusal(400, "BAD_PARAMETERS", "A presigned URL takes no credential")
        content = self._world.files.get(call.part("name"))
        if content is None:
            raise Refusal(404, "NOT_FOUND", "The file was not found")
        part = call.request.http_range
        if part.start is None or not self._switches.ranges:
            return web.Response(body=content, content_type="application/zip")
        start, stop, _ = part.indices(len(content))
        return web.Response(
            status=206 if start < stop else 416,
            body=content[start:stop],
            content_type="application/zip",
            headers={hdrs.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{len(content)}"},
        )


def _tls(certificate: Path) -> ssl.SSLContext:
    from aiotasks.emulators.tls import localhost_context  # plain http needs no trustme

    return localhost_context(certificate)
