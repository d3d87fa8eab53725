"""Faults strike the requests they are meant for, as often as they may."""

from __future__ import annotations

import pytest

from aiotasks.emulators.faults import Faults


def _struck(faults: Faults, *kinds: str, requests: int) -> list[bool]:
    return [faults.take(set(kinds)) is not None for _ in range(requests)]


def test_nothing_goes_wrong_by_itself():
    """Without a fault every request is healthy."""
    assert _struck(Faults(), "user", requests=3) == [False] * 3


def test_fault_strikes_so_often_and_is_gone():
    """`times` counts down; what is spent is no longer listed."""
    faults = Faults()
    faults.add({"status": 502, "times": 2})
    assert _struck(faults, "user", requests=4) == [True, True, False, False]
    assert faults.report() == []


def test_fault_without_times_strikes_until_cleared():
    """None means for ever."""
    faults = Faults()
    faults.add({"status": 502, "times": None})
    assert all(_struck(faults, "user", requests=50))
    faults.clear()
    assert _struck(faults, "user", requests=1) == [False]


def test_fault_spares_the_first_and_strikes_each_nth():
    """`after` and `every` count matching requests only."""
    faults = Faults()
    faults.add({"reset": True, "on": "status", "after": 1, "every": 3})
    assert _struck(faults, "uploadFile", requests=5) == [False] * 5
    assert _struck(faults, "user", "status", requests=8) == [False, False, False, True, False, False, True, False]


def test_fault_leaves_downloads_alone_unless_told():
    """A fault of the API is not one of the storage, and the reverse."""
    faults = Faults()
    faults.add({"status": 500})
    assert _struck(faults, "file", requests=1) == [False]
    faults.clear()
    faults.add({"status": 403, "on": "file"})
    assert (_struck(faults, "file", requests=1), _struck(faults, "user", requests=1)) == ([True], [False])


def test_first_matching_fault_takes_the_request():
    """A request is struck once; the next fault waits for the next request."""
    faults = Faults()
    faults.add({"status": 502, "times": 1})
    faults.add({"status": 503, "times": 1})
    assert [fault.status for _ in range(2) if (fault := faults.take({"user"}))] == [502, 503]


@pytest.mark.parametrize(
    "switches",
    [{}, {"times": 2}, {"status": 700}, {"status": "502"}, {"slow": -1}, {"slow": "x"}, {"times": 0}, {"sloow": 1}],
)
def test_fault_that_makes_no_sense_is_refused(switches):
    """A ValueError, and nothing is set."""
    faults = Faults()
    with pytest.raises(ValueError, match=r"fault|\$|unknown|Expected"):
        faults.add(switches)
    assert faults.report() == []
