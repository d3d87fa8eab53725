"""isahit lab passes the suite that every platform passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiotasks.emulators.isahitlab import IsahitLabEmulator
from aiotasks.providers.isahitlab import IsahitLab, Task
from aiotasks.testing.conformance import Conformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence


@attrs.frozen
class Subject:
    """The emulator, as the suite handles it."""

    emulator: IsahitLabEmulator
    url: str
    batch_limit: int = 100

    def client(self, *, is_trusted: bool = True) -> IsahitLab:
        key = self.emulator.secret_key if is_trusted else "another"
        return IsahitLab(self.emulator.access_id, key, endpoint=self.url)

    async def tasks(self, client: IsahitLab, count: int) -> Sequence[Task]:
        created = self.emulator.create_tasks(count=count)
        return client.open_tasks(created[0]["project"], [each["id"] for each in created])

    async def absent(self, client: IsahitLab) -> Task:
        (task,) = client.open_tasks(self.emulator.projects["iat-rectangle"], ["nobody"])
        return task

    def end(self, *ids: Any) -> None:
        for id in ids:
            self.emulator.change_task(id, status="complete")

    def say(self, id: Any, word: str) -> None:
        self.emulator.change_task(id, status=word)

    def poison(self, id: Any) -> None:
        self.emulator.fault(poisoned=[id])

    def throttle(self, seconds: int) -> None:
        self.emulator.fault(status=429, retry_after=seconds, on="status", times=1)

    def audit(self) -> Mapping[str, Any]:
        return self.emulator.audit()


@pytest.mark.looptime
class TestIsahitLab(Conformance):
    """The suite against the emulator."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        emulator = IsahitLabEmulator(frozen=True)
        async with emulator.serve() as url:
            yield Subject(emulator, url)
