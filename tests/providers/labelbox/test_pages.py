"""The pages of an import, and the file of an old one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aiotasks import DecodeError, PermissionDenied, QueryRefused, Response, ResultError
from aiotasks.limits import PAGE_BYTES, PAGE_TIMEOUT
from aiotasks.providers.labelbox.pages import (
    CREATED_ROWS,
    FAILED_ROWS,
    ImportPages,
    created,
    failures,
    read_legacy_file,
    results,
)

ENDPOINT = "https://api.example/graphql"
CREATED = ImportPages(endpoint=ENDPOINT, task_id="t1", kind=CREATED_ROWS)
FAILED = ImportPages(endpoint=ENDPOINT, task_id="t1", kind=FAILED_ROWS)


def answer(body: Any, status: int = 200) -> Response:
    return Response(status=status, body=body if isinstance(body, bytes) else msgspec.json.encode(body))


def page(rows: list[Any], after: Any = None, total: Any = None) -> Response:
    return answer({"data": {"page": {"rows": rows, "after": after, "total": total}}})


# --- cursor pages -------------------------------------------------------------------------------------------


def test_first_page_is_asked_without_a_cursor() -> None:
    """5,000 rows a page, from the beginning."""
    request = CREATED.request(None)
    assert request.body is not None
    body = msgspec.json.decode(request.body)

    assert body["variables"] == {"taskId": "t1", "first": 5_000, "from": None}
    assert "successesfulDataRowImports(data: {taskId: $taskId, first: $first, from: $from})" in body["query"]
    assert (request.is_repeatable, request.timeout, request.answer_limit) == (True, PAGE_TIMEOUT, PAGE_BYTES)


@pytest.mark.parametrize("after", ["cursor", 'with "quotes"', "100", 100])
def test_next_page_is_asked_with_the_cursor_of_the_one_before(after: Any) -> None:
    """The server's cursor is opaque: it comes back to it as it was."""
    (read,) = CREATED.read(None, page([{"id": "r1"}], after))
    request = CREATED.request(read.cursor)
    assert request.body is not None

    assert msgspec.json.decode(request.body)["variables"]["from"] == after


def test_created_rows_have_the_sdks_names() -> None:
    """Rows come under snake_case names, which the document asks for itself."""
    row = {"id": "r1", "external_id": "e", "row_data": "https://x", "global_key": None}

    (read,) = CREATED.read(None, page([row], None, 1))

    assert read.rows == [row]
    assert (read.cursor, read.total) == (None, 1)
    assert "id external_id: externalId row_data: rowData global_key: globalKey" in CREATED_ROWS.document


def test_failed_rows_have_the_sdks_shape() -> None:
    """Each failed row is an error with the one row it is about."""
    spec = {"externalId": "e", "rowData": "x", "globalKey": "g", "metadata": None, "attachments": None}

    (read,) = FAILED.read(None, page([{"message": "Duplicate", "spec": spec}, {"message": "Lost", "spec": None}]))

    assert read.rows == [
        {"message": "Duplicate", "failedDataRows": [spec]},
        {"message": "Lost", "failedDataRows": []},
    ]


@pytest.mark.parametrize("after", [None, "", 0])
def test_cursor_of_nothing_is_the_end(after: Any) -> None:
    """null, an empty text and zero all end the pages."""
    (read,) = CREATED.read(None, page([{"id": "r1"}], after))

    assert read.cursor is None


@pytest.mark.covers("B-50")
def test_empty_page_with_a_cursor_is_not_the_end() -> None:
    """Rows may follow an empty page; the SDK loses them."""
    (read,) = CREATED.read(None, page([], "more"))

    assert (list(read.rows), read.cursor) == ([], '"more"')


@pytest.mark.covers("B-47")
def test_import_without_a_list_is_a_result_error() -> None:
    """A result that is not there is an error about the result, not about the job."""
    with pytest.raises(ResultError) as caught:
        list(CREATED.read('"c"', answer({"data": {"page": None}})))

    assert (caught.value.task_id, caught.value.cursor) == ("t1", '"c"')


def test_refusal_of_a_page_is_raised() -> None:
    """Errors of the page's query are those of any query."""
    body = {"errors": [{"message": "bad", "extensions": {"code": "MALFORMED_REQUEST"}}]}

    with pytest.raises(QueryRefused):
        list(CREATED.read(None, answer(body)))


def test_foreign_cursor_is_refused() -> None:
    """A text that is no cursor of ours is refused before it is sent."""
    with pytest.raises(ResultError, match="not a cursor"):
        CREATED.request("{not json")


# --- files of old imports ------------------------------------------------------------------------------------


FILE = {
    "createdDataRows": [
        {"id": "r1", "externalId": "e1", "rowData": "https://x", "globalKey": "g1"},
        {"id": "r2", "rowData": "https://y"},
    ],
    "errors": [{"message": "Duplicate", "failedDataRows": []}],
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FILE, [{"message": "Duplicate", "failedDataRows": []}]),
        ({"createdDataRows": []}, []),
        ({"error": "no such dataset"}, ["no such dataset"]),
        ({"error": ["a", "b"]}, ["a", "b"]),
        ({"errors": None, "createdDataRows": None}, []),
    ],
)
def test_failures_of_a_file_are_a_list(body: Any, expected: list[Any]) -> None:
    """Errors are a list, whether the import failed in part or as a whole."""
    assert failures(read_legacy_file(answer(body))) == expected


def test_results_of_a_file_have_the_sdks_names() -> None:
    """`result` gives snake_case rows, absent fields as None."""
    assert results(read_legacy_file(answer(FILE))) == [
        {"id": "r1", "external_id": "e1", "row_data": "https://x", "global_key": "g1"},
        {"id": "r2", "external_id": None, "row_data": "https://y", "global_key": None},
    ]


def test_created_rows_of_a_file_stay_as_they_are() -> None:
    """`created_data_rows` of an old import gives the file's own camelCase rows, as in the SDK."""
    assert created(read_legacy_file(answer(FILE))) == FILE["createdDataRows"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, PermissionDenied), (400, QueryRefused), (404, ResultError), (410, ResultError), (200, DecodeError)],
)
def test_file_that_cannot_be_had_is_an_error(status: int, kind: type[Exception]) -> None:
    """An expired URL or a body that is no JSON is never an empty result."""
    with pytest.raises(kind):
        read_legacy_file(answer(b"expired", status))
