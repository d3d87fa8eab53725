"""The event loop and the process that something lives in, from its first use on (F-42, F-46)."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from aiotasks._runtime.turns import Turns
from aiotasks.errors import ForkedScheduler, WrongLoop
from aiotasks.limits import CLOCK_STEP

__all__ = ["Home"]

#: Seconds that a loop's clock may be behind `time.monotonic` and still be taken for the same one, read long ago.
_SAME_CLOCK: Final = 60.0


class Home:
    """Where a scheduler lives. Empty until the first use, and never another one after that."""

    __slots__ = ("_is_coarse", "_loop", "_pid", "_turns")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: Turns | None = None
        self._is_coarse = False
        self._pid = os.getpid()

    @property
    def is_found(self) -> bool:
        """Whether there was a first use."""
        return self._loop is not None

    @property
    def is_in_this_process(self) -> bool:
        """Whether this is no child that was forked off since the first use."""
        return self._pid == os.getpid()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, once it is found."""
        assert self._loop is not None
        return self._loop

    @property
    def turns(self) -> Turns:
        """The turns of the loop, once it is found."""
        assert self._turns is not None
        return self._turns

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return self.loop.time()

    def just_after(self) -> float:
        """A moment on the loop's clock that is over: for the end of a query, which must never seem too early.

        uvloop reads its clock once per pass, in whole milliseconds, and rounds its timers to them: by that clock
        alone two queries are less than 2 s apart (I-01) by as long as the pass had lasted before the first ended.
        """
        return self.now() + _lag(self.loop) + CLOCK_STEP if self._is_coarse else self.now()

    def enter(self) -> asyncio.AbstractEventLoop:
        """Settle in the running loop at the first use, and make sure that it is still that one. -> the loop.

        Raises:
            WrongLoop: another loop, or none, is running here.
            ForkedScheduler: a child process.
        """
        if self._loop is None:
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                raise WrongLoop("a scheduler is used from inside a running event loop, with `await`") from None
            self._turns = Turns(self._loop)
            self._is_coarse = _is_coarse(self._loop)
            self._pid = os.getpid()
        if not self.is_in_this_process:
            raise ForkedScheduler("the scheduler lives in the parent process; construct one in this process")
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self._loop:
            raise WrongLoop(
                "this scheduler, its clients and tasks belong to the event loop of their first await; "
                "use a client of this loop, and Task.token() to hand a task over"
            )
        return self._loop


def _lag(loop: asyncio.AbstractEventLoop) -> float:
    """Seconds that the loop's clock is behind the one it is read from."""
    return time.monotonic() - loop.time()  # noqa: TID251 - the loop's own clock, only read anew


def _is_coarse(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop's clock is `time.monotonic`, but behind it. asyncio's own reads it anew at each look.

    Virtual time is somewhere else altogether, or belongs to a loop of asyncio's: it is exact.
    """
    return not isinstance(loop, asyncio.BaseEventLoop) and 0.0 <= _lag(loop) < _SAME_CLOCK
