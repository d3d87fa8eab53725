"""The cohorts of a group that have room, in the order they are due: where to sit down.

A sorted list with lazy removal. Scanning all cohorts with room instead cost 40 us per newcomer at 2,000 of them
(100,000 tasks in batches of 50, some of whose siblings have ended).
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Seats"]

#: Stale entries that are not worth pruning.
_FEW: Final = 64
_due = itemgetter(0)


class Host(Protocol):
    #: Unique, and larger the younger it is.
    born: int
    due: float

    @property
    def may_be_joined(self) -> bool: ...


H = TypeVar("H", bound=Host)


class Seats(Generic[H]):
    """An index of `room`, the hosts that are not full. One that is planned anew is offered again."""

    __slots__ = ("_entries", "_room")

    def __init__(self, room: Collection[H]) -> None:
        #: The owner adds to it and removes from it.
        self._room = room
        self._entries: list[tuple[float, int, H]] = []

    def offer(self, host: H) -> None:
        """`host`, with room, is due at its `due`."""
        if len(self._entries) > 2 * len(self._room) + _FEW:
            self._entries = [entry for entry in self._entries if self._holds(entry)]
        entry = (host.due, host.born, host)
        index = bisect_left(self._entries, entry)
        if self._entries[index : index + 1] != [entry]:
            self._entries.insert(index, entry)

    def soonest(self, latest: float) -> H | None:
        """The host that is due first, if that is at `latest` or before."""
        entries = self._entries
        stale = 0
        for due, _, host in entries:
            if due > latest:
                break
            if self._holds((due, 0, host)):
                del entries[:stale]
                return host
            stale += 1
        del entries[:stale]
        return None

    def between(self, first: float, last: float) -> Iterator[H]:
        """Hosts due at `first` to `last`, in that order."""
        entries = self._entries
        for index in range(bisect_left(entries, first, key=_due), len(entries)):
            if entries[index][0] > last:
                return
            if self._holds(entries[index]):
                yield entries[index][2]

    def _holds(self, entry: tuple[float, int, H]) -> bool:
        due, _, host = entry
        return due == host.due and host in self._room and host.may_be_joined
