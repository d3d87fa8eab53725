"""Arguments of public calls, checked when given: errors name the argument, what was given and what is allowed."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiotasks.errors import InvalidArgument, InvalidType
from aiotasks.limits import FLOOR, LONGEST_DURATION, LONGEST_ID, SHORTEST_DURATION
from aiotasks.safety import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["checked_id", "checked_text", "distinct", "frequency", "timeout", "words"]


def shown(value: object) -> str:
    """`value` as it may stand in a message: short and escaped."""
    try:
        return escaped(repr(value), 60)
    except Exception:  # noqa: BLE001 - somebody's own repr, or a number of more digits than Python will write
        return f"<{type(value).__name__}>"


def frequency(value: object, name: str = "check_frequency") -> float:
    """Seconds between checks: a number of at least 2.0, or a `timedelta` (B-01, B-02)."""
    allowed = f"at least {FLOOR} seconds"
    seconds = _seconds(value, name, allowed)
    if seconds < FLOOR or seconds > LONGEST_DURATION:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {allowed}, at most 366 days")
    return seconds


def timeout(value: object, name: str = "timeout_seconds") -> float | None:
    """Seconds until a wait times out: None is no limit, 0 is what is known now (B-02, B-03)."""
    if value is None:
        return None
    allowed = "None, 0, or seconds from 0.001 to 366 days"
    seconds = _seconds(value, name, allowed)
    if seconds != 0 and not SHORTEST_DURATION <= seconds <= LONGEST_DURATION:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {allowed}")
    return seconds


def _seconds(value: object, name: str, allowed: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: {allowed}, as a number or a timedelta")
    try:
        seconds = float(value)
    except OverflowError:  # a whole number beyond every float
        seconds = math.inf
    if not math.isfinite(seconds):
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {allowed}")
    return seconds


def checked_id(value: object, name: str = "id", kind: type[str | int] = str) -> Any:
    """A task's id of the one type that the platform has (B-04, B-05, B-07)."""
    allowed = "a positive whole number" if kind is int else f"text of 1 to {LONGEST_ID} printable characters"
    if isinstance(value, bool) or not isinstance(value, kind):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: {allowed}")
    if isinstance(value, int):
        is_allowed = value > 0
    else:
        is_allowed = 0 < len(value) <= LONGEST_ID and value.isprintable() and not value.isspace()
    if not is_allowed:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {allowed}")
    return value


def checked_text(value: object, name: str) -> str:
    """Text with something in it."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: text")
    if not value.strip():
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: text with at least one character")
    return value


def words(values: Iterable[object], name: str = "words") -> frozenset[str]:
    """The platform's words that a wait ends at: at least one."""
    found = []
    for value in values:
        if not isinstance(value, str):
            raise InvalidType(f"{name}: given {shown(value)}, allowed: words of the platform, as text")
        found.append(value.strip())
    if not found or not all(found):
        raise InvalidArgument(f"{name}: given {shown(tuple(found))}, allowed: at least one word, none empty")
    return frozenset(found)


def distinct(tasks: object, kind: type[Any], name: str = "tasks") -> tuple[list[Any], list[Any]]:
    """A collection of tasks: as given, and without repetitions (B-08, B-16)."""
    if isinstance(tasks, str | bytes) or not hasattr(tasks, "__iter__"):
        raise InvalidType(f"{name}: given {shown(tasks)}, allowed: an iterable of tasks")
    given = list(tasks)
    # By their types, of which there are few: a million tasks are looked at in one call of the interpreter.
    strangers = tuple(found for found in set(map(type, given)) if not issubclass(found, kind))
    if strangers:
        stranger = next(task for task in given if type(task) in strangers)
        raise InvalidType(f"{name}: given {shown(stranger)} among them, allowed: tasks")
    return given, list(dict.fromkeys(given))
