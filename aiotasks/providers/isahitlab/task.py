"""The handle on one task of isahit lab: work for people, which others may wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import Task as BaseTask
from aiotasks.providers.isahitlab import wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aiotasks import Results
    from aiotasks.providers.isahitlab.client import IsahitLab
    from aiotasks.providers.isahitlab.source import TaskStatuses

__all__ = ["Task"]


class Task(BaseTask):
    """A task of isahit lab's. What its fields say is what was last heard; None before anything was.

    `await task` ends when its status is one of `end_words`. That closes nothing: no status of this platform is
    final, so a task that was sent to redo can be awaited again. `state` is `SUCCEEDED` while it is `complete` or
    `reviewed`; the platform knows no failure.
    """

    __slots__ = ()

    client: IsahitLab
    source: TaskStatuses
    details: wire.TaskRow | None

    # --- fields -------------------------------------------------------------------------------------------

    @property
    def project_id(self) -> str:
        """The project that it belongs to."""
        return self.source.project_id

    @property
    def batch_id(self) -> str | None:
        """The batch that it belongs to."""
        return self._text("batch")

    @property
    def name(self) -> str | None:
        """Its name, which is unique in its batch unless that was not checked."""
        return self._text("name")

    @property
    def created_at(self) -> datetime | None:
        """When it was created: aware, UTC."""
        return None if self.details is None else wire.moment(self.details.created)

    @property
    def updated_at(self) -> datetime | None:
        """When it last changed, at the last observed change of its status: aware, UTC."""
        return None if self.details is None else wire.moment(self.details.updated)

    def _text(self, field: str) -> str | None:
        value = getattr(self.details, field, None)
        return value if isinstance(value, str) else None

    # --- what came of it ----------------------------------------------------------------------------------

    @property
    def result(self) -> Results[dict[str, Any]]:
        """Its one document, with data, as `IsahitLab.tasks` gives it. The first use waits until it is done."""
        return self.client.result_of(self)

    def token_details(self) -> Mapping[str, Any]:
        """The project, and the statuses that it is waited for."""
        return {"project": self.project_id, "until": sorted(self.end_words)}
