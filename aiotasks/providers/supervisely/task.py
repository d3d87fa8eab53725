"""Supervisely's tasks as something to await."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import Task as BaseTask
from aiotasks.providers.supervisely.wire import TaskFinishedWithError, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks.providers.supervisely.client import Api
    from aiotasks.providers.supervisely.source import TaskStatuses

__all__ = ["Task"]


class Task(BaseTask):
    """A task of Supervisely's: `await` gives it finished, or raises `TaskFinishedWithError` or `TaskCancelled`.

    `finished`, `error` and `stopped` are its end. An app session, and a deployed model, may go on for days: wait for
    their word, as in `await task.wait_for("deployed", "started")`.
    """

    __slots__ = ()

    client: Api
    source: TaskStatuses
    details: TaskInfo | None

    failed_error = TaskFinishedWithError

    @property
    def info(self) -> TaskInfo | None:
        """What was said of it when its status last changed; None before anything was."""
        return self.details

    @property
    def workspace_id(self) -> int | None:
        """The workspace that it is in, as far as it is known."""
        told = None if self.details is None else self.details.workspace_id
        return self.source.workspace_id if told is None else told

    def token_details(self) -> Mapping[str, Any]:
        """The workspace, so that the task is asked about with its neighbours from the start."""
        return {} if self.workspace_id is None else {"workspace": self.workspace_id}
