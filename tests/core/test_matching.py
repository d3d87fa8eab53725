"""Answers against the ids asked: what changed, what is left out, what nobody asked for."""

from __future__ import annotations

import pytest

from aiotasks._core.cohorts import Record
from aiotasks._core.lifecycle import copy_state, observe
from aiotasks._core.matching import Flight, match
from aiotasks.errors import ServerError
from aiotasks.models import Answer, Observation, Query, Request, State
from tests.core.model import ModelSource, Row, account

SOURCE = ModelSource(account())


def flight(ids: str, fresh: str = "") -> Flight:
    members = [Record(id, SOURCE) for id in ids]
    for record in members:
        record.word = "running"
    return Flight(
        number=1,
        cohort=None,  # type: ignore[arg-type] # matching does not look at it
        members=members,
        query=Query(tuple(ids)),
        source=SOURCE,
        request=Request(url="https://model.invalid/"),
        fresh=frozenset(record for record in members if record.id in fresh),
    )


def rows(text: str) -> list[Row]:
    """`"a bD"`: a is running, b is done."""
    return [Row(word[0], {"": "running", "D": "done", "F": "failed"}[word[1:]]) for word in text.split()]


def told(flown: Flight, *blocks: str) -> tuple[str, str, int]:
    changed = ""
    for block in blocks:
        found = match(flown, Answer(rows=rows(block)))
        changed += "".join(record.id + row.word[0] for record, row in found.changed)
    return changed, "".join(record.id for record in flown.left_out()), flown.strays


@pytest.mark.parametrize(
    ("asked", "blocks", "changed", "left_out", "strays"),
    [
        pytest.param("abc", ["a b c"], "", "", 0, id="nothing new"),
        pytest.param("abc", ["a bD c"], "bd", "", 0, id="one changed"),
        pytest.param("abcd", ["a bD", "cD d"], "bdcd", "", 0, id="in blocks"),
        pytest.param("abc", ["c b aD"], "ad", "", 0, id="in another order"),
        pytest.param("abcd", ["a c b dD"], "dd", "", 0, id="order differs inside a block"),
        pytest.param("abcd", ["a b", "dD c"], "dd", "", 0, id="order differs in a later block"),
        pytest.param("abc", ["a", "", "b c"], "", "", 0, id="an empty block"),
        pytest.param("abc", ["a c"], "", "b", 0, id="one left out (B-36)"),
        pytest.param("abc", ["a b"], "", "c", 0, id="the last left out"),
        pytest.param("abc", [""], "", "abc", 0, id="all left out"),
        pytest.param("abc", ["a x b c"], "", "", 1, id="one not asked for (B-38)"),
        pytest.param("abc", ["a b c xD"], "", "", 1, id="one too many"),
        pytest.param("abc", ["a b b c"], "", "", 0, id="named twice alike (B-37)"),
        pytest.param("abc", ["a b bD c"], "", "b", 1, id="named twice differently (B-37)"),
        pytest.param("abc", ["a b bD bF c"], "", "b", 2, id="named three times differently"),
        pytest.param("abc", ["a bD", "b c"], "bd", "", 1, id="contradicted by a later block: a stray"),
        pytest.param("abc", ["aD bD cD", "aD bD cD"], "adbdcd", "", 3, id="the whole answer twice"),
    ],
)
@pytest.mark.covers("B-36", "B-37", "B-38")
def test_rows_are_matched(asked, blocks, changed, left_out, strays):
    """Each row counts once for the task it names; what does not fit is counted, and believed by nobody."""
    assert told(flight(asked), *blocks) == (changed, left_out, strays)


@pytest.mark.parametrize("order", ["a b c", "c a b"])
def test_rows_somebody_wants_fresh_count_though_nothing_changed(order):
    """Their details may have changed."""
    assert told(flight("abc", fresh="b"), order)[0] == "br"


def test_missing_and_refused_are_told_apart_and_not_absent():
    """Ids nobody asked for are ignored there too."""
    flown = flight("abcd")
    error = ServerError("no")
    found = match(flown, Answer(rows=rows("a"), missing=("b", "x"), refused={"c": error, "y": error}))
    assert [record.id for record in found.missing] == ["b"]
    assert [(record.id, why) for record, why in found.refused] == [("c", error)]
    assert [record.id for record in flown.left_out()] == ["d"]
    assert not flown.is_clean


@pytest.mark.covers("I-03", "B-40", "B-41", "B-43")
def test_observations_are_taken_until_the_end():
    """Back and forth among running words as the platform says; after a final word nothing changes any more."""
    record = Record("a", SOURCE)

    def say(word: str, progress: float | None = None) -> bool:
        return observe(record, SOURCE.observe(Row("a", word, progress)), 5.0)

    assert say("running", 50.0)
    assert not say("running", 50.0)
    assert say("running", None)
    assert say("queued")
    assert say("never heard of", 100.0)
    assert (record.state, record.is_final) == (State.UNKNOWN, False)
    assert say("done")
    assert not say("running")
    assert (record.word, record.state, record.is_final) == ("done", State.SUCCEEDED, True)
    copy_state(record, Record("a", SOURCE))
    assert record.word == "done"


@pytest.mark.covers("B-46")
def test_long_message_is_cut():
    """4 KiB of a failure message are kept."""
    record = Record("a", SOURCE)
    observe(record, Observation(word="failed", state=State.FAILED, is_final=True, message="x" * 10_000), 0.0)
    assert record.message == "x" * 4096
