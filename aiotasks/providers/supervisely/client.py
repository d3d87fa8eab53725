"""What users call first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import attrs

from aiotasks import Account, BaseClient, InvalidArgument, checked_origin, checked_secret, escaped
from aiotasks.providers.supervisely import arguments
from aiotasks.providers.supervisely.source import TaskStatuses
from aiotasks.providers.supervisely.task import Task
from aiotasks.providers.supervisely.task_api import TaskApi
from aiotasks.providers.supervisely.wire import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from aiotasks import Observation, Scheduler, Secret, TaskRef

__all__ = ["Api"]

#: Tasks whose workspace a client remembers; beyond that the first ones are forgotten, and asked about alone.
REMEMBERED: Final = 100_000


@attrs.frozen
class _Known:
    """What is remembered of a task: where it is, and whether this process started it and has not opened it yet."""

    workspace_id: int | None
    is_new: bool


class Api(BaseClient):
    """A client of one Supervisely server: `api.task` has the methods of the SDK's task API, to be awaited.

    An async context manager; `aclose()` does the same. Constructing it needs no running event loop and sends nothing.
    All its tasks of one event loop share one scheduler with those of all other clients.

        async with supervisely.Api(server_address, token) as api:
            info = await api.task.start(agent_id, workspace_id=workspace_id, module_id=module_id)
            task = api.task.open(info.id)
            await task

    Args:
        server_address: the server's URL, with its scheme; None is that of the environment variable `SERVER_ADDRESS`,
            as in the SDK.
        token: the API token; None is that of `API_TOKEN`.
        allow_http: take plain http to other machines than this one. The token then travels readable by anybody
            between here and there.
        scheduler: what to wait by; None is the running loop's shared one.

    Raises:
        InvalidArgument, InvalidType: an argument that is not allowed, or none anywhere. The token is not shown.

    The SDK puts `http://` before an address without a scheme, and tries https by a connection of its own; here the
    scheme is part of the address.

    **Source**: wire notes, section 1 [R].
    """

    #: The methods about tasks.
    task: TaskApi

    def __init__(
        self,
        server_address: str | None = None,
        token: str | None = None,
        *,
        allow_http: bool = False,
        scheduler: Scheduler | None = None,
    ) -> None:
        given = os.environ.get("SERVER_ADDRESS") if server_address is None else server_address
        if given is None:
            raise InvalidArgument("server_address: given none, and SERVER_ADDRESS is not set; allowed: an https URL")
        origin = checked_origin(given, "server_address", allow_http=allow_http)
        given_token = os.environ.get("API_TOKEN") if token is None else token
        secret = checked_secret(given_token, "token", otherwise="API_TOKEN")
        account = Account(platform=PLATFORM, origin=origin, fingerprint=secret.fingerprint())
        super().__init__(account=account, credential=_Token(secret), scheduler=scheduler)
        self.server_address = str(given).rstrip("/")
        self.base = f"{self.server_address}/public/api/v3/"
        self.task = TaskApi(self)
        self._remembered: dict[int, _Known] = {}

    @classmethod
    def from_env(cls, *, allow_http: bool = False, scheduler: Scheduler | None = None) -> Self:
        """The client of the server and token in `SERVER_ADDRESS` and `API_TOKEN`."""
        return cls(None, None, allow_http=allow_http, scheduler=scheduler)

    # --- where tasks are ----------------------------------------------------------------------------------

    def remember(self, id: int, workspace_id: int | None, *, is_new: bool = False) -> None:
        """Note which workspace a task is in, and whether this process has just started it."""
        known = self._remembered.get(id)
        self._remembered[id] = _Known(workspace_id, is_new or (known is not None and known.is_new))
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def statuses(self, id: int) -> TaskStatuses:
        """How the status of that task is asked for: with its neighbours, if its workspace is known."""
        known = self._remembered.get(id)
        return self.statuses_of(None if known is None else known.workspace_id)

    def statuses_of(self, workspace_id: int | None) -> TaskStatuses:
        """How the statuses of a workspace's tasks are asked for; None: of tasks that are asked about alone."""
        return TaskStatuses(account=self.account, base=self.base, workspace_id=workspace_id)

    def opened(self, id: int, seen: Observation | None = None) -> Task:
        """The handle on a task."""
        known = self._remembered.get(id)
        is_new = known is not None and known.is_new
        if is_new and known is not None:
            self._remembered[id] = attrs.evolve(known, is_new=False)
        return self.open_task(Task, id, self.statuses(id), seen, submitted=is_new)

    def revive(self, ref: TaskRef) -> Task:
        """The task that a token tells of; `from_token` is what to call."""
        id, workspace_id = ref.id, ref.details.get("workspace")
        if ref.details.keys() - {"workspace"}:
            raise InvalidArgument(f"token: given details {escaped(list(ref.details), 60)}, allowed: workspace")
        arguments.whole("token", id)
        if arguments.optional_whole("token", workspace_id) is not None:
            self.remember(int(id), workspace_id)
        return self.opened(int(id))


class _Token:
    """The `Credential` of a token that cannot be renewed."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self) -> Mapping[str, str]:
        return {"x-api-key": self._token.reveal()}

    async def renew(self) -> bool:
        return False
