"""The same behaviour wherever it is hosted: plain asyncio, uvloop, an aiohttp application, a Starlette one.

Servers are real ones on 127.0.0.1, but for one that httpx calls in memory. In real time, since uvloop and the
servers have clocks of their own: half a second each, and five for each loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import httpx
import pytest
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import aiotasks
from aiotasks.errors import SchedulerClosed, TaskNotFound, WaitTimeout
from aiotasks.testing import FakeClient, FakePlatform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment, unused-ignore]

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(
        uvloop.new_event_loop if uvloop is not None else None,
        id="uvloop",
        marks=pytest.mark.skipif(uvloop is None, reason="uvloop is not installed here"),
    ),
]

CLIENT = web.AppKey("client", FakeClient)


def start(work: Any) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def survivors() -> set[str]:
    """The library's asyncio tasks that are left, once those that were cancelled had time to end."""
    for _ in range(10):
        await asyncio.sleep(0)
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("aiotasks")}


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, for 5 s at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def uvicorn_at(app: Any) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """A real uvicorn in this loop. -> its URL, and the server, which `should_exit` ends."""
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=5, ws="none")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        serving = start(server._serve([listener]))
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            await serving


# --- loops --------------------------------------------------------------------------------------------------


@pytest.mark.covers("F-51", "F-33")
@pytest.mark.parametrize("factory", LOOPS)
def test_every_loop_does_the_same(factory: Callable[[], asyncio.AbstractEventLoop]):
    """Waits, time-outs, scopes of asyncio and anyio, searches, sets and closing: alike on each event loop."""

    async def main() -> None:
        platform = FakePlatform(latency=0.01)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with platform.client() as client:
            tasks = [client.start(f"t{n}") for n in range(250)]
            waits = [start(task.wait_till_done()) for task in tasks]
            everything = start(aiotasks.wait_all(tasks))
            with pytest.raises(WaitTimeout):
                await tasks[0].wait_till_done(timeout_seconds=0.1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await tasks[1]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tasks[2].wait_till_done(), 0.1)
            with anyio.move_on_after(0.1) as scope:
                await tasks[3].refresh()
                await tasks[3]
            assert scope.cancelled_caught
            waits[4].cancel()
            await asyncio.wait({waits[4]})
            assert 0.4 <= loop.time() - began < 1.5
            assert client.scheduler.statistics().waits == 250
            for task in tasks:
                platform.set(task.id, "done")
            assert await everything == tasks
            await asyncio.gather(*waits, return_exceptions=True)
            with pytest.raises(TaskNotFound):
                await client.open("nobody")
            left = start(client.start("left").wait_till_done())
            await asyncio.sleep(0.05)
        with pytest.raises(SchedulerClosed):
            await left
        assert platform.gaps
        assert min(platform.gaps) >= 2.0
        assert not await survivors()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


# --- aiohttp ------------------------------------------------------------------------------------------------


def aiohttp_app(platform: FakePlatform, ends: dict[str, str]) -> web.Application:
    """An application with a handler that awaits the task of its path; `ends` tells how each handler ended."""

    async def handler(request: web.Request) -> web.Response:
        id = request.match_info["id"]
        try:
            task = await request.app[CLIENT].open(id)
        except BaseException as error:
            ends[id] = type(error).__name__
            if isinstance(error, SchedulerClosed):
                raise web.HTTPServiceUnavailable from error
            raise
        ends[id] = "finished"
        return web.json_response({"status": task.status})

    async def lifespan(app: web.Application) -> AsyncIterator[None]:
        async with platform.client() as app[CLIENT]:
            yield

    app = web.Application()
    app.router.add_get("/{id}", handler)
    app.cleanup_ctx.append(lifespan)
    return app


@contextlib.asynccontextmanager
async def aiohttp_at(app: web.Application) -> AsyncIterator[tuple[str, web.AppRunner]]:
    """A real aiohttp server in this loop. -> its URL, and the runner, whose `cleanup` ends it."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", runner
    finally:
        await runner.cleanup()


@pytest.mark.covers("F-33")
async def test_disconnected_aiohttp_clients_end_their_waits_only():
    """Handlers wait for tasks; half of the clients hang up: their waits end, the others get their answers."""
    platform, ends = FakePlatform(), {}
    app = aiohttp_app(platform, ends)
    async with aiohttp_at(app) as (url, _), aiohttp.ClientSession() as session:
        for n in range(20):
            platform.set(f"t{n}", "running")
        calls = [start(_fetched(session, f"{url}/t{n}")) for n in range(20)]
        scheduler = app[CLIENT].scheduler
        await until(lambda: scheduler.statistics().waits == 20)
        for call in calls[::2]:
            call.cancel()
        await until(lambda: scheduler.statistics().waits == 10)
        for n in range(20):
            platform.set(f"t{n}", "done")
        assert await asyncio.gather(*calls[1::2]) == [(200, {"status": "done"})] * 10
        assert ends == {f"t{n}": "CancelledError" if n % 2 == 0 else "finished" for n in range(20)}
        await until(lambda: scheduler.statistics().in_flight == 0)
        assert not await survivors()


async def _fetched(session: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with session.get(url) as answer:
        return answer.status, await answer.json() if answer.status == 200 else None


@pytest.mark.covers("F-44", "I-09")
async def test_aiohttp_application_shuts_down_with_waits_pending():
    """Clean-up closes the client, the handlers' waits end with `SchedulerClosed`, and nothing outlives it."""
    platform, ends = FakePlatform(), {}
    app = aiohttp_app(platform, ends)

    async def close_first(_: web.Application) -> None:
        await app[CLIENT].aclose()  # so that handlers can still answer

    app.on_shutdown.append(close_first)
    async with aiohttp.ClientSession() as session:
        async with aiohttp_at(app) as (url, runner):
            for n in range(10):
                platform.set(f"t{n}", "running")
            calls = [start(_fetched(session, f"{url}/t{n}")) for n in range(10)]
            scheduler = app[CLIENT].scheduler
            await until(lambda: scheduler.statistics().waits == 10)
            await runner.cleanup()
            ended = await asyncio.gather(*calls)
        assert [status for status, _ in ended] == [503] * 10
        assert set(ends.values()) == {"SchedulerClosed"}
        assert scheduler.statistics().waits == 0
        assert not await survivors()


# --- Starlette ----------------------------------------------------------------------------------------------


def starlette_app(platform: FakePlatform, ends: dict[str, str], state: dict[str, FakeClient]) -> Starlette:
    """An application with an endpoint that awaits a task, and gives up when its client hangs up."""

    async def endpoint(request: Request) -> JSONResponse:
        id = request.path_params["id"]
        wait = start(state["client"].open(id).wait_till_done(timeout_seconds=None))
        gone = start(_hung_up(request))
        try:
            await asyncio.wait({wait, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not wait.done():
                ends[id] = "hung up"
                return JSONResponse({}, status_code=499)
            wait.result()
        except SchedulerClosed:
            ends[id] = "SchedulerClosed"
            return JSONResponse({}, status_code=503)
        finally:
            gone.cancel()
            wait.cancel()
            await asyncio.wait({wait, gone})
        ends[id] = "finished"
        return JSONResponse({"id": id})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with platform.client() as state["client"]:
            yield

    return Starlette(routes=[Route("/{id}", endpoint)], lifespan=lifespan)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def test_starlette_endpoints_await_tasks_in_memory():
    """Called over httpx without a socket: many endpoints wait at once, in few queries, and all answer."""
    platform, ends, state = FakePlatform(), {}, {}
    app = starlette_app(platform, ends, state)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http,
    ):
        for n in range(50):
            platform.set(f"t{n}", "done")
        answers = await asyncio.gather(*(http.get(f"/t{n}") for n in range(50)))
        assert [answer.json() for answer in answers] == [{"id": f"t{n}"} for n in range(50)]
        assert len(platform.queries) == 1
    assert not await survivors()


@pytest.mark.covers("F-33")
async def test_disconnected_starlette_clients_end_their_waits_only():
    """Under uvicorn, clients that hang up end their own waits; the others get their answers."""
    platform, ends, state = FakePlatform(), {}, {}
    async with uvicorn_at(starlette_app(platform, ends, state)) as (url, _), aiohttp.ClientSession() as session:
        for n in range(20):
            platform.set(f"t{n}", "running")
        calls = [start(_fetched(session, f"{url}/t{n}")) for n in range(20)]
        scheduler = state["client"].scheduler
        await until(lambda: scheduler.statistics().waits == 20)
        for call in calls[::2]:
            call.cancel()
        await until(lambda: scheduler.statistics().waits == 10)
        for n in range(20):
            platform.set(f"t{n}", "done")
        ended = await asyncio.gather(*calls[1::2])
        assert ended == [(200, {"id": f"t{n}"}) for n in range(1, 20, 2)]
        assert ends == {f"t{n}": "hung up" if n % 2 == 0 else "finished" for n in range(20)}
    assert not await survivors()


@pytest.mark.covers("F-44", "I-09")
async def test_starlette_application_shuts_down_with_waits_pending():
    """Closing the client when the server is told to exit ends the endpoints; they answer, and uvicorn can stop."""
    platform, ends, state = FakePlatform(), {}, {}
    async with aiohttp.ClientSession() as session:
        async with uvicorn_at(starlette_app(platform, ends, state)) as (url, server):
            for n in range(10):
                platform.set(f"t{n}", "running")
            calls = [start(_fetched(session, f"{url}/t{n}")) for n in range(10)]
            scheduler = state["client"].scheduler
            await until(lambda: scheduler.statistics().waits == 10)
            server.should_exit = True
            await state["client"].aclose()
            ended = await asyncio.gather(*calls)
        assert [status for status, _ in ended] == [503] * 10
        assert set(ends.values()) == {"SchedulerClosed"}
        assert scheduler.statistics().waits == 0
        assert not await survivors()
