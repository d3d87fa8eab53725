"""How Supervisely is talked to: one JSON object per POST, its words for a task, and what its answers mean.

**Source**: wire notes on the Supervisely SDK 6.74.51. [R] was seen when the real SDK ran against a loopback server,
[S] was read in its source, [D] is the vendor's API reference, [I] is inferred. None of it was tried against the
production service.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from aiotasks import (
    AskError,
    InvalidType,
    Observation,
    Request,
    ServerError,
    State,
    TaskFailed,
    TaskNotFound,
    WaitTimeout,
    decoded,
    escaped,
    raise_for_status,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotasks import Response

__all__ = [
    "PLATFORM",
    "PluginTaskType",
    "ResourceNotFoundError",
    "RestartPolicy",
    "Status",
    "TaskFinishedWithError",
    "TaskInfo",
    "TaskRow",
    "WaitingTimeExceeded",
    "checked",
    "observed",
    "reader",
    "request",
    "row_of",
    "task_reader",
]

T = TypeVar("T")

PLATFORM: Final = "supervisely"


# --- errors -----------------------------------------------------------------------------------------------


class TaskFinishedWithError(TaskFailed):
    """The task ended in the status `error`."""


class WaitingTimeExceeded(WaitTimeout):
    """`TaskApi.wait` came to its deadline; the task goes on."""


class ResourceNotFoundError(AskError, LookupError):
    """Supervisely knows no workspace, file, project or model of that id. Of a task it is `TaskNotFound`."""


# --- words (section 5) ------------------------------------------------------------------------------------


class Status(enum.StrEnum):
    """Supervisely's words for a task's status [R]. Unlike the SDK's, members equal their text."""

    QUEUED = "queued"
    CONSUMED = "consumed"
    STARTED = "started"
    DEPLOYED = "deployed"
    ERROR = "error"
    FINISHED = "finished"
    TERMINATING = "terminating"
    STOPPED = "stopped"


class PluginTaskType(enum.StrEnum):
    """Kinds of tasks that plugins run [R]."""

    TRAIN = "train"
    INFERENCE = "inference"
    INFERENCE_RPC = "inference_rpc"
    SMART_TOOL = "smarttool"
    CUSTOM = "custom"


class RestartPolicy(enum.StrEnum):
    """When a task is started again [R]."""

    NEVER = "never"
    ON_ERROR = "on_error"


#: `consumed`: an agent took it. `deployed` serves, and `started` may last for days. That `error` can be left, by a
#: restart policy, is [I]: it ends a task here, and a task that was restarted is opened again.
_STATES: Final[Mapping[str, State]] = {
    Status.QUEUED: State.PENDING,
    Status.CONSUMED: State.PENDING,
    Status.STARTED: State.RUNNING,
    Status.DEPLOYED: State.RUNNING,
    Status.TERMINATING: State.RUNNING,
    Status.FINISHED: State.SUCCEEDED,
    Status.ERROR: State.FAILED,
    Status.STOPPED: State.CANCELLED,
}


# --- tasks (sections 4 and 6) -------------------------------------------------------------------------------


class TaskInfo(Mapping[str, Any]):
    """What Supervisely says of a task: a mapping with its keys (`workspaceId`), and attributes (`workspace_id`).

    A key that an answer does not have is missing from the mapping, and None as an attribute: lists tell `id`, `type`,
    `status`, `startedAt`, `finishedAt`, `meta` and `description`. Times are texts, ISO 8601 in UTC.

    >>> info = TaskInfo({"id": 7, "status": "started", "workspaceId": 3})
    >>> info["workspaceId"], info.workspace_id, info.agent_id, dict(info) == info
    (3, 3, None, True)
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<TaskInfo {self.id} {escaped(self.status, 40)}>"

    @property
    def id(self) -> int:
        """The task's id."""
        id: int = self._fields["id"]
        return id

    @property
    def status(self) -> str | None:
        """The status in Supervisely's word."""
        return self._fields.get("status")

    @property
    def type(self) -> str | None:
        """What kind of task it is, such as `app`, `train` or `clone`."""
        return self._fields.get("type")

    @property
    def description(self) -> str | None:
        """What its creator wrote."""
        return self._fields.get("description")

    @property
    def workspace_id(self) -> int | None:
        """The workspace that it is in."""
        return self._fields.get("workspaceId")

    @property
    def team_id(self) -> int | None:
        """The team that it belongs to."""
        return self._fields.get("teamId")

    @property
    def started_at(self) -> str | None:
        """When it was started."""
        return self._fields.get("startedAt")

    @property
    def finished_at(self) -> str | None:
        """When it ended; None before that."""
        return self._fields.get("finishedAt")

    @property
    def user_id(self) -> int | None:
        """Who started it."""
        return self._fields.get("userId")

    @property
    def user_login(self) -> str | None:
        """The login of who started it."""
        return self._fields.get("userLogin")

    @property
    def agent_id(self) -> int | None:
        """The agent that runs it."""
        return self._fields.get("agentId")

    @property
    def agent_name(self) -> str | None:
        """The name of that agent."""
        return self._fields.get("agentName")

    @property
    def settings(self) -> Any:
        """What it was started with."""
        return self._fields.get("settings")

    @property
    def meta(self) -> Any:
        """What it and others noted on it: app, output, session."""
        return self._fields.get("meta")


#: The keys of `tasks.info`, in the order of the SDK's documentation [S].
INFO_KEYS: Final = (
    *("id", "workspaceId", "description", "type", "status", "startedAt", "finishedAt", "userId", "meta", "settings"),
    *("agentName", "userLogin", "teamId", "agentId"),
)


class TaskRow(NamedTuple):
    """One task of a status answer: all of it is decoded only when it says something new."""

    id: int
    word: str
    raw: msgspec.Raw
    progress: float | None = None


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What a row is bad without (B-35); no other field may spoil it."""

    id: int
    status: str


_HEAD: Final = msgspec.json.Decoder(_Head)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])


def row_of(raw: msgspec.Raw) -> TaskRow | None:
    """The row in `raw`; None when it has no usable id or status."""
    try:
        head = _HEAD.decode(raw)
    except msgspec.ValidationError:
        return None
    word = head.status.strip()
    known = word.lower()
    return TaskRow(head.id, known if known in _STATES else word, raw)


def observed(row: TaskRow) -> Observation:
    """What a row says about its task."""
    return observation(row.word, TaskInfo(_FIELDS.decode(row.raw)))


def observation(word: str, info: TaskInfo | None = None) -> Observation:
    """What it means that a task's status is `word`."""
    state = _STATES.get(word, State.UNKNOWN)
    return Observation(word=word, state=state, is_final=state.is_end, details=info)


# --- requests and answers (sections 1 and 2) ------------------------------------------------------------------


_JSON: Final = {"content-type": "application/json", "accept": "application/json"}


def request(base: str, method: str, body: Any, *, is_repeatable: bool = True, **options: Any) -> Request:
    """A call of `method`.

    Raises:
        InvalidType: what the caller gave cannot be written as JSON.
    """
    try:
        content = msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidType(f"{method}: given what JSON cannot hold ({escaped(error, 80)})") from None
    return Request(url=base + method, headers=_JSON, body=content, is_repeatable=is_repeatable, **options)


#: Statuses below 500 that mean "later" [R].
_TRANSIENT: Final = frozenset({408, 499})
#: A 400 that means "later" [S].
_AGENT_FIRST: Final = b"Agent should call AgentConnected or AgentPing before attempting any other request"


def checked(response: Response) -> None:
    """Return if the answer is a good one; else raise what it means.

    Raises:
        AskError, AnswerError: as `raise_for_status` maps them, and `ServerError` for what means "later".
    """
    if response.status in _TRANSIENT or (response.status == 400 and _AGENT_FIRST in response.body):
        raise ServerError(
            f"supervisely: not now (HTTP {response.status})",
            retry_after=retry_after(response.headers),
            platform=PLATFORM,
            http_status=response.status,
        )
    raise_for_status(response, platform=PLATFORM)


def reader(decoder: msgspec.json.Decoder[T]) -> Callable[[Response], T]:
    """What `decoder` makes of a good answer, as `Transport.send` takes it. A 404 is a `ResourceNotFoundError`."""

    def read(response: Response) -> T:
        try:
            checked(response)
        except TaskNotFound as error:
            raise ResourceNotFoundError(str(error), platform=PLATFORM, http_status=response.status) from None
        return decoded(response, decoder, platform=PLATFORM)

    return read


def task_reader(decoder: msgspec.json.Decoder[T], task_id: int) -> Callable[[Response], T]:
    """The same for calls about one task, whose 404 is a `TaskNotFound`."""

    def read(response: Response) -> T:
        try:
            checked(response)
        except AskError as error:
            error.task_id = task_id
            raise
        return decoded(response, decoder, platform=PLATFORM)

    return read
