"""What every client gives its platform: handles, searches, tokens, answers asked for once."""

from __future__ import annotations

import asyncio

import pytest

import aiotasks
from aiotasks.errors import InvalidArgument, InvalidType, NetworkError, NotSupported, TaskNotFound, WaitTimeout
from aiotasks.models import Observation, State, TaskRef
from aiotasks.testing import FakeClient, FakePlatform, FakeTask
from tests.runtime.support import assert_forgotten, least_gap, now, outcome, passes, start

pytestmark = pytest.mark.looptime


# --- handles ------------------------------------------------------------------------------------------------


@pytest.mark.covers("F-75")
async def test_opening_a_task_that_is_waited_for_gives_the_same_object(client: FakeClient, platform: FakePlatform):
    """Registered: the same object, until two seconds after its last query. Before and after: a handle of its own."""
    first = client.start("a")
    assert client.open("a") is not first
    with pytest.raises(WaitTimeout):
        await first.wait_till_done(timeout_seconds=1.0)
    assert client.open("a") is first
    await asyncio.sleep(1.6)
    assert client.open("a") is not first


@pytest.mark.covers("F-75")
async def test_two_handles_of_one_task_share_its_queries(client: FakeClient, platform: FakePlatform):
    """Handles made before the wait began are asked about once, and both hear of the end; so do their changes."""
    first, second = client.start("a"), client.open("a")
    waits = [start(first.wait_till_done()), start(second.wait_till_done()), start(aiotasks.wait_all([second]))]
    changes = start(_changes(second))
    await asyncio.sleep(1.0)
    platform.set("a", "running", 50)
    await asyncio.sleep(2.0)
    assert (first.progress, second.progress) == (50, 50)
    platform.set("a", "done")
    await asyncio.gather(*waits)
    assert await changes == ["running", "running", "done"]
    assert first.is_done
    assert second.is_done
    assert all(ids == ["a"] for _, ids in platform.queries)
    assert least_gap(platform) >= 2.0


async def _changes(task: aiotasks.Task) -> list[str | None]:
    return [change.word async for change in task.changes()]


@pytest.mark.covers("F-75", "S-35")
async def test_one_id_in_two_accounts_is_two_tasks(client: FakeClient, platform: FakePlatform):
    """Ids of two accounts never share a query, nor an end."""
    other_platform = FakePlatform(name="other")
    async with other_platform.client() as other:
        mine, theirs = client.start("a", "done"), other.start("a", "failed")
        await aiotasks.wait_all([mine, theirs])
        assert (mine.state, theirs.state) == (State.SUCCEEDED, State.FAILED)
        assert (len(platform.queries), len(other_platform.queries)) == (1, 1)


async def test_task_shows_what_is_known_of_it(client: FakeClient):
    """One line tells its id, word, state and progress; what is not known yet is None."""
    task = client.open("a")
    assert repr(task) == "<FakeTask a not heard of yet (unknown)>"
    assert (task.status, task.progress, task.observed_at, task.last_error, task.next_check_at) == (None,) * 5
    assert not task.is_done
    await asyncio.sleep(3.0)
    seen = Observation(word="running", state=State.RUNNING, progress=12.5)
    task = client.open_task(FakeTask, "b", client._source, seen)
    assert repr(task) == "<FakeTask b running (running) 12.5 %>"
    assert task.observed_at == 3.0
    assert task.snapshot() == seen


async def test_next_check_is_known_while_it_is_waited_for(client: FakeClient, platform: FakePlatform):
    """`next_check_at` is None before the wait, while a query flies, and after the last wait has left."""
    platform.latency = 0.5
    task = client.start("a")
    wait = start(task.wait_till_done())
    await passes()
    assert task.next_check_at == 0.5
    await asyncio.sleep(0.75)
    assert task.next_check_at is None
    await asyncio.sleep(0.5)
    assert task.next_check_at == 3.0
    wait.cancel()
    await passes()
    assert task.next_check_at is None


@pytest.mark.covers("F-19")
async def test_task_submitted_just_now_may_not_be_visible_yet(client: FakeClient, platform: FakePlatform):
    """A 404 about what this process has just created is not the end: it is asked on, for 30 s."""
    task = client.open_task(FakeTask, "a", client._source, submitted=True)
    wait = start(task.wait_till_done())
    await asyncio.sleep(20)
    assert not wait.done()
    platform.set("a", "done")
    await wait


# --- find_task ----------------------------------------------------------------------------------------------


async def test_concurrent_searches_for_one_id_share_a_query_and_a_task(client: FakeClient, platform: FakePlatform):
    """A hundred callers, one query, one object."""
    platform.set("a", "running")
    found = await asyncio.gather(*(client.find("a") for _ in range(100)))
    assert len({id(task) for task in found}) == 1
    assert platform.queries == [(0.5, ["a"])]
    assert found[0].status == "running"
    await assert_forgotten(client)


async def test_searches_for_many_ids_share_queries(client: FakeClient, platform: FakePlatform):
    """A thousand ids take ten queries; unknown ones raise for their own callers."""
    for n in range(900):
        platform.set(f"t{n}", "done")
    searches = [start(client.find(f"t{n}")) for n in range(1_000)]
    ends = await asyncio.gather(*searches, return_exceptions=True)
    assert [getattr(end, "id", None) for end in ends[:900]] == [f"t{n}" for n in range(900)]
    assert all(isinstance(end, TaskNotFound) for end in ends[900:])
    assert len(platform.queries) <= 10 + 2  # the unknown ones are asked a second time
    assert least_gap(platform) >= 2.0
    await assert_forgotten(client)


async def test_search_soon_after_another_costs_one_query(client: FakeClient, platform: FakePlatform):
    """What the first one left behind is asked again after its two seconds, once."""
    platform.set("a", "running")
    await client.find("a")
    platform.set("a", "running", 30)
    found = await client.find("a")
    assert (type(found), found.progress) == (FakeTask, 30)
    assert len(platform.queries) == 2
    assert 2.0 <= least_gap(platform) <= 2.5


async def test_search_for_a_registered_id_gives_the_registered_task(client: FakeClient, platform: FakePlatform):
    """A task that somebody waits for is refreshed and given."""
    task = client.start("a")
    wait = start(task.wait_till_done())
    await asyncio.sleep(1.0)
    platform.set("a", "running", 30)
    assert await client.find("a") is task
    assert (task.progress, now()) == (30, 2.5)
    platform.set("a", "done")
    await wait


async def test_id_that_is_registered_while_it_is_searched_for(client: FakeClient, platform: FakePlatform):
    """A wait that begins meanwhile, on a handle of its own, shares the query; both hear of the end."""
    platform.set("a", "running")
    platform.latency = 1.0
    search = start(client.find("a"))
    await asyncio.sleep(0.75)  # its query is in flight
    task = client.start("a")
    wait = start(task.wait_till_done())
    found = await search
    other = start(found.wait_till_done())
    late = start(client.find("a"))
    await asyncio.sleep(0.1)
    platform.set("a", "done")
    await asyncio.gather(wait, other)
    assert (await late).is_done
    assert task.is_done
    assert found.is_done
    assert least_gap(platform) >= 3.0
    await assert_forgotten(client)


async def test_late_caller_of_a_search_gets_a_status_of_its_own_time(client: FakeClient, platform: FakePlatform):
    """Who asks while the first query flies waits for the next one, and sees what that one says."""
    platform.latency = 1.0
    platform.set("a", "running", 1)
    first = start(client.find("a"))
    await asyncio.sleep(1.0)
    second = start(client.find("a"))
    found = await first
    assert found.progress == 1
    platform.set("a", "running", 2)
    assert await second is found
    assert (found.progress, now()) == (2, 4.5)


async def test_cancelled_search_leaves_the_others(client: FakeClient, platform: FakePlatform):
    """One caller of a shared search gives up; the others get their task."""
    platform.set("a", "running")
    searches = [start(client.find("a")) for _ in range(3)]
    await passes()
    searches[0].cancel()
    assert isinstance(await outcome(searches[0]), asyncio.CancelledError)
    assert await searches[1] is await searches[2]
    assert not client._searches


# --- tokens -------------------------------------------------------------------------------------------------


async def test_token_takes_the_wait_up_elsewhere(client: FakeClient, platform: FakePlatform):
    """The text of a token gives the task to another client; its first query comes two seconds after its wait."""
    text = client.start("a").token()
    assert text == '{"platform":"fake","origin":"https://fake.invalid:443","id":"a","version":1}'
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as other:
        task = other.from_token(text)
        assert repr(task) == "<FakeTask a not heard of yet (unknown)>"
        await asyncio.sleep(1.0)
        wait = start(task.wait_till_done())
        await asyncio.sleep(1.0)
        platform.set("a", "done")
        await wait
        assert 3.0 <= platform.asked("a")[0] <= 3.5


async def test_token_of_a_registered_task_gives_the_task(client: FakeClient, platform: FakePlatform):
    """In the same process it is the registered object, which is forgotten in time all the same."""
    task = client.start("a")
    with pytest.raises(WaitTimeout):
        await task.wait_till_done(timeout_seconds=1.0)
    assert client.from_token(task.token()) is task
    await assert_forgotten(client)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[1]",
        "no json",
        '{"platform":"fake","origin":"https://fake.invalid:443","id":"a","version":2}',
        '{"platform":"fake","origin":"https://fake.invalid:443","id":["a"],"version":1}',
        '{"platform":"fake","origin":"https://fake.invalid:443","id":"a","version":1,"more":1}',
        '{"platform":"other","origin":"https://fake.invalid:443","id":"a","version":1}',
        '{"platform":"fake","origin":"https://elsewhere.invalid:443","id":"a","version":1}',
        "[" * 100_000,
    ],
)
async def test_bad_token_is_refused(client: FakeClient, text: str):
    """What is no token, or one of elsewhere, is an `InvalidArgument` that says what is allowed."""
    with pytest.raises(InvalidArgument, match=r"token: given .*, allowed: "):
        client.from_token(text)


async def test_token_of_a_wrong_type_is_refused(client: FakeClient):
    """A token is text."""
    with pytest.raises(InvalidType, match=r"token: given b'x', allowed: what Task.token"):
        client.from_token(b"x")  # type: ignore[arg-type]


async def test_platform_without_tokens_says_so(platform: FakePlatform):
    """A client that cannot revive tasks raises `NotSupported`."""

    class Plain(FakeClient):
        def revive(self, ref: TaskRef) -> FakeTask:
            return aiotasks.BaseClient.revive(self, ref)  # type: ignore[return-value]

    async with Plain(platform) as client:
        with pytest.raises(NotSupported, match="Plain cannot take a task up from a token"):
            client.from_token(client.start("a").token())


# --- once ---------------------------------------------------------------------------------------------------


async def test_answer_asked_for_once_is_shared_and_a_failure_forgotten(client: FakeClient):
    """Callers at the same time share one question; after a failure, or a cancellation, the next in line asks."""
    asked: list[int] = []

    async def ask() -> str:
        asked.append(len(asked))
        await asyncio.sleep(1.0)
        if len(asked) <= 2:
            raise NetworkError("no")
        return "the answer"

    callers = [start(client.once("question", ask)) for _ in range(6)]
    await asyncio.sleep(2.5)
    callers[2].cancel()  # the one that is asking
    ends = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(end).__name__ for end in ends] == ["NetworkError", "NetworkError", "CancelledError"] + ["str"] * 3
    assert len(asked) == 4
    assert await client.once("question", ask) == "the answer"
    assert len(asked) == 4
