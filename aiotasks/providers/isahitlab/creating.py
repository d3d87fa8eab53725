"""Tasks on their way to the platform: names looked up, files and data sent ahead, then the tasks themselves.

Where the SDK takes one request after the other, these run side by side, in blocks of tasks: what was created before a
failure stays, and is told.

**Source**: wire notes, section 4 [V].
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import attrs

from aiotasks import AiotasksError, Part, escaped
from aiotasks.limits import PAGE_TIMEOUT
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.http import ANYTHING, PLATFORM, DuplicateNames, PartlyDone, reader
from aiotasks.providers.isahitlab.payloads import is_local
from aiotasks.providers.isahitlab.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import msgspec

    from aiotasks import Request
    from aiotasks.providers.isahitlab.client import IsahitLab
    from aiotasks.providers.isahitlab.payloads import Draft

__all__ = ["Creation", "refuse_duplicates", "taken_names"]

T = TypeVar("T")
Row = dict[str, Any]

#: Names in one question, as the SDK asks.
_NAMES_AT_ONCE: Final = 500
#: Tasks that are sent together; a failure ends the call after its block.
_BLOCK: Final = 64
#: Names that a message shows.
_SHOWN: Final = 3


def refuse_duplicates(names: Sequence[str]) -> None:
    """Return if no name is there twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DuplicateNames(
            f"tasks: given twice: {_some(twice)}; allowed: each name once, or disable_unicity_check=True",
            names=twice,
        )


async def taken_names(client: IsahitLab, batch_id: str, names: Sequence[str], *, raise_if_existing: bool) -> set[str]:
    """Those of `names` that are in use in a batch.

    Raises:
        DuplicateNames: there are some, and `raise_if_existing`.
    """
    url = client.endpoint.url(wire.DUPLICATES, batch_id)
    starts = range(0, len(names), _NAMES_AT_ONCE)
    asked = [client.endpoint.patch(url, {"names": names[start : start + _NAMES_AT_ONCE]}) for start in starts]
    answers = await client.ask_all(asked, reader(wire.SOME_DUPLICATES))
    taken = dict.fromkeys(name for answer in answers for name in answer.duplicate)
    if taken and raise_if_existing:
        raise DuplicateNames(
            f"tasks: in use in the batch: {_some([*taken])}; allowed: new names, or raise_if_existing=False to skip "
            "these, or disable_unicity_check=True",
            names=[*taken],
        )
    if taken:
        logging.getLogger("aiotasks.isahitlab").warning("in use in the batch, skipped: %s", _some([*taken]))
    return set(taken)


def _some(names: Sequence[str]) -> str:
    shown = escaped(", ".join(names[:_SHOWN]), 120)
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


@attrs.frozen(kw_only=True)
class Creation:
    """One call of `create_tasks`, its tasks checked."""

    client: IsahitLab
    batch_id: str
    disable_progress_bar: bool

    async def create(self, drafts: Sequence[Draft]) -> list[Row]:
        """The documents of the created tasks, in the order of `drafts`.

        Raises:
            PartlyDone: some were not created; `done` has the documents of those that were.
        """
        shown = bar("Creating tasks... ", len(drafts), disabled=self.disable_progress_bar)
        created: list[Row] = []
        try:
            for start in range(0, len(drafts), _BLOCK):
                block = drafts[start : start + _BLOCK]
                created += await self._block(block, created)
                shown.seen(len(block))
        finally:
            shown.close()
        return created

    async def _block(self, drafts: Sequence[Draft], created: Sequence[Row]) -> list[Row]:
        journeys = [_Journey(draft) for draft in drafts]
        await self._step(self._files(journeys), wire.A_FILE, _Journey.uploaded)
        await self._step(self._grants(journeys), wire.A_GRANT, _Journey.granted)
        await self._step(self._imports(journeys), wire.AN_IMPORT, _Journey.imported)
        await self._step(self._tasks(journeys), ANYTHING, _Journey.arrived)
        failures = {journey.draft.name: journey.error for journey in journeys if journey.error is not None}
        done = [journey.row for journey in journeys if journey.row is not None]
        if failures:
            raise _partly([*created, *done], failures)
        return done

    async def _step(
        self,
        sends: Iterable[_Errand],
        decoder: msgspec.json.Decoder[T],
        take: Callable[[_Journey, T], None],
    ) -> None:
        """One request for each journey that needs one; who fails goes no further."""
        pairs = list(sends)
        # Made one by one as others are sent, so that not all files are in memory at once.
        requests = (make() for _, make in pairs)
        answers = await self.client.transport.send_many(requests, reader(decoder))
        for (journey, _), answer in zip(pairs, answers, strict=True):
            if isinstance(answer, AiotasksError):
                journey.error = journey.error or answer
            else:
                take(journey, answer)

    def _files(self, journeys: Sequence[_Journey]) -> Iterator[_Errand]:
        for journey in journeys:
            for resource in filter(is_local, journey.draft.resources):
                yield journey, partial(self._upload, resource)

    def _upload(self, path: str) -> Request:
        with open(path, "rb") as file:
            content = file.read()
        parts = (
            Part(name="path", content=str(uuid4()).encode()),
            Part(name="batchId", content=self.batch_id.encode()),
            Part(name="file", content=content, filename=os.path.basename(path)),
        )
        query = [("skipTaskCreation", "true")]
        return self.client.endpoint.upload(wire.FILES, parts, query=query, timeout=PAGE_TIMEOUT)

    def _grants(self, journeys: Sequence[_Journey]) -> Iterator[_Errand]:
        url = self.client.endpoint.url(wire.GRANT_FILES)
        for journey in journeys:
            if journey.files and journey.error is None:
                ids = [file.id for file in journey.files]
                yield journey, partial(self.client.endpoint.post, url, {"ids": ids}, is_repeatable=True)

    def _imports(self, journeys: Sequence[_Journey]) -> Iterator[_Errand]:
        query = [("skipTaskCreation", "true"), ("grantAccess", "true")]
        url = self.client.endpoint.url(wire.IMPORT_DATA, query=query)
        for journey in journeys:
            draft = journey.draft
            if draft.data and journey.error is None:
                data = {**draft.data, "__project_configuration_overwrite__": draft.overwrite}
                body = {"batchId": self.batch_id, "name": draft.name, "body": data}
                yield journey, partial(self.client.endpoint.post, url, body, is_repeatable=True)

    def _tasks(self, journeys: Sequence[_Journey]) -> Iterator[_Errand]:
        url = self.client.endpoint.url(wire.CREATE_TASK, self.batch_id)
        for journey in journeys:
            if journey.error is None:
                body = journey.body()
                yield journey, partial(self.client.endpoint.post, url, body, is_repeatable=False)


@attrs.define(eq=False)
class _Journey:
    """One task between its draft and its document."""

    draft: Draft
    files: list[wire.File] = attrs.Factory(list)
    files_token: str | None = None
    data: wire.Imported | None = None
    row: Row | None = None
    error: AiotasksError | None = None

    def uploaded(self, file: wire.File) -> None:
        self.files.append(file)

    def granted(self, grant: wire.Grant) -> None:
        self.files_token = grant.token

    def imported(self, data: wire.Imported) -> None:
        self.data = data

    def arrived(self, row: Row) -> None:
        self.row = row

    def body(self) -> Row:
        """The task as the platform is asked to create it: all six keys, always."""
        files = iter(self.files)
        return {
            "name": self.draft.name,
            "resources": [_uploaded(next(files)) if is_local(each) else each for each in self.draft.resources],
            "properties": self.draft.properties,
            "dataId": self.data and self.data.id,
            "grantResources": self.files_token,
            "grantData": self.data and self.data.token,
        }


#: Who needs a request, and what makes it.
_Errand = tuple[_Journey, "Callable[[], Request]"]


def _uploaded(file: wire.File) -> Row:
    return {"id": file.id, "name": file.name}


def _partly(done: Sequence[Row], failures: dict[str, AiotasksError]) -> AiotasksError:
    first, error = next(iter(failures.items()))
    if not done and len(failures) == 1:
        return error
    return PartlyDone(
        f"{len(done)} tasks were created; {len(failures)} were not, among them {escaped(first, 40)!r}: {error}",
        done=done,
        failures=failures,
        platform=PLATFORM,
    )
