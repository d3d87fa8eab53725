"""The words of Deep Intelligence: requests as its own SDK sends them, the rows they bring, what its errors mean.

**Source**: wire notes on the SDK deepint 1.4.3. [V] was seen with the real SDK against an emulator, [R] was read in
it, [I] is inferred and never confirmed against the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from aiotasks import (
    AuthError,
    Observation,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    Request,
    ServerError,
    State,
    decoded,
    escaped,
    raise_for_status,
    retry_after,
)
from aiotasks.limits import LONGEST_MESSAGE
from aiotasks.providers.deepint.errors import DeepintHTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from aiotasks import Part, Response

__all__ = [
    "PLATFORM",
    "ListPage",
    "SourceRow",
    "TaskRow",
    "WorkspaceRow",
    "document",
    "observed",
    "request",
    "source_path",
    "started",
    "task_path",
    "workspace_path",
]

T = TypeVar("T")

PLATFORM: Final = "deepint"
#: Seconds to stay away after LIMIT without `Retry-After`: what the SDK waits before it asks again [V].
LIMIT_PAUSE: Final = 10.0

# --- requests (section 1) -------------------------------------------------------------------------------


def workspace_path(workspace_id: str) -> str:
    """The path of a workspace; each id is one segment, whatever is in it (S-20)."""
    return f"/api/v1/workspace/{quote(workspace_id, safe='')}"


def task_path(workspace_id: str, task_id: str) -> str:
    """The path of a task."""
    return f"{workspace_path(workspace_id)}/task/{quote(task_id, safe='')}"


def source_path(workspace_id: str, source_id: str) -> str:
    """The path of a source."""
    return f"{workspace_path(workspace_id)}/source/{quote(source_id, safe='')}"


def request(
    method: str,
    url: str,
    organization_id: str,
    fields: Mapping[str, Any] | None = None,
    *,
    parts: tuple[Part, ...] = (),
    is_repeatable: bool = False,
) -> Request:
    """A request as the SDK sends it: fields as JSON, also for DELETE; without fields no body [V]."""
    headers = {"accept": "application/json", "x-deepint-organization": organization_id}
    if fields is not None:
        headers["content-type"] = "application/json"
    return Request(
        method=method,
        url=url,
        headers=headers,
        body=None if fields is None else msgspec.json.encode(fields),
        parts=parts,
        is_repeatable=is_repeatable,
    )


# --- answers and errors (section 2) ---------------------------------------------------------------------


class _Fault(msgspec.Struct, frozen=True):
    code: str
    message: Any = ""


_FAULT: Final = msgspec.json.Decoder(_Fault)


def document(response: Response, decoder: msgspec.json.Decoder[T]) -> T:
    """The document in an answer. Success is 200 with JSON and nothing else [V].

    Raises:
        DeepintHTTPError: the service refuses, in a code of its own; also for what it does not find (404).
        AuthError, PermissionDenied, RateLimited, ServerError: 401, 403, 429 or `LIMIT`, 5xx.
        ProtocolError, DecodeError: not a document of the service's.
    """
    if response.status != 200:
        _raise_what_it_says(response)
    return decoded(response, decoder, platform=PLATFORM)


def _raise_what_it_says(response: Response) -> NoReturn:
    known: dict[str, Any] = {"platform": PLATFORM, "http_status": response.status}
    try:
        fault = _FAULT.decode(response.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fault = None
    code = "" if fault is None else escaped(fault.code, 80)
    text = code if fault is None else f"{code}: {escaped(fault.message)}"
    if code == "LIMIT" or response.status == 429:  # LIMIT counts whatever the status [V]
        pause = retry_after(response.headers)
        raise RateLimited(
            f"deepint asks for patience: {text}", retry_after=LIMIT_PAUSE if pause is None else pause, **known
        )
    if fault is None or response.status in (413, 414):
        _raise_for_status(response)
    if response.status == 401:
        raise AuthError(f"the token is refused: {text}", **known)
    if response.status == 403:
        raise PermissionDenied(f"the token may not do that: {text}", **known)
    if response.status >= 500:
        raise ServerError(f"the server failed: {text}", retry_after=retry_after(response.headers), **known)
    if response.status < 400:
        raise ProtocolError(f"HTTP {response.status} in place of 200: {text}", **known)
    raise DeepintHTTPError(escaped(fault.message), code=code, **known)


def _raise_for_status(response: Response) -> NoReturn:
    if response.status not in (404, 410):
        raise_for_status(response, platform=PLATFORM)
    # Not found by a proxy, or a success that is none: nothing that says something of a task.
    raise ProtocolError(
        f"no answer of the service's, but HTTP {response.status}", platform=PLATFORM, http_status=response.status
    )


# --- tasks (section 3) ----------------------------------------------------------------------------------

#: `success` and `failed` are never left [I]; any other word is open.
_STATES: Final = {
    "pending": State.PENDING,
    "running": State.RUNNING,
    "success": State.SUCCEEDED,
    "failed": State.FAILED,
}


class TaskRow(msgspec.Struct, frozen=True, gc=False):
    """A task as Deep Intelligence tells of it: the row of a status answer, of a list, and `Observation.details`.

    Only `id` and `status` are typed, and no other field may spoil a row. JSON holds no cycles, so the collector need
    not look.
    """

    id: str
    status: str | None = None
    user_id: Any = None
    user_name: Any = None
    created: Any = None
    duration: Any = None
    name: Any = None
    description: Any = None
    raw_progress: Any = msgspec.field(default=None, name="progress")
    subtask: Any = None
    result: Any = msgspec.UNSET
    result_type: Any = None
    error_code: Any = None
    error_description: Any = None

    @property
    def word(self) -> str | None:
        """The status, trimmed; folded if it is one that this library knows, else as it was said (B-34)."""
        if self.status is None:
            return None
        said = self.status.strip()
        folded = said.casefold()
        return folded if folded in _STATES else said

    @property
    def state(self) -> State:
        """Our state behind the word."""
        return _STATES.get(self.word or "", State.UNKNOWN)

    @property
    def is_whole(self) -> bool:
        """Whether an item of a list tells all that asking for the task itself would: of an end, its result too."""
        return self.status is not None and (self.result is not msgspec.UNSET or not self.state.is_end)

    @property
    def progress(self) -> float | None:
        """Percent of the present sub-task, 0 to 100; None when it is not told, or nonsense (B-43)."""
        value = self.raw_progress
        return float(value) if type(value) in (int, float) and 0 <= value <= 100 else None


TASK: Final = msgspec.json.Decoder(TaskRow)


def observed(row: TaskRow) -> Observation:
    """What a row says about its task."""
    state, reason = row.state, row.error_description
    has_reason = state is State.FAILED and isinstance(reason, str)
    return Observation(
        word=row.word,
        state=state,
        is_final=state.is_end,
        progress=row.progress,
        details=row,
        message=reason[:LONGEST_MESSAGE] if has_reason else None,
    )


class ListPage(msgspec.Struct, frozen=True):
    """One page of a list, counted from 0 (section 4)."""

    items: list[TaskRow]
    page: int
    pages_count: int


LIST: Final = msgspec.json.Decoder(ListPage)


class Started(msgspec.Struct, frozen=True):
    """The answer to a call that starts a task (section 5)."""

    task_id: str
    #: Of a clone: where its task is.
    workspace_id: str | None = None


_STARTED: Final = msgspec.json.Decoder(Started)


def started(response: Response) -> Started:
    """The new task's id."""
    answer = document(response, _STARTED)
    if not answer.task_id:
        raise ProtocolError("deepint: the answer names no task", platform=PLATFORM, http_status=response.status)
    return answer


# --- workspaces and sources -----------------------------------------------------------------------------


class WorkspaceRow(msgspec.Struct, frozen=True):
    """As much of a workspace as its clone needs."""

    name: str | None = None


class Feature(msgspec.Struct, frozen=True):
    """A column of a source."""

    index: int
    name: str
    computed: bool | None = None
    date_format: str | None = None


class SourceRow(msgspec.Struct, frozen=True):
    """As much of a source as its instances need."""

    features: list[Feature]


WORKSPACE: Final = msgspec.json.Decoder(WorkspaceRow)
SOURCE: Final = msgspec.json.Decoder(SourceRow)
ANYTHING: Final = msgspec.json.Decoder()
