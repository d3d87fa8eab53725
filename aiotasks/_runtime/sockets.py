"""The connections of one account. The one module that talks to the HTTP library.

One call of `exchange` is one request on the wire, never two; see `_once` for the library's wish to the
contrary. Requests to the account's own origin carry its credential; requests anywhere else go through a
session of their own that knows nothing of it (S-01 to S-04).
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from aiotasks._runtime.body import outgoing, received
from aiotasks._runtime.faults import FOREIGN_FAULTS, fault_of
from aiotasks._runtime.guard import Guard, bare_headers, origin
from aiotasks.errors import AiotasksError, NetworkError, SchedulerClosed, WrongLoop
from aiotasks.limits import CONNECT_TIMEOUT, DNS_CACHE, HEADER_BYTES, MOST_HEADERS, SHORTEST_SECRET
from aiotasks.models import Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from yarl import URL

    from aiotasks.abc import Credential
    from aiotasks.models import Account, Request

__all__ = ["Sockets"]

#: Addresses of the own origin that are kept parsed; a platform has a handful.
_TARGETS_KEPT: Final = 256

#: The whole exchange has one time-out of ours. The library's default would round it to whole seconds.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, ceil_threshold=math.inf)


class _Dropped(Exception):
    """A connection that broke. Not an `OSError` on purpose, see `_once`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the library from sending an idempotent request a second time by itself (F-06).

    It does so when a kept-alive connection breaks, which it tells by two of its errors. A middleware runs
    inside that loop and gives them another name. `test_transport.py` counts the sends at a server.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        dropped = error
    raise _Dropped(dropped)


class Sockets:
    """Sessions, made in the running loop when first needed and closed by `aclose`."""

    def __init__(
        self,
        account: Account,
        credential: Credential,
        *,
        user_agent: str,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._account = account
        self._credential = credential
        self._user_agent = user_agent
        self._ssl: ssl.SSLContext | bool = ssl_context if ssl_context is not None else True
        self._guard = Guard(account)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own: aiohttp.ClientSession | None = None
        self._bare: aiohttp.ClientSession | None = None
        self._targets: dict[str, tuple[URL, bool]] = {}
        self._scopes: set[asyncio.Timeout] = set()
        self._pauses: set[asyncio.Future[None]] = set()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    # --- one exchange -----------------------------------------------------------------------------------

    async def exchange(self, request: Request) -> Response:
        """Send `request` exactly once and give the answer, whatever its status.

        Raises:
            NetworkError, AnswerError: there was none, or none that can be used.
            SchedulerClosed: closed before, or meanwhile.
            WrongLoop: not the loop of the first use.
        """
        self.enter()
        url, is_own = self._target(request)
        scope = asyncio.timeout(request.timeout)
        self._scopes.add(scope)
        fault: AiotasksError
        try:
            async with scope:
                return await self._answer(request, url, is_own)
        except AiotasksError as error:
            fault = error
        except _Dropped as error:
            fault = fault_of(error.error, url.host or "", self._account.platform)
        except FOREIGN_FAULTS as error:
            fault = fault_of(error, url.host or "", self._account.platform)
        finally:
            self._scopes.discard(scope)
        if self._is_closed:
            fault = _closed()
        elif scope.expired():
            fault = NetworkError(
                f"no whole answer from {url.host} within {request.timeout:g} s",
                platform=self._account.platform,
            )
        try:
            raise fault  # outside of `except`, so that nothing of the library's error hangs on to it (S-12)
        finally:
            del fault  # its traceback holds this frame

    async def _answer(self, request: Request, url: URL, is_own: bool) -> Response:
        if is_own:
            session, headers = self._own_session(), {**request.headers, **self._credential.headers()}
        else:
            session, headers = self._bare_session(), bare_headers(request.headers)
        body, content_type = outgoing(request)
        if content_type is not None:
            headers["content-type"] = content_type
        answer = await session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
        try:
            content = await received(answer, request)
        finally:
            # After the last byte the connection is back in the pool and this does nothing; before that, it
            # closes the connection.
            answer.close()
        if is_own and answer.status >= 400:
            content = self._masked(content)
        return Response(status=answer.status, headers=_flat(answer), body=content)

    def _masked(self, content: bytes) -> bytes:
        """A refusal without the credential, which some servers quote: errors show what they say (I-06)."""
        for value in self._credential.headers().values():
            for part in value.encode("latin-1", "replace").split():
                if len(part) >= SHORTEST_SECRET:
                    content = content.replace(part, b"***")
        return content

    def is_own(self, request: Request) -> bool:
        """Whether `request` goes to the account's own origin, with its credential."""
        return self._target(request)[1]

    def _target(self, request: Request) -> tuple[URL, bool]:
        if request.is_foreign:
            return self._guard.checked(request.url), False
        target = self._targets.get(request.url)
        if target is None:
            url = self._guard.parsed(request.url)
            if origin(url) != self._account.origin:
                return self._guard.checked(request.url), False
            if len(self._targets) >= _TARGETS_KEPT:
                self._targets.clear()
            target = self._targets[request.url] = url, True
        return target

    # --- sessions ---------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Say that this loop is going to use this.

        Raises:
            SchedulerClosed, WrongLoop: it must not.
        """
        if self._is_closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise WrongLoop("this client belongs to another event loop: make one client per loop")
            self._loop = loop

    def _own_session(self) -> aiohttp.ClientSession:
        if self._own is None:
            headers = {"User-Agent": self._user_agent, "Accept-Encoding": "gzip, deflate"}
            self._own = self._session(self._guard.own_socket, headers)
        return self._own

    def _bare_session(self) -> aiohttp.ClientSession:
        if self._bare is None:
            self._bare = self._session(self._guard.foreign_socket, {"Accept-Encoding": "gzip, deflate"})
        return self._bare

    def _session(self, socket_factory: Callable[..., Any], headers: dict[str, str]) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            # No limit here: the scheduler and `HttpTransport.send` bound what is under way, and waiting for
            # them does not eat into an exchange's time-out.
            limit=0,
            ttl_dns_cache=int(DNS_CACHE),
            ssl=self._ssl,
            socket_factory=socket_factory,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            skip_auto_headers=("User-Agent",),
            timeout=_TIMEOUT,
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=MOST_HEADERS,
            middlewares=(_once,),
        )

    # --- waiting and closing ----------------------------------------------------------------------------

    async def pause(self, seconds: float) -> None:
        """Sleep on the loop's clock; closing wakes it, since a `Retry-After` may be an hour.

        Raises:
            SchedulerClosed: closed before, or meanwhile.
        """
        self.enter()
        loop = asyncio.get_running_loop()
        wake = loop.create_future()
        timer = loop.call_later(seconds, _wake, wake)
        self._pauses.add(wake)
        try:
            await wake
        finally:
            timer.cancel()
            self._pauses.discard(wake)
        if self._is_closed:
            raise _closed()

    async def aclose(self) -> None:
        """End every exchange and pause with `SchedulerClosed`, and close every connection."""
        if self._is_closed:
            return
        if self._loop is not None:
            self.enter()
        self._is_closed = True
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(0.0)
        for wake in self._pauses:
            _wake(wake)
        for session in (self._own, self._bare):
            if session is not None:
                await session.close()


def _closed() -> SchedulerClosed:
    return SchedulerClosed("the client is closed: make a new one")


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _flat(answer: aiohttp.ClientResponse) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        flat[key] = f"{flat[key]}, {value}" if key in flat else value
    return flat
