"""Arguments of public calls, checked when given: errors name the argument, what was given and what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiotasks import InvalidArgument, InvalidType, escaped
from aiotasks.limits import FLOOR, LONGEST_DURATION, LONGEST_ID

__all__ = ["checked_flag", "checked_id", "checked_interval", "checked_text"]


def checked_id(name: str, value: object) -> str:
    """An id that can be one segment of a path (B-04 to B-06). `.` and `..` cannot, however they are written."""
    allowed = f"text of 1 to {LONGEST_ID} printable characters, not . or .."
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: {allowed}")
    if not value.strip() or len(value) > LONGEST_ID or not value.isprintable() or value in {".", ".."}:
        raise InvalidArgument(f"{name}: given {escaped(value, 40)!r}, allowed: {allowed}")
    return value


def checked_organization(value: object) -> str:
    """An id that can stand in a header."""
    id = checked_id("organization_id", value)
    if not id.isascii() or id != id.strip():
        raise InvalidArgument(f"organization_id: given {escaped(id, 40)!r}, allowed: printable ASCII")
    return id


def checked_text(name: str, value: object) -> str:
    """Text with at least one character."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: text")
    if not value.strip():
        raise InvalidArgument(f"{name}: given empty text, allowed: text with at least one character")
    return value


def checked_flag(name: str, value: object) -> bool:
    """True or False, and nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: True or False")
    return value


def checked_interval(name: str, value: Any) -> float:
    """Seconds between two checks (B-01 to B-03)."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    allowed = f"{FLOOR} seconds to 366 days"
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: {allowed}, as a number or a timedelta")
    if not FLOOR <= seconds <= LONGEST_DURATION:
        raise InvalidArgument(f"{name}: given {escaped(value, 40)}, allowed: {allowed}")
    return float(seconds)
