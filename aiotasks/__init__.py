"""Await thousands of long-running jobs on remote platforms with one asyncio scheduler.

from aiotasks.providers import labelbox

async with labelbox.Client(api_key) as client:
    dataset = await client.get_dataset("<dataset id>")
    task = await dataset.create_data_rows(rows)
    await task.wait_till_done(timeout_seconds=5_000, check_frequency=10)
    async for row in task.result:
        ...
"""

from aiotasks._runtime.access import checked_origin, checked_secret
from aiotasks._runtime.arguments import checked_id, checked_text
from aiotasks._runtime.client import BaseClient
from aiotasks._runtime.decode import decoded, raise_for_status, retry_after
from aiotasks._runtime.results import Pages, Results
from aiotasks._runtime.scheduler import Scheduler, current_scheduler
from aiotasks._runtime.statistics import LaneStatistics, Statistics
from aiotasks._runtime.task import Task
from aiotasks._runtime.waiting import as_completed, refresh_all, wait_all
from aiotasks.abc import Credential, ExpiringCredential, PageSource, StatusSource, Transport
from aiotasks.errors import (
    AiotasksError,
    AnswerError,
    AnswerTooLarge,
    AskError,
    AuthError,
    DecodeError,
    ForkedScheduler,
    InvalidArgument,
    InvalidType,
    JobError,
    NetworkError,
    NotSupported,
    PaginationError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    ResultError,
    SchedulerClosed,
    SchedulerCrashed,
    SchedulerFull,
    ServerError,
    ServiceError,
    SubmitUnknown,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
    TaskQueryError,
    UsageError,
    WaitTimeout,
    WrongLoop,
)
from aiotasks.models import (
    Absence,
    Accepted,
    Account,
    Answer,
    Observation,
    Page,
    Part,
    Query,
    Request,
    Response,
    State,
    TaskRef,
    TooLarge,
)
from aiotasks.safety import Secret, escaped, origin_of

__all__ = [
    "Absence",
    "Accepted",
    "Account",
    "AiotasksError",
    "Answer",
    "AnswerError",
    "AnswerTooLarge",
    "AskError",
    "AuthError",
    "BaseClient",
    "Credential",
    "DecodeError",
    "ExpiringCredential",
    "ForkedScheduler",
    "InvalidArgument",
    "InvalidType",
    "JobError",
    "LaneStatistics",
    "NetworkError",
    "NotSupported",
    "Observation",
    "Page",
    "PageSource",
    "Pages",
    "PaginationError",
    "Part",
    "PermissionDenied",
    "ProtocolError",
    "Query",
    "QueryRefused",
    "QueryTooLarge",
    "RateLimited",
    "Request",
    "Response",
    "ResultError",
    "Results",
    "Scheduler",
    "SchedulerClosed",
    "SchedulerCrashed",
    "SchedulerFull",
    "Secret",
    "ServerError",
    "ServiceError",
    "State",
    "Statistics",
    "StatusSource",
    "SubmitUnknown",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskNotFound",
    "TaskQueryError",
    "TaskRef",
    "TooLarge",
    "Transport",
    "UsageError",
    "WaitTimeout",
    "WrongLoop",
    "as_completed",
    "checked_id",
    "checked_origin",
    "checked_secret",
    "checked_text",
    "current_scheduler",
    "decoded",
    "escaped",
    "origin_of",
    "raise_for_status",
    "refresh_all",
    "retry_after",
    "wait_all",
]
