"""What the pretended Deep Intelligence knows: workspaces, sources and jobs. No HTTP here."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import msgspec

from aiotasks.emulators.life import Fates, Life, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["FEATURES", "Change", "Creation", "Job", "Source", "Workspace", "World", "summary"]

_ENDS: Final = frozenset({"success", "failed"})
#: Share of its life that a job is pending.
_PENDING: Final = 0.1
#: Progress moves in so many steps: an answer that tells nothing new is the same bytes, as on a real server.
_STEPS: Final = 10
#: Where the clock of the pretended world begins: the loop's clock starts anywhere.
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()

#: The columns of every source: name and type. The last one is computed, so that it is not to be uploaded.
FEATURES: Final = (("name", "nominal"), ("amount", "numeric"), ("day", "date"), ("length", "numeric"))
_DAY_FORMAT: Final = "YYYY-MM-DD"


def instant(seconds: float) -> str:
    """A moment of the loop's clock as the platform writes it."""
    return datetime.fromtimestamp(_EPOCH + seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a control request moves a job.

    Args:
        status: A word to show from now on. success and failed end the job now; any other word keeps it going
            without an end.
        duration: Seconds from now to its end, or a span to draw them from.
        ends: The word it shows from its end on.
        shown: Fields to show as they stand: `{"progress": null, "result": "..."}`.
    """

    status: str | None = None
    # No limits in the type: a union of a limited float and a tuple crashes the collector under msgspec 0.22.
    duration: float | tuple[float, float] | None = None
    ends: str | None = None
    shown: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuses an impossible duration before anything is changed."""
        if self.duration is not None:
            span(self.duration)


class Creation(Change, kw_only=True, forbid_unknown_fields=True):
    """Jobs that a control request creates; without `status` and `duration` they live as any job does.

    Args:
        count: How many.
        workspace: Id of their workspace; None is the first one.
        name: Their name.
        result: Id or URL of what they make.
        result_type: What that is.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    workspace: str | None = None
    name: str = "task"
    result: str | None = None
    result_type: str | None = None


@attrs.define(eq=False)
class Source:
    """A source and its instances, a list of cells each."""

    id: str
    name: str
    created: float
    instances: list[list[str]] = attrs.Factory(list)

    def shown(self) -> dict[str, Any]:
        """It as an answer has it."""
        moment = instant(self.created)
        return {
            "id": self.id,
            "name": self.name,
            "description": "an emulated source",
            "created": moment,
            "last_modified": moment,
            "last_access": moment,
            "type": "empty",
            "instances": len(self.instances),
            "size_bytes": sum(len(cell) for row in self.instances for cell in row),
            "features": [
                {
                    "index": index,
                    "name": name,
                    "type": type,
                    "indexed": True,
                    "date_format": _DAY_FORMAT if type == "date" else None,
                    "computed": index == len(FEATURES) - 1,
                }
                for index, (name, type) in enumerate(FEATURES)
            ],
        }


@attrs.define(eq=False)
class Workspace:
    """A workspace and its sources by id."""

    id: str
    name: str
    created: float
    sources: dict[str, Source] = attrs.Factory(dict)

    def shown(self) -> dict[str, Any]:
        """It as an answer has it: the SDK needs every number."""
        moment = instant(self.created)
        return {
            "id": self.id,
            "name": self.name,
            "description": "an emulated workspace",
            "created": moment,
            "last_modified": moment,
            "last_access": moment,
            "sources_count": len(self.sources),
            "dashboards_count": 0,
            "visualizations_count": 0,
            "models_count": 0,
            "size_bytes": 0,
        }


@attrs.define(eq=False, kw_only=True)
class Job:
    """A task. What it shows is computed from the clock, or was fixed by a control request."""

    id: str
    workspace: str
    name: str
    life: Life
    result: str | None = None
    result_type: str | None = None
    word: str | None = None
    """The word it shows until its end; None: pending, then running."""
    verdict: str = "success"
    """The word it shows from its end on."""
    fixed: dict[str, Any] | None = None
    """Fields that a control request fixed."""

    def status(self, now: float) -> str:
        """The platform's word for its state."""
        if self.life.is_over(now):
            return self.verdict
        return self.word or ("pending" if self.life.share(now) < _PENDING else "running")

    def shown(self, now: float) -> dict[str, Any]:
        """It as an answer has it."""
        status = self.status(now)
        has_ended, has_failed, has_made = status in _ENDS, status == "failed", status == "success"
        share = math.floor(self.life.share(now) * _STEPS) / _STEPS
        return {
            "id": self.id,
            "user_id": "u-1",
            "user_name": "emulated",
            "created": instant(self.life.start),
            "status": status,
            "duration": self._milliseconds() if has_ended else 0,
            "name": self.name,
            "description": f"an emulated {self.name}",
            "progress": 100 if has_made else round(100 * share),
            "subtask": "queued" if status == "pending" else "working",
            "result": self.result if has_made else None,
            "result_type": self.result_type if has_made else None,
            "error_code": "EMULATED" if has_failed else None,
            "error_description": "the emulator was told so" if has_failed else None,
            **(self.fixed or {}),
        }

    def _milliseconds(self) -> int:
        return 0 if self.life.end is None else round((self.life.end - self.life.start) * 1000)


class World:
    """All that is on the pretended platform, for one organization.

    Args:
        fates: Ids, durations and failures.
        clock: Seconds, monotonic.
    """

    def __init__(self, fates: Fates, clock: Callable[[], float]) -> None:
        self._fates = fates
        self.now = clock
        self.organization = fates.uuid()
        self.jobs: dict[str, Job] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.files: dict[str, bytes] = {}
        self._first = Workspace(fates.uuid(), "first", 0.0)
        self.workspaces[self._first.id] = self._first
        self._first_source = self.create_source(self._first)

    @property
    def workspace(self) -> str:
        """The id of the first workspace."""
        return self._first.id

    @property
    def source(self) -> str:
        """The id of the first source, in the first workspace."""
        return self._first_source.id

    def create_source(self, workspace: Workspace) -> Source:
        """A new, empty source."""
        source = Source(self._fates.uuid(), "source", 0.0)
        workspace.sources[source.id] = source
        return source

    def seed(self) -> dict[str, str]:
        """One task of each kind that clients trip over, by kind. They are as old as the world and stand still."""
        odd: dict[str, dict[str, Any]] = {
            "failed": {"status": "failed"},
            "unknown": {"status": "archived"},
            "null": {
                "status": "success",
                "shown": dict.fromkeys(("created", "duration", "progress", "name", "description", "subtask")),
            },
        }
        seeds = {}
        for kind, change in odd.items():
            [job] = self.make(Creation(name=kind, **change))
            job.life = Life(0.0, None if job.life.end is None else 0.0)
            seeds[kind] = job.id
        return seeds

    # --- jobs

    def start(self, workspace: str, name: str, *, result: str | None = None, result_type: str | None = None) -> Job:
        """A new job."""
        now = self.now()
        duration = self._fates.lifetime()
        job = Job(
            id=self._fates.uuid(),
            workspace=workspace,
            name=name,
            life=Life(now, None if duration is None else now + duration),
            verdict="failed" if self._fates.fails() else "success",
            result=result,
            result_type=result_type,
        )
        self.jobs[job.id] = job
        return job

    def export(self, workspace: Workspace, base: str) -> Job:
        """A job whose result is the URL of a file."""
        name = self._fates.uuid()
        self.files[name] = b"PK\x05\x06" + workspace.id.encode() * 1000
        return self.start(workspace.id, "export", result=f"{base}/files/{name}", result_type="file")

    def clone(self, workspace: Workspace, name: str) -> Job:
        """A job in a workspace of its own: the copy."""
        copy = Workspace(self._fates.uuid(), name, self.now())
        self.workspaces[copy.id] = copy
        return self.start(copy.id, "clone", result=copy.id, result_type="workspace")

    def update(self, workspace: Workspace, source: Source, rows: Sequence[list[str]], *, replace: bool) -> Job:
        """A job that adds instances to a source, or replaces them; done at once, whatever the job says."""
        source.instances = [*([] if replace else source.instances), *rows]
        return self.start(workspace.id, "update instances", result=source.id, result_type="source")

    def clean(self, workspace: Workspace, source: Source) -> Job:
        """A job that removes instances of a source: all of them, whatever the condition."""
        source.instances = []
        return self.start(workspace.id, "clean instances", result=source.id, result_type="source")

    def listed(self, workspace: str) -> list[Job]:
        """The jobs of a workspace, the newest first: a new one shifts all the others."""
        return [job for job in reversed(self.jobs.values()) if job.workspace == workspace]

    # --- control

    def make(self, spec: Creation) -> list[Job]:
        """The jobs that a control request describes. Raises `ValueError` for an unknown workspace."""
        workspace = spec.workspace or self.workspace
        if workspace not in self.workspaces:
            raise ValueError(f"workspace: no workspace {workspace!r}")
        made = []
        for _ in range(spec.count):
            job = self.start(workspace, spec.name, result=spec.result, result_type=spec.result_type)
            self.move(job, spec)
            made.append(job)
        return made

    def move(self, job: Job, change: Change) -> None:
        """Moves a job as a control request says."""
        now = self.now()
        if change.ends is not None:
            job.verdict = change.ends
        if change.status in _ENDS:
            job.verdict, job.life = change.status, Life(job.life.start, now)
        elif change.status is not None:
            job.word, job.life = change.status, Life(job.life.start, None)
        if change.duration is not None:
            job.life = Life(now, now + self._fates.seconds(change.duration))
        if change.shown:
            job.fixed = {**(job.fixed or {}), **change.shown}


def summary(job: Job, now: float) -> Mapping[str, Any]:
    """A job as a control request tells of it."""
    return {"id": job.id, "status": job.status(now), "start": job.life.start, "end": job.life.end}
