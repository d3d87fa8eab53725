"""Tasks are found, filtered, ordered and paged; jobs live by the clock and move by control requests."""

from __future__ import annotations

import asyncio

import pytest

from aiotasks.emulators.labelbox import LabelboxEmulator
from tests.emulators.labelbox.conftest import served

_BY_ID = "query($id: ID!) { user { createdTasks(where: {id: $id} first: 1) { %s } } }"


async def _task(client, id, fields="id status completionPercentage updatedAt"):
    [task] = (await client.ask(_BY_ID % fields, id=id))["user"]["createdTasks"]
    return task


async def _found(client, arguments, **variables):
    declared = ", ".join(f"${name}: {kind}" for name, kind in variables.pop("types", {}).items())
    head = f"query({declared})" if declared else "query"
    data = await client.ask(f"{head} {{ user {{ createdTasks({arguments}) {{ id }} }} }}", **variables)
    return [task["id"] for task in data["user"]["createdTasks"]]


def _ids(client, **spec):
    return [task["id"] for task in client.emulator.create_tasks(**spec)]


# --- finding ------------------------------------------------------------------------------------------


async def test_ids_of_a_list_come_in_the_order_asked_and_each_once(client):
    """`id_in` leaves out unknown ids, and `first` cuts the rest."""
    a, b, c = _ids(client, count=3)
    found = await _found(client, "where: {id_in: $ids} first: 2", types={"ids": "[ID!]!"}, ids=[c, "x", a, c, b])
    assert found == [c, a]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("{status: COMPLETE}", "bc"),
        ("{status_not: COMPLETE}", "ad"),
        ('{type: "t2"}', "bd"),
        ('{AND: [{type: "t2"}, {status: COMPLETE}]}', "b"),
        ('{AND: [{AND: [{type: "t2"}]}, {status_not: COMPLETE}]}', "d"),
        ("{completionPercentage_gte: 100}", "bc"),
        ("{completionPercentage_lt: 100}", "ad"),
        ('{name_gt: "n2"}', "cd"),
        ('{name_lte: "n2"}', "ab"),
        ("{}", "abcd"),
        ("{status: null}", "abcd"),
        ("null", "abcd"),
    ],
)
async def test_filters_choose_by_operator(client, where, expected):
    """Each suffix compares as its name says, and AND takes all of its conditions."""
    ids = {
        letter: _ids(client, name=name, type=kind, **({"status": "COMPLETE"} if done else {}))[0]
        for letter, name, kind, done in [
            ("a", "n1", "t1", False),
            ("b", "n2", "t2", True),
            ("c", "n3", "t1", True),
            ("d", "n4", "t2", False),
        ]
    }
    assert await _found(client, f"where: {where}") == [ids[letter] for letter in expected]


@pytest.mark.looptime
async def test_delta_gives_what_changed_since(client):
    """`updatedAt_gt` with ascending order: a sweep of changes."""
    start = client.emulator.create_tasks()[0]
    shown = await _task(client, start["id"])
    await asyncio.sleep(10)
    [changed] = _ids(client)
    found = await _found(
        client,
        "where: {updatedAt_gt: $since} orderBy: updatedAt_ASC",
        types={"since": "DateTime!"},
        since=shown["updatedAt"],
    )
    assert found == [changed]


async def test_id_and_other_conditions_hold_together(client):
    """An id beside another condition is found only if both are met."""
    [task] = _ids(client)
    query = 'where: {AND: [{id: "%s"}, {status: %s}]}'
    assert await _found(client, query % (task, "IN_PROGRESS")) == [task]
    assert await _found(client, query % (task, "COMPLETE")) == []


async def test_pages_of_a_list_cut_without_gap_or_overlap(client):
    """skip and first walk over all tasks; a page past the end is empty; without `first` it is 100."""
    ids = _ids(client, count=250)
    pages = [await _found(client, f"skip: {skip} first: 100") for skip in (0, 100, 200, 300)]
    assert [len(page) for page in pages] == [100, 100, 50, 0]
    assert [id for page in pages for id in page] == ids
    assert await _found(client, "skip: 240") == ids[240:]
    assert len(await _found(client, "orderBy: createdAt_ASC")) == 100


async def test_order_is_as_asked(client):
    """By any field, up and down."""
    ids = [_ids(client, name=name)[0] for name in ("b", "c", "a")]
    assert await _found(client, "orderBy: name_ASC") == [ids[2], ids[0], ids[1]]
    assert await _found(client, "orderBy: name_DESC") == [ids[1], ids[0], ids[2]]


async def test_organization_and_root_give_tasks_too(client):
    """`organization { tasks }` and `task(where)`; an unknown id is null there."""
    [task] = _ids(client)
    data = await client.ask(
        "query($w: WhereUniqueIdInput) { organization { tasks(skip: 0 first: 100) { id } }"
        " a0: task(where: $w) { id status createdBy { email } organization { name } }"
        ' a1: task(where: {id: "x"}) { id } }',
        w={"id": task},
    )
    assert data["organization"]["tasks"] == [{"id": task}]
    assert data["a0"]["status"] == "IN_PROGRESS"
    assert data["a0"]["createdBy"]["email"]
    assert data["a1"] is None


async def test_another_user_is_not_there(client):
    """Only the key's owner is known."""
    assert await client.ask('{ user(where: {id: "somebody"}) { id } }') == {"user": None}


# --- switches -----------------------------------------------------------------------------------------


async def test_id_in_can_be_switched_off_and_on(client):
    """Off, the document is not valid; `id` alone goes on working."""
    [task] = _ids(client)
    client.emulator.fault(id_in=False)
    status, code, message = await client.refused("query { user { createdTasks(where: {id_in: []}) { id } } }")
    assert (status, code) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert "id_in" in message
    assert (await _task(client, task))["id"] == task
    client.emulator.clear_faults()
    assert await client.statuses(task) == {task: "IN_PROGRESS"}


async def test_complexity_counts_each_alias(client):
    """Up to N aliases pass, one more is refused with the message that the SDK knows."""
    client.emulator.fault(complexity_limit=3)
    query = "query { user { %s } }"
    alias = 'a%d: createdTasks(where: {id: "x"}) { id }'
    await client.ask(query % " ".join(alias % n for n in range(3)))
    status, code, message = await client.refused(query % " ".join(alias % n for n in range(4)))
    assert (status, code) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert message == "Query complexity limit exceeded"


async def test_largest_page_clamps_without_a_word(client):
    """A larger `first` gives fewer tasks, as some servers do."""
    ids = _ids(client, count=5)
    client.emulator.fault(max_first=2)
    assert await _found(client, "first: 100") == ids[:2]
    assert list(await client.statuses(*ids)) == ids[:2]


async def test_hidden_task_is_as_if_it_did_not_exist(client):
    """By id, in a list of ids, in a list, at the root."""
    seen, hidden = _ids(client, count=2)
    client.emulator.fault(hidden=[hidden])
    assert await _found(client, f'where: {{id: "{hidden}"}}') == []
    assert await client.statuses(seen, hidden) == {seen: "IN_PROGRESS"}
    assert await _found(client, "first: 10") == [seen]
    assert await client.ask("query($w: WhereUniqueIdInput) { task(where: $w) { id } }", w={"id": hidden}) == {
        "task": None
    }


async def test_poisoned_id_makes_the_whole_request_fail(client):
    """One id spoils its batch, which is 400 as long as it is in it."""
    good, bad = _ids(client, count=2)
    client.emulator.fault(poisoned=[bad])
    query = "query($ids: [ID!]) { user { createdTasks(where: {id_in: $ids}) { id } } }"
    status, answer = await client.send(query, {"ids": [good, bad]})
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert await client.statuses(good) == {good: "IN_PROGRESS"}


# --- lives --------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_job_moves_through_its_life():
    """Progress rises in steps up to the seeded end, which is known before, and then the job is complete."""
    async with served(LabelboxEmulator(seed=3, duration=(10.0, 10.0))) as client:
        [task] = client.emulator.create_tasks(rows=10)
        assert (task["start"], task["end"]) == (0.0, 10.0)
        seen = []
        for _ in range(5):
            shown = await _task(client, task["id"])
            seen.append((shown["status"], shown["completionPercentage"], shown["updatedAt"][17:]))
            await asyncio.sleep(2.5)
        assert seen == [
            ("IN_PROGRESS", 0.0, "00.000Z"),
            ("IN_PROGRESS", 20.0, "02.000Z"),
            ("IN_PROGRESS", 50.0, "05.000Z"),
            ("IN_PROGRESS", 70.0, "07.000Z"),
            ("COMPLETE", 100.0, "10.000Z"),
        ]


@pytest.mark.looptime
async def test_answer_that_tells_nothing_new_is_the_same_bytes():
    """Between two steps of a job nothing in its answer changes."""
    async with served(LabelboxEmulator(duration=(100.0, 100.0))) as client:
        [task] = client.emulator.create_tasks()
        first = await _task(client, task["id"])
        await asyncio.sleep(9)
        assert await _task(client, task["id"]) == first


@pytest.mark.looptime
async def test_share_of_jobs_fails():
    """With failures=1 every job ends FAILED, none earlier."""
    async with served(LabelboxEmulator(duration=(5.0, 5.0), failures=1.0)) as client:
        ids = _ids(client, count=3)
        assert set((await client.statuses(*ids)).values()) == {"IN_PROGRESS"}
        await asyncio.sleep(5)
        assert set((await client.statuses(*ids)).values()) == {"FAILED"}


@pytest.mark.looptime
async def test_frozen_job_never_moves(client):
    """Without control requests nothing happens, however long it takes."""
    [task] = _ids(client)
    await asyncio.sleep(1e6)
    assert (await _task(client, task))["status"] == "IN_PROGRESS"
    assert client.emulator.tasks()[0]["end"] is None


@pytest.mark.looptime
async def test_cancelled_job_is_cancelling_and_then_canceled():
    """Cancel takes effect a second later, with the progress as it was; a job that is over cannot be cancelled."""
    cancel = "mutation CancelTaskPyApi($id: ID!) { cancelBulkOperationJob(id: $id) { success } }"
    async with served(LabelboxEmulator(duration=(10.0, 10.0))) as client:
        [task] = client.emulator.create_tasks()
        id = task["id"]
        await asyncio.sleep(5)
        assert await client.ask(cancel, id=id) == {"cancelBulkOperationJob": {"success": True}}
        assert (await client.statuses(id))[id] == "CANCELLING"
        assert await client.ask(cancel, id=id) == {"cancelBulkOperationJob": {"success": False}}
        await asyncio.sleep(1)
        assert (await client.statuses(id))[id] == "CANCELED"
        assert await client.ask(cancel, id=id) == {"cancelBulkOperationJob": {"success": False}}
        assert client.emulator.tasks()[0]["end"] == 6.0
        assert (await _task(client, id))["completionPercentage"] == 50.0


async def test_unknown_job_cannot_be_cancelled(client):
    """An error of its own, and null."""
    status, code, _ = await client.refused('mutation { cancelBulkOperationJob(id: "x") { success } }')
    assert (status, code) == (200, "RESOURCE_NOT_FOUND")


async def test_types_that_can_be_cancelled_are_listed(client):
    """In whatever case: the SDK turns them into kebab case."""
    assert len((await client.ask("{ cancelableTaskTypes }"))["cancelableTaskTypes"]) == 3


# --- control ------------------------------------------------------------------------------------------


async def test_control_creates_jobs_of_any_kind(client):
    """Type, name, status, count: as the request says."""
    status, answer = await client.control(
        "POST", "tasks", count=2, type="send-to-annotate", name="n", status="PAUSED"
    )
    assert (status, len(answer["tasks"])) == (200, 2)
    shown = await _task(client, answer["tasks"][1]["id"], "status type name")
    assert shown == {"status": "PAUSED", "type": "send-to-annotate", "name": "n"}


@pytest.mark.looptime
async def test_control_gives_a_frozen_job_an_end():
    """A duration in a control request counts even where life is frozen, and `ends` is how it ends."""
    async with served(LabelboxEmulator(frozen=True)) as client:
        [task] = client.emulator.create_tasks(status="QUEUED", duration=3, ends="CANCELED")
        assert task == {"id": task["id"], "status": "QUEUED", "start": 0.0, "end": 3.0}
        await asyncio.sleep(3)
        assert (await client.statuses(task["id"]))[task["id"]] == "CANCELED"


@pytest.mark.looptime
async def test_control_moves_a_job(client):
    """PATCH sets status, progress and any field that is shown; the end is when it was told."""
    [id] = _ids(client)
    await asyncio.sleep(4)
    _, task = await client.control("PATCH", f"tasks/{id}", progress=42.5)
    assert (task["status"], task["end"]) == ("IN_PROGRESS", None)
    assert (await _task(client, id))["completionPercentage"] == 42.5
    _, task = await client.control("PATCH", f"tasks/{id}", status="FAILED", shown={"result": "here", "type": None})
    assert (task["status"], task["end"]) == ("FAILED", 4.0)
    assert await _task(client, id, "result type") == {"result": "here", "type": None}
    _, task = await client.control("PATCH", f"tasks/{id}", status="IN_PROGRESS")
    assert (task["status"], task["end"]) == ("IN_PROGRESS", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "tasks", {"count": 0}, 400),
        ("POST", "tasks", {"nonsense": 1}, 400),
        ("POST", "tasks", {"duration": -1}, 400),
        ("POST", "tasks", {"duration": [3, 1]}, 400),
        ("POST", "tasks", {"rows": "many"}, 400),
        ("PATCH", "tasks/nobody", {"status": "COMPLETE"}, 404),
        ("POST", "faults", {"nonsense": 1}, 400),
        ("POST", "faults", {"times": 3}, 400),
        ("POST", "faults", {"status": 99}, 400),
        ("POST", "faults", {"slow": -1}, 400),
        ("POST", "faults", {"complexity_limit": 0}, 400),
    ],
)
async def test_control_request_that_makes_no_sense_is_refused(client, method, path, body, status):
    """With a reason, and nothing changes."""
    before = client.emulator.faults(), client.emulator.tasks()
    found, answer = await client.control(method, path, **body)
    assert found == status
    assert answer["error"]
    assert (client.emulator.faults(), client.emulator.tasks()) == before


async def test_seed_replays_key_and_ids():
    """Two emulators of one seed are the same, of another seed are not."""
    keys, ids = [], []
    for seed in (5, 5, 6):
        async with served(LabelboxEmulator(seed=seed)) as client:
            keys.append(client.emulator.api_key)
            ids.append(_ids(client, count=3))
    assert keys[0] == keys[1] != keys[2]
    assert ids[0] == ids[1] != ids[2]
