"""A task of Deep Intelligence, under the names of its SDK.

Where the SDK's behaviour is a fault, this differs: words nobody knows are not the end of a job; nothing that is not
there yet looks like a result; and a token goes to its own instance alone, whatever a URL says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import InvalidArgument, InvalidType, State, TaskNotFound, escaped
from aiotasks import Task as BaseTask
from aiotasks.providers.deepint import wire
from aiotasks.providers.deepint.arguments import checked_flag, checked_interval
from aiotasks.providers.deepint.errors import DeepintHTTPError, DeepintTaskError
from aiotasks.providers.deepint.info import TaskInfo
from aiotasks.providers.deepint.urls import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks import JobError
    from aiotasks.providers.deepint.client import Client
    from aiotasks.providers.deepint.credentials import Credentials
    from aiotasks.providers.deepint.statuses import TaskStatuses

__all__ = ["Task"]


class Task(BaseTask):
    """A job of Deep Intelligence's. What `info` says is what was last heard.

    task = await deepint.Task.build("<organization>", "<workspace>", "<task>")
    await task.resolve()
    print(await task.fetch_result())
    """

    __slots__ = ()

    client: Client
    source: TaskStatuses
    details: wire.TaskRow | None
    failed_error = DeepintTaskError

    @classmethod
    async def build(
        cls,
        organization_id: str,
        workspace_id: str,
        task_id: str,
        credentials: Credentials | None = None,
        *,
        client: Client | None = None,
    ) -> Task:
        """The task of that id, after one fresh status.

        Args:
            organization_id, workspace_id: where the task is.
            task_id: its id.
            credentials: who asks; None is `Credentials.build()`. A client is shared by all who ask so on this event
                loop, and is closed with the loop's scheduler.
            client: who asks, instead of credentials.

        Raises:
            TaskNotFound: there is none, for this token.
            DeepintCredentialsError: there are no credentials anywhere.
            InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.
            AskError, AnswerError: it could not be asked about.

        **Source**: wire notes, section 3 [V].
        """
        return await _client(client, credentials).find(organization_id, workspace_id, task_id)

    @classmethod
    async def from_url(
        cls,
        url: str,
        organization_id: str | None = None,
        credentials: Credentials | None = None,
        *,
        client: Client | None = None,
    ) -> Task:
        """The task of that URL, of the web pages or of the API, after one fresh status.

        Args:
            url: `https://HOST/o/<organization>/workspace?ws=<workspace>&s=task&i=<task>` or
                `https://HOST/api/v1/workspace/<workspace>/task/<task>`. Its host must be the credentials' own: the
                SDK sends the token to whatever host the URL names.
            organization_id: where the task is, if the URL does not say; None is the client's.
            credentials, client: as for `build`.

        Raises:
            InvalidArgument, InvalidType: not the URL of a task, or of another host, or no organization; nothing was
                sent. Otherwise as `build`.

        **Source**: wire notes, section 3 (URLs) [V].
        """
        place = place_of(url)
        asker = _client(client, credentials)
        if place.origin != asker.account.origin:
            raise InvalidArgument(
                f"url: given one at {escaped(place.origin, 80)}, allowed: one at {asker.account.origin}, "
                "where the credentials belong"
            )
        organization = asker.organization(place.organization_id or organization_id)
        return await asker.find(organization, place.workspace_id, place.task_id)

    # --- what is known ----------------------------------------------------------------------------------

    @property
    def organization_id(self) -> str:
        """The organization that it is in."""
        return self.source.organization_id

    @property
    def workspace_id(self) -> str:
        """The workspace that it is in."""
        return self.source.workspace_id

    @property
    def credentials(self) -> Credentials:
        """Who asks about it."""
        return self.client.credentials

    @property
    def info(self) -> TaskInfo:
        """What was last heard of it, as a value that no longer changes; its id alone before that."""
        return TaskInfo(task_id=self.id) if self.details is None else TaskInfo.of(self.details)

    def to_dict(self) -> dict[str, Any]:
        """`{"info": {...}}` with what JSON can carry, as `TaskInfo.to_dict`."""
        return {"info": self.info.to_dict()}

    # --- asking and waiting -----------------------------------------------------------------------------

    async def load(self) -> None:
        """Take in one fresh status: `refresh` by the SDK's name."""
        await self.refresh()

    async def resolve(self, raise_on_error: bool = True, poll_interval: float = 3) -> None:
        """Wait for the job's end, without a time limit (`wait_till_done` has one).

        A word that nobody knows is not the end, as it is for the SDK: `wait_for` ends at such a word.

        Args:
            raise_on_error: raise if the job failed; False: return, `is_errored` tells.
            poll_interval: seconds between two checks, at least 2.0.

        Raises:
            DeepintTaskError: the job failed.
            InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.
            TaskNotFound, AuthError, PermissionDenied, TaskQueryError, SchedulerClosed: as `wait_till_done`.

        Cancellation: ends this wait alone.
        """
        checked_flag("raise_on_error", raise_on_error)
        await self.wait_till_done(None, checked_interval("poll_interval", poll_interval))
        if raise_on_error and (verdict := await self.verdict()) is not None:
            raise verdict

    async def fetch_result(self, force_reload: bool = False) -> dict[str, str]:
        """What the job has made, as `{result_type: result}`: `{"source": "<id>"}`, `{"file": "<url>"}`.

        Empty while there is nothing, and after a failure, where the SDK gives `{None: None}`. Downloads nothing.

        Args:
            force_reload: ask first, as `load` does.
        """
        await self._reloaded(force_reload)
        info = self.info
        if self.state is not State.SUCCEEDED or info.result is None or info.result_type is None:
            return {}
        return {info.result_type: info.result}

    async def is_errored(self, force_reload: bool = False) -> bool:
        """Whether the job has failed.

        Args:
            force_reload: ask first, as `load` does.
        """
        await self._reloaded(force_reload)
        return self.state is State.FAILED

    async def _reloaded(self, force_reload: bool) -> None:
        if checked_flag("force_reload", force_reload):
            await self.refresh()

    async def delete(self) -> None:
        """Delete the task on the platform. What becomes of its job, if that still runs, is not known.

        Raises:
            TaskNotFound: there is none any more.
            AskError, AnswerError: it was not deleted, as far as is known.

        **Source**: wire notes, section 3 [V]; what becomes of the job [I].
        """
        url = self.client.account.origin + wire.task_path(self.workspace_id, self.id)
        # Deleting twice is deleting once, so it may be repeated.
        order = wire.request("DELETE", url, self.organization_id, is_repeatable=True)
        try:
            await self.client.transport.send(order, lambda answer: wire.document(answer, wire.ANYTHING))
        except DeepintHTTPError as error:
            if error.http_status not in (404, 410):
                raise
            raise TaskNotFound(
                f"deepint knows no task {self.id}", platform=wire.PLATFORM, task_id=self.id, http_status=404
            ) from error

    # --- what the library asks of a task ------------------------------------------------------------------

    def token_details(self) -> Mapping[str, Any]:
        """Where it is: enough to ask about it elsewhere."""
        return {"organization": self.organization_id, "workspace": self.workspace_id}

    async def verdict(self) -> JobError | None:
        """The error of a job that failed, with the platform's code and description; else None."""
        if self.state is not State.FAILED:
            return None
        info = self.info
        return DeepintTaskError(
            f"Task ({self.id}) {escaped(info.name)} failed with description: {escaped(self.message)}",
            code=f"TASK_{escaped(info.error_code, 80)}",
            status=self.word,
            details=self.message,
            platform=wire.PLATFORM,
            task_id=self.id,
        )


def _client(client: Client | None, credentials: Credentials | None) -> Client:
    """The client given, or the one that is shared by all who bring no other."""
    from aiotasks.providers.deepint.client import Client  # a client makes tasks, and a task may make a client

    if client is None:
        return Client.shared(credentials)
    if not isinstance(client, Client):
        raise InvalidType(f"client: given {type(client).__name__}, allowed: a Client of deepint, or None")
    if credentials is not None and credentials != client.credentials:
        raise InvalidArgument("credentials: given others than the client's, allowed: one of the two")
    return client
