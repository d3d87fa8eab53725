"""The list of a user's tasks: the documents of the SDK, and pages over a list that moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from aiotasks import InvalidArgument, InvalidType, ProtocolError, Response, UsageError
from aiotasks.providers.labelbox.listing import TASK_PAGE, TaskFilter, TaskPages, task_filter
from aiotasks.providers.labelbox.wire import TASK_FIELDS, TaskStatus

NONE: dict[str, Any] = dict.fromkeys(("status", "type", "name", "created_after", "updated_after", "order_by"))


def pages(filter: TaskFilter | None = None) -> TaskPages[str]:
    return TaskPages(
        endpoint="https://api.example/graphql",
        user_id="u1",
        filter=filter or TaskFilter(),
        opened=lambda row: row.id,
    )


def sent(filter: TaskFilter, cursor: str | None = None) -> dict[str, Any]:
    body = pages(filter).request(cursor).body
    assert body is not None
    return msgspec.json.decode(body)


def answer(ids: list[str]) -> Response:
    rows = [{"id": id, "status": "COMPLETE"} for id in ids]
    return Response(status=200, body=msgspec.json.encode({"data": {"user": {"createdTasks": rows}}}))


def test_without_filter_the_document_is_the_sdks() -> None:
    """No `where`, offset and page size as literals."""
    assert sent(task_filter(**NONE)) == {
        "query": "query GetUserCreatedTasksPyApi($param_0: ID!) { user(where: {id: $param_0}) "
        f"{{ createdTasks(skip: 0 first: 100) {{ {TASK_FIELDS} }} }} }}",
        "variables": {"param_0": "u1"},
    }


def test_one_condition_stands_alone() -> None:
    """A single filter needs no AND."""
    body = sent(task_filter(**{**NONE, "status": TaskStatus.In_Progress}), "100")

    assert "($param_0: TaskStatus!, $param_1: ID!)" in body["query"]
    assert "createdTasks(where: {status: $param_0} skip: 100 first: 100)" in body["query"]
    assert body["variables"] == {"param_0": "IN_PROGRESS", "param_1": "u1"}


def test_conditions_are_joined_and_ordered() -> None:
    """Several filters must all hold; times go out in UTC."""
    after = datetime(2024, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    body = sent(
        task_filter(**{**NONE, "type": "export-data-rows", "updated_after": after, "order_by": "updated_at_asc"})
    )

    assert "where: {AND: [{type: $param_0}, {updatedAt_gt: $param_1}]} skip: 0 first: 100" in body["query"]
    assert "orderBy: updatedAt_ASC" in body["query"]
    assert "($param_0: String!, $param_1: DateTime!, $param_2: ID!)" in body["query"]
    assert body["variables"] == {"param_0": "export-data-rows", "param_1": "2024-01-31T10:00:00Z", "param_2": "u1"}


@pytest.mark.parametrize(
    ("argument", "value", "kind"),
    [
        ("status", 3, InvalidType),
        ("type", b"x", InvalidType),
        ("name", ["x"], InvalidType),
        ("created_after", "2024-01-31", InvalidType),
        ("updated_after", datetime(2024, 1, 31), InvalidArgument),  # noqa: DTZ001 - naive on purpose
        ("order_by", "name", InvalidArgument),
        ("order_by", 3, InvalidArgument),
    ],
)
def test_filter_that_is_not_allowed_is_refused(argument: str, value: Any, kind: type[UsageError]) -> None:
    """The error names the argument."""
    with pytest.raises(kind, match=f"{argument}: given"):
        task_filter(**{**NONE, argument: value})


def test_full_page_is_followed_and_a_short_one_is_the_last() -> None:
    """Exactly 100 tasks cost one more page, since the list tells no total."""
    full = [f"t{n}" for n in range(TASK_PAGE)]

    (first,) = pages().read(None, answer(full))
    (last,) = pages().read("100", answer(full[:99]))

    assert (first.cursor, last.cursor) == ("100", None)
    assert list(first.rows) == full


@pytest.mark.covers("B-51")
def test_task_that_moved_to_the_next_page_is_given_once() -> None:
    """A new task shifts the others by one: the one seen before is dropped."""
    run = pages()
    (first,) = run.read(None, answer([f"t{n}" for n in range(TASK_PAGE)]))
    (second,) = run.read("100", answer(["t99", "t100"]))

    assert len(first.rows) == 100
    assert list(second.rows) == ["t100"]


def test_page_read_again_gives_its_rows_again() -> None:
    """After a fault the same page is read once more, and loses nothing."""
    run = pages()
    (first,) = run.read(None, answer(["t0", "t1"]))
    (again,) = run.read(None, answer(["t0", "t1"]))

    assert list(first.rows) == list(again.rows) == ["t0", "t1"]


@pytest.mark.parametrize("body", [b'{"data": {"user": null}}', b'{"data": {"user": {"createdTasks": null}}}'])
def test_no_list_is_no_empty_list(body: bytes) -> None:
    """`null` in place of a list is an error, not the end."""
    with pytest.raises(ProtocolError):
        list(pages().read(None, Response(status=200, body=body)))


def test_time_zone_is_not_changed_by_accident() -> None:
    """UTC stays UTC."""
    filter = task_filter(**{**NONE, "created_after": datetime(2024, 1, 31, tzinfo=UTC)})

    assert filter.conditions[0].value == "2024-01-31T00:00:00Z"
