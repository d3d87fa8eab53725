"""How a status is asked for, and what the answers say."""

from __future__ import annotations

from typing import Any

import pytest

from aiotasks import Account, Answer, AskError, Query, Response, StatusSource
from aiotasks.providers.deepint import DeepintHTTPError, TaskStatuses
from aiotasks.testing import json_response

SOURCE = TaskStatuses(
    account=Account(platform="deepint", origin="https://h:443", fingerprint="f"),
    organization_id="o",
    workspace_id="w",
)
QUERY = Query(("t",))


def read(response: Response) -> Answer:
    (answer,) = SOURCE.read(QUERY, response)
    return answer


def test_source_is_one() -> None:
    """Frozen, hashable, of the library's protocol; a lane is a workspace; one id a query; nothing to learn."""
    source: StatusSource = SOURCE
    assert (source.batch_limit, source.lane) == (1, ("o", "w"))
    assert source.learn("anything") is SOURCE


def test_request_is_the_sdks() -> None:
    """A GET without a body, with the organization, and never sent again by itself (I-01)."""
    request = SOURCE.request(QUERY)
    assert (request.method, request.url) == ("GET", "https://h:443/api/v1/workspace/w/task/t")
    assert request.headers["x-deepint-organization"] == "o"
    assert (request.body, request.is_repeatable) == (None, False)


def test_answer_is_the_one_row() -> None:
    """And it is observed."""
    answer = read(json_response({"id": "t", "status": "running", "progress": 20}))
    (row,) = answer.rows
    assert (row.id, row.word, row.progress) == ("t", "running", 20.0)
    assert SOURCE.observe(row).details is row


@pytest.mark.parametrize("status", [404, 410])
def test_task_is_missing_if_the_service_says_so(status: int) -> None:
    """In JSON, with a code."""
    answer = read(json_response({"code": "TASK_NOT_FOUND", "message": "m"}, status=status))
    assert (answer.rows, answer.missing) == ((), ("t",))


@pytest.mark.parametrize(
    "response", [Response(status=404, body=b"<html>"), Response(status=404), json_response({}, status=404)]
)
def test_bare_404_says_nothing_of_a_task(response: Response) -> None:
    """A proxy, or a wrong path: asked again later."""
    with pytest.raises(Exception, match="no answer of the service's") as caught:
        read(response)
    assert not isinstance(caught.value, AskError)


@pytest.mark.parametrize("body", [b'{"status":"success"}', b'{"id":"t","status":7}', b'{"id":"t","stat', b"[]"])
@pytest.mark.covers("B-25", "B-35")
def test_row_without_an_id_or_with_another_status_is_no_answer(body: bytes) -> None:
    """Decode errors are transient."""
    with pytest.raises(Exception, match="JSON"):
        read(Response(status=200, body=body))


@pytest.mark.covers("B-28")
def test_refusal_is_an_error_of_the_query() -> None:
    """The scheduler decides whether the task is given up."""
    refusal: dict[str, Any] = {"code": "BAD_PARAMETERS", "message": "m"}
    with pytest.raises(DeepintHTTPError):
        read(json_response(refusal, status=400))
