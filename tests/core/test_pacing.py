"""How long to stay away: never less than asked, jitter only adds."""

from __future__ import annotations

import random

import pytest

from aiotasks._core.pacing import after, backoff, rounded_up, stay_away


@pytest.mark.covers("I-01", "F-55")
def test_after_is_never_a_rounding_error_short():
    """Start minus end is at least the span, whatever floats make of the sum; and hardly more."""
    chance = random.Random(1)
    for _ in range(20_000):
        end, seconds = chance.choice([1.0, 1e3, 1e6]) * chance.random(), chance.choice([2.0, 2.7, 0.1])
        then = after(end, seconds)
        assert then - end >= seconds
        assert then - end < seconds + 1e-9


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [
        (1, 0.0, 2.0),
        (1, 1.0, 4.0),
        (2, 1.0, 6.0),
        (3, 0.5, 6.0),
        (6, 1.0, 62.0),
        (7, 1.0, 62.0),
        (5_000, 1.0, 62.0),
    ],
)
def test_backoff_doubles_up_to_its_cap(failures, jitter, seconds):
    """L-10: two seconds, and a random part that doubles with each failure in a row."""
    assert backoff(failures, lambda: jitter) == seconds


@pytest.mark.covers("F-15", "B-32")
@pytest.mark.parametrize(
    ("asked", "jitter", "seconds"),
    [
        (10.0, 0.0, 10.0),
        (10.0, 1.0, 11.0),
        (0.0, 1.0, 0.0),
        (-5.0, 1.0, 0.0),
        (200.0, 1.0, 205.0),
        (1e9, 0.0, 3_600.0),
    ],
)
def test_retry_after_is_kept_and_capped(asked, jitter, seconds):
    """Never sooner than asked, a tenth later at most, and never longer than an hour."""
    assert stay_away(asked, lambda: jitter) == seconds


@pytest.mark.parametrize(
    ("interval", "window", "result"),
    [
        (2.0, 0.5, 2.0),
        (2.1, 0.5, 2.5),
        (2.1, 0.7, 2.1),
        (2.1, 0.0, 2.1),
        (10.0, 0.3, 10.2),
        (86_400.0, 0.5, 86_400.0),
    ],
)
def test_intervals_are_rounded_up_to_the_window(interval, window, result):
    """So that tasks of nearly one interval share a group; a hair above a multiple is that multiple."""
    assert rounded_up(interval, window) == pytest.approx(result, abs=1e-9)
    assert rounded_up(interval, window) >= interval
