"""Each method over a scripted server: what is sent, what is refused, what is given back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import InvalidArgument, InvalidType, ProtocolError, SubmitUnknown, UsageError
from aiotasks.providers.supervisely import (
    Api,
    KubernetesSettings,
    ResourceNotFoundError,
    Status,
    TaskFinishedWithError,
)
from aiotasks.testing import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.supervisely.conftest import Script

OK = {"success": True}
TOKEN = "canary-token-71f2"


# --- the client ---------------------------------------------------------------------------------------------


def test_construction_needs_no_loop() -> None:
    """A client can be made at import time, and says where it belongs."""
    api = Api("https://app.supervisely.com/", TOKEN)

    assert (api.server_address, api.account.origin) == (
        "https://app.supervisely.com",
        "https://app.supervisely.com:443",
    )
    assert TOKEN not in repr(api) + repr(api.task) + repr(vars(api))


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SERVER_ADDRESS and API_TOKEN, as in the SDK; without them the error names them."""
    monkeypatch.setenv("SERVER_ADDRESS", "https://s.example")
    monkeypatch.setenv("API_TOKEN", TOKEN)
    assert Api.from_env().account == Api("https://s.example", TOKEN).account

    monkeypatch.delenv("API_TOKEN")
    with pytest.raises(InvalidArgument, match="API_TOKEN"):
        Api.from_env()
    monkeypatch.delenv("SERVER_ADDRESS")
    with pytest.raises(InvalidArgument, match="SERVER_ADDRESS"):
        Api(None, TOKEN)


@pytest.mark.covers("B-11")
@pytest.mark.parametrize(
    "address",
    [
        "",
        "app.supervisely.com",
        "ftp://x",
        "http://s.example",
        "https://u:p@s.example",
        "https://s?x",
        "http://0x7f.1",
        7,
    ],
)
def test_address_that_a_token_must_not_go_to(address: Any) -> None:
    """Only https, or this machine; plain http when it is asked for."""
    with pytest.raises(UsageError, match="server_address"):
        Api(address, TOKEN)
    assert Api("http://s.example", TOKEN, allow_http=True).account.origin == "http://s.example:80"


@pytest.mark.covers("B-10")
@pytest.mark.parametrize("token", ["", " ", "secret\r\nX: y", "schlüssel", 7])
def test_token_that_cannot_be_one(token: Any) -> None:
    """Is refused unseen."""
    with pytest.raises(UsageError, match="token") as caught:
        Api("https://s.example", token)
    assert "secret" not in str(caught.value)


def test_token_of_a_task_is_checked() -> None:
    """Details that are not ours are refused."""
    api = Api("https://s.example", TOKEN)
    ours = api.task.open(7, 3).token()
    revived = Api("https://s.example", TOKEN).from_token(ours)
    assert (revived.id, revived.workspace_id) == (7, 3)  # type: ignore[attr-defined]
    for wrong in ('"details":{"workspace":"x"}', '"details":{"workspace":0}', '"details":{"what":1}'):
        with pytest.raises(UsageError, match="token"):
            api.from_token(ours.replace('"details":{"workspace":3}', wrong))
    with pytest.raises(UsageError, match="token"):
        api.from_token(ours.replace('"id":7', '"id":"7"'))


# --- what is refused before anything is sent ------------------------------------------------------------------

_ID = [None, True, 0, -1, 1.5, "7", "", b"7", 2**63]
_CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "open": lambda task, given: task.open(given),
    "get_info_by_id": lambda task, given: task.get_info_by_id(given),
    "get_status": lambda task, given: task.get_status(given),
    "get_context": lambda task, given: task.get_context(given),
    "get_list": lambda task, given: task.get_list(given),
    "wait": lambda task, given: task.wait(given, "finished"),
    "stop": lambda task, given: task.stop(given),
    "start": lambda task, given: task.start(1, module_id=1, workspace_id=given),
    "update_status": lambda task, given: task.update_status(given, "started"),
    "update_meta": lambda task, given: task.update_meta(given, {}),
    "send_request": lambda task, given: task.send_request(given, "echo", {}),
    "is_running": lambda task, given: task.is_running(given),
    "is_ready": lambda task, given: task.is_ready(given),
    "set_fields": lambda task, given: task.set_fields(given, []),
    "get_field": lambda task, given: task.get_field(given, "a"),
    "get_logs": lambda task, given: task.get_logs(given),
    "upload_files": lambda task, given: task.upload_files(given, [], []),
    "upload_dtl_archive": lambda task, given: task.upload_dtl_archive(given, "x"),
    "set_output_project": lambda task, given: task.set_output_project(given, 1),
    "set_output_archive": lambda task, given: task.set_output_archive(given, 1, "a"),
    "set_output_file_download": lambda task, given: task.set_output_file_download(given, 1, "a"),
    "set_output_text": lambda task, given: task.set_output_text(given, "t"),
    "run_inference": lambda task, given: task.run_inference(given, 1, 1, "n"),
    "run_train": lambda task, given: task.run_train(1, given, 1, "n"),
    "deploy_model": lambda task, given: task.deploy_model(1, given),
    "run_dtl": lambda task, given: task.run_dtl(given, []),
    "create_task_detached": lambda task, given: task.create_task_detached(given),
    "get_training_metrics": lambda task, given: task.get_training_metrics(given),
    "list_checkpoints": lambda task, given: task.list_checkpoints(given),
    "get_import_files_list": lambda task, given: task.get_import_files_list(given),
    "download_import_file": lambda task, given: task.download_import_file(given, "a", "b"),
}


async def _done(call: Any) -> Any:
    return await call if hasattr(call, "__await__") else call


@pytest.mark.covers("B-04", "B-05", "B-07")
@pytest.mark.parametrize("id", _ID, ids=repr)
@pytest.mark.parametrize("method", _CALLS)
async def test_id_that_cannot_be_one(script: type[Script], method: str, id: Any) -> None:
    """Refused with its name, and nothing is sent."""
    scripted = script()
    with pytest.raises(UsageError, match=r"\w+: given"):
        await _done(_CALLS[method](scripted.api.task, id))
    assert scripted.sent == []


_BAD: dict[str, Callable[[Any], Any]] = {
    "both app and module": lambda task: task.start(1, 2, 3, module_id=4),
    "neither app nor module": lambda task: task.start(1, workspace_id=3),
    "no workspace": lambda task: task.start(1, module_id=4),
    "params no mapping": lambda task: task.start(1, module_id=4, workspace_id=3, params=[1]),
    "odd policy": lambda task: task.start(1, module_id=4, workspace_id=3, restart_policy="maybe"),
    "odd level": lambda task: task.start(1, module_id=4, workspace_id=3, log_level="loud"),
    "odd users": lambda task: task.start(1, module_id=4, workspace_id=3, users_ids="12"),
    "odd limits": lambda task: task.start(1, module_id=4, workspace_id=3, kubernetes_settings=7),
    "odd flag": lambda task: task.start(1, module_id=4, workspace_id=3, is_branch="yes"),
    "unknown target": lambda task: task.wait(1, "done"),
    "target no text": lambda task: task.wait(1, 3),
    "no attempts": lambda task: task.wait(1, "finished", 0),
    "half an attempt": lambda task: task.wait(1, "finished", 1.5),
    "below two seconds": lambda task: task.wait(1, "finished", 5, 1),
    "no seconds": lambda task: task.wait(1, "finished", 5, 0),
    "seconds no number": lambda task: task.wait(1, "finished", 5, "2"),
    "unknown status": lambda task: task.update_status(1, "done"),
    "meta no mapping": lambda task: task.update_meta(1, [1]),
    "one folder": lambda task: task.update_meta(1, {}, "/host"),
    "other folder": lambda task: task.update_meta(1, {}, None, "app"),
    "data no mapping": lambda task: task.send_request(1, "echo", [1]),
    "no command": lambda task: task.send_request(1, "", {}),
    "no time": lambda task: task.send_request(1, "echo", {}, timeout=0),
    "no tries": lambda task: task.send_request(1, "echo", {}, retries=0),
    "context no mapping": lambda task: task.send_request(1, "echo", {}, "x"),
    "data no JSON": lambda task: task.send_request(1, "echo", {"a": object()}),
    "field without payload": lambda task: task.set_fields(1, [{"field": "a"}]),
    "fields no list": lambda task: task.set_fields(1, {"field": "a"}),
    "field no text": lambda task: task.get_fields(1, [3]),
    "logs no mappings": lambda task: task.submit_logs(["a"]),
    "no limit": lambda task: task.get_logs(1, None, 0),
    "unknown field": lambda task: task.get_list(1, [{"field": "name", "operator": "=", "value": 1}]),
    "unknown operator": lambda task: task.get_list(1, [{"field": "id", "operator": "<", "value": 1}]),
    "no value": lambda task: task.get_list(1, [{"field": "id", "operator": "="}]),
    "in no list": lambda task: task.get_list(1, [{"field": "id", "operator": "in", "value": 1}]),
    "id no number": lambda task: task.get_list(1, [{"field": "id", "operator": "=", "value": "1"}]),
    "status no text": lambda task: task.get_list(1, [{"field": "status", "operator": "=", "value": 1}]),
    "no method": lambda task: task.get_list_all_pages("", {}),
    "body no mapping": lambda task: task.get_list_all_pages("tasks.list", []),
    "no callback": lambda task: task.get_list_all_pages("tasks.list", {}, 3),
    "names missing": lambda task: task.upload_files(1, ["/a"], []),
    "paths no list": lambda task: task.upload_files(1, "/a", ["a"]),
    "no such file": lambda task: task.upload_files(1, ["/does/not/exist"], ["a"]),
    "no such archive": lambda task: task.upload_dtl_archive(1, "/does/not/exist"),
    "progress no callable": lambda task: task.upload_files(1, [], [], 3),
    "no such folder": lambda task: task.download_import_file(1, "a", "/does/not/exist/a"),
    "place taken": lambda task: task.download_import_file(1, "a", __file__),
    "no title": lambda task: task.set_output_text(1, ""),
    "experiment no mapping": lambda task: task.set_output_experiment(1, 3),
    "no file name": lambda task: task.set_output_file_download(1, 2, ""),
    "config no mapping": lambda task: task.run_inference(1, 2, 3, "n", [1]),
    "graph no graph": lambda task: task.run_dtl(1, "graph"),
    "params of deploy": lambda task: task.deploy_model_from_api(1, None),
    "deploy app": lambda task: task.deploy_model_app(1, 2, deploy_params=3),
    "raise for what": lambda task: task.raise_for_status(3),
}


@pytest.mark.parametrize("case", _BAD)
async def test_bad_input_is_refused_before_anything_is_sent(script: type[Script], case: str) -> None:
    """A typed error that names what and why."""
    scripted = script()
    with pytest.raises((InvalidArgument, InvalidType), match="given"):
        await _done(_BAD[case](scripted.api.task))
    assert scripted.sent == []


# --- what is sent -----------------------------------------------------------------------------------------------

_ICON = {"color": "#33c94c", "backgroundColor": "#d9f7e4"}
_SENT: dict[str, tuple[Callable[[Any], Any], list[Any], list[tuple[str, Any]]]] = {
    "get_context": (lambda task: task.get_context(7), [{"team": {}}], [("GetTaskContext", {"id": 7})]),
    "stop": (lambda task: task.stop(7), [{"status": "terminating"}], [("tasks.stop", {"id": 7})]),
    "update_status": (
        lambda task: task.update_status(7, Status.STARTED),
        [OK],
        [("tasks.status.update", {"id": 7, "status": "started"})],
    ),
    "update_meta": (
        lambda task: task.update_meta(7, {"name": "n"}, "/h", "f"),
        [OK],
        [("tasks.meta.update", {"id": 7, "name": "n", "agentStorageFolder": {"hostDir": "/h", "folder": "f"}})],
    ),
    "send_request": (
        lambda task: task.send_request(7, "echo", {"a": [1]}, {"x": 1}, timeout=5),
        [{}],
        [
            (
                "tasks.request.direct",
                {
                    "taskId": 7,
                    "command": "echo",
                    "context": {"x": 1, "outside_request": True},
                    "state": {"a": [1]},
                    "skipResponse": False,
                    "timeout": 5,
                },
            )
        ],
    ),
    "submit_logs": (lambda task: task.submit_logs([{"m": 1}]), [OK], [("tasks.logs.add", {"logs": [{"m": 1}]})]),
    "get_logs": (
        lambda task: task.get_logs(7, "2030-01-01T00:00:00Z", 5),
        [json_response([])],
        [("tasks.log.download?id=7&sinceTime=2030-01-01T00%3A00%3A00Z&limit=5", None)],
    ),
    "set_field": (
        lambda task: task.set_field(7, "data.a", {"x": 1}, append=True),
        [OK],
        [
            (
                "tasks.data.set",
                {
                    "taskId": 7,
                    "fields": [{"field": "data.a", "payload": {"x": 1}, "append": True, "recursive": False}],
                },
            )
        ],
    ),
    "get_field": (
        lambda task: task.get_field(7, "data.a"),
        [{"result": {"data.a": 1}}],
        [("tasks.data.get", {"taskId": 7, "fields": ["data.a"]})],
    ),
    "set_output_project": (
        lambda task: task.set_output_project(7, 5),
        [{"name": "P", "referenceImageUrl": "/p"}, OK],
        [
            ("projects.info", {"id": 5}),
            ("tasks.output.set", {"taskId": 7, "output": {"project": {"id": 5, "title": "P", "preview": "/p"}}}),
        ],
    ),
    "set_output_report": (
        lambda task: task.set_output_report(7, 5, "r"),
        [OK],
        [
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {"className": "zmdi zmdi-receipt", **_ICON},
                            "title": "r",
                            "titleUrl": "/files/5",
                            "download": False,
                            "description": "Report",
                        }
                    },
                },
            )
        ],
    ),
    "set_output_file_download": (
        lambda task: task.set_output_file_download(7, 5, "f"),
        [{"storagePath": "/s"}, OK],
        [
            ("file-storage.info", {"id": 5}),
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {"className": "zmdi zmdi-file", **_ICON},
                            "title": "f",
                            "titleUrl": "/s",
                            "download": True,
                            "description": "Download file",
                        }
                    },
                },
            ),
        ],
    ),
    "set_output_archive": (
        lambda task: task.set_output_archive(7, 5, "a", "/u"),
        [OK],
        [
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {"className": "zmdi zmdi-archive", **_ICON},
                            "title": "a",
                            "titleUrl": "/u",
                            "download": True,
                            "description": "Download archive",
                        }
                    },
                },
            )
        ],
    ),
    "set_output_directory": (
        lambda task: task.set_output_directory(7, 5, "/d"),
        [OK],
        [
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {"className": "zmdi zmdi-folder", **_ICON},
                            "title": "/d",
                            "titleUrl": "/files/5",
                            "download": False,
                            "description": "Directory",
                        }
                    },
                },
            )
        ],
    ),
    "set_output_error": (
        lambda task: task.set_output_error(7, "e", "why"),
        [OK],
        [
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {
                                "className": "zmdi zmdi-alert-octagon",
                                "color": "#ff83a6",
                                "backgroundColor": "#ffeae9",
                            },
                            "title": "e",
                            "showLogs": True,
                            "isError": True,
                            "description": "why",
                        }
                    },
                },
            )
        ],
    ),
    "set_output_text": (
        lambda task: task.set_output_text(7, "t"),
        [OK],
        [
            (
                "tasks.output.set",
                {
                    "taskId": 7,
                    "output": {
                        "general": {
                            "icon": {"className": "zmdi zmdi-comment-alt-text", **_ICON},
                            "title": "t",
                            "showLogs": False,
                            "isError": False,
                        }
                    },
                },
            )
        ],
    ),
    "set_output_experiment": (
        lambda task: task.set_output_experiment(7, {"x": 1}),
        [OK],
        [("tasks.output.set", {"taskId": 7, "output": {"experiment": {"data": {"x": 1}}}})],
    ),
    "run_inference": (
        lambda task: task.run_inference(1, 2, 3, "out"),
        [{"pluginId": 9}, {"taskId": 7}],
        [
            ("models.info", {"id": 3}),
            (
                "tasks.run.plugin",
                {
                    "taskType": "inference",
                    "agentId": 1,
                    "pluginId": 9,
                    "version": None,
                    "config": {},
                    "projects": [2],
                    "models": [3],
                    "name": "out",
                },
            ),
        ],
    ),
    "deploy_model_async": (
        lambda task: task.deploy_model_async(1, 3),
        [json_response([]), {"taskId": 7}],
        [
            ("models.info.deployed", {"id": 3}),
            (
                "tasks.run.deploy",
                {
                    "agentId": 1,
                    "modelId": 3,
                    "restartPolicy": "never",
                    "settings": {"gpu_device": 0},
                    "pluginId": None,
                    "version": None,
                },
            ),
        ],
    ),
    "deploy_model_from_api": (
        lambda task: task.deploy_model_from_api(7, {"x": 1}),
        [{}],
        [
            (
                "tasks.request.direct",
                {
                    "taskId": 7,
                    "command": "deploy_from_api",
                    "context": {"outside_request": True},
                    "state": {"deploy_params": {"x": 1}},
                    "skipResponse": False,
                    "timeout": 60,
                },
            )
        ],
    ),
    "run_dtl": (
        lambda task: task.run_dtl(3, [{"layer": 1}], 1),
        [{"taskId": 7}],
        [("tasks.run.dtl", {"workspaceId": 3, "config": [{"layer": 1}], "advanced": {"agentId": 1}})],
    ),
    "create_task_detached": (
        lambda task: task.create_task_detached(3),
        [{"taskId": 7}],
        [("tasks.run.python", {"workspaceId": 3, "script": "xxx", "advanced": {"ignoreAgent": True}})],
    ),
    "get_training_metrics": (
        lambda task: task.get_training_metrics(7),
        [{"loss": []}],
        [("tasks.train-metrics", {"taskId": 7})],
    ),
}


@pytest.mark.looptime
@pytest.mark.parametrize("method", _SENT)
async def test_each_method_sends_what_the_sdk_sends(script: type[Script], method: str) -> None:
    """Bodies as recorded, or as the older SDKs' source has them."""
    call, answers, expected = _SENT[method]
    scripted = script(*answers)
    await call(scripted.api.task)
    assert scripted.sent == expected


@pytest.mark.looptime
async def test_start_sends_all_its_defaults(script: type[Script]) -> None:
    """The recorded body; the first of the list is the answer."""
    scripted = script(json_response([{"taskId": 7, "userId": 1, "moduleId": 83, "appId": 2}, {"taskId": 8}]))
    info = await scripted.api.task.start(1, workspace_id=23821, module_id=83)

    assert (info.id, info["taskId"], info["moduleId"]) == (7, 7, 83)
    assert scripted.sent == [
        (
            "tasks.run.app",
            {
                "agentId": 1,
                "workspaceId": 23821,
                "description": "application description",
                "params": {"state": {}},
                "logLevel": "info",
                "usersIds": [],
                "appVersion": "",
                "isBranch": False,
                "taskName": "pythonSpawned",
                "restartPolicy": "never",
                "proxyKeepUrl": False,
                "advancedSettings": {"limitByWorkspace": False},
                "moduleId": 83,
            },
        )
    ]
    assert scripted.api.task.open(7).workspace_id == 23821


@pytest.mark.looptime
async def test_start_takes_an_object_too_and_all_options(script: type[Script]) -> None:
    """As servers answered before 2023; limits by their names on the wire."""
    scripted = script({"taskId": 7})
    info = await scripted.api.task.start(
        None,
        5,
        3,
        redirect_requests={"port": 1},
        kubernetes_settings=KubernetesSettings(limit_memory_gb=2, use_health_check=True),
        multi_user_session=True,
    )

    body = scripted.sent[0][1]
    assert info.id == 7
    assert (body["appId"], body["agentId"], body["redirectRequests"], body["singleSessionMode"]) == (
        5,
        None,
        {"port": 1},
        True,
    )
    assert body["advancedSettings"] == {"limitByWorkspace": False, "limitMemoryGb": 2, "useHealthCheck": True}


@pytest.mark.covers("B-56")
@pytest.mark.parametrize("answer", [{}, [], [{}], [{"taskId": "7"}], [3], 7], ids=str)
async def test_start_without_a_task_leaves_it_open(script: type[Script], answer: Any) -> None:
    """The task may have been started: SubmitUnknown, and it is not sent again."""
    scripted = script(json_response(answer))
    with pytest.raises(SubmitUnknown):
        await scripted.api.task.start(1, workspace_id=3, module_id=4)
    with pytest.raises(SubmitUnknown):
        await script({"taskId": None}).api.task.create_task_detached(3)
    assert len(scripted.sent) == 1


@pytest.mark.looptime
@pytest.mark.covers("B-16")
async def test_objects_of_the_caller_are_never_changed(script: type[Script]) -> None:
    """The SDK writes into context, meta and filters."""
    given = {
        "context": {"x": 1},
        "meta": {"name": "n"},
        "fields": [{"field": "a", "payload": {"y": 1}}],
        "filters": [{"field": "status", "operator": "in", "value": ["error"]}],
        "data": {"workspaceId": 3},
        "params": {"state": {"z": 1}},
    }
    before = copy.deepcopy(given)
    empty = {"entities": [], "pagesCount": 0}
    task = script({}, OK, OK, empty, empty, {"taskId": 7}).api.task

    await task.send_request(7, "echo", {}, given["context"])  # type: ignore[arg-type]
    await task.update_meta(7, given["meta"], "/h", "f")  # type: ignore[arg-type]
    await task.set_fields(7, given["fields"])  # type: ignore[arg-type]
    await task.get_list(3, given["filters"])  # type: ignore[arg-type]
    await task.get_list_all_pages("tasks.list", given["data"])  # type: ignore[arg-type]
    await task.start(1, workspace_id=3, module_id=4, params=given["params"])  # type: ignore[arg-type]

    assert given == before


@pytest.mark.looptime
async def test_answers_that_lack_what_is_wanted(script: type[Script]) -> None:
    """Are errors about the answer; what is no task is no TaskNotFound."""
    with pytest.raises(ProtocolError):
        await script({}).api.task.get_fields(7, ["a"])
    with pytest.raises(ProtocolError):
        await script({}).api.task.set_output_archive(7, 5, "a")
    with pytest.raises(ResourceNotFoundError):
        await script(json_response({}, status=404)).api.task.set_output_archive(7, 5, "a")
    assert await script({"status": "unheard"}).api.task.stop(7) == "unheard"
    assert not await script({"status": "starting"}).api.task.is_ready(7)
    assert await script(json_response(None)).api.task.is_running(7)


def test_status_of_error_raises() -> None:
    """And no other; as a member or as text."""
    task = Api("https://s.example", TOKEN).task
    for status in Status:
        if status is not Status.ERROR:
            task.raise_for_status(status)
    for error in (Status.ERROR, "error"):
        with pytest.raises(TaskFinishedWithError):
            task.raise_for_status(error)


@pytest.mark.looptime
async def test_progress_bar_is_updated(script: type[Script], tmp_path: Any) -> None:
    """An object with `update`, such as a tqdm."""

    class Bar:
        done = 0

        def update(self, count: int) -> None:
            self.done += count

    (tmp_path / "a").write_text("a")
    bar = Bar()
    await script(json_response([]), OK).api.task.upload_files(7, [str(tmp_path / "a")], ["a"], bar)  # type: ignore[arg-type]
    assert bar.done == 1


@pytest.mark.looptime
async def test_upload_says_whose_files_they_are(script: type[Script], tmp_path: Any) -> None:
    """Numbered parts, and the task in a header: the body does not name it."""
    (tmp_path / "a").write_bytes(b"")
    scripted = script(json_response([]), OK)
    await scripted.api.task.upload_files(7, [str(tmp_path / "a")], ["/a"])

    upload = scripted.transport.requests[1]
    digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert scripted.sent[0] == ("images.internal.hashes.list", [digest])
    assert upload.headers["x-task-id"] == "7"
    assert [(part.name, part.filename) for part in upload.parts] == [("0", None), ("0-file", "/a")]
    assert digest.encode() in upload.parts[0].content


@pytest.mark.looptime
async def test_uploads_are_cut_into_batches(
    script: type[Script], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number of files and by bytes."""
    monkeypatch.setattr("aiotasks.providers.supervisely.files._BATCH_BYTES", 10)
    paths = []
    for n in range(4):
        (tmp_path / str(n)).write_bytes(bytes([n]) * 6)
        paths.append(str(tmp_path / str(n)))
    scripted = script(json_response([]), OK, OK, OK, OK)
    await scripted.api.task.upload_files(7, paths, paths)
    assert len(scripted.sent) == 5


def test_memory_of_workspaces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """I-05: the first ones are forgotten."""
    monkeypatch.setattr("aiotasks.providers.supervisely.client.REMEMBERED", 2)
    api = Api("https://s.example", TOKEN)
    for id in (1, 2, 3):
        api.remember(id, 9)
    assert [api.statuses(id).workspace_id for id in (1, 2, 3)] == [None, 9, 9]


async def test_started_task_may_not_be_visible_yet(script: type[Script]) -> None:
    """F-19: until it is opened once, whatever else is learnt of it meanwhile."""
    api = script({"taskId": 7}).api
    await api.task.create_task_detached(3)
    api.remember(7, 4)
    first, second = api.task.open(7), api.task.open(7)

    assert (first.workspace_id, first.submitted_at > 0) == (4, True)
    assert second.submitted_at < 0
