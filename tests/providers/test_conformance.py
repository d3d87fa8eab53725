"""Every built-in platform passes the suite that third parties run on theirs."""

from __future__ import annotations

import pytest

from aiotasks import RateLimited, Response
from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.errors import QueryRefused
from aiotasks.providers import labelbox
from aiotasks.providers.labelbox.source import statuses_of
from aiotasks.testing import FakePlatform
from aiotasks.testing.conformance import Conformance


class LabelboxSubject:
    """The emulator, its jobs standing still unless told otherwise."""

    batch_limit = 100

    def __init__(self, emulator: LabelboxEmulator, url: str) -> None:
        self.emulator = emulator
        self.url = url

    def client(self, *, is_trusted=True):
        return labelbox.Client(self.emulator.api_key if is_trusted else "wrong", endpoint=self.url)

    async def tasks(self, client, count):
        user = await client.get_user()
        jobs = self.emulator.create_tasks(count=count, type="adv-upsert-data-rows")
        return [self._open(client, job["id"], user.uid) for job in jobs]

    async def absent(self, client):
        return self._open(client, "c-nobody", (await client.get_user()).uid)

    def _open(self, client, id, user):
        return client.open_task(labelbox.DataUpsertTask, id, statuses_of(client, user))

    def end(self, *ids):
        for id in ids:
            self.emulator.change_task(id, status="COMPLETE")

    def say(self, id, word):
        self.emulator.change_task(id, status=word)

    def poison(self, id):
        self.emulator.fault(poisoned=[id])

    def throttle(self, seconds):
        self.emulator.fault(status=429, retry_after=seconds, times=1, on="status")

    def audit(self):
        return self.emulator.audit()


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-02", "I-04", "I-07", "F-15", "F-17", "F-19", "F-22", "F-36", "F-44", "B-34")
class TestLabelbox(Conformance):
    @pytest.fixture(params=[True, False], ids=["id_in", "aliases"])
    async def subject(self, request):
        emulator = LabelboxEmulator(seed=1, frozen=True)
        emulator.fault(id_in=request.param)
        async with emulator.serve() as url:
            subject = LabelboxSubject(emulator, url)
            subject.batch_limit = 100 if request.param else 50
            yield subject


class FakeSubject:
    """The platform in memory, which users test their own code with."""

    def __init__(self) -> None:
        self.platform = FakePlatform(batch_limit=10)
        self.batch_limit = 10
        self.poisoned: set[str] = set()
        self.strangers = FakePlatform(name="fake")

    def client(self, *, is_trusted=True):
        if is_trusted:
            return self.platform.client()
        refused = Response(status=401)
        self.strangers.script = [refused] * 9
        return self.strangers.client()

    async def tasks(self, client, count):
        start = len(self.platform.jobs)
        return [client.start(f"job-{number}") for number in range(start, start + count)]

    async def absent(self, client):
        return client.open("nobody")

    def end(self, *ids):
        for id in ids:
            self.platform.set(id, "done")

    def say(self, id, word):
        self.platform.set(id, word)

    def poison(self, id):
        refused = QueryRefused("poisoned")
        self.platform.script = [lambda ids: refused if id in ids else None] * 200

    def throttle(self, seconds):
        self.platform.script = [RateLimited("slowly", retry_after=float(seconds))]

    def audit(self):
        gaps = self.platform.gaps + self.strangers.gaps
        queries = self.platform.queries + self.strangers.queries
        return {
            "status_requests": len(queries),
            "checks": sum(len(ids) for _, ids in queries),
            "min_gap_seconds": min(gaps, default=None),
            "violations": sum(gap < 1.999 for gap in gaps),
        }


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-02", "I-04", "I-07")
class TestFake(Conformance):
    @pytest.fixture
    async def subject(self):
        return FakeSubject()
