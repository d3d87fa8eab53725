"""How long to stay away. Jitter comes from a function handed in, and only ever adds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiotasks.limits import BACKOFF_CAP, FLOOR, LONGEST_RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["after", "backoff", "rounded_up", "stay_away"]


def after(moment: float, seconds: float) -> float:
    """The first instant that is no less than `seconds` after `moment`, rounding included (F-55).

    >>> (0.3 + 2.0) - 0.3 >= 2.0, after(0.3, 2.0) - 0.3 >= 2.0
    (False, True)
    """
    then = moment + seconds
    return then if then - moment >= seconds else math.nextafter(then, math.inf)


def backoff(failures: int, jitter: Callable[[], float]) -> float:
    """Seconds to wait after the `failures`-th failure in a row (L-10); `jitter()` is within [0, 1)."""
    # The exponent is capped before it overflows; 2 * 2**5 already exceeds the cap.
    return FLOOR + jitter() * min(BACKOFF_CAP, 2.0 * 2.0 ** (min(failures, 16) - 1))


def stay_away(retry_after: float, jitter: Callable[[], float]) -> float:
    """Seconds to keep away when the server asked for `retry_after`: never less, a tenth more at most (L-09)."""
    asked = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
    return asked + jitter() * min(asked * 0.1, 5.0)


def rounded_up(interval: float, window: float) -> float:
    """The smallest multiple of `window` that is no shorter than `interval`.

    >>> rounded_up(2.0, 0.5), rounded_up(2.2, 0.5), rounded_up(3.0, 0.0)
    (2.0, 2.5, 3.0)
    """
    if window <= 0:
        return interval
    steps = interval / window
    # 2.1 / 0.7 is 3.0000000000000004: a hair above a whole number is that number, not the next one.
    whole = round(steps)
    return max((whole if abs(steps - whole) < 1e-9 else math.ceil(steps)) * window, interval)
