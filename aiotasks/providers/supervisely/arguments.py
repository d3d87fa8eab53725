"""Arguments of public calls, checked before anything is sent: errors name the argument, what was given, and what is
allowed. What is kept is a copy, so that the caller's objects are never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiotasks import InvalidArgument, InvalidType, checked_text, escaped
from aiotasks.providers.supervisely.wire import Status

__all__ = [
    "conditions",
    "flag",
    "graph",
    "mapping",
    "one_of",
    "optional_text",
    "optional_whole",
    "records",
    "sequence",
    "status",
    "text",
    "texts",
    "whole",
]


def _shown(value: object) -> str:
    return escaped(repr(value), 60)


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number, such as an id (B-04, B-07)."""
    allowed = f"a whole number of at least {least}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidType(f"{name}: given {_shown(value)}, allowed: {allowed}")
    if value < least or value >= 2**63:
        raise InvalidArgument(f"{name}: given {_shown(value)}, allowed: {allowed}")
    return value


def optional_whole(name: str, value: object, least: int = 1) -> int | None:
    """A whole number, or None."""
    return None if value is None else whole(name, value, least)


def flag(name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidType(f"{name}: given {_shown(value)}, allowed: True or False")
    return value


def text(name: str, value: object, *, may_be_empty: bool = False) -> str:
    """Text that can be sent."""
    return "" if may_be_empty and value == "" else checked_text(value, name)


def optional_text(name: str, value: object) -> str | None:
    """Text, or None."""
    return None if value is None else text(name, value)


def one_of(name: str, value: object, *allowed: str) -> str:
    """One of some words."""
    if text(name, value) not in allowed:
        raise InvalidArgument(f"{name}: given {_shown(value)}, allowed: {', '.join(allowed)}")
    return str(value)


def status(name: str, value: object) -> Status:
    """One of the eight statuses, as a member or as text."""
    return Status(one_of(name, value, *Status))


def mapping(name: str, value: object) -> dict[str, Any]:
    """A mapping with texts as keys, copied."""
    if not isinstance(value, Mapping):
        raise InvalidType(f"{name}: given {_shown(value)}, allowed: a mapping")
    for key in value:
        if not isinstance(key, str):
            raise InvalidType(f"{name}: given the key {_shown(key)}, allowed: texts as keys")
    return dict(value)


def sequence(name: str, value: object) -> list[Any]:
    """A list or the like, copied (B-08, B-16)."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidType(f"{name}: given {_shown(value)}, allowed: a list")
    return list(value)


def texts(name: str, value: object) -> list[str]:
    """A list of texts, copied."""
    return [text(f"{name}[{n}]", item) for n, item in enumerate(sequence(name, value))]


def records(name: str, value: object, *required: str) -> list[dict[str, Any]]:
    """A list of mappings that have the keys required, copied."""
    rows = [mapping(f"{name}[{n}]", item) for n, item in enumerate(sequence(name, value))]
    for n, row in enumerate(rows):
        missing = [key for key in required if key not in row]
        if missing:
            raise InvalidArgument(f"{name}[{n}]: given no {', '.join(missing)}, allowed: {', '.join(required)}")
    return rows


def graph(name: str, value: object) -> Any:
    """A mapping or a list: the layers of a transformation."""
    return mapping(name, value) if isinstance(value, Mapping) else sequence(name, value)


# --- filters (section 4) ------------------------------------------------------------------------------------

_FIELDS: Final = ("id", "type", "status")
_OPERATORS: Final = ("=", "eq", "!=", "not", "in", "!in")


def conditions(filters: object) -> list[dict[str, Any]]:
    """Filters of a list of tasks: each `{"field", "operator", "value"}`; None is none."""
    found = [] if filters is None else records("filters", filters, "field", "operator", "value")
    for n, each in enumerate(found):
        where = f"filters[{n}]"
        one_of(f"{where}.field", each["field"], *_FIELDS)
        one_of(f"{where}.operator", each["operator"], *_OPERATORS)
        if each["operator"] in ("in", "!in"):
            each["value"] = sequence(f"{where}.value", each["value"])
        values = each["value"] if each["operator"] in ("in", "!in") else [each["value"]]
        for value in values:
            if each["field"] == "id":
                whole(f"{where}.value", value)
            else:
                text(f"{where}.value", value)
    return found
