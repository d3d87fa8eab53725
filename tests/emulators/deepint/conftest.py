"""A pretended Deep Intelligence whose jobs stand still, and somebody to ask it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from aiotasks.emulators.deepint import DeepintEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.define
class Client:
    """Asks as the SDK does, and sends control requests."""

    session: aiohttp.ClientSession
    url: str
    emulator: DeepintEmulator
    ready: dict[str, Any]

    async def send(self, method: str, path: str, *, headers: Any = None, **options: Any) -> tuple[int, Any]:
        """HTTP status and JSON of the answer to a request about the first workspace."""
        login = {"x-auth-token": self.emulator.token, "x-deepint-organization": self.ready["organization_id"]}
        url = f"{self.url}/api/v1/workspace/{self.ready['workspace_id']}{path}"
        async with self.session.request(method, url, headers={**login, **(headers or {})}, **options) as response:
            return response.status, await response.json(content_type=None)

    async def task(self, id: str) -> Any:
        """A task that exists."""
        status, answer = await self.send("GET", f"/task/{id}")
        assert status == 200, answer
        return answer

    async def control(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """HTTP status and JSON of a control request."""
        async with self.session.request(method, f"{self.url}/__emulator__/{path}", json=body) as response:
            return response.status, await response.json()


@asynccontextmanager
async def served(emulator: DeepintEmulator) -> AsyncIterator[Client]:
    """A client of an emulator that serves."""
    async with emulator.serve() as url, aiohttp.ClientSession() as session:
        yield Client(session, url, emulator, emulator.greeting(url))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of an emulator whose jobs stand still."""
    async with served(DeepintEmulator(seed=1, frozen=True)) as client:
        yield client
