"""Labelbox: imports, exports and other jobs, under the names of its own SDK.

How statuses are asked for: all tasks of a client that are due together go into one request, a GraphQL document that
is read under the user who created them. It asks by a list of ids (`id_in`), 100 at a time, if the server takes that,
which is learnt by the first request for more than one task; else under one alias per task, 50 at a time at first,
fewer when the server says "Query complexity limit exceeded", and more, up to 100, while it takes them.

Limits of the service: 1,500 to 20,000 requests a minute, by plan; 10 exports running per project. 429, and answers
that begin "You have exceeded", have the whole account wait: for `Retry-After`, else for longer and longer.

**Source**: wire notes on the Labelbox SDK 7.17.0, section 7 (aliases: core GraphQL over arguments that the SDK sends;
`id_in`: inferred, hence tried) and section 2 (limits: https://docs.labelbox.com/docs/limits). None of it was tried
against the production service.
"""

from aiotasks.providers.labelbox.client import Client
from aiotasks.providers.labelbox.dataset import Dataset
from aiotasks.providers.labelbox.graphql import ResourceNotFoundError
from aiotasks.providers.labelbox.kinds import DataUpsertTask, ExportTask
from aiotasks.providers.labelbox.people import Organization, User
from aiotasks.providers.labelbox.source import TaskStatuses
from aiotasks.providers.labelbox.task import Task
from aiotasks.providers.labelbox.upload import GlobalKey, UniqueId
from aiotasks.providers.labelbox.wire import TaskStatus

__all__ = [
    "Client",
    "DataUpsertTask",
    "Dataset",
    "ExportTask",
    "GlobalKey",
    "Organization",
    "ResourceNotFoundError",
    "Task",
    "TaskStatus",
    "TaskStatuses",
    "UniqueId",
    "User",
]
