"""One budget of work per pass of the loop, shared by everything that could hog it.

A budget each does not add up: eight streams of 1 ms each cost their neighbours 33 ms (PERFORMANCE 4). Whoever has
much to do asks `is_over` now and then, and awaits `next()` when it is. One of those who wait goes on per pass.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aiotasks.limits import TURN_BUDGET

if TYPE_CHECKING:
    import asyncio

__all__ = ["Turns"]


class Turns:
    """The turns of one loop."""

    __slots__ = ("_ends_at", "_is_scheduled", "_loop", "_queue")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends_at = 0.0
        self._is_scheduled = False
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def is_over(self) -> bool:
        """Whether this pass of the loop has done its share."""
        now = self._loop.time()
        if not self._is_scheduled:
            # The first to ask in a pass opens its budget; the callback runs in the next pass and closes it.
            self._is_scheduled = True
            self._ends_at = now + TURN_BUDGET
            self._loop.call_soon(self._begin)
        return now >= self._ends_at

    async def next(self) -> None:
        """Let the loop go round. Cancellation: the place in the queue is given up."""
        turn = self._loop.create_future()
        self._queue.append(turn)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._begin)
        await turn

    def _begin(self) -> None:
        self._ends_at = self._loop.time() + TURN_BUDGET
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                # It runs in the pass after this one; a budget for that pass is opened for it alone.
                self._loop.call_soon(self._begin)
                return
        self._is_scheduled = False
