"""The requests that the pretended isahit lab answers, one function each: from a call to the JSON of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks.emulators.isahitlab.documents import document
from aiotasks.emulators.isahitlab.listing import paged, tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

    from aiotasks.emulators.isahitlab.switches import Switches
    from aiotasks.emulators.isahitlab.world import Batch, Project, Task, World

__all__ = ["ROUTES", "Call", "Refusal", "Route"]

#: Most names in one question for duplicates, most ids in one change of properties: what the SDK keeps to.
_MOST_NAMES: Final = 500
_MOST_IDS: Final = 200


class Refusal(Exception):  # an answer, not a fault of ours
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, Any]:
        """The answer's JSON. `errorCode` is the one key that the SDK knows."""
        return {"statusCode": self.status, "errorCode": self.code, "message": str(self)}


@attrs.frozen
class Call:
    """One request, taken apart."""

    world: World
    switches: Switches
    ids: Mapping[str, str]
    """Those in the path."""
    query: MultiMapping[str]
    json: dict[str, Any]
    form: dict[str, Any]

    def number(self, name: str, default: int) -> int:
        """A positive whole number of the query."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or int(text) < 1:
            raise Refusal(400, f"{name} must be a positive number")
        return int(text)

    def field(self, name: str, kind: type[Any]) -> Any:
        """A field of the body that must be there."""
        value = self.json.get(name)
        if not isinstance(value, kind):
            raise Refusal(400, f"{name} must be a {kind.__name__}")
        return value

    def project(self, id: str | None) -> Project:
        """The project of that id."""
        project = self.world.projects.get(id or "")
        if project is None:
            raise Refusal(404, "Project not found")
        return project

    def batch(self, id: str) -> Batch:
        """The batch of that id: see the switch `any_batch`."""
        batch = self.world.batches.get(id)
        if batch is None and self.switches.any_batch and self.world.current is not None:
            batch = self.world.create_batch(self.world.current, id, id)
        if batch is None:
            raise Refusal(404, "Batch not found")
        return batch

    def task(self) -> Task:
        """The task in the path, of the project in the query."""
        id = self.ids["task"]
        task = self.world.tasks.get(id)
        if task is None or id in self.switches.hidden or task.project.id != self.query.get("projectId"):
            raise Refusal(404, "Task not found")
        return task


# --- reading ---------------------------------------------------------------------------------------------


def _page(call: Call, rows: list[Any], default: int) -> dict[str, Any]:
    page, limit = call.number("page", 1), call.number("limit", default)
    if call.query.get("pagination") == "false":
        page, limit = 1, max(1, len(rows))
    if call.switches.page_limit is not None:
        limit = min(limit, call.switches.page_limit)
    return paged(rows, page, limit)


def _tasks(call: Call) -> dict[str, Any]:
    if not call.switches.poisoned.isdisjoint(call.query.getall("taskIds", [])):
        raise Refusal(400, "each value in taskIds must be a mongodb id")
    try:
        found = tasks_of(call.world, call.query, call.switches.hidden)
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    now, fields = call.world.now(), frozenset(call.query.getall("optionalFields", []))
    page = _page(call, found, 100)
    return page | {"docs": [document(task, now, fields) for task in page["docs"]]}


def _projects(call: Call) -> dict[str, Any]:
    ids = call.query.getall("ids", [])
    found = [project for project in call.world.projects.values() if not ids or project.id in ids]
    page = _page(call, found, 10)
    return page | {"docs": [{"_id": each.id, "name": each.type, "type": each.type} for each in page["docs"]]}


def _configuration(call: Call) -> dict[str, Any]:
    call.world.current = project = call.project(call.ids["project"])
    return project.configuration


# --- creating --------------------------------------------------------------------------------------------


def _create_batch(call: Call) -> dict[str, Any]:
    batch = call.world.create_batch(call.project(call.json.get("projectId")), call.field("name", str))
    return {"_id": batch.id, "name": batch.name, "projectId": batch.project.id}


def _duplicates(call: Call) -> dict[str, Any]:
    names, batch = call.field("names", list), call.batch(call.ids["batch"])
    if len(names) > _MOST_NAMES:
        raise Refusal(400, f"names must contain no more than {_MOST_NAMES} elements")
    return {"duplicate": [name for name in names if name in batch.names]}


def _upload(call: Call) -> dict[str, Any]:
    call.batch(call.form.get("batchId", ""))
    file = call.form.get("file")
    if not isinstance(file, tuple) or not call.form.get("path"):
        raise Refusal(400, "file and path should not be empty")
    name, content = file
    return {"_id": call.world.keep_file(name, content), "name": name}


def _grant(call: Call) -> dict[str, Any]:
    if not call.world.files.keys() >= set(call.field("ids", list)):
        raise Refusal(404, "File not found")
    return {"accessToken": call.world.grant()}


def _import(call: Call) -> dict[str, Any]:
    call.batch(call.field("batchId", str))
    body = dict(call.field("body", dict))
    body.pop("__project_configuration_overwrite__", None)
    return {"initialDataId": call.world.keep_data(body), "accessToken": call.world.grant()}


def _create(call: Call) -> dict[str, Any]:
    world, json = call.world, call.json
    batch, name, resources = call.batch(call.ids["batch"]), call.field("name", str), call.field("resources", list)
    data_id = json.get("dataId")
    if data_id is not None and (data_id not in world.data or json.get("grantData") not in world.grants):
        raise Refusal(403, "The data is not granted")
    if any(isinstance(each, dict) for each in resources) and json.get("grantResources") not in world.grants:
        raise Refusal(403, "The resources are not granted")
    task = world.create_task(
        batch,
        name,
        resources=resources,
        properties=json.get("properties"),
        initial=world.data.get(data_id) if data_id else None,
    )
    return document(task, world.now())


# --- changing --------------------------------------------------------------------------------------------


def _properties(call: Call) -> dict[str, Any]:
    project, ids = call.project(call.ids["project"]), call.field("taskIds", list)
    if len(ids) > _MOST_IDS:
        raise Refusal(400, f"taskIds must contain no more than {_MOST_IDS} elements")
    known = [task for id in ids if (task := call.world.tasks.get(id)) is not None and task.project is project]
    changes = {name: value for name, value in call.json.items() if name != "taskIds"}
    for task in known:
        task.properties = {**(task.properties or {}), **changes}
        task.changed = call.world.now()
    return {"updated": len(known)}


def _redo(call: Call) -> dict[str, Any]:
    task = call.task()
    call.world.redo(task, keeps=call.query.get("keepState") != "false")
    return document(task, call.world.now())


def _review(call: Call) -> dict[str, Any]:
    task = call.task()
    call.world.review(task)
    return document(task, call.world.now())


def _nothing(call: Call) -> dict[str, Any]:
    raise AssertionError("unreachable: the emulator logs in itself")


@attrs.frozen
class Route:
    """Where a request is found, and what answers it."""

    method: str
    path: str
    answer: Callable[[Call], dict[str, Any]]


ROUTES: Final = {
    "login": Route("POST", "api/user-manager/auth/login", _nothing),
    "tasks": Route("GET", "api/task-manager/tasks", _tasks),
    "projects": Route("GET", "api/project-manager/projects", _projects),
    "configuration": Route(
        "GET", "api/project-configuration-manager/projects/{project}/project-configuration", _configuration
    ),
    "batch": Route("POST", "api/task-manager/batches", _create_batch),
    "duplicates": Route("PATCH", "api/task-manager/batches/{batch}/tasks-duplicate", _duplicates),
    "upload": Route("POST", "api/file-manager/files", _upload),
    "grant": Route("POST", "api/file-manager/grant/files", _grant),
    "import": Route("POST", "api/data-manager/import-data/json", _import),
    "create": Route("POST", "api/task-manager/batches/{batch}/tasks", _create),
    "properties": Route("PATCH", "api/task-manager/projects/{project}/tasks/properties", _properties),
    "redo": Route("PATCH", "api/task-manager/tasks/{task}/reset", _redo),
    "review": Route("PATCH", "api/task-manager/tasks/{task}/to-review", _review),
}
