"""The table from the HTTP library's errors to ours."""

from __future__ import annotations

import asyncio
import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.http import HttpProcessingError

from aiotasks._runtime.faults import FOREIGN_FAULTS, fault_of
from aiotasks._runtime.guard import RefusedAddress, RefusedUrl
from aiotasks.errors import AiotasksError, NetworkError, ProtocolError

SECRET = "canary"
KEY: Any = SimpleNamespace(host=SECRET, port=443, ssl=True)
INFO: Any = SimpleNamespace(real_url=f"https://h/?{SECRET}", headers={"Authorization": SECRET})
REFUSED = OSError(errno.ECONNREFUSED, "Connection refused")


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.covers("S-12", "S-13", "F-04", "F-48", "B-17")
@pytest.mark.parametrize(
    ("error", "kind", "text", "is_sent"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")),
            NetworkError,
            "was not resolved: unknown",
            False,
        ),
        (aiohttp.ClientConnectorCertificateError(KEY, untrusted()), NetworkError, "certificate has expired", False),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "bad record")), NetworkError, "no TLS connection", False),
        (aiohttp.ClientConnectorError(KEY, RefusedAddress("private")), RefusedUrl, "its address is private", None),
        (aiohttp.ClientConnectorError(KEY, REFUSED), NetworkError, "no connection to h: Connection refused", False),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "Too many")), NetworkError, "Too many", False),
        (aiohttp.ConnectionTimeoutError(SECRET), NetworkError, "within 10 s", False),
        (aiohttp.ClientResponseError(INFO, (), status=400), ProtocolError, "not HTTP", None),
        (HttpProcessingError(code=400, message=SECRET), ProtocolError, "not HTTP", None),
        (aiohttp.ClientPayloadError(SECRET), NetworkError, "broke off", True),
        (aiohttp.InvalidURL(f"https://h/?{SECRET}"), RefusedUrl, "not one to connect to", None),
        (aiohttp.ServerDisconnectedError(), NetworkError, "without an answer", True),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), NetworkError, "broke: reset", True),
        (aiohttp.ClientConnectionError(SECRET), NetworkError, "no whole answer", True),
        (asyncio.IncompleteReadError(b"", 3), NetworkError, "no whole answer", True),
        (TimeoutError(), NetworkError, "broke", True),
        (UnicodeError("label too long"), RefusedUrl, "not one to connect to", None),
        (RuntimeError("unable to perform operation"), NetworkError, "unable to perform", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_place(error: Exception, kind: type[AiotasksError], text: str, is_sent: bool | None):
    """Every error that an exchange can end with is one of ours, and carries nothing that could be secret."""
    assert isinstance(error, FOREIGN_FAULTS)
    fault = fault_of(error, "h", "p")
    assert type(fault) is kind
    assert text in str(fault)
    assert fault.platform == "p"
    assert getattr(fault, "is_sent", None) is is_sent
    assert SECRET not in f"{fault!r} {vars(fault)} {fault.__cause__!r}"
    assert fault.__cause__ is None or type(fault.__cause__).__module__ == "builtins"


def test_number_of_the_system_is_kept():
    """Out of descriptors is told from a server that refuses: by `errno` of the cause."""
    fault = fault_of(aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "Too many open files")), "h", "p")
    assert isinstance(fault.__cause__, OSError)
    assert fault.__cause__.errno == errno.EMFILE
