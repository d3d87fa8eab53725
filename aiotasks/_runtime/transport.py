"""The one place that sends: what to do about each answer, over the `Sockets` that carry one exchange."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urljoin

import attrs

from aiotasks._core.pacing import backoff, stay_away
from aiotasks._runtime.decode import raise_for_status
from aiotasks._runtime.guard import RefusedUrl
from aiotasks._runtime.sockets import Sockets
from aiotasks.abc import ExpiringCredential
from aiotasks.errors import (
    AiotasksError,
    AnswerError,
    AuthError,
    InvalidArgument,
    InvalidType,
    NetworkError,
    PermissionDenied,
    ServiceError,
    SubmitUnknown,
)
from aiotasks.limits import DECODE_ON_LOOP_BYTES, REDIRECTS, RENEWAL_MARGIN, SENDS_AT_ONCE, SENDS_PER_ACCOUNT
from aiotasks.safety import escaped, origin_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    from aiotasks.abc import Credential
    from aiotasks.models import Account, Request, Response

__all__ = ["Exchanges", "HttpTransport"]

T = TypeVar("T")


class Exchanges(Protocol):
    """What a transport sends over: `Sockets`, or a script of a test."""

    @property
    def is_closed(self) -> bool: ...
    def enter(self) -> None: ...
    def is_own(self, request: Request) -> bool: ...
    async def exchange(self, request: Request) -> Response: ...
    async def pause(self, seconds: float) -> None: ...
    async def aclose(self) -> None: ...


class HttpTransport:
    """Sends the requests of one account; `aiotasks.abc.Transport` says what `send` promises.

    Constructing it needs no loop and does no I/O; it belongs to the loop of its first use. All durations are
    seconds of that loop's clock.

    Args:
        account: whose origin the credential goes to, and nowhere else.
        credential: what goes into requests to that origin.
        user_agent: how requests to that origin name their sender.
        ssl_context: other certificates to trust than the system's; verification cannot be switched off.
        exchanges: what to send over instead of sockets.
    """

    def __init__(
        self,
        *,
        account: Account,
        credential: Credential,
        user_agent: str = "aiotasks",
        ssl_context: ssl.SSLContext | None = None,
        exchanges: Exchanges | None = None,
    ) -> None:
        self._account = account
        self._credential = credential
        self._exchanges: Exchanges = exchanges or Sockets(
            account, credential, user_agent=user_agent, ssl_context=ssl_context
        )
        self._slots = asyncio.Semaphore(SENDS_PER_ACCOUNT)
        self._expiring = credential if isinstance(credential, ExpiringCredential) else None
        self._stale_at = math.inf if self._expiring is None or self._expiring.lifetime is None else -math.inf
        self._renewing = asyncio.Lock()
        self._renewals = 0
        self._renewed: bool | AiotasksError = False

    def __repr__(self) -> str:
        state = "closed" if self._exchanges.is_closed else "open"
        return f"<{type(self).__name__} {self._account.platform} {self._account.origin} {state}>"

    async def aclose(self) -> None:
        """End what is under way with `SchedulerClosed` and close every connection. Twice does nothing."""
        await self._exchanges.aclose()

    # --- one send -----------------------------------------------------------------------------------------

    async def dispatch(self, request: Request) -> Response:
        """Send `request` exactly once and give the answer, whatever its status: for the scheduler.

        Raises:
            NetworkError, ProtocolError, AnswerTooLarge: there was no answer that can be used.
            AskError, AnswerError: the credential is at its end and cannot be renewed; nothing was sent.
            SchedulerClosed: the transport is closed.
            WrongLoop: not the loop of the first use.

        Cancellation: the connection is closed; the server may have acted on the request.
        """
        await self._be_fresh(request)
        return await self._exchanges.exchange(request)

    # --- the credential -----------------------------------------------------------------------------------

    @property
    def renewals(self) -> int:
        """How often the credential was renewed, or tried to be: what to tell `renew`."""
        return self._renewals

    async def renew(self, seen: int | None = None) -> bool:
        """Get another credential after a 401, once for all who ask at the same time (F-17).

        Args:
            seen: `renewals` as it was when the refused request was sent. If the credential was renewed since,
                that renewal is the answer.

        Returns:
            Whether there is another one: what `Credential.renew` said.

        Raises:
            AuthError: renewing failed; other errors of this library pass as they are.

        Cancellation: the renewal ends with the caller who began it; the next in line begins anew.
        """
        self._exchanges.enter()
        if seen is None:
            seen = self._renewals
        async with self._renewing:
            if seen == self._renewals:
                self._renewed = await self._renewal()
                self._renewals += 1
        if isinstance(self._renewed, AiotasksError):
            raise self._renewed.fresh()
        return self._renewed

    async def _be_fresh(self, request: Request) -> None:
        """Renew a credential that is at its end before a request to its origin goes out with it."""
        if self._stale_at == math.inf or not self._exchanges.is_own(request):
            return
        self._exchanges.enter()
        if asyncio.get_running_loop().time() >= self._stale_at:
            await self.renew(self._renewals)

    async def _renewal(self) -> bool | AiotasksError:
        try:
            is_new = await self._credential.renew()
            if is_new and self._expiring is not None:
                self._stale_at = asyncio.get_running_loop().time() + _use_of(self._expiring.lifetime)
            return is_new
        except AiotasksError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the credential may be the caller's own code
            failure = AuthError(
                f"the credential could not be renewed: {type(error).__name__}",
                platform=self._account.platform,
            )
            failure.__cause__ = error
            return failure

    # --- send until it is settled -------------------------------------------------------------------------

    async def send(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send `request` and give what `read` makes of the answer.

        A repeatable request is sent up to `tries` times while the fault is transient; any request is, when it
        certainly was not executed (no connection, 429). Redirects are followed for downloads alone, at most 3,
        each checked anew (S-02). `read` is called in a worker thread for answers beyond 256 KiB.

        Raises:
            AskError, AnswerError: what `read` raised, or the fault that was left after the last try.
            AuthError: 401, and renewing the credential did not help.
            ServerError: 5xx. A submit may have been executed all the same.
            SubmitUnknown: a request that must not be repeated got no answer that can be used.

        Cancellation: the exchange is dropped and its connection closed; the server may have acted on it.
        """
        for attempt in range(1, request.tries + 1):
            try:
                return await self._attempt(request, read)
            except (ServiceError, AnswerError) as error:
                if attempt == request.tries or not _is_worth_repeating(request, error):
                    raise
                delay = _delay(attempt, error)
            await self._exchanges.pause(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, request: Request, read: Callable[[Response], T]) -> T:
        self._exchanges.enter()  # before the semaphore, which belongs to a loop as well
        async with self._slots:
            response = await self._authorised(request)
        if response.status >= 500:
            raise_for_status(response, platform=self._account.platform)
        try:
            if len(response.body) > DECODE_ON_LOOP_BYTES:
                return await asyncio.to_thread(read, response)
            return read(response)
        except AnswerError as error:
            if _is_settled_by(request, error):
                raise
            raise self._unknown(error) from error

    async def _authorised(self, request: Request) -> Response:
        """The answer, after one renewal of the credential if that is what it takes."""
        if not self._exchanges.is_own(request):
            return await self._downloaded(request)
        await self._be_fresh(request)
        seen = self._renewals
        response = await self._exchanged(request)
        # A 401 was not executed, so even a request that must not be repeated is sent again.
        if response.status == 401 and await self.renew(seen):
            response = await self._exchanged(request)
        if response.status == 401:
            raise_for_status(response, platform=self._account.platform)
        if 300 <= response.status < 400:
            raise self._redirected(response)
        return response

    async def _downloaded(self, request: Request) -> Response:
        """The answer of another origin, after its redirects."""
        for _ in range(REDIRECTS + 1):
            response = await self._exchanged(request)
            if response.status == 401:
                raise PermissionDenied(
                    "the download is refused: HTTP 401", platform=self._account.platform, http_status=401
                )
            location = response.headers.get("location")
            is_redirect = response.status in (301, 302, 303, 307, 308) and request.method in ("GET", "HEAD")
            if not is_redirect or location is None:
                break
            request = self._hop(request, location)
        if 300 <= response.status < 400:
            raise self._redirected(response)
        return response

    def _hop(self, request: Request, location: str) -> Request:
        url = urljoin(request.url, location)
        if request.url.startswith("https:") and not url.startswith("https:"):
            raise RefusedUrl("a redirect from https to plain http is not followed")
        return attrs.evolve(request, url=url, is_foreign=True)

    def _redirected(self, response: Response) -> RefusedUrl:
        location = response.headers.get("location", "")
        return RefusedUrl(
            f"HTTP {response.status}: a redirect to {_host(location)} is not followed",
            platform=self._account.platform,
            http_status=response.status,
        )

    async def _exchanged(self, request: Request) -> Response:
        """One exchange; where the outcome of a submit is lost with the answer, that is what is said (F-25)."""
        try:
            return await self._exchanges.exchange(request)
        except (NetworkError, AnswerError) as error:
            if _is_settled_by(request, error):
                raise
            raise self._unknown(error) from error

    def _unknown(self, error: NetworkError | AnswerError) -> SubmitUnknown:
        return SubmitUnknown(
            f"no usable answer to a request that is not sent twice: {error}",
            platform=self._account.platform,
            http_status=error.http_status,
        )

    async def send_many(
        self, requests: Iterable[Request], read: Callable[[Response], T], *, limit: int = SENDS_AT_ONCE
    ) -> list[T | AiotasksError]:
        """`send` each request, at most `limit` at a time.

        Args:
            requests: taken one by one as others finish, so that large bodies need not all exist at once.
            read: as for `send`.
            limit: requests under way at once, at least 1.

        Returns:
            list of what `read` gave, in the order of `requests`; a failure is in its place.

        Raises:
            InvalidType, InvalidArgument: `limit` is not a positive whole number.

        Cancellation: ends all of them.
        """
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise InvalidType(f"limit: given {escaped(limit, 40)}, allowed: a whole number")
        if limit < 1:
            raise InvalidArgument(f"limit: given {limit}, allowed: at least 1")
        numbered = enumerate(requests)
        results: dict[int, T | AiotasksError] = {}
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, SENDS_PER_ACCOUNT)):
                group.create_task(self._work_off(numbered, read, results))
        return [results[index] for index in range(len(results))]

    async def _work_off(
        self,
        numbered: Iterator[tuple[int, Request]],
        read: Callable[[Response], T],
        results: dict[int, T | AiotasksError],
    ) -> None:
        for index, request in numbered:
            try:
                results[index] = await self.send(request, read)
            except AiotasksError as error:
                results[index] = error


def _is_settled_by(request: Request, error: NetworkError | AnswerError) -> bool:
    """Whether `error` says it all: no submit may have been executed whose answer is lost or makes no sense."""
    return request.is_repeatable or isinstance(error, RefusedUrl) or not getattr(error, "is_sent", True)


def _is_worth_repeating(request: Request, error: AiotasksError) -> bool:
    if isinstance(error, RefusedUrl) or error.http_status == 501:  # "not implemented" stays so
        return False
    if isinstance(error, NetworkError) and not error.is_sent:
        return True
    return request.is_repeatable or error.http_status == 429


def _delay(attempt: int, error: AiotasksError) -> float:
    jitter = random.random  # S-36: jitter is no secret
    asked = getattr(error, "retry_after", None)
    return max(backoff(attempt, jitter), stay_away(asked, jitter) if asked is not None else 0.0)


def _use_of(lifetime: float | None) -> float:
    """Seconds until a credential of that lifetime is to be renewed."""
    return math.inf if lifetime is None else max(lifetime - RENEWAL_MARGIN, lifetime / 2)


def _host(url: str) -> str:
    try:
        return escaped(origin_of(url))
    except ValueError:
        return "nowhere"
