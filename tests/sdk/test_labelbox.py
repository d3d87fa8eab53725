"""The real labelbox SDK 7.17.0 does against the emulator what it does against Labelbox."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sdk

_UPSERT = "adv-upsert-data-rows"


# --- importing ----------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_import_of_several_pages_with_failed_rows(labelbox):
    """5,200 good rows in two pages, 7 with a used global key: created, polled, read and listed."""
    answer = await labelbox.run(
        """
        dataset = client.create_dataset(name="mine")
        rows = [{"row_data": f"https://x/{n}", "global_key": f"k{n}", "external_id": f"e{n}"} for n in range(5200)]
        task = dataset.create_data_rows(rows + [{"row_data": "https://x/again", "global_key": "k1"}] * 7)
        before = shown(task)
        task.wait_till_done(timeout_seconds=30)
        result = task.result
        answer = {
            "before": before, "after": shown(task), "class": type(task).__name__,
            "keys": sorted(row["global_key"] for row in result), "first": sorted(result[0]),
            "created": len(task.created_data_rows), "failed": task.failed_data_rows, "has_errors": task.has_errors(),
            "row_count": client.get_dataset(dataset.uid).row_count, "created_at": task.created_at.isoformat(),
        }
        """
    )
    assert answer["class"] == "DataUpsertTask"
    assert (answer["before"]["status"], answer["before"]["type"]) == ("IN_PROGRESS", _UPSERT)
    assert (answer["after"]["status"], answer["after"]["completion_percentage"]) == ("COMPLETE", 100.0)
    assert answer["after"]["errors_url"] == answer["after"]["result_url"] is not None
    assert answer["first"] == ["external_id", "global_key", "id", "row_data"]
    assert answer["keys"] == sorted(f"k{n}" for n in range(5200))
    assert (answer["created"], answer["row_count"], answer["has_errors"]) == (5200, 5200, True)
    assert [error["message"] for error in answer["failed"]] == ["Duplicate global key: 'k1'"] * 7
    assert sorted(answer["failed"][0]["failedDataRows"][0]) == [
        "attachments",
        "externalId",
        "globalKey",
        "metadata",
        "rowData",
    ]
    assert answer["created_at"].endswith("+00:00")
    report = labelbox.emulator.audit()
    assert (report["tasks"], report["violations"]) == (1, 0)


async def test_upsert_by_key(labelbox):
    """Rows are updated by global key or id, and created without a key."""
    answer = await labelbox.run(
        """
        from labelbox.schema.identifiable import GlobalKey, UniqueId
        dataset = client.create_dataset(name="mine", iam_integration=None)
        first = dataset.upsert_data_rows([{"row_data": "a", "global_key": "a"}, {"row_data": "b", "global_key": "b"}])
        first.wait_till_done()
        ids = {row["global_key"]: row["id"] for row in first.result}
        task = dataset.upsert_data_rows([
            {"key": GlobalKey("a"), "row_data": "a2"},
            {"key": UniqueId(ids["b"]), "row_data": "b2"},
            {"row_data": "c"},
        ])
        task.wait_till_done()
        answer = {"rows": sorted(row["row_data"] for row in task.result), "errors": task.errors,
                  "row_count": client.get_dataset(dataset.uid).row_count}
        """
    )
    assert answer == {"rows": ["a2", "b2", "c"], "errors": None, "row_count": 3}


async def test_dataset_can_be_deleted(labelbox):
    """A deleted dataset is not found any more."""
    answer = await labelbox.run(
        """
        dataset = client.create_dataset(name="mine")
        found = client.get_dataset(dataset.uid).name
        dataset.delete()
        answer = [found, raised(client.get_dataset, dataset.uid)]
        """
    )
    assert answer == ["mine", "ResourceNotFoundError"]


# --- finding tasks ------------------------------------------------------------------------------------


async def test_who_am_i(labelbox):
    """User and organization, with all the fields that the SDK asks for."""
    answer = await labelbox.run(
        """
        user = client.get_user()
        answer = [user.uid, user.email, user.name, user.nickname, client.get_organization().name]
        """
    )
    assert all(answer)


async def test_task_is_found_by_id(labelbox):
    """An import is a DataUpsertTask, anything else a plain Task; an unknown id is an error."""
    [upsert] = labelbox.emulator.create_tasks(status="COMPLETE", rows=3)
    [other] = labelbox.emulator.create_tasks(status="IN_PROGRESS", type="something-else", name="n")
    answer = await labelbox.run(
        """
        one, two = (client.get_task_by_id(id) for id in ids)
        same = Task.get_task(client, ids[1])
        answer = [type(one).__name__, len(one.result), type(two).__name__, shown(two), shown(same) == shown(two),
                  raised(client.get_task_by_id, "nobody"), raised(Task.get_task, client, "nobody")]
        """,
        ids=[upsert["id"], other["id"]],
    )
    assert answer[:3] == ["DataUpsertTask", 3, "Task"]
    assert answer[3] == {
        "uid": other["id"],
        "name": "n",
        "type": "something-else",
        "status": "IN_PROGRESS",
        "completion_percentage": 0.0,
        "result_url": None,
        "errors_url": None,
        "metadata": None,
    }
    assert answer[4:] == [True, "ResourceNotFoundError", "ResourceNotFoundError"]


async def test_created_tasks_with_filters_and_order(labelbox):
    """Offset pages of 100, status, dates, AND, order: as the SDK encodes them."""
    done = [task["id"] for task in labelbox.emulator.create_tasks(count=130, status="COMPLETE", type="a")]
    running = [task["id"] for task in labelbox.emulator.create_tasks(count=3, status="IN_PROGRESS", type="b")]
    answer = await labelbox.run(
        """
        from datetime import datetime, timezone
        user = client.get_user()
        def found(**options):
            return [task.uid for task in user.created_tasks(**options)]
        answer = {
            "all": found(),
            "running": found(where=Task.status_as_enum == TaskStatus.In_Progress),
            "both": found(where=(Task.status_as_enum == TaskStatus.Complete) & (Task.type == "a")),
            "none": found(where=(Task.status_as_enum == TaskStatus.Complete) & (Task.type == "b")),
            "recent": found(where=Task.updated_at > datetime(2100, 1, 1, tzinfo=timezone.utc)),
            "old": len(found(where=Task.created_at <= datetime(2100, 1, 1, tzinfo=timezone.utc))),
            "newest": found(order_by=Task.created_at.desc),
            "organization": [task.uid for task in client.get_organization().tasks()],
        }
        """
    )
    assert answer["all"] == answer["organization"] == done + running
    assert answer["running"] == running
    assert answer["both"] == done
    assert answer["none"] == answer["recent"] == []
    assert answer["old"] == 133
    assert sorted(answer["newest"]) == sorted(done + running)


async def test_status_words(labelbox):
    """Each word of the platform has its member; a new one is Unknown and keeps its text."""
    members = {
        "IN_PROGRESS": "In_Progress",
        "COMPLETE": "Complete",
        "CANCELLING": "Canceling",
        "CANCELED": "Canceled",
        "FAILED": "Failed",
        "SOMETHING_NEW": "Unknown",
    }
    ids = [labelbox.emulator.create_tasks(status=word)[0]["id"] for word in members]
    answer = await labelbox.run(
        """
        tasks = [client.get_task_by_id(id) for id in ids]
        answer = {task.status: task.status_as_enum.name for task in tasks}
        """,
        ids=ids,
    )
    assert answer == members


async def test_who_created_a_task(labelbox):
    """A plain task leads to its user and organization; a DataUpsertTask asks for a field that no server has."""
    [plain] = labelbox.emulator.create_tasks(type="other")
    [upsert] = labelbox.emulator.create_tasks()
    answer = await labelbox.run(
        """
        plain, upsert = (client.get_task_by_id(id) for id in ids)
        answer = [plain.created_by().uid == client.get_user().uid, plain.organization().name,
                  raised(upsert.created_by), raised(upsert.organization)]
        """,
        ids=[plain["id"], upsert["id"]],
    )
    assert answer == [True, "Analytical Engines", "InvalidQueryError", "InvalidQueryError"]


# --- waiting and cancelling ---------------------------------------------------------------------------


@pytest.mark.slow
async def test_wait_ends_with_the_job_and_never_raises_for_it(labelbox):
    """COMPLETE or FAILED, the wait returns; a wait that times out returns too, without a word."""
    [good] = labelbox.emulator.create_tasks(duration=1, rows=2)
    [bad] = labelbox.emulator.create_tasks(duration=1, ends="FAILED", failed_rows=2)
    [long] = labelbox.emulator.create_tasks(duration=60)
    answer = await labelbox.run(
        """
        good, bad, long = (client.get_task_by_id(id) for id in ids)
        for task in (good, bad, long):
            task.wait_till_done(timeout_seconds=2)
        answer = [[task.status for task in (good, bad, long)], len(good.result), raised(lambda: bad.result),
                  len(bad.errors), raised(good.wait_till_done, check_frequency=1.9)]
        """,
        ids=[good["id"], bad["id"], long["id"]],
    )
    assert answer == [["COMPLETE", "FAILED", "IN_PROGRESS"], 2, "ValueError", 2, "ValueError"]


async def test_running_task_can_be_cancelled(labelbox):
    """Of a type that can be, as long as it runs."""
    [running] = labelbox.emulator.create_tasks(duration=60)
    [over] = labelbox.emulator.create_tasks(status="COMPLETE")
    [other] = labelbox.emulator.create_tasks(duration=60, type="not-this-one")
    answer = await labelbox.run(
        """
        answer = [client.cancel_task(running), client.get_task_by_id(running).status,
                  raised(client.cancel_task, over), raised(client.cancel_task, other)]
        """,
        running=running["id"],
        over=over["id"],
        other=other["id"],
    )
    assert answer == [True, "CANCELLING", "LabelboxError", "LabelboxError"]


# --- exports ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gzip", [False, True])
async def test_export_of_a_dataset_over_many_files(labelbox, gzip):
    """Header, 150 files and more with lines split between them, plain and compressed."""
    labelbox.emulator.fault(file_bytes=331, gzip=gzip)
    answer = await labelbox.run(
        """
        dataset = client.create_dataset(name="mine", iam_integration=None)
        dataset.create_data_rows([{"row_data": f"https://x/{n}", "global_key": f"k{n}"} for n in range(300)])
        export = dataset.export(task_name="mine")
        export.wait_till_done()
        lines = [output.json for output in export.get_buffered_stream()]
        answer = {
            "status": export.status, "type": export.type, "name": export.name,
            "size": export.get_total_file_size(StreamType.RESULT), "lines": export.get_total_lines(StreamType.RESULT),
            "keys": sorted(line["data_row"]["global_key"] for line in lines), "row": sorted(lines[0]["data_row"]),
            "has": [export.has_result(), export.has_errors()], "errors": export.get_total_lines(StreamType.ERRORS),
            "no stream": raised(export.get_buffered_stream, StreamType.ERRORS), "result": export.result,
        }
        """
    )
    assert (answer["status"], answer["type"], answer["name"]) == ("COMPLETE", "export-data-rows", "mine")
    assert answer["keys"] == sorted(f"k{n}" for n in range(300))
    assert answer["lines"] == 300
    assert answer["size"] > 150 * 331
    assert answer["row"] == ["external_id", "global_key", "id", "row_data"]
    assert answer["has"] == [True, False]
    assert (answer["errors"], answer["no stream"], answer["result"]) == (None, "ValueError", None)


async def test_export_v2_gives_lists(labelbox):
    """The older call: a full list of rows, a list of errors or None."""
    answer = await labelbox.run(
        """
        dataset = client.create_dataset(name="mine", iam_integration=None)
        dataset.create_data_rows([{"row_data": "x", "global_key": "k"}])
        full = dataset.export_v2()
        full.wait_till_done()
        empty = client.create_dataset(name="empty", iam_integration=None).export_v2()
        empty.wait_till_done()
        answer = [[row["data_row"]["global_key"] for row in full.result], full.errors, empty.result]
        """
    )
    assert answer == [["k"], None, []]


async def test_export_that_is_not_complete_is_not_ready(labelbox):
    """Each accessor says so; a failed one says that."""
    ids = [
        labelbox.emulator.create_tasks(type="export-data-rows", status=word, rows=5)[0]["id"]
        for word in ("IN_PROGRESS", "FAILED", "CANCELED")
    ]
    answer = await labelbox.run(
        """
        from labelbox import ExportTask
        answer = [raised(ExportTask.get_task(client, id).get_total_lines, StreamType.RESULT) for id in ids]
        """,
        ids=ids,
    )
    assert answer == ["ExportTaskException"] * 3


async def test_export_file_that_is_cut_or_gone(labelbox):
    """A short file is an AssertionError of the SDK, an expired one an HTTPError."""
    [export] = labelbox.emulator.create_tasks(type="export-data-rows", status="COMPLETE", rows=5)
    labelbox.emulator.fault(on="file", body='{"half"', times=1)
    labelbox.emulator.fault(on="file", status=403, times=1)
    answer = await labelbox.run(
        """
        from labelbox import ExportTask
        export = ExportTask.get_task(client, id)
        def read():
            return [output.json["data_row"]["external_id"] for output in export.get_buffered_stream()]
        answer = [raised(read), raised(read), read()]
        """,
        id=export["id"],
    )
    assert answer[:2] == ["AssertionError", "HTTPError"]
    assert answer[2] == [f"row-{n:010d}" for n in range(5)]


# --- legacy -------------------------------------------------------------------------------------------


async def test_legacy_import_file(labelbox):
    """A task named JSON Import: rows and errors from one file; failed: the word under `error`."""
    [good] = labelbox.emulator.create_tasks(
        name="JSON Import", type="import", status="COMPLETE", rows=2, failed_rows=1
    )
    [bad] = labelbox.emulator.create_tasks(name="JSON Import", type="import", status="FAILED", reason="too bad")
    answer = await labelbox.run(
        """
        good, bad = (client.get_task_by_id(id) for id in ids)
        answer = [sorted(good.result[0]), len(good.created_data_rows), len(good.errors), good.has_errors(),
                  bad.errors, bad.has_errors(), raised(lambda: bad.result)]
        """,
        ids=[good["id"], bad["id"]],
    )
    keys = ["external_id", "global_key", "id", "row_data"]
    assert answer == [keys, 2, 1, True, "too bad", False, "ValueError"]


async def test_legacy_export_files(labelbox):
    """NDJSON under result and errors."""
    [task] = labelbox.emulator.create_tasks(
        type="export-data-rows", status="COMPLETE", rows=3, failed_rows=2, legacy=True
    )
    answer = await labelbox.run(
        """
        task = client.get_task_by_id(id)
        answer = [[row["data_row"]["external_id"] for row in task.result], len(task.errors), task.has_errors()]
        """,
        id=task["id"],
    )
    assert answer == [[f"row-{n:010d}" for n in range(3)], 2, True]


async def test_embedded_errors(labelbox):
    """Failed jobs of some types carry their error as JSON text."""
    kinds = ["add-data-rows-to-batch", "send-to-task-queue", "send-to-annotate"]
    ids = [labelbox.emulator.create_tasks(type=kind, status="FAILED", reason="no queue")[0]["id"] for kind in kinds]
    answer = await labelbox.run(
        """
        tasks = [client.get_task_by_id(id) for id in ids]
        answer = [[task.errors, task.has_errors(), raised(lambda: task.result)] for task in tasks]
        """,
        ids=ids,
    )
    assert answer == [[{"error": "no queue"}, True, "ValueError"]] * 3


# --- errors -------------------------------------------------------------------------------------------


async def test_wrong_key(labelbox):
    """AuthenticationError, as for a real key that is wrong."""
    assert await labelbox.run("answer = raised(client.get_user)", key="wrong") == "AuthenticationError"


async def _raised(labelbox, faults):
    """What the SDK raises for each of some faults, in one process."""
    for fault in faults:
        labelbox.emulator.fault(times=1, on="dataset", **fault)
    return await labelbox.run(f'answer = [raised(client.get_dataset, "x") for _ in range({len(faults)})]')


async def test_faults_are_what_the_sdk_takes_them_for(labelbox):
    """Each fault raises the exception of the vendor's table."""
    table = [
        ({"status": 429, "retry_after": 3}, "ApiLimitError"),
        ({"status": 200, "body": {"message": "You have exceeded it"}}, "ApiLimitError"),
        ({"status": 429, "body": {"message": "slow down"}}, "LabelboxError"),
        ({"status": 429, "body": "slow down"}, "LabelboxError"),
        ({"status": 401}, "AuthenticationError"),
        ({"status": 403}, "AuthorizationError"),
        ({"status": 404}, "ResourceNotFoundError"),
        ({"status": 409}, "ResourceConflict"),
        ({"html": True}, "LabelboxError"),
        ({"html": True, "status": 404}, "LabelboxError"),
        ({"body": {"data": None}}, "ResourceNotFoundError"),
        ({"body": {}}, "KeyError"),
        ({"reset": True}, "NetworkError"),
        ({"cut": True}, "NetworkError"),
    ]
    assert await _raised(labelbox, [fault for fault, _ in table]) == [expected for _, expected in table]


async def test_error_codes_are_what_the_sdk_takes_them_for(labelbox):
    """Each code of the envelope raises the exception of the vendor's table."""
    table = [
        ("AUTHENTICATION_ERROR", None, "AuthenticationError"),
        ("AUTHORIZATION_ERROR", None, "AuthorizationError"),
        ("GRAPHQL_VALIDATION_FAILED", None, "InvalidQueryError"),
        ("GRAPHQL_PARSE_FAILED", None, "InvalidQueryError"),
        ("RESOURCE_NOT_FOUND", None, "ResourceNotFoundError"),
        ("RESOURCE_CONFLICT", None, "ResourceConflict"),
        ("MALFORMED_REQUEST", None, "MalformedQueryException"),
        ("INTERNAL_SERVER_ERROR", None, "LabelboxError"),
        ("INTERNAL_SERVER_ERROR", 400, "InvalidQueryError"),
        ("INTERNAL_SERVER_ERROR", 422, "UnprocessableEntityError"),
        ("INTERNAL_SERVER_ERROR", 426, "OperationNotAllowedException"),
        ("OPERATION_NOT_ALLOWED", None, "OperationNotAllowedException"),
        ("SOMETHING_NEW", None, "LabelboxError"),
    ]
    faults = []
    for code, status, _ in table:
        extensions = {"code": code} if status is None else {"code": code, "exception": {"status": status}}
        faults.append({"body": {"errors": [{"message": "m", "extensions": extensions}], "data": None}})
    assert await _raised(labelbox, faults) == [expected for *_, expected in table]


async def test_server_errors_are_retried(labelbox):
    """502 and 503 are tried again after a moment, and then the answer is as if nothing had been."""
    labelbox.emulator.fault(status=502, times=1)
    labelbox.emulator.fault(status=503, times=1)
    assert await labelbox.run("answer = client.get_user().uid")
    assert labelbox.emulator.audit()["requests"] == 3


async def test_documents_of_our_own_are_executed(labelbox):
    """What the SDK never sends but lets through: aliases, id lists, the complexity limit."""
    first, second, _ = ids = [task["id"] for task in labelbox.emulator.create_tasks(count=3, status="IN_PROGRESS")]
    labelbox.emulator.fault(complexity_limit=2)
    answer = await labelbox.run(
        """
        aliases = "query($a: ID!, $b: ID!) { user { %s } }" % " ".join(
            "a%d: createdTasks(where: {id: $%s} first: 1) { id status }" % (n, name) for n, name in enumerate("ab")
        )
        more = aliases.replace("} }", "} a2: createdTasks(first: 1) { id } }", 1)
        listed = "query($ids: [ID!]!) { user { createdTasks(where: {id_in: $ids} first: 9) { id } } }"
        variables = {"a": ids[0], "b": ids[1]}
        answer = [client.execute(aliases, variables), raised(client.execute, more, variables),
                  client.execute(listed, {"ids": ids})]
        """,
        ids=ids,
    )
    assert answer[0] == {
        "user": {
            "a0": [{"id": first, "status": "IN_PROGRESS"}],
            "a1": [{"id": second, "status": "IN_PROGRESS"}],
        }
    }
    assert answer[1] == "ValidationFailedError"
    assert answer[2] == {"user": {"createdTasks": [{"id": id} for id in ids]}}
