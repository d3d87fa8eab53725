"""How results are paged through: the cursor pages of an import, and the one file of an old import.

**Source**: wire notes, sections 9 and 11 [R].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from aiotasks import Page, Request, ResultError, decoded, raise_for_status
from aiotasks.limits import PAGE_BYTES, PAGE_TIMEOUT
from aiotasks.providers.labelbox.graphql import PLATFORM, Reply, data_of, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiotasks import Response

__all__ = [
    "CREATED_ROWS",
    "FAILED_ROWS",
    "ImportPages",
    "ImportRows",
    "LegacyFile",
    "created",
    "failures",
    "read_legacy_file",
    "results",
]

Row = dict[str, Any]

#: Rows of one page of an import, fixed in the SDK "to avoid overloading the server".
IMPORT_PAGE: Final = 5_000

# --- imports (section 9) --------------------------------------------------------------------------------


class _ImportPage(msgspec.Struct, frozen=True):
    rows: list[Row]
    #: Opaque; nothing that counts (null, "", 0) at the end.
    after: str | int | None = None
    total: int | None = None


class _ImportReply(msgspec.Struct, frozen=True):
    page: _ImportPage | None = None


_IMPORT_PAGES: Final = msgspec.json.Decoder(Reply[_ImportReply])


def _as_sent(rows: list[Row]) -> list[Row]:
    return rows


def _failed(rows: list[Row]) -> list[Row]:
    return [{"message": row.get("message"), "failedDataRows": _present(row.get("spec"))} for row in rows]


def _present(spec: Any) -> list[Any]:
    return [] if spec is None else [spec]


@attrs.frozen
class ImportRows:
    """One of the two lists of an import: how it is asked for, and how its rows look in Python."""

    document: str = attrs.field(repr=False)
    shaped: Callable[[list[Row]], list[Row]]


# Aliases make both lists of one shape, and rows of the names that the SDK gives them. ("successesful" is Labelbox's.)
CREATED_ROWS: Final = ImportRows(
    "query SuccessesfulDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String) "
    "{ page: successesfulDataRowImports(data: {taskId: $taskId, first: $first, from: $from}) "
    "{ rows: nodes { id external_id: externalId row_data: rowData global_key: globalKey } after total } }",
    _as_sent,
)
FAILED_ROWS: Final = ImportRows(
    "query FailedDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String) "
    "{ page: failedDataRowImports(data: {taskId: $taskId, first: $first, from: $from}) "
    "{ rows: results { message spec { externalId globalKey rowData "
    "metadata { schemaId value name } attachments { type value name } } } after total } }",
    _failed,
)


@attrs.frozen(kw_only=True)
class ImportPages:
    """The created or the failed rows of an import, page by page; each page needs the cursor of the one before.

    A page's cursor is the server's own, as JSON text. An empty page that names a next one is followed (B-50): the SDK
    stops there and loses what comes after.
    """

    endpoint: str = attrs.field(repr=False)
    task_id: str
    kind: ImportRows
    page_size: int = IMPORT_PAGE

    def request(self, cursor: str | None) -> Request:
        """The request for the page at `cursor`."""
        after = None if cursor is None else _cursor(cursor, str | int)
        variables = {"taskId": self.task_id, "first": self.page_size, "from": after}
        page = request(self.endpoint, self.kind.document, variables)
        return attrs.evolve(page, timeout=PAGE_TIMEOUT, answer_limit=PAGE_BYTES)

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[Row]]:
        """The one page of an answer."""
        page = data_of(response, _IMPORT_PAGES).page
        if page is None:
            raise ResultError(
                "labelbox: the import is done, and has no list of rows",
                platform=PLATFORM,
                task_id=self.task_id,
                cursor=cursor,
            )
        following = msgspec.json.encode(page.after).decode() if page.after else None
        yield Page(rows=self.kind.shaped(page.rows), cursor=following, total=page.total)


def _cursor(cursor: str, kind: Any) -> Any:
    """What a cursor of ours holds."""
    try:
        return msgspec.json.decode(cursor, type=kind)
    except msgspec.MsgspecError as error:
        raise ResultError("labelbox: not a cursor of this result", platform=PLATFORM, cursor=cursor) from error


# --- files of old imports (section 11) ------------------------------------------------------------------


class LegacyFile(msgspec.Struct, frozen=True, rename="camel"):
    """What an old import left behind: rows and errors when it completed, `error` alone when it failed."""

    created_data_rows: list[Row] | None = None
    errors: list[Any] | None = None
    error: Any = None


_LEGACY_FILE: Final = msgspec.json.Decoder(LegacyFile)


def created(file: LegacyFile) -> Sequence[Any]:
    """The created rows as the file has them."""
    return file.created_data_rows or []


def results(file: LegacyFile) -> Sequence[Any]:
    """The created rows as `Task.result` gives them."""
    return [
        {
            "id": row.get("id"),
            "external_id": row.get("externalId"),
            "row_data": row.get("rowData"),
            "global_key": row.get("globalKey"),
        }
        for row in created(file)
    ]


def failures(file: LegacyFile) -> Sequence[Any]:
    """What went wrong: a list of errors, or whatever the one error is, as a list."""
    if file.error is None:
        return file.errors or []
    return file.error if isinstance(file.error, list) else [file.error]


def read_legacy_file(response: Response) -> LegacyFile:
    """The file of an old import, fetched bare from a URL that the server gave.

    Raises:
        ResultError: the file is not there any more.
        AskError, AnswerError: it is refused, as an expired URL is, or it is no such file.
    """
    if response.status in (404, 410):
        raise ResultError("labelbox: the result file is gone", platform=PLATFORM, http_status=response.status)
    raise_for_status(response, platform=PLATFORM)
    return decoded(response, _LEGACY_FILE, platform=PLATFORM)
