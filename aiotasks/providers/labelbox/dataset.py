"""Datasets, and the imports of data rows into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from aiotasks import AiotasksError, InvalidArgument, InvalidType, ProtocolError, escaped
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.graphql import PLATFORM, data_of, reader, request
from aiotasks.providers.labelbox.kinds import DataUpsertTask
from aiotasks.providers.labelbox.source import statuses_of
from aiotasks.providers.labelbox.upload import (
    CHUNK_BYTES,
    Draft,
    chunks,
    file_request,
    manifest,
    many,
    upload_request,
    uploaded_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from aiotasks import Request, Response
    from aiotasks.providers.labelbox.client import Client

__all__ = ["Dataset"]


@attrs.frozen(kw_only=True)
class Dataset:
    """A collection of data rows. What its fields say is what was so when it was fetched."""

    client: Client = attrs.field(repr=False, eq=False)
    uid: str
    name: str | None
    description: str | None
    row_count: int | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, client: Client, row: wire.DatasetRow) -> Dataset:
        """The dataset that a row tells of."""
        return cls(
            client=client,
            uid=row.id,
            name=row.name,
            description=row.description,
            row_count=row.row_count,
            created_at=wire.moment(row.created_at),
            updated_at=wire.moment(row.updated_at),
        )

    async def create_data_rows(
        self, items: Iterable[Mapping[str, Any] | str], file_upload_thread_count: int = 20
    ) -> DataUpsertTask:
        """Start the import of new data rows. -> its task; nothing is waited for yet.

        Args:
            items: mappings with `row_data` (a URL, text, a mapping, or the path of a local file, which is uploaded
                and replaced by its URL) and any of `global_key`, `external_id`, `media_type`, `metadata_fields`
                (each `{"schema_id" or "name", "value"}`), `attachments` (`{"type", "value"}`), `embeddings`
                (`{"embedding_id", "vector"}`). None counts as left out. Text in place of a mapping is the path of a
                local file. Paths of people you do not trust must not come this far: any file that this process can
                read is uploaded.
            file_upload_thread_count: uploads under way at once, at least 1, as the SDK calls it; there are no
                threads. At most so many local files are in memory.

        Raises:
            InvalidArgument, InvalidType: an item that is not allowed, by its place; nothing was sent.
            ServerError: an upload, or the import's start, was answered 5xx; it may have been started all the same.
            AskError, AnswerError: an upload failed for good; no import was started.
            SubmitUnknown: the import may or may not have been started; it was not asked for twice.

        Cancellation: uploads end; once the import was asked for, it may have been started.

        Rows keep their order. Metadata names are sent as given, where the SDK looks up their schema ids first [I].

        **Source**: wire notes, section 8.1 [R].
        """
        return await self._import(items, file_upload_thread_count, is_upsert=False)

    async def upsert_data_rows(
        self, items: Iterable[Mapping[str, Any]], file_upload_thread_count: int = 20
    ) -> DataUpsertTask:
        """Start an import that updates the rows which items name by `key`, and creates those of other items.

        Args:
            items: as for `create_data_rows`. With a `key` (`UniqueId` or `GlobalKey`) any one field will do; what
                is left out stays as it is.
            file_upload_thread_count: as for `create_data_rows`.

        Raises, cancellation: as for `create_data_rows`.
        """
        return await self._import(items, file_upload_thread_count, is_upsert=True)

    async def delete(self) -> None:
        """Delete the dataset. Deleting it twice does no harm."""
        deletion = request(self.client.endpoint, wire.DELETE_DATASET, {"DatasetId": self.uid})
        await self.client.transport.send(deletion, reader(wire.ANYTHING))

    # --- how an import starts -----------------------------------------------------------------------------

    async def _import(self, items: Iterable[Any], uploads_at_once: int, *, is_upsert: bool) -> DataUpsertTask:
        if isinstance(uploads_at_once, bool) or not isinstance(uploads_at_once, int):
            raise InvalidType(
                f"file_upload_thread_count: given {escaped(uploads_at_once, 40)}, allowed: a whole number"
            )
        if uploads_at_once < 1:
            raise InvalidArgument(f"file_upload_thread_count: given {uploads_at_once}, allowed: at least 1")
        drafted = await self._drafted(many(items), is_upsert=is_upsert)
        endpoint = self.client.endpoint
        user = await self.client.get_user()  # before the submit, so that nothing can fail between it and its task
        rows = drafted.with_urls(await self._upload_files(drafted.paths, uploads_at_once))
        # Chunks are made one by one as others are sent, so that not all of them are in memory at once.
        files = (upload_request(endpoint, chunk, filename="json_import.json") for chunk in chunks(rows, CHUNK_BYTES))
        list_of_chunks = manifest(len(rows), await self._upload(files, uploads_at_once))
        (uri,) = await self._upload([upload_request(endpoint, list_of_chunks, filename="manifest.json")], 1)
        submit = request(endpoint, wire.UPSERT_DATA_ROWS, {"manifestUri": uri}, is_repeatable=False)
        row = await self.client.transport.send(submit, _started)
        source = statuses_of(self.client, user.uid)
        return self.client.open_task(DataUpsertTask, row.id, source, wire.observed(row), submitted=True)

    async def _drafted(self, items: list[Any], *, is_upsert: bool) -> Draft:
        """All items checked and encoded, in turns with whatever else runs on the loop: 5 us each add up."""
        drafted = Draft(self.uid, is_upsert)
        async for item in self.client.in_turns(items):
            drafted.add(item)
        return drafted

    async def _upload_files(self, paths: Sequence[str], at_once: int) -> list[str]:
        urls: list[str] = []
        for first in range(0, len(paths), at_once):
            files = [await self._file(path) for path in paths[first : first + at_once]]
            urls += await self._upload(files, at_once)
        return urls

    async def _file(self, path: str) -> Request:
        try:
            return await self.client.off_loop(file_request, self.client.endpoint, path)
        except OSError as error:
            raise InvalidArgument(
                f"items: the file {escaped(path, 80)!r} cannot be read ({escaped(error.strerror)})"
            ) from error

    async def _upload(self, requests: Iterable[Request], at_once: int) -> list[str]:
        outcomes = await self.client.transport.send_many(requests, uploaded_url, limit=at_once)
        for outcome in outcomes:
            if isinstance(outcome, AiotasksError):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, str)]


def _started(response: Response) -> wire.TaskRow:
    """The new task. An answer without one leaves open whether there is one (B-56)."""
    row = data_of(response, wire.STARTED).task
    if row is None or not row.id:
        raise ProtocolError("the answer names no task", platform=PLATFORM, http_status=response.status)
    return row
