"""How statuses are asked for in batches, and what answers teach about that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aiotasks import (
    Account,
    Answer,
    AuthError,
    DecodeError,
    ProtocolError,
    Query,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Response,
    ServerError,
    TooLarge,
)
from aiotasks.providers.supervisely import TaskStatuses
from aiotasks.providers.supervisely.source import REMEMBERED

ACCOUNT = Account(platform="supervisely", origin="https://s.example:443", fingerprint="f")
BARE = TaskStatuses(account=ACCOUNT, base="https://s.example/public/api/v3/")
LISTED = TaskStatuses(account=ACCOUNT, base="https://s.example/public/api/v3/", workspace_id=3)


def rows(ids: Any, **more: Any) -> dict[str, Any]:
    entities = [{"id": id, "status": "started"} for id in ids]
    return {"total": len(entities), "perPage": 500, "pagesCount": 1, "entities": entities, **more}


def answer(body: Any, status: int = 200) -> Response:
    return Response(status=status, body=msgspec.json.encode(body))


def read(source: TaskStatuses, ids: Any, response: Response) -> list[Answer]:
    return list(source.read(Query(tuple(ids)), response))


def learnt(source: TaskStatuses, ids: Any, response: Response) -> TaskStatuses:
    for block in read(source, ids, response):
        for fact in block.facts:
            source = source.learn(fact)
    return source


def heard(blocks: list[Answer]) -> list[int]:
    return [row.id for block in blocks for row in block.rows]


def sent(source: TaskStatuses, *ids: int) -> tuple[str, Any]:
    request = source.request(Query(ids))
    assert not request.is_repeatable
    return request.url.removeprefix(source.base), msgspec.json.decode(request.body or b"")


# --- asking -----------------------------------------------------------------------------------------------------


def test_many_are_asked_by_a_list_of_their_workspace() -> None:
    """The body as the SDK sends it, and as many on the page as there are ids."""
    assert sent(LISTED, 7, 8) == (
        "tasks.list",
        {
            "workspaceId": 3,
            "filter": [{"field": "id", "operator": "in", "value": [7, 8]}],
            "sort": "id",
            "sort_order": "asc",
            "per_page": 2,
        },
    )
    assert (LISTED.lane, LISTED.batch_limit) == (3, 500)


@pytest.mark.parametrize("source", [BARE, LISTED])
def test_one_is_asked_by_its_info(source: TaskStatuses) -> None:
    """Only there a missing one is said to be missing."""
    assert sent(source, 7) == ("tasks.info", {"id": 7})


def test_bare_ids_are_asked_alone() -> None:
    """Without a workspace there is no list."""
    assert (BARE.lane, BARE.batch_limit) == (None, 1)


# --- reading ----------------------------------------------------------------------------------------------------


def test_list_is_read_in_blocks() -> None:
    """No block is more than some 32 KB of the answer."""
    blocks = read(LISTED, range(1, 501), answer(rows(range(1, 501))))

    assert heard(blocks) == list(range(1, 501))
    assert max(len(block.rows) for block in blocks) == 64


def test_observation_keeps_all_that_was_said() -> None:
    """Decoded only when it is wanted."""
    (block, _) = read(LISTED, [7, 8], answer(rows([7], entities=[{"id": 7, "status": "error", "x": [1]}])))
    seen = LISTED.observe(block.rows[0])

    assert (seen.word, seen.details["x"]) == ("error", [1])


@pytest.mark.covers("B-35")
@pytest.mark.parametrize("bad", [None, 3, {}, {"id": "8", "status": "x"}, {"id": 8}, []], ids=str)
def test_bad_row_spoils_no_other(bad: Any) -> None:
    """It counts as left out."""
    body = rows([7], entities=[bad, {"id": 7, "status": "started"}])
    assert heard(read(LISTED, [7, 8], answer(body))) == [7]


def test_missing_task_is_said_to_be_missing() -> None:
    """404 of tasks.info."""
    (block,) = read(BARE, [7], answer({"error": "no"}, 404))
    assert block.missing == (7,)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthError), (429, RateLimited), (500, ServerError), (499, ServerError)]
)
@pytest.mark.parametrize("ids", [[7], [7, 8]])
def test_errors_of_the_query_are_raised(ids: list[int], status: int, kind: type[Exception]) -> None:
    """Whatever was asked."""
    with pytest.raises(kind):
        read(LISTED, ids, answer({"error": "no"}, status))


@pytest.mark.covers("B-25", "B-21", "B-24")
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"entities": [{"id"', b'{"entities": 3}', b"\xff{}"])
def test_answer_that_is_no_answer(body: bytes) -> None:
    """Is an error about the answer, never about a task."""
    with pytest.raises((DecodeError, ProtocolError)):
        read(LISTED, [7, 8], Response(status=200, body=body))


# --- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.covers("F-21")
@pytest.mark.parametrize("status", [400, 413])
def test_list_that_was_never_taken_is_halved(status: int) -> None:
    """500, 250, 125, 62, and then one by one."""
    source, widths = LISTED, []
    while source.batch_limit > 50:
        ids = range(1, source.batch_limit + 1)
        with pytest.raises(QueryTooLarge):
            read(source, ids, answer({"error": "no"}, status))
        source = source.learn(TooLarge(source.batch_limit))
        widths.append(source.batch_limit)

    assert widths == [250, 125, 62, 1]


def test_refusal_of_a_proven_size_is_about_an_id() -> None:
    """The scheduler splits such a list, and finds it."""
    proven = learnt(LISTED, range(1, 201), answer(rows(range(1, 201))))

    with pytest.raises(QueryRefused) as caught:
        read(proven, range(1, 101), answer({"error": "no"}, 400))
    assert not isinstance(caught.value, QueryTooLarge)
    with pytest.raises(QueryTooLarge):
        read(proven, range(1, 301), answer({"error": "no"}, 400))


@pytest.mark.parametrize("status", [403, 404, 405])
def test_forbidden_list_is_given_up(status: int) -> None:
    """Tasks are asked alone from then on."""
    assert learnt(LISTED, [7, 8], answer({"error": "no"}, status)).batch_limit == 1


@pytest.mark.covers("F-21")
def test_clamped_page_is_the_new_size() -> None:
    """What the page did not hold is asked 2 s later, not at once."""
    clamped = rows(range(1, 101), perPage=100, total=200, pagesCount=2)
    assert learnt(LISTED, range(1, 201), answer(clamped)).batch_limit == 100


def test_ignored_filter_is_found_out() -> None:
    """More tasks than were asked for."""
    assert learnt(LISTED, [7, 8], answer(rows([1, 2], total=1_000))).batch_limit == 1


def test_tasks_that_lists_leave_out_are_asked_for_one_by_one() -> None:
    """A query about nothing else asks for its first; a mixed one is a list as before."""
    source = learnt(LISTED, [7, 8, 9], answer(rows([9])))

    assert source.unlisted == {7, 8}
    assert sent(source, 7, 8) == ("tasks.info", {"id": 7})
    assert sent(source, 7, 9)[0] == "tasks.list"
    (block,) = read(source, [7, 8], answer({"id": 7, "status": "started"}))
    assert [row.id for row in block.rows] == [7]
    (block,) = read(source, [7, 8], answer({"error": "no"}, 404))
    assert block.missing == (7,)


def test_what_lists_leave_out_is_not_remembered_for_ever() -> None:
    """I-05: so many, and the memory starts anew."""
    source = learnt(LISTED, range(1, REMEMBERED + 3), answer(rows([1])))
    assert len(source.unlisted) == REMEMBERED + 1
    assert learnt(source, [50_000, 50_001], answer(rows([50_000]))).unlisted == {50_001}


def test_settled_source_learns_nothing_more() -> None:
    """So that equal answers can be compared unread."""
    full = answer(rows(range(1, 501)))
    source = learnt(LISTED, range(1, 501), full)

    assert learnt(source, range(1, 501), full) is source
    assert source.learn("something else") is source
