"""A client of an emulator in this process, both closed whatever a test does."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiotasks import Scheduler
from aiotasks.emulators.deepint import DeepintEmulator
from aiotasks.providers.deepint import Client, Credentials, Task, Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@attrs.frozen
class Deepint:
    """An emulator, a client of it, and what is seeded."""

    emulator: DeepintEmulator
    client: Client
    ready: dict[str, Any]

    @property
    def workspace(self) -> Workspace:
        return self.client.workspace(self.ready["workspace_id"])

    def create(self, count: int = 1, **spec: Any) -> list[str]:
        """Ids of new jobs."""
        return [job["id"] for job in self.emulator.create_tasks(count=count, **spec)]

    async def task(self, id: str) -> Task:
        """The task of that id in the first workspace."""
        return await Task.build(self.ready["organization_id"], self.ready["workspace_id"], id, client=self.client)

    def open(self, id: str) -> Task:
        """The handle on a task that nobody has asked about."""
        source = self.client.statuses(self.ready["organization_id"], self.ready["workspace_id"])
        return self.client.open_task(Task, id, source)


@pytest.fixture
async def deepint() -> AsyncIterator[Callable[..., Awaitable[Deepint]]]:
    """Starts an emulator, its jobs standing still unless told otherwise, and gives it with a client of it."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Deepint:
            emulator = DeepintEmulator(**{"frozen": True, **options})
            url = await stack.enter_async_context(emulator.serve())
            scheduler = await stack.enter_async_context(Scheduler())
            ready = emulator.greeting(url)
            client = Client(
                Credentials(emulator.token, url), organization_id=ready["organization_id"], scheduler=scheduler
            )
            return Deepint(emulator, await stack.enter_async_context(client), ready)

        yield start
