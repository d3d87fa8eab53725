"""A client of an emulator in this process, both closed whatever a test does."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import Scheduler
from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.providers.labelbox import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@pytest.fixture
async def labelbox() -> AsyncIterator[Callable[..., Awaitable[tuple[LabelboxEmulator, Client]]]]:
    """Starts an emulator, its jobs standing still unless told otherwise, and gives it with a client of it."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> tuple[LabelboxEmulator, Client]:
            emulator = LabelboxEmulator(**{"frozen": True, **options})
            url = await stack.enter_async_context(emulator.serve())
            scheduler = await stack.enter_async_context(Scheduler())
            client = Client(emulator.api_key, endpoint=url, scheduler=scheduler)
            return emulator, await stack.enter_async_context(client)

        yield start
