"""Every exception of aiotasks. Four families; a caller picks one by what they can do next.

    AiotasksError
    ├── UsageError                    you called it wrongly: change the call
    │   ├── InvalidArgument           (ValueError) a value that is not allowed
    │   ├── InvalidType               (TypeError) a type that is not allowed
    │   ├── WrongLoop                 (RuntimeError) used from another event loop or thread
    │   ├── NotSupported              (RuntimeError) this kind of task has no such thing
    │   ├── SchedulerFull             (RuntimeError) more tasks or waits than the limit
    │   └── SchedulerClosed           (RuntimeError) the scheduler, or the task's client, was closed
    │       └── ForkedScheduler       used in a child process of a fork
    ├── JobError                      the job ended badly: its own word, final
    │   ├── TaskFailed
    │   └── TaskCancelled
    ├── WaitTimeout                   (TimeoutError) the wait ended, the job goes on: wait again
    ├── AskError                      the platform could not be asked, or would not answer
    │   ├── TaskNotFound              (LookupError) this id does not exist, for this credential
    │   ├── AuthError                 (PermissionError) the credential is refused
    │   ├── PermissionDenied          (PermissionError) this credential may not do that
    │   ├── QueryRefused              the platform refuses the request as such
    │   │   ├── TaskQueryError        ... about one task, every time
    │   │   └── QueryTooLarge         ... since it names too much
    │   ├── ServiceError              transient: asked again later
    │   │   ├── NetworkError          (OSError) no answer arrived
    │   │   ├── ServerError           5xx
    │   │   └── RateLimited           429, or the platform's own way of saying so
    │   └── SubmitUnknown             a submit without an answer: the job may or may not exist
    ├── AnswerError                   the answer makes no sense
    │   ├── ProtocolError             not the HTTP or the document that was due
    │   ├── DecodeError               not the JSON that was due
    │   └── AnswerTooLarge            larger than the limit
    ├── ResultError                   the job is done, its result cannot be had
    │   └── PaginationError           pages repeat, contradict each other, or never end
    └── SchedulerCrashed              a fault of this library: please report it

Messages are for people; what a program needs is in attributes. No error holds a header, a credential or a URL
with its query, and a body only as an escaped excerpt (I-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_E = TypeVar("_E", bound="AiotasksError")

__all__ = [
    "AiotasksError",
    "AnswerError",
    "AnswerTooLarge",
    "AskError",
    "AuthError",
    "DecodeError",
    "ForkedScheduler",
    "InvalidArgument",
    "InvalidType",
    "JobError",
    "NetworkError",
    "NotSupported",
    "PaginationError",
    "PermissionDenied",
    "ProtocolError",
    "QueryRefused",
    "QueryTooLarge",
    "RateLimited",
    "ResultError",
    "SchedulerClosed",
    "SchedulerCrashed",
    "SchedulerFull",
    "ServerError",
    "ServiceError",
    "SubmitUnknown",
    "TaskCancelled",
    "TaskFailed",
    "TaskNotFound",
    "TaskQueryError",
    "UsageError",
    "WaitTimeout",
    "WrongLoop",
]


class AiotasksError(Exception):
    """The root of every error that this library raises on its own account.

    Attributes:
        platform: the platform's name, as in `"labelbox"`; None where no platform is concerned.
        task_id: the id of the one task concerned, if it is one.
        http_status: the HTTP status of the answer that led here, if there was one.
        request_id: the server's own id of that exchange, if it gave one.
    """

    platform: str | None
    task_id: object
    http_status: int | None
    request_id: str | None

    def __init__(
        self,
        message: str,
        *,
        platform: str | None = None,
        task_id: object = None,
        http_status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.platform = platform
        self.task_id = task_id
        self.http_status = http_status
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not pickle by themselves; the state is plain data throughout (I-11).
        return _rebuilt, (type(self), self.args, self.__dict__)

    def fresh(self) -> Self:
        """An equal copy for one more waiter: two raises of one object would share a traceback."""
        copy = _rebuilt(type(self), self.args, self.__dict__)
        copy.__cause__ = self.__cause__
        return copy


def _rebuilt(kind: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    error = kind.__new__(kind)
    error.args = args  # OSError's kin take them in __init__ only
    error.__dict__.update(state)
    return error


# --- you called it wrongly ---------------------------------------------------------------------------


class UsageError(AiotasksError):
    """The call itself is wrong. No request was sent."""


class InvalidArgument(UsageError, ValueError):
    """A value that is not allowed; the message names the argument, what was given, and what is allowed."""


class InvalidType(UsageError, TypeError):
    """A type that is not allowed; the message names the argument, what was given, and what is allowed."""


class WrongLoop(UsageError, RuntimeError):
    """Used from another event loop or thread than the one of its first `await`."""


class NotSupported(UsageError, RuntimeError):
    """This kind of task, or this platform, has no such thing; the message says what to use instead."""


class SchedulerFull(UsageError, RuntimeError):
    """More tasks, or waits on one task, than the limit (L-18). Nothing of the call was registered."""


class SchedulerClosed(UsageError, RuntimeError):
    """The scheduler, or the client that the task belongs to, was closed; the remote job goes on."""


class ForkedScheduler(SchedulerClosed):
    """Used in a child process of a `fork`; the scheduler lives in the parent. Start one in the child."""


# --- the job's own verdict ----------------------------------------------------------------------------


class JobError(AiotasksError):
    """The job ended badly, in the platform's own word.

    Attributes:
        status: the platform's word for the end.
        details: what the platform tells about it (a message, a list of errors), or None.
    """

    status: str | None
    details: Any

    def __init__(self, message: str, *, status: str | None = None, details: Any = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.status = status
        self.details = details


class TaskFailed(JobError):
    """The job failed."""


class TaskCancelled(JobError):
    """The job was cancelled on the platform. Not `asyncio.CancelledError`, which ends a wait."""


# --- the wait ended, the job goes on ------------------------------------------------------------------


class WaitTimeout(AiotasksError, TimeoutError):
    """The time of one wait is up. The job and every other wait go on; the task may be awaited again.

    Attributes:
        timeout_seconds: what the caller allowed.
        status: the last word heard of the task; None when it was never heard of, or for a set of tasks.
        age: seconds since that was heard, or None.
        last_error: the last fault met when asking, or None.
        token: `Task.token()`, to take the wait up again elsewhere; None for a set of tasks.
        pending: the tasks of the set that have not ended, in the order given; the one task of a single wait.
            Empty after unpickling.
    """

    timeout_seconds: float
    status: str | None
    age: float | None
    last_error: AiotasksError | None
    token: str | None
    pending: Sequence[Any]

    def __init__(
        self,
        message: str,
        *,
        timeout_seconds: float = 0.0,
        status: str | None = None,
        age: float | None = None,
        last_error: AiotasksError | None = None,
        token: str | None = None,
        pending: Sequence[Any] = (),
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.timeout_seconds = timeout_seconds
        self.status = status
        self.age = age
        self.last_error = last_error
        self.token = token
        self.pending = pending

    def __reduce__(self) -> tuple[Any, ...]:
        state = {**self.__dict__, "pending": ()}  # tasks belong to a loop and do not travel
        return _rebuilt, (type(self), self.args, state)


# --- the platform cannot be asked ----------------------------------------------------------------------


class AskError(AiotasksError):
    """The platform could not be asked, or would not answer. Says nothing about the job (I-10)."""


class TaskNotFound(AskError, LookupError):
    """The platform says, twice, that it knows no such task, for this credential."""


class AuthError(AskError, PermissionError):
    """The platform refuses the credential. Fix it; tasks of other credentials go on."""


class PermissionDenied(AskError, PermissionError):
    """The credential is good, but may not do this."""


class QueryRefused(AskError):
    """The platform refuses the request as such (400, 422, a validation error). Repeating it does not help."""


class TaskQueryError(QueryRefused):
    """The platform refuses every query about this one task. Its siblings are asked on."""


class QueryTooLarge(QueryRefused):
    """The request names more than the platform takes at once (413, 414, complexity)."""


class ServiceError(AskError):
    """Transient: the platform could not answer now. Waits go on by themselves."""


class NetworkError(ServiceError, OSError):
    """No answer arrived: name resolution, connection, TLS, reset, or a time-out.

    Attributes:
        is_sent: whether anything of the request may have reached the server. False: no connection was made.
    """

    is_sent: bool

    def __init__(self, message: str, *, is_sent: bool = True, **known: Any) -> None:
        super().__init__(message, **known)
        self.is_sent = is_sent


class ServerError(ServiceError):
    """The platform answered 5xx.

    Attributes:
        retry_after: seconds the server asked to stay away, or None.
    """

    retry_after: float | None

    def __init__(self, message: str, *, retry_after: float | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.retry_after = retry_after


class RateLimited(ServiceError):
    """Too many requests, in HTTP's word (429) or the platform's own.

    Attributes:
        retry_after: seconds the server asked to stay away, or None.
    """

    retry_after: float | None

    def __init__(self, message: str, *, retry_after: float | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.retry_after = retry_after


class SubmitUnknown(AskError):
    """A submit got no answer: the job may or may not exist. It was not sent again (F-25).

    Attributes:
        key: what the job can be looked up by where the platform allows it, or None.
    """

    key: str | None

    def __init__(self, message: str, *, key: str | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.key = key


# --- the answer makes no sense ---------------------------------------------------------------------------


class AnswerError(AiotasksError):
    """An answer arrived and makes no sense. Transient: nothing of it was used.

    Attributes:
        excerpt: the body's beginning, escaped, or None.
    """

    excerpt: str | None

    def __init__(self, message: str, *, excerpt: object = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.excerpt = None if excerpt is None else escaped(excerpt)


class ProtocolError(AnswerError):
    """Not HTTP, a redirect, a page for people, or a document of another shape than was due."""


class DecodeError(AnswerError):
    """Not the JSON that was due: cut, malformed, or of a wrong type."""


class AnswerTooLarge(AnswerError):
    """Larger than the limit (L-03, L-04), or inflating beyond all reason."""


# --- results ------------------------------------------------------------------------------------------------


class ResultError(AiotasksError):
    """The job is done, and its result cannot be had. The fetch can be repeated.

    Attributes:
        cursor: where to go on, as given by `Page.cursor`; None at the beginning.
    """

    cursor: str | None

    def __init__(self, message: str, *, cursor: str | None = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.cursor = cursor


class PaginationError(ResultError):
    """Pages repeat, contradict each other, or never end (B-48 to B-51)."""


class SchedulerCrashed(AiotasksError):
    """The scheduler itself failed: a fault of this library, with its cause chained. No task was lost sight of
    silently: every wait got this error, and a new wait starts the scheduler again."""
