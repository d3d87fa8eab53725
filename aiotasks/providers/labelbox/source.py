"""How the statuses of many Labelbox tasks are asked for in one request.

Tasks are read under the user that created them, so the user's id is the lane. Two documents ask for many at once:

    by list    user(where: {id: $u}) { createdTasks(where: {id_in: $ids} skip: 0 first: 100) {...} }
    aliases    user(where: {id: $u}) { a0: createdTasks(where: {id: $t0} skip: 0 first: 1) {...}  a1: ... }

By list is tried by the first query that names more than one task. When the server refuses the argument, gives none
of the tasks back, or seems to cut the list short, that is learnt for good, and aliases serve from then on: they use
nothing but arguments that the SDK sends. A single task is always asked under an alias, since only there an empty list
means that it does not exist; a task that a list leaves out is merely suspect, and asked alone in time.

By list 100 ids go into one query, as many as the SDK's pages have. Of aliases the server takes an unknown number,
bounded by what their cost adds up to ("Query complexity limit exceeded"): 50 at first, and from there half-way
between the largest number taken and the smallest refused, at most 100; a refusal is forgotten slowly.

**Source**: wire notes, section 7: A (aliases) is core GraphQL over arguments seen in the SDK's traffic; D (`id_in`)
is [I], inferred from the API's Prisma-like filters. That a task is seen by its creator alone: section 6.1 [S].
"""

from __future__ import annotations

import enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import (
    Accepted,
    Account,
    Answer,
    AskError,
    AuthError,
    DecodeError,
    ProtocolError,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    TooLarge,
)
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.graphql import (
    PLATFORM,
    ResourceNotFoundError,
    alias_of,
    error_of,
    judged,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from aiotasks import Observation, Query, Request, Response
    from aiotasks.providers.labelbox.client import Client

__all__ = ["TaskStatuses", "Way", "Width", "statuses_of"]

#: Rows of one page of `createdTasks`, as the SDK asks for [R]; the server's own maximum is unknown.
MOST_IDS: Final = 100
#: Queries as wide as allowed before a width that was refused is tried again.
_PATIENCE: Final = 1_000
#: What a number of rows must divide by to look like a page size.
_ROUND: Final = 10

_ALIASES: Final = tuple(f"a{n}" for n in range(MOST_IDS))
_LIST_DOCUMENT: Final = (
    "query TaskStatusesPyApi($u: ID!, $ids: [ID!]!) { user(where: {id: $u}) "
    f"{{ createdTasks(where: {{id_in: $ids}} skip: 0 first: {MOST_IDS}) {{ {wire.TASK_FIELDS} }} }} }}"
)


@cache  # at most MOST_IDS texts, 18 KB for the longest; the same text each time also suits a server that caches plans
def alias_document(count: int) -> str:
    """The document that asks for `count` tasks, each under an alias of its own."""
    variables = ", ".join(f"$t{n}: ID!" for n in range(count))
    fields = " ".join(
        f"{alias}: createdTasks(where: {{id: $t{n}}} skip: 0 first: 1) {{ {wire.TASK_FIELDS} }}"
        for n, alias in enumerate(_ALIASES[:count])
    )
    return f"query TaskStatusesPyApi($u: ID!, {variables}) {{ user(where: {{id: $u}}) {{ {fields} }} }}"


class Way(enum.Enum):
    """Which document asks for many tasks; also the fact that is learnt about it."""

    UNKNOWN = "not tried yet"
    LIST = "by list"
    ALIASES = "aliases"


@attrs.frozen
class Width:
    """How many ids one query may name: a search between the largest number taken and the smallest refused.

    A number refused though it was taken before (cost may depend on the tasks) starts the search anew, at half of it.
    What was refused is tried again after many queries as wide as allowed were taken, and then little by little: the
    refusal may have been a bad hour of the server.

    >>> start = Width(good=0, bad=101)
    >>> start.limit, start.refused(50).limit, start.accepted(50).limit, start.accepted(50).refused(75).limit
    (50, 25, 75, 62)
    """

    good: int
    bad: int
    #: Queries taken in a row that were as wide as allowed, while a refusal stands in the way of more.
    taken: int = 0

    @property
    def limit(self) -> int:
        """The number to ask with."""
        return max(1, (self.good + self.bad) // 2)

    def accepted(self, count: int) -> Width:
        """The server took `count`."""
        if count >= self.bad:
            return self
        taken = self.taken + 1 if count == self.good == self.limit and self.bad <= MOST_IDS else 0
        if taken >= _PATIENCE:
            return Width(count, min(MOST_IDS + 1, self.bad + max(1, self.bad // 4)))
        return Width(max(self.good, count), self.bad, taken)

    def refused(self, count: int) -> Width:
        """`count` was too many."""
        bad = min(self.bad, count)
        return Width(self.good if self.good < bad else 0, bad)


@attrs.frozen(kw_only=True)
class TaskStatuses:
    """The `StatusSource` of one user's tasks; the module's docstring tells how it asks."""

    account: Account
    endpoint: str = attrs.field(repr=False)
    user_id: str
    way: Way = Way.UNKNOWN
    #: By list all 100 are taken for good until the server says otherwise: one id more costs it next to nothing.
    listed: Width = Width(good=MOST_IDS, bad=MOST_IDS + 1)
    aliased: Width = Width(good=0, bad=MOST_IDS + 1)

    @property
    def lane(self) -> Hashable:
        """The user: tasks are found under the one that created them."""
        return self.user_id

    @property
    def batch_limit(self) -> int:
        """Ids per query."""
        return self._width.limit

    @property
    def _width(self) -> Width:
        return self.aliased if self.way is Way.ALIASES else self.listed

    def _asks_by_list(self, query: Query) -> bool:
        return len(query.ids) > 1 and self.way is not Way.ALIASES

    def request(self, query: Query) -> Request:
        """The document and its variables. Never sent again by itself: it names tasks, and 2 s are theirs (I-01)."""
        variables: dict[str, Any] = {"u": self.user_id}
        if self._asks_by_list(query):
            variables["ids"] = query.ids
            return request(self.endpoint, _LIST_DOCUMENT, variables, is_repeatable=False)
        variables |= {f"t{n}": id for n, id in enumerate(query.ids)}
        return request(self.endpoint, alias_document(len(query.ids)), variables, is_repeatable=False)

    def read(self, query: Query, response: Response) -> Iterator[Answer]:
        """One `Answer`: 100 rows are about 40 KB, decoded in some 0.1 ms, so that there is nothing to cut."""
        answer = self._read_list if self._asks_by_list(query) else self._read_aliases
        yield answer(query, response)

    def observe(self, row: wire.TaskRow) -> Observation:
        """`row` as an observation."""
        return wire.observed(row)

    def learn(self, fact: Any) -> TaskStatuses:
        """This, knowing `fact` too: a `Way`, `Accepted` or `TooLarge`."""
        match fact:
            case Way() if self.way is not Way.ALIASES:
                return attrs.evolve(self, way=fact)
            case Accepted(count=count):
                return self._with_width(self._width.accepted(count))
            case TooLarge(count=count):
                return self._with_width(self._width.refused(count))
        return self

    def _with_width(self, width: Width) -> TaskStatuses:
        if self.way is Way.ALIASES:
            return attrs.evolve(self, aliased=width)
        return attrs.evolve(self, listed=width)

    def _read_list(self, query: Query, response: Response) -> Answer:
        try:
            user, faults = _tasks_by_field(response)
            if faults and user.get("createdTasks") is None:
                raise next(iter(faults.values()))
            # Else single entries failed: which ones is not said, and asking for each that is left out will tell.
        except QueryTooLarge:
            raise
        except QueryRefused:
            if self.way is Way.UNKNOWN:
                # The tasks were left out, which has them asked again: under aliases, after their two seconds.
                return Answer(facts=(Way.ALIASES,))
            raise
        rows = [row for found in user.values() for row in found or ()]
        return Answer(rows=rows, facts=(*self._learnt_way(query, rows), *self._growth(query)))

    def _learnt_way(self, query: Query, rows: Sequence[wire.TaskRow]) -> tuple[Way, ...]:
        heard = len({row.id for row in rows}.intersection(query.ids))
        # None of the tasks: the filter may be one that matches nothing. A round number of them: the server may give
        # smaller pages than it was asked for. If the guess is wrong, aliases cost twice the requests at most.
        if heard < len(query.ids) and heard % _ROUND == 0:
            return (Way.ALIASES,)
        return (Way.LIST,) if self.way is Way.UNKNOWN else ()

    def _read_aliases(self, query: Query, response: Response) -> Answer:
        user, faults = _tasks_by_field(response)
        rows: list[wire.TaskRow] = []
        missing: list[str] = []
        refused: dict[str, AskError] = {}
        for alias, id in zip(_ALIASES, query.ids, strict=False):
            if (error := faults.get(alias)) is not None:
                if isinstance(error, ResourceNotFoundError):
                    missing.append(id)
                else:
                    error.task_id = id
                    refused[id] = error
            elif found := user.get(alias):
                rows += found
            elif found is not None:
                missing.append(id)
            # else the alias itself is absent, null or unreadable: the task is suspect, not missing
        return Answer(rows=rows, missing=missing, refused=refused, facts=self._growth(query))

    def _growth(self, query: Query) -> tuple[Accepted, ...]:
        """The fact that lets the width grow, when this query was as wide as allowed and there is room above."""
        width = self._width
        may_grow = width.limit > width.good or width.bad <= MOST_IDS
        return (Accepted(len(query.ids)),) if len(query.ids) == width.limit and may_grow else ()


def statuses_of(client: Client, user_id: str) -> TaskStatuses:
    """How that client asks about that user's tasks."""
    return TaskStatuses(account=client.account, endpoint=client.endpoint, user_id=user_id)


def _tasks_by_field(
    response: Response,
) -> tuple[Mapping[str, Sequence[wire.TaskRow] | None], Mapping[str, AskError]]:
    """The rows under each field of `user`, None where they cannot be read; and the errors about single fields.

    Raises:
        AskError, AnswerError: the answer as a whole cannot be used.
    """
    user: Mapping[str, Sequence[wire.TaskRow] | None] | None = None
    try:
        reply = judged(response, wire.TASKS)
        errors = reply.errors
        if reply.data is not None:
            user = reply.data.user
    except DecodeError:
        # Once more with the rows undecoded: if it is one of them that is bad, the others are good.
        raw = judged(response, wire.RAW_TASKS)
        errors = raw.errors
        if raw.data is not None and raw.data.user is not None:
            user = {field: _sound(rows) for field, rows in raw.data.user.items()}
    faults = {}
    for fault in errors or ():
        error, field = error_of(fault, response), alias_of(fault, "user")
        # Some errors are about everything that is asked, wherever they show; and one that took `user` away is too.
        if user is None or field is None or isinstance(error, AuthError | RateLimited | QueryTooLarge):
            raise error
        faults[field] = error
    if user is None:
        raise ProtocolError("labelbox: the answer holds no user", platform=PLATFORM, http_status=response.status)
    return user, faults


def _sound(rows: Sequence[msgspec.Raw] | None) -> Sequence[wire.TaskRow] | None:
    """The rows that can be read; None when none can, which is not the same as there being none (B-35)."""
    if not rows:
        return None if rows is None else ()
    sound = []
    for raw in rows:
        try:
            sound.append(wire.TASK_ROW.decode(raw))
        except msgspec.ValidationError:
            continue
    return sound or None
