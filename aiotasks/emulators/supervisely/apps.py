"""Tasks that are started and stopped, and apps that answer while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from aiotasks.emulators.supervisely.world import Refusal

if TYPE_CHECKING:
    from aiotasks.emulators.supervisely.switches import Switches
    from aiotasks.emulators.supervisely.world import Job, World

__all__ = [
    "AppRequest",
    "RunApp",
    "RunDeploy",
    "RunInWorkspace",
    "RunPlugin",
    "answer",
    "deployed",
    "found",
    "model",
    "run_app",
    "run_deploy",
    "run_dtl",
    "run_plugin",
    "run_python",
    "stop",
]

_Id = Annotated[int, msgspec.Meta(ge=1)]
#: Types of tasks that cannot be stopped.
_UNSTOPPABLE: Final = frozenset({"clone", "import"})
#: The plugin of every model.
_PLUGIN: Final = 7


def found(world: World, switches: Switches, id: int) -> Job:
    """The task of that id. Raises `Refusal` when there is none."""
    job = world.jobs.get(id)
    if job is None or id in switches.hidden:
        raise Refusal(switches.missing_status, f"Task with id {id} not found")
    return job


# --- starting and stopping --------------------------------------------------------------------------------


class RunApp(msgspec.Struct, rename="camel", kw_only=True):
    """`tasks.run.app`."""

    workspace_id: _Id
    agent_id: _Id | None = None
    module_id: _Id | None = None
    app_id: _Id | None = None
    description: str = ""
    params: dict[str, Any] = {}
    log_level: Literal["info", "debug", "trace", "warning", "error"] = "info"
    users_ids: list[_Id] = []
    app_version: str = ""
    is_branch: bool = False
    task_name: str = ""
    restart_policy: Literal["never", "on_error", "on_startup"] = "never"
    proxy_keep_url: bool = False
    advanced_settings: dict[str, Any] = {}
    redirect_requests: dict[str, Any] = {}
    single_session_mode: bool = False


def run_app(world: World, _: Switches, asked: RunApp) -> Any:
    """A task for each user, as a list."""
    if (asked.module_id is None) == (asked.app_id is None):
        raise Refusal(400, 'exactly one of "moduleId" and "appId" is required')
    if asked.module_id not in (None, world.module_id) or asked.app_id not in (None, world.app_id):
        raise Refusal(404, "Application not found")
    if asked.agent_id not in (None, world.agent_id):
        raise Refusal(404, f"Agent with id {asked.agent_id} not found")
    users = asked.users_ids or [world.user_id]
    return [_started_app(world, asked, user) for user in (users[:1] if asked.single_session_mode else users)]


def _started_app(world: World, asked: RunApp, user_id: int) -> dict[str, Any]:
    app = {"id": world.app_id, "name": "App", "version": asked.app_version, "moduleId": world.module_id}
    job = world.start(
        "app",
        asked.workspace_id,
        description=asked.description,
        agent_id=asked.agent_id or world.agent_id,
        module_id=world.module_id,
        app_id=world.app_id,
        user_id=user_id,
        settings={"message": {"state": asked.params.get("state", {})}},
        meta={"name": asked.task_name, "app": app, "sessionToken": f"session-{user_id}"},
    )
    return {"taskId": job.id, "userId": user_id, "moduleId": world.module_id, "appId": world.app_id}


class RunPlugin(msgspec.Struct, rename="camel"):
    """`tasks.run.plugin`: training and inference by plugins."""

    task_type: Literal["train", "inference", "inference_rpc", "infer_rpc", "smarttool", "custom"]
    agent_id: _Id | None
    plugin_id: _Id
    projects: list[_Id]
    models: list[_Id]
    name: str
    config: dict[str, Any] = {}
    version: str | None = None


def run_plugin(world: World, _: Switches, asked: RunPlugin) -> Any:
    """A task in the first workspace."""
    about = {"project": asked.projects, "model": asked.models, "pluginId": asked.plugin_id}
    meta = {"name": asked.name, "input": about, "config": asked.config}
    job = world.start(asked.task_type, world.workspace_id, agent_id=asked.agent_id, meta=meta)
    return {"taskId": job.id}


class RunDeploy(msgspec.Struct, rename="camel"):
    """`tasks.run.deploy`."""

    model_id: _Id
    agent_id: _Id | None = None
    restart_policy: Literal["never", "on_error"] = "never"
    settings: dict[str, Any] = {}
    plugin_id: _Id | None = None
    version: str | None = None


def run_deploy(world: World, _: Switches, asked: RunDeploy) -> Any:
    """A task that is deployed at the end of its life, and stays so."""
    meta = {"input": {"model": {"id": asked.model_id}}}
    job = world.start(
        "deploy", world.workspace_id, agent_id=asked.agent_id, settings=asked.settings, meta=meta, verdict="deployed"
    )
    return {"taskId": job.id}


class RunInWorkspace(msgspec.Struct, rename="camel"):
    """`tasks.run.dtl` and `tasks.run.python`."""

    workspace_id: _Id
    config: Any = None
    script: str | None = None
    advanced: dict[str, Any] = {}


def run_dtl(world: World, _: Switches, asked: RunInWorkspace) -> Any:
    """A transformation of data."""
    if asked.config is None:
        raise Refusal(400, '"config" is required')
    job = world.start(
        "dtl", asked.workspace_id, agent_id=asked.advanced.get("agentId"), meta={"config": asked.config}
    )
    return {"taskId": job.id}


def run_python(world: World, _: Switches, asked: RunInWorkspace) -> Any:
    """A task that no agent runs: whoever created it says its status."""
    if asked.script is None:
        raise Refusal(400, '"script" is required')
    return {"taskId": world.start("python", asked.workspace_id).id}


def stop(world: World, switches: Switches, asked: Any) -> Any:
    """Terminating, and stopped in a moment."""
    job = found(world, switches, asked.id)
    if job.type in _UNSTOPPABLE:
        raise Refusal(501, f"Tasks of type {job.type} can not be stopped")
    return {"status": world.stop(job)}


# --- models -------------------------------------------------------------------------------------------------


def model(world: World, _: Switches, asked: Any) -> Any:
    """Every id is a model's."""
    return {"id": asked.id, "name": f"Model {asked.id}", "pluginId": _PLUGIN, "workspaceId": world.workspace_id}


def deployed(world: World, _: Switches, asked: Any) -> Any:
    """The tasks that serve a model, or will."""
    now, wanted = world.now(), {"model": {"id": asked.id}}
    jobs = (job for job in world.jobs.values() if job.type == "deploy" and not job.is_over(now))
    return [{"id": job.id} for job in jobs if job.meta.get("input") == wanted]


# --- requests to a running app --------------------------------------------------------------------------------


class AppRequest(msgspec.Struct, rename="camel"):
    """`tasks.request.direct`."""

    task_id: _Id
    command: str
    context: dict[str, Any] = {}
    state: dict[str, Any] = {}
    skip_response: bool = True
    timeout: Annotated[int, msgspec.Meta(ge=1)] = 60


def answer(world: World, switches: Switches, asked: AppRequest) -> Any:
    """What the app says; it says nothing before it runs, and after."""
    job = found(world, switches, asked.task_id)
    if job.status(world.now()) not in ("started", "deployed"):
        raise Refusal(400, f"Task {job.id} is not running")
    if asked.skip_response:
        return {"success": True}
    match asked.command:
        case "is_ready":
            return {"status": "ready"}
        case "is_running":
            return {"running": True}
        case "echo":
            return asked.state
        case "deploy_from_api":
            job.settings = job.settings | {"deploy": asked.state.get("deploy_params")}
            return {"result": "model was successfully deployed"}
        case "get_deploy_info":
            return job.settings.get("deploy") or {}
    raise Refusal(404, f"The app has no command {asked.command!r}")
