"""Methods that take or give files, and what is said of files and projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from aiotasks.emulators.supervisely import apps
from aiotasks.emulators.supervisely.world import Refusal, iso

if TYPE_CHECKING:
    from aiotasks.emulators.supervisely.switches import Switches
    from aiotasks.emulators.supervisely.world import World

__all__ = [
    "AddByHash",
    "Archive",
    "Download",
    "Uploads",
    "add_by_hash",
    "download",
    "known_hashes",
    "names",
    "project",
    "stored_file",
    "upload",
    "upload_archive",
]

_Id = Annotated[int, msgspec.Meta(ge=1)]
_OK: Final = {"success": True}


class _Named(msgspec.Struct):
    name: str
    hash: str


class AddByHash(msgspec.Struct, rename="camel"):
    """`tasks.files.bulk.add-by-hash`."""

    task_id: _Id
    files: list[_Named]


class Upload(msgspec.Struct):
    """One uploaded file and what its client says of it."""

    fullpath: str
    hash: str
    content: bytes = b""


class Uploads(msgspec.Struct, rename="camel"):
    """`tasks.files.bulk.upload`: the form, put in order. The task is known from a header alone."""

    task_id: int | None
    files: list[Upload]


class Archive(msgspec.Struct):
    """`tasks.upload.dtl_archive`."""

    id: Annotated[int, msgspec.Meta(ge=1)]
    name: str
    archive: bytes


class Download(msgspec.Struct):
    """`tasks.import.download_file`."""

    id: _Id
    filename: str


def known_hashes(world: World, _: Switches, asked: list[str]) -> Any:
    """Those hashes whose contents are here already."""
    return [each for each in asked if each in world.contents]


def add_by_hash(world: World, switches: Switches, asked: AddByHash) -> Any:
    """Files of contents that are here already."""
    job = apps.found(world, switches, asked.task_id)
    for each in asked.files:
        if each.hash not in world.contents:
            raise Refusal(400, f"Hash {each.hash} not found")
        job.files[each.name] = each.hash
    return _OK


def upload(world: World, switches: Switches, asked: Uploads) -> Any:
    """Contents, and files of the task if one is named."""
    job = None if asked.task_id is None else apps.found(world, switches, asked.task_id)
    for each in asked.files:
        if world.keep(each.content) != each.hash:
            raise Refusal(400, f"The hash of {each.fullpath} does not match its content")
        if job is not None:
            job.files[each.fullpath] = each.hash
    return _OK


def upload_archive(world: World, switches: Switches, asked: Archive) -> Any:
    """An archive of a transformation."""
    job = apps.found(world, switches, asked.id)
    job.files[asked.name] = world.keep(asked.archive)
    return _OK


def names(world: World, switches: Switches, asked: Any) -> Any:
    """Names of a task's files."""
    return list(apps.found(world, switches, asked.id).files)


def download(world: World, switches: Switches, asked: Download) -> bytes:
    """The content of a task's file."""
    job = apps.found(world, switches, asked.id)
    if asked.filename not in job.files:
        raise Refusal(404, f"File {asked.filename!r} not found")
    return world.contents[job.files[asked.filename]]


def project(world: World, _: Switches, asked: Any) -> Any:
    """Every id is a project's."""
    preview = f"/previews/{asked.id}.png"
    return {
        "id": asked.id,
        "name": f"Project {asked.id}",
        "workspaceId": world.workspace_id,
        "referenceImageUrl": preview,
    }


def stored_file(world: World, _: Switches, asked: Any) -> Any:
    """Every id is a file's."""
    path = f"/files/{asked.id}.bin"
    return {
        "id": asked.id,
        "teamId": world.team_id,
        "userId": world.user_id,
        "name": f"{asked.id}.bin",
        "hash": "",
        "path": path,
        "storagePath": f"/storage{path}",
        "mime": "application/octet-stream",
        "ext": "bin",
        "sizeb": 1,
        "createdAt": iso(0),
        "updatedAt": iso(0),
        "fullStorageUrl": f"https://storage.invalid{path}",
        "isDir": False,
        "meta": {},
    }
