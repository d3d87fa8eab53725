"""The real deepint SDK 1.4.3 does against the emulator, over https, what it does against Deep Intelligence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiotasks.emulators.deepint import DeepintEmulator
from tests.sdk.conftest import answer_of, python_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.sdk

#: Before the test's own lines. The SDK polls every 3 s and sleeps 10 s before it raises any HTTP error: the waits are
#: noted, and shortened so that a test bounds them.
_DEEPINT = """
import json, sys, time, types, warnings
warnings.simplefilter("ignore")
import deepint, deepint.core.task, deepint.util.request
from deepint import *
from deepint.error import *

url = sys.argv[1]
globals().update(json.loads(sys.argv[2]))
host = url.removeprefix("https://")
waits = []

def shortened(seconds):
    waits.append(seconds)
    assert len(waits) < 200, "the SDK waits for ever"
    time.sleep(seconds / 50)

deepint.util.request.sleep = shortened
deepint.core.task.time = types.SimpleNamespace(sleep=shortened)

def raised(call, *arguments, **options):
    try:
        return "nothing: %r" % (call(*arguments, **options),)
    except Exception as error:
        return [type(error).__name__, str(getattr(error, "code", error))]

def task_of(id):
    return Task.build(organization_id, workspace_id, id)
"""


@attrs.define
class Deepint:
    """A pretended Deep Intelligence and the vendor's SDK."""

    emulator: DeepintEmulator
    ready: dict[str, Any]
    python: str
    home: Path

    async def run(self, lines: str, *, environment: dict[str, str] | None = None, **names: Any) -> Any:
        """Runs some lines of Python with the SDK and gives what they left in `answer`.

        Args:
            lines: The lines; they find the names besides those of the ready line.
            environment: Other variables than the usual ones.
            names: Values that JSON can carry.
        """
        url = self.ready["url"]
        usual = {
            "DEEPINT_TOKEN": self.emulator.token,
            "DEEPINT_INSTANCE": url.removeprefix("https://"),
            "REQUESTS_CA_BUNDLE": self.ready["certificate"],
            "HOME": str(self.home),
        }
        known = {name: value for name, value in self.ready.items() if name != "url"}
        return await answer_of(
            self.python, _DEEPINT, lines, url, {**known, **names}, {**usual, **(environment or {})}
        )


@pytest.fixture
async def deepint(tmp_path: Path) -> AsyncIterator[Deepint]:
    """The vendor's SDK with an emulator whose jobs run half a second."""
    python = python_of("deepint")
    emulator = DeepintEmulator(seed=1, duration=(0.5, 0.5), tls_dir=tmp_path)
    async with emulator.serve() as url:
        yield Deepint(emulator, emulator.greeting(url), python, tmp_path)


# --- credentials and connection -----------------------------------------------------------------------


async def test_certificate_is_what_makes_it_trust(deepint):
    """Without the certificate the SDK refuses the server."""
    answer = await deepint.run("answer = raised(task_of, tasks['failed'])", environment={"REQUESTS_CA_BUNDLE": ""})
    assert answer[0] == "SSLError"


async def test_credentials_come_from_arguments_environment_and_file(deepint):
    """The order, and the mix-ups: the host of the environment is ignored beside a token that was given."""
    (deepint.home / ".deepint.ini").write_text("[DEFAULT]\ntoken=from-file\ninstance=file.example\n")
    answer = await deepint.run(
        """
        import os
        def shown(*arguments, **options):
            credentials = Credentials.build(*arguments, **options)
            return [credentials.token, credentials.instance]
        answer = [shown("mine"), shown("mine", "own.example"), shown()[0] == token, shown(instance="own.example")[1]]
        del os.environ["DEEPINT_TOKEN"], os.environ["DEEPINT_INSTANCE"]
        answer += [shown()]
        os.remove(os.path.expanduser("~/.deepint.ini"))
        answer += [raised(Credentials.build)[0]]
        """
    )
    host = deepint.ready["url"].removeprefix("https://")
    assert answer[:3] == [["mine", "app.deepint.net"], ["mine", "own.example"], True]
    assert answer[3] == host
    assert answer[4:] == [["from-file", "file.example"], "TypeError"]


# --- tasks --------------------------------------------------------------------------------------------


async def test_task_is_built_loaded_and_shown(deepint):
    """All fields, also after a change; the dictionary of them; the words of the status."""
    [job] = deepint.emulator.create_tasks(name="n", status="running")
    answer = await deepint.run(
        """
        import urllib.request, ssl
        task = task_of(id)
        before = task.to_dict()["info"]
        body = json.dumps({"status": "success", "shown": {"result": "s-1", "result_type": "source"}}).encode()
        request = urllib.request.Request(f"{url}/__emulator__/tasks/{id}", body, method="PATCH")
        urllib.request.urlopen(request, context=ssl.create_default_context(cafile=certificate)).close()
        errored = task.is_errored(), task.fetch_result()
        task.load()
        answer = {"before": before, "after": task.to_dict()["info"], "errored": errored,
                  "result": task.fetch_result(force_reload=True), "all": TaskStatus.all(),
                  "words": [TaskStatus.from_string(word).name for word in ("pending", "failed", "cancelled", None)]}
        """,
        id=job["id"],
    )
    before, after = answer["before"], answer["after"]
    assert (before["id"], before["name"], before["status"], before["progress"]) == (job["id"], "n", "running", 0)
    assert before["created"].startswith("2025-")
    assert answer["errored"] == [False, {"null": None}]
    assert (after["status"], after["progress"]) == ("success", 100)
    assert answer["result"] == {"source": "s-1"}
    assert answer["all"] == ["pending", "running", "failed", "success", "unknown"]
    assert answer["words"] == ["pending", "failed", "unknown", "unknown"]


async def test_resolve_waits_for_the_end(deepint):
    """A job that succeeds; one that fails, raised and not; one whose word nobody knows ends the wait."""
    answer = await deepint.run(
        """
        good = Workspace.build(organization_id, workspace_id).export(wait_for_download=False)
        failed, unknown = task_of(tasks["failed"]), task_of(tasks["unknown"])
        good.resolve()
        polls = sorted(set(waits))
        error = raised(failed.resolve)
        failed.resolve(raise_on_error=False, poll_interval=1)
        unknown.resolve()
        answer = {"good": good.info.status.name, "polls": polls, "error": error,
                  "errored": failed.is_errored(force_reload=True), "unknown": unknown.info.status.name}
        """
    )
    assert answer == {
        "good": "success",
        "polls": [3],
        "error": ["DeepintTaskError", "TASK_EMULATED"],
        "errored": True,
        "unknown": "unknown",
    }


async def test_task_without_numbers_is_too_much_for_it(deepint):
    """A null duration is a TypeError: what a better client reads as None."""
    assert (await deepint.run("answer = raised(task_of, tasks['null'])"))[0] == "TypeError"


async def test_deleted_task_is_not_found(deepint):
    """DELETE is answered with JSON; a later load gives the server's error, after ten seconds."""
    [job] = deepint.emulator.create_tasks()
    answer = await deepint.run(
        """
        task = task_of(id)
        task.delete()
        answer = [raised(task.load), waits]
        """,
        id=job["id"],
    )
    assert answer == [["DeepintHTTPError", "TASK_NOT_FOUND"], [10]]


async def test_urls_of_tasks(deepint):
    """Web and API URLs; what is missing is an error."""
    answer = await deepint.run(
        """
        id, credentials = tasks["failed"], Credentials.build()
        web = f"{url}/o/{organization_id}/workspace?ws={workspace_id}&s=task&i={id}#x"
        api = f"{url}/api/v1/workspace/{workspace_id}/task/{id}"
        def found(given, *more):
            return Task.from_url(given, *more, credentials=credentials).info.task_id == id
        plural = api.replace("/task/", "/tasks/") + "/"
        answer = [found(web), found(api, organization_id), found(plural, organization_id),
                  raised(found, api)[0], raised(found, web.replace("&i=", "&j="))[0],
                  raised(found, api.removesuffix(f"/{id}"), organization_id)[0],
                  raised(Task.from_url, web)[0]]
        """
    )
    assert answer == [True, True, True, "ValueError", "ValueError", "IndexError", "AttributeError"]


# --- lists --------------------------------------------------------------------------------------------


async def test_list_costs_one_request_per_task_and_page(deepint):
    """26 tasks on 3 pages are 29 requests, after the two of the workspace; found by name and by id, then spent."""
    deepint.emulator.change_task(deepint.ready["tasks"]["null"], shown={"duration": 0, "progress": 0})
    deepint.emulator.create_tasks(count=22, status="running")
    [job] = deepint.emulator.create_tasks(name="needle", status="running")
    deepint.emulator.fault(page_size=10)
    lines = """
        workspace = Workspace.build(organization_id, workspace_id)
        found = [task.info.task_id for task in workspace.tasks.fetch_all()]
        answer = [workspace.info.name, len(found), len(set(found)), len(list(workspace.tasks.fetch_all()))]
        """
    assert await deepint.run(lines) == ["first", 26, 26, 0]
    assert deepint.emulator.audit()["requests"] == 2 + 29
    answer = await deepint.run(
        """
        workspace = Workspace.build(organization_id, workspace_id)
        answer = [workspace.tasks.fetch(name="needle").info.task_id,
                  workspace.tasks.fetch(task_id=id, force_reload=True).info.task_id,
                  workspace.tasks.fetch(name="nobody"), workspace.tasks.fetch(),
                  raised(lambda: list(workspace.tasks.fetch_by_status(TaskStatus.failed)))[0]]
        """,
        id=job["id"],
    )
    assert answer == [job["id"], job["id"], None, None, "TypeError"]


# --- calls that start a task --------------------------------------------------------------------------


async def test_export_is_awaited_and_downloaded(deepint):
    """The task alone, or the file as well: fetched from its URL without the token."""
    answer = await deepint.run(
        """
        workspace = Workspace.build(organization_id, workspace_id)
        task = workspace.export(wait_for_download=False)
        path = workspace.export(folder_path=folder, task=task)
        again = workspace.export(folder_path=folder)
        answer = [list(task.fetch_result()), path == again, open(path, "rb").read(2).decode()]
        """,
        folder=str(deepint.home),
    )
    assert answer == [["file"], True, "PK"]


async def test_clone_is_awaited(deepint):
    """Its task is found under the new workspace."""
    answer = await deepint.run(
        """
        workspace = Workspace.build(organization_id, workspace_id)
        copies = [workspace.clone("mine"), workspace.clone()]
        answer = [[copy.info.name for copy in copies], copies[0].info.workspace_id == workspace_id]
        """
    )
    assert answer == [["mine", "Copy of first"], False]


async def test_instances_are_updated_and_cleaned(deepint):
    """A DataFrame as multipart, replaced and added to; a condition as the JSON body of a DELETE."""
    answer = await deepint.run(
        """
        import pandas
        source = Source.build(organization_id, workspace_id, source_id)
        rows = pandas.DataFrame({"amount": [1, 2], "name": ["a", "b, c"], "day": ["2024-01-01"] * 2})
        def after(task):
            task.resolve()
            source.load()
            return [task.fetch_result() == {"source": source_id}, source.info.instances]
        answer = [after(source.instances.update(rows)), after(source.instances.update(rows, pk="name")),
                  after(source.instances.update(rows, replace=True)),
                  after(source.instances.clean(where="amount > 1")), after(source.instances.clean())]
        """
    )
    assert answer == [[True, 2], [True, 4], [True, 2], [True, 0], [True, 0]]


# --- what goes wrong ----------------------------------------------------------------------------------


async def test_limit_is_repeated_four_times(deepint):
    """LIMIT for ever: four requests, ten seconds before each repetition; 502 and 504 once, and all is well."""
    deepint.emulator.fault(status=429, on="status")
    assert await deepint.run("answer = [raised(task_of, tasks['failed'])[1], waits]") == ["LIMIT", [10, 10, 10]]
    assert deepint.emulator.audit()["status_requests"] == 4
    deepint.emulator.clear_faults()
    deepint.emulator.fault(status=502, times=1)
    deepint.emulator.fault(status=504, times=1)
    answer = await deepint.run("answer = [task_of(tasks['failed']).info.status.name, waits]")
    assert answer == ["failed", [10, 10]]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 500}, "UNKOWN_ERROR"),
        ({"status": 409}, "CONFLICT"),
        ({"status": 201, "body": {"code": "ODD", "message": "m"}}, "ODD"),
        ({"html": True}, "200"),
        ({"status": 503, "html": True}, "503"),
    ],
)
async def test_other_errors_are_raised_once(deepint, fault, code):
    """Whatever is not 200 with JSON, after ten seconds and one request."""
    deepint.emulator.fault(**fault)
    answer = await deepint.run("answer = [raised(task_of, tasks['failed']), waits]")
    assert answer == [["DeepintHTTPError", code], [10]]


async def test_wrong_token_is_an_error_with_the_servers_code(deepint):
    """401 and its code."""
    answer = await deepint.run("answer = raised(task_of, tasks['failed'])", environment={"DEEPINT_TOKEN": "another"})
    assert answer == ["DeepintHTTPError", "UNAUTHORIZED"]
