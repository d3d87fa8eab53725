"""Transports that are closed whatever a test does, names that resolve to what a test says, and no survivors."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks._runtime.transport import HttpTransport
from aiotasks.models import Account
from aiotasks.testing import FakePlatform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiotasks.testing import FakeClient

TOKEN = "canary-credential-5d1e"


class StaticCredential:
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    async def renew(self) -> bool:
        return False


class Renewable:
    """A credential with a new token per renewal; `allowed` says how many there are."""

    def __init__(self, allowed: int = 1) -> None:
        self.number = 0
        self.allowed = allowed
        self.renewals = 0

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.number}"}

    async def renew(self) -> bool:
        self.renewals += 1
        await asyncio.sleep(0.01)
        if self.number >= self.allowed:
            return False
        self.number += 1
        return True


@pytest.fixture(autouse=True)
async def no_survivors() -> AsyncIterator[None]:
    """Fails a test that leaves an asyncio task of the library behind (I-09)."""
    yield
    for _ in range(5):  # what has just been cancelled may end
        await asyncio.sleep(0)
    survivors = [task for task in asyncio.all_tasks() if task.get_name().startswith("aiotasks")]
    for task in survivors:
        task.cancel()
    assert not survivors


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
async def client(platform: FakePlatform) -> AsyncIterator[FakeClient]:
    """A client of `platform` on the loop's shared scheduler."""
    async with platform.client() as client:
        yield client


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., HttpTransport]]:
    """Makes a transport for an origin."""
    made: list[HttpTransport] = []

    def make(origin: str, credential: Any = None, **options: Any) -> HttpTransport:
        transport = HttpTransport(
            account=Account(platform="test", origin=origin, fingerprint="f"),
            credential=credential or StaticCredential(),
            **options,
        )
        made.append(transport)
        return transport

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has names resolve to given addresses, one list per look-up, the last for ever; others do not resolve."""

    def install(table: Mapping[str, list[list[str]]]) -> None:
        asked: dict[str, int] = {}

        async def getaddrinfo(host: Any, port: Any, **_: Any) -> list[Any]:
            if host not in table:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            turn = min(asked.get(host, 0), len(table[host]) - 1)
            asked[host] = turn + 1
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
                if ":" in address
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in table[host][turn]
            ]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    return install
