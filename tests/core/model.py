"""A model server and an audited planner: whole scenarios as plain function calls, in virtual time.

The `World` plays the shell: it sends what the planner wants sent, answers by the model, and checks the promises of
the fault catalogue after every step (I-01 two seconds, I-02 no lost wait, I-03 terminal is final, I-05 bounded).
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import attrs

from aiotasks._core import events
from aiotasks._core.cohorts import Record
from aiotasks._core.planner import Planner
from aiotasks._core.waits import Wait
from aiotasks.errors import AiotasksError
from aiotasks.models import Account, Answer, Observation, Query, Request, Response, State, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiotasks._core.matching import Flight

STATES = {
    "queued": State.PENDING,
    "running": State.RUNNING,
    "done": State.SUCCEEDED,
    "failed": State.FAILED,
}
#: Slack for adding and subtracting floats.
EPSILON = 1e-9


@attrs.frozen
class Row:
    id: str
    word: str
    progress: float | None = None


@attrs.frozen
class ModelSource:
    """A source that speaks to no wire: the world answers its queries directly."""

    account: Account
    lane: str = "lane"
    batch_limit: int = 5

    def request(self, query: Query) -> Request:
        return Request(url="https://model.invalid/", body=",".join(query.ids).encode())

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        raise NotImplementedError("the world hands answers to the planner itself")

    def observe(self, row: Row) -> Observation:
        state = STATES.get(row.word, State.UNKNOWN)
        return Observation(word=row.word, state=state, progress=row.progress, is_final=state.is_end)

    def learn(self, fact: Any) -> ModelSource:
        if isinstance(fact, TooLarge):
            return attrs.evolve(self, batch_limit=max(1, min(self.batch_limit, fact.count // 2)))
        return self


def account(name: str = "a") -> Account:
    return Account(platform="model", origin="https://model.invalid:443", fingerprint=name)


@attrs.define(eq=False)
class World:
    """The planner, the audit of what it sends, and a clock that the test moves."""

    source: ModelSource
    latency: Callable[[], float] = lambda: 0.05
    respond: Callable[[World, Flight], Answer | AiotasksError] | None = None
    window: float = 0.5
    now: float = 0.0
    jitter: Callable[[], float] = lambda: 0.5
    planner: Planner = attrs.field(init=False)
    words: dict[str, Row] = attrs.field(factory=dict)
    #: What was sent: (start, ids).
    sent: list[tuple[float, tuple[str, ...]]] = attrs.field(factory=list)
    #: End of the last query that named an id.
    ended_at: dict[str, float] = attrs.field(factory=dict)
    flying: dict[str, Flight] = attrs.field(factory=dict)
    gaps: list[float] = attrs.field(factory=list)
    landings: list[tuple[float, int, Flight]] = attrs.field(factory=list)
    settled: dict[Wait[Any], float] = attrs.field(factory=dict)
    told: list[Wait[Any]] = attrs.field(factory=list)
    finals: dict[Record, str] = attrs.field(factory=dict)
    effects: list[str] = attrs.field(factory=list)
    #: Look at every registered task after every step; simulations of thousands do without.
    is_thorough: bool = True

    def __attrs_post_init__(self) -> None:
        self.planner = Planner(jitter=self.jitter, window=self.window)

    # --- what a caller does -------------------------------------------------------------------------

    def task(self, id: str, source: ModelSource | None = None) -> Record:
        self.words.setdefault(id, Row(id, "running"))
        return Record(id, source or self.source)

    def tasks(self, count: int, prefix: str = "t") -> list[Record]:
        return [self.task(f"{prefix}{number}") for number in range(count)]

    def wait(self, *records: Record, interval: float = 2.0, timeout: float | None = None, **kind: Any) -> Wait[Any]:
        deadline = None if timeout is None else self.now + timeout
        wait: Wait[Any] = Wait(records, interval=interval, deadline=deadline, **kind)
        self.planner.feed(events.Watched(records, wait), self.now)
        self.step()
        return wait

    def cancel(self, wait: Wait[Any]) -> None:
        self.planner.feed(events.Ended(wait), self.now)
        self.step()

    def set(self, id: str, word: str, progress: float | None = None) -> None:
        self.words[id] = Row(id, word, progress)

    # --- what the shell does --------------------------------------------------------------------------

    def step(self) -> None:
        """Carry out what is due now."""
        for effect in self.planner.due(self.now):
            match effect:
                case events.Send(flight, due):
                    self._send(flight, due)
                case events.Settle(wait):
                    assert wait not in self.settled, "a wait was settled twice (I-02)"
                    assert not wait.is_open
                    self.settled[wait] = self.now
                    self.effects.append(f"{self.now:.6f} settle {len(wait.tasks)} {type(wait.outcome).__name__}")
                case events.Tell(wait):
                    wait.is_told = False
                    self.told.append(wait)
        if self.is_thorough:
            self._check_finals()

    def run(self, until: float) -> None:
        """Let time pass, from event to event."""
        for _ in range(200_000):
            wakeup = self.planner.next_wakeup()
            landing = self.landings[0][0] if self.landings else math.inf
            moment = min(math.inf if wakeup is None else wakeup, landing)
            if moment > until:
                break
            self.now = max(self.now, moment)
            while self.landings and self.landings[0][0] <= self.now:
                self._land(heapq.heappop(self.landings)[2])
            self.step()
        else:
            raise AssertionError("the planner is busy without end")
        self.now = max(self.now, until)

    def _send(self, flight: Flight, due: float) -> None:
        ids = flight.query.ids
        assert len(ids) <= flight.source.batch_limit, "larger than the batch limit (I-05)"
        assert len(set(ids)) == len(ids), "an id twice in one query"
        assert due <= self.now + EPSILON
        for record in flight.members:
            assert record.interval is not None, f"{record.id} is asked about though nobody waits"
            assert record not in self.finals, "a final task is asked about (I-03)"
        for id in ids:
            assert id not in self.flying, "two queries in flight name one task (F-10)"
            self.flying[id] = flight
            if id in self.ended_at:
                gap = self.now - self.ended_at[id]
                assert gap >= 2.0, f"{id} is asked {gap} s after its last query (I-01)"
                self.gaps.append(gap)
        self.sent.append((self.now, ids))
        self.effects.append(f"{self.now:.6f} send {','.join(ids)}")
        heapq.heappush(self.landings, (self.now + self.latency(), flight.number, flight))

    def _land(self, flight: Flight) -> None:
        for id in flight.query.ids:
            del self.flying[id]
            self.ended_at[id] = self.now
        answer = (self.respond or World.answer)(self, flight)
        if isinstance(answer, AiotasksError):
            self.planner.feed(events.Failed(flight, answer, self.now), self.now)
            return
        rows = answer.rows
        for start in range(0, max(1, len(rows)), 3):  # in blocks, as a source would
            block = attrs.evolve(answer, rows=rows[start : start + 3])
            if start:
                block = attrs.evolve(block, missing=(), refused={}, facts=())
            self.planner.feed(events.Answered(flight, block), self.now)
        digest = hash((flight.query.ids, tuple(rows)))
        self.planner.feed(events.Landed(flight, self.now, digest), self.now)

    def answer(self, flight: Flight) -> Answer:
        """What a healthy server says."""
        return Answer(rows=[self.words[id] for id in flight.query.ids if id in self.words])

    def _check_finals(self) -> None:
        for _, book in self.planner.books():
            for record in book.records.values():
                if record.is_final:
                    assert self.finals.setdefault(record, record.word or "") == record.word, "final changed (I-03)"

    # --- what a test asks -------------------------------------------------------------------------------

    def is_settled(self, wait: Wait[Any]) -> bool:
        return wait in self.settled

    def asked(self, id: str) -> list[float]:
        """When `id` was asked about."""
        return [at for at, ids in self.sent if id in ids]


def world(batch_limit: int = 5, **options: Any) -> World:
    return World(ModelSource(account(), batch_limit=batch_limit), **options)
