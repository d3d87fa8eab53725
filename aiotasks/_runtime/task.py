"""The awaitable handle on one remote job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks._core.cohorts import NEVER, Record
from aiotasks._runtime import arguments, waiting
from aiotasks.errors import JobError, TaskCancelled, TaskFailed
from aiotasks.models import Observation, State, TaskRef
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping
    from typing import Self

    from aiotasks._runtime.client import BaseClient
    from aiotasks.abc import StatusSource
    from aiotasks.errors import AiotasksError

__all__ = ["Task"]


class Task(Record):
    """One job of a platform, as the scheduler knows it. `await task` gives the finished task.

    Awaitable by many at once; ending one wait ends neither the task nor the others, and none of them touches the
    remote job. Opening the same task again while it is waited for gives the same object. All durations are
    seconds; instants (`observed_at`, `next_check_at`) are on the event loop's clock, `loop.time()`.

    Where a platform has words that mean "done" to one caller and not to another, `end_words` holds those of this
    handle: they end its waits and close nothing, so the task can be waited for again. Empty elsewhere.

    A platform's own task class derives from this one, declares `__slots__ = ()`, and reads `details`.
    """

    __slots__ = ("client",)

    #: The job's own verdicts, which a platform may narrow to classes of its own.
    failed_error: type[TaskFailed] = TaskFailed
    cancelled_error: type[TaskCancelled] = TaskCancelled

    def __init__(
        self, client: BaseClient, id: Any, source: StatusSource, observation: Observation | None = None
    ) -> None:
        super().__init__(id, source)
        self.client = client
        if observation is not None:
            self.word = observation.word
            self.state = observation.state
            self.progress = observation.progress
            self.is_final = observation.is_final
            self.details = observation.details
            self.message = observation.message

    # --- what is known ----------------------------------------------------------------------------------

    @property
    def status(self) -> str | None:
        """The platform's own word, as last heard; None before that."""
        return self.word

    @property
    def is_done(self) -> bool:
        """Whether the job has ended: in a word that its platform cannot leave, or one of `end_words`."""
        return self.is_final or self.word in self.end_words

    @property
    def observed_at(self) -> float | None:
        """When the status was last heard, on the loop's clock; None before that."""
        if self.word is None:
            return None
        heard, cohort = self.heard_at, self.cohort
        if cohort is not None and cohort.heard_at >= self.asked_at:
            heard = max(heard, cohort.heard_at)
        return None if heard == NEVER else heard

    @property
    def last_error(self) -> AiotasksError | None:
        """The last fault met when asking, if nothing was heard since. Says nothing about the job."""
        cohort = self.cohort
        if self.error is not None or cohort is None or cohort.failed_at < self.asked_at:
            return self.error
        return cohort.error

    @property
    def next_check_at(self) -> float | None:
        """When it is to be asked about next, on the loop's clock; None while it is not waited for, or in flight."""
        cohort = self.cohort
        if cohort is None or cohort.is_flying or not self.open_waits():
            return None
        return max(cohort.due, cohort.group.lane.throttle.blocked_until)

    def __repr__(self) -> str:
        progress = "" if self.progress is None else f" {self.progress:g} %"
        return f"<{type(self).__name__} {self.id} {self.word or 'not heard of yet'} ({self.state.value}){progress}>"

    # --- waiting ----------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait for the job's end, without a time limit, checking every 2 s. -> this task, finished.

        Raises:
            TaskFailed, TaskCancelled: the job's own verdict.
            TaskNotFound, AuthError, PermissionDenied, TaskQueryError: it cannot be asked about.
            SchedulerClosed: the scheduler, or the task's client, was closed.

        Cancellation: ends this wait alone.
        """
        return self._outcome().__await__()

    async def _outcome(self) -> Self:
        await self.wait_till_done(timeout_seconds=None)
        verdict = await self.verdict()
        if verdict is not None:
            raise verdict
        return self

    async def verdict(self) -> JobError | None:
        """The error that says how a job that has ended badly did so; None for one that went well.

        Platforms override this where the reasons have to be fetched.
        """
        kind: type[JobError]
        if self.state is State.FAILED:
            kind = self.failed_error
        elif self.state is State.CANCELLED:
            kind = self.cancelled_error
        else:
            return None
        reason = f": {escaped(self.message)}" if self.message else ""
        platform = self.source.account.platform
        return kind(
            f"{platform} task {self.id} ended as {self.word}{reason}",
            status=self.word,
            details=self.message,
            platform=platform,
            task_id=self.id,
        )

    async def wait_till_done(self, timeout_seconds: float | None = 300.0, check_frequency: float = 2.0) -> None:
        """Wait until the job has ended, however it ended. Never returns before that.

        Args:
            timeout_seconds: seconds to wait at most; None is no limit, 0 asks nothing and tells what is known.
            check_frequency: seconds between two checks, at least 2.0. Of several waits on a task the smallest
                counts. A server that asks for patience, and faults, lengthen it.

        Raises:
            WaitTimeout: the time is up; the job goes on, and may be waited for again.
            TaskNotFound, AuthError, PermissionDenied, TaskQueryError: it cannot be asked about.
            SchedulerClosed: the scheduler, or the task's client, was closed.
            InvalidArgument, InvalidType, WrongLoop: wrong use; nothing was sent.

        Cancellation: ends this wait alone. The job and all other waits go on.
        """
        await waiting.until_done(self, arguments.timeout(timeout_seconds), arguments.frequency(check_frequency), None)

    async def wait_for(
        self, *words: str, timeout_seconds: float | None = None, check_frequency: float = 2.0
    ) -> str | None:
        """Wait until the platform says one of `words`, or the job has ended. -> the platform's word.

        A word that is not final ends this wait and closes nothing: the task can be waited for again. Arguments,
        errors and cancellation as for `wait_till_done`.
        """
        await waiting.until_done(
            self,
            arguments.timeout(timeout_seconds),
            arguments.frequency(check_frequency),
            arguments.words(words),
        )
        return self.word

    async def refresh(self) -> None:
        """Take in one fresh status: the answer to the next allowed query that starts after this call.

        That is at least 2 s after the last query about the task. A task that has ended is not asked about.

        Raises:
            TaskNotFound, AuthError, PermissionDenied, TaskQueryError: it cannot be asked about.
            ServiceError, AnswerError: five queries in a row failed.
            SchedulerClosed: the scheduler, or the task's client, was closed.

        Cancellation: ends this call alone.
        """
        await waiting.until_fresh(self)

    def changes(self, *, check_frequency: float = 2.0) -> AsyncGenerator[Observation, None]:
        """Each change of state or progress from now on, as an `Observation`; the last one is the job's end.

        The latest wins: a consumer slower than the checks misses what came in between, never the end. A task
        that has ended gives that one observation. Errors as for `wait_till_done`.

        Cancellation, or leaving the loop: ends this wait alone.
        """
        return waiting.changes(self, arguments.frequency(check_frequency))

    # --- elsewhere --------------------------------------------------------------------------------------

    def token(self) -> str:
        """This task as versioned JSON text without secrets: `client.from_token` takes the wait up again."""
        account = self.source.account
        ref = TaskRef(
            platform=account.platform, origin=account.origin, id=self.id, details=dict(self.token_details())
        )
        return ref.to_text()

    def token_details(self) -> Mapping[str, Any]:
        """What the platform's `revive` needs to know besides the id: plain JSON values, no secrets."""
        return {}

    def snapshot(self) -> Observation:
        """What is known of it now, as a value."""
        return Observation(
            word=self.word,
            state=self.state,
            is_final=self.is_final,
            progress=self.progress,
            details=self.details,
            message=self.message,
        )
