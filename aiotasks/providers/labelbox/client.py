"""What users call."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from aiotasks import (
    Account,
    BaseClient,
    InvalidArgument,
    InvalidType,
    NotSupported,
    ProtocolError,
    Secret,
    checked_id,
    checked_origin,
    checked_secret,
    checked_text,
    escaped,
)
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.dataset import Dataset
from aiotasks.providers.labelbox.graphql import PLATFORM, ResourceNotFoundError, reader, request
from aiotasks.providers.labelbox.kinds import kind_of
from aiotasks.providers.labelbox.people import Organization, User
from aiotasks.providers.labelbox.source import statuses_of
from aiotasks.providers.labelbox.upload import file_request, upload_request, uploaded_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks import Observation, Scheduler, TaskRef
    from aiotasks.providers.labelbox.task import Task

__all__ = ["Client"]

ENDPOINT: Final = "https://api.labelbox.com/graphql"


class Client(BaseClient):
    """A client of Labelbox: where datasets, users and tasks come from.

    An async context manager; `aclose()` does the same. Constructing it needs no running event loop and sends
    nothing. All its tasks of one event loop share one scheduler with those of all other clients.

        async with labelbox.Client(api_key) as client:
            dataset = await client.get_dataset("<dataset id>")
            task = await dataset.create_data_rows([{"row_data": url, "global_key": "<unique key>"}])
            await task.wait_till_done(timeout_seconds=5_000, check_frequency=10)
            async for row in task.result:
                ...

    Args:
        api_key: the key; None is that of the environment variable `LABELBOX_API_KEY`, as in the SDK.
        endpoint: the URL of Labelbox's GraphQL; plain http for this machine alone.
        scheduler: what to wait by; None is the running loop's shared one.

    Raises:
        InvalidArgument, InvalidType: an argument that is not allowed, or no key anywhere. The key is not shown.

    **Source**: wire notes, section 1 [R].
    """

    def __init__(
        self, api_key: str | None = None, *, endpoint: str = ENDPOINT, scheduler: Scheduler | None = None
    ) -> None:
        given = os.environ.get("LABELBOX_API_KEY") if api_key is None else api_key
        key = checked_secret(given, "api_key", otherwise="LABELBOX_API_KEY")
        account = Account(platform=PLATFORM, origin=checked_origin(endpoint), fingerprint=key.fingerprint())
        super().__init__(account=account, credential=_ApiKey(key), scheduler=scheduler)
        self.endpoint = endpoint

    # --- who am I -----------------------------------------------------------------------------------------

    async def get_user(self) -> User:
        """The owner of the API key. Asked once per client; callers at the same time share the answer."""
        return await self.once("user", self._ask_user)

    async def _ask_user(self) -> User:
        reply = await self.transport.send(request(self.endpoint, wire.GET_USER, {}), reader(wire.USER))
        if reply.user is None:
            raise ProtocolError("labelbox: the answer holds no user", platform=PLATFORM)
        return User.of(self, reply.user)

    async def get_organization(self) -> Organization:
        """The organisation of the API key. Asked once per client, as `get_user`."""
        return await self.once("organization", self._ask_organization)

    async def _ask_organization(self) -> Organization:
        question = request(self.endpoint, wire.GET_ORGANIZATION, {})
        reply = await self.transport.send(question, reader(wire.ORGANIZATION))
        if reply.organization is None:
            raise ProtocolError("labelbox: the answer holds no organization", platform=PLATFORM)
        return Organization.of(reply.organization)

    # --- datasets -----------------------------------------------------------------------------------------

    async def create_dataset(self, name: str, description: str | None = None) -> Dataset:
        """Create a dataset, without delegated access: the SDK's `iam_integration=None`.

        Raises:
            InvalidArgument, InvalidType: the name is empty, or one of them is no text.
            SubmitUnknown: it may or may not have been created; it was not asked for twice.
            ServerError: 5xx; it may have been created all the same.
            AskError, AnswerError: it was not created.
        """
        variables = {"name": checked_text(name, "name")}
        document = wire.CREATE_DATASET
        if description is not None:
            variables["description"] = checked_text(description, "description")
            document = wire.CREATE_DESCRIBED_DATASET
        submit = request(self.endpoint, document, variables, is_repeatable=False)
        row = (await self.transport.send(submit, reader(wire.CREATED_DATASET))).dataset
        if row is None:
            raise ProtocolError("labelbox: the answer holds no dataset", platform=PLATFORM)
        return Dataset.of(self, row)

    async def get_dataset(self, dataset_id: str) -> Dataset:
        """The dataset of that id.

        Raises:
            ResourceNotFoundError: there is none, for this key.
            InvalidArgument, InvalidType: no id at all; nothing was sent.
            AskError, AnswerError: it could not be asked about.
        """
        question = request(self.endpoint, wire.GET_DATASET, {"param_0": checked_id(dataset_id, "dataset_id")})
        row = (await self.transport.send(question, reader(wire.DATASET))).dataset
        if row is None:
            raise ResourceNotFoundError(f"labelbox: no dataset {dataset_id}", platform=PLATFORM)
        return Dataset.of(self, row)

    # --- tasks --------------------------------------------------------------------------------------------

    async def get_task_by_id(self, task_id: str) -> Task:
        """The task of that id, after one fresh status, of the class of its type.

        Calls for many ids at once share requests, as waits do, and keep the two seconds between two questions about
        one task. Only tasks that the key's owner created are found.

        Returns:
            `DataUpsertTask` for an import, `ExportTask` for an export (the SDK gives a plain one), else `Task`.

        Raises:
            TaskNotFound: there is none, for this key.
            InvalidArgument, InvalidType: no id at all; nothing was sent.
            AskError, AnswerError: it could not be asked about.

        **Source**: wire notes, section 6.1: answers and errors [R]; that others' tasks are not found [S].
        """
        checked_id(task_id, "task_id")
        user = await self.get_user()
        return await self.find_task(task_id, statuses_of(self, user.uid), _kind)

    async def cancel_task(self, task_id: str) -> bool:
        """Ask Labelbox to cancel a job. -> whether it took the request; the end comes later, as CANCELED.

        False as well when there is nothing to cancel: the job has ended, or is being cancelled (the SDK raises).

        Raises:
            NotSupported: jobs of this type cannot be cancelled.
            TaskNotFound, InvalidArgument, InvalidType, AskError, AnswerError: as for `get_task_by_id`.

        **Source**: wire notes, section 6.5 [R].
        """
        task = await self.get_task_by_id(task_id)
        if task.is_done or task.status_as_enum is wire.TaskStatus.Canceling:
            return False
        types = await self.once("cancelable task types", self._ask_cancelable_types)
        if task.type not in types:
            raise NotSupported(
                f"labelbox task {task_id}: given type {escaped(task.type, 40)!r}, "
                f"allowed: {escaped(', '.join(sorted(types)))}",
                platform=PLATFORM,
                task_id=task_id,
            )
        # Cancelling twice is cancelling once, so it may be repeated.
        order = request(self.endpoint, wire.CANCEL_TASK, {"id": task_id})
        return (await self.transport.send(order, reader(wire.CANCELLED))).outcome.success

    async def _ask_cancelable_types(self) -> frozenset[str]:
        question = request(self.endpoint, wire.CANCELABLE_TYPES, {})
        reply = await self.transport.send(question, reader(wire.CANCELABLE))
        return frozenset(map(wire.kebab, reply.types))

    def revive(self, ref: TaskRef) -> Task:
        """The task that a token tells of; `from_token` is what to call."""
        user_id, type = ref.details.get("user"), ref.details.get("type")
        if not isinstance(type, str | None):
            raise InvalidArgument(f"token: given type {escaped(type, 40)!r}, allowed: text or none")
        source = statuses_of(self, checked_id(user_id, "token"))
        return self.open_task(kind_of(type), checked_id(ref.id, "token"), source)

    # --- anything else --------------------------------------------------------------------------------------

    async def upload_file(self, path: str) -> str:
        """Upload a local file under its name. -> its URL.

        Raises:
            OSError: it cannot be read; nothing was sent.
            AskError, AnswerError: the upload failed for good.
        """
        upload = await self.off_loop(file_request, self.endpoint, path)
        return await self.transport.send(upload, uploaded_url)

    async def upload_data(
        self, content: bytes, filename: str | None = None, content_type: str | None = None, sign: bool = False
    ) -> str:
        """Upload bytes. -> their URL, signed if `sign`. Errors as for `upload_file`."""
        if not isinstance(content, bytes):
            raise InvalidType(f"content: given {type(content).__name__}, allowed: bytes")
        upload = upload_request(self.endpoint, content, filename=filename, content_type=content_type, sign=sign)
        return await self.transport.send(upload, uploaded_url)

    async def execute(self, query: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of any GraphQL document, with `params` as its variables.

        It is repeated after a transient fault unless the word `mutation` is in it.

        Raises:
            ResourceNotFoundError: Labelbox does not know what was asked for.
            SubmitUnknown: a mutation got no answer; it was not sent again.
            AskError, AnswerError: there is an error in the answer, or no answer.
        """
        is_repeatable = re.search(r"\bmutation\b", checked_text(query, "query")) is None
        question = request(self.endpoint, query, params or {}, is_repeatable=is_repeatable)
        return await self.transport.send(question, reader(wire.ANYTHING))


def _kind(seen: Observation) -> type[Task]:
    return kind_of(seen.details.type if seen.details is not None else None)


class _ApiKey:
    """The `Credential` of a key that cannot be renewed."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._key.reveal()}"}

    async def renew(self) -> bool:
        return False
