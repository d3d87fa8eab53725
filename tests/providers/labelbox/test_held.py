"""Rows in memory that are read like pages, and rows that are opened when looked at."""

from __future__ import annotations

import pytest

from aiotasks import InvalidArgument, Response
from aiotasks.providers.labelbox.held import HELD_PAGE, NOWHERE, HeldRows, OpenedRows

NOTHING = Response(status=200)


def test_held_rows_come_in_pages_that_can_be_resumed() -> None:
    """Pages of 5,000 rows; a cursor goes on after the rows before it."""
    source = HeldRows(range(2 * HELD_PAGE + 1))

    pages = list(source.read(None, NOTHING))

    assert [len(page.rows) for page in pages] == [HELD_PAGE, HELD_PAGE, 1]
    assert [page.cursor for page in pages] == ["5000", "10000", None]
    assert list(source.read("5000", NOTHING)) == pages[1:]


@pytest.mark.parametrize("cursor", ["x", "-1", "", "1.5", "٣"])
def test_foreign_cursor_is_refused(cursor: str) -> None:
    """A text that is no cursor of these rows is refused."""
    with pytest.raises(InvalidArgument, match="after: given"):
        list(HeldRows([1]).read(cursor, NOTHING))


def test_no_rows_are_no_pages() -> None:
    """An empty result has nothing to hand out."""
    assert list(HeldRows(()).read(None, NOTHING)) == []


async def test_nowhere_sends_nothing_and_answers_everything() -> None:
    """A request for rows in memory goes nowhere, one or many."""
    source = HeldRows(["a"])
    request = source.request(None)

    assert await NOWHERE.send(request, lambda response: response.body) == b""
    assert await NOWHERE.send_many([request] * 2, lambda response: response.status) == [200, 200]


def test_rows_are_opened_once_and_not_before_they_are_looked_at() -> None:
    """A page that was read in a worker thread is turned into tasks where it is used."""
    opened: list[int] = []

    def open(row: int) -> str:
        opened.append(row)
        return str(row)

    rows = OpenedRows([1, 2], open)

    assert len(rows) == 2
    assert opened == []
    assert list(rows) == ["1", "2"]
    assert rows[0:1] == ["1"]
    assert opened == [1, 2]
