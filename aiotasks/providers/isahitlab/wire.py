"""The words of isahit lab: statuses and what they mean, documents, paths.

**Source**: wire notes on the isahit lab SDK 0.17.0. [V] was seen when the real SDK ran against a loopback server,
[R] was read in its source, [I] is inferred and never confirmed against production.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal, NewType

import msgspec

from aiotasks import Observation, State

__all__ = [
    "AN_IMPORT",
    "AN_UPDATE",
    "A_CONFIGURATION",
    "A_FILE",
    "A_GRANT",
    "A_LOGIN",
    "CONFIGURATION",
    "CREATE_TASK",
    "DOCUMENT_PAGE",
    "DUPLICATES",
    "FILES",
    "GRANT_FILES",
    "IMPORT_DATA",
    "LOGIN",
    "PROJECTS",
    "PROPERTIES",
    "RAW_PAGE",
    "RESET",
    "SOME_DUPLICATES",
    "STATUS_PAGE",
    "TASKS",
    "TASK_ROW",
    "TO_REVIEW",
    "Configuration",
    "DocumentPage",
    "Duplicates",
    "ExportFormat",
    "File",
    "Grant",
    "Imported",
    "Login",
    "ProjectId",
    "RawPage",
    "StatusPage",
    "TaskCompatibilityMode",
    "TaskOptionalFields",
    "TaskRow",
    "TaskStatus",
    "Updated",
    "moment",
    "observed",
]

ProjectId = NewType("ProjectId", str)
TaskStatus = Literal["pending", "complete", "to-review", "reviewed", "configuring"]
TaskOptionalFields = Literal["metrics", "jobs", "data", "data.mask", "jobs.history", "lastAnnotator"]
TaskCompatibilityMode = Literal["kili", "lab"]
ExportFormat = Literal["kili", "lab", "yolo", "mask"]

#: No word is final: a task that is done can be sent to redo. There is none for failure or cancellation [I].
_STATES: Final = {
    "configuring": State.PENDING,
    "pending": State.PENDING,
    "to-review": State.RUNNING,
    "complete": State.SUCCEEDED,
    "reviewed": State.SUCCEEDED,
}

# --- paths (sections 3, 4 and 6) --------------------------------------------------------------------------

LOGIN: Final = "api/user-manager/auth/login"
TASKS: Final = "api/task-manager/tasks"
PROJECTS: Final = "api/project-manager/projects"
CONFIGURATION: Final = "api/project-configuration-manager/projects/{}/project-configuration"
DUPLICATES: Final = "api/task-manager/batches/{}/tasks-duplicate"
FILES: Final = "api/file-manager/files"
GRANT_FILES: Final = "api/file-manager/grant/files"
IMPORT_DATA: Final = "api/data-manager/import-data/json"
CREATE_TASK: Final = "api/task-manager/batches/{}/tasks"
PROPERTIES: Final = "api/task-manager/projects/{}/tasks/properties"
RESET: Final = "api/task-manager/tasks/{}/reset"
TO_REVIEW: Final = "api/task-manager/tasks/{}/to-review"

# --- documents --------------------------------------------------------------------------------------------


class TaskRow(msgspec.Struct, frozen=True, gc=False):
    """A task as a status answer tells of it, and `Observation.details`.

    Only `id` and `status` are typed: a row is bad without them (B-35), and no other field may spoil it.
    """

    id: str = msgspec.field(name="_id")
    status: str
    name: Any = None
    batch: Any = msgspec.field(default=None, name="batchId")
    created: Any = msgspec.field(default=None, name="createdAt")
    updated: Any = msgspec.field(default=None, name="updatedAt")

    @property
    def word(self) -> str:
        """isahit lab's word for the status, trimmed (B-34)."""
        return self.status.strip()

    @property
    def progress(self) -> None:
        """isahit lab tells of none."""
        return


def observed(row: TaskRow) -> Observation:
    """What a row says about its task."""
    word = row.word
    return Observation(word=word, state=_STATES.get(word.lower(), State.UNKNOWN), details=row)


class StatusPage(msgspec.Struct, frozen=True):
    """A page of tasks of which only the statuses matter."""

    docs: list[TaskRow]
    has_next: bool = msgspec.field(default=False, name="hasNextPage")


class RawPage(msgspec.Struct, frozen=True):
    """The same with undecoded rows, for an answer in which one of them is bad."""

    docs: list[msgspec.Raw]
    has_next: bool = msgspec.field(default=False, name="hasNextPage")


class DocumentPage(msgspec.Struct, frozen=True):
    """A page of whole documents (section 2)."""

    docs: list[dict[str, Any]]
    has_next: bool = msgspec.field(default=False, name="hasNextPage")
    next_page: int | None = msgspec.field(default=None, name="nextPage")
    total: int | None = msgspec.field(default=None, name="totalDocs")


class Configuration(msgspec.Struct, frozen=True):
    """What a project is made of (section 3)."""

    type: str = msgspec.field(name="projectType")
    metadata: dict[str, Any] | None = None


class Login(msgspec.Struct, frozen=True):
    """An access token and the seconds it is good for (section 1)."""

    access_token: str
    expires_in: float


class Duplicates(msgspec.Struct, frozen=True):
    """Names that are in use in a batch."""

    duplicate: list[str]


class File(msgspec.Struct, frozen=True):
    """An uploaded file."""

    id: str = msgspec.field(name="_id")
    name: str


class Grant(msgspec.Struct, frozen=True):
    """A token that lets a task have files."""

    token: str = msgspec.field(name="accessToken")


class Imported(msgspec.Struct, frozen=True):
    """Initial data, and the token that lets a task have it."""

    id: str = msgspec.field(name="initialDataId")
    token: str = msgspec.field(name="accessToken")


class Updated(msgspec.Struct, frozen=True):
    """How many tasks a change of properties met."""

    updated: int


STATUS_PAGE: Final = msgspec.json.Decoder(StatusPage)
RAW_PAGE: Final = msgspec.json.Decoder(RawPage)
TASK_ROW: Final = msgspec.json.Decoder(TaskRow)
DOCUMENT_PAGE: Final = msgspec.json.Decoder(DocumentPage)
A_CONFIGURATION: Final = msgspec.json.Decoder(Configuration)
A_LOGIN: Final = msgspec.json.Decoder(Login)
SOME_DUPLICATES: Final = msgspec.json.Decoder(Duplicates)
A_FILE: Final = msgspec.json.Decoder(File)
A_GRANT: Final = msgspec.json.Decoder(Grant)
AN_IMPORT: Final = msgspec.json.Decoder(Imported)
AN_UPDATE: Final = msgspec.json.Decoder(Updated)


def moment(text: Any) -> datetime | None:
    """A time of isahit lab's as an aware datetime, UTC; None when it is no time (B-45)."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
