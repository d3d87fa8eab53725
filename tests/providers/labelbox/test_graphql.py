"""What the errors of an answer mean, as recorded in section 2 of the wire notes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aiotasks import (
    AiotasksError,
    AuthError,
    DecodeError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Response,
    ServerError,
)
from aiotasks.providers.labelbox.graphql import ResourceNotFoundError, data_of, judged, request
from aiotasks.providers.labelbox.wire import ANYTHING


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(status=status, headers=headers, body=content)


def fault(code: str | None, message: str = "no", **exception: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, "exception": exception}}], "data": None}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (fault("AUTHENTICATION_ERROR"), AuthError),
        (fault("AUTHORIZATION_ERROR"), PermissionDenied),
        (fault("OPERATION_NOT_ALLOWED"), PermissionDenied),
        (fault("GRAPHQL_VALIDATION_FAILED"), QueryRefused),
        (fault("GRAPHQL_VALIDATION_FAILED", "Query complexity limit exceeded"), QueryTooLarge),
        (fault("GRAPHQL_PARSE_FAILED"), QueryRefused),
        (fault("MALFORMED_REQUEST"), QueryRefused),
        (fault("RESOURCE_CONFLICT"), QueryRefused),
        (fault("RESOURCE_NOT_FOUND"), ResourceNotFoundError),
        (fault("INTERNAL_SERVER_ERROR", status=400), QueryRefused),
        (fault("INTERNAL_SERVER_ERROR", status=422), QueryRefused),
        (fault("INTERNAL_SERVER_ERROR", status=426), PermissionDenied),
        (fault("INTERNAL_SERVER_ERROR", status=503), ServerError),
        (fault("INTERNAL_SERVER_ERROR"), ServerError),
        (fault("SOMETHING_NEW"), ServerError),
        (fault(None, "You have exceeded your quota"), RateLimited),
        ({"errors": [{"message": "no extensions"}]}, ServerError),
        ({"errors": [{"extensions": "text", "message": 3, "path": 7}]}, ServerError),
        ({"message": "You have exceeded the rate limit"}, RateLimited),
        ({"data": None}, ProtocolError),
        ({}, ProtocolError),
        ([], DecodeError),
        (b"<html>maintenance</html>", AiotasksError),
    ],
)
@pytest.mark.covers("B-33", "B-31", "F-24")
def test_each_kind_of_error_has_one_class(body: Any, kind: type[AiotasksError]) -> None:
    """An error is raised as the class that tells the caller what to do next, whatever shape it came in."""
    with pytest.raises(kind) as caught:
        data_of(answer(body), ANYTHING)

    assert caught.value.platform == "labelbox"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", AuthError),
        (400, fault("AUTHENTICATION_ERROR"), AuthError),
        (400, fault("GRAPHQL_VALIDATION_FAILED"), QueryRefused),
        (400, {"message": "You have exceeded the rate limit"}, RateLimited),
        (400, b"<html>", QueryRefused),
        (404, {"message": "no such path"}, ProtocolError),
        (404, b"Not Found", ProtocolError),
        (413, b"Request Entity Too Large", QueryTooLarge),
        (429, b"slow down", RateLimited),
        (429, {"message": "You have exceeded the rate limit"}, RateLimited),
        (502, b"<html>bad gateway</html>", ServerError),
    ],
)
def test_statuses_other_than_200_are_judged_by_their_body_where_it_says_more(
    status: int, body: Any, kind: type[AiotasksError]
) -> None:
    """Below 500 the body's own error decides; without one, the status does."""
    with pytest.raises(kind) as caught:
        data_of(answer(body, status), ANYTHING)

    assert caught.value.http_status == status


def test_retry_after_is_kept() -> None:
    """A rate limit carries the seconds that the server asked for."""
    with pytest.raises(RateLimited) as caught:
        data_of(answer({"message": "You have exceeded"}, 200, **{"retry-after": "7"}), ANYTHING)

    assert caught.value.retry_after == 7.0


def test_partial_data_is_kept_for_those_who_can_use_it() -> None:
    """`judged` gives data and errors side by side; `data_of` wants all or nothing."""
    partial = answer({"data": {"a": 1, "b": None}, "errors": [{"message": "b", "path": ["b"]}]})

    reply = judged(partial, ANYTHING)

    assert reply.data == {"a": 1, "b": None}
    assert reply.errors is not None
    assert reply.errors[0].path == ["b"]
    with pytest.raises(ServerError):
        data_of(partial, ANYTHING)


@pytest.mark.covers("S-15", "I-11")
def test_text_of_the_server_is_escaped_in_messages() -> None:
    """What the server writes cannot break a log line."""
    with pytest.raises(ServerError) as caught:
        data_of(answer(fault("X\nY", "a\x1b[31m\nb")), ANYTHING)

    assert str(caught.value).isprintable()


@pytest.mark.covers("B-06", "S-20")
def test_values_travel_as_variables() -> None:
    """An id with quotes and braces changes nothing in the document."""
    sent = request("https://api.example/graphql", "query Q($id: ID!) { x(id: $id) }", {"id": '"}){y}'})

    assert sent.body is not None
    body = msgspec.json.decode(sent.body)
    assert body == {"query": "query Q($id: ID!) { x(id: $id) }", "variables": {"id": '"}){y}'}}
    assert sent.method == "POST"
    assert sent.is_repeatable
