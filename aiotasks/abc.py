"""The seams as Protocols: what a platform brings, and what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from aiotasks.limits import SENDS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
    from typing import Self

    from aiotasks.errors import AiotasksError
    from aiotasks.models import Account, Answer, Observation, Page, Query, Request, Response

__all__ = ["Credential", "ExpiringCredential", "PageSource", "StatusSource", "Transport"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class StatusSource(Protocol):
    """How the tasks of one lane are asked about: a frozen value of pure functions.

    The scheduler sends, skips unchanged answers, compares and accounts; a source only translates.
    """

    @property
    def account(self) -> Account:
        """Whose rate limit, credential and identities these tasks share."""
        ...

    @property
    def lane(self) -> Hashable:
        """Tasks of one account and lane may share one query."""
        ...

    @property
    def batch_limit(self) -> int:
        """Ids per query, at least 1."""
        ...

    def request(self, query: Query) -> Request:
        """The request that asks `query`: without a credential, and the same for the same query."""
        ...

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """What a response, of any HTTP status, says: in blocks of at most about 32 KB of its body.

        Raises:
            AiotasksError: the query as a whole failed. The class decides what happens: `ServiceError` and
                `AnswerError` are asked again later, `QueryTooLarge` makes cohorts smaller, another
                `QueryRefused` has the cohort split until the culprit is alone, `AuthError` ends the account's
                waits when it comes twice.
        """
        ...

    def observe(self, row: Any) -> Observation:
        """One of `Answer.rows` as an observation. Called only for rows that changed."""
        ...

    def learn(self, fact: Any) -> Self:
        """The source that knows `fact` as well. Facts arrive one by one, possibly more than once."""
        ...


class PageSource(Protocol[T_co]):
    """How one result is paged through: two pure functions."""

    def request(self, cursor: str | None) -> Request:
        """The request for the page at `cursor`; None is the first."""
        ...

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[T_co]]:
        """The pages that the answer holds, in order; the last one's cursor asks for what follows it.

        Raises:
            AiotasksError: as for `StatusSource.read`; transient ones are tried again from `cursor`.
        """
        ...


class Credential(Protocol):
    """What goes into requests to an account's own origin, and nowhere else (S-01)."""

    def headers(self) -> Mapping[str, str]:
        """The headers that carry it."""
        ...

    async def renew(self) -> bool:
        """Get another one, after a 401. False: there is no other. Never called twice at once."""
        ...


@runtime_checkable
class ExpiringCredential(Protocol):
    """A `Credential` that tells how long it is good for: it is renewed before its end, and not only after a 401."""

    @property
    def lifetime(self) -> float | None:
        """Seconds from the renewal that gave the present one to its end; None: no end is known.

        Before the first renewal 0.0 says that there is none yet: it is then got before anything is sent.
        """
        ...


class Transport(Protocol):
    """The one place that sends."""

    async def send(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send `request` and give what `read` makes of the answer.

        A repeatable request is sent again after a transient fault, up to its `tries` in all, with backoff and not
        before a `Retry-After`; after a 401 the credential is renewed once and the request repeated. `read` is
        given answers of any status but 401 and 5xx, and may raise; transient errors that it raises count as
        such.

        Raises:
            AskError, AnswerError: what `read` raised, or the fault that was left after the last try.
            SubmitUnknown: a request that must not be repeated got no answer.

        Cancellation: the exchange is dropped and its connection closed; the server may have acted on it.
        """
        ...

    async def send_many(
        self, requests: Iterable[Request], read: Callable[[Response], T], *, limit: int = SENDS_AT_ONCE
    ) -> list[T | AiotasksError]:
        """`send` each request, at most `limit` at a time; answers in their order, failures in their place."""
        ...
