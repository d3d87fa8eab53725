"""How isahit lab is talked to: where requests go, and what its answers of each HTTP status mean.

**Source**: wire notes on the isahit lab SDK 0.17.0, section 1: the exceptions are those that the real SDK raises, run
against a loopback server. What production sends besides is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode, urljoin

import attrs
import msgspec

from aiotasks import (
    AskError,
    AuthError,
    InvalidArgument,
    PermissionDenied,
    QueryRefused,
    QueryTooLarge,
    Request,
    ServerError,
    TaskNotFound,
    decoded,
    raise_for_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiotasks import AiotasksError, Part, Response

__all__ = [
    "ANYTHING",
    "PLATFORM",
    "ApiBadRequest",
    "ApiForbidden",
    "ApiNotFound",
    "AuthenticationFailed",
    "CredentialsMissing",
    "DuplicateNames",
    "Endpoint",
    "InternalServerError",
    "PartlyDone",
    "judge",
    "named",
    "reader",
]

T = TypeVar("T")

PLATFORM: Final = "isahitlab"


# --- errors, under the SDK's names ------------------------------------------------------------------------


class AuthenticationFailed(AuthError):
    """isahit lab refuses the access id or the secret key, or a token made of them."""


class CredentialsMissing(AuthenticationFailed, InvalidArgument):
    """No access id or no secret key was given, nor is there one in the environment. No request was sent."""


class ApiBadRequest(QueryRefused):
    """isahit lab refuses the request as such.

    Attributes:
        errorCode: the platform's own number for the reason, such as 4002: the file is in the data set already. None
            where it gave none.
    """

    errorCode: int | None  # the SDK's spelling

    def __init__(self, message: str, *, error_code: int | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.errorCode = error_code


class ApiForbidden(PermissionDenied):
    """The credential is good, but may not do this."""


class ApiNotFound(TaskNotFound):
    """isahit lab knows no such project, batch or task, for this credential."""


class InternalServerError(ServerError):
    """isahit lab answered 500."""


class DuplicateNames(InvalidArgument):
    """Names of tasks are in use in the batch, or twice in the call. Nothing was created.

    Attributes:
        names: all of them, each once.
    """

    names: tuple[str, ...]

    def __init__(self, message: str, *, names: Sequence[str] = (), **known: Any) -> None:
        super().__init__(message, **known)
        self.names = tuple(names)


class PartlyDone(AskError):
    """Some of the many requests of one call failed for good. The others were carried out, and stay so.

    Attributes:
        done: what was done: ids of tasks, or documents of created tasks, in the order given.
        failures: why each of the others was not: id or name of the task -> its error.
    """

    done: tuple[Any, ...]
    failures: dict[str, AiotasksError]

    def __init__(
        self,
        message: str,
        *,
        done: Sequence[Any] = (),
        failures: Mapping[str, AiotasksError] | None = None,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.done = tuple(done)
        self.failures = dict(failures or {})


class _Refusal(msgspec.Struct):
    errorCode: Any = None


_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_NAMES: Final[dict[int, type[AskError]]] = {
    401: AuthenticationFailed,
    403: ApiForbidden,
    404: ApiNotFound,
    500: InternalServerError,
}


def judge(response: Response) -> None:
    """Return if `response` is a 2xx with a document; else raise what its status means, by the SDK's names.

    Raises:
        ApiBadRequest, AuthenticationFailed, ApiForbidden, ApiNotFound, InternalServerError: 400, 401, 403, 404, 500.
        QueryTooLarge, RateLimited, ServerError, QueryRefused, ProtocolError: as `aiotasks.raise_for_status`.
    """
    try:
        raise_for_status(response, platform=PLATFORM)
    except QueryTooLarge:
        raise
    except QueryRefused as error:
        raise ApiBadRequest(str(error), error_code=_code_of(response), **_known(error)) from None
    except AskError as error:
        raise named(error) from None


def named(error: AskError) -> AskError:
    """`error` under the SDK's name, if it has one for that HTTP status."""
    kind = _NAMES.get(error.http_status or 0)
    return error if kind is None or isinstance(error, kind) else kind(str(error), **_known(error))


def _known(error: AskError) -> dict[str, Any]:
    return {"platform": PLATFORM, "http_status": error.http_status, "request_id": error.request_id}


def _code_of(response: Response) -> int | None:
    try:
        code = _REFUSAL.decode(response.body).errorCode
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return code if type(code) is int else None


# --- requests ---------------------------------------------------------------------------------------------

_JSON: Final = {"accept": "application/json", "content-type": "application/json"}
_FORM: Final = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
#: Any document, for answers of which only little, or nothing, is needed.
ANYTHING: Final = msgspec.json.Decoder(dict[str, Any])


@attrs.frozen
class Endpoint:
    """The platform's base URL. Paths are joined to it as the SDK joins them: `http://h/sub` loses its `sub`."""

    base: str

    def url(self, path: str, *ids: str, query: Sequence[tuple[str, str]] = ()) -> str:
        """The URL of `path`, its `{}` filled by `ids`, each as one path segment (S-20)."""
        filled = path.format(*(quote(id, safe="") for id in ids))
        return urljoin(self.base, filled) + (f"?{urlencode(query)}" if query else "")

    def get(self, path: str, *ids: str, query: Sequence[tuple[str, str]] = (), is_repeatable: bool = True) -> Request:
        """A request that reads."""
        url = self.url(path, *ids, query=query)
        return Request(method="GET", url=url, headers={"accept": "application/json"}, is_repeatable=is_repeatable)

    def post(self, url: str, body: Any, *, is_repeatable: bool) -> Request:
        """A JSON body to a URL of this endpoint."""
        content = msgspec.json.encode(body)
        return Request(method="POST", url=url, headers=_JSON, body=content, is_repeatable=is_repeatable)

    def patch(self, url: str, body: Any = None) -> Request:
        """A change. Those of this platform may be made twice: they set, and do not add."""
        if body is None:
            return Request(method="PATCH", url=url, headers={"accept": "application/json"}, is_repeatable=True)
        return Request(method="PATCH", url=url, headers=_JSON, body=msgspec.json.encode(body), is_repeatable=True)

    def form(self, path: str, fields: Mapping[str, str]) -> Request:
        """A form, as logging in has it."""
        return Request(url=self.url(path), headers=_FORM, body=urlencode(fields).encode(), is_repeatable=True)

    def upload(
        self, path: str, parts: Sequence[Part], *, query: Sequence[tuple[str, str]], timeout: float
    ) -> Request:
        """A multipart form. One that is sent twice leaves a file behind that no task has."""
        url = self.url(path, query=query)
        return Request(url=url, parts=tuple(parts), is_repeatable=True, timeout=timeout)


def reader(decoder: msgspec.json.Decoder[T]) -> Callable[[Response], T]:
    """What a transport's `send` takes: from an answer to its document.

    Raises, when called:
        AskError, AnswerError: as `judge`, or no such document.
    """

    def read(response: Response) -> T:
        judge(response)
        return decoded(response, decoder, platform=PLATFORM)

    return read
