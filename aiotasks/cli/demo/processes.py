"""The emulators, each a process of its own, from its ready line to its end."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import attrs
import yarl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

__all__ = ["Emulator", "EmulatorError", "emulators"]

#: Seconds for an emulator to say that it is ready.
_READY: Final = 20.0
#: Seconds until the end of a process is noticed: its connections break first.
_NOTICED: Final = 0.3
#: Seconds for a process to end that was told to.
_GRACE: Final = 5.0


class EmulatorError(Exception):
    """An emulator did not start, or ended before its time."""


@attrs.define(eq=False)
class Emulator:
    """One emulated platform: its process, and what its ready line said."""

    platform: str
    process: asyncio.subprocess.Process = attrs.field(repr=False)
    ready: dict[str, Any] = attrs.Factory(dict)

    @property
    def controls(self) -> yarl.URL:
        """Where its control requests are."""
        return yarl.URL(self.ready["url"]).origin() / "__emulator__"

    async def watch(self) -> None:
        """Returns never; raises `EmulatorError` when the process ends."""
        code = await self.process.wait()
        raise EmulatorError(f"the emulated {self.platform} ended before its time, with exit code {code}")

    async def greet(self) -> None:
        """Waits for the ready line."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(_READY):
                said = await self.process.stdout.readline()
                code = await self.process.wait() if not said else None
        except TimeoutError:
            raise EmulatorError(f"the emulated {self.platform} was not ready within {_READY:.0f} s") from None
        if not said:
            raise EmulatorError(
                f"the emulated {self.platform} did not start (exit code {code}); "
                "what it needs comes with: pip install 'aiotasks[demo]'"
            )
        try:
            self.ready = json.loads(said)
        except ValueError:
            raise EmulatorError(f"the emulated {self.platform} did not say where it is") from None


@asynccontextmanager
async def emulators(platforms: Iterable[str]) -> AsyncIterator[list[Emulator]]:
    """The emulators of `platforms`, ready; none is left behind.

    Raises:
        EmulatorError: one did not start, or what failed inside the context did so after one had ended.
    """
    started: list[Emulator] = []
    try:
        for platform in platforms:
            # One by one: those that run already are known, and ended, if the next one cannot be started.
            started.append(Emulator(platform, await _process(platform)))  # noqa: PERF401
        async with asyncio.TaskGroup() as group:
            for each in started:
                group.create_task(each.greet())
        yield started
    except Exception:
        await _blame(started)
        raise
    finally:
        await _end(started)


async def _process(platform: str) -> asyncio.subprocess.Process:
    """In a group of its own: a Ctrl-C is for this process, which then ends that one."""
    command = (sys.executable, "-m", "aiotasks", "emulate", platform, "--duration", "5:15")
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, process_group=0
    )


async def _blame(started: Iterable[Emulator]) -> None:
    """Raises `EmulatorError` if an emulator that had been ready has ended: then that is the reason of what failed."""
    for each in started:
        if each.ready:
            with suppress(TimeoutError):
                async with asyncio.timeout(_NOTICED):
                    await each.watch()


async def _end(started: Iterable[Emulator]) -> None:
    """Tells all to end before it waits for any; one that does not is killed."""
    for each in started:
        _signal(each, "terminate")
    try:
        async with asyncio.timeout(_GRACE):
            for each in started:
                await each.process.wait()
    except TimeoutError:
        pass
    finally:
        for each in started:
            _signal(each, "kill")


def _signal(emulator: Emulator, how: str) -> None:
    if emulator.process.returncode is None:
        with suppress(ProcessLookupError):
            getattr(emulator.process, how)()
