"""How Labelbox is talked to: one GraphQL document per POST, and what the `errors` of an answer mean.

**Source**: wire notes on the Labelbox SDK 7.17.0, sections 1 and 2: the codes are those the real SDK tests for,
run against a loopback server. What production sends besides is unknown, so an unknown code is transient (B-33).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from aiotasks import (
    AskError,
    AuthError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Request,
    ServerError,
    decoded,
    escaped,
    raise_for_status,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotasks import Response

__all__ = [
    "PLATFORM",
    "Fault",
    "Reply",
    "ResourceNotFoundError",
    "alias_of",
    "data_of",
    "error_of",
    "judged",
    "reader",
    "request",
]

T = TypeVar("T")

PLATFORM: Final = "labelbox"


class ResourceNotFoundError(AskError, LookupError):
    """Labelbox knows nothing of that id, for this credential. For a task it is `TaskNotFound`."""


class Fault(msgspec.Struct, frozen=True):
    """One entry of `errors`. Nothing is taken for granted: the SDK dies of an entry without `extensions`."""

    message: Any = ""
    extensions: Any = None
    path: Any = None

    @property
    def code(self) -> str | None:
        """What kind of error it is, in Apollo Server's words."""
        code = self._extension("code")
        return code if isinstance(code, str) else None

    @property
    def status(self) -> int | None:
        """The HTTP status that Labelbox hides inside an `INTERNAL_SERVER_ERROR`."""
        exception = self._extension("exception")
        status = exception.get("status") if isinstance(exception, dict) else None
        return status if type(status) is int else None

    def _extension(self, name: str) -> Any:
        return self.extensions.get(name) if isinstance(self.extensions, dict) else None


class Reply(msgspec.Struct, Generic[T], frozen=True):
    """The envelope of every answer: `data`, or `errors`, or some of both, or a bare `message`."""

    data: T | None = None
    errors: list[Fault] | None = None
    message: Any = None


_JSON: Final = {"content-type": "application/json", "accept": "application/json"}


def request(endpoint: str, document: str, variables: Mapping[str, Any], *, is_repeatable: bool = True) -> Request:
    """`document` as a POST. Values travel as variables, never inside the document (S-20)."""
    body = msgspec.json.encode({"query": document, "variables": variables})
    return Request(url=endpoint, headers=_JSON, body=body, is_repeatable=is_repeatable)


def judged(response: Response, decoder: msgspec.json.Decoder[Reply[T]]) -> Reply[T]:
    """The answer, where some of it may be used: its `errors` are the caller's to sort out.

    Raises:
        AskError, AnswerError: nothing of it may be used.
    """
    if response.status != 200:
        _raise_where_the_body_adds_nothing(response)
    reply = decoded(response, decoder, platform=PLATFORM)
    if isinstance(reply.message, str) and reply.message.startswith("You have exceeded"):
        raise RateLimited(
            f"labelbox: {escaped(reply.message)}",
            retry_after=retry_after(response.headers),
            **_known(response),
        )
    if response.status != 200 and not reply.errors:
        _raise_for_status(response)
    return reply


def _raise_where_the_body_adds_nothing(response: Response) -> None:
    if response.status in (401, 413, 429) or response.status >= 500 or not response.body.lstrip().startswith(b"{"):
        _raise_for_status(response)


def _raise_for_status(response: Response) -> None:
    if response.status in (404, 410):
        # It is the endpoint that was not found, and no task: a proxy, a deployment, a wrong path.
        raise ProtocolError(f"labelbox: no GraphQL here (HTTP {response.status})", **_known(response))
    raise_for_status(response, platform=PLATFORM)


def data_of(response: Response, decoder: msgspec.json.Decoder[Reply[T]]) -> T:
    """The whole of what was asked for: one error anywhere in the answer, and it is raised.

    Raises:
        ResourceNotFoundError: Labelbox does not know what was asked for.
        AskError, AnswerError: as `error_of` maps them.
    """
    reply = judged(response, decoder)
    if reply.errors:
        raise error_of(reply.errors[0], response)
    if reply.data is None:
        # B-33: neither data nor errors.
        raise ProtocolError("labelbox: the answer has neither data nor errors", **_known(response))
    return reply.data


def reader(decoder: msgspec.json.Decoder[Reply[T]]) -> Callable[[Response], T]:
    """`data_of` with its decoder, as `Transport.send` takes it."""
    return lambda response: data_of(response, decoder)


_REFUSALS: Final[Mapping[str, type[AskError]]] = {
    "AUTHENTICATION_ERROR": AuthError,
    "AUTHORIZATION_ERROR": PermissionDenied,
    "OPERATION_NOT_ALLOWED": PermissionDenied,
    "GRAPHQL_VALIDATION_FAILED": QueryRefused,
    "GRAPHQL_PARSE_FAILED": QueryRefused,
    "BAD_USER_INPUT": QueryRefused,
    "MALFORMED_REQUEST": QueryRefused,
    "RESOURCE_CONFLICT": QueryRefused,
    "RESOURCE_NOT_FOUND": ResourceNotFoundError,
}
#: What `INTERNAL_SERVER_ERROR` carries when it is not the server's fault at all.
_HIDDEN_STATUSES: Final[Mapping[int, type[AskError]]] = {
    400: QueryRefused,
    422: QueryRefused,
    426: PermissionDenied,  # a usage limit: repeated for minutes by older SDKs, to no avail
}


def error_of(fault: Fault, response: Response) -> AskError:
    """What one entry of `errors` means to the caller."""
    text = fault.message if isinstance(fault.message, str) else ""
    message = f"labelbox: {escaped(text) or 'an error without a message'} ({escaped(fault.code or 'no code')})"
    if "complexity limit" in text:
        return QueryTooLarge(message, **_known(response))
    if text.startswith("You have exceeded"):
        return RateLimited(message, retry_after=retry_after(response.headers), **_known(response))
    kind = _REFUSALS.get(fault.code or "")
    if kind is None and fault.status is not None:
        kind = _HIDDEN_STATUSES.get(fault.status)
    return (kind or ServerError)(message, **_known(response))


def alias_of(fault: Fault, parent: str) -> str | None:
    """The field right under `parent` that the fault concerns; None when it concerns more."""
    match fault.path:
        case [str(root), str(alias), *_] if root == parent:
            return alias
    return None


def _known(response: Response) -> dict[str, Any]:
    return {"platform": PLATFORM, "http_status": response.status}
