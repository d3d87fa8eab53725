"""Users and organisations: who an API key belongs to, and the tasks a user created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.kinds import kind_of
from aiotasks.providers.labelbox.listing import Order, TaskPages, task_filter
from aiotasks.providers.labelbox.source import statuses_of

if TYPE_CHECKING:
    from datetime import datetime

    from aiotasks import Results
    from aiotasks.providers.labelbox.client import Client
    from aiotasks.providers.labelbox.task import Task

__all__ = ["Organization", "User"]


@attrs.frozen(kw_only=True)
class Organization:
    """The organisation of an API key."""

    uid: str
    name: str | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, row: wire.OrganizationRow) -> Organization:
        """The organisation that a row tells of."""
        return cls(
            uid=row.id,
            name=row.name,
            created_at=wire.moment(row.created_at),
            updated_at=wire.moment(row.updated_at),
        )


@attrs.frozen(kw_only=True)
class User:
    """The owner of an API key. As in the SDK, `name` is the wire's `nickname`, and the reverse."""

    client: Client = attrs.field(repr=False, eq=False)
    uid: str
    name: str | None
    nickname: str | None
    email: str | None
    picture: str | None = attrs.field(repr=False)
    is_viewer: bool | None
    is_external_user: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    last_login_at: datetime | None

    @classmethod
    def of(cls, client: Client, row: wire.UserRow) -> User:
        """The user that a row tells of."""
        return cls(
            client=client,
            uid=row.id,
            name=row.nickname,
            nickname=row.name,
            email=row.email,
            picture=row.picture,
            is_viewer=row.is_viewer,
            is_external_user=row.is_external_user,
            created_at=wire.moment(row.created_at),
            updated_at=wire.moment(row.updated_at),
            last_login_at=wire.moment(row.last_login_at),
        )

    async def organization(self) -> Organization:
        """The user's organisation."""
        return await self.client.get_organization()

    def created_tasks(
        self,
        *,
        status: wire.TaskStatus | str | None = None,
        type: str | None = None,
        name: str | None = None,
        created_after: datetime | None = None,
        updated_after: datetime | None = None,
        order_by: Order | None = None,
    ) -> Results[Task]:
        """The tasks that this user created, fetched 100 at a time when asked for. All conditions must hold.

        The SDK writes `where=Task.status_as_enum == TaskStatus.Failed`; here it is `status=TaskStatus.Failed`.

        Args:
            status: tasks in this status, when the page is made.
            type: tasks of this type, as in `adv-upsert-data-rows`.
            name: tasks of exactly this name.
            created_after, updated_after: aware times; fractions of a second are cut off.
            order_by: None is the server's own order. Only `"created_at_asc"` cannot shift while it is read.

        Returns:
            `Results` of tasks, each of the class of its type. A task is given once, even if the list shifts while
            it is read; one that slips between two pages is not noticed, since Labelbox tells no total.

        Raises:
            InvalidArgument, InvalidType: an argument that is not allowed; nothing was sent.

        **Source**: wire notes, sections 3 and 6.3: documents as the SDK sends them [R]; what the server makes of
        filters and order is [I].
        """
        wanted = task_filter(
            status=status,
            type=type,
            name=name,
            created_after=created_after,
            updated_after=updated_after,
            order_by=order_by,
        )

        client, source = self.client, statuses_of(self.client, self.uid)

        def opened(row: wire.TaskRow) -> Task:
            return client.open_task(kind_of(row.type), row.id, source, wire.observed(row))

        async def open() -> TaskPages[Task]:
            return TaskPages(endpoint=client.endpoint, user_id=self.uid, filter=wanted, opened=opened)

        return self.client.results(open)
