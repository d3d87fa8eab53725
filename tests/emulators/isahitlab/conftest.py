"""A pretended isahit lab whose tasks stand still, and somebody to ask it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from aiotasks.emulators.isahitlab import IsahitLabEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.define
class Client:
    """Sends requests as the SDK does, and control requests."""

    session: aiohttp.ClientSession
    url: str
    emulator: IsahitLabEmulator
    token: str = ""

    async def login(self, **form: str) -> tuple[int, Any]:
        """HTTP status and JSON of a login; its token is used from then on."""
        given = {"access_id": self.emulator.access_id, "secret_key": self.emulator.secret_key, **form}
        async with self.session.post(f"{self.url}api/user-manager/auth/login", data=given) as response:
            answer = await response.json()
            self.token = answer.get("access_token", self.token)
            return response.status, answer

    async def send(self, method: str, path: str, query: Any = (), json: Any = None) -> tuple[int, Any]:
        """HTTP status and JSON of an answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        request = self.session.request(method, f"{self.url}{path}", params=query, json=json, headers=headers)
        async with request as response:
            return response.status, await response.json(content_type=None)

    async def tasks(self, *query: tuple[str, str], project: str = "form") -> Any:
        """The page of a list."""
        known = ("projectId", self.emulator.projects[project])
        status, page = await self.send("GET", "api/task-manager/tasks", [known, *query])
        assert status == 200, page
        return page

    async def control(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """HTTP status and JSON of a control request."""
        async with self.session.request(method, f"{self.url}__emulator__/{path}", json=body) as response:
            return response.status, await response.json()


@asynccontextmanager
async def served(emulator: IsahitLabEmulator) -> AsyncIterator[Client]:
    """A client of an emulator that serves, logged in."""
    async with emulator.serve() as url, aiohttp.ClientSession() as session:
        client = Client(session, url, emulator)
        await client.login()
        emulator.reset_audit()
        yield client


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of an emulator whose tasks stand still."""
    async with served(IsahitLabEmulator(seed=1, frozen=True)) as client:
        yield client
