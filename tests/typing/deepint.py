"""Deep Intelligence as a type checker sees it. Never run: `mypy` reads it, strictly."""

from __future__ import annotations

from typing import Any, assert_type

import aiotasks
from aiotasks.providers import deepint


async def tasks(client: deepint.Client) -> None:
    """Tasks are of the platform's own class, and know what they are about."""
    task = await deepint.Task.build("organization", "workspace", "task", client=client)
    assert_type(task, deepint.Task)
    assert_type(await task, deepint.Task)
    assert_type(await deepint.Task.from_url("https://app.deepint.net/..."), deepint.Task)
    assert_type(await task.resolve(raise_on_error=False, poll_interval=3), None)
    assert_type(await task.fetch_result(), dict[str, str])
    assert_type(await task.is_errored(force_reload=True), bool)
    assert_type(task.info, deepint.TaskInfo)
    assert_type(task.info.status, deepint.TaskStatus | None)
    assert_type(task.to_dict(), dict[str, Any])
    assert_type(await aiotasks.wait_all([task]), list[deepint.Task])


async def workspaces(workspace: deepint.Workspace, is_awaited: bool) -> None:
    """What a call gives hangs on whether it waits."""
    assert_type(workspace.tasks.fetch_all(), aiotasks.Results[deepint.Task])
    assert_type(await workspace.tasks.fetch_by_status(deepint.TaskStatus.failed), list[deepint.Task])
    assert_type(await workspace.tasks.fetch(name="mine"), deepint.Task | None)
    assert_type(await workspace.export(), str)
    assert_type(await workspace.export(wait_for_download=False), deepint.Task)
    assert_type(await workspace.export(".", is_awaited), str | deepint.Task)
    assert_type(await workspace.clone("mine"), deepint.Workspace)
    assert_type(await workspace.clone(wait_for_creation=False), deepint.Task)
    assert_type(await workspace.clone(wait_for_creation=is_awaited), deepint.Workspace | deepint.Task)
    assert_type(await workspace.source("source").instances.clean(), deepint.Task)
