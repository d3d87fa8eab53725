"""Who is due when: order among equals, entries that no longer hold, and what is let go of."""

from __future__ import annotations

import attrs
import pytest

from aiotasks._core.seats import Seats
from aiotasks._core.timetable import Timetable


@attrs.define(eq=False)
class Item:
    name: str
    ticket: int = 0


@attrs.define(eq=False)
class Host:
    born: int
    due: float
    may_be_joined: bool = True


def names(timetable: Timetable[Item], now: float) -> str:
    found = ""
    while (item := timetable.pop_due(now)) is not None:
        found += item.name
    return found


@pytest.mark.covers("F-55")
def test_equal_moments_come_out_in_the_order_planned():
    """A sequence number decides, not chance and not the items."""
    timetable: Timetable[Item] = Timetable()
    for name in "cab":
        timetable.plan(Item(name), 5.0)
    timetable.plan(Item("z"), 4.0)
    assert timetable.next_due() == 4.0
    assert names(timetable, 4.9) == "z"
    assert names(timetable, 5.0) == "cab"
    assert timetable.next_due() is None


def test_planning_again_makes_the_older_entry_stale():
    """Sooner or later: only the last word counts."""
    timetable: Timetable[Item] = Timetable()
    a, b, c = Item("a"), Item("b"), Item("c")
    for item in (a, b, c):
        timetable.plan(item, 5.0)
    timetable.plan(a, 9.0)
    timetable.plan(b, 1.0)
    assert len(timetable) == 3
    assert names(timetable, 5.0) == "bc"
    assert names(timetable, 9.0) == "a"


def test_struck_items_do_not_come_up():
    """Striking twice, or one that was never planned, does nothing."""
    timetable: Timetable[Item] = Timetable()
    a, b = Item("a"), Item("b")
    timetable.strike(a)
    timetable.plan(a, 1.0)
    timetable.plan(b, 2.0)
    timetable.strike(a)
    timetable.strike(a)
    assert len(timetable) == 1
    assert timetable.next_due() == 2.0
    assert names(timetable, 9.0) == "b"


@pytest.mark.covers("I-05")
def test_stale_entries_are_pruned():
    """What is held is bounded by what is planned, though nothing ever comes due."""
    timetable: Timetable[Item] = Timetable()
    stays = [Item("s") for _ in range(100)]
    for item in stays:
        timetable.plan(item, 1e9)
    for _ in range(10_000):
        timetable.plan(item := Item("x"), 1e9)
        timetable.strike(item)
    assert len(timetable) == 100
    assert len(timetable._heap) <= 201


@pytest.mark.covers("I-05")
def test_idle_timetable_holds_nothing():
    """The last one struck takes all stale entries along, however few."""
    timetable: Timetable[Item] = Timetable()
    items = [Item("x") for _ in range(5)]
    for item in items:
        timetable.plan(item, 1e9)
    for item in items:
        timetable.strike(item)
    assert timetable._heap == []


def test_seats_are_found_in_the_order_they_are_due():
    """The soonest that holds; one that moved, filled up or flies is passed over."""
    room: dict[Host, None] = {}
    seats: Seats[Host] = Seats(room)
    hosts = [Host(born, due) for born, due in enumerate((3.0, 1.0, 2.0, 5.0))]
    for host in hosts:
        room[host] = None
        seats.offer(host)
        seats.offer(host)  # offering twice lists it once
    assert seats.soonest(9.0) is hosts[1]
    assert seats.soonest(0.5) is None
    hosts[1].may_be_joined = False
    assert seats.soonest(9.0) is hosts[2]
    hosts[2].due = 4.0
    seats.offer(hosts[2])
    assert list(seats.between(2.0, 4.5)) == [hosts[0], hosts[2]]
    del room[hosts[0]]
    assert seats.soonest(9.0) is hosts[2]
    assert list(seats.between(4.5, 9.0)) == [hosts[3]]


@pytest.mark.covers("I-05")
def test_seats_prune_what_no_longer_holds():
    """A cohort with room that nobody joins is offered every interval, for hours."""
    host = Host(1, 0.0)
    seats: Seats[Host] = Seats({host: None})
    for turn in range(10_000):
        host.due = float(turn)
        seats.offer(host)
    assert len(seats._entries) < 100
    assert seats.soonest(1e9) is host
