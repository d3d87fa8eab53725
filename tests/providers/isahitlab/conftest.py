"""A client of an emulator in this process, both closed whatever a test does."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import Scheduler
from aiotasks.emulators.isahitlab import IsahitLabEmulator
from aiotasks.providers.isahitlab import IsahitLab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@pytest.fixture
async def isahitlab() -> AsyncIterator[Callable[..., Awaitable[tuple[IsahitLabEmulator, IsahitLab]]]]:
    """Starts an emulator, its tasks standing still unless told otherwise, and gives it with a client of it."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> tuple[IsahitLabEmulator, IsahitLab]:
            emulator = IsahitLabEmulator(**{"frozen": True, **options})
            url = await stack.enter_async_context(emulator.serve())
            scheduler = await stack.enter_async_context(Scheduler())
            client = IsahitLab(emulator.access_id, emulator.secret_key, endpoint=url, scheduler=scheduler)
            return emulator, await stack.enter_async_context(client)

        yield start
