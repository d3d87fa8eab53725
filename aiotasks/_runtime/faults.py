"""The one table that turns errors of the HTTP library into ours.

Built from scratch: the library's own errors hold request headers, and their texts hold whole URLs (S-12). Of
a cause only the operating system's number and words are kept.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpProcessingError

from aiotasks._runtime.guard import RefusedAddress, RefusedUrl
from aiotasks.errors import NetworkError, ProtocolError
from aiotasks.limits import CONNECT_TIMEOUT
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from aiotasks.errors import AiotasksError

__all__ = ["FOREIGN_FAULTS", "fault_of"]

#: What an exchange can end with besides its answer; everything else is a fault of ours and passes.
FOREIGN_FAULTS = (
    aiohttp.ClientError,
    HttpProcessingError,
    asyncio.IncompleteReadError,
    OSError,  # TimeoutError among them
    UnicodeError,  # host names that the resolver cannot spell
    RuntimeError,  # uvloop's word for some failures of sockets
)


def fault_of(error: BaseException, host: str, platform: str) -> AiotasksError:
    """The error of ours that says what `error` says, without anything of it that could be secret."""
    where = escaped(host)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return _unsent(f"the name {where!r} was not resolved", error.os_error, platform)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return _unsent(f"no TLS connection to {where}", error.os_error, platform)
        case aiohttp.ClientConnectorError(os_error=RefusedAddress(kind=kind)):
            return RefusedUrl(f"{where} is not followed: its address is {kind}", platform=platform)
        case aiohttp.ClientConnectorError():
            return _unsent(f"no connection to {where}", error.os_error, platform)
        case aiohttp.ConnectionTimeoutError():
            return NetworkError(
                f"no connection to {where} within {CONNECT_TIMEOUT:g} s", is_sent=False, platform=platform
            )
        case aiohttp.ClientResponseError() | HttpProcessingError():
            # The library dresses its parser's errors as status 400: never the server's own word (B-17).
            return ProtocolError(f"{where} answered with something that is not HTTP", platform=platform)
        case aiohttp.ClientPayloadError():
            return NetworkError(f"the answer of {where} broke off", platform=platform)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | UnicodeError():
            return RefusedUrl(f"a URL on {where!r} is not one to connect to", platform=platform)
        case aiohttp.ServerDisconnectedError():
            return NetworkError(f"{where} closed the connection without an answer", platform=platform)
        case OSError():
            fault = NetworkError(f"the connection to {where} broke{_words(error)}", platform=platform)
            fault.__cause__ = _bare(error)
            return fault
        case RuntimeError():
            return NetworkError(f"the connection to {where} failed: {escaped(error, 100)}", platform=platform)
        case _:
            return NetworkError(f"no whole answer from {where}", platform=platform)


def _unsent(message: str, cause: OSError, platform: str) -> NetworkError:
    fault = NetworkError(f"{message}{_words(cause)}", is_sent=False, platform=platform)
    fault.__cause__ = _bare(cause)
    return fault


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f": {escaped(error.verify_message, 100)}"
    return f": {escaped(error.strerror, 100)}" if error.strerror else ""


def _bare(error: OSError) -> OSError | None:
    """The operating system's own error, for callers who look at `errno`."""
    return OSError(error.errno, error.strerror) if error.errno is not None else None
