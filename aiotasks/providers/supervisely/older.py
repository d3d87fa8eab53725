"""Methods that the SDK no longer has, over wire methods that servers may still have.

**Source**: wire notes, section 9: bodies as older SDKs sent them [S], their reception by servers of today unknown.
Arguments are those of the vendor's documentation where it tells them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import NotSupported, ProtocolError, SubmitUnknown, TaskNotFound, WaitTimeout
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import ANYTHING, LIST
from aiotasks.providers.supervisely.reading import Reading
from aiotasks.providers.supervisely.running import Running
from aiotasks.providers.supervisely.wire import PluginTaskType, RestartPolicy, Status, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Older"]

#: Seconds between two questions whether an app answers, as in the SDK [S].
_LOOK_AGAIN = 10


class Older(Reading, Running):
    """The methods of `TaskApi` that older versions had.

    All raise `InvalidArgument` or `InvalidType` before anything is sent, and `AskError` or `AnswerError`. Those that
    start a task raise `SubmitUnknown` when the answer is lost, and give its id to `open`.
    """

    # --- plugins ----------------------------------------------------------------------------------------------

    async def run_train(
        self,
        agent_id: int,
        input_project_id: int,
        input_model_id: int,
        result_nn_name: str,
        train_config: Mapping[str, Any] | None = None,
    ) -> int:
        """Train a model on a project by the plugin of the model. -> the task's id."""
        name = arguments.text("result_nn_name", result_nn_name)
        config = {} if train_config is None else arguments.mapping("train_config", train_config)
        return await self._run_plugin(PluginTaskType.TRAIN, agent_id, input_project_id, input_model_id, name, config)

    async def run_inference(
        self,
        agent_id: int,
        input_project_id: int,
        input_model_id: int,
        result_project_name: str,
        inference_config: Mapping[str, Any] | None = None,
    ) -> int:
        """Apply a model to a project by the plugin of the model. -> the task's id."""
        name = arguments.text("result_project_name", result_project_name)
        config = {} if inference_config is None else arguments.mapping("inference_config", inference_config)
        kind = PluginTaskType.INFERENCE
        return await self._run_plugin(kind, agent_id, input_project_id, input_model_id, name, config)

    async def _run_plugin(
        self, kind: PluginTaskType, agent_id: int, project_id: int, model_id: int, name: str, config: dict[str, Any]
    ) -> int:
        body = {
            "taskType": kind.value,
            "agentId": arguments.whole("agent_id", agent_id),
            "pluginId": None,
            "version": None,
            "config": config,
            "projects": [arguments.whole("input_project_id", project_id)],
            "models": [arguments.whole("input_model_id", model_id)],
            "name": name,
        }
        body["pluginId"] = (await self._ask("models.info", {"id": model_id})).get("pluginId")
        return await self._run("tasks.run.plugin", body)

    async def _run(self, method: str, body: dict[str, Any], workspace_id: int | None = None) -> int:
        """Start a task. -> its id."""
        answer = await self._ask(method, body, is_repeatable=False)
        id = answer.get("taskId")
        if isinstance(id, bool) or not isinstance(id, int):
            raise SubmitUnknown(
                "supervisely: the answer names no task; it may or may not have been started", platform=wire.PLATFORM
            )
        self._api.remember(id, workspace_id, is_new=True)
        return id

    # --- deployed models --------------------------------------------------------------------------------------

    async def deploy_model_async(self, agent_id: int, model_id: int) -> int:
        """The id of a task that serves a model: one that does already, or will; else one that is started now."""
        arguments.whole("agent_id", agent_id)
        body = {"id": arguments.whole("model_id", model_id)}
        for row in await self._ask("models.info.deployed", body, LIST):
            id = row.get("id") if isinstance(row, dict) else None
            if isinstance(id, int):
                return id
        deploy = {
            "agentId": agent_id,
            "modelId": model_id,
            "restartPolicy": RestartPolicy.NEVER.value,
            "settings": {"gpu_device": 0},
            "pluginId": None,
            "version": None,
        }
        return await self._run("tasks.run.deploy", deploy)

    async def deploy_model(self, agent_id: int, model_id: int) -> int:
        """`deploy_model_async`, and wait until the model serves. -> the task's id. Errors as for `wait` besides."""
        id = await self.deploy_model_async(agent_id, model_id)
        await self.wait(id, Status.DEPLOYED)
        return id

    async def deploy_model_from_api(self, task_id: int, deploy_params: Mapping[str, Any]) -> Any:
        """Have a running app serve a model. -> what the app answers. Sent once."""
        params = arguments.mapping("deploy_params", deploy_params)
        return await self.send_request(task_id, "deploy_from_api", {"deploy_params": params}, raise_error=True)

    async def deploy_model_app(
        self,
        module_id: int,
        workspace_id: int,
        agent_id: int | None = None,
        description: str = "application description",
        params: Mapping[str, Any] | None = None,
        log_level: str = "info",
        users_ids: Sequence[int] | None = None,
        app_version: str = "",
        is_branch: bool = False,  # the SDK's signature, as below
        task_name: str = "pythonSpawned",
        restart_policy: str = "never",
        proxy_keep_url: bool = False,
        redirect_requests: Mapping[str, int] | None = None,
        limit_by_workspace: bool = False,
        deploy_params: Mapping[str, Any] | None = None,
        timeout: float = 100,
    ) -> TaskInfo:
        """Start an app that serves models, wait until it answers, and have it serve one.

        Args:
            deploy_params: which model and how; None leaves that to the app.
            timeout: seconds until it must answer.
            module_id and others: as for `start`.

        Returns:
            the started task, as `start` gives it.

        Raises:
            WaitTimeout: it does not answer yet; the task goes on.
            TaskFailed, TaskCancelled: it ended.
            and whatever `start` raises.
        """
        given = {} if deploy_params is None else arguments.mapping("deploy_params", deploy_params)
        info = await self.start(
            agent_id,
            workspace_id=workspace_id,
            module_id=module_id,
            description=description,
            params=params,
            log_level=log_level,
            users_ids=users_ids,
            app_version=app_version,
            is_branch=is_branch,
            task_name=task_name,
            restart_policy=restart_policy,
            proxy_keep_url=proxy_keep_url,
            redirect_requests=redirect_requests,
            limit_by_workspace=limit_by_workspace,
        )
        await self._until_it_answers(info.id, timeout)
        await self.deploy_model_from_api(info.id, given)
        return info

    async def _until_it_answers(self, id: int, timeout: float) -> None:
        task = self.open(id)
        now = self._api.enter().now
        deadline = now() + timeout
        await task.wait_for(Status.STARTED, Status.DEPLOYED, timeout_seconds=timeout)
        while not task.is_done and not await self.is_running(id):
            left = deadline - now()
            try:  # a pause that the end of the task cuts short
                await task.wait_till_done(timeout_seconds=min(_LOOK_AGAIN, max(left, 0.0)))
            except WaitTimeout:
                if left <= _LOOK_AGAIN:
                    raise
        verdict = await task.verdict()
        if verdict is not None:
            raise verdict

    # --- other tasks ------------------------------------------------------------------------------------------

    async def run_dtl(self, workspace_id: int, dtl_graph: Any, agent_id: int | None = None) -> int:
        """Transform data as a graph of layers says. -> the task's id."""
        body = {
            "workspaceId": arguments.whole("workspace_id", workspace_id),
            "config": arguments.graph("dtl_graph", dtl_graph),
            "advanced": {"agentId": arguments.optional_whole("agent_id", agent_id)},
        }
        return await self._run("tasks.run.dtl", body, workspace_id)

    async def create_task_detached(self, workspace_id: int, task_type: str | None = None) -> int:
        """A task that no agent runs: you say its status, by `update_status`. -> its id.

        `task_type` is taken and does nothing, as in the SDKs that had it.
        """
        arguments.optional_text("task_type", task_type)
        body = {
            "workspaceId": arguments.whole("workspace_id", workspace_id),
            "script": "xxx",
            "advanced": {"ignoreAgent": True},
        }
        return await self._run("tasks.run.python", body, workspace_id)

    # --- trainings --------------------------------------------------------------------------------------------

    async def get_training_metrics(self, task_id: int) -> Any:
        """The metrics of a training, as the server keeps them; None if it keeps none."""
        try:
            return await self._tell("tasks.train-metrics", task_id, {}, ANYTHING)
        except TaskNotFound:
            return None

    async def list_checkpoints(self, task_id: int) -> Any:
        """The checkpoints of a training. Errors: `NotSupported` for a task of another type, `TaskNotFound`."""
        await self._check_training(task_id)
        return await self._tell("tasks.checkpoints.list", task_id, {}, ANYTHING, name="id")

    async def delete_unused_checkpoints(self, task_id: int) -> Any:
        """Delete the checkpoints of a training that nothing needs. Errors as for `list_checkpoints`."""
        await self._check_training(task_id)
        return await self._tell("tasks.checkpoints.clear", task_id, {}, ANYTHING, name="id")

    async def _check_training(self, task_id: int) -> None:
        info = await self.get_info_by_id(task_id)
        if info is None:
            raise TaskNotFound(f"supervisely knows no task {task_id}", platform=wire.PLATFORM, task_id=task_id)
        if info.type is None:
            raise ProtocolError("supervisely: the answer does not say the task's type", platform=wire.PLATFORM)
        if info.type != PluginTaskType.TRAIN:
            raise NotSupported(
                f"supervisely task {task_id}: given one of type {info.type!r}, allowed: train",
                platform=wire.PLATFORM,
                task_id=task_id,
            )
