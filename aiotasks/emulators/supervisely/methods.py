"""What each wire method takes and answers. A body that is not of its shape is refused with 400."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import attrs
import msgspec

from aiotasks.emulators.supervisely import apps, files, listing
from aiotasks.emulators.supervisely.world import Refusal, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotasks.emulators.supervisely.switches import Switches
    from aiotasks.emulators.supervisely.world import World

__all__ = ["METHODS", "Method", "asked_ids"]

_Id: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
_OK: Final = {"success": True}


class _ById(msgspec.Struct):
    id: _Id


class _ByTask(msgspec.Struct, rename="camel"):
    task_id: _Id


class _StatusUpdate(msgspec.Struct):
    id: _Id
    status: Status


class _Field(msgspec.Struct):
    field: str
    payload: Any
    append: bool = False
    recursive: bool = False


class _FieldsSet(msgspec.Struct, rename="camel"):
    task_id: _Id
    fields: list[_Field]


class _FieldsGet(msgspec.Struct, rename="camel"):
    task_id: _Id
    fields: list[str]


class _AppData(msgspec.Struct, rename="camel"):
    task_id: _Id
    payload: dict[str, Any]


class _Output(msgspec.Struct, rename="camel"):
    task_id: _Id
    output: dict[str, Any]


class _Logs(msgspec.Struct):
    logs: list[dict[str, Any]]


class _LogsAsked(msgspec.Struct, rename="camel"):
    id: _Id
    since_time: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None


# --- what is known of a task --------------------------------------------------------------------------


def _info(world: World, switches: Switches, asked: _ById) -> Any:
    return world.info(apps.found(world, switches, asked.id))


def _context(world: World, switches: Switches, asked: _ById) -> Any:
    job = apps.found(world, switches, asked.id)
    workspace = {"id": job.workspace_id, "name": world.workspaces[job.workspace_id]}
    return {"team": {"id": world.team_id, "name": "Team"}, "workspace": workspace}


def _update_status(world: World, switches: Switches, asked: _StatusUpdate) -> Any:
    apps.found(world, switches, asked.id).hold(asked.status, world.now())
    return _OK


def _update_meta(world: World, switches: Switches, asked: dict[str, Any]) -> Any:
    job = apps.found(world, switches, msgspec.convert(asked, _ById).id)
    job.meta = job.meta | {name: value for name, value in asked.items() if name != "id"}
    return _OK


def _set_output(world: World, switches: Switches, asked: _Output) -> Any:
    job = apps.found(world, switches, asked.task_id)
    kinds = {"general", "project", "experiment", "model"}
    if len(asked.output) != 1 or not asked.output.keys() <= kinds:
        raise Refusal(400, f'"output" must contain one of {sorted(kinds)}')
    job.meta = job.meta | {"output": asked.output}
    return _OK


def _metrics(world: World, switches: Switches, asked: _ByTask) -> Any:
    job = apps.found(world, switches, asked.task_id)
    if job.type != "train":
        raise Refusal(404, f"Task {job.id} has no metrics")
    return {"loss": [checkpoint["loss"] for checkpoint in job.checkpoints]}


# --- fields and logs ------------------------------------------------------------------------------------


def _set_fields(world: World, switches: Switches, asked: _FieldsSet) -> Any:
    job = apps.found(world, switches, asked.task_id)
    for each in asked.fields:
        *path, last = each.field.split(".")
        holder = job.data
        for name in path:
            holder = holder.setdefault(name, {})
        holder[last] = _appended(holder.get(last), each) if each.append else each.payload
    return _OK


def _appended(old: Any, new: _Field) -> Any:
    if isinstance(old, list) and isinstance(new.payload, list):
        return old + new.payload
    if isinstance(old, dict) and isinstance(new.payload, dict):
        return _merged(old, new.payload, recursive=new.recursive)
    return new.payload


def _merged(old: dict[str, Any], new: dict[str, Any], *, recursive: bool) -> dict[str, Any]:
    merged = old | new
    for name in old.keys() & new.keys() if recursive else ():
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            merged[name] = _merged(old[name], new[name], recursive=True)
    return merged


def _get_fields(world: World, switches: Switches, asked: _FieldsGet) -> Any:
    job = apps.found(world, switches, asked.task_id)
    return {"result": {field: _at(job.data, field.split(".")) for field in asked.fields}}


def _at(data: Any, path: list[str]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _set_app_data(world: World, switches: Switches, asked: _AppData) -> Any:
    apps.found(world, switches, asked.task_id).data["app"] = asked.payload
    return _OK


def _add_logs(world: World, switches: Switches, asked: _Logs) -> Any:
    for entry in asked.logs:  # an entry without a task that exists is dropped
        job = world.jobs.get(entry.get("task_id", 0))
        if job is not None:
            job.logs.append(entry)
    return _OK


def _logs(world: World, switches: Switches, asked: _LogsAsked) -> Any:
    logs = apps.found(world, switches, asked.id).logs
    return [entry for entry in logs if entry.get("timestamp", "") >= (asked.since_time or "")][: asked.limit]


# --- checkpoints ----------------------------------------------------------------------------------------


def _checkpoints(world: World, switches: Switches, asked: _ById) -> Any:
    return apps.found(world, switches, asked.id).checkpoints


def _clear_checkpoints(world: World, switches: Switches, asked: _ById) -> Any:
    job = apps.found(world, switches, asked.id)
    job.checkpoints = job.checkpoints[-1:]
    return _OK


# --- the table ------------------------------------------------------------------------------------------


@attrs.frozen
class Method:
    """One wire method: the shape of its body, and what carries it out."""

    shape: Any
    run: Callable[[World, Switches, Any], Any]
    #: Whether it asks for the status of tasks.
    is_status: bool = False


METHODS: Final[Mapping[str, Method]] = {
    "instance.version": Method(dict, lambda *_: {"version": "6.99.0"}),
    "tasks.list": Method(listing.Tasks, listing.tasks, is_status=True),
    "apps.tasks.list": Method(listing.AppTasks, listing.app_tasks, is_status=True),
    "tasks.info": Method(_ById, _info, is_status=True),
    "GetTaskContext": Method(_ById, _context),
    "tasks.status.update": Method(_StatusUpdate, _update_status),
    "tasks.meta.update": Method(dict, _update_meta),
    "tasks.output.set": Method(_Output, _set_output),
    "tasks.train-metrics": Method(_ByTask, _metrics),
    "tasks.data.set": Method(_FieldsSet, _set_fields),
    "tasks.data.get": Method(_FieldsGet, _get_fields),
    "tasks.app-v2.data.set": Method(_AppData, _set_app_data),
    "tasks.logs.add": Method(_Logs, _add_logs),
    "tasks.log.download": Method(_LogsAsked, _logs),
    "tasks.checkpoints.list": Method(_ById, _checkpoints),
    "tasks.checkpoints.clear": Method(_ById, _clear_checkpoints),
    "tasks.run.app": Method(apps.RunApp, apps.run_app),
    "tasks.run.plugin": Method(apps.RunPlugin, apps.run_plugin),
    "tasks.run.deploy": Method(apps.RunDeploy, apps.run_deploy),
    "tasks.run.dtl": Method(apps.RunInWorkspace, apps.run_dtl),
    "tasks.run.python": Method(apps.RunInWorkspace, apps.run_python),
    "tasks.stop": Method(_ById, apps.stop),
    "tasks.request.direct": Method(apps.AppRequest, apps.answer),
    "models.info": Method(_ById, apps.model),
    "models.info.deployed": Method(_ById, apps.deployed),
    "projects.info": Method(_ById, files.project),
    "file-storage.info": Method(_ById, files.stored_file),
    "images.internal.hashes.list": Method(list[str], files.known_hashes),
    "tasks.files.bulk.add-by-hash": Method(files.AddByHash, files.add_by_hash),
    "tasks.files.bulk.upload": Method(files.Uploads, files.upload),
    "tasks.upload.dtl_archive": Method(files.Archive, files.upload_archive),
    "tasks.import.files_list": Method(_ById, files.names),
    "tasks.import.download_file": Method(files.Download, files.download),
}


def asked_ids(asked: Any) -> list[int] | None:
    """The ids that a status request names; None when it asks for a page of a list."""
    return [asked.id] if isinstance(asked, _ById) else listing.named_ids(asked.filter)
