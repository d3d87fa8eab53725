"""Deep Intelligence: tasks, their lists, and the calls that start them, under the names of the vendor's SDK.

How statuses are asked for: one task per query, since no way to name several is known. So what keeps the load down is
the two seconds between two questions about a task, one query for all who wait for it, connections that are kept, and
the account's limit of queries in flight (2 at first, 16 at most, halved when the service asks for patience). 429, and
answers of any status with the code `LIMIT`, have the whole account stay away: for `Retry-After`, else for 10 s as the
SDK does. Lists come page by page, and items that carry a status are used as they are.

Where the SDK's behaviour is a fault, this differs: `unknown` is not the end of a job, null numbers are None, times
keep their zone, a token never follows a URL to another host, errors are raised at once, and a list can be read twice.

**Source**: wire notes on the SDK deepint 1.4.3: what it sends and takes was seen with the real SDK against an
emulator; which codes and limits the service really has is unknown, and inferred where a docstring says so.
"""

from aiotasks.providers.deepint.client import Client
from aiotasks.providers.deepint.credentials import Credentials
from aiotasks.providers.deepint.errors import (
    DeepintBaseError,
    DeepintCredentialsError,
    DeepintHTTPError,
    DeepintTaskError,
)
from aiotasks.providers.deepint.info import TaskInfo, TaskStatus
from aiotasks.providers.deepint.sources import Source, SourceInstances
from aiotasks.providers.deepint.statuses import TaskStatuses
from aiotasks.providers.deepint.task import Task
from aiotasks.providers.deepint.workspace import Workspace, WorkspaceTasks

__all__ = [
    "Client",
    "Credentials",
    "DeepintBaseError",
    "DeepintCredentialsError",
    "DeepintHTTPError",
    "DeepintTaskError",
    "Source",
    "SourceInstances",
    "Task",
    "TaskInfo",
    "TaskStatus",
    "TaskStatuses",
    "Workspace",
    "WorkspaceTasks",
]
