"""How statuses are asked for in batches, and what answers teach about that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aiotasks import (
    Absence,
    Accepted,
    Account,
    Answer,
    AuthError,
    DecodeError,
    PermissionDenied,
    ProtocolError,
    Query,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Response,
    ServerError,
    TooLarge,
)
from aiotasks.providers.labelbox.source import TaskStatuses, Way, Width, alias_document

ACCOUNT = Account(platform="labelbox", origin="https://api.example:443", fingerprint="f")
UNTRIED = TaskStatuses(account=ACCOUNT, endpoint="https://api.example/graphql", user_id="u1")
LISTS = UNTRIED.learn(Way.LIST)
ALIASES = UNTRIED.learn(Way.ALIASES)


def ids(count: int) -> tuple[str, ...]:
    return tuple(f"t{n}" for n in range(count))


def row(id: str, status: Any = "IN_PROGRESS", **more: Any) -> dict[str, Any]:
    return {"id": id, "status": status, "completionPercentage": 10.0, **more}


def answer(user: Any, errors: list[dict[str, Any]] | None = None) -> Response:
    body = {"data": None if user is None else {"user": user}, **({"errors": errors} if errors else {})}
    return Response(status=200, body=msgspec.json.encode(body))


def error(code: str, *path: Any, message: str = "no") -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}, **({"path": list(path)} if path else {})}


def read(source: TaskStatuses, asked: tuple[str, ...], response: Response) -> Answer:
    (only,) = source.read(Query(asked), response)
    return only


def sent(source: TaskStatuses, asked: tuple[str, ...]) -> dict[str, Any]:
    request = source.request(Query(asked))
    assert request.body is not None
    assert not request.is_repeatable
    return msgspec.json.decode(request.body)


# --- asking -----------------------------------------------------------------------------------------------


def test_many_are_asked_by_list() -> None:
    """Until the server refuses it, several ids go into one list."""
    body = sent(LISTS, ids(3))

    assert "id_in: $ids" in body["query"]
    assert "first: 100" in body["query"]
    assert body["variables"] == {"u": "u1", "ids": ["t0", "t1", "t2"]}


@pytest.mark.parametrize("source", [UNTRIED, LISTS, ALIASES])
def test_one_is_asked_under_an_alias(source: TaskStatuses) -> None:
    """A single id is asked so that its absence has a meaning."""
    body = sent(source, ("t0",))

    assert "a0: createdTasks(where: {id: $t0} skip: 0 first: 1)" in body["query"]
    assert body["variables"] == {"u": "u1", "t0": "t0"}


def test_aliases_ask_for_each_by_itself() -> None:
    """Each id has an alias, and every field of a task is selected."""
    body = sent(ALIASES, ids(2))

    assert body["query"] == alias_document(2)
    assert body["query"].count("completionPercentage createdAt errors metadata name result status type") == 2
    assert body["variables"] == {"u": "u1", "t0": "t0", "t1": "t1"}


def test_document_text_is_the_same_for_the_same_count() -> None:
    """One text per number of aliases, made once."""
    assert alias_document(7) is alias_document(7)


def test_lane_is_the_user() -> None:
    """Tasks of one user may share a query, tasks of two never do."""
    assert UNTRIED.lane == "u1"
    assert UNTRIED.account is ACCOUNT


# --- reading ------------------------------------------------------------------------------------------------


def test_rows_under_aliases_are_read_in_order() -> None:
    """Each alias gives the row of its id."""
    found = read(ALIASES, ids(2), answer({"a0": [row("t0", "COMPLETE")], "a1": [row("t1")]}))

    assert [(r.id, r.word, r.progress) for r in found.rows] == [("t0", "COMPLETE", 10.0), ("t1", "IN_PROGRESS", 10.0)]
    assert not found.missing
    assert not found.refused


def test_empty_list_under_an_alias_is_a_missing_task() -> None:
    """An alias that finds nothing says that there is no such task; its siblings stand."""
    found = read(ALIASES, ids(2), answer({"a0": [], "a1": [row("t1")]}))

    assert found.missing == ["t0"]
    assert [r.id for r in found.rows] == ["t1"]


@pytest.mark.covers("F-24")
def test_error_of_one_alias_concerns_that_task_alone() -> None:
    """Errors go by their path: the task they are about is refused, the others are applied."""
    errors = [error("AUTHORIZATION_ERROR", "user", "a1"), error("RESOURCE_NOT_FOUND", "user", "a2")]
    user = {"a0": [row("t0")], "a1": None, "a2": None}

    found = read(ALIASES, ids(3), answer(user, errors))

    assert [r.id for r in found.rows] == ["t0"]
    assert found.missing == ["t2"]
    assert isinstance(found.refused["t1"], PermissionDenied)
    assert found.refused["t1"].task_id == "t1"


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([error("GRAPHQL_VALIDATION_FAILED")], QueryRefused),
        ([error("AUTHENTICATION_ERROR", "user", "a0")], AuthError),
        ([error("X", "user", "a0", message="You have exceeded it")], RateLimited),
        ([error("AUTHORIZATION_ERROR", "user")], PermissionDenied),
    ],
)
def test_error_about_everything_fails_the_query(errors: list[dict[str, Any]], kind: type[Exception]) -> None:
    """What concerns the whole query, or the credential, is raised, data or not."""
    with pytest.raises(kind):
        read(ALIASES, ids(1), answer({"a0": [row("t0")]}, errors))


def test_error_that_took_all_data_fails_the_query() -> None:
    """When one alias's error leaves no user at all, the whole query failed."""
    with pytest.raises(PermissionDenied):
        read(ALIASES, ids(2), answer(None, [error("AUTHORIZATION_ERROR", "user", "a0")]))


@pytest.mark.parametrize("user", [None, {"a0": None}])
def test_nothing_at_all_is_no_answer_about_a_task(user: Any) -> None:
    """`user: null` fails the query; a null alias without an error leaves its task suspect."""
    if user is None:
        response = Response(status=200, body=b'{"data": {"user": null}}')
        with pytest.raises(ProtocolError):
            read(ALIASES, ids(1), response)
    else:
        found = read(ALIASES, ids(1), answer(user))
        assert (found.rows, found.missing, found.absence) == ([], [], Absence.SUSPECT)


@pytest.mark.parametrize("bad", [row("t0", None), row("t0", 3), {"status": "COMPLETE"}, None, "text", 7])
@pytest.mark.covers("B-35")
def test_bad_row_is_left_out_and_its_siblings_stand(bad: Any) -> None:
    """A row without a usable id or status is suspect, never missing and never done."""
    found = read(ALIASES, ids(2), answer({"a0": [bad], "a1": [row("t1", "COMPLETE")]}))

    assert [r.id for r in found.rows] == ["t1"]
    assert (found.missing, found.absence) == ([], Absence.SUSPECT)


@pytest.mark.covers("B-35")
def test_other_fields_of_any_type_spoil_nothing() -> None:
    """Only id and status matter to the scheduler; the rest may be anything."""
    odd = row("t0", "COMPLETE", name=3, type=[], createdAt=7, result={"a": 1}, metadata=[1])
    found = read(LISTS, ids(2), answer({"createdTasks": [odd, row("t1")]}))

    assert [r.id for r in found.rows] == ["t0", "t1"]


def test_tasks_that_a_list_leaves_out_are_suspect() -> None:
    """A list says nothing about what is not in it."""
    found = read(LISTS, ids(3), answer({"createdTasks": [row("t1")]}))

    assert [r.id for r in found.rows] == ["t1"]
    assert (found.missing, found.absence) == ((), Absence.SUSPECT)


@pytest.mark.covers("F-24")
def test_error_inside_of_a_list_leaves_its_entry_out() -> None:
    """An entry that failed is null, and its task suspect; a list that failed as a whole is an error."""
    errors = [error("INTERNAL_SERVER_ERROR", "user", "createdTasks", 1)]

    found = read(LISTS, ids(3), answer({"createdTasks": [row("t0"), None, row("t2")]}, errors))

    assert [r.id for r in found.rows] == ["t0", "t2"]
    assert found.absence is Absence.SUSPECT
    with pytest.raises(ServerError):
        read(LISTS, ids(3), answer({"createdTasks": None}, [error("INTERNAL_SERVER_ERROR", "user", "createdTasks")]))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"data": {"user": {"a0": [{"id"', b'{"data": 3}', b"\xff{}"])
@pytest.mark.covers("B-25", "B-21", "B-24")
def test_answer_that_is_no_answer_raises(body: bytes) -> None:
    """Cut, empty or foreign JSON is an error about the answer, never about a task."""
    with pytest.raises((DecodeError, ProtocolError)):
        read(ALIASES, ids(1), Response(status=200, body=body))


# --- learning -------------------------------------------------------------------------------------------------


def test_list_is_learnt_from_the_first_answer() -> None:
    """A list that brings tasks back is the way from then on."""
    found = read(UNTRIED, ids(2), answer({"createdTasks": [row("t1")]}))

    assert Way.LIST in found.facts
    assert UNTRIED.learn(Way.LIST).batch_limit == 100


@pytest.mark.parametrize("code", ["GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "BAD_USER_INPUT"])
def test_refused_list_is_given_up_for_good(code: str) -> None:
    """A server without `id_in` teaches that once; the tasks are asked again under aliases."""
    found = read(UNTRIED, ids(2), answer(None, [error(code)]))
    learnt = UNTRIED.learn(found.facts[0])

    assert found.facts == (Way.ALIASES,)
    assert (found.rows, found.missing, found.absence) == ((), (), Absence.SUSPECT)
    assert "a1: createdTasks" in sent(learnt, ids(2))["query"]
    assert learnt.batch_limit == 50
    assert learnt.learn(Way.LIST) == learnt


def test_list_without_any_of_the_tasks_is_given_up() -> None:
    """A filter that matches nothing may be one that the server does not know."""
    found = read(UNTRIED, ids(2), answer({"createdTasks": [row("other")]}))

    assert found.facts == (Way.ALIASES,)


@pytest.mark.parametrize(
    ("asked", "given", "way"), [(100, 50, True), (60, 50, True), (100, 99, False), (3, 2, False)]
)
def test_list_that_looks_cut_short_is_given_up(asked: int, given: int, *, way: bool) -> None:
    """A server that gives smaller pages than asked for would leave the same tasks out every time."""
    found = read(LISTS, ids(asked), answer({"createdTasks": [row(id) for id in ids(given)]}))

    assert (Way.ALIASES in found.facts) is way
    assert len(found.rows) == given


def test_refusal_of_a_proven_list_is_an_error() -> None:
    """Once the list has worked, a refusal is about the query, not about the way of asking."""
    with pytest.raises(QueryRefused):
        read(LISTS, ids(2), answer(None, [error("GRAPHQL_VALIDATION_FAILED")]))


@pytest.mark.parametrize("source", [UNTRIED, LISTS, ALIASES])
@pytest.mark.covers("F-21")
def test_too_large_is_raised_and_halves(source: TaskStatuses) -> None:
    """A query that costs too much makes the next ones half as wide, for good."""
    with pytest.raises(QueryTooLarge):
        read(
            source,
            ids(50),
            answer(None, [error("GRAPHQL_VALIDATION_FAILED", message="Query complexity limit exceeded")]),
        )

    width = source.batch_limit
    assert source.learn(TooLarge(width)).batch_limit == width // 2


@pytest.mark.covers("F-21")
def test_width_grows_half_way_to_what_failed_and_never_reaches_it() -> None:
    """Every number is tried at most once above the largest that works; what failed is not tried again."""
    source, tried = ALIASES, []
    for _ in range(40):
        tried.append(source.batch_limit)
        fact = Accepted(tried[-1]) if tried[-1] <= 67 else TooLarge(tried[-1])
        source = source.learn(fact)

    failed = [count for count in tried if count > 67]
    assert tried[0] == 50
    assert tried[-1] == 67
    assert len(failed) == len(set(failed))
    assert len(failed) <= 4


def test_width_grows_only_when_a_full_query_was_taken() -> None:
    """A half-empty query proves nothing about a full one."""
    full = answer({f"a{n}": [row(f"t{n}")] for n in range(50)})

    assert read(ALIASES, ids(50), full).facts == (Accepted(50),)
    assert read(ALIASES, ids(49), full).facts == ()


def test_width_at_its_end_learns_nothing_more() -> None:
    """At 100 there is nothing to be learnt, so that answers can be compared unread."""
    source = ALIASES
    while source.learn(Accepted(source.batch_limit)) != source:
        source = source.learn(Accepted(source.batch_limit))
    full = answer({f"a{n}": [row(f"t{n}")] for n in range(100)})

    assert source.batch_limit == 100
    assert read(source, ids(100), full).facts == ()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_width_never_falls_below_one(count: int) -> None:
    """However often the server refuses, one task can be asked."""
    assert Width(good=0, bad=101).refused(count).limit >= 1


def test_number_once_taken_and_then_refused_starts_anew_below() -> None:
    """Cost depends on the tasks: a refusal outweighs an older success."""
    width = Width(good=0, bad=101).accepted(50).refused(40)

    assert width.limit == 20
    assert width.accepted(45) == width


def test_facts_of_others_are_let_pass() -> None:
    """A fact that this source does not know changes nothing."""
    assert ALIASES.learn("something else") == ALIASES


def test_width_that_was_refused_in_a_bad_hour_grows_again_slowly() -> None:
    """After many queries as wide as allowed a little more is tried, so that one refusal is not for ever."""
    width = Width(good=0, bad=101).refused(50).refused(25).refused(12).refused(6).refused(3).refused(2)
    assert width.limit == 1
    queries = 0
    while width.limit < 100:
        width = width.accepted(width.limit)
        queries += 1
        assert queries < 50_000
    assert queries > 500
