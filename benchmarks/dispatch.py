"""What one dispatch costs beyond bare aiohttp: client CPU per request, sequential, one kept-alive connection.

    python benchmarks/dispatch.py [--requests 5000] [--rounds 5] [--uvloop] [--quick]

The server is a process of its own, so that its CPU does not count. Ways take turns in every round; the least of
their rounds is given, since noise of a shared machine only ever adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from aiotasks._runtime.transport import HttpTransport
from aiotasks.models import Account, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from multiprocessing.connection import Connection

HEADERS = {"content-type": "application/json"}
QUERY = b'{"query": "' + b"x" * 2_000 + b'"}'
ANSWER = b'{"data": "' + b"y" * 5_000 + b'"}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


class _Server(asyncio.Protocol):
    """Answers whenever a whole request is in: about as cheap as a server can be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.data.endswith(QUERY):
            self.data = b""
            self.transport.write(REPLY)  # type: ignore[attr-defined]


def _serve(port: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class _Key:
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": "Bearer key"}

    async def renew(self) -> bool:
        return False


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _microseconds(way: Callable[[], Awaitable[object]], requests: int) -> float:
    begin = _cpu()
    for _ in range(requests):
        await way()
    return (_cpu() - begin) / requests * 1e6


async def _measure(origin: str, requests: int, rounds: int) -> dict[str, float]:
    url = origin + "/graphql"
    request = Request(url=url, body=QUERY, headers=HEADERS)
    transport = HttpTransport(account=Account(platform="bench", origin=origin, fingerprint=""), credential=_Key())
    async with (
        aiohttp.ClientSession() as plain,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as tuned,
    ):
        headers, prebuilt = {**HEADERS, "Authorization": "Bearer key"}, URL(url)

        async def bare() -> bytes:
            async with plain.post(url, data=QUERY, headers=headers) as answer:
                return await answer.read()

        async def bare_tuned() -> bytes:
            async with tuned.post(prebuilt, data=QUERY, headers=headers) as answer:
                return await answer.read()

        async def ours() -> object:
            return await transport.dispatch(request)

        ways = {"aiohttp": bare, "aiohttp_prebuilt": bare_tuned, "dispatch": ours}
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds):
            for name, way in ways.items():
                least[name] = min(least[name], await _microseconds(way, requests))
    await transport.aclose()
    figures = {f"{name}_us": round(value, 1) for name, value in least.items()}
    return {**figures, "ratio_to_aiohttp": round(least["dispatch"] / least["aiohttp"], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few requests: shows that it runs, not how fast")
    options = parser.parse_args()
    if options.quick:
        options.requests, options.rounds = 500, 2
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        factory = None
        if options.uvloop:
            import uvloop  # an extra that only this option needs

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            figures = runner.run(_measure(f"http://127.0.0.1:{here.recv()}", options.requests, options.rounds))
    finally:
        server.terminate()
        server.join()
    loop = "uvloop" if options.uvloop else "asyncio"
    print(json.dumps({"loop": loop, "python": sys.version.split()[0], "aiohttp": aiohttp.__version__, **figures}))


if __name__ == "__main__":
    main()
