"""Data rows on their way: what is refused before any request, and how the rest is cut and sent."""

from __future__ import annotations

from collections import UserDict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aiotasks import InvalidArgument, InvalidType, ProtocolError, Response, UsageError
from aiotasks.limits import PAGE_TIMEOUT
from aiotasks.providers.labelbox.upload import (
    Draft,
    GlobalKey,
    UniqueId,
    chunks,
    file_request,
    manifest,
    many,
    upload_request,
    uploaded_url,
)

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "https://api.example/graphql"
URL = "https://images.example/1.jpg"


def draft(items: Any, dataset_id: str, *, is_upsert: bool) -> Draft:
    drafted = Draft(dataset_id, is_upsert)
    for item in many(items):
        drafted.add(item)
    return drafted


def created(*items: Any) -> list[Any]:
    return [msgspec.json.decode(row) for row in draft(items, "d1", is_upsert=False).rows]


def upserted(*items: Any) -> list[Any]:
    return [msgspec.json.decode(row) for row in draft(items, "d1", is_upsert=True).rows]


def test_item_becomes_what_the_sdk_sends() -> None:
    """Fields keep their names, None is dropped, metadata and embeddings get the names of the wire."""
    (row,) = created(
        {
            "row_data": URL,
            "global_key": "g1",
            "external_id": None,
            "media_type": "IMAGE",
            "metadata_fields": [{"schema_id": "s1", "value": 3}, {"name": "tag", "value": "x"}],
            "attachments": [{"type": "RAW_TEXT", "name": "a", "value": "text"}],
            "embeddings": [{"embedding_id": "e1", "vector": [0.5, 1], "clusters": [2]}],
        }
    )

    assert row == {
        "id": {"type": "AUTO", "value": ""},
        "payload": {
            "row_data": URL,
            "global_key": "g1",
            "media_type": "IMAGE",
            "metadata_fields": [{"schemaId": "s1", "value": 3}, {"name": "tag", "value": "x"}],
            "attachments": [{"type": "RAW_TEXT", "name": "a", "value": "text"}],
            "embeddings": [{"embeddingId": "e1", "vector": [0.5, 1], "clusters": [2]}],
            "dataset_id": "d1",
        },
    }


@pytest.mark.parametrize(
    ("key", "identity"),
    [
        (UniqueId("c1"), {"type": "ID", "value": "c1"}),
        (GlobalKey("g1"), {"type": "GKEY", "value": "g1"}),
    ],
)
def test_key_names_the_row_to_update(key: Any, identity: dict[str, str]) -> None:
    """With a key, any single field is enough."""
    (row,) = upserted({"key": key, "external_id": "new"})

    assert row == {"id": identity, "payload": {"external_id": "new", "dataset_id": "d1"}}


def test_upsert_without_key_creates() -> None:
    """Without a key an upsert needs what a creation needs."""
    assert upserted({"row_data": URL})[0]["id"] == {"type": "AUTO", "value": ""}


@pytest.mark.parametrize(
    ("item", "kind", "text"),
    [
        ({}, InvalidArgument, "items[1].row_data: given none"),
        ({"global_key": "g"}, InvalidArgument, "items[1].row_data: given none"),
        ({"row_data": ""}, InvalidArgument, "items[1].row_data: given"),
        ({"row_data": {}}, InvalidArgument, "items[1].row_data: given"),
        ({"row_data": None}, InvalidArgument, "items[1].row_data: given none"),
        ({"row_data": 7}, InvalidType, "items[1].row_data: given int"),
        ({"row_data": b"bytes"}, InvalidType, "items[1].row_data: given bytes"),
        ({"row_data": "s3://bucket/x"}, InvalidArgument, "items[1].row_data: given"),
        ({"row_data": URL, "rowdata": 1}, InvalidArgument, "items[1].rowdata: given an unknown field"),
        ({"row_data": URL, 3: 1}, InvalidArgument, "items[1].3: given an unknown field"),
        ({"row_data": URL, "global_key": 3}, InvalidType, "items[1].global_key: given int"),
        ({"row_data": URL, "global_key": ""}, InvalidArgument, "items[1].global_key: given ''"),
        ({"row_data": URL, "metadata_fields": {"a": 1}}, InvalidType, "items[1].metadata_fields"),
        ({"row_data": URL, "metadata_fields": ["a"]}, InvalidType, "items[1].metadata_fields"),
        ({"row_data": URL, "metadata_fields": [{"value": 1}]}, InvalidArgument, "items[1].metadata_fields"),
        ({"row_data": URL, "metadata_fields": [{"name": "a"}]}, InvalidArgument, "items[1].metadata_fields"),
        ({"row_data": URL, "attachments": [{"type": "IMAGE"}]}, InvalidArgument, "items[1].attachments"),
        ({"row_data": URL, "embeddings": [{"vector": []}]}, InvalidArgument, "items[1].embeddings"),
        (
            {"row_data": URL, "embeddings": [{"embedding_id": "e", "vector": [float("nan")]}]},
            InvalidArgument,
            "items[1].embeddings",
        ),
        (
            {"row_data": URL, "embeddings": [{"embedding_id": "e", "vector": ["x"]}]},
            InvalidArgument,
            "items[1].embeddings",
        ),
        ({"row_data": {"a": object()}}, InvalidArgument, "items[1]: given what is no JSON"),
        ({"row_data": "\ud800"}, InvalidArgument, "items[1]: given what is no JSON"),
        ({"row_data": URL, "key": GlobalKey("g")}, InvalidArgument, "items[1].key: given one"),
        ("no/such/file.jpg", InvalidArgument, "items[1]: given 'no/such/file.jpg'"),
        (None, InvalidType, "items[1]: given NoneType"),
        ([("row_data", URL)], InvalidType, "items[1]: given list"),
    ],
)
def test_item_that_is_not_allowed_is_refused_by_its_place(item: Any, kind: type[UsageError], text: str) -> None:
    """The error names where the item stands, what was given and what is allowed."""
    with pytest.raises(kind) as caught:
        created({"row_data": URL}, item)

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("item", "kind", "text"),
    [
        ({"key": GlobalKey("g")}, InvalidArgument, "items[0]: given nothing but a key"),
        ({"key": GlobalKey("g"), "external_id": None}, InvalidArgument, "items[0]: given nothing but a key"),
        ({"key": "g", "external_id": "e"}, InvalidType, "items[0].key: given str"),
        ({"external_id": "e"}, InvalidArgument, "items[0].row_data: given none"),
        ("file.jpg", InvalidType, "items[0]: given str"),
    ],
)
def test_upsert_that_is_not_allowed_is_refused(item: Any, kind: type[UsageError], text: str) -> None:
    """A key must be of a known kind and come with something to write."""
    with pytest.raises(kind) as caught:
        upserted(item)

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("items", [None, "rows", b"rows", {"row_data": URL}, 7])
@pytest.mark.covers("B-08")
def test_items_must_be_many(items: Any) -> None:
    """One row, or text, in place of a list is refused, not taken apart."""
    with pytest.raises(InvalidType, match="items: given"):
        draft(items, "d1", is_upsert=False)


def test_any_iterable_of_any_mappings_will_do() -> None:
    """Generators and other mappings are as good as lists of dicts."""
    drafted = draft((UserDict(row_data=URL) for _ in range(2)), "d1", is_upsert=False)

    assert len(drafted.rows) == 2


@pytest.mark.covers("B-16")
def test_items_are_neither_kept_nor_changed() -> None:
    """The SDK writes into its caller's dicts; here they are read once."""
    item = {"key": GlobalKey("g"), "external_id": "before", "global_key": None}
    drafted = draft([item], "d1", is_upsert=True)
    item["external_id"] = "after"

    assert b"before" in drafted.rows[0]
    assert "dataset_id" not in item
    assert "key" in item


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [(UniqueId, "", InvalidArgument), (GlobalKey, " ", InvalidArgument), (GlobalKey, 7, InvalidType)],
)
def test_key_must_be_text(kind: Any, value: Any, error: type[UsageError]) -> None:
    """A key that cannot name a row is refused when it is made."""
    with pytest.raises(error, match="key: given"):
        kind(value)


# --- local files ----------------------------------------------------------------------------------------------


def test_local_file_is_replaced_by_the_url_of_its_upload(tmp_path: Path) -> None:
    """`row_data` that names a file becomes a URL; the path stays as external id unless there is one."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"jpeg")
    items = [{"row_data": str(path)}, {"row_data": URL}, {"row_data": str(path), "external_id": "mine"}, str(path)]
    drafted = draft(items, "d1", is_upsert=False)

    rows = [msgspec.json.decode(row) for row in drafted.with_urls(["https://u/1", "https://u/2", "https://u/3"])]

    assert drafted.paths == [str(path)] * 3
    assert [row["payload"]["row_data"] for row in rows] == ["https://u/1", URL, "https://u/2", "https://u/3"]
    assert [row["payload"].get("external_id") for row in rows] == [str(path), None, "mine", str(path)]


def test_file_is_uploaded_under_its_name_and_type(tmp_path: Path) -> None:
    """The best guess at the content type goes along."""
    path = tmp_path / "a.png"
    path.write_bytes(b"png")

    part = file_request(ENDPOINT, str(path)).parts[2]

    assert (part.name, part.filename, part.content_type, part.content) == ("1", "a.png", "image/png", b"png")


# --- chunks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [12, 13, 20, 50, 1_000])
def test_chunks_keep_order_and_size(limit: int) -> None:
    """Chunks are JSON lists within the limit, and together they are the rows in order."""
    rows = [b'"%03d"' % n for n in range(40)]

    cut = list(chunks(rows, limit))

    assert [row for chunk in cut for row in msgspec.json.decode(chunk)] == [f"{n:03d}" for n in range(40)]
    assert all(len(chunk) <= limit for chunk in cut)


def test_chunks_are_as_few_as_order_allows() -> None:
    """Four rows of 5 bytes, three commas and two brackets are 25 bytes, and fit 25."""
    assert len(list(chunks([b'"000"'] * 4, 25))) == 1
    assert len(list(chunks([b'"000"'] * 4, 24))) == 2


def test_row_beyond_the_limit_is_a_chunk_of_its_own() -> None:
    """A row cannot be cut."""
    assert list(chunks([b'"a"', b'"' + b"b" * 50 + b'"', b'"c"'], 20)) == [
        b'["a"]',
        b'["' + b"b" * 50 + b'"]',
        b'["c"]',
    ]


def test_no_rows_are_no_chunks() -> None:
    """An empty import has an empty manifest."""
    assert list(chunks([], 10)) == []
    assert msgspec.json.decode(manifest(0, [])) == {"source": "SDK", "item_count": 0, "chunk_uris": []}


# --- the upload itself ---------------------------------------------------------------------------------------------


def test_upload_is_a_graphql_multipart_request() -> None:
    """Operations, map and file: the parts that the specification of multipart requests names."""
    request = upload_request(ENDPOINT, b"[1]", filename="manifest.json")
    operations, mapping, file = request.parts

    assert msgspec.json.decode(operations.content)["variables"] == {"file": None, "contentLength": 3, "sign": False}
    assert "mutation UploadFile" in msgspec.json.decode(operations.content)["query"]
    assert msgspec.json.decode(mapping.content) == {"1": ["variables.file"]}
    assert (operations.name, mapping.name, file.name) == ("operations", "map", "1")
    assert (file.filename, file.content_type, file.content) == ("manifest.json", "application/json", b"[1]")


def test_upload_may_be_repeated_and_takes_its_time() -> None:
    """A second copy of a file harms nobody, and ten megabytes need longer than a query."""
    request = upload_request(ENDPOINT, b"")

    assert request.is_repeatable
    assert request.timeout == PAGE_TIMEOUT


def test_upload_gives_the_url() -> None:
    """The answer names where the file is; one without a URL is no answer."""
    good = {"data": {"uploadFile": {"url": "https://u/1", "filename": "f"}}}

    assert uploaded_url(Response(status=200, body=msgspec.json.encode(good))) == "https://u/1"
    with pytest.raises(ProtocolError):
        uploaded_url(Response(status=200, body=b'{"data": {"uploadFile": {"url": ""}}}'))
