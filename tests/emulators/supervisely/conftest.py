"""A pretended Supervisely whose tasks stand still, and somebody to ask it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from aiotasks.emulators.supervisely import SuperviselyEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.define
class Client:
    """Posts as the SDK does, and sends control requests."""

    session: aiohttp.ClientSession
    url: str
    emulator: SuperviselyEmulator

    async def send(self, method: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """HTTP status and JSON of the answer."""
        headers = {"x-api-key": self.emulator.token, **headers}
        async with self.session.post(f"{self.url}/public/api/v3/{method}", json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def ask(self, method: str, **body: Any) -> Any:
        """The answer of a call that works."""
        status, answer = await self.send(method, body)
        assert status == 200, answer
        return answer

    async def listed(self, *filters: tuple[str, str, Any], **more: Any) -> list[int]:
        """Ids of the tasks that a list shows."""
        conditions = [dict(zip(("field", "operator", "value"), each, strict=True)) for each in filters]
        body = {"workspaceId": self.emulator.workspace_id, "filter": conditions, **more}
        return [task["id"] for task in (await self.ask("tasks.list", **body))["entities"]]

    async def control(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """HTTP status and JSON of a control request."""
        async with self.session.request(method, f"{self.url}/__emulator__/{path}", json=body) as response:
            return response.status, await response.json()

    def made(self, **spec: Any) -> list[int]:
        """Ids of new tasks."""
        return [task["id"] for task in self.emulator.create_tasks(**spec)]


@asynccontextmanager
async def served(emulator: SuperviselyEmulator) -> AsyncIterator[Client]:
    """A client of an emulator that serves."""
    async with emulator.serve() as url, aiohttp.ClientSession() as session:
        yield Client(session, url, emulator)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of an emulator whose tasks stand still."""
    async with served(SuperviselyEmulator(seed=1, frozen=True)) as client:
        yield client
