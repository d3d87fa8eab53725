"""The provider against the emulator over loopback, in virtual time: what a user does, from import to result."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aiotasks import (
    AuthError,
    InvalidArgument,
    NotSupported,
    QueryRefused,
    RateLimited,
    ResultError,
    ServerError,
    State,
    SubmitUnknown,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
    WaitTimeout,
    wait_all,
)
from aiotasks.providers.labelbox import (
    Client,
    Dataset,
    DataUpsertTask,
    ExportTask,
    GlobalKey,
    ResourceNotFoundError,
    Task,
    TaskStatus,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiotasks.emulators.labelbox import LabelboxEmulator

    Start = Callable[..., Awaitable[tuple[LabelboxEmulator, Client]]]

pytestmark = pytest.mark.looptime

URL = "https://images.example/1.jpg"


def ids(created: list[dict[str, Any]]) -> list[str]:
    return [job["id"] for job in created]


def rows(count: int, prefix: str = "g") -> list[dict[str, Any]]:
    return [{"row_data": URL, "global_key": f"{prefix}{n}"} for n in range(count)]


# --- from import to result ---------------------------------------------------------------------


async def test_import_is_created_awaited_and_read(labelbox: Start) -> None:
    """The README's path: dataset, import, wait, rows in the order given."""
    emulator, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats", "all of them")

    task = await dataset.create_data_rows(rows(3))
    assert (task.status, task.state, task.type) == ("IN_PROGRESS", State.RUNNING, "adv-upsert-data-rows")
    assert await task is task
    result = await task.result

    assert [row["global_key"] for row in result] == ["g0", "g1", "g2"]
    assert set(result[0]) == {"id", "external_id", "row_data", "global_key"}
    assert await task.errors == []
    assert not await task.has_errors()
    assert (task.status, task.state, task.completion_percentage) == ("COMPLETE", State.SUCCEEDED, 100.0)
    assert task.status_as_enum is TaskStatus.Complete
    assert emulator.audit()["violations"] == 0


async def test_failed_rows_are_no_failed_job(labelbox: Start) -> None:
    """A global key used twice fails that row: the job completes, and says so under `errors`."""
    _, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats")

    task = await dataset.create_data_rows([*rows(2), {"row_data": URL, "global_key": "g0"}])
    await task.wait_till_done()

    (error,) = await task.failed_data_rows
    assert error["failedDataRows"][0]["globalKey"] == "g0"
    assert await task.has_errors()
    assert len(await task.created_data_rows) == 2


async def test_upsert_updates_by_key(labelbox: Start) -> None:
    """An item with a key changes the row of that key."""
    _, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats")
    await (await dataset.create_data_rows(rows(1)))

    task = await (await dataset.upsert_data_rows([{"key": GlobalKey("g0"), "external_id": "new"}]))

    assert [row["external_id"] for row in await task.result] == ["new"]


async def test_chunks_and_manifest_keep_the_order(labelbox: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come back in the order given, over as many chunks as it takes."""
    monkeypatch.setattr("aiotasks.providers.labelbox.dataset.CHUNK_BYTES", 1_000)
    _, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats")

    task = await dataset.create_data_rows(rows(100), file_upload_thread_count=3)

    assert [row["global_key"] for row in await task.result] == [f"g{n}" for n in range(100)]


async def test_local_files_are_uploaded_first(labelbox: Start, tmp_path: Path) -> None:
    """`row_data` that names a file becomes the URL of its upload."""
    _, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats")
    paths = [tmp_path / f"{n}.txt" for n in range(3)]
    for path in paths:
        path.write_text(path.name)

    items = [{"row_data": str(paths[0])}, {"row_data": URL}, str(paths[1]), {"row_data": str(paths[2])}]
    task = await dataset.create_data_rows(items, file_upload_thread_count=2)
    result = await task.result

    assert [row["external_id"] for row in result] == [str(paths[0]), None, str(paths[1]), str(paths[2])]
    assert result[1]["row_data"] == URL
    assert all(row["row_data"].startswith("http://127.0.0.1") for row in (result[0], result[2], result[3]))


async def test_empty_import_is_an_import(labelbox: Start) -> None:
    """No rows are taken, as by the SDK, and give no rows."""
    _, client = await labelbox(frozen=False, duration=(5, 5))
    dataset = await client.create_dataset("cats")

    assert await (await dataset.create_data_rows([])).result == []


async def test_refused_items_send_nothing(labelbox: Start) -> None:
    """One bad item, and no request leaves."""
    emulator, client = await labelbox()
    dataset = await client.create_dataset("cats")
    before = emulator.audit()["requests"]

    with pytest.raises(InvalidArgument, match=r"items\[1\]"):
        await dataset.create_data_rows([{"row_data": URL}, {"row_dat": URL}])
    for count in (0, True, "many"):
        with pytest.raises((ValueError, TypeError), match="file_upload_thread_count"):
            await dataset.create_data_rows(rows(1), count)  # type: ignore[arg-type]

    assert emulator.audit()["requests"] - before == 0


@pytest.mark.covers("F-25")
async def test_lost_answer_to_an_import_is_not_asked_for_twice(labelbox: Start) -> None:
    """When the answer is lost, the caller is told that the import may exist; there is exactly one."""
    emulator, client = await labelbox()
    dataset = await client.create_dataset("cats")
    emulator.fault(on="upsertDataRows", reset=True, processed=True)

    with pytest.raises(SubmitUnknown):
        await dataset.create_data_rows(rows(1))

    assert len(emulator.tasks()) == 1


async def test_failed_upload_starts_no_import(labelbox: Start) -> None:
    """An upload that fails for good ends the call before the import is asked for."""
    emulator, client = await labelbox()
    dataset = await client.create_dataset("cats")
    emulator.fault(on="uploadFile", status=502)

    with pytest.raises(ServerError):
        await dataset.create_data_rows(rows(1))

    assert emulator.tasks() == []


async def test_upload_is_repeated_after_a_fault(labelbox: Start) -> None:
    """A chunk uploaded twice harms nobody."""
    emulator, client = await labelbox()
    dataset = await client.create_dataset("cats")
    emulator.fault(on="uploadFile", status=502, times=2)

    assert isinstance(await dataset.create_data_rows(rows(1)), DataUpsertTask)


async def test_results_come_in_pages(labelbox: Start) -> None:
    """12,001 rows are three pages, in order and without a double; errors are paged alike."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(status="COMPLETE", rows=12_001, failed_rows=7))
    task = await client.get_task_by_id(id)

    async with task.result.pages() as pages:
        sizes = [len(page.rows) async for page in pages]

    assert sizes == [5_000, 5_000, 2_001]
    assert len({row["id"] for row in await task.result}) == 12_001
    assert len(await task.errors) == 7


async def test_first_use_of_a_result_waits_for_the_end(labelbox: Start) -> None:
    """Rows of a job that runs are awaited through the scheduler, then read."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(rows=3, duration=7.0))
    task = await client.get_task_by_id(id)

    assert not task.is_done
    assert len(await task.result) == 3
    assert task.is_done


async def test_failed_import_raises_with_the_servers_errors(labelbox: Start) -> None:
    """`await task` and `result` raise, `wait_till_done` returns, `errors` gives the rows."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(duration=3.0, ends="FAILED", failed_rows=2, reason="Duplicate"))
    task = await client.get_task_by_id(id)

    await task.wait_till_done()
    with pytest.raises(TaskFailed) as caught:
        await task
    with pytest.raises(TaskFailed):
        await task.result

    assert [error["message"] for error in caught.value.details] == ["Duplicate", "Duplicate"]
    assert (caught.value.status, caught.value.task_id) == ("FAILED", id)
    assert len(await task.errors) == 2
    assert await task.has_errors()


async def test_verdict_stands_when_its_reasons_cannot_be_had(labelbox: Start) -> None:
    """That the job failed is true even if its errors cannot be fetched."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(status="FAILED"))
    task = await client.get_task_by_id(id)
    emulator.fault(on="failedDataRowImports", status=400)

    with pytest.raises(TaskFailed) as caught:
        await task

    assert caught.value.details is None
    assert caught.value.__cause__ is not None


async def test_cancelled_import_gives_the_rows_it_has(labelbox: Start) -> None:
    """CANCELED ends `await task` with TaskCancelled; its rows can be read as in the SDK."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(status="CANCELED"))
    task = await client.get_task_by_id(id)

    with pytest.raises(TaskCancelled):
        await task

    assert await task.result == []
    assert await task.errors == []


# --- users, datasets, documents ---------------------------------------------------------------------


async def test_user_and_organization_are_asked_once(labelbox: Start) -> None:
    """Callers at the same time and later share one question each."""
    emulator, client = await labelbox()

    users = await asyncio.gather(*(client.get_user() for _ in range(10)))
    organization = await client.get_organization()

    assert len({user.uid for user in users}) == 1
    assert (await client.get_organization()) is organization
    assert (await users[0].organization()) is organization
    assert emulator.audit()["requests"] == 2


async def test_failed_question_is_not_remembered(labelbox: Start) -> None:
    """The next caller asks again."""
    emulator, client = await labelbox()
    emulator.fault(status=400, times=1)

    with pytest.raises(Exception, match="answers 400"):
        await client.get_user()

    assert (await client.get_user()).uid


async def test_name_and_nickname_are_swapped_as_in_the_sdk(labelbox: Start) -> None:
    """Attribute `name` is the wire's `nickname`, and the reverse."""
    _, client = await labelbox()
    user = await client.get_user()
    wire = (await client.execute("query { user { name nickname } }"))["user"]

    assert (user.name, user.nickname) == (wire["nickname"], wire["name"])


async def test_dataset_is_created_fetched_and_deleted(labelbox: Start) -> None:
    """A dataset comes back as it was made, and is gone after its deletion."""
    _, client = await labelbox()
    made = await client.create_dataset("cats", "all of them")
    fetched = await client.get_dataset(made.uid)

    assert isinstance(made, Dataset)
    assert (fetched.uid, fetched.name, fetched.description, fetched.row_count) == (made.uid, "cats", "all of them", 0)
    assert fetched.created_at is not None
    assert fetched.created_at.tzinfo is UTC
    await fetched.delete()
    with pytest.raises(ResourceNotFoundError):
        await client.get_dataset(made.uid)


async def test_any_document_can_be_executed(labelbox: Start) -> None:
    """`execute` gives the data; its errors are those of any call."""
    _, client = await labelbox()

    assert (await client.execute("query { cancelableTaskTypes }"))["cancelableTaskTypes"]
    with pytest.raises(QueryRefused):
        await client.execute("query { nothing }")


async def test_wrong_key_is_an_auth_error(labelbox: Start) -> None:
    """Labelbox refuses a key it does not know; the error does not show it."""
    _, client = await labelbox()
    async with Client("canary-key", endpoint=client.endpoint) as stranger:
        with pytest.raises(AuthError) as caught:
            await stranger.get_user()

    assert "canary-key" not in str(caught.value)


# --- finding tasks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "kind"),
    [("adv-upsert-data-rows", DataUpsertTask), ("export-data-rows", ExportTask), ("send-to-annotate", Task)],
)
async def test_task_is_found_in_the_class_of_its_type(labelbox: Start, type: str, kind: type[Task]) -> None:
    """Imports, exports and all others."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type=type, name="mine", status="COMPLETE"))

    task = await client.get_task_by_id(id)

    assert builtin_type(task) is kind
    assert (task.uid, task.name, task.type, task.status) == (id, "mine", type, "COMPLETE")
    assert isinstance(task.created_at, datetime)
    assert (await task.created_by()) is (await client.get_user())
    assert (await task.organization()) is (await client.get_organization())


builtin_type = type


async def test_unknown_task_is_not_found_and_harms_no_other(labelbox: Start) -> None:
    """An id that does not exist is an error of that call alone."""
    emulator, client = await labelbox()
    known = ids(emulator.create_tasks(count=5, duration=4.0))

    found = await asyncio.gather(
        *(client.get_task_by_id(id) for id in [*known, "c-no-such-task"]), return_exceptions=True
    )

    assert [task.uid for task in found[:5] if isinstance(task, Task)] == known
    assert isinstance(found[5], TaskNotFound)
    assert emulator.audit()["violations"] == 0


async def test_many_look_ups_share_requests(labelbox: Start) -> None:
    """100 tasks looked up at once are a few requests."""
    emulator, client = await labelbox()
    known = ids(emulator.create_tasks(count=100, status="COMPLETE"))

    found = await asyncio.gather(*(client.get_task_by_id(id) for id in known))

    assert [task.uid for task in found] == known
    assert emulator.audit()["status_requests"] <= 4


async def test_created_tasks_are_listed_filtered_and_opened(labelbox: Start) -> None:
    """All of a user's tasks, 100 a page, each of its class; filters go to the server."""
    emulator, client = await labelbox()
    emulator.create_tasks(count=230, status="COMPLETE")
    failed = ids(emulator.create_tasks(count=3, status="FAILED", type="export-data-rows"))
    user = await client.get_user()

    everything = [task async for task in user.created_tasks(order_by="created_at_asc")]
    some = await user.created_tasks(status=TaskStatus.Failed, type="export-data-rows")

    assert len({task.uid for task in everything}) == 233
    assert {builtin_type(task) for task in everything} == {DataUpsertTask, ExportTask}
    assert sorted(task.uid for task in some) == sorted(failed)
    assert all(task.is_done for task in some)


async def test_listed_task_is_the_one_being_waited_for(labelbox: Start) -> None:
    """Opening the same task again while it is waited for gives the same object."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(duration=10.0))
    task = await client.get_task_by_id(id)
    waiting = asyncio.get_running_loop().create_task(task.wait_till_done())
    await asyncio.sleep(1)

    (listed,) = await (await client.get_user()).created_tasks()

    assert listed is task
    await waiting


async def test_token_takes_the_wait_up_elsewhere(labelbox: Start) -> None:
    """Another client of the same key goes on waiting from the token alone."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(duration=9.0, rows=2))
    token = (await client.get_task_by_id(id)).token()

    async with Client(emulator.api_key, endpoint=client.endpoint) as other:
        task = other.from_token(token)
        assert isinstance(task, DataUpsertTask)
        assert len(await task.result) == 2

    assert emulator.audit()["violations"] == 0


# --- cancelling ---------------------------------------------------------------------


async def test_cancelling_ends_the_job_by_and_by(labelbox: Start) -> None:
    """CANCELLING is not the end; CANCELED is, and cancelling what has ended does nothing and says so."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(duration=600.0))

    assert await client.cancel_task(id) is True
    task = await client.get_task_by_id(id)
    with pytest.raises(TaskCancelled):
        await task

    assert task.status == "CANCELED"
    assert await client.cancel_task(id) is False


async def test_job_being_cancelled_is_waited_for(labelbox: Start) -> None:
    """A task in CANCELLING is still running, and not cancelled again."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(status="CANCELLING"))
    task = await client.get_task_by_id(id)

    assert (task.state, task.is_done, task.status_as_enum) == (State.RUNNING, False, TaskStatus.Canceling)
    assert await client.cancel_task(id) is False
    with pytest.raises(WaitTimeout):
        await task.wait_till_done(timeout_seconds=10)


async def test_types_that_cannot_be_cancelled_are_refused(labelbox: Start) -> None:
    """The error names the type and those that can."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="queue-priority-update"))

    with pytest.raises(NotSupported, match="queue-priority-update"):
        await client.cancel_task(id)


# --- plain tasks ---------------------------------------------------------------------


async def test_old_import_is_read_from_its_file(labelbox: Start) -> None:
    """Rows and errors are in one file, fetched without the key."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="import", name="JSON Import", status="COMPLETE", rows=3, failed_rows=1))
    task = await client.get_task_by_id(id)

    result, created = await task.result, await task.created_data_rows
    (error,) = await task.errors

    assert builtin_type(task) is Task
    assert [set(row) for row in result] == [{"id", "external_id", "row_data", "global_key"}] * 3
    assert [row["rowData"] for row in created] == [row["row_data"] for row in result]
    assert set(error) == {"message", "failedDataRows"}
    assert await task.has_errors()
    assert task.errors_url == task.result_url


async def test_failed_old_import_says_why(labelbox: Start) -> None:
    """The file of a failed import holds the error, which `TaskFailed` carries."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="import", name="JSON Import", status="FAILED", reason="Bad dataset"))
    task = await client.get_task_by_id(id)

    with pytest.raises(TaskFailed) as caught:
        await task.result

    assert caught.value.details == ["Bad dataset"]
    assert await task.errors == ["Bad dataset"]
    assert await task.created_data_rows == []
    assert await task.has_errors()


async def test_cancelled_old_import_without_a_file_has_no_rows(labelbox: Start) -> None:
    """Where the SDK dies of a missing file, there are no rows."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="import", name="JSON Import", status="CANCELED", shown={"result": None}))
    task = await client.get_task_by_id(id)

    await task.wait_till_done()
    assert await task.result == []
    assert await task.errors == []


@pytest.mark.covers("B-47")
async def test_complete_import_without_a_file_is_a_result_error(labelbox: Start) -> None:
    """The job is done all the same."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="import", name="JSON Import", status="COMPLETE", shown={"result": None}))
    task = await client.get_task_by_id(id)

    with pytest.raises(ResultError):
        await task.result

    assert task.state is State.SUCCEEDED


@pytest.mark.covers("F-29")
async def test_expired_file_is_asked_for_anew(labelbox: Start) -> None:
    """A URL that was heard long ago has expired; a look at the task gives a fresh one."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="import", name="JSON Import", status="COMPLETE", rows=2))
    emulator.fault(file_ttl=60)
    task = await client.get_task_by_id(id)
    await asyncio.sleep(3_600)

    assert len(await task.result) == 2
    assert emulator.audit()["violations"] == 0


async def test_embedded_error_is_read_from_the_result(labelbox: Start) -> None:
    """A failed batch task carries its error in `result`, as JSON text."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="add-data-rows-to-batch", status="FAILED", reason="No such batch"))
    task = await client.get_task_by_id(id)

    with pytest.raises(TaskFailed) as caught:
        await task

    assert "No such batch" in str(caught.value)
    assert caught.value.details == [msgspec.json.decode(task.result_url or "")]
    assert await task.errors == caught.value.details


async def test_task_without_rows_says_so(labelbox: Start) -> None:
    """Rows of a job that has none are refused by name; its errors are an empty list."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="queue-priority-update", status="COMPLETE"))
    task = await client.get_task_by_id(id)

    with pytest.raises(NotSupported, match="queue-priority-update"):
        await task.result
    assert await task.errors == []
    assert await task.created_data_rows == []
    assert not await task.has_errors()


async def test_export_is_waited_for_and_its_rows_are_not_read_yet(labelbox: Start) -> None:
    """Everything but the rows works, and the error says what does not."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="export-data-rows", duration=5.0, rows=3))
    task = await client.get_task_by_id(id)

    assert (await task).state is State.SUCCEEDED
    for rows in (task.result, task.errors, task.created_data_rows, task.failed_data_rows):
        with pytest.raises(NotSupported, match="does not read their rows yet"):
            await rows
    with pytest.raises(NotSupported):
        await task.has_errors()


async def test_failed_export_is_a_failed_task(labelbox: Start) -> None:
    """The verdict needs no stream."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="export-data-rows", status="FAILED"))

    with pytest.raises(TaskFailed):
        await (await client.get_task_by_id(id))


# --- asking for many ---------------------------------------------------------------------


@pytest.mark.parametrize("id_in", [True, False])
async def test_many_are_awaited_in_few_requests(labelbox: Start, *, id_in: bool) -> None:
    """By list or under aliases, hundreds of tasks take a request per hundred or fifty and interval."""
    emulator, client = await labelbox()
    emulator.fault(id_in=id_in)
    emulator.create_tasks(count=300, duration=20.0)
    tasks = await (await client.get_user()).created_tasks()
    emulator.reset_audit()

    await wait_all(tasks, timeout_seconds=120)

    audit = emulator.audit()
    assert all(task.state is State.SUCCEEDED for task in tasks)
    assert audit["violations"] == 0
    assert audit["status_requests"] <= audit["checks"] / (60 if id_in else 30)


async def test_refused_list_is_tried_once_per_client(labelbox: Start) -> None:
    """A server without `id_in` is asked for it by the first queries only, also for tasks that come later."""
    emulator, client = await labelbox()
    emulator.fault(id_in=False)
    for count in (20, 30):
        known = ids(emulator.create_tasks(count=count, status="COMPLETE"))
        before = emulator.audit()["requests"]
        await asyncio.gather(*(client.get_task_by_id(id) for id in known))
        requests = emulator.audit()["requests"] - before

    assert requests == 1


@pytest.mark.parametrize("limit", [7, 33, 75])
@pytest.mark.covers("F-21")
async def test_complexity_limit_is_found_and_hardly_exceeded(labelbox: Start, limit: int) -> None:
    """Whatever number of aliases the server takes, it is found by halving; more is tried rarely."""
    emulator, client = await labelbox()
    emulator.fault(id_in=False, complexity_limit=limit)
    emulator.create_tasks(count=150, duration=120.0)
    tasks = await (await client.get_user()).created_tasks()

    await wait_all(tasks, timeout_seconds=600)

    (source,) = client.scheduler.statistics().sources
    assert source.batch_limit <= limit * 1.25 + 1
    statistics = client.scheduler.statistics()
    assert statistics.failures <= 0.05 * statistics.requests
    assert source.batch_limit >= limit / 2
    assert emulator.audit()["violations"] == 0


async def test_server_that_cuts_lists_short_is_asked_under_aliases(labelbox: Start) -> None:
    """A page smaller than asked for leaves tasks out; none of them is lost."""
    emulator, client = await labelbox()
    emulator.fault(max_first=50)
    known = ids(emulator.create_tasks(count=100, duration=10.0))

    tasks = await asyncio.gather(*(client.get_task_by_id(id) for id in known))
    await wait_all(tasks, timeout_seconds=60)

    assert all(task.is_done for task in tasks)
    assert emulator.audit()["violations"] == 0


@pytest.mark.parametrize("id_in", [True, False])
@pytest.mark.covers("F-24")
async def test_error_of_one_task_leaves_the_others(labelbox: Start, *, id_in: bool) -> None:
    """An entry that fails beside good data concerns its task alone."""
    emulator, client = await labelbox()
    known = ids(emulator.create_tasks(count=10, duration=5.0))
    tasks = await asyncio.gather(*(client.get_task_by_id(id) for id in known))
    emulator.fault(id_in=id_in, failing=[known[3]], failing_code="AUTHORIZATION_ERROR")

    await wait_all(tasks, timeout_seconds=60)

    assert [task.is_done for task in tasks].count(False) == 1
    assert not tasks[3].is_done
    assert emulator.audit()["violations"] == 0


@pytest.mark.covers("F-15", "F-14")
async def test_faults_of_the_server_only_delay(labelbox: Start) -> None:
    """502 and 429 say nothing about a job: the wait goes on."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(duration=6.0))
    task = await client.get_task_by_id(id)
    emulator.fault(on="status", status=502, times=1)
    emulator.fault(on="status", status=429, retry_after=5, times=1)

    await task.wait_till_done(timeout_seconds=60)

    assert task.state is State.SUCCEEDED
    assert emulator.audit()["violations"] == 0


async def test_rate_limit_of_a_look_up_is_told(labelbox: Start) -> None:
    """Labelbox's own words for too many requests are a `RateLimited`."""
    emulator, client = await labelbox()
    emulator.fault(status=403, body={"message": "You have exceeded your limit"})

    with pytest.raises(RateLimited):
        await client.get_user()


@pytest.mark.covers("B-34")
async def test_unknown_word_is_not_the_end(labelbox: Start) -> None:
    """A word that nobody knows keeps the task open, and can be waited for by itself."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks())
    task = await client.get_task_by_id(id)
    emulator.change_task(id, shown={"status": "PAUSED"})

    assert await task.wait_for("PAUSED", timeout_seconds=30) == "PAUSED"
    assert (task.state, task.is_done, task.status_as_enum) == (State.UNKNOWN, False, TaskStatus.Unknown)


# --- odds and ends ---------------------------------------------------------------------


async def test_file_and_bytes_can_be_uploaded(labelbox: Start, tmp_path: Path) -> None:
    """Both give the URL that the upload has."""
    _, client = await labelbox()
    path = tmp_path / "a.txt"
    path.write_text("text")

    assert (await client.upload_file(str(path))).startswith("http://127.0.0.1")
    assert (await client.upload_data(b"bytes", "b.bin", "application/octet-stream")).startswith("http://127.0.0.1")
    with pytest.raises(TypeError, match="content: given str"):
        await client.upload_data("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("type", ["adv-upsert-data-rows", "export-data-rows", "send-to-annotate"])
async def test_older_name_of_waiting_waits(labelbox: Start, type: str) -> None:
    """`wait_until_done` is `wait_till_done`."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type=type, duration=5.0))
    task = await client.get_task_by_id(id)

    await task.wait_until_done()

    assert task.is_done


@pytest.mark.parametrize(
    ("result", "details"), [("not JSON", ["not JSON"]), ('["a", "b"]', ["a", "b"]), (None, []), ("3", [3])]
)
async def test_embedded_error_of_any_shape_is_a_list(labelbox: Start, result: Any, details: list[Any]) -> None:
    """Whatever the server puts into `result` of a failed task, `errors` is a list of it."""
    emulator, client = await labelbox()
    (id,) = ids(emulator.create_tasks(type="send-to-annotate", status="FAILED", shown={"result": result}))
    task = await client.get_task_by_id(id)

    assert await task.errors == details
