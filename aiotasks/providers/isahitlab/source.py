"""How the statuses of many isahit lab tasks are asked for in one request.

    GET api/task-manager/tasks?pagination=true&page=1&limit=100&projectId=P&taskIds=a&taskIds=b...

Up to 100 ids go into one query, as many as the SDK's pages have: one page, without optional fields, whose documents
are small. 100 ids make a request line of 3.4 kB; the SDK puts all ids into one line, and common servers stop at 8
kB. A project is a lane, since a list is one project's.

A task that a list leaves out is suspect; asked alone, it does not exist. A server that gives smaller pages is asked
for fewer, and what it left out is not held against the tasks.

**Source**: wire notes, sections 3 and 8.1: the filter and the page are the SDK's [V]; that the server takes 100
ids, and shows changes of status at once, is [I].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import Absence, Account, Answer, DecodeError, TooLarge, decoded
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.http import PLATFORM, judge

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from aiotasks import Observation, Query, Request, Response
    from aiotasks.providers.isahitlab.http import Endpoint

__all__ = ["Clamped", "TaskStatuses"]

#: Documents of one page, as the SDK asks for [V]; the server's own maximum is unknown.
MOST_IDS: Final = 100


@attrs.frozen
class Clamped:
    """Fact: the platform put only `count` documents on a page that had room for more."""

    count: int


@attrs.frozen(kw_only=True)
class TaskStatuses:
    """How the tasks of one project are asked about. All its tasks of one client share it."""

    account: Account
    endpoint: Endpoint = attrs.field(repr=False)
    project_id: str
    batch_limit: int = MOST_IDS

    @property
    def lane(self) -> Hashable:
        """The project: a list is of one project."""
        return self.project_id

    def request(self, query: Query) -> Request:
        """The list that names the tasks. The transport never repeats it: the tasks have a right to 2 s (I-01)."""
        page = [("pagination", "true"), ("page", "1"), ("limit", str(MOST_IDS)), ("projectId", self.project_id)]
        names = [("taskIds", id) for id in query.ids]
        return self.endpoint.get(wire.TASKS, query=[*page, *names], is_repeatable=False)

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """One `Answer`: 100 rows are about 30 KB."""
        judge(response)
        rows, has_next = _rows(response)
        if has_next and len(rows) < len(query.ids):
            yield Answer(rows=rows, absence=Absence.UNCHANGED, facts=(Clamped(max(1, len(rows))),))
            return
        is_missing = len(query.ids) == 1 and not rows
        yield Answer(rows=rows, missing=query.ids if is_missing else ())

    def observe(self, row: wire.TaskRow) -> Observation:
        """`row` as an observation."""
        return wire.observed(row)

    def learn(self, fact: Any) -> TaskStatuses:
        """This, knowing `fact` too: `Clamped` or `TooLarge`."""
        match fact:
            case Clamped(count=count):
                return attrs.evolve(self, batch_limit=min(self.batch_limit, count))
            case TooLarge(count=count):
                return attrs.evolve(self, batch_limit=max(1, min(self.batch_limit, count // 2)))
        return self


def _rows(response: Response) -> tuple[list[wire.TaskRow], bool]:
    """The rows that can be read, and whether there is another page.

    Raises:
        DecodeError, ProtocolError: none can, or the answer is no page.
    """
    try:
        page = decoded(response, wire.STATUS_PAGE, platform=PLATFORM)
        return page.docs, page.has_next
    except DecodeError:
        # Once more with the rows undecoded: if it is one of them that is bad, the others are good (B-35).
        raw = decoded(response, wire.RAW_PAGE, platform=PLATFORM)
        sound = [row for row in map(_sound, raw.docs) if row is not None]
        if not sound:
            raise
        return sound, raw.has_next


def _sound(raw: msgspec.Raw) -> wire.TaskRow | None:
    try:
        return wire.TASK_ROW.decode(raw)
    except msgspec.MsgspecError:
        return None
