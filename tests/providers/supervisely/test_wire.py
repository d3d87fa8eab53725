"""What single payloads mean: no loop, no server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aiotasks import (
    AuthError,
    InvalidType,
    PaginationError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Response,
    ServerError,
    State,
    TaskNotFound,
)
from aiotasks.providers.supervisely import ResourceNotFoundError, Status, TaskApi, TaskInfo, wire
from aiotasks.providers.supervisely.calls import ANYTHING
from aiotasks.providers.supervisely.listing import ByPage, ByToken, matches, named_ids


def row(**fields: Any) -> wire.TaskRow | None:
    return wire.row_of(msgspec.Raw(msgspec.json.encode(fields)))


# --- words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state", "is_final"),
    [
        ("queued", State.PENDING, False),
        ("consumed", State.PENDING, False),
        ("started", State.RUNNING, False),
        ("deployed", State.RUNNING, False),
        ("terminating", State.RUNNING, False),
        ("finished", State.SUCCEEDED, True),
        ("error", State.FAILED, True),
        ("stopped", State.CANCELLED, True),
        ("hibernating", State.UNKNOWN, False),
        ("", State.UNKNOWN, False),
    ],
)
def test_each_word_has_its_state(word: str, state: State, *, is_final: bool) -> None:
    """Three words are the end; a word nobody knows is open."""
    found = row(id=7, status=word)
    assert found is not None
    seen = wire.observed(found)

    assert (seen.word, seen.state, seen.is_final) == (word, state, is_final)


@pytest.mark.covers("B-34")
def test_word_is_trimmed_and_known_in_any_case() -> None:
    """Known words come in their own spelling, others as they are."""
    words = [row(id=7, status=word) for word in (" Finished ", "ERROR", " Odd One ")]

    assert [found and found.word for found in words] == ["finished", "error", "Odd One"]


@pytest.mark.covers("B-35", "B-07")
@pytest.mark.parametrize(
    "fields",
    [{"id": 7}, {"status": "x"}, {"id": "7", "status": "x"}, {"id": 7, "status": 3}, {"id": 7, "status": None}],
    ids=str,
)
def test_row_without_id_or_status_is_bad(fields: dict[str, Any]) -> None:
    """Ids are whole numbers: text is not guessed at."""
    assert row(**fields) is None


def test_members_are_their_text() -> None:
    """Unlike the SDK's, a member equals its text; the names are the SDK's."""
    assert Status.FINISHED == "finished"
    assert str(Status.FINISHED) == "finished"
    assert {member.name for member in TaskApi.Status} == {
        *("QUEUED", "CONSUMED", "STARTED", "DEPLOYED", "ERROR", "FINISHED", "TERMINATING", "STOPPED"),
    }
    assert [str(member) for member in TaskApi.PluginTaskType] == [
        *("train", "inference", "inference_rpc", "smarttool", "custom"),
    ]
    assert [str(member) for member in TaskApi.RestartPolicy] == ["never", "on_error"]


# --- TaskInfo --------------------------------------------------------------------------------------------------


def test_info_is_a_mapping_and_has_attributes() -> None:
    """What the server does not say is missing as a key and None as an attribute; nothing can be changed."""
    given = {"id": 7, "status": "started", "workspaceId": 3, "somethingNew": [1], "meta": {"a": 1}}
    info = TaskInfo(given)

    assert dict(info) == given
    assert info == given
    assert (info["somethingNew"], info.workspace_id, info.meta, len(info)) == ([1], 3, {"a": 1}, 5)
    assert "agentId" not in info
    unsaid = (info.agent_id, info.agent_name, info.team_id, info.user_id, info.user_login, info.settings)
    assert {*unsaid, info.type, info.description, info.started_at, info.finished_at} == {None}
    with pytest.raises(TypeError):
        info["id"] = 8  # type: ignore[index]
    given["id"] = 9
    assert info.id == 7


def test_keys_and_name_of_the_info() -> None:
    """Which the SDK promises, and raises."""
    assert TaskApi.info_tuple_name() == "TaskInfo"
    assert TaskApi.info_sequence()[:3] == ["id", "workspaceId", "description"]


# --- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, QueryRefused),
        (401, AuthError),
        (403, PermissionDenied),
        (404, ResourceNotFoundError),
        (408, ServerError),
        (413, QueryTooLarge),
        (429, RateLimited),
        (499, ServerError),
        (500, ServerError),
        (509, ServerError),
        (598, ServerError),
        (204, ProtocolError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[Exception]) -> None:
    """What the SDK repeats is transient; 404 of what is no task is no TaskNotFound."""
    with pytest.raises(kind) as caught:
        wire.reader(ANYTHING)(Response(status=status, body=b'{"error": "no"}'))
    assert not isinstance(caught.value, TaskNotFound)


def test_error_of_a_task_names_it() -> None:
    """404 of a task is TaskNotFound with its id."""
    with pytest.raises(TaskNotFound) as caught:
        wire.task_reader(ANYTHING, 7)(Response(status=404, body=b"{}"))
    assert caught.value.task_id == 7


def test_agent_that_has_not_connected_is_transient() -> None:
    """The one 400 that the SDK repeats."""
    text = "Agent should call AgentConnected or AgentPing before attempting any other request"
    with pytest.raises(ServerError):
        wire.checked(Response(status=400, body=msgspec.json.encode({"error": text})))


@pytest.mark.parametrize("value", [{"a": object()}, {"a": {2j}}], ids=str)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    """With the method's name, before anything is sent."""
    with pytest.raises(InvalidType, match=r"tasks\.data\.set"):
        wire.request("https://x/", "tasks.data.set", value)


# --- pages -----------------------------------------------------------------------------------------------------


def page(*ids: int, **more: Any) -> dict[str, Any]:
    return {"total": 9, "perPage": 2, "pagesCount": 3, "entities": [{"id": id} for id in ids], **more}


def test_pages_follow_the_latest_count_and_rows_come_once() -> None:
    """A list that shrinks while it is read ends early; a row that shifted is not given twice."""
    walk = ByPage({"workspaceId": 1})
    assert walk.body == {"workspaceId": 1, "sort": "id", "sort_order": "asc"}
    assert [row["id"] for row in walk.take(page(1, 2))] == [1, 2]
    assert walk.body == {"workspaceId": 1, "sort": "id", "sort_order": "asc", "page": 2, "per_page": 2}
    assert [row["id"] for row in walk.take(page(2, 3, pagesCount=2))] == [3]
    assert walk.body is None


@pytest.mark.parametrize("answer", [page(), {"entities": []}, {"entities": [], "pagesCount": 0}], ids=str)
def test_empty_page_is_the_last(answer: dict[str, Any]) -> None:
    """Whatever the count says."""
    walk = ByPage({"sort": "status"})
    assert walk.body == {"sort": "status"}
    assert walk.take(answer) == []
    assert walk.body is None


@pytest.mark.covers("B-49")
def test_token_that_leads_nowhere_is_an_error() -> None:
    """A page that names itself, and a server without tokens."""
    walk = ByToken({})
    walk.take(page(1, after="x"))
    assert walk.body is not None
    assert walk.body["after"] == "x"
    with pytest.raises(PaginationError):
        walk.take(page(2, after="x"))
    with pytest.raises(PaginationError):
        ByToken({}).take(page(1))


@pytest.mark.parametrize("answer", [{}, {"entities": 3}, {"entities": [], "pagesCount": "x"}], ids=str)
def test_answer_that_is_no_page(answer: dict[str, Any]) -> None:
    """Is an error about the answer."""
    with pytest.raises(ProtocolError):
        ByPage({}).take(answer)


def test_filters_are_judged_as_by_the_server() -> None:
    """All six operators, and the ids that several filters leave."""

    def where(field: str, operator: str, value: Any) -> dict[str, Any]:
        return {"field": field, "operator": operator, "value": value}

    info = {"id": 7, "type": "app", "status": "started"}
    kept = [
        where("id", "=", 7),
        where("id", "eq", 7),
        where("type", "!=", "x"),
        where("type", "not", "x"),
        where("status", "in", ["started"]),
        where("status", "!in", ["error"]),
    ]
    assert matches(info, kept)
    assert not any(matches({"id": 8, "type": "x", "status": "error"}, [each]) for each in kept)
    assert named_ids([where("id", "in", [7, 8, 7]), where("id", "=", 8)]) == [8]
    assert named_ids([where("id", "!in", [7])]) is None
