"""Bad arguments: a typed error that names argument, value and what is allowed, before any request."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import aiotasks
from aiotasks._runtime import arguments
from aiotasks.errors import InvalidArgument, InvalidType, UsageError

if TYPE_CHECKING:
    from aiotasks.testing import FakeClient, FakePlatform

FREQUENCY = "at least 2.0 seconds"
TIMEOUT = "None, 0, or seconds from 0.001 to 366 days"

BAD_FREQUENCIES = [
    pytest.param(0, InvalidArgument, marks=pytest.mark.covers("B-01")),
    pytest.param(1.999, InvalidArgument, marks=pytest.mark.covers("B-01")),
    pytest.param(-5, InvalidArgument, marks=pytest.mark.covers("B-01")),
    pytest.param(timedelta(seconds=1), InvalidArgument, marks=pytest.mark.covers("B-01", "B-02")),
    pytest.param(math.nan, InvalidArgument, marks=pytest.mark.covers("B-02")),
    pytest.param(math.inf, InvalidArgument, marks=pytest.mark.covers("B-02")),
    pytest.param(True, InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param("5", InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param(Decimal(5), InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param(None, InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param(366 * 86_400 + 1, InvalidArgument, marks=pytest.mark.covers("B-03")),
    pytest.param(10**400, InvalidArgument, marks=pytest.mark.covers("B-03"), id="huge"),
    pytest.param(10**5_000, InvalidArgument, marks=pytest.mark.covers("B-03"), id="unwritable"),
]

BAD_TIMEOUTS = [
    pytest.param(-1, InvalidArgument, marks=pytest.mark.covers("B-02")),
    pytest.param(math.nan, InvalidArgument, marks=pytest.mark.covers("B-02")),
    pytest.param(math.inf, InvalidArgument, marks=pytest.mark.covers("B-02")),
    pytest.param(False, InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param("60", InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param(Decimal(60), InvalidType, marks=pytest.mark.covers("B-02")),
    pytest.param(0.0001, InvalidArgument, marks=pytest.mark.covers("B-03")),
    pytest.param(timedelta(days=400), InvalidArgument, marks=pytest.mark.covers("B-03")),
    pytest.param(10**400, InvalidArgument, marks=pytest.mark.covers("B-03"), id="huge"),
    pytest.param(10**5_000, InvalidArgument, marks=pytest.mark.covers("B-03"), id="unwritable"),
]


async def _refused(client: FakeClient, platform: FakePlatform, **given: Any) -> list[UsageError]:
    """What each call that takes these arguments says of them."""
    task = client.start("a")
    calls: list[Any] = [lambda: aiotasks.wait_all([task], **given), lambda: aiotasks.as_completed([task], **given)]
    if "check_frequency" in given:
        calls.append(lambda: task.changes(**given))
    calls += [lambda: task.wait_till_done(**given), lambda: task.wait_for("done", **given)]
    errors = []
    for call in calls:
        with pytest.raises(UsageError) as caught:
            await call()  # those that give iterators have raised before
        errors.append(caught.value)
    assert platform.queries == []
    assert client.scheduler.statistics().tasks == 0
    return errors


@pytest.mark.parametrize(("value", "error"), BAD_FREQUENCIES)
async def test_bad_frequency_is_refused(
    client: FakeClient, platform: FakePlatform, value: object, error: type[Exception]
):
    """`check_frequency`: a number of seconds from 2.0 on; nothing is clipped."""
    for refused in await _refused(client, platform, check_frequency=value):
        assert type(refused) is error
        assert str(refused).startswith(f"check_frequency: given {arguments.shown(value)}, allowed: {FREQUENCY}")


@pytest.mark.parametrize(("value", "error"), BAD_TIMEOUTS)
async def test_bad_timeout_is_refused(
    client: FakeClient, platform: FakePlatform, value: object, error: type[Exception]
):
    """`timeout_seconds`: None, zero, or a number of seconds that can be meant."""
    for refused in await _refused(client, platform, timeout_seconds=value):
        assert type(refused) is error
        assert str(refused).startswith(f"timeout_seconds: given {arguments.shown(value)}, allowed: {TIMEOUT}")


@pytest.mark.looptime
@pytest.mark.covers("B-02")
async def test_numbers_and_timedeltas_are_durations(client: FakeClient):
    """Whole numbers, floats and `timedelta`s will do."""
    task = client.start("a", "done")
    await task.wait_till_done(timeout_seconds=timedelta(minutes=1), check_frequency=timedelta(seconds=2))  # type: ignore[arg-type]
    await task.wait_till_done(60, 2)


@pytest.mark.covers("B-08")
@pytest.mark.parametrize("tasks", ["abc", b"abc", None, 7, object()])
async def test_what_is_no_collection_is_refused(client: FakeClient, tasks: Any):
    """An iterable of tasks, and no text."""
    for call in (aiotasks.wait_all, aiotasks.as_completed):
        with pytest.raises(InvalidType, match=r"tasks: given .*, allowed: an iterable of tasks"):
            await call(tasks)  # type: ignore[misc, operator]


@pytest.mark.covers("B-08")
@pytest.mark.parametrize("stranger", [None, "a", 7, object()])
async def test_what_is_no_task_is_refused(client: FakeClient, platform: FakePlatform, stranger: Any):
    """One stranger among the tasks refuses them all, before any request."""
    for call in (aiotasks.wait_all, aiotasks.as_completed):
        with pytest.raises(InvalidType, match=r"tasks: given .* among them, allowed: tasks"):
            await call([client.start("a"), stranger])  # type: ignore[misc, operator]
    assert platform.queries == []


@pytest.mark.parametrize(("words", "error"), [((), InvalidArgument), (("",), InvalidArgument), ((7,), InvalidType)])
async def test_bad_words_are_refused(client: FakeClient, words: Any, error: type[Exception]):
    """`wait_for` takes at least one word, as text."""
    with pytest.raises(error, match=r"words: given .*, allowed: "):
        await client.start("a").wait_for(*words)


@pytest.mark.parametrize(
    ("value", "kind", "error"),
    [
        *(
            pytest.param(value, str, error, marks=pytest.mark.covers("B-04"))
            for value, error in [
                ("", InvalidArgument),
                ("  ", InvalidArgument),
                (None, InvalidType),
                (True, InvalidType),
                (1.5, InvalidType),
                (b"a", InvalidType),
            ]
        ),
        *(
            pytest.param(value, str, InvalidArgument, marks=pytest.mark.covers("B-05"))
            for value in ["x" * 513, "a\nb", "a\r\nb", "a\0b", "\ud800", "a\u202eb"]
        ),
        *(
            pytest.param(value, int, error, marks=pytest.mark.covers("B-07"))
            for value, error in [
                ("7", InvalidType),
                ("007", InvalidType),
                (True, InvalidType),
                (7.0, InvalidType),
                (0, InvalidArgument),
                (-7, InvalidArgument),
            ]
        ),
        pytest.param(7, str, InvalidType, marks=pytest.mark.covers("B-07")),
    ],
)
def test_bad_id_is_refused(value: object, kind: type[str | int], error: type[Exception]):
    """An id is of the one type that the platform has, and of a shape that ids have; the text shows no raw byte."""
    with pytest.raises(error, match=r"data_row: given .*, allowed: ") as caught:
        arguments.checked_id(value, "data_row", kind)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.covers("B-06")
@pytest.mark.parametrize("value", ["a/b", "..", "a?b=c", "a#b", "100%", "'\"`", "{x}", "ü", "x" * 512])
def test_odd_ids_are_taken(value: str):
    """What is odd in a URL is a good id: the providers encode it."""
    assert arguments.checked_id(value) == value


@pytest.mark.covers("B-11")
def test_plain_http_elsewhere_has_to_be_allowed():
    """By the caller, in so many words; what else is wrong with a URL stays wrong."""
    with pytest.raises(InvalidArgument, match="plain http"):
        aiotasks.checked_origin("http://platform.example")
    assert aiotasks.checked_origin("http://platform.example", allow_http=True) == "http://platform.example:80"
    with pytest.raises(InvalidArgument, match="endpoint"):
        aiotasks.checked_origin("ftp://platform.example", allow_http=True)
