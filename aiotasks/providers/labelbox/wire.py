"""The words of Labelbox: documents as its own SDK sends them, the rows they bring, the states behind its statuses.

**Source**: wire notes on the Labelbox SDK 7.17.0. [R] was seen when the real SDK ran against a loopback server, [S]
was read in its source, [I] is inferred from common GraphQL and never confirmed against production.
"""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from aiotasks import Observation, State
from aiotasks.providers.labelbox.graphql import Reply

__all__ = [
    "EMBEDDED_RESULT",
    "EXPORT",
    "LEGACY_IMPORT",
    "UPSERT",
    "TaskRow",
    "TaskStatus",
    "kebab",
    "moment",
    "observed",
    "wire_moment",
]

# --- kinds of tasks (section 5) -------------------------------------------------------------------------

#: Type of what `create_data_rows` and `upsert_data_rows` start [R].
UPSERT: Final = "adv-upsert-data-rows"
#: Type of every export [R].
EXPORT: Final = "export-data-rows"
#: Name, not type, of imports by older servers [S].
LEGACY_IMPORT: Final = "JSON Import"
#: Types whose `result` is, once they failed, the error itself as JSON text and no URL [S].
EMBEDDED_RESULT: Final = frozenset({"add-data-rows-to-batch", "send-to-task-queue", "send-to-annotate"})


class TaskStatus(enum.StrEnum):
    """Labelbox's words for a task's status, under the names of its SDK.

    A word this library does not know is `Unknown`; `task.status` keeps the word itself.
    """

    In_Progress = "IN_PROGRESS"
    Complete = "COMPLETE"
    Canceling = "CANCELLING"
    Canceled = "CANCELED"
    Failed = "FAILED"
    Unknown = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> TaskStatus:
        return cls.Unknown


#: One L while it is over, two while it is under way [R]. COMPLETE, FAILED and CANCELED are never left [I].
_STATES: Final = {
    "IN_PROGRESS": State.RUNNING,
    "CANCELLING": State.RUNNING,
    "COMPLETE": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELED": State.CANCELLED,
}


class TaskRow(msgspec.Struct, frozen=True, gc=False):
    """A task as Labelbox tells of it (section 5): the row of a status answer, and `Observation.details`.

    Only `id` and `status` are typed: a row is bad without them (B-35), and no other field may spoil it. JSON holds
    no cycles, so the collector need not look.
    """

    id: str
    status: str
    name: Any = None
    type: Any = None
    completion: Any = msgspec.field(default=None, name="completionPercentage")
    created: Any = msgspec.field(default=None, name="createdAt")
    updated: Any = msgspec.field(default=None, name="updatedAt")
    result: Any = None
    errors: Any = None
    metadata: Any = None

    @property
    def word(self) -> str:
        """Labelbox's word for the status, trimmed (B-34)."""
        return self.status.strip()

    @property
    def progress(self) -> float | None:
        """Percent from 0 to 100; None when Labelbox tells none, or nonsense (B-43)."""
        value = self.completion
        return float(value) if type(value) in (int, float) and 0 <= value <= 100 else None


def observed(row: TaskRow) -> Observation:
    """What a row says about its task."""
    word = row.word
    state = _STATES.get(word.upper(), State.UNKNOWN)
    return Observation(
        word=word,
        state=state,
        is_final=state.is_end,
        progress=row.progress,
        details=row,
        message=row.result if state is State.FAILED and has_embedded_result(row) else None,
    )


def has_embedded_result(row: TaskRow) -> bool:
    """Whether `result` of a failed task is the error itself."""
    return row.type in EMBEDDED_RESULT and isinstance(row.result, str)


# --- times ----------------------------------------------------------------------------------------------


def moment(text: Any) -> datetime | None:
    """A time of Labelbox's (`2024-01-31T10:20:30.123Z`) as an aware datetime; None when it is no time (B-45)."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def wire_moment(value: datetime) -> str:
    """An aware datetime as the SDK sends it: UTC, whole seconds [R]."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- tasks (section 6) ----------------------------------------------------------------------------------

#: All that a `TaskRow` has, in the SDK's order [R].
TASK_FIELDS: Final = "completionPercentage createdAt errors metadata name result status type id updatedAt"


class UserTasks(msgspec.Struct, frozen=True):
    """`user { a0: createdTasks {...} a1: createdTasks {...} }`, whatever the aliases."""

    user: dict[str, list[TaskRow] | None] | None = None


class RawUserTasks(msgspec.Struct, frozen=True):
    """The same with undecoded rows, for an answer in which one of them is bad."""

    user: dict[str, list[msgspec.Raw] | None] | None = None


TASKS: Final = msgspec.json.Decoder(Reply[UserTasks])
RAW_TASKS: Final = msgspec.json.Decoder(Reply[RawUserTasks])
TASK_ROW: Final = msgspec.json.Decoder(TaskRow)


class Started(msgspec.Struct, frozen=True):
    """The answer to the mutation of section 8.1."""

    task: TaskRow | None = msgspec.field(name="upsertDataRows")


UPSERT_DATA_ROWS: Final = (
    "mutation UpsertDataRowsPyApi($manifestUri: String!) { upsertDataRows(data: {manifestUri: $manifestUri}) "
    "{ id createdAt updatedAt name status completionPercentage result errors type metadata } }"
)
STARTED: Final = msgspec.json.Decoder(Reply[Started])


class Cancelable(msgspec.Struct, frozen=True):
    """Names of the types of task that can be cancelled (section 6.5)."""

    types: list[str] = msgspec.field(name="cancelableTaskTypes")


class _Success(msgspec.Struct, frozen=True):
    success: bool


class Cancelled(msgspec.Struct, frozen=True):
    """Whether Labelbox took the cancellation."""

    outcome: _Success = msgspec.field(name="cancelBulkOperationJob")


CANCELABLE_TYPES: Final = "query GetCancelableTaskTypesPyApi { cancelableTaskTypes }"
CANCELABLE: Final = msgspec.json.Decoder(Reply[Cancelable])
CANCEL_TASK: Final = "mutation CancelTaskPyApi($id: ID!) { cancelBulkOperationJob(id: $id) { success } }"
CANCELLED: Final = msgspec.json.Decoder(Reply[Cancelled])

_WORD_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def kebab(name: str) -> str:
    """A name in snake, camel or Pascal case as `task.type` spells it [R].

    >>> kebab("adv_upsert_data_rows"), kebab("AdvUpsertDataRows"), kebab("ADV_UPSERT_DATA_ROWS")
    ('adv-upsert-data-rows', 'adv-upsert-data-rows', 'adv-upsert-data-rows')
    """
    return _WORD_BORDER.sub("-", name).replace("_", "-").lower()


# --- users, organisations (section 4) and datasets (section 8.1) ---------------------------------------------


class UserRow(msgspec.Struct, frozen=True, rename="camel"):
    """The owner of an API key."""

    id: str
    email: str | None = None
    name: str | None = None
    nickname: str | None = None
    picture: str | None = None
    is_viewer: bool | None = None
    is_external_user: bool | None = None
    created_at: Any = None
    updated_at: Any = None
    last_login_at: Any = None


class OrganizationRow(msgspec.Struct, frozen=True, rename="camel"):
    """The organisation of an API key."""

    id: str
    name: str | None = None
    created_at: Any = None
    updated_at: Any = None


class DatasetRow(msgspec.Struct, frozen=True, rename="camel"):
    """A dataset."""

    id: str
    name: str | None = None
    description: str | None = None
    row_count: int | None = None
    created_at: Any = None
    updated_at: Any = None


class UserReply(msgspec.Struct, frozen=True):
    """`user {...}`."""

    user: UserRow | None = None


class OrganizationReply(msgspec.Struct, frozen=True):
    """`organization {...}`."""

    organization: OrganizationRow | None = None


class DatasetReply(msgspec.Struct, frozen=True):
    """`dataset {...}`; null when there is none of that id [R]."""

    dataset: DatasetRow | None = None


class CreatedDataset(msgspec.Struct, frozen=True):
    """`createDataset {...}`."""

    dataset: DatasetRow | None = msgspec.field(default=None, name="createDataset")


GET_USER: Final = (
    "query GetUserPyApi "
    "{ user { createdAt email isExternalUser isViewer lastLoginAt nickname name picture id updatedAt } }"
)
USER: Final = msgspec.json.Decoder(Reply[UserReply])
GET_ORGANIZATION: Final = "query GetOrganizationPyApi { organization { createdAt name id updatedAt } }"
ORGANIZATION: Final = msgspec.json.Decoder(Reply[OrganizationReply])

_DATASET_FIELDS: Final = "createdAt description name rowCount id updatedAt"
GET_DATASET: Final = (
    f"query GetDatasetPyApi($param_0: ID!) {{ dataset(where: {{id: $param_0}}) {{ {_DATASET_FIELDS} }} }}"
)
DATASET: Final = msgspec.json.Decoder(Reply[DatasetReply])
CREATE_DATASET: Final = (
    f"mutation CreateDatasetPyApi($name: String!) {{ createDataset(data: {{name: $name}}) {{ {_DATASET_FIELDS} }} }}"
)
CREATE_DESCRIBED_DATASET: Final = (
    "mutation CreateDatasetPyApi($name: String!, $description: String!) "
    f"{{ createDataset(data: {{name: $name, description: $description}}) {{ {_DATASET_FIELDS} }} }}"
)
CREATED_DATASET: Final = msgspec.json.Decoder(Reply[CreatedDataset])
DELETE_DATASET: Final = (
    "mutation deleteDatasetPyApi($DatasetId: ID!) "
    "{ updateDataset(where: {id: $DatasetId} data: {deleted: true}) { id } }"
)
#: Any document of the caller's, and mutations whose answer says nothing but that they worked.
ANYTHING: Final = msgspec.json.Decoder(Reply[dict[str, Any]])
