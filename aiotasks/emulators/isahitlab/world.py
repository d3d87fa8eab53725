"""What the pretended isahit lab knows: projects, batches, files, tasks and their lives. No HTTP here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import msgspec

from aiotasks.emulators.isahitlab.configurations import SEEDED, configuration
from aiotasks.emulators.life import Fates, Life, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Batch", "Change", "Creation", "Project", "Task", "World"]

_ENDS: Final = frozenset({"complete", "reviewed"})


class Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a control request moves a task.

    Args:
        status: A word to show from now on. `complete` and `reviewed` end its life now; with any other word it stays
            there without an end.
        duration: Seconds from now to its end, or a span to draw them from.
        ends: The word it shows from its end on.
        data: What annotators have made of it.
        shown: Other fields to show as they stand: `{"status": null, "updatedAt": "never"}`.
    """

    status: str | None = None
    # No limits in the type: a union of a limited float and a tuple crashes the collector under msgspec 0.22.
    duration: float | tuple[float, float] | None = None
    ends: str | None = None
    data: dict[str, Any] | None = None
    shown: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuses an impossible duration before anything is changed."""
        if self.duration is not None:
            span(self.duration)


class Creation(Change, kw_only=True, forbid_unknown_fields=True):
    """Tasks that a control request creates; without `status` and `duration` they live as any task does.

    Args:
        count: How many.
        project: The project's id or type.
        batch: The batch's id; None is the project's own.
        name: Their name; a number is added when there are several, and all of it made up without one.
        resources: Theirs.
        properties: Theirs.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    project: str = "iat-rectangle"
    batch: str | None = None
    name: str | None = None
    resources: list[Any] = []
    properties: dict[str, Any] | None = None


@attrs.define(eq=False)
class Project:
    """A project, its configuration and its tasks in the order of their creation."""

    id: str
    type: str
    configuration: dict[str, Any]
    tasks: list[Task] = attrs.field(factory=list, repr=False)


@attrs.define(eq=False)
class Batch:
    """A batch of a project; the names in it tell duplicates."""

    id: str
    name: str
    project: Project
    names: set[str] = attrs.Factory(set)


@attrs.define(eq=False, kw_only=True)
class Task:
    """A task. What it shows is computed from the clock, or was fixed by a control request."""

    id: str
    name: str
    batch: Batch
    created: float
    life: Life
    running: str = "pending"
    """The word it shows until its end."""
    verdict: str = "complete"
    """The word it shows from its end on."""
    changed: float
    """When a request changed it last."""
    resources: list[Any] = attrs.Factory(list)
    properties: dict[str, Any] | None = None
    initial: dict[str, Any] | None = None
    """The data it was created with."""
    body: dict[str, Any] | None = None
    """What annotators have made of it; None: nothing yet."""
    shown: dict[str, Any] = attrs.Factory(dict)

    @property
    def project(self) -> Project:
        """Whose it is."""
        return self.batch.project

    def status(self, now: float) -> str:
        """The platform's word for its state."""
        return self.verdict if self.life.is_over(now) else self.running

    def ended(self, now: float) -> float | None:
        """When it was annotated; None as long as it is not."""
        return self.life.end if self.life.is_over(now) else None

    def updated(self, now: float) -> float:
        """When it showed something new last."""
        return max(self.changed, self.ended(now) or self.changed)


class World:
    """All that is on the pretended platform, for one account.

    Args:
        fates: Ids, durations, and which tasks end under review.
        clock: Seconds, monotonic.
    """

    def __init__(self, fates: Fates, clock: Callable[[], float]) -> None:
        self._fates = fates
        self.now = clock
        self.projects: dict[str, Project] = {}
        self.batches: dict[str, Batch] = {}
        self.tasks: dict[str, Task] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.data: dict[str, dict[str, Any]] = {}
        self.grants: set[str] = set()
        self.current: Project | None = None
        """The project whose configuration was read last."""
        self.seeded = {kind: self.create_project(configuration(kind)).id for kind in SEEDED}

    # --- projects, batches, files

    def create_project(self, settings: dict[str, Any]) -> Project:
        """A new project, with a batch of its own that has its id."""
        project = Project(self._fates.identifier(), settings["projectType"], settings)
        self.projects[project.id] = project
        self.batches[project.id] = Batch(project.id, "its own", project)
        return project

    def create_batch(self, project: Project, name: str, id: str | None = None) -> Batch:
        """A new batch."""
        batch = Batch(id or self._fates.identifier(), name, project)
        self.batches[batch.id] = batch
        return batch

    def keep_file(self, name: str, content: bytes) -> str:
        """Keeps an uploaded file and gives its id."""
        id = self._fates.identifier()
        self.files[id] = name, content
        return id

    def keep_data(self, body: dict[str, Any]) -> str:
        """Keeps initial data and gives its id."""
        id = self._fates.identifier()
        self.data[id] = body
        return id

    def grant(self) -> str:
        """A token that lets a task have files or data."""
        token = f"grant-{self._fates.identifier()}"
        self.grants.add(token)
        return token

    # --- tasks

    def create_task(self, batch: Batch, name: str, **values: Any) -> Task:
        """A new task, which begins to live."""
        now = self.now()
        task = Task(
            id=self._fates.identifier(),
            name=name,
            batch=batch,
            created=now,
            changed=now,
            life=self._lifetime(now),
            verdict="to-review" if self._fates.fails() else "complete",
            **values,
        )
        self.tasks[task.id] = task
        batch.names.add(name)
        batch.project.tasks.append(task)
        return task

    def _lifetime(self, now: float) -> Life:
        duration = self._fates.lifetime()
        return Life(now, None if duration is None else now + duration)

    def redo(self, task: Task, *, keeps: bool) -> None:
        """Sends a task back to its annotators, with what they made of it or without."""
        task.changed = now = self.now()
        task.running, task.verdict, task.life = "pending", "complete", self._lifetime(now)
        if not keeps:
            task.body = None

    def review(self, task: Task) -> None:
        """Sends a task to its reviewers, who accept it in time."""
        task.changed = now = self.now()
        task.running, task.verdict, task.life = "to-review", "reviewed", self._lifetime(now)

    # --- control

    def make(self, spec: Creation) -> list[Task]:
        """The tasks that a control request describes. Raises `ValueError` for an unknown project or batch."""
        project = self.projects.get(self.seeded.get(spec.project, spec.project))
        if project is None:
            raise ValueError(f"project: no project {spec.project!r}")
        batch = self.batches.get(spec.batch or project.id)
        if batch is None or batch.project is not project:
            raise ValueError(f"batch: no batch {spec.batch!r} in this project")
        return [self._made(batch, name, spec) for name in self._names(spec)]

    def _names(self, spec: Creation) -> Iterable[str]:
        first = len(self.tasks)
        stem = spec.name or "t"
        if spec.name is not None and spec.count == 1:
            return [stem]
        return [f"{stem}-{number:06d}" for number in range(first, first + spec.count)]

    def _made(self, batch: Batch, name: str, spec: Creation) -> Task:
        task = self.create_task(batch, name, resources=list(spec.resources), properties=spec.properties)
        self.move(task, spec)
        return task

    def move(self, task: Task, change: Change) -> None:
        """Moves a task as a control request says."""
        now = self.now()
        task.changed = now
        if change.ends is not None:
            task.verdict = change.ends
        if change.status in _ENDS:
            task.verdict, task.life = change.status, Life(task.life.start, now)
        elif change.status is not None:
            task.running, task.life = change.status, Life(task.life.start, None)
        if change.duration is not None:
            task.life = Life(task.life.start, now + self._fates.seconds(change.duration))
        if change.data is not None:
            task.body = change.data
        task.shown = {**task.shown, **change.shown}
