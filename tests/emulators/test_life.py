"""Lives are drawn from a seed and read from the clock."""

from __future__ import annotations

import math

import pytest

from aiotasks.emulators.life import Fates, Life


def _fates(**options: object) -> Fates:
    return Fates(**{"seed": 1, "frozen": False, "duration": (5.0, 15.0), "failures": 0.0, **options})


def test_same_seed_gives_the_same_fates():
    """Ids, durations and failures replay from the seed."""
    first, second = (
        [(fates.identifier(), fates.lifetime(), fates.fails()) for _ in range(50)]
        for fates in (_fates(failures=0.5), _fates(failures=0.5))
    )
    assert first == second


def test_lifetimes_stay_within_their_span():
    """No job is shorter or longer than it was said."""
    fates = _fates(duration=(2.0, 3.0))
    assert all(2.0 <= (fates.lifetime() or math.nan) <= 3.0 for _ in range(200))


def test_frozen_fates_give_no_lifetime():
    """A frozen job has no end of its own."""
    assert _fates(frozen=True).lifetime() is None


def test_identifiers_look_like_the_platforms_own():
    """25 characters, the first a c, all different."""
    fates = _fates()
    ids = {fates.identifier() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(len(id) == 25 and id[0] == "c" and id.isalnum() and id.islower() for id in ids)


@pytest.mark.parametrize("failures", [0.0, 0.25, 1.0])
def test_share_of_failures_is_met(failures):
    """So many jobs fail as were said, give or take chance."""
    fates = _fates(failures=failures)
    assert sum(fates.fails() for _ in range(4_000)) / 4_000 == pytest.approx(failures, abs=0.03)


@pytest.mark.parametrize("options", [{"duration": (5.0, 4.0)}, {"duration": (-1.0, 4.0)}, {"failures": 1.5}])
def test_impossible_fates_are_refused(options):
    """A span that runs backwards and a share beyond 1 are errors at once."""
    with pytest.raises(ValueError, match=next(iter(options))):
        _fates(**options)


def test_life_passes_with_the_clock():
    """The share grows from 0 to 1 and the life is over at its end, not before."""
    life = Life(10.0, 20.0)
    assert [life.share(now) for now in (10.0, 15.0, 20.0, 99.0)] == [0.0, 0.5, 1.0, 1.0]
    assert [life.is_over(now) for now in (10.0, 19.999, 20.0)] == [False, False, True]


def test_life_without_an_end_never_passes():
    """A frozen job neither moves nor ends."""
    life = Life(10.0, None)
    assert (life.share(1e9), life.is_over(1e9)) == (0.0, False)


def test_life_of_no_length_is_over_at_once():
    """A duration of 0 seconds divides by nothing."""
    assert Life(10.0, 10.0).share(10.0) == 1.0
