"""What the pretended Supervisely knows: one team, its workspaces, its tasks. No HTTP here."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import attrs
import msgspec

from aiotasks.emulators.life import Fates, Life, span

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Change", "Creation", "Job", "Refusal", "Status", "World"]

Status = Literal["queued", "consumed", "started", "deployed", "error", "finished", "terminating", "stopped"]

_ENDS: Final = frozenset({"error", "finished", "stopped"})
#: Shares of a life: before the first a task is queued, before the second an agent has taken it.
_CONSUMED, _STARTED = 0.05, 0.10
#: Seconds a task is terminating before it is stopped.
_TERMINATING: Final = 1.0
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
#: Where ids begin, at most.
_FIRST_IDS: Final = (1_000.0, 900_000.0)


class Refusal(Exception):
    """An answer that refuses: an HTTP status and a text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a control request moves a task.

    Args:
        status: A word to show from now on, of the platform or not. finished, error and stopped end the task now;
            any other keeps it going without an end.
        duration: Seconds from now to its end, or a span to draw them from.
        ends: The word it shows from its end on.
        workspace_id: The workspace it is moved to.
        shown: Other fields to show as they stand: `{"meta": {...}, "status": null}`.
    """

    status: str | None = None
    # No limits in the type: a union of a limited float and a tuple crashes the collector under msgspec 0.22.
    duration: float | tuple[float, float] | None = None
    ends: str | None = None
    workspace_id: Annotated[int, msgspec.Meta(ge=1)] | None = None
    shown: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuses an impossible duration before anything is changed."""
        if self.duration is not None:
            span(self.duration)


class Creation(Change, kw_only=True, forbid_unknown_fields=True):
    """Tasks that a control request creates; without `status` and `duration` they live as any task does.

    Args:
        count: How many.
        type: Their type.
        description: Their description.
        files: Files they hold, text by name.
        checkpoints: Of a training: how many checkpoints it keeps.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    type: str = "app"
    description: str = ""
    files: dict[str, str] = {}
    checkpoints: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0


@attrs.define(eq=False, kw_only=True)
class Job:
    """A task. What it shows is computed from the clock, or was fixed by a request."""

    id: int
    workspace_id: int
    type: str
    life: Life
    description: str = ""
    working: str = "started"
    """The word it shows while it works."""
    verdict: str = "finished"
    """The word it shows from its end on."""
    held: str | None = None
    """The word it shows until its end, whatever its age."""
    agent_id: int | None = None
    module_id: int | None = None
    app_id: int | None = None
    user_id: int = 0
    settings: dict[str, Any] = attrs.Factory(dict)
    meta: dict[str, Any] = attrs.Factory(dict)
    data: dict[str, Any] = attrs.Factory(dict)
    """The fields of the app's widgets."""
    logs: list[dict[str, Any]] = attrs.Factory(list)
    files: dict[str, str] = attrs.Factory(dict)
    """Hashes of contents, by name."""
    checkpoints: list[dict[str, Any]] = attrs.Factory(list)
    shown: dict[str, Any] = attrs.Factory(dict)
    """Wire fields that a control request fixed."""

    def status(self, now: float) -> str:
        """The platform's word for its state."""
        if self.life.is_over(now):
            return self.verdict
        if self.held is not None:
            return self.held
        share = self.life.share(now)
        return "queued" if share < _CONSUMED else "consumed" if share < _STARTED else self.working

    def is_over(self, now: float) -> bool:
        """Whether it has ended. A deployed model goes on, however old."""
        return self.status(now) in _ENDS

    def hold(self, status: str, now: float) -> None:
        """Show a word from now on, until something else is said."""
        if status in _ENDS:
            self.verdict, self.life = status, Life(self.life.start, now)
        else:
            self.held, self.life = status, Life(self.life.start, None)

    def entry(self, now: float) -> dict[str, Any]:
        """What a list says of it."""
        end = self.life.end if self.is_over(now) else None
        entry = {
            "id": self.id,
            "type": self.type,
            "status": self.status(now),
            "startedAt": iso(self.life.start),
            "finishedAt": None if end is None else iso(end),
            "meta": self.meta,
            "description": self.description,
        }
        return entry | {name: value for name, value in self.shown.items() if name in entry} if self.shown else entry


def iso(instant: float) -> str:
    """A moment of the loop's clock as a time of day: `2025-01-01T00:00:07.500Z`."""
    return datetime.fromtimestamp(_EPOCH + instant, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class World:
    """All that is on the pretended platform, for one user of one team.

    Args:
        fates: Ids, durations and failures.
        clock: Seconds, monotonic.
        frozen: True: no task moves by itself.
    """

    def __init__(self, fates: Fates, clock: Callable[[], float], *, frozen: bool) -> None:
        self._fates = fates
        self._frozen = frozen
        self.now = clock
        self._last_id = int(fates.seconds(_FIRST_IDS))
        self.user_id, self.team_id, self.agent_id, self.module_id, self.app_id = (self._next_id() for _ in range(5))
        self.workspace_id = self._next_id()
        #: Names of workspaces.
        self.workspaces = {self.workspace_id: "First workspace"}
        self.jobs: dict[int, Job] = {}
        #: Contents of files, by hash.
        self.contents: dict[str, bytes] = {}

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # --- tasks ----------------------------------------------------------------------------------------

    def start(self, type: str, workspace_id: int, **values: Any) -> Job:
        """A new task, queued."""
        if workspace_id not in self.workspaces:
            raise Refusal(404, f"Workspace with id {workspace_id} not found")
        now, duration, fails = self.now(), self._fates.lifetime(), self._fates.fails()
        id = self._next_id()
        job = Job(
            id=id,
            workspace_id=workspace_id,
            type=type,
            life=Life(now, None if duration is None else now + duration),
            user_id=values.pop("user_id", self.user_id),
            **values,
        )
        if fails:
            job.verdict = "error"
        job.logs.append({"level": "info", "message": "Task created", "timestamp": iso(now), "task_id": id})
        self.jobs[id] = job
        return job

    def info(self, job: Job) -> dict[str, Any]:
        """All that is known of a task."""
        info = job.entry(self.now()) | {
            "workspaceId": job.workspace_id,
            "teamId": self.team_id,
            "userId": job.user_id,
            "userLogin": "emulated",
            "agentId": job.agent_id,
            "agentName": None if job.agent_id is None else "Agent",
            "settings": job.settings,
        }
        return info | job.shown

    def stop(self, job: Job) -> str:
        """Ends a task: terminating for a moment, then stopped; a frozen one stays terminating. -> its status."""
        now = self.now()
        if not job.is_over(now) and job.status(now) != "terminating":
            end = None if self._frozen else now + _TERMINATING
            job.held, job.verdict, job.life = "terminating", "stopped", Life(job.life.start, end)
        return job.status(now)

    # --- control ----------------------------------------------------------------------------------------

    def make(self, spec: Creation) -> list[Job]:
        """The tasks that a control request describes."""
        return [self._made(spec) for _ in range(spec.count)]

    def _made(self, spec: Creation) -> Job:
        self._need_workspace(spec.workspace_id)
        job = self.start(
            spec.type,
            spec.workspace_id or self.workspace_id,
            description=spec.description,
            agent_id=self.agent_id,
            checkpoints=[{"id": number, "loss": 1 / (number + 1)} for number in range(spec.checkpoints)],
        )
        for name, text in spec.files.items():
            job.files[name] = self.keep(text.encode())
        self.move(job, spec)
        return job

    def move(self, job: Job, change: Change) -> None:
        """Moves a task as a control request says."""
        now = self.now()
        if change.workspace_id is not None:
            self._need_workspace(change.workspace_id)
            job.workspace_id = change.workspace_id
        if change.ends is not None:
            job.verdict = change.ends
        if change.status is not None:
            job.hold(change.status, now)
        if change.duration is not None:
            job.life = Life(now, now + self._fates.seconds(change.duration))
        job.shown = job.shown | change.shown

    def _need_workspace(self, id: int | None) -> None:
        if id is not None:
            self.workspaces.setdefault(id, f"Workspace {id}")

    # --- contents ---------------------------------------------------------------------------------------

    def keep(self, content: bytes) -> str:
        """Keeps a content. -> its hash, as the SDK computes it."""
        key = base64.b64encode(hashlib.sha256(content).digest()).decode()
        self.contents[key] = content
        return key
