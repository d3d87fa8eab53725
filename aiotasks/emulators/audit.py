"""The auditor: when each task was asked about, as the server saw it.

It keeps one number per task and per list page, so 100,000 tasks cost 10 MB and a check a fifth of a
microsecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

_K = TypeVar("_K", bound="Hashable")

__all__ = ["ALLOWED_GAP", "Audit", "Auditor"]

#: Two arrivals closer than this are a violation: the floor of 2 seconds less a millisecond of clock and
#: network.
ALLOWED_GAP: Final = 1.999


class Audit(TypedDict):
    """The auditor's account of all requests since the start, or since it was last told to start anew."""

    requests: int
    status_requests: int
    tasks: int
    checks: int
    min_gap_seconds: float | None
    violations: int


@attrs.define
class Auditor:
    """Records the arrivals of requests and judges the gaps between them. All times are seconds on the loop's
    clock.

    A request *names* a task when it asks for its status by id; it counts once per task however often it
    repeats the id. A list page names
    nobody: it is judged as a page. The gaps of both make `min_gap_seconds`, so there is a violation exactly
        when it is below `ALLOWED_GAP`.
    """

    _requests: int = 0
    _status_requests: int = 0
    _checks: int = 0
    _violations: int = 0
    _min_gap: float | None = None
    _asked: dict[str, float] = attrs.Factory(dict)
    _pages: dict[Hashable, float] = attrs.Factory(dict)

    def arrived(self) -> None:
        """Counts one request of any kind to the platform."""
        self._requests += 1

    def asked(self, at: float, *, tasks: Collection[str] = (), pages: Iterable[Hashable] = ()) -> None:
        """Counts one status request: the tasks it names and the list pages it asks for.

        Args:
            at: When the request arrived.
            tasks: Ids, repeated ones count once.
            pages: A key for each page: the list, its filter, its order and the place in it.
        """
        named = set(tasks)
        self._status_requests += 1
        self._checks += len(named)
        self._judge(at, named, self._asked)
        self._judge(at, set(pages), self._pages)

    def _judge(self, at: float, keys: set[_K], last: dict[_K, float]) -> None:
        for key in keys:
            before = last.get(key)
            last[key] = at
            if before is None:
                continue
            gap = at - before
            if self._min_gap is None or gap < self._min_gap:
                self._min_gap = gap
            if gap < ALLOWED_GAP:
                self._violations += 1

    def report(self) -> Audit:
        """The account so far."""
        return Audit(
            requests=self._requests,
            status_requests=self._status_requests,
            tasks=len(self._asked),
            checks=self._checks,
            min_gap_seconds=self._min_gap,
            violations=self._violations,
        )
