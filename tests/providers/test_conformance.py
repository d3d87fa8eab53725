"""Every built-in platform passes the suite that third parties run on theirs."""

from __future__ import annotations

import pytest

from aiotasks import RateLimited, Response
from aiotasks.emulators.deepint import DeepintEmulator
from aiotasks.emulators.isahitlab import IsahitLabEmulator
from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.emulators.supervisely import SuperviselyEmulator
from aiotasks.errors import QueryRefused
from aiotasks.providers import deepint, isahitlab, labelbox, supervisely
from aiotasks.providers.labelbox.source import statuses_of
from aiotasks.testing import FakePlatform
from aiotasks.testing.conformance import Conformance

#: Rules of the catalogue that the suite shows of whatever platform passes it.
RULES = ("I-01", "I-02", "I-04", "I-07", "F-15", "F-17", "F-19", "F-22", "F-36", "F-44", "B-34")


class EmulatedSubject:
    """An emulator, its jobs standing still unless told otherwise: what all emulators are told in the same words."""

    #: The platform's word for a job that ended well.
    end_word: str

    def __init__(self, emulator, url, batch_limit):
        self.emulator = emulator
        self.url = url
        self.batch_limit = batch_limit

    def end(self, *ids):
        for id in ids:
            self.emulator.change_task(id, status=self.end_word)

    def say(self, id, word):
        self.emulator.change_task(id, status=word)

    def poison(self, id):
        self.emulator.fault(poisoned=[id])

    def throttle(self, seconds):
        self.emulator.fault(status=429, retry_after=seconds, times=1, on="status")

    def audit(self):
        return self.emulator.audit()


class LabelboxSubject(EmulatedSubject):
    """Tasks are asked about by the id of the user who created them, which the client asks for."""

    end_word = "COMPLETE"

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


@pytest.mark.looptime
@pytest.mark.covers(*RULES)
class TestLabelbox(Conformance):
    """By a list of ids, and by aliases where the server takes no list."""

    @pytest.fixture(params=[({"id_in": True}, 100), ({"id_in": False}, 50)], ids=["id_in", "aliases"])
    async def subject(self, request):
        switches, batch_limit = request.param
        emulator = LabelboxEmulator(seed=1, frozen=True, faults=[switches])
        async with emulator.serve() as url:
            yield LabelboxSubject(emulator, url, batch_limit)


class SuperviselySubject(EmulatedSubject):
    """Tasks of a workspace that the client was told, or of one that it was not."""

    end_word = "finished"

    def __init__(self, emulator, url, batch_limit, *, tells_workspace):
        super().__init__(emulator, url, batch_limit)
        self.workspace_id = emulator.workspace_id if tells_workspace else None

    def client(self, *, is_trusted=True):
        return supervisely.Api(self.url, self.emulator.token if is_trusted else "wrong")

    async def tasks(self, client, count):
        jobs = self.emulator.create_tasks(count=count)
        return [client.task.open(job["id"], self.workspace_id) for job in jobs]

    async def absent(self, client):
        return client.task.open(999_999_999, self.workspace_id)


@pytest.mark.looptime
@pytest.mark.covers(*RULES)
class TestSupervisely(Conformance):
    """By lists of a known workspace, whole or in small pages; alone where lists are refused or no workspace known."""

    @pytest.fixture(
        params=[
            ({}, 500, True),
            ({"max_per_page": 60}, 60, True),
            ({"max_ids": 250}, 125, True),
            ({"list_status": 403}, 1, True),
            ({}, 1, False),
        ],
        ids=["workspace", "small_pages", "few_ids", "no_lists", "no_workspace"],
    )
    async def subject(self, request):
        switches, batch_limit, tells_workspace = request.param
        emulator = SuperviselyEmulator(seed=1, frozen=True, faults=[switches] if switches else ())
        async with emulator.serve() as url:
            yield SuperviselySubject(emulator, url, batch_limit, tells_workspace=tells_workspace)


class DeepintSubject(EmulatedSubject):
    """One workspace. A query names one task, so a poisoned one has no siblings to take along: it is just refused."""

    end_word = "success"

    def client(self, *, is_trusted=True):
        token = self.emulator.token if is_trusted else "wrong"
        return deepint.Client(deepint.Credentials(token, self.url))

    async def tasks(self, client, count):
        return [self._open(client, job["id"]) for job in self.emulator.create_tasks(count=count)]

    async def absent(self, client):
        return self._open(client, "nobody")

    def _open(self, client, id):
        ready = self.emulator.greeting(self.url)
        return client.open_task(deepint.Task, id, client.statuses(ready["organization_id"], ready["workspace_id"]))


@pytest.mark.looptime
@pytest.mark.covers(*RULES)
class TestDeepint(Conformance):
    """Each task by its own address."""

    @pytest.fixture
    async def subject(self):
        emulator = DeepintEmulator(seed=1, frozen=True)
        async with emulator.serve() as url:
            yield DeepintSubject(emulator, url, 1)


class IsahitLabSubject(EmulatedSubject):
    """Tasks of one project."""

    end_word = "complete"

    def client(self, *, is_trusted=True):
        key = self.emulator.secret_key if is_trusted else "another"
        return isahitlab.IsahitLab(self.emulator.access_id, key, endpoint=self.url)

    async def tasks(self, client, count):
        created = self.emulator.create_tasks(count=count)
        return client.open_tasks(created[0]["project"], [each["id"] for each in created])

    async def absent(self, client):
        (task,) = client.open_tasks(self.emulator.projects["iat-rectangle"], ["nobody"])
        return task


@pytest.mark.looptime
@pytest.mark.covers(*RULES)
class TestIsahitLab(Conformance):
    """By lists of a project's tasks, whole or in small pages."""

    @pytest.fixture(params=[({}, 100), ({"page_limit": 30}, 30)], ids=["whole_pages", "small_pages"])
    async def subject(self, request):
        switches, batch_limit = request.param
        emulator = IsahitLabEmulator(frozen=True, faults=[switches] if switches else ())
        async with emulator.serve() as url:
            yield IsahitLabSubject(emulator, url, batch_limit)


class FakeSubject:
    """The platform in memory, which users test their own code with."""

    def __init__(self) -> None:
        self.platform = FakePlatform(batch_limit=10)
        self.batch_limit = 10
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
@pytest.mark.covers(*RULES)
class TestFake(Conformance):
    """The platform in memory behaves as the real ones do."""

    @pytest.fixture
    async def subject(self):
        return FakeSubject()
