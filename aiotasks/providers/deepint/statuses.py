"""How the status of a Deep Intelligence task is asked for: by itself, `GET /api/v1/workspace/{ws}/task/{id}`.

No request that names several tasks is known, nor a filter. The list of a workspace's tasks has pages whose size and
order the server chooses.

**Source**: wire notes, sections 3 and 6: the request [V], that there is none for several [I].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from aiotasks import Account, Answer
from aiotasks.providers.deepint import wire
from aiotasks.providers.deepint.errors import DeepintHTTPError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from aiotasks import Observation, Query, Request, Response

__all__ = ["TaskStatuses"]


@attrs.frozen(kw_only=True)
class TaskStatuses:
    """The `StatusSource` of one workspace's tasks; the module's docstring tells how it asks."""

    account: Account
    organization_id: str
    workspace_id: str

    @property
    def lane(self) -> Hashable:
        """The workspace: tasks are found under it alone."""
        return (self.organization_id, self.workspace_id)

    @property
    def batch_limit(self) -> int:
        """Ids per query."""
        return 1

    def request(self, query: Query) -> Request:
        """The task's own address. Never sent again by itself: it names a task, and 2 s are that task's (I-01)."""
        (id,) = query.ids
        url = self.account.origin + wire.task_path(self.workspace_id, id)
        return wire.request("GET", url, self.organization_id)

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """The one task; or that it does not exist, in the service's own word: a bare 404 says nothing of a task."""
        try:
            row = wire.document(response, wire.TASK)
        except DeepintHTTPError as error:
            if error.http_status not in (404, 410):
                raise
            yield Answer(missing=query.ids)
        else:
            yield Answer(rows=(row,))

    def observe(self, row: wire.TaskRow) -> Observation:
        """`row` as an observation."""
        return wire.observed(row)

    def learn(self, fact: Any) -> TaskStatuses:
        """This: there is nothing to be learnt."""
        return self
