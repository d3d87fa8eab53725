"""A server that misbehaves on purpose, byte by byte, over real loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self

import attrs

from aiotasks.models import Request


def ask(origin: str, path: str = "/status", **fields: object) -> Request:
    """A GET of a path on an origin."""
    return Request(**{"method": "GET", "url": origin + path, **fields})


async def until(claim: Callable[[], bool]) -> None:
    """Return when `claim` holds; it is about the other end of a socket, so there is nothing to wait on."""
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@attrs.frozen
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Exchange:
    """What a behaviour has to work with."""

    request: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Behaviour = Callable[[Exchange], Awaitable[None]]


def answer(body: bytes = b"{}", *, status: str = "200 OK", **headers: str) -> Behaviour:
    """A whole, well-made answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def raw(data: bytes, *, close: bool = False) -> Behaviour:
    """These bytes; then the connection stays open, or is closed."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(data)
        if close:
            exchange.writer.close()

    return behave


async def drop(exchange: Exchange) -> None:
    """Read the request and close without a word."""
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """Read the request and reset the connection."""
    sock = exchange.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


async def hang(exchange: Exchange) -> None:
    """Read the request and never answer; return when the client gives up."""
    await exchange.reader.read()
    exchange.writer.close()


def trickle(head: bytes, piece: bytes, *, every: float, times: int) -> Behaviour:
    """`head` at once, then `piece` again and again."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(head)
        for _ in range(times):
            await asyncio.sleep(every)
            if exchange.reader.at_eof():
                break
            await exchange.write(piece)

    return behave


class FaultServer:
    """Answers the n-th request with the n-th behaviour, the last one for ever.

    Attributes:
        seen: the requests in order of arrival, over all connections.
        connections: how many were accepted.
        live: how many of them are open now.
    """

    def __init__(self, *behaviours: Behaviour, host: str = "127.0.0.1") -> None:
        self._behaviours = behaviours or (answer(),)
        self._host = host
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self.seen: list[Seen] = []
        self.connections = 0
        self.live = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def origin(self) -> str:
        return f"http://{self._host}:{self.port}"

    async def settled(self) -> None:
        """Return when no connection is open any more."""
        await until(lambda: not self.live)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.connections += 1
        self.live += 1
        try:
            while (request := await self._request(reader, writer)) is not None:
                self.seen.append(request)
                behave = self._behaviours[min(len(self.seen), len(self._behaviours)) - 1]
                await behave(Exchange(request, reader, writer))
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.live -= 1
            self._handlers.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @staticmethod
    async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Seen | None:
        begin = await reader.read(1)
        if begin == b"\x16":  # a TLS greeting
            writer.write(b"HTTP/1.1 400 this is plain HTTP\r\n\r\n")
            return None
        try:
            head = (begin + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = b""
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        return Seen(method, target, headers, body)
