"""The list of a workspace's tasks, page by page.

**Source**: wire notes, section 4: the pages and their three keys [V]; that items carry more than an id [I].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiotasks import InvalidArgument, Page, ProtocolError, escaped
from aiotasks.providers.deepint import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiotasks import Request, Response

__all__ = ["TaskPages"]


@attrs.frozen(kw_only=True)
class TaskPages:
    """The pages of one list. They count from 0, and a page's cursor is the number of the next."""

    origin: str
    organization_id: str
    workspace_id: str

    def request(self, cursor: str | None) -> Request:
        """The request for the page at `cursor`. The first is asked for without a number, as the SDK does."""
        query = "" if cursor is None else f"?page={_number(cursor)}"
        url = f"{self.origin}{wire.workspace_path(self.workspace_id)}/tasks{query}"
        return wire.request("GET", url, self.organization_id, is_repeatable=True)

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[wire.TaskRow]]:
        """The one page of an answer."""
        page = wire.document(response, wire.LIST)
        if page.page != _number(cursor):
            raise ProtocolError(
                f"deepint: page {page.page} in place of page {_number(cursor)}",
                platform=wire.PLATFORM,
                http_status=response.status,
            )
        following = page.page + 1
        yield Page(rows=page.items, cursor=str(following) if following < page.pages_count else None)


def _number(cursor: str | None) -> int:
    text = "0" if cursor is None else cursor
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(f"after: given {escaped(text, 40)!r}, allowed: the cursor of a page")
    return int(text)
