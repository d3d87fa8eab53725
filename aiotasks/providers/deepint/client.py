"""What users call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiotasks import BaseClient, InvalidArgument, InvalidType, current_scheduler
from aiotasks.providers.deepint.arguments import checked_id, checked_organization
from aiotasks.providers.deepint.credentials import Credentials
from aiotasks.providers.deepint.statuses import TaskStatuses
from aiotasks.providers.deepint.task import Task
from aiotasks.providers.deepint.workspace import Workspace

if TYPE_CHECKING:
    from typing import Self

    from aiotasks import Observation, Scheduler, TaskRef

__all__ = ["Client"]


class Client(BaseClient):
    """A client of Deep Intelligence: where workspaces and tasks come from.

    An async context manager; `aclose()` does the same. Constructing it needs no running event loop and sends
    nothing. All its tasks of one event loop share one scheduler with those of all other clients.

        async with deepint.Client(organization_id="<organization>") as client:
            task = await client.workspace("<workspace>").export(wait_for_download=False)
            await task.resolve()

    Args:
        credentials: who asks; None is `Credentials.build()`.
        organization_id: where workspaces are unless a call says otherwise.
        scheduler: what to wait by; None is the running loop's shared one.

    Raises:
        DeepintCredentialsError: there are no credentials anywhere.
        InvalidArgument, InvalidType: an argument that is not allowed.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        organization_id: str | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.credentials = _checked_credentials(credentials)
        self.organization_id = None if organization_id is None else checked_organization(organization_id)
        super().__init__(account=self.credentials.account, credential=self.credentials, scheduler=scheduler)

    @classmethod
    def shared(cls, credentials: Credentials | None = None) -> Self:
        """The client of the running loop and these credentials that nobody has to close: its scheduler does.

        Raises:
            WrongLoop: no event loop is running here. Otherwise as the constructor.
        """
        known, scheduler = _checked_credentials(credentials), current_scheduler()
        return scheduler.keep((cls, known.account), lambda: cls(known, scheduler=scheduler))

    def workspace(self, workspace_id: str, *, organization_id: str | None = None) -> Workspace:
        """The workspace of that id. Nothing is asked: whether there is one shows at its first use.

        Args:
            workspace_id: its id.
            organization_id: where it is; None is the client's.

        Raises:
            InvalidArgument, InvalidType: an argument that is not allowed, or no organization anywhere.
        """
        organization = self.organization(organization_id)
        return Workspace(
            client=self, organization_id=organization, workspace_id=checked_id("workspace_id", workspace_id)
        )

    def organization(self, organization_id: str | None) -> str:
        """The organization given, else the client's.

        Raises:
            InvalidArgument, InvalidType: there is neither, or it is none.
        """
        known = self.organization_id if organization_id is None else organization_id
        if known is None:
            raise InvalidArgument("organization_id: given none, and the client has none; allowed: an id")
        return checked_organization(known)

    # --- tasks ------------------------------------------------------------------------------------------

    async def find(self, organization_id: str, workspace_id: str, task_id: str) -> Task:
        """`Task.build` of this client."""
        source = self.statuses(organization_id, workspace_id)
        return await self.find_task(checked_id("task_id", task_id), source, _kind)

    def statuses(self, organization_id: str, workspace_id: str) -> TaskStatuses:
        """How the tasks of a workspace are asked about."""
        return TaskStatuses(
            account=self.account,
            organization_id=checked_organization(organization_id),
            workspace_id=checked_id("workspace_id", workspace_id),
        )

    def revive(self, ref: TaskRef) -> Task:
        """The task that a token tells of; `from_token` is what to call."""
        details = ref.details
        source = self.statuses(details.get("organization"), details.get("workspace"))  # type: ignore[arg-type]  # checked there
        return self.open_task(Task, checked_id("token", ref.id), source)


def _kind(_: Observation) -> type[Task]:
    return Task


def _checked_credentials(credentials: object) -> Credentials:
    if credentials is None:
        return Credentials.build()
    if not isinstance(credentials, Credentials):
        raise InvalidType(f"credentials: given {type(credentials).__name__}, allowed: Credentials, or None")
    return credentials
