"""A platform in memory: for tests of code that awaits tasks, without a network and in virtual time if you like.

    >>> import asyncio
    >>> async def main():
    ...     platform = FakePlatform()
    ...     async with platform.client() as client:
    ...         task = client.start("job-1")
    ...         platform.set("job-1", "done")  # or "failed", "cancelled", "running" with a progress, ...
    ...         await task
    ...         return task
    >>> asyncio.run(main())
    <FakeTask job-1 done (succeeded)>

Faults come from `script`, what arrived is in `queries`, and `gaps` shows that no job was asked about too often.
Under a loop with virtual time (looptime, for one) hours take milliseconds. It keeps to the seams as any platform.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from aiotasks._runtime.client import BaseClient
from aiotasks._runtime.decode import decoded, raise_for_status
from aiotasks._runtime.task import Task
from aiotasks._runtime.transport import HttpTransport
from aiotasks.errors import AiotasksError, SchedulerClosed
from aiotasks.models import Account, Answer, Observation, Query, Request, Response, State, TaskRef, TooLarge
from aiotasks.safety import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aiotasks._runtime.scheduler import Scheduler

__all__ = ["FakeClient", "FakePlatform", "FakeSource", "FakeTask"]

#: The words of the fake platform, and what they mean.
WORDS = {
    "queued": State.PENDING,
    "running": State.RUNNING,
    "deployed": State.RUNNING,
    "done": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


class FakeTask(Task):
    """A job of the fake platform."""

    __slots__ = ()


class _Row(msgspec.Struct, gc=False):
    id: str
    word: str
    progress: float | None = None


_ROWS = msgspec.json.Decoder(list[_Row])


@attrs.frozen
class FakeSource:
    """Asks for up to `batch_limit` jobs in one request; what the answer leaves out does not exist."""

    account: Account
    batch_limit: int = 100
    lane: str = "jobs"

    def request(self, query: Query) -> Request:
        """A JSON list of ids."""
        return Request(url=f"{self.account.origin}/jobs", body=msgspec.json.encode(query.ids))

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """A JSON list of rows."""
        raise_for_status(response, platform=self.account.platform)
        rows = decoded(response, _ROWS, platform=self.account.platform)
        heard = {row.id for row in rows}
        yield Answer(rows=rows, missing=[id for id in query.ids if id not in heard])

    def observe(self, row: _Row) -> Observation:
        """`WORDS` tells; another word is unknown, and open."""
        state = WORDS.get(row.word, State.UNKNOWN)
        return Observation(word=row.word, state=state, progress=row.progress, is_final=state.is_end, details=row)

    def learn(self, fact: Any) -> FakeSource:
        """Half of what was too large."""
        if isinstance(fact, TooLarge):
            return attrs.evolve(self, batch_limit=max(1, min(self.batch_limit, fact.count // 2)))
        return self


class FakeClient(BaseClient):
    """A client of the fake platform."""

    def __init__(self, platform: FakePlatform, scheduler: Scheduler | None = None) -> None:
        transport = HttpTransport(account=platform.account, credential=platform, exchanges=_Line(platform))
        super().__init__(account=platform.account, credential=platform, scheduler=scheduler, transport=transport)
        self._source = FakeSource(platform.account, platform.batch_limit)
        self._platform = platform

    def start(self, id: str, word: str = "running") -> FakeTask:
        """Start a job and give the task that waits for it."""
        self._platform.set(id, word)
        return self.open(id)

    def open(self, id: str) -> FakeTask:
        """The task of a job, whether it exists or not."""
        return self.open_task(FakeTask, id, self._source)

    async def find(self, id: str) -> FakeTask:
        """The task of a job, after asking about it once."""
        return await self.find_task(id, self._source, lambda _: FakeTask)

    def revive(self, ref: TaskRef) -> FakeTask:
        """The task of a token."""
        return self.open(str(ref.id))


class FakePlatform:
    """The platform itself: jobs by id, faults on demand, and an audit of who was asked when.

    Args:
        batch_limit: ids that one query may name.
        latency: seconds from a query's arrival to its answer, on the loop's clock.
        name: tells two fake platforms apart.
    """

    def __init__(self, *, batch_limit: int = 100, latency: float = 0.0, name: str = "fake") -> None:
        secret = Secret(f"key of {name}")
        self.account = Account(platform=name, origin=f"https://{name}.invalid:443", fingerprint=secret.fingerprint())
        self.batch_limit = batch_limit
        self.latency = latency
        self.jobs: dict[str, _Row] = {}
        #: Answers to give instead of the true one, one per query: a Response, an error, or a function of the ids
        #: that gives either, or None for the true answer.
        self.script: list[Response | AiotasksError | Callable[[list[str]], Response | AiotasksError | None]] = []
        #: What arrived: (time, ids).
        self.queries: list[tuple[float, list[str]]] = []
        #: Seconds between two queries that name one id.
        self.gaps: list[float] = []
        self._asked: dict[str, float] = {}

    def client(self, scheduler: Scheduler | None = None) -> FakeClient:
        """A client of this platform; several are of one account."""
        return FakeClient(self, scheduler)

    def set(self, id: str, word: str, progress: float | None = None) -> None:
        """Let a job be in that word from now on."""
        self.jobs[id] = _Row(id, word, progress)

    def asked(self, id: str) -> list[float]:
        """When the job was asked about."""
        return [at for at, ids in self.queries if id in ids]

    def headers(self) -> Mapping[str, str]:
        """As its clients' credential: no header, nobody looks."""
        return {}

    async def renew(self) -> bool:
        """As its clients' credential: there is no other."""
        return False

    async def answer(self, ids: list[str]) -> Response:
        """Take in one query and answer it, after the latency."""
        self._audit(ids)
        if self.latency:
            await asyncio.sleep(self.latency)
        said = self.script.pop(0) if self.script else None
        if callable(said):
            said = said(ids)
        if isinstance(said, AiotasksError):
            raise said.fresh()
        rows = [self.jobs[id] for id in ids if id in self.jobs]
        return said or Response(status=200, body=msgspec.json.encode(rows))

    def _audit(self, ids: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        self.queries.append((now, ids))
        self.gaps += [now - self._asked[id] for id in ids if id in self._asked]
        self._asked.update(dict.fromkeys(ids, now))


class _Line:
    """One client's connection to the platform: what its transport sends over."""

    def __init__(self, platform: FakePlatform) -> None:
        self._platform = platform
        self.is_closed = False

    def enter(self) -> None:
        if self.is_closed:
            raise SchedulerClosed("the client of the fake platform is closed")

    def is_own(self, request: Request) -> bool:
        return request.url.startswith(self._platform.account.origin)

    async def exchange(self, request: Request) -> Response:
        self.enter()
        response = await self._platform.answer(msgspec.json.decode(request.body or b"[]", type=list[str]))
        self.enter()  # what closed meanwhile brings nothing more
        return response

    async def pause(self, seconds: float) -> None:
        self.enter()
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        self.is_closed = True
