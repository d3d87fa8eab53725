"""From an answer to its document, or to the error that says why there is none."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from aiotasks._runtime import decode
from aiotasks._runtime.decode import decoded, raise_for_status, retry_after
from aiotasks.errors import (
    AiotasksError,
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
from aiotasks.models import Response

# --- status --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 206])
def test_good_status_passes(status: int):
    """A 2xx that can carry a document is for the caller to read."""
    raise_for_status(Response(status=status), platform="p")


@pytest.mark.covers("B-18", "F-14", "F-15", "F-17", "F-18", "F-19", "F-20", "F-21")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, QueryRefused),
        (401, AuthError),
        (403, PermissionDenied),
        (404, TaskNotFound),
        (405, QueryRefused),
        (407, QueryRefused),
        (410, TaskNotFound),
        (413, QueryTooLarge),
        (414, QueryTooLarge),
        (422, QueryRefused),
        (429, RateLimited),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (100, ProtocolError),
        (101, ProtocolError),
        (204, ProtocolError),
        (205, ProtocolError),
        (301, ProtocolError),
        (304, ProtocolError),
        (0, ProtocolError),
        (600, ProtocolError),
        (999, ProtocolError),
    ],
)
def test_status_has_one_meaning(status: int, kind: type[AiotasksError]):
    """Each status is one class of error, which carries it, the platform and the server's own id of the exchange."""
    with pytest.raises(AiotasksError) as caught:
        raise_for_status(Response(status=status, headers={"x-request-id": "r-1"}, body=b"why"), platform="p")
    assert type(caught.value) is kind
    assert (caught.value.http_status, caught.value.platform, caught.value.request_id) == (status, "p", "r-1")
    assert str(status) in str(caught.value)


@pytest.mark.covers("F-15")
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_carried(status: int):
    """The scheduler and `send` find the server's wish on the error."""
    with pytest.raises((RateLimited, ServerError)) as caught:
        raise_for_status(Response(status=status, headers={"retry-after": "12"}), platform="p")
    assert caught.value.retry_after == 12.0


@pytest.mark.covers("S-15", "I-11")
def test_error_shows_an_escaped_excerpt():
    """What the server said is shown on one line, cut, and harmless to a terminal."""
    with pytest.raises(QueryRefused) as caught:
        raise_for_status(Response(status=400, body=b"bad\r\n\x1b[31mred\xff" + b"x" * 1000), platform="p")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 400
    assert "bad" in text


@pytest.mark.covers("B-31", "F-32")
def test_page_in_an_error_shows_its_title_alone():
    """Nobody wants the markup of a maintenance page in a log."""
    page = b"<!doctype html><html><head><title>Down for maintenance</title></head><body>secret</body></html>"
    with pytest.raises(ServerError, match="Down for maintenance") as caught:
        raise_for_status(Response(status=503, body=page), platform="p")
    assert "secret" not in str(caught.value)


# --- Retry-After ---------------------------------------------------------------------------------------


@pytest.mark.covers("B-32")
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.2", 2.0),
        ("1.", 1.0),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("99999999", 3600.0),
        ("9" * 30, 3600.0),
        ("9" * 5000, 3600.0),
        ("5, 9", 9.0),
        ("9, soon", 9.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT, 45", 45.0),
        ("10, Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015", None),
        ("Wed, 99 Foo 2015 99:99:99 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:30 GMT", None),
    ],
)
def test_retry_after_is_read_with_care(given: str | None, seconds: float | None):
    """Bad is ignored, past is now, huge is an hour, fractions are rounded up, of two the larger counts."""
    headers = {"date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    if given is not None:
        headers["retry-after"] = given
    assert retry_after(headers) == seconds


@pytest.mark.covers("F-54")
def test_date_is_read_against_the_clock_that_wrote_it(monkeypatch: pytest.MonkeyPatch):
    """A server whose clock is off by years asks for the same 30 seconds; ours counts only without its own."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(decode, "utc_now", lambda: now)
    wish = "Wed, 21 Oct 2015 07:28:30 GMT"
    assert retry_after({"retry-after": wish, "date": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 30.0
    assert retry_after({"retry-after": wish}) == 0.0
    assert retry_after({"retry-after": wish, "date": "rubbish"}) == 0.0
    assert retry_after({"retry-after": email.utils.format_datetime(now + timedelta(seconds=9), usegmt=True)}) == 9.0


# --- documents -----------------------------------------------------------------------------------------


class Thing(msgspec.Struct):
    id: str
    progress: float | None = None


THING = msgspec.json.Decoder(Thing)
ANY = msgspec.json.Decoder()


def read(body: bytes, decoder: Any = THING, **headers: str) -> Any:
    return decoded(Response(status=200, headers=headers, body=body), decoder, platform="p")


@pytest.mark.covers("B-24")
@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/plain; charset=latin-1", ""])
def test_json_is_utf8_whatever_the_content_type_says(kind: str):
    """A wrong content type is a common fault and changes nothing; a BOM is tolerated."""
    headers = {"content-type": kind}
    for body in ('{"id": "ä"}'.encode(), b"\xef\xbb\xbf" + '{"id": "ä"}'.encode(), '\n {"id": "ä"}'.encode()):
        assert decoded(Response(status=200, headers=headers, body=body), THING, platform="p").id == "ä"


BAD = {
    "empty": b"",
    "blank": b"  \n",
    "cut": b'{"id": "a',
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "wrong type": b'{"id": 7}',
    "missing field": b"{}",
    "latin-1": b'{"id": "\xe4"}',
    "utf-16": '{"id": "a"}'.encode("utf-16"),
    "two documents": b'{"id": "a"}{"id": "b"}',
    "NaN": b'{"id": "a", "progress": NaN}',
    "Infinity": b'{"id": "a", "progress": -Infinity}',
    "huge float": b'{"id": "a", "progress": 1e999}',
    "single quotes": b"{'id': 'a'}",
}


@pytest.mark.covers("B-21", "B-24", "B-25", "B-27")
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_document_that_is_not_as_due_is_a_decode_error(body: bytes):
    """Nothing of it is used, and the error shows how it begins."""
    with pytest.raises(DecodeError) as caught:
        read(body)
    assert (caught.value.http_status, caught.value.platform) == (200, "p")
    assert caught.value.excerpt is not None
    assert caught.value.excerpt.isprintable()


BOMBS = {
    "deep list": b"[" * 200_000,
    "deep whole list": b"[" * 200_000 + b"]" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "long number": b"9" * 5_000 + b"x",
    "long exponent": b"1e" + b"9" * 5_000,
    "long key": b'{"' + b"k" * 1_000_000,
}


@pytest.mark.covers("B-26")
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bombs_are_decode_errors(body: bytes):
    """What makes a decoder raise something unusual is one more decode error."""
    with pytest.raises(DecodeError):
        read(body, ANY)


@pytest.mark.covers("B-26")
def test_large_but_honest_documents_are_read():
    """Size alone is no fault: a million keys, a long text."""
    many = b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}"
    assert len(read(many, ANY)) == 1_000_000
    assert len(read(b'"' + b"x" * 1_000_000 + b'"', ANY)) == 1_000_000


@pytest.mark.covers("B-29", "S-15")
def test_odd_characters_are_kept_in_data_and_escaped_in_errors():
    """NUL and marks that turn text around belong to the data; nobody's terminal gets them."""
    assert read(b'{"id": "a\\u0000\\u202e"}').id == "a\0\u202e"
    with pytest.raises(DecodeError) as caught:
        read('{"id": 7, "x": "\u202e"}'.encode())
    assert "\u202e" not in (caught.value.excerpt or "")


PAGES = [
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>",
    b"\xef\xbb\xbf\n  <html><TITLE lang='en'>Sign in</TITLE>",
]


@pytest.mark.covers("B-31", "F-11", "F-32")
@pytest.mark.parametrize("body", PAGES)
def test_page_for_people_is_a_protocol_error(body: bytes):
    """A login page with status 200 is never an answer; its title says which page it is."""
    with pytest.raises(ProtocolError, match="'Sign in'") as caught:
        read(body, ANY)
    assert caught.value.excerpt is None
