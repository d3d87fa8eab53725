"""isahit lab: tasks for people, created, awaited, exported, sent to redo and review, under the names of its own SDK.

How statuses are asked for: all tasks of a project that are due together go into one request, a list that names them
by `taskIds`, 100 at a time and without optional fields. A server that gives smaller pages is asked for fewer.

No status is final: a handle ends its waits at the statuses that its caller chose, `complete` and `reviewed` unless
told otherwise, and can be awaited again after `send_tasks_to_redo`. There is no status for failure.

Limits of the service are not documented. 429 has the whole account wait: for `Retry-After`, else for longer and
longer.

**Source**: wire notes on the isahit lab SDK 0.17.0, sections 1 to 8. None of it was tried against the production
service.
"""

from aiotasks.providers.isahitlab.client import IsahitLab
from aiotasks.providers.isahitlab.http import (
    ApiBadRequest,
    ApiForbidden,
    ApiNotFound,
    AuthenticationFailed,
    CredentialsMissing,
    DuplicateNames,
    InternalServerError,
    PartlyDone,
)
from aiotasks.providers.isahitlab.payloads import TaskPayload
from aiotasks.providers.isahitlab.source import TaskStatuses
from aiotasks.providers.isahitlab.task import Task
from aiotasks.providers.isahitlab.wire import (
    ExportFormat,
    ProjectId,
    TaskCompatibilityMode,
    TaskOptionalFields,
    TaskStatus,
)

__all__ = [
    "ApiBadRequest",
    "ApiForbidden",
    "ApiNotFound",
    "AuthenticationFailed",
    "CredentialsMissing",
    "DuplicateNames",
    "ExportFormat",
    "InternalServerError",
    "IsahitLab",
    "PartlyDone",
    "ProjectId",
    "Task",
    "TaskCompatibilityMode",
    "TaskOptionalFields",
    "TaskPayload",
    "TaskStatus",
    "TaskStatuses",
]
