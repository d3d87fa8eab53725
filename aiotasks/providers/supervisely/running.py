"""Tasks started, stopped and talked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks import (
    AskError,
    InvalidArgument,
    NotSupported,
    ServerError,
    SubmitUnknown,
)
from aiotasks.limits import LONGEST_DURATION, QUERY_TIMEOUT, TRIES
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import ANYTHING, Calls
from aiotasks.providers.supervisely.wire import Status, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KubernetesSettings", "Running"]

_LOG_LEVELS: Final = ("info", "debug", "trace", "warning", "error")
_POLICIES: Final = ("never", "on_error", "on_startup")


@attrs.frozen(kw_only=True)
class KubernetesSettings:
    """What a task may use on a Kubernetes agent; None is left out."""

    use_health_check: bool | None = None
    request_cpus: int | None = None
    limit_cpus: int | None = None
    limit_memory_gb: int | None = None
    limit_shm_gb: int | None = None
    limit_storage_gb: int | None = None
    limit_gpus: int | None = None
    limit_gpu_memory_mb: int | None = None
    limit_gpu_cores_perc: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Those that are set, by the names of the wire: `limit_memory_gb` is `limitMemoryGb`."""
        return {_camel(name): value for name, value in attrs.asdict(self).items() if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


class Running(Calls):
    """The methods of `TaskApi` that change tasks, and talk to running apps."""

    async def start(
        self,
        agent_id: int | None,
        app_id: int | None = None,
        workspace_id: int | None = None,
        description: str = "application description",
        params: Mapping[str, Any] | None = None,
        log_level: str = "info",
        users_ids: Sequence[int] | None = None,
        app_version: str = "",
        is_branch: bool = False,  # the SDK's signature, as below
        task_name: str = "pythonSpawned",
        restart_policy: str = "never",
        proxy_keep_url: bool = False,
        module_id: int | None = None,
        redirect_requests: Mapping[str, int] | None = None,
        limit_by_workspace: bool = False,
        kubernetes_settings: KubernetesSettings | Mapping[str, Any] | None = None,
        multi_user_session: bool = False,
    ) -> TaskInfo:
        """Start an app. `api.task.open(info.id)` then gives the task to await.

        Args:
            agent_id: the agent that runs it; None is any.
            app_id: the app, in a way that Supervisely gives up.
            workspace_id: where the task belongs; it is needed.
            description: what the web page shows.
            params: what the app gets; None is `{"state": {}}`.
            log_level: info, debug, trace, warning or error.
            users_ids: a task is started for each; None is the token's owner alone.
            app_version: a version such as `v1.0.0`, or a branch if `is_branch`; empty is the latest.
            is_branch: whether `app_version` is a branch.
            task_name: what the web page shows.
            restart_policy: never, on_error or on_startup.
            proxy_keep_url: for Supervisely's own use.
            module_id: the app. Exactly one of it and `app_id` is given.
            redirect_requests: for Supervisely's own use.
            limit_by_workspace: whether the session is seen in its workspace alone.
            kubernetes_settings: limits on a Kubernetes agent.
            multi_user_session: one session for all of `users_ids`.

        Returns:
            the first started task: `id` and `taskId`, `userId`, `moduleId`, `appId`.

        Raises:
            InvalidArgument, InvalidType: nothing was sent.
            SubmitUnknown: the task may or may not have been started; it was not asked for twice.
            AskError, AnswerError: it was not started.

        **Source**: wire notes, section 7 [R].
        """
        body = _app(agent_id, app_id, module_id, workspace_id)
        body |= {
            "description": arguments.text("description", description, may_be_empty=True),
            "params": {"state": {}} if params is None else arguments.mapping("params", params),
            "logLevel": arguments.one_of("log_level", log_level, *_LOG_LEVELS),
            "usersIds": _ids("users_ids", users_ids),
            "appVersion": arguments.text("app_version", app_version, may_be_empty=True),
            "isBranch": arguments.flag("is_branch", is_branch),
            "taskName": arguments.text("task_name", task_name, may_be_empty=True),
            "restartPolicy": arguments.one_of("restart_policy", restart_policy, *_POLICIES),
            "proxyKeepUrl": arguments.flag("proxy_keep_url", proxy_keep_url),
            "advancedSettings": {
                "limitByWorkspace": arguments.flag("limit_by_workspace", limit_by_workspace),
                **_kubernetes(kubernetes_settings),
            },
        }
        if redirect_requests:
            body["redirectRequests"] = arguments.mapping("redirect_requests", redirect_requests)
        if arguments.flag("multi_user_session", multi_user_session):
            body["singleSessionMode"] = True
        submit = wire.request(self._api.base, "tasks.run.app", body, is_repeatable=False)
        info = await self._api.transport.send(submit, lambda answer: _started(wire.reader(ANYTHING)(answer)))
        self._api.remember(info.id, workspace_id, is_new=True)
        return info

    async def stop(self, id: int) -> Status | str:
        """Ask Supervisely to stop a task. -> its status, as a rule `terminating`; `stopped` comes later.

        Raises:
            NotSupported: tasks of this type cannot be stopped.
            TaskNotFound: there is no such task.
            InvalidArgument, InvalidType, AskError, AnswerError: as elsewhere.

        **Source**: wire notes, section 6 [R, D].
        """
        try:
            answer = await self._tell("tasks.stop", id, {}, name="id")
        except ServerError as error:
            if error.http_status != 501:
                raise
            raise NotSupported(
                f"supervisely task {id}: tasks of its type cannot be stopped", platform=wire.PLATFORM, task_id=id
            ) from None
        word = answer.get("status")
        return Status(word) if word in set(Status) else str(word)

    async def update_status(self, task_id: int, status: Status | str) -> None:
        """Set the status of a task, as the agent of a detached task does.

        Raises:
            InvalidArgument, InvalidType: not one of the eight; nothing was sent.
            TaskNotFound, AskError, AnswerError: as elsewhere.
        """
        word = arguments.status("status", status)
        id = arguments.whole("task_id", task_id)
        await self._tell("tasks.status.update", id, {"status": word.value}, ANYTHING, name="id")

    # --- running apps ---------------------------------------------------------------------------------------

    async def send_request(
        self,
        task_id: int,
        method: str,
        data: Mapping[str, Any],
        context: Mapping[str, Any] | None = None,
        skip_response: bool = False,  # the SDK's signature, as below
        timeout: int = 60,
        outside_request: bool = True,
        retries: int = 10,
        raise_error: bool = False,
    ) -> Any:
        """Give a running app a command, and get its answer: any JSON.

        Args:
            task_id: the task of the app.
            method: the command.
            data: what goes with it, the app's `state`.
            context: more of that; None is none. It is not changed (by the SDK it is).
            skip_response: whether not to wait for the app.
            timeout: whole seconds that the server waits for the app, at least 1.
            outside_request: noted in the context; without it the web page of the app may vanish.
            retries: how often it is sent at most, while it meets transient faults; at most 5 here. A command that
                must not run twice takes 1.
            raise_error: send it once, whatever `retries` says.

        Raises:
            QueryRefused: the app does not run, or does not know the command.
            SubmitUnknown: sent once only, and no answer came: it may have run.
            TaskNotFound, InvalidArgument, InvalidType, AskError, AnswerError: as elsewhere.

        **Source**: wire notes, section 8 [R].
        """
        more = {} if context is None else arguments.mapping("context", context)
        arguments.whole("timeout", timeout)
        if timeout > LONGEST_DURATION:
            raise InvalidArgument(f"timeout: given {timeout}, allowed: seconds up to 366 days")
        tries = 1 if arguments.flag("raise_error", raise_error) else min(arguments.whole("retries", retries), TRIES)
        body = {
            "command": arguments.text("method", method),
            "context": {**more, "outside_request": arguments.flag("outside_request", outside_request)},
            "state": arguments.mapping("data", data),
            "skipResponse": arguments.flag("skip_response", skip_response),
            "timeout": timeout,
        }
        return await self._tell(
            "tasks.request.direct",
            task_id,
            body,
            ANYTHING,
            is_repeatable=tries > 1,
            tries=tries,
            timeout=timeout + QUERY_TIMEOUT,
        )

    async def is_running(self, task_id: int) -> bool:
        """Whether the app of a task answers. False for whatever the server refuses.

        Raises:
            InvalidArgument, InvalidType: nothing was sent.
            AuthError, NetworkError: nothing can be said of the app.
        """
        return await self._answers(task_id, "is_running") is not None

    async def is_ready(self, task_id: int) -> bool:
        """Whether the app of a task says that it is ready. Errors as for `is_running`."""
        answer = await self._answers(task_id, "is_ready")
        return isinstance(answer, dict) and answer.get("status") == "ready"

    async def _answers(self, task_id: int, command: str) -> Any:
        """What the app says; None when the server refuses to ask it."""
        arguments.whole("task_id", task_id)
        try:
            answer = await self.send_request(task_id, command, {}, retries=1, raise_error=True)
        except AskError as error:
            if error.http_status is None or error.http_status == 401:
                raise
            return None
        return answer if answer is not None else {}


# --- bodies and answers -------------------------------------------------------------------------------------


def _app(agent_id: object, app_id: object, module_id: object, workspace_id: object) -> dict[str, Any]:
    if (app_id is None) == (module_id is None):
        raise InvalidArgument(
            f"app_id, module_id: given {'none' if app_id is None else 'both'}, allowed: exactly one of the two"
        )
    which = {"appId": app_id} if module_id is None else {"moduleId": module_id}
    return {
        "agentId": arguments.optional_whole("agent_id", agent_id),
        "workspaceId": arguments.whole("workspace_id", workspace_id),
        **{key: arguments.whole("app_id" if key == "appId" else "module_id", id) for key, id in which.items()},
    }


def _ids(name: str, values: object) -> list[int]:
    given = [] if values is None else arguments.sequence(name, values)
    return [arguments.whole(f"{name}[{n}]", value) for n, value in enumerate(given)]


def _kubernetes(settings: object) -> dict[str, Any]:
    if settings is None:
        return {}
    if isinstance(settings, KubernetesSettings):
        return settings.to_dict()
    return arguments.mapping("kubernetes_settings", settings)


def _started(answer: Any) -> TaskInfo:
    """The first started task, of a list, or alone as before 2023. An answer without one leaves it open (B-56)."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    id = first.get("id", first.get("taskId")) if isinstance(first, dict) else None
    if isinstance(id, bool) or not isinstance(id, int):
        raise SubmitUnknown(
            "supervisely: the answer names no task; it may or may not have been started", platform=wire.PLATFORM
        )
    return TaskInfo({**first, "id": id})
