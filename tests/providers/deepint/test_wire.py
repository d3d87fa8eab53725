"""Recorded answers against the values they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from aiotasks import (
    AuthError,
    DecodeError,
    InvalidArgument,
    InvalidType,
    PermissionDenied,
    ProtocolError,
    QueryTooLarge,
    RateLimited,
    Response,
    ServerError,
    State,
)
from aiotasks.providers.deepint import DeepintHTTPError, TaskInfo, TaskStatus, wire
from aiotasks.testing import json_response

#: As the emulator sends it, and the SDK takes it (wire notes, section 3).
RECORDED: dict[str, Any] = {
    "id": "d509",
    "user_id": "u-1",
    "user_name": "probe",
    "created": "2026-11-22T03:06:24.985Z",
    "status": "pending",
    "duration": 0,
    "name": "export",
    "description": "emulated export",
    "progress": 0,
    "subtask": "queued",
    "result": None,
    "result_type": None,
    "error_code": None,
    "error_description": None,
}


def row(**fields: Any) -> wire.TaskRow:
    return wire.document(json_response({**RECORDED, **fields}), wire.TASK)


# --- statuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "is_final"),
    [
        ("pending", State.PENDING, False),
        ("running", State.RUNNING, False),
        ("success", State.SUCCEEDED, True),
        ("failed", State.FAILED, True),
        (" Success ", State.SUCCEEDED, True),
        ("cancelled", State.UNKNOWN, False),
        (" Archived", State.UNKNOWN, False),
        ("", State.UNKNOWN, False),
        (None, State.UNKNOWN, False),
    ],
)
@pytest.mark.covers("B-34")
def test_status_words(status: str | None, state: State, is_final: bool) -> None:
    """Trimmed, and folded if known; a word that nobody knows is open, and kept as it was said."""
    seen = wire.observed(row(status=status))
    assert (seen.state, seen.is_final) == (state, is_final)
    said = None if status is None else status.strip()
    assert seen.word == (said if state is State.UNKNOWN else said.lower())


def test_status_enum_is_the_sdks() -> None:
    """Members, numbers, `from_string` that never raises, `all`."""
    assert {status.name: status.value for status in TaskStatus} == {
        "pending": 0,
        "running": 1,
        "failed": 2,
        "success": 3,
        "unknown": 4,
    }
    assert TaskStatus.all() == ["pending", "running", "failed", "success", "unknown"]
    words: list[Any] = ["failed", "cancelled", None, 7, ""]
    assert [TaskStatus.from_string(word).name for word in words] == ["failed", *["unknown"] * 4]


@pytest.mark.parametrize(
    ("progress", "seen"),
    [
        (0, 0.0),
        (33.5, 33.5),
        (100, 100.0),
        (140, None),
        (-1, None),
        ("7", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
@pytest.mark.covers("B-43")
def test_progress_is_a_percentage_or_none(progress: Any, seen: float | None) -> None:
    """Nonsense spoils no row."""
    assert row(progress=progress).progress == seen


@pytest.mark.covers("B-46")
def test_failure_keeps_its_description() -> None:
    """Cut where it is huge; a success has none."""
    assert wire.observed(row(status="failed", error_description="x" * 9_000)).message == "x" * 4_096
    assert wire.observed(row(status="failed", error_description=7)).message is None
    assert wire.observed(row(status="success", error_description="x")).message is None


# --- information --------------------------------------------------------------------------------------


def test_info_of_a_recorded_task() -> None:
    """All fields, and back to a dictionary that JSON can carry."""
    info = TaskInfo.from_dict(RECORDED)
    assert (info.task_id, info.name, info.status, info.duration) == ("d509", "export", TaskStatus.pending, 0)
    assert info.created == datetime(2026, 11, 22, 3, 6, 24, 985_000, UTC)
    assert info.to_dict() == {**RECORDED, "created": "2026-11-22T03:06:24.985000+00:00"}
    assert msgspec.json.encode(info.to_dict())


def test_info_of_nulls_and_nonsense_is_none() -> None:
    """Where the SDK raises TypeError or ValueError, the field is None (wire notes, section 7)."""
    odd = {"id": "t", "duration": None, "progress": "x", "created": {}, "result": 7, "name": [], "status": None}
    info = TaskInfo.from_dict(odd)
    assert (info.duration, info.progress, info.created, info.result, info.name) == (None,) * 5
    assert info.status is TaskStatus.unknown
    assert info.to_dict()["created"] is None


@pytest.mark.parametrize(
    ("created", "year"),
    [
        ("2024-02-03T04:05:06", 2024),
        ("2024-02-03T04:05:06+02:00", 2024),
        (1_700_000_000, 2023),
        (1_700_000_000_000, 2023),
        ("soon", None),
        (1e300, None),
        (float("nan"), None),
        (True, None),
    ],
)
@pytest.mark.covers("B-45")
def test_times_are_aware_or_none(created: Any, year: int | None) -> None:
    """Seconds are seconds, milliseconds are milliseconds, and the zone is kept."""
    moment = TaskInfo.from_dict({"id": "t", "created": created}).created
    assert (None if moment is None else (moment.year, moment.tzinfo)) == (None if year is None else (year, UTC))


def test_infos_are_equal_by_task_as_in_the_sdk() -> None:
    """And so is their hash."""
    assert TaskInfo("t", name="a") == TaskInfo("t", name="b")
    assert TaskInfo("t") != TaskInfo("u")
    assert TaskInfo("t") != "t"
    assert len({TaskInfo("t"), TaskInfo("t", name="b")}) == 1


@pytest.mark.parametrize(
    "fields",
    [{"task_id": 7}, {"task_id": None}, {"name": 7}, {"status": "failed"}, {"duration": True}, {"created": 0}],
)
def test_info_checks_types_as_the_sdk_does(fields: dict[str, Any]) -> None:
    """The error names the field."""
    with pytest.raises(InvalidType, match=f"{next(iter(fields))}: given"):
        TaskInfo(**{"task_id": "t", **fields})


@pytest.mark.parametrize(("obj", "kind"), [(7, InvalidType), ({}, InvalidArgument), ({"id": 7}, InvalidArgument)])
def test_info_needs_a_mapping_with_an_id(obj: Any, kind: type[Exception]) -> None:
    """Anything else is no task."""
    with pytest.raises(kind, match="obj: "):
        TaskInfo.from_dict(obj)


def test_url_of_a_result_is_not_shown() -> None:
    """Whoever holds it may read the file."""
    assert "signature" not in repr(TaskInfo("t", result="https://files.example/x?signature=canary"))


@pytest.mark.parametrize(
    ("item", "is_whole"),
    [
        ({"id": "t"}, False),
        ({"id": "t", "status": "running"}, True),
        ({"id": "t", "status": "success"}, False),
        ({"id": "t", "status": "success", "result": None}, True),
        ({"id": "t", "status": None}, False),
    ],
)
def test_item_of_a_list_is_whole_if_it_tells_the_end(item: dict[str, Any], is_whole: bool) -> None:
    """An end without a word on its result has to be looked up."""
    assert msgspec.convert(item, wire.TaskRow).is_whole is is_whole


# --- errors -------------------------------------------------------------------------------------------


def refusal(status: int, code: Any = "ODD", **headers: str) -> Response:
    return json_response({"code": code, "message": "said so"}, status=status, headers=headers)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (refusal(400), DeepintHTTPError),
        (refusal(404), DeepintHTTPError),
        (refusal(409), DeepintHTTPError),
        (refusal(401), AuthError),
        (refusal(403), PermissionDenied),
        (refusal(413), QueryTooLarge),
        (refusal(429), RateLimited),
        (refusal(400, "LIMIT"), RateLimited),
        (refusal(503, "LIMIT"), RateLimited),
        (refusal(500), ServerError),
        (refusal(201), ProtocolError),
        (refusal(302), ProtocolError),
        (refusal(400, 7), Exception),
        (Response(status=404, body=b"<html>"), ProtocolError),
        (Response(status=502, body=b"<html>"), ServerError),
        (Response(status=504), ServerError),
        (Response(status=201, body=b"{}"), Exception),
        (Response(status=204), ProtocolError),
        (Response(status=200, body=b"<html>"), ProtocolError),
        (Response(status=200, body=b"[]"), DecodeError),
        (Response(status=200, body=b'{"id": 7}'), DecodeError),
    ],
)
def test_whatever_is_not_200_with_json_is_an_error(response: Response, kind: type[Exception]) -> None:
    """Each in the family that tells what to do next."""
    with pytest.raises(kind):
        wire.document(response, wire.TASK)


def test_refusal_keeps_the_services_code() -> None:
    """As the SDK's error does."""
    with pytest.raises(DeepintHTTPError, match=r"^CONFLICT: said so$") as caught:
        wire.document(refusal(409, "CONFLICT"), wire.TASK)
    assert (caught.value.code, caught.value.message, caught.value.http_status) == ("CONFLICT", "said so", 409)


@pytest.mark.parametrize(("headers", "seconds"), [({}, 10.0), ({"retry-after": "3"}, 3.0)])
def test_limit_asks_for_ten_seconds_unless_it_says(headers: dict[str, str], seconds: float) -> None:
    """The SDK's own pause, where the service names none."""
    with pytest.raises(RateLimited) as caught:
        wire.document(refusal(429, "LIMIT", **headers), wire.TASK)
    assert caught.value.retry_after == seconds


@pytest.mark.covers("B-56")
def test_started_task_has_an_id() -> None:
    """An answer without one is none."""
    assert wire.started(json_response({"task_id": "t"})) == wire.Started("t")
    with pytest.raises(ProtocolError):
        wire.started(json_response({"task_id": ""}))


# --- requests -----------------------------------------------------------------------------------------


@pytest.mark.covers("B-06", "S-20")
def test_ids_are_one_segment_each() -> None:
    """Whatever is in them."""
    assert wire.task_path("a/../b", "x?y#z%") == "/api/v1/workspace/a%2F..%2Fb/task/x%3Fy%23z%25"


def test_request_is_as_the_sdks() -> None:
    """Fields are JSON, also of a DELETE; without fields there is no body, nor a type of it; no token in it."""
    bare = wire.request("POST", "https://h/x", "org")
    full = wire.request("DELETE", "https://h/x", "org", {"where": "a > 1"})
    assert (bare.body, dict(bare.headers)) == (None, {"accept": "application/json", "x-deepint-organization": "org"})
    assert (full.body, full.headers["content-type"]) == (b'{"where":"a > 1"}', "application/json")
    assert not bare.is_repeatable
