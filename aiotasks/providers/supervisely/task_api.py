"""The methods about tasks, all in one class as in the SDK."""

from __future__ import annotations

from aiotasks.providers.supervisely import wire
from aiotasks.providers.supervisely.files import Files
from aiotasks.providers.supervisely.holding import Holding
from aiotasks.providers.supervisely.older import Older
from aiotasks.providers.supervisely.outputs import Outputs

__all__ = ["TaskApi"]


class TaskApi(Older, Holding, Outputs, Files):
    """What can be done with tasks, under the names of the SDK's `TaskApi`; `api.task` is one.

    One class in six modules, by topic: `reading`, `running`, `holding`, `outputs`, `files`, `older`. All methods that
    talk to the server are awaited. What the caller gives is checked before anything is sent, and never changed.
    """

    Status = wire.Status
    PluginTaskType = wire.PluginTaskType
    RestartPolicy = wire.RestartPolicy
