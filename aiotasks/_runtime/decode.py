"""From an HTTP answer to the document that was due, or to the error that says why there is none."""

from __future__ import annotations

import email.utils
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import msgspec

from aiotasks._runtime.clock import utc_now
from aiotasks.errors import (
    AuthError,
    DecodeError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    ServerError,
    TaskNotFound,
)
from aiotasks.limits import LONGEST_RETRY_AFTER
from aiotasks.safety import EXCERPT, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aiotasks.errors import AiotasksError
    from aiotasks.models import Response

__all__ = ["decoded", "raise_for_status", "retry_after"]

T = TypeVar("T")

_BOM: Final = b"\xef\xbb\xbf"


# --- status ---------------------------------------------------------------------------------------------


def raise_for_status(response: Response, *, platform: str) -> None:
    """Return if `response` is a 2xx that can carry a document; else raise what its HTTP status means.

    Args:
        response: of any status.
        platform: the platform's name, for the error.

    Raises:
        QueryRefused: 400, 422, or another 4xx; `QueryTooLarge` for 413 and 414.
        AuthError: 401.
        PermissionDenied: 403.
        TaskNotFound: 404, 410. A caller that asked about more than one thing reads these itself.
        RateLimited: 429, with `retry_after`.
        ServerError: 5xx, with `retry_after`.
        ProtocolError: 1xx, 204, 205, 3xx, or a number that is no status: nothing that was asked for.
    """
    status = response.status
    if 200 <= status < 300 and status not in (204, 205):
        return
    known: dict[str, Any] = {
        "platform": platform,
        "http_status": status,
        "request_id": _request_id(response.headers),
    }
    _raise(status, response, known)


def _raise(status: int, response: Response, known: dict[str, Any]) -> NoReturn:
    said = f"HTTP {status}{_said(response)}"
    if status == 401:
        raise AuthError(f"the credential is refused: {said}", **known)
    if status == 403:
        raise PermissionDenied(f"the credential may not do that: {said}", **known)
    if status in (404, 410):
        raise TaskNotFound(f"not found: {said}", **known)
    if status in (413, 414):
        raise QueryTooLarge(f"the request is too large: {said}", **known)
    if status == 429:
        raise RateLimited(f"too many requests: {said}", retry_after=retry_after(response.headers), **known)
    if 400 <= status < 500:
        raise QueryRefused(f"the request is refused: {said}", **known)
    if 500 <= status < 600:
        raise ServerError(f"the server failed: {said}", retry_after=retry_after(response.headers), **known)
    raise ProtocolError(f"no document, but {said}", excerpt=_excerpt(response.body), **known)


def _request_id(headers: Mapping[str, str]) -> str | None:
    value = headers.get("x-request-id")
    return escaped(value, 64) if value else None


def _said(response: Response) -> str:
    """What the body says, for people: its title if it is a page, else its beginning."""
    text = _title(response.body) if _is_page(response.body) else _excerpt(response.body)
    return f": {escaped(text)}" if text else ""


def _excerpt(body: bytes) -> str:
    # One byte more than is shown, so that the cut shows.
    return body[: EXCERPT + 1].decode("utf-8", "replace").strip()


# --- Retry-After ----------------------------------------------------------------------------------------

#: One value: a date, which has a comma of its own, or a text without one.
_VALUE: Final = re.compile(r"\s*([A-Za-z]{3,9},[^,]*|[^,]+)")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to stay away, 0 to 3600; None without one that can be read (B-32).

    A date is read against the answer's own `Date`, since the server's clock may be wrong, and against ours only
    without one (F-54). Of several values the largest counts.

    >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after": "-1"})
    (3.0, None)
    """
    given = headers.get("retry-after")
    if given is None:
        return None
    read = [_seconds(value.strip(), headers.get("date")) for value in _VALUE.findall(given[:1024])]
    seconds = [value for value in read if value is not None]
    return min(max(seconds), LONGEST_RETRY_AFTER) if seconds else None


def _seconds(value: str, date: str | None) -> float | None:
    if _NUMBER.fullmatch(value):
        return float(math.ceil(min(float(value), LONGEST_RETRY_AFTER)))
    until = _instant(value)
    return None if until is None else max(0.0, (until - (_instant(date) or utc_now())).total_seconds())


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


# --- the document ---------------------------------------------------------------------------------------


def decoded(response: Response, decoder: msgspec.json.Decoder[T], *, platform: str) -> T:
    """The JSON document in `response`, as `decoder` types it. Its status is the caller's to look at first.

    It is read as UTF-8, whatever the content type says (B-24). Answers of more than
    `limits.DECODE_ON_LOOP_BYTES` are read by `Transport.send` in a worker thread.

    Raises:
        ProtocolError: a page for people: a login, a proxy, a maintenance notice (B-31).
        DecodeError: cut, malformed, not UTF-8, nested too deep, or of another shape (B-25, B-26).
    """
    body = response.body
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    reason: str
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        reason = str(error)
    except RecursionError:
        reason = "nested too deep"
    except MemoryError:
        reason = "no memory for it"
    raise _undecoded(response, reason, platform)


def _undecoded(response: Response, reason: str, platform: str) -> AiotasksError:
    known: dict[str, Any] = {
        "platform": platform,
        "http_status": response.status,
        "request_id": _request_id(response.headers),
    }
    if _is_page(response.body):
        title = _title(response.body)
        return ProtocolError(f"a page for people instead of JSON: {escaped(title)!r}", **known)
    return DecodeError(f"not the JSON that was due: {escaped(reason)}", excerpt=_excerpt(response.body), **known)


_TITLE: Final = re.compile(rb"<title[^>]{0,200}>([^<]{0,200})", re.IGNORECASE)


def _is_page(body: bytes) -> bool:
    return body[:64].removeprefix(_BOM).lstrip().startswith(b"<")


def _title(body: bytes) -> str:
    found = _TITLE.search(body, 0, 4096)
    return found[1].decode("utf-8", "replace").strip() if found else ""
