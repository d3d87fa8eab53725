"""Data rows go in by upload, and come out by pages, files and streams."""

from __future__ import annotations

import asyncio
import gzip
import json
from itertools import pairwise

import pytest

from aiotasks.emulators.labelbox import LabelboxEmulator
from tests.emulators.labelbox.conftest import served

_UPSERT = (
    "mutation UpsertDataRowsPyApi($manifestUri: String!) { upsertDataRows(data: {manifestUri: $manifestUri}) "
    "{ id createdAt updatedAt name status completionPercentage result errors type metadata } }"
)
_GOOD = (
    "query SuccessesfulDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String) {"
    " successesfulDataRowImports(data: { taskId: $taskId, first: $first, from: $from})"
    " { nodes { id externalId globalKey rowData } after total } }"
)
_BAD = (
    "query FailedDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String) {"
    " failedDataRowImports(data: { taskId: $taskId, first: $first, from: $from}) { after total results { message"
    " spec { externalId globalKey rowData metadata { schemaId value name } attachments { type value name } } } } }"
)
_FILE = (
    "query($w: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!) {"
    " task(where: $w) { exportFileFromOffset(streamType: $streamType, offset: $offset)"
    " {offsets {start end} lines {start end} file } } }"
)
_HEADER = (
    "query($w: WhereUniqueIdInput, $streamType: TaskStreamType!) { task(where: $w) {"
    " exportMetadataHeader(streamType: $streamType) { totalSize totalLines } } }"
)


async def _dataset(client):
    data = await client.ask(
        "mutation CreateDatasetPyApi($name: String!){createDataset(data: {name: $name})"
        " {createdAt description name rowCount id updatedAt}}",
        name="mine",
    )
    return data["createDataset"]["id"]


async def _row_count(client, dataset):
    data = await client.ask(
        "query GetDatasetPyApi($param_0: ID!){dataset(where: {id: $param_0}){ rowCount }}", param_0=dataset
    )
    return None if data["dataset"] is None else data["dataset"]["rowCount"]


async def _upsert(client, items, chunk=1_000):
    """Uploads chunks and a manifest and starts the job; gives the task as the mutation answers it."""
    chunks = [
        await client.upload(json.dumps(items[start : start + chunk]).encode(), "application/json", "json_import.json")
        for start in range(0, len(items), chunk)
    ]
    manifest = {"source": "SDK", "item_count": len(items), "chunk_uris": chunks}
    uri = await client.upload(json.dumps(manifest).encode())
    return (await client.ask(_UPSERT, manifestUri=uri))["upsertDataRows"]


def _new(dataset, **payload):
    return {"id": {"type": "AUTO", "value": ""}, "payload": {"dataset_id": dataset, **payload}}


async def _page(client, query, task, first=5_000, start=None):
    [page] = (await client.ask(query, **{"taskId": task, "first": first, "from": start})).values()
    return page


async def _complete(client, task):
    client.emulator.change_task(task, status="COMPLETE")


# --- in -----------------------------------------------------------------------------------------------


async def test_rows_of_several_chunks_become_data_rows(client):
    """Chunks carry file name and content type swapped, as the SDK sends them; their rows are created."""
    dataset = await _dataset(client)
    items = [_new(dataset, row_data=f"https://x/{n}", global_key=f"k{n}", external_id=f"e{n}") for n in range(25)]
    task = await _upsert(client, items, chunk=10)
    assert (task["type"], task["status"], task["name"]) == ("adv-upsert-data-rows", "IN_PROGRESS", None)
    await _complete(client, task["id"])
    page = await _page(client, _GOOD, task["id"])
    assert [row["globalKey"] for row in page["nodes"]] == [f"k{n}" for n in range(25)]
    assert set(page["nodes"][0]) == {"id", "externalId", "globalKey", "rowData"}
    assert (page["after"], page["total"]) == (None, 25)
    assert await _row_count(client, dataset) == 25


async def test_row_with_a_used_global_key_fails_alone(client):
    """The job completes, the other rows are created, and the failed one is listed with what it asked for."""
    dataset = await _dataset(client)
    row = _new(
        dataset,
        row_data="https://x/2",
        global_key="k",
        metadata_fields=[{"schema_id": "s", "value": 1}],
        attachments=[{"type": "IMAGE_OVERLAY", "value": "https://x/a"}],
    )
    task = await _upsert(
        client, [_new(dataset, row_data="https://x/1", global_key="k"), row, _new(dataset, row_data="y")]
    )
    await _complete(client, task["id"])
    assert len((await _page(client, _GOOD, task["id"]))["nodes"]) == 2
    failed = await _page(client, _BAD, task["id"])
    assert failed == {
        "after": None,
        "total": 1,
        "results": [
            {
                "message": "Duplicate global key: 'k'",
                "spec": {
                    "externalId": None,
                    "globalKey": "k",
                    "rowData": "https://x/2",
                    "metadata": [{"schemaId": "s", "value": 1, "name": None}],
                    "attachments": [{"type": "IMAGE_OVERLAY", "value": "https://x/a", "name": None}],
                },
            }
        ],
    }


@pytest.mark.parametrize("payload", [{}, {"row_data": ""}])
async def test_row_without_row_data_fails(client, payload):
    """There is nothing to create."""
    task = await _upsert(client, [_new(await _dataset(client), **payload)])
    await _complete(client, task["id"])
    assert len((await _page(client, _BAD, task["id"]))["results"]) == 1


async def test_row_of_an_unknown_dataset_fails(client):
    """So does one that updates a data row that is not there."""
    unknown = {"id": {"type": "ID", "value": "x"}, "payload": {"dataset_id": await _dataset(client), "row_data": "y"}}
    task = await _upsert(client, [_new("x", row_data="y"), unknown])
    await _complete(client, task["id"])
    messages = [each["message"] for each in (await _page(client, _BAD, task["id"]))["results"]]
    assert messages == ["Dataset not found", "Data row with id 'x' not found"]


async def test_upsert_by_key_updates_or_creates(client):
    """A known id or global key updates its row, an unknown global key creates one; a taken key is refused."""
    dataset = await _dataset(client)
    task = await _upsert(client, [_new(dataset, row_data=key, global_key=key) for key in "ab"])
    await _complete(client, task["id"])
    first = (await _page(client, _GOOD, task["id"]))["nodes"][0]
    task = await _upsert(
        client,
        [
            {"id": {"type": "ID", "value": first["id"]}, "payload": {"dataset_id": dataset, "global_key": "a2"}},
            {"id": {"type": "GKEY", "value": "b"}, "payload": {"dataset_id": dataset, "row_data": "b2"}},
            {"id": {"type": "GKEY", "value": "c"}, "payload": {"dataset_id": dataset, "row_data": "c"}},
            {"id": {"type": "GKEY", "value": "c"}, "payload": {"dataset_id": dataset, "global_key": "a2"}},
        ],
    )
    await _complete(client, task["id"])
    nodes = (await _page(client, _GOOD, task["id"]))["nodes"]
    assert [(row["globalKey"], row["rowData"]) for row in nodes] == [("a2", "a"), ("b", "b2"), ("c", "c")]
    assert len((await _page(client, _BAD, task["id"]))["results"]) == 1
    assert await _row_count(client, dataset) == 3


async def test_empty_manifest_is_a_job_without_rows(client):
    """`item_count` 0 and no chunks: allowed."""
    task = await _upsert(client, [])
    await _complete(client, task["id"])
    assert await _page(client, _GOOD, task["id"]) == {"nodes": [], "after": None, "total": 0}


@pytest.mark.parametrize(
    "manifest",
    [b"{", b"[]", b"{}", b'{"item_count": 3, "chunk_uris": []}', b'{"item_count": 0, "chunk_uris": ["https://x/y"]}'],
)
async def test_manifest_that_makes_no_sense_is_refused(client, manifest):
    """No job is started, and no foreign URL is read."""
    status, code, _ = await client.refused(_UPSERT, manifestUri=await client.upload(manifest))
    assert (status, code) == (200, "MALFORMED_REQUEST")
    assert client.emulator.tasks() == []


async def test_chunk_whose_rows_make_no_sense_is_refused(client):
    """A chunk is a list of items with id and payload."""
    chunk = await client.upload(b'[{"payload": 3}]')
    uri = await client.upload(json.dumps({"item_count": 1, "chunk_uris": [chunk]}).encode())
    assert (await client.refused(_UPSERT, manifestUri=uri))[1] == "MALFORMED_REQUEST"
    assert client.emulator.tasks() == []


async def test_upload_of_ten_megabytes_is_taken(client):
    """Chunks reach 10 MB, far beyond aiohttp's usual limit."""
    url = await client.upload(b"x" * 10_000_000)
    status, content = await client.get(url)
    assert (status, len(content)) == (200, 10_000_000)


@pytest.mark.looptime
async def test_job_that_fails_creates_no_row():
    """All its rows are listed as failed, none is created, and its result is a file with the error."""
    async with served(LabelboxEmulator(duration=(1.0, 1.0), failures=1.0)) as client:
        dataset = await _dataset(client)
        task = await _upsert(client, [_new(dataset, row_data="x", global_key="k")])
        await asyncio.sleep(1)
        assert (await client.statuses(task["id"]))[task["id"]] == "FAILED"
        assert (await _page(client, _GOOD, task["id"]))["nodes"] == []
        assert len((await _page(client, _BAD, task["id"]))["results"]) == 1
        assert await _row_count(client, dataset) == 0


async def test_deleted_dataset_is_gone_and_frees_its_keys(client):
    """A dataset that is not there is null; its global keys can be used again."""
    for _ in range(2):
        dataset = await _dataset(client)
        task = await _upsert(client, [_new(dataset, row_data="x", global_key="k")])
        await _complete(client, task["id"])
        assert len((await _page(client, _GOOD, task["id"]))["nodes"]) == 1
        await client.ask(
            "mutation deleteDatasetPyApi($DatasetId: ID!){"
            "updateDataset(where: {id: $DatasetId} data: {deleted: true}) {id}}",
            DatasetId=dataset,
        )
        assert await _row_count(client, dataset) is None


async def test_dataset_can_be_renamed(client):
    """updateDataset changes what it is given; an unknown one is an error."""
    dataset = await _dataset(client)
    query = (
        "mutation($w: WhereUniqueIdInput!) { updateDataset(where: $w data: {description: %s}) { name description } }"
    )
    assert await client.ask(query % '"d"', w={"id": dataset}) == {
        "updateDataset": {"name": "mine", "description": "d"}
    }
    assert (await client.refused(query % "null", w={"id": "x"}))[1] == "RESOURCE_NOT_FOUND"


# --- pages --------------------------------------------------------------------------------------------


async def test_pages_of_a_large_result_have_no_gap(client):
    """20,000 rows in pages of 5,000, made up when they are read; the last cursor is null."""
    [task] = client.emulator.create_tasks(status="COMPLETE", rows=20_000, failed_rows=7)
    ids, cursor, pages = [], None, 0
    while True:
        page = await _page(client, _GOOD, task["id"], start=cursor)
        ids += [row["id"] for row in page["nodes"]]
        pages += 1
        assert page["total"] == 20_000
        if not (cursor := page["after"]):
            break
    assert (pages, len(ids), len(set(ids))) == (4, 20_000, 20_000)
    assert (await _page(client, _BAD, task["id"]))["total"] == 7


async def test_cursor_of_another_list_is_refused(client):
    """A cursor belongs to one task and to good or bad rows."""
    one, other = client.emulator.create_tasks(count=2, status="COMPLETE", rows=10, failed_rows=10)
    cursor = (await _page(client, _GOOD, one["id"], first=3))["after"]
    for query, task, start in [(_GOOD, other, cursor), (_BAD, one, cursor), (_GOOD, one, "nonsense")]:
        _, code, _ = await client.refused(query, **{"taskId": task["id"], "first": 3, "from": start})
        assert code == "BAD_USER_INPUT"


async def test_rows_of_an_unknown_task_are_not_found(client):
    """An error of its own."""
    assert (await client.refused(_GOOD, **{"taskId": "x", "first": 3, "from": None}))[1] == "RESOURCE_NOT_FOUND"


@pytest.mark.looptime
async def test_rows_appear_as_the_job_moves_on():
    """Whatever the server has imported by now is what its pages give."""
    async with served(LabelboxEmulator(duration=(10.0, 10.0))) as client:
        [task] = client.emulator.create_tasks(rows=1_000)
        totals = []
        for _ in range(3):
            totals.append((await _page(client, _GOOD, task["id"]))["total"])
            await asyncio.sleep(5)
        assert totals == [0, 500, 1_000]


# --- exports ------------------------------------------------------------------------------------------


async def _export(client, dataset=None, mutation="exportDataRowsInCatalog", **search):
    query = [{"ids": [dataset], "operator": "is", "type": "dataset"}] if dataset else []
    query += [{"ids": ids, "operator": "is", "type": kind} for kind, ids in search.items()]
    kind = mutation[0].upper() + mutation[1:] + "Input!"
    data = await client.ask(
        f"mutation {mutation}PyApi($input: {kind}){{{mutation}(input: $input){{taskId isStreamable}}}}",
        input={"taskName": "e", "filters": {"searchQuery": {"scope": None, "query": query}}, "streamable": True},
    )
    return data[mutation]


async def _stream(client, task, kind="RESULT"):
    """All bytes of a stream, and the ranges of its files."""
    header = (await client.ask(_HEADER, w={"id": task}, streamType=kind))["task"]["exportMetadataHeader"]
    if header is None:
        return None, []
    content, files = b"", []
    while len(content) < header["totalSize"]:
        data = await client.ask(_FILE, w={"id": task}, streamType=kind, offset=str(len(content)))
        file = data["task"]["exportFileFromOffset"]
        _, piece = await client.get(file["file"])
        start, end = file["offsets"]["start"], file["offsets"]["end"]
        assert (start, end) == (len(content), len(content) + len(piece) - 1)
        content += piece
        files.append((start, end, file["lines"]["start"], file["lines"]["end"]))
    assert content.count(b"\n") == header["totalLines"]
    return content, files


async def test_export_of_a_dataset_streams_its_rows(client):
    """Rows of this dataset alone, in files that are cut anywhere, even inside a character."""
    dataset, other = await _dataset(client), await _dataset(client)
    await _upsert(client, [_new(dataset, row_data=f"数{n}", global_key=f"k{n}") for n in range(20)])
    await _upsert(client, [_new(other, row_data="no")])
    client.emulator.fault(file_bytes=101)
    export = await _export(client, dataset)
    assert export["isStreamable"] is True
    assert await _stream(client, export["taskId"]) == (None, [])  # not complete
    await _complete(client, export["taskId"])
    content, files = await _stream(client, export["taskId"])
    assert [json.loads(line)["data_row"]["row_data"] for line in content.splitlines()] == [
        f"数{n}" for n in range(20)
    ]
    assert all(end - start == 100 for start, end, *_ in files[:-1])
    assert files[0][2] == 0
    assert files[-1][3] == 19
    assert all(later[2] in (earlier[3], earlier[3] + 1) for earlier, later in pairwise(files))
    assert await _stream(client, export["taskId"], "ERRORS") == (None, [])


@pytest.mark.parametrize(
    ("search", "expected"),
    [({}, "abc"), ({"global_key": ["a", "c"]}, "ac"), ({"data_row_id": ["b"]}, "b"), ({"batch": ["x"]}, "abc")],
)
async def test_export_takes_the_rows_of_its_filter(client, search, expected):
    """By global key, by id; what only the real server knows chooses all."""
    task = await _upsert(client, [_new(await _dataset(client), row_data=key, global_key=key) for key in "abc"])
    await _complete(client, task["id"])
    ids = {row["globalKey"]: row["id"] for row in (await _page(client, _GOOD, task["id"]))["nodes"]}
    if "data_row_id" in search:
        search = {"data_row_id": [ids[key] for key in search["data_row_id"]]}
    export = await _export(client, **search)
    await _complete(client, export["taskId"])
    content, _ = await _stream(client, export["taskId"])
    assert "".join(json.loads(line)["data_row"]["global_key"] for line in content.splitlines()) == expected


@pytest.mark.parametrize("source", ["Project", "Slice", "ModelRun"])
async def test_other_exports_start_too(client, source):
    """Each has its own mutation and input type."""
    export = await _export(client, mutation=f"exportDataRowsIn{source}")
    assert (await client.statuses(export["taskId"]))[export["taskId"]] == "IN_PROGRESS"


async def test_made_up_export_can_be_read_anywhere(client):
    """Ten million rows without memory: any offset, any line."""
    [task] = client.emulator.create_tasks(type="export-data-rows", status="COMPLETE", rows=10_000_000, failed_rows=1)
    header = (await client.ask(_HEADER, w={"id": task["id"]}, streamType="RESULT"))["task"]["exportMetadataHeader"]
    assert header["totalLines"] == 10_000_000
    line = (
        "query($w: WhereUniqueIdInput, $line: UInt64!) { task(where: $w) {"
        " exportFileFromLine(streamType: RESULT, line: $line) { offsets {start end} lines {start end} file } } }"
    )
    data = await client.ask(line, w={"id": task["id"]}, line=9_999_999)
    file = data["task"]["exportFileFromLine"]
    assert file["lines"]["end"] == 9_999_999
    assert file["offsets"]["end"] == header["totalSize"] - 1
    _, content = await client.get(file["file"])
    assert len(content) == file["offsets"]["end"] - file["offsets"]["start"] + 1
    assert json.loads(content.splitlines()[-1])["data_row"]["external_id"] == "row-0009999999"
    assert (await client.ask(line, w={"id": task["id"]}, line=10_000_000))["task"] == {"exportFileFromLine": None}


async def test_made_up_files_join_to_whole_lines(client):
    """Cut at any size, the pieces of a made-up stream are its lines in order."""
    client.emulator.fault(file_bytes=777)
    [task] = client.emulator.create_tasks(type="export-data-rows", status="COMPLETE", rows=50)
    content, files = await _stream(client, task["id"])
    rows = [json.loads(line)["data_row"]["external_id"] for line in content.splitlines()]
    assert rows == [f"row-{n:010d}" for n in range(50)]
    assert len(files) > 10


async def test_export_of_nothing_has_no_stream(client):
    """null in place of a header, null in place of a file."""
    export = await _export(client)
    await _complete(client, export["taskId"])
    assert await _stream(client, export["taskId"]) == (None, [])
    data = await client.ask(_FILE, w={"id": export["taskId"]}, streamType="RESULT", offset="0")
    assert data == {"task": {"exportFileFromOffset": None}}


async def test_legacy_export_is_one_file(client):
    """Switched off, streams give way to NDJSON under `result` and `errors`."""
    client.emulator.fault(streamable=False)
    await _upsert(client, [_new(await _dataset(client), row_data="x")])
    export = await _export(client)
    assert export["isStreamable"] is False
    query = "query($w: WhereUniqueIdInput) { task(where: $w) { result errors } }"
    assert (await client.ask(query, w={"id": export["taskId"]}))["task"] == {"result": None, "errors": None}
    await _complete(client, export["taskId"])
    task = (await client.ask(query, w={"id": export["taskId"]}))["task"]
    assert task["errors"] is None
    _, content = await client.get(task["result"])
    assert [json.loads(line)["data_row"]["row_data"] for line in content.splitlines()] == ["x"]
    [made] = client.emulator.create_tasks(
        type="export-data-rows", status="COMPLETE", rows=2, failed_rows=3, legacy=True
    )
    task = (await client.ask(query, w={"id": made["id"]}))["task"]
    _, content = await client.get(task["errors"])
    assert [json.loads(line)["message"] for line in content.splitlines()] == ["Refused: the emulator was told so"] * 3


# --- files --------------------------------------------------------------------------------------------


async def _result(client, id):
    return (await client.ask("query($w: WhereUniqueIdInput) { task(where: $w) { result errors } }", w={"id": id}))[
        "task"
    ]


async def test_legacy_import_has_one_file_for_rows_and_errors(client):
    """JSON Import: `{"createdDataRows", "errors"}`; failed: `{"error"}`; null while it runs."""
    [task] = client.emulator.create_tasks(name="JSON Import", type="json-import", rows=2_500, failed_rows=2)
    assert await _result(client, task["id"]) == {"result": None, "errors": None}
    await _complete(client, task["id"])
    _, content = await client.get((await _result(client, task["id"]))["result"])
    file = json.loads(content)
    assert len(file["createdDataRows"]) == 2_500
    assert set(file["createdDataRows"][0]) == {"id", "externalId", "globalKey", "rowData"}
    assert [set(error) for error in file["errors"]] == [{"message", "failedDataRows"}] * 2
    client.emulator.change_task(task["id"], status="FAILED")
    _, content = await client.get((await _result(client, task["id"]))["result"])
    assert json.loads(content) == {"error": "Refused: the emulator was told so"}


@pytest.mark.parametrize("kind", ["add-data-rows-to-batch", "send-to-task-queue", "send-to-annotate"])
async def test_error_of_some_types_is_the_result_itself(client, kind):
    """JSON text in place of a URL, for the failed alone."""
    [task] = client.emulator.create_tasks(type=kind, status="FAILED", reason="no queue")
    shown = await _result(client, task["id"])
    assert json.loads(shown["result"]) == json.loads(shown["errors"]) == {"error": "no queue"}
    client.emulator.change_task(task["id"], status="COMPLETE")
    assert await _result(client, task["id"]) == {"result": None, "errors": None}


async def test_file_needs_its_signature_and_no_credential(client):
    """Presigned: who has the URL may read; a changed URL and a key beside it are refused."""
    [task] = client.emulator.create_tasks(status="COMPLETE", rows=3)
    url = (await _result(client, task["id"]))["result"]
    assert (await client.get(url))[0] == 200
    assert (await client.get(url.partition("?")[0]))[0] == 403
    assert (await client.get(url + "0"))[0] == 403
    status, content = await client.get(url, Authorization=f"Bearer {client.emulator.api_key}")
    assert status == 400
    assert b"Only one auth mechanism allowed" in content


@pytest.mark.looptime
async def test_file_expires_and_a_fresh_url_does_not(client):
    """After its time a URL is 403; asking for the task again gives one that works."""
    client.emulator.fault(file_ttl=60)
    [task] = client.emulator.create_tasks(status="COMPLETE", rows=3)
    url = (await _result(client, task["id"]))["result"]
    await asyncio.sleep(60)
    status, content = await client.get(url)
    assert status == 403
    assert b"ExpiredToken" in content
    assert (await client.get((await _result(client, task["id"]))["result"]))[0] == 200


async def test_part_of_a_file_can_be_asked_for(client):
    """A byte range is 206 with its place; one past the end is 416."""
    url = await client.upload(b"0123456789")
    assert await client.get(url, Range="bytes=2-5") == (206, b"2345")
    assert await client.get(url, Range="bytes=-3") == (206, b"789")
    assert (await client.get(url, Range="bytes=10-"))[0] == 416
    assert await client.get(url, Range="nonsense") == (200, b"0123456789")
    async with client.session.get(url, headers={"Range": "bytes=4-"}) as response:
        assert response.headers["Content-Range"] == "bytes 4-9/10"


async def test_answers_and_files_are_compressed_on_demand(client):
    """Switched on, for clients that accept it; the bytes behind are the same."""
    client.emulator.fault(gzip=True)
    url = await client.upload(b"x" * 1_000)
    async with client.session.get(url, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await response.read()) == b"x" * 1_000
    async with client.session.get(url, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
    assert await client.ask("{ user { id } }")
