"""What the pretended Labelbox knows: datasets, data rows, uploads and jobs. No HTTP and no GraphQL here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import attrs
import msgspec

from aiotasks.emulators.labelbox.rows import (
    Lines,
    LineStream,
    MadeLines,
    Rows,
    export_error,
    export_row,
    failed_row,
    row,
)
from aiotasks.emulators.life import Fates, Life, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

__all__ = ["EXPORT", "UPSERT", "Change", "Creation", "Dataset", "Item", "Job", "World"]

UPSERT: Final = "adv-upsert-data-rows"
EXPORT: Final = "export-data-rows"

#: What is kept of a data row, by the names of answers.
_STORED: Final = ("externalId", "globalKey", "rowData")
_RUNNING: Final = "IN_PROGRESS"
_ENDS: Final = frozenset({"COMPLETE", "FAILED", "CANCELED"})
#: Seconds a job is CANCELLING before it is CANCELED, at most.
_CANCELLING: Final = 1.0
#: Progress moves in so many steps: an answer that tells nothing new is the same bytes, as on a real server.
_STEPS: Final = 10


class Identity(msgspec.Struct):
    """Which data row an item means: AUTO a new one, ID or GKEY the one with this id or global key."""

    type: Literal["AUTO", "ID", "GKEY"]
    value: str


class Payload(msgspec.Struct):
    """What an item says of its data row; names that are not here are ignored."""

    dataset_id: str = ""
    external_id: str | None = None
    global_key: str | None = None
    row_data: Any = None
    metadata_fields: list[dict[str, Any]] | None = None
    attachments: list[dict[str, Any]] | None = None


class Item(msgspec.Struct):
    """One row of an uploaded chunk."""

    id: Identity
    payload: Payload


class Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a control request moves a job.

    Args:
        status: A word to show from now on. COMPLETE, FAILED and CANCELED end the job now; any other word
            keeps it going without an end.
        duration: Seconds from now to its end, or a span to draw them from.
        ends: The word it shows from its end on.
        progress: What to show as completion percentage, whatever it is.
        shown: Other fields to show as they stand: `{"result": "...", "createdAt": null}`.
    """

    status: str | None = None
    # No limits in the type: a union of a limited float and a tuple crashes the collector under msgspec 0.22.
    duration: float | tuple[float, float] | None = None
    ends: str | None = None
    progress: Any = None
    shown: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuses an impossible duration before anything is changed."""
        if self.duration is not None:
            span(self.duration)


class Creation(Change, kw_only=True, forbid_unknown_fields=True):
    """Jobs that a control request creates; without `status` and `duration` they live as any job does.

    Args:
        count: How many.
        type: Their type.
        name: Their name; `JSON Import` makes them imports of the older kind.
        rows: Good rows of their results, made up by number.
        failed_rows: Rows they refused.
        legacy: Of an export: no streams, but one file under `result`.
        reason: Why a failed job failed, and a failed row too.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    type: str = UPSERT
    name: str | None = None
    rows: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    failed_rows: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    legacy: bool = False
    reason: str = "Refused: the emulator was told so"


@attrs.define(eq=False)
class Dataset:
    """A dataset and its data rows by id."""

    id: str
    name: str
    description: str | None
    created: float
    changed: float
    rows: dict[str, dict[str, Any]] = attrs.Factory(dict)


@attrs.define(eq=False, kw_only=True)
class Job:
    """A job. What it shows is computed from the clock, or was fixed by a control request."""

    id: str
    name: str | None
    type: str
    life: Life
    running: str = _RUNNING
    """The word it shows until its end."""
    verdict: str = "COMPLETE"
    """The word it shows from its end on."""
    good: Rows = attrs.Factory(Rows)
    bad: Rows = attrs.Factory(Rows)
    streamable: bool = True
    """Of an export: read as a file stream, or as one file under `result` as older servers wrote it."""
    reason: str = "Task failed: the emulator was told so"
    """Of a failed job: its error."""
    shown: dict[str, Any] | None = None
    """Wire fields that a control request fixed."""
    changed: float = -math.inf
    """When a control request changed it last."""
    stuck: float | None = None
    """Of a cancelled job: its progress from then on."""
    _streams: dict[str, LineStream] = attrs.field(factory=dict, init=False)

    def status(self, now: float) -> str:
        """The platform's word for its state."""
        return self.verdict if self.life.is_over(now) else self.running

    def progress(self, now: float) -> float:
        """Percentage, in steps; 100 only for a complete job."""
        if self.life.is_over(now) and self.verdict == "COMPLETE":
            return 100.0
        if self.stuck is not None:
            return self.stuck
        step = min(int(self.life.share(now) * _STEPS), _STEPS - 1)
        return step * 100.0 / _STEPS

    def updated(self, now: float) -> float:
        """When it showed something new last."""
        life = self.life
        if life.end is None:
            return max(life.start, self.changed)
        step = int(life.share(now) * _STEPS)
        return max(life.start + step / _STEPS * (life.end - life.start), self.changed)

    def imported(self, now: float) -> int:
        """How many good rows can be read now: they appear as the job moves on, and none of a failed job."""
        status = self.status(now)
        if status == "FAILED":
            return 0
        return len(self.good) if status == "COMPLETE" else int(len(self.good) * self.progress(now) / 100)

    def refused(self, now: float) -> int:
        """How many bad rows can be read now."""
        if self.life.is_over(now):
            return len(self.bad)
        return int(len(self.bad) * self.progress(now) / 100)

    def stream(self, kind: str, now: float) -> LineStream | None:
        """An export's stream, `RESULT` or `ERRORS`; None before it is complete, and for one without lines."""
        rows, shape = (self.good, export_row) if kind == "RESULT" else (self.bad, export_error)
        if self.type != EXPORT or self.status(now) != "COMPLETE" or not len(rows):
            return None
        if kind not in self._streams:
            self._streams[kind] = (Lines if rows.stored else MadeLines)(rows, shape)
        return self._streams[kind]


class World:
    """All that is on the pretended platform, for one user of one organization.

    Args:
        fates: Ids, durations and failures.
        clock: Seconds, monotonic.
    """

    def __init__(self, fates: Fates, clock: Callable[[], float]) -> None:
        self._fates = fates
        self.now = clock
        self.user = fates.identifier()
        self.organization = fates.identifier()
        self.jobs: dict[str, Job] = {}
        self.datasets: dict[str, Dataset] = {}
        self.uploads: dict[str, bytes] = {}
        self._keys: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, dict[str, Any]] = {}

    # --- datasets and uploads

    def create_dataset(self, name: str, description: str | None = None) -> Dataset:
        """A new, empty dataset."""
        now = self.now()
        dataset = Dataset(self._fates.identifier(), name, description, now, now)
        self.datasets[dataset.id] = dataset
        return dataset

    def delete_dataset(self, dataset: Dataset) -> None:
        """Takes a dataset away, and with it its rows and their global keys."""
        del self.datasets[dataset.id]
        for data_row in dataset.rows.values():
            del self._rows[data_row["id"]]
            if data_row["globalKey"] is not None:
                del self._keys[data_row["globalKey"]]

    def upload(self, content: bytes) -> str:
        """Keeps a file and gives its id."""
        name = self._fates.identifier()
        self.uploads[name] = content
        return name

    # --- jobs

    def _job(self, **values: Any) -> Job:
        now = self.now()
        duration = self._fates.lifetime()
        fails = self._fates.fails()
        job = Job(
            id=self._fates.identifier(),
            life=Life(now, None if duration is None else now + duration),
            verdict="FAILED" if fails else "COMPLETE",
            **values,
        )
        self.jobs[job.id] = job
        return job

    def upsert(self, items: Sequence[Item]) -> Job:
        """Starts a job that creates and updates data rows.

        A row that is refused fails alone, as on Labelbox: a global key in use, no row data, an id or dataset
        that does not exist. The job completes all the same. If the job is one that fails, no row is created
        and all of them are listed as failed.
        """
        job = self._job(name=None, type=UPSERT)
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for item in items:
            spec = _spec(item.payload)
            if job.verdict == "FAILED":
                bad.append(failed_row(job.reason, spec))
                continue
            try:
                good.append(dict(self._upserted(item, spec)))  # as it is now, whatever becomes of it
            except ValueError as error:
                bad.append(failed_row(str(error), spec))
        job.good, job.bad = Rows(good), Rows(bad)
        return job

    def _upserted(self, item: Item, spec: dict[str, Any]) -> dict[str, Any]:
        """The row as it is stored. Raises `ValueError` for one that is refused."""
        identity = item.id
        if identity.type == "ID":
            if identity.value not in self._rows:
                raise ValueError(f"Data row with id '{identity.value}' not found")
            return self._updated(self._rows[identity.value], spec)
        if identity.type == "GKEY":
            spec["globalKey"] = spec["globalKey"] or identity.value
            if identity.value in self._keys:
                return self._updated(self._keys[identity.value], spec)
        dataset = self.datasets.get(item.payload.dataset_id)
        if dataset is None:
            raise ValueError("Dataset not found")
        if spec["rowData"] in (None, ""):
            raise ValueError("Data row has no row_data")
        if spec["globalKey"] in self._keys:
            raise ValueError(f"Duplicate global key: '{spec['globalKey']}'")
        data_row = {"id": self._fates.identifier(), **{name: spec[name] for name in _STORED}}
        dataset.rows[data_row["id"]] = self._rows[data_row["id"]] = data_row
        if data_row["globalKey"] is not None:
            self._keys[data_row["globalKey"]] = data_row
        return data_row

    def _updated(self, data_row: dict[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
        new_key = spec["globalKey"]
        if new_key is not None and new_key != data_row["globalKey"]:
            if new_key in self._keys:
                raise ValueError(f"Duplicate global key: '{new_key}'")
            self._keys.pop(data_row["globalKey"], None)
            self._keys[new_key] = data_row
        data_row.update({name: spec[name] for name in _STORED if spec[name] is not None})
        return data_row

    def export(self, name: str | None, rows: Sequence[dict[str, Any]], *, streamable: bool) -> Job:
        """Starts a job that exports data rows."""
        return self._job(name=name, type=EXPORT, good=Rows(rows), streamable=streamable)

    def exported_rows(self, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The data rows that the filters of an export choose.

        Terms on dates, batches, workflow and the like choose all.
        """
        chosen: Iterator[dict[str, Any]] = iter(self._rows.values())
        for term in (filters.get("searchQuery") or {}).get("query") or ():
            wanted = frozenset(term.get("ids") or ())
            if term.get("type") == "dataset":
                in_datasets = {
                    row_id for each in wanted if each in self.datasets for row_id in self.datasets[each].rows
                }
                chosen = filter(_chooser("id", in_datasets), chosen)
            elif term.get("type") == "data_row_id":
                chosen = filter(_chooser("id", wanted), chosen)
            elif term.get("type") == "global_key":
                chosen = filter(_chooser("globalKey", wanted), chosen)
        return list(chosen)

    def cancel(self, job: Job) -> bool:
        """Cancels a running job: CANCELLING for a moment, then CANCELED; a frozen one stays CANCELLING.

        Returns:
            False for one that does not run any more.
        """
        now = self.now()
        if job.life.is_over(now) or job.running != _RUNNING:
            return False
        job.stuck = job.progress(now)
        job.running, job.verdict, job.changed = "CANCELLING", "CANCELED", now
        if job.life.end is not None:
            job.life.end = min(job.life.end, now + _CANCELLING)
        return True

    # --- control

    def make(self, spec: Creation) -> list[Job]:
        """The jobs that a control request describes."""
        return [self._made(spec) for _ in range(spec.count)]

    def _made(self, spec: Creation) -> Job:
        job = self._job(name=spec.name, type=spec.type, streamable=not spec.legacy, reason=spec.reason)
        job.good = Rows((), spec.rows, lambda number: row(job.id, number))
        job.bad = Rows((), spec.failed_rows, lambda number: failed_row(spec.reason, row(job.id, number)))
        self.move(job, spec)
        return job

    def move(self, job: Job, change: Change) -> None:
        """Moves a job as a control request says."""
        now = self.now()
        job.changed = now
        if change.ends is not None:
            job.verdict = change.ends
        if change.status in _ENDS:
            job.verdict, job.life = change.status, Life(job.life.start, now)
        elif change.status is not None:
            job.running, job.life, job.stuck = change.status, Life(job.life.start, None), None
        if change.duration is not None:
            job.life = Life(now, now + self._fates.seconds(change.duration))
        shown = dict(change.shown)
        if change.progress is not None:
            shown["completionPercentage"] = change.progress
        if shown:
            job.shown = {**(job.shown or {}), **shown}


def _chooser(name: str, wanted: Collection[str]) -> Callable[[Mapping[str, Any]], bool]:
    return lambda data_row: data_row[name] in wanted


def _spec(payload: Payload) -> dict[str, Any]:
    """A row as it was asked for: the payload is in snake case, answers are in camel case."""
    metadata = [
        {"schemaId": each.get("schema_id"), "value": each.get("value"), "name": each.get("name")}
        for each in payload.metadata_fields or ()
    ]
    attachments = [{name: each.get(name) for name in ("type", "value", "name")} for each in payload.attachments or ()]
    return {
        "externalId": payload.external_id,
        "globalKey": payload.global_key,
        "rowData": payload.row_data,
        "metadata": metadata or None,
        "attachments": attachments or None,
    }
