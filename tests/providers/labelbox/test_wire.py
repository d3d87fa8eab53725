"""Rows, status words and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from aiotasks import State
from aiotasks.providers.labelbox import wire
from aiotasks.providers.labelbox.wire import TaskRow, TaskStatus, kebab, moment, observed, wire_moment


@pytest.mark.parametrize(
    ("word", "state", "member", "is_final"),
    [
        ("IN_PROGRESS", State.RUNNING, TaskStatus.In_Progress, False),
        ("CANCELLING", State.RUNNING, TaskStatus.Canceling, False),
        ("COMPLETE", State.SUCCEEDED, TaskStatus.Complete, True),
        ("FAILED", State.FAILED, TaskStatus.Failed, True),
        ("CANCELED", State.CANCELLED, TaskStatus.Canceled, True),
        (" complete\t", State.SUCCEEDED, TaskStatus.Complete, True),
        ("CANCELLED", State.UNKNOWN, TaskStatus.Unknown, False),
        ("PAUSED", State.UNKNOWN, TaskStatus.Unknown, False),
        ("", State.UNKNOWN, TaskStatus.Unknown, False),
    ],
)
@pytest.mark.covers("B-34")
def test_only_words_that_mean_an_end_end_a_task(word: str, state: State, member: TaskStatus, is_final: bool) -> None:
    """COMPLETE, FAILED and CANCELED are final; CANCELLING and words nobody knows are not."""
    seen = observed(TaskRow(id="t", status=word))

    assert (seen.word, seen.state, seen.is_final) == (word.strip(), state, is_final)
    assert TaskStatus(word.strip().upper()) is member


@pytest.mark.parametrize(
    ("told", "progress"),
    [(0, 0.0), (37.5, 37.5), (100, 100.0), (140, None), (-1, None), ("50", None), (None, None), (True, None)],
)
@pytest.mark.covers("B-43")
def test_progress_is_a_percentage_or_nothing(told: Any, progress: float | None) -> None:
    """Progress outside of 0 to 100, or of another type, counts as not told and spoils nothing."""
    body = msgspec.json.encode({"id": "t", "status": "IN_PROGRESS", "completionPercentage": told})

    assert wire.TASK_ROW.decode(body).progress == progress


def test_full_progress_is_no_end() -> None:
    """A task at 100 percent runs on until its word says otherwise."""
    assert observed(TaskRow(id="t", status="IN_PROGRESS", completion=100)).state is State.RUNNING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31T10:20:30.123Z", datetime(2024, 1, 31, 10, 20, 30, 123000, tzinfo=UTC)),
        ("2024-01-31T10:20:30Z", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2024-01-31T10:20:30", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2024-01-31T12:20:30+02:00", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", None),
        ("99999-01-01T00:00:00Z", None),
        ("yesterday", None),
        (1706696430123, None),
        (None, None),
    ],
)
@pytest.mark.covers("B-45")
def test_times_are_aware_or_absent(text: Any, expected: datetime | None) -> None:
    """A time without a zone is UTC, and what cannot be read as a time is None."""
    assert moment(text) == expected


def test_times_go_out_in_utc_and_whole_seconds() -> None:
    """Times are sent as the SDK sends them."""
    noon = datetime(2024, 1, 31, 12, 0, 0, 999, tzinfo=timezone(timedelta(hours=2)))

    assert wire_moment(noon) == "2024-01-31T10:00:00Z"


def test_embedded_error_becomes_the_message() -> None:
    """A failed batch, queue or annotate task carries its error in `result`; a URL elsewhere is no message."""
    text = '{"error": "no such batch"}'

    assert observed(TaskRow(id="t", status="FAILED", type="send-to-annotate", result=text)).message == text
    assert observed(TaskRow(id="t", status="COMPLETE", type="send-to-annotate", result=text)).message is None
    assert observed(TaskRow(id="t", status="FAILED", type="other", result="https://x")).message is None


@pytest.mark.parametrize("name", ["adv_upsert_data_rows", "advUpsertDataRows", "AdvUpsertDataRows"])
def test_names_of_types_are_compared_in_kebab_case(name: str) -> None:
    """Whatever case the server names a type in, it is the type that tasks have."""
    assert kebab(name) == "adv-upsert-data-rows"
