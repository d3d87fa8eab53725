"""How statuses are asked for in batches, and what answers say: pure, without a loop."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from aiotasks import Absence, Account, Answer, DecodeError, ProtocolError, Query, Response, State, TooLarge
from aiotasks.providers.isahitlab import ApiBadRequest, ApiNotFound, AuthenticationFailed, TaskStatuses
from aiotasks.providers.isahitlab.http import Endpoint
from aiotasks.providers.isahitlab.source import Clamped

SOURCE = TaskStatuses(
    account=Account(platform="isahitlab", origin="https://hub.example:443", fingerprint="f"),
    endpoint=Endpoint("https://hub.example/"),
    project_id="p",
)


def row(id: str, status: Any = "pending", **more: Any) -> dict[str, Any]:
    return {"_id": id, "status": status, "name": "n", **more}


def page(*docs: Any, **more: Any) -> Response:
    return Response(status=200, body=msgspec.json.encode({"docs": docs, "hasNextPage": False, **more}))


def read(ids: tuple[str, ...], response: Response) -> Answer:
    (only,) = SOURCE.read(Query(ids), response)
    return only


def test_query_names_its_tasks() -> None:
    """One page, no optional fields, ids encoded; and the scheduler alone decides about a second send."""
    request = SOURCE.request(Query(("a", "b/../&c")))
    parts = urlsplit(request.url)
    assert (request.method, parts.path) == ("GET", "/api/task-manager/tasks")
    assert parse_qs(parts.query) == {
        "pagination": ["true"],
        "page": ["1"],
        "limit": ["100"],
        "projectId": ["p"],
        "taskIds": ["a", "b/../&c"],
    }
    assert not request.is_repeatable


def test_line_of_100_ids_is_short() -> None:
    """Far below the 8 kB that common servers take."""
    assert len(SOURCE.request(Query(tuple(f"{n:024d}" for n in range(100)))).url) < 3_600


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("configuring", State.PENDING),
        ("pending", State.PENDING),
        ("to-review", State.RUNNING),
        ("complete", State.SUCCEEDED),
        (" Reviewed ", State.SUCCEEDED),
        ("new-word", State.UNKNOWN),
    ],
)
def test_words_mean_states_and_none_is_final(word: str, state: State) -> None:
    """Even a finished task can be sent to redo."""
    (found,) = read(("a",), page(row("a", word))).rows
    seen = SOURCE.observe(found)
    assert (seen.word, seen.state, seen.is_final, seen.progress) == (word.strip(), state, False, None)


def test_absent_ids_are_suspect_and_missing_when_alone() -> None:
    """A list may lag behind; an empty answer about one id is an answer."""
    assert (read(("a", "b"), page(row("a"))).missing, read(("a",), page()).missing) == ((), ("a",))
    assert read(("a", "b"), page(row("a"))).absence is Absence.SUSPECT


def test_small_page_is_learnt_and_accuses_nobody() -> None:
    """The limit shrinks to the page, and never grows back."""
    answer = read(("a", "b", "c"), page(row("a"), row("b"), hasNextPage=True))
    assert (answer.absence, answer.missing, answer.facts) == (Absence.UNCHANGED, (), (Clamped(2),))
    assert SOURCE.learn(Clamped(2)).learn(Clamped(7)).batch_limit == 2
    assert SOURCE.learn(TooLarge(100)).batch_limit == 50
    assert SOURCE.learn(TooLarge(1)).batch_limit == 1
    assert SOURCE.learn("anything") is SOURCE


def test_bad_row_leaves_the_others() -> None:
    """Where none can be read the answer is bad as a whole."""
    assert [each.id for each in read(("a", "b"), page(row("a", None), row("b"))).rows] == ["b"]
    with pytest.raises(DecodeError):
        read(("a",), page(row("a", 7)))


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response(status=400, body=b'{"errorCode": 7}'), ApiBadRequest),
        (Response(status=401), AuthenticationFailed),
        (Response(status=404), ApiNotFound),
        (Response(status=200, body=b"<html>"), ProtocolError),
        (Response(status=200, body=b"[]"), DecodeError),
    ],
)
def test_other_answers_are_errors(response: Response, kind: type[Exception]) -> None:
    """Under the SDK's names where it has one."""
    with pytest.raises(kind):
        read(("a",), response)
