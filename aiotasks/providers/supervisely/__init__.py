"""Supervisely: tasks of all kinds, under the names of its own SDK.

How statuses are asked for: tasks of one workspace that are due together go into one request, `tasks.list` with a
filter by ids, 500 at a time; fewer where the server refuses so many, and one by one by `tasks.info` where it refuses
lists. A task whose workspace is not known is asked about alone. This client remembers the workspace of tasks that it
started, listed or looked up; `api.task.open(id, workspace_id)` tells it of others.

Limits of the service: none is documented. 429 has the whole account wait, for `Retry-After`, else for longer and
longer; so do the statuses that the SDK repeats.

**Source**: wire notes on the Supervisely SDK 6.74.51, section 4 (filters and pages: the vendor's API reference, in
a third party's copy) and section 2 (errors: the SDK's own traffic). None of it was tried against the production
service.
"""

from aiotasks.providers.supervisely.client import Api
from aiotasks.providers.supervisely.running import KubernetesSettings
from aiotasks.providers.supervisely.source import TaskStatuses
from aiotasks.providers.supervisely.task import Task
from aiotasks.providers.supervisely.task_api import TaskApi
from aiotasks.providers.supervisely.wire import (
    PluginTaskType,
    ResourceNotFoundError,
    RestartPolicy,
    Status,
    TaskFinishedWithError,
    TaskInfo,
    WaitingTimeExceeded,
)

__all__ = [
    "Api",
    "KubernetesSettings",
    "PluginTaskType",
    "ResourceNotFoundError",
    "RestartPolicy",
    "Status",
    "Task",
    "TaskApi",
    "TaskFinishedWithError",
    "TaskInfo",
    "TaskStatuses",
    "WaitingTimeExceeded",
]
