"""The real supervisely SDK 6.74.51 does against the emulator what it does against Supervisely."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sdk


def ids(created):
    return [task["id"] for task in created]


# --- reading -------------------------------------------------------------------------------------------


async def test_infos_and_statuses(supervisely):
    """get_info_by_id, get_status, get_context; an unknown id is None, and a TypeError."""
    [id] = ids(supervisely.emulator.create_tasks(status="started", description="mine"))
    answer = await supervisely.run(
        """
        info = api.task.get_info_by_id(id)
        answer = [info, str(api.task.get_status(id)), api.task.get_context(id), api.task.get_info_by_id(1),
                  raised(api.task.get_status, 1), raised(api.task.wait, 1, Status.FINISHED)]
        """,
        id=id,
    )
    info, status, context, *absent = answer
    assert (info["id"], info["status"], info["description"]) == (id, "started", "mine")
    assert info.keys() == {
        *("id", "workspaceId", "teamId", "description", "type", "status", "startedAt", "finishedAt"),
        *("userId", "userLogin", "agentId", "agentName", "settings", "meta"),
    }
    assert (info["finishedAt"], info["startedAt"][-1]) == (None, "Z")
    assert status == "started"
    assert context["workspace"] == {"id": supervisely.emulator.workspace_id, "name": "First workspace"}
    assert absent == [None, "TypeError", "TypeError"]


async def test_list_with_filters(supervisely):
    """get_list: in, =, not, status and type, as plain dicts ordered by id."""
    done = ids(supervisely.emulator.create_tasks(count=3, status="finished"))
    running = ids(supervisely.emulator.create_tasks(count=2, status="started", type="train"))
    supervisely.emulator.create_tasks(workspace_id=77)
    answer = await supervisely.run(
        """
        def found(*filters):
            return [task["id"] for task in api.task.get_list(workspace_id, list(filters) or None)]
        answer = [
            found(),
            found({"field": "id", "operator": "in", "value": [done[0], running[1], 5]}),
            found({"field": "id", "operator": "=", "value": done[1]}),
            found({"field": "status", "operator": "not", "value": "finished"}),
            found({"field": "status", "operator": "eq", "value": "started"},
                  {"field": "type", "operator": "!in", "value": ["train"]}),
            raised(found, {"field": "name", "operator": "=", "value": 1}),
            raised(found, {"field": "id", "operator": "<", "value": 1}),
            raised(api.task.get_list, 5),
            type(api.task.get_list(workspace_id)[0]).__name__,
        ]
        """,
        done=done,
        running=running,
    )
    refused = ["HTTPError"] * 3
    assert answer == [[*done, *running], [done[0], running[1]], [done[1]], running, [], *refused, "dict"]


async def test_pages(supervisely):
    """get_list_all_pages, the generator by token, the async one, and the server's page size."""
    supervisely.emulator.create_tasks(count=23, status="finished")
    supervisely.emulator.fault(max_per_page=5)
    answer = await supervisely.run(
        """
        import asyncio
        body = {"workspaceId": workspace_id, "per_page": 5}
        seen = []
        listed, first = api.task.get_list_all_pages(
            "tasks.list", body, progress_cb=seen.append, return_first_response=True)
        token = {**body, "pagination_mode": "token"}
        pages = [len(page) for page in api.task.get_list_all_pages_generator("tasks.list", token)]
        async def asked():
            return [len(page) async for page in api.task.get_list_page_generator_async("tasks.list", dict(body))]
        answer = [len(listed), first["pagesCount"], first["perPage"], first["total"], seen, pages,
                  asyncio.run(asked()), len(api.task.get_list_all_pages("tasks.list", body, limit=7)),
                  raised(lambda: list(api.task.get_list_all_pages_generator("tasks.list", body)))]
        """
    )
    pages = [5, 5, 5, 5, 3]
    assert answer == [23, 5, 5, 23, pages, pages, pages, 7, "KeyError"]


async def test_waiting(supervisely):
    """wait: None at any settled status, TaskFinishedWithError, WaitingTimeExceeded."""
    words = ["finished", "stopped", "deployed", "error", "started", "terminating"]
    made = [ids(supervisely.emulator.create_tasks(status=word))[0] for word in words]
    answer = await supervisely.run(
        """
        answer = [raised(api.task.wait, id, Status.FINISHED, 2, 0.01) for id in made]
        answer += [raised(api.task.wait, made[4], Status.STARTED)]
        answer += [raised(api.task.raise_for_status, Status.ERROR), raised(api.task.raise_for_status, Status.QUEUED)]
        """,
        made=made,
    )
    assert answer == [
        *(["nothing: None"] * 3),
        "TaskFinishedWithError",
        *(["WaitingTimeExceeded"] * 2),
        "nothing: None",
        "TaskFinishedWithError",
        "nothing: None",
    ]


# --- a task's way -----------------------------------------------------------------------------------------


async def test_start_stop_and_status(supervisely):
    """start: a list of one per user, queued; update_status holds each of the eight; stop: terminating."""
    answer = await supervisely.run(
        """
        app = {"module_id": module_id, "workspace_id": workspace_id}
        task = api.task.start(agent_id=agent_id, **app, params={"state": {"a": 1}},
                              kubernetes_settings=KubernetesSettings(limit_cpus=2), users_ids=[4, 5])
        id = task["id"]
        words = [str(api.task.get_status(id))]
        for status in Status:
            if status.value not in ("error", "finished", "stopped"):
                api.task.update_status(id, status)
                words.append(str(api.task.get_status(id)))
        api.task.update_status(id, Status.STARTED)
        stopped = str(api.task.stop(id))
        api.task.update_status(id, "stopped")
        settings = api.task.get_info_by_id(id)["settings"]
        answer = [sorted(task), words, stopped, str(api.task.get_status(id)), settings,
                  raised(api.task.update_status, id, "nonsense"),
                  raised(api.task.start, agent_id, workspace_id=workspace_id),
                  raised(api.task.start, agent_id, module_id=9, workspace_id=workspace_id),
                  api.app.start(agent_id=agent_id, **app, app_version="v1").task_id]
        """
    )
    assert answer[0] == ["appId", "id", "moduleId", "taskId", "userId"]
    assert answer[1] == ["queued", "queued", "consumed", "started", "deployed", "terminating"]
    assert answer[2:5] == ["terminating", "stopped", {"message": {"state": {"a": 1}}}]
    assert answer[5:8] == ["ValueError", "ValueError", "HTTPError"]
    assert answer[8] == supervisely.emulator.tasks()[-1]["id"]
    assert len(supervisely.emulator.tasks()) == 3


async def test_unstoppable_task_is_refused_with_501(supervisely):
    """Which is not retried."""
    [id] = ids(supervisely.emulator.create_tasks(type="import"))
    assert await supervisely.run("answer = raised(api.task.stop, id)", id=id) == "HTTPError"


async def test_running_app_answers(supervisely):
    """send_request, is_running, is_ready: a task that does not run is refused."""
    [running] = ids(supervisely.emulator.create_tasks(status="started"))
    [queued] = ids(supervisely.emulator.create_tasks())
    answer = await supervisely.run(
        """
        answer = [api.task.send_request(running, "echo", {"a": [1, {"b": None}]}, context={"x": 1}, timeout=5),
                  api.task.send_request(running, "echo", {}, skip_response=True),
                  [api.task.is_running(id) for id in (running, queued)],
                  [api.task.is_ready(id) for id in (running, queued)],
                  raised(api.task.send_request, queued, "echo", {}),
                  api.task.send_request(running, "deploy_from_api", {"deploy_params": {"device": "cpu"}},
                                        raise_error=True),
                  api.task.send_request(running, "get_deploy_info", {})]
        """,
        running=running,
        queued=queued,
    )
    assert answer == [
        {"a": [1, {"b": None}]},
        {"success": True},
        [True, False],
        [True, False],
        "HTTPError",
        {"result": "model was successfully deployed"},
        {"device": "cpu"},
    ]


# --- what a task holds ------------------------------------------------------------------------------------


async def test_meta_and_outputs(supervisely):
    """update_meta and every set_output_*: seen in the task's meta."""
    [id] = ids(supervisely.emulator.create_tasks())
    answer = await supervisely.run(
        """
        def output():
            return api.task.get_info_by_id(id)["meta"]["output"]
        api.task.update_meta(id, {"name": "mine"}, agent_storage_folder="/host", relative_app_dir="app")
        meta = api.task.get_info_by_id(id)["meta"]
        answer = [meta["name"], meta["agentStorageFolder"]]
        for call in (
            lambda: api.task.set_output_project(id, 5, "P", "preview"),
            lambda: api.task.set_output_report(id, 5, "r"),
            lambda: api.task.set_output_archive(id, 5, "a"),
            lambda: api.task.set_output_file_download(id, 5, "f", file_url="/x", download=False),
            lambda: api.task.set_output_directory(id, 5, "/d"),
            lambda: api.task.set_output_error(id, "e", "why"),
            lambda: api.task.set_output_text(id, "t"),
            lambda: api.task.set_output_experiment(id, {"x": 1}),
        ):
            call()
            answer.append(output())
        """,
        id=id,
    )
    name, folder, project, report, archive, file, directory, error, text, experiment = answer
    assert (name, folder) == ("mine", {"hostDir": "/host", "folder": "app"})
    assert project == {"project": {"id": 5, "title": "P", "preview": "preview"}}
    assert report["general"]["titleUrl"] == "/files/5"
    assert archive["general"]["titleUrl"] == "/storage/files/5.bin"
    assert (file["general"]["titleUrl"], file["general"]["download"]) == ("/x", False)
    assert directory["general"]["icon"]["className"] == "zmdi zmdi-folder"
    assert (error["general"]["isError"], error["general"]["description"]) == (True, "why")
    assert text["general"]["showLogs"] is False
    assert experiment == {"experiment": {"data": {"x": 1}}}


async def test_fields_and_logs(supervisely):
    """set_field(s), get_field(s), app content; submit_logs, get_logs since and limited."""
    [id] = ids(supervisely.emulator.create_tasks())
    answer = await supervisely.run(
        """
        nested = {"x": 1, "y": {"p": 1}}
        api.task.set_fields(id, [{"field": "data.a", "payload": 1}, {"field": "data.b", "payload": nested}])
        api.task.set_field(id, "data.b", {"y": {"q": 2}}, append=True, recursive=True)
        api.task.set_fields_from_dict(id, {"data.list": [1]})
        api.task.set_field(id, "data.list", [2], append=True)
        api.task._update_app_content(id, [{"op": "add"}], {"s": 1})
        api.task.submit_logs([{"message": str(n), "timestamp": f"2030-01-0{n}", "task_id": id} for n in (1, 2)])
        answer = [api.task.get_fields(id, ["data.a", "data.b"]), api.task.get_field(id, "data.list"),
                  api.task.get_field(id, "data.nothing"), len(api.task.get_logs(id)),
                  [entry["message"] for entry in api.task.get_logs(id, since_time="2030-01-01", limit=1)],
                  raised(api.task.set_fields, id, [{"field": "data.a"}])]
        """,
        id=id,
    )
    assert answer == [
        {"data.a": 1, "data.b": {"x": 1, "y": {"p": 1, "q": 2}}},
        [1, 2],
        None,
        3,
        ["1"],
        "KeyError",
    ]


async def test_files_are_uploaded(supervisely, tmp_path):
    """upload_files: by content, then by hash; the task is known by the header alone."""
    [id] = ids(supervisely.emulator.create_tasks())
    paths = []
    for number in range(3):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"content {number}")
        paths.append(str(path))
    answer = await supervisely.run(
        """
        api.headers["x-task-id"] = str(id)
        seen = []
        api.task.upload_files(id, paths, ["/a", "/b", "/c"], seen.append)
        api.task.upload_files(id, paths[:1], ["/again"], seen.append)
        names = api.post("tasks.import.files_list", {"id": id}).json()
        content = api.post("tasks.import.download_file", {"id": id, "filename": "/again"}).content
        answer = [seen, names, content.decode()]
        """,
        id=id,
        paths=paths,
    )
    assert answer == [[0, 6, 1], ["/a", "/b", "/c", "/again"], "content 0"]


async def test_calls_of_older_versions(supervisely, tmp_path):
    """Wire methods that the SDK has no methods for any more, posted by its client."""
    [train] = ids(supervisely.emulator.create_tasks(type="train", checkpoints=3))
    answer = await supervisely.run(
        """
        from requests_toolbelt import MultipartEncoder
        def post(method, **body):
            return api.post(method, body).json()
        plugin = post("models.info", id=8)["pluginId"]
        run = post("tasks.run.plugin", taskType="inference", agentId=agent_id, pluginId=plugin, version=None,
                   config={}, projects=[1], models=[8], name="out")["taskId"]
        deploy = post("tasks.run.deploy", agentId=agent_id, modelId=8, restartPolicy="never",
                      settings={"gpu_device": 0}, pluginId=None, version=None)["taskId"]
        dtl = post("tasks.run.dtl", workspaceId=workspace_id, config=[], advanced={"agentId": agent_id})["taskId"]
        detached = post("tasks.run.python", workspaceId=workspace_id, script="xxx",
                        advanced={"ignoreAgent": True})["taskId"]
        form = {"id": str(dtl), "name": "a.tar", "archive": ("a.tar", b"tar", "application/x-tar")}
        api.post("tasks.upload.dtl_archive", MultipartEncoder(fields=form))
        answer = [[api.task.get_info_by_id(id)["type"] for id in (run, deploy, dtl, detached)],
                  post("models.info.deployed", id=8)[0]["id"] == deploy,
                  post("tasks.train-metrics", taskId=train), raised(post, "tasks.train-metrics", taskId=run),
                  len(post("tasks.checkpoints.list", id=train)), post("tasks.checkpoints.clear", id=train)["success"],
                  len(post("tasks.checkpoints.list", id=train)), post("tasks.import.files_list", id=dtl),
                  post("projects.info", id=4)["name"],
                  len(post("apps.tasks.list", appId=1, teamId=1, onlyRunning=True)["entities"])]
        """,
        train=train,
    )
    assert answer == [
        ["inference", "deploy", "dtl", "python"],
        True,
        {"loss": [1.0, 0.5, 1 / 3]},
        "HTTPError",
        3,
        True,
        1,
        ["a.tar"],
        "Project 4",
        0,
    ]


# --- faults -------------------------------------------------------------------------------------------------


async def test_wrong_token(supervisely):
    """401 at once; and the version probe in the middle of it is answered."""
    assert await supervisely.run("answer = raised(api.task.get_info_by_id, 5)", token="wrong") == "HTTPError"


async def test_retried_statuses(supervisely):
    """The SDK comes again, and gives up after its tries; the next call finds the server well."""
    statuses = [408, 429, 499, 500, 502, 503, 504, 509, 598, 599]
    [id] = ids(supervisely.emulator.create_tasks(status="started"))
    for status in statuses:
        supervisely.emulator.fault(status=status, on="tasks.info", times=2, retry_after=0)
    answer = await supervisely.run(
        "answer = [raised(api.task.get_status, id) for _ in statuses] + [str(api.task.get_status(id))]",
        id=id,
        statuses=statuses,
    )
    assert answer == [*(["RetryError"] * len(statuses)), "started"]


async def test_dropped_connection_and_refused_statuses(supervisely):
    """A reset is retried; 400 and 403 are raised as they are; a GET whose tries are used up gives nothing."""
    [id] = ids(supervisely.emulator.create_tasks(status="started"))
    supervisely.emulator.fault(reset=True, on="tasks.info", times=1)
    answer = await supervisely.run("answer = [str(api.task.get_status(id))]", id=id)
    assert answer == ["started"]
    supervisely.emulator.fault(status=403, on="tasks.info", times=1)
    supervisely.emulator.fault(status=500, on="tasks.log.download", times=2)
    answer = await supervisely.run("answer = [raised(api.task.get_status, id), raised(api.task.get_logs, id)]", id=id)
    assert answer == ["HTTPError", "AttributeError"]


async def test_calls_are_counted(supervisely):
    """Three quick calls of the SDK about one task are violations of the two seconds: the auditor sees them."""
    [id] = ids(supervisely.emulator.create_tasks(status="started"))
    await supervisely.run("answer = [str(api.task.get_status(id)) for _ in range(3)]", id=id)
    report = supervisely.emulator.audit()
    assert (report["checks"], report["tasks"], report["violations"]) == (3, 1, 2)
