"""How long a job runs and how it ends, drawn from a seed; where it is in its life, read from the clock.

No job has a timer: its state is computed when somebody asks, so that 100,000 jobs cost nothing while nobody
does.
"""

from __future__ import annotations

import random
import uuid
from typing import Final

import attrs

__all__ = ["Fates", "Life", "span"]

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@attrs.define
class Life:
    """One job's start and end, in seconds on the loop's clock. An end of None never comes."""

    start: float
    end: float | None

    def is_over(self, now: float) -> bool:
        """Whether the end has come."""
        return self.end is not None and now >= self.end

    def share(self, now: float) -> float:
        """How much of the life has passed, from 0 to 1; 0 as long as no end is known."""
        if self.end is None:
            return 0.0
        if now >= self.end:
            return 1.0
        return (now - self.start) / (self.end - self.start)


class Fates:
    """Draws ids, durations and failures: the same ones in the same order for the same seed.

    Args:
        seed: Any integer.
        frozen: True gives jobs no end of their own: only control requests move them.
        duration: Shortest and longest life in seconds.
        failures: Share of the jobs that fail, from 0 to 1.
    """

    def __init__(self, *, seed: int, frozen: bool, duration: tuple[float, float], failures: float) -> None:
        span(duration)
        if not 0.0 <= failures <= 1.0:
            raise ValueError(f"failures: {failures!r} is not a share from 0 to 1")
        self._random = random.Random(seed)  # noqa: S311  # a pretended life, the same for the same seed
        self._frozen = frozen
        self._duration = duration
        self._failures = failures

    def identifier(self) -> str:
        """A new id of 25 characters, in the manner of a cuid."""
        return "c" + "".join(self._random.choices(_LETTERS, k=24))

    def uuid(self) -> str:
        """A new id in the form of a UUID of version 4."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def lifetime(self) -> float | None:
        """Seconds a new job runs; None when life is frozen."""
        seconds = self.seconds(self._duration)
        return None if self._frozen else seconds

    def seconds(self, duration: float | tuple[float, float]) -> float:
        """The duration itself, or one drawn from a span."""
        low, high = span(duration)
        return low if low == high else self._random.uniform(low, high)

    def fails(self) -> bool:
        """Whether a new job ends badly."""
        return self._random.random() < self._failures


def span(duration: float | tuple[float, float]) -> tuple[float, float]:
    """Shortest and longest of a duration or a span of them. Raises `ValueError` for one that cannot be."""
    low, high = duration if isinstance(duration, tuple) else (duration, duration)
    if not 0.0 <= low <= high < float("inf"):
        raise ValueError(f"duration: {low!r} to {high!r} is not a span of seconds with 0 <= from <= to")
    return low, high
