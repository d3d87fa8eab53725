"""Frozen values that cross the seams between deciding, doing and translating."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs
import msgspec

from aiotasks.errors import AiotasksError, InvalidArgument
from aiotasks.limits import ANSWER_BYTES, QUERY_TIMEOUT, TRIES
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Absence",
    "Accepted",
    "Account",
    "Answer",
    "Observation",
    "Page",
    "Part",
    "Query",
    "Request",
    "Response",
    "State",
    "TaskRef",
    "TooLarge",
]

T_co = TypeVar("T_co", covariant=True)


class State(enum.Enum):
    """The library's own lifecycle of a job, whatever words its platform has."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: Never heard of, or a word this library does not know: still open.
    UNKNOWN = "unknown"

    @property
    def is_end(self) -> bool:
        """Whether a job in this state has ended."""
        return self in _ENDS


_ENDS: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@attrs.frozen(kw_only=True)
class Account:
    """One platform, origin and credential: what rate limits, circuits and identities belong to."""

    platform: str
    origin: str
    #: `Secret.fingerprint()` of the credential: tells two accounts apart, gives nothing away.
    fingerprint: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Observation:
    """What one answer says about one task at one moment."""

    #: The platform's own word, trimmed; None when it gave none.
    word: str | None
    state: State
    #: The platform cannot leave this word: the task is never asked about again.
    is_final: bool = False
    #: Percent, 0 to 100; None when not told or not usable.
    progress: float | None = None
    #: The platform's own fields, as the provider's task class reads them.
    details: Any = None
    #: Why it failed, in the platform's text; None otherwise.
    message: str | None = None


@attrs.frozen
class Query:
    """One status request, before its source turns it into a `Request`. It names `ids`, in this order."""

    ids: tuple[Any, ...]


class Absence(enum.Enum):
    """What it means that an answer leaves out a task that was asked about."""

    #: Nothing: the platform leaves out what has not changed.
    UNCHANGED = "unchanged"
    #: Something is wrong: asked again, then alone, then not found.
    SUSPECT = "suspect"


@attrs.frozen(kw_only=True)
class Answer:
    """One block of a status answer, translated."""

    #: Objects with `id`, `word` and `progress`; in the order asked where the platform keeps it.
    rows: Sequence[Any] = ()
    #: Ids that the platform says do not exist.
    missing: Sequence[Any] = ()
    #: Ids that the platform gives an error for, inside a good answer.
    refused: Mapping[Any, AiotasksError] = attrs.field(factory=dict)
    absence: Absence = Absence.SUSPECT
    #: What was learnt about the source: each is handed to `StatusSource.learn`.
    facts: Sequence[Any] = ()


@attrs.frozen
class TooLarge:
    """Fact: a query that named `count` tasks was too large for the platform."""

    count: int


@attrs.frozen
class Accepted:
    """Fact: the platform took a query that named `count` tasks, as many as the source allowed."""

    count: int


@attrs.frozen(kw_only=True)
class Part:
    """One part of a `multipart/form-data` body."""

    name: str
    content: bytes = attrs.field(repr=False)
    filename: str | None = None
    content_type: str | None = None


def _no_headers() -> Mapping[str, str]:
    return {}


@attrs.frozen(kw_only=True, eq=False)
class Request:
    """One HTTP request, complete but for the credential, which the transport adds for its own origin."""

    method: str = "POST"
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=_no_headers, repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    #: A multipart body; excludes `body`.
    parts: tuple[Part, ...] = attrs.field(default=(), repr=False)
    #: The URL was given by a server: it is checked, and sent bare, without credentials (S-03 to S-07).
    is_foreign: bool = False
    #: Sending it twice does no harm: `Transport.send` repeats it after a transient fault.
    is_repeatable: bool = False
    #: How often `Transport.send` sends it at most.
    tries: int = TRIES
    #: Seconds for the whole exchange.
    timeout: float = QUERY_TIMEOUT
    #: Largest answer taken, in bytes after decompression.
    answer_limit: int = ANSWER_BYTES


@attrs.frozen(kw_only=True, eq=False)
class Response:
    """One HTTP answer, whole and decompressed. Its status may be any; redirects are not followed."""

    status: int
    #: Names in lower case; of a repeated header the values, joined by `", "`.
    headers: Mapping[str, str] = attrs.field(factory=_no_headers, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen(kw_only=True)
class Page(Generic[T_co]):
    """Some rows of a result, in order."""

    rows: Sequence[T_co] = attrs.field(repr=lambda rows: f"<{len(rows)} rows>")
    #: Where the next page begins, as JSON text that survives the process; None after the last page.
    cursor: str | None = None
    #: Rows of the whole result, where the platform tells; else None.
    total: int | None = None


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    platform: str
    origin: str
    id: str | int
    details: dict[str, Any] = {}  # msgspec copies it
    version: int = 0


_TOKEN_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class TaskRef:
    """A task's identity without its credential: what a token says."""

    platform: str
    origin: str
    id: str | int
    #: What the provider needs to know besides, as plain JSON values; no secrets.
    details: Mapping[str, Any] = attrs.field(factory=dict)

    def to_text(self) -> str:
        """This as versioned JSON text.

        >>> ref = TaskRef(platform="labelbox", origin="https://api.labelbox.com:443", id="c1")
        >>> TaskRef.from_text(ref.to_text()) == ref
        True
        """
        token = _Token(self.platform, self.origin, self.id, dict(self.details), _TOKEN_VERSION)
        return msgspec.json.encode(token).decode()

    @classmethod
    def from_text(cls, text: str) -> TaskRef:
        """The reference that `to_text` wrote.

        Raises:
            InvalidArgument: not a token, or one of a version this library does not know.
        """
        try:
            token = msgspec.json.decode(text, type=_Token)
        except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
            raise InvalidArgument(f"token: given {escaped(text, 40)!r}, allowed: what Task.token() gave") from error
        if token.version != _TOKEN_VERSION:
            raise InvalidArgument(f"token: given version {token.version}, allowed: {_TOKEN_VERSION}")
        return cls(platform=token.platform, origin=token.origin, id=token.id, details=token.details)
