"""Where each GraphQL field gets its value: `resolve(source, context, **arguments)`."""

from __future__ import annotations

import base64
import binascii
import operator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import msgspec

from aiotasks.emulators.labelbox.execution import Refusal
from aiotasks.emulators.labelbox.world import EXPORT, UPSERT, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiotasks.emulators.labelbox.files import Files
    from aiotasks.emulators.labelbox.switches import Switches
    from aiotasks.emulators.labelbox.world import Dataset, Job, World

_T = TypeVar("_T")

__all__ = ["RESOLVERS", "Context", "named_ids"]

#: The date of the loop clock's zero: the wall clock has no part in a life that a seed replays.
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_PAGE: Final = 100
_MOST_ROWS: Final = 5_000
#: Types whose error is a JSON text under `result` instead of a file.
_EMBEDDED_ERRORS: Final = frozenset({"add-data-rows-to-batch", "send-to-task-queue", "send-to-annotate"})
_LEGACY_IMPORT: Final = "JSON Import"


@attrs.frozen(eq=False)
class Context:
    """What the resolvers of one request work with."""

    world: World
    files: Files
    switches: Switches
    now: float


@lru_cache(maxsize=2**16)  # an answer repeats most of the dates of the one before
def _date(instant: float) -> str:
    """Milliseconds and Z: the SDK parses nothing else."""
    return datetime.fromtimestamp(_EPOCH + instant, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


# --- who ----------------------------------------------------------------------------------------------

_SELF: Final = object()
_ORGANIZATION: Final = object()


def _user(source: object, context: Context, where: Mapping[str, Any] | None = None) -> object | None:
    return _SELF if where is None or where["id"] == context.world.user else None


def _organization(source: object, context: Context) -> object:
    return _ORGANIZATION


def _always(value: object) -> Callable[..., Any]:
    return lambda source, context: value


# --- tasks --------------------------------------------------------------------------------------------


def named_ids(where: Mapping[str, Any] | None) -> list[str] | None:
    """The ids that a filter names; None for one that names none, the filter of a list."""
    if where is None:
        return None
    if where.get("id") is not None:
        return [where["id"]]
    if where.get("id_in") is not None:
        return list(dict.fromkeys(where["id_in"]))
    inner = [ids for each in where.get("AND") or () if (ids := named_ids(each)) is not None]
    return inner[0] if inner else None


#: How a filter or an order sees a field: dates as seconds.
_VALUES: Final[dict[str, Callable[[Job, float], Any]]] = {
    "id": lambda job, now: job.id,
    "name": lambda job, now: job.name or "",
    "type": lambda job, now: job.type,
    "status": lambda job, now: job.status(now),
    "completionPercentage": lambda job, now: job.progress(now),
    "createdAt": lambda job, now: _EPOCH + job.life.start,
    "updatedAt": lambda job, now: _EPOCH + job.updated(now),
}
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "": operator.eq,
    "not": operator.ne,
    "lt": operator.lt,
    "gt": operator.gt,
    "lte": operator.le,
    "gte": operator.ge,
    "in": lambda value, wanted: value in wanted,
}


def _meets(job: Job, where: Mapping[str, Any], now: float) -> bool:
    for key, wanted in where.items():
        if wanted is None:
            continue
        if key == "AND":
            if not all(_meets(job, each, now) for each in wanted):
                return False
            continue
        field, _, suffix = key.partition("_")
        if not _OPERATORS[suffix](_VALUES[field](job, now), wanted):
            return False
    return True


def _tasks(
    source: object,
    context: Context,
    where: Mapping[str, Any] | None = None,
    skip: int | None = None,
    first: int | None = None,
    orderBy: str | None = None,  # the argument's name in the schema
) -> list[Job | Refusal]:
    """The tasks of a filter, in the order of their creation unless another is asked for.

    Raises `Refusal` if the only task asked for is one that fails; among several it fails alone.
    """
    switches, jobs = context.switches, context.world.jobs
    ids = named_ids(where)
    if ids is not None and len(ids) == 1 and ids[0] in switches.failing:
        raise _failing(context)
    found: Iterable[Job] = jobs.values() if ids is None else (jobs[each] for each in ids if each in jobs)
    if switches.hidden:
        found = (job for job in found if job.id not in switches.hidden)
    # Asked for by ids alone, which is most of the traffic, there is nothing left to filter.
    if where is not None and (ids is None or len(where) > 1 or "AND" in where):
        found = (job for job in found if _meets(job, where, context.now))
    if orderBy is not None:
        field, _, way = orderBy.rpartition("_")
        value = _VALUES[field]
        found = sorted(found, key=lambda job: value(job, context.now), reverse=way == "DESC")
    start = max(skip or 0, 0)
    count = _PAGE if first is None else max(first, 0)
    if switches.max_first is not None:
        count = min(count, switches.max_first)
    page = islice(found, start, start + count)
    if not switches.failing:
        return list(page)
    return [_failing(context) if job.id in switches.failing else job for job in page]


def _failing(context: Context) -> Refusal:
    return Refusal("This task cannot be read now", context.switches.failing_code)


def _task(source: object, context: Context, where: Mapping[str, Any] | None = None) -> Job | None:
    job = None if where is None else context.world.jobs.get(where["id"])
    if job is None or job.id in context.switches.hidden:
        return None
    if job.id in context.switches.failing:
        raise _failing(context)
    return job


def _result(job: Job, context: Context) -> str | None:
    """A URL of a file, or for some failed types the error itself."""
    status = job.status(context.now)
    if status not in {"COMPLETE", "FAILED"}:
        return None
    if job.type in _EMBEDDED_ERRORS:
        return msgspec.json.encode({"error": job.reason}).decode() if status == "FAILED" else None
    if job.name == _LEGACY_IMPORT or job.type == UPSERT:
        return _file(job, context, "error.json" if status == "FAILED" else "created.json")
    return _export_file(job, context, "RESULT")


def _errors(job: Job, context: Context) -> str | None:
    if job.type in _EMBEDDED_ERRORS:
        return _result(job, context)
    return _export_file(job, context, "ERRORS")


def _export_file(job: Job, context: Context, kind: str) -> str | None:
    """The whole stream as one file, for exports that cannot be streamed."""
    if job.type != EXPORT or job.streamable or job.status(context.now) != "COMPLETE":
        return None
    if kind == "ERRORS" and not len(job.bad):
        return None
    return _file(job, context, f"{kind}.ndjson")


def _file(job: Job, context: Context, name: str, **query: Any) -> str:
    return context.files.url(f"{job.id}/{name}", context.switches.file_ttl, **query)


def _shown(field: str, resolve: Callable[[Job, Context], Any]) -> Callable[[Job, Context], Any]:
    """The field's own value, unless a control request fixed what it shows."""

    def show(job: Job, context: Context) -> Any:
        if job.shown is not None and field in job.shown:
            return job.shown[field]
        return resolve(job, context)

    return show


_TASK: Final[dict[str, Callable[[Job, Context], Any]]] = {
    "id": lambda job, context: job.id,
    "name": lambda job, context: job.name,
    "type": lambda job, context: job.type,
    "status": lambda job, context: job.status(context.now),
    "completionPercentage": lambda job, context: job.progress(context.now),
    "createdAt": lambda job, context: _date(job.life.start),
    "updatedAt": lambda job, context: _date(job.updated(context.now)),
    "result": _result,
    "errors": _errors,
    "metadata": lambda job, context: None,
}


# --- export streams -----------------------------------------------------------------------------------


def _header(job: Job, context: Context, streamType: str) -> dict[str, int] | None:
    stream = job.stream(streamType, context.now)
    return None if stream is None else {"totalSize": stream.size, "totalLines": stream.lines}


def _file_from_offset(job: Job, context: Context, streamType: str, offset: int) -> dict[str, Any] | None:
    """The whole file that holds the byte.

    Files are cut by size, so that lines and characters may be split over two.
    """
    stream = job.stream(streamType, context.now)
    if stream is None or offset >= stream.size:
        return None
    size = context.switches.file_bytes
    start = offset // size * size
    stop = min(start + size, stream.size)
    return {
        "offsets": {"start": start, "end": stop - 1},
        "lines": {"start": stream.line_at(start), "end": stream.line_at(stop - 1)},
        "file": _file(job, context, f"{streamType}.ndjson", start=start, stop=stop),
    }


def _file_from_line(job: Job, context: Context, streamType: str, line: int) -> dict[str, Any] | None:
    stream = job.stream(streamType, context.now)
    if stream is None or line >= stream.lines:
        return None
    return _file_from_offset(job, context, streamType, stream.offset_of(line))


# --- pages of imported rows ---------------------------------------------------------------------------


def _cursor(job: Job, kind: str, number: int) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{job.id}:{number}".encode()).decode()


def _position(job: Job, kind: str, cursor: str) -> int:
    """The row a cursor points to. A cursor of another job or list is refused."""
    try:
        of, owner, number = base64.urlsafe_b64decode(cursor).decode().split(":")
        if (of, owner) == (kind, job.id):
            return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise Refusal(f"Invalid cursor: {cursor[:100]!r}", "BAD_USER_INPUT")


def _imports(kind: str, rows: str) -> Callable[..., dict[str, Any]]:
    def page(source: object, context: Context, data: Mapping[str, Any]) -> dict[str, Any]:
        job = context.world.jobs.get(data["taskId"])
        if job is None:
            raise Refusal("Task not found", "RESOURCE_NOT_FOUND")
        source_rows = job.good if kind == "good" else job.bad
        total = job.imported(context.now) if kind == "good" else job.refused(context.now)
        start = _position(job, kind, data["from"]) if data.get("from") else 0
        stop = min(start + min(max(data.get("first") or _PAGE, 1), _MOST_ROWS), total)
        after = _cursor(job, kind, stop) if stop < total else None
        return {rows: source_rows.between(start, stop), "after": after, "total": total}

    return page


# --- datasets, uploads, mutations ---------------------------------------------------------------------


def _dataset(source: object, context: Context, where: Mapping[str, Any]) -> Dataset | None:
    return context.world.datasets.get(where["id"])


def _create_dataset(source: object, context: Context, data: Mapping[str, Any]) -> Dataset:
    return context.world.create_dataset(data["name"], data.get("description"))


def _update_dataset(source: object, context: Context, where: Mapping[str, Any], data: Mapping[str, Any]) -> Dataset:
    dataset = context.world.datasets.get(where["id"])
    if dataset is None:
        raise Refusal("Dataset not found", "RESOURCE_NOT_FOUND")
    dataset.name = data.get("name") or dataset.name
    dataset.description = data.get("description", dataset.description)
    dataset.changed = context.now
    if data.get("deleted"):
        context.world.delete_dataset(dataset)
    return dataset


def _upload(
    source: object,
    context: Context,
    file: object,
    contentLength: int,
    sign: bool | None = None,
) -> dict[str, str]:
    if not isinstance(file, bytes):
        raise Refusal("Upload value invalid.", "BAD_USER_INPUT")
    name = context.world.upload(file)
    return {"url": context.files.url(f"uploads/{name}", context.switches.file_ttl), "filename": name}


class _Manifest(msgspec.Struct):
    item_count: int
    chunk_uris: list[str]


def _uploaded(context: Context, url: str, kind: type[_T]) -> _T:
    """The JSON of an uploaded file. Only ours are read: no foreign host is asked."""
    place = url.partition("?")[0].removeprefix(f"{context.files.base}/files/uploads/")
    try:
        return msgspec.json.decode(context.world.uploads[place], type=kind)
    except (KeyError, msgspec.DecodeError) as error:
        raise Refusal(f"Cannot read {url[:200]!r}: {error}", "MALFORMED_REQUEST") from None


def _upsert(source: object, context: Context, data: Mapping[str, Any]) -> Job:
    manifest = _uploaded(context, data["manifestUri"], _Manifest)
    items = [item for uri in manifest.chunk_uris for item in _uploaded(context, uri, list[Item])]
    if len(items) != manifest.item_count:
        message = f"The manifest announces {manifest.item_count} items, its chunks have {len(items)}"
        raise Refusal(message, "MALFORMED_REQUEST")
    return context.world.upsert(items)


def _export(source: object, context: Context, input: Mapping[str, Any]) -> dict[str, Any]:
    rows = context.world.exported_rows(input.get("filters") or {})
    job = context.world.export(input.get("taskName"), rows, streamable=context.switches.streamable)
    return {"taskId": job.id, "isStreamable": job.streamable}


def _cancel(source: object, context: Context, id: str) -> dict[str, bool]:
    job = context.world.jobs.get(id)
    if job is None:
        raise Refusal("Task not found", "RESOURCE_NOT_FOUND")
    return {"success": context.world.cancel(job)}


RESOLVERS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    "Query": {
        "user": _user,
        "organization": _organization,
        "task": _task,
        "dataset": _dataset,
        "iamIntegrations": lambda source, context: [],
        "cancelableTaskTypes": lambda source, context: [
            "AdvUpsertDataRows",
            "export_data_rows",
            "sendToAnnotate",
        ],
        "successesfulDataRowImports": _imports("good", "nodes"),
        "failedDataRowImports": _imports("bad", "results"),
    },
    "Mutation": {
        "createDataset": _create_dataset,
        "updateDataset": _update_dataset,
        "uploadFile": _upload,
        "upsertDataRows": _upsert,
        "cancelBulkOperationJob": _cancel,
        "exportDataRowsInCatalog": _export,
        "exportDataRowsInProject": _export,
        "exportDataRowsInSlice": _export,
        "exportDataRowsInModelRun": _export,
    },
    "User": {
        "id": lambda source, context: context.world.user,
        "email": _always("ada@example.invalid"),
        # The wire's name is the SDK's nickname, and the reverse.
        "name": _always("ada"),
        "nickname": _always("Ada Lovelace"),
        "picture": _always(None),
        "timezone": _always("UTC"),
        "isExternalUser": _always(False),
        "isViewer": _always(False),
        "lastLoginAt": _always(None),
        "createdAt": _always(_date(0.0)),
        "updatedAt": _always(_date(0.0)),
        "organization": _organization,
        "createdTasks": _tasks,
    },
    "Organization": {
        "id": lambda source, context: context.world.organization,
        "name": _always("Analytical Engines"),
        "createdAt": _always(_date(0.0)),
        "updatedAt": _always(_date(0.0)),
        "tasks": _tasks,
    },
    "Task": {
        **{field: _shown(field, resolve) for field, resolve in _TASK.items()},
        "createdBy": _user,
        "organization": _organization,
        "exportMetadataHeader": _header,
        "exportFileFromOffset": _file_from_offset,
        "exportFileFromLine": _file_from_line,
    },
    "Dataset": {
        "id": lambda dataset, context: dataset.id,
        "name": lambda dataset, context: dataset.name,
        "description": lambda dataset, context: dataset.description,
        "rowCount": lambda dataset, context: len(dataset.rows),
        "createdAt": lambda dataset, context: _date(dataset.created),
        "updatedAt": lambda dataset, context: _date(dataset.changed),
        "createdBy": _user,
        "organization": _organization,
    },
}
