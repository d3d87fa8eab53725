"""Arguments of public calls, checked when given: errors name the argument, what was given and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiotasks import InvalidArgument, InvalidType, Secret, checked_id, checked_secret, escaped
from aiotasks.providers.isahitlab.http import CredentialsMissing

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "checked_choice",
    "checked_flag",
    "checked_ids",
    "checked_key",
    "checked_mapping",
    "checked_text",
    "checked_texts",
    "shown",
]


def shown(value: object) -> str:
    """`value` as it may stand in a message: short and escaped."""
    return escaped(repr(value), 60)


def checked_key(name: str, variable: str, value: object) -> Secret:
    """An access id or secret key (B-10). No message shows it."""
    if value is None or value == "":
        raise CredentialsMissing(f"{name}: given none, and {variable} is not set; allowed: the one of the account")
    return checked_secret(value, name)


def _listed(name: str, values: object, of: str) -> Iterable[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidType(f"{name}: given {shown(values)}, allowed: a list of {of}")
    return values


def checked_ids(name: str, values: object) -> tuple[str, ...]:
    """A list of ids, each once, in the order given (B-08)."""
    return tuple(dict.fromkeys(checked_id(value, name) for value in _listed(name, values, "ids")))


def checked_text(name: str, value: object) -> str:
    """Text with at least one character that can be seen."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: text")
    if not value.strip() or "\0" in value:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: text with at least one character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: text without lone surrogates") from None
    return value


def checked_texts(name: str, values: object) -> tuple[str, ...]:
    """A list of texts, each once; None is an empty one."""
    if values is None:
        return ()
    return tuple(dict.fromkeys(checked_text(name, value) for value in _listed(name, values, "texts")))


def checked_choice(name: str, value: object, choices: Collection[str]) -> str:
    """One of the words that the SDK allows."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: {', '.join(choices)}")
    if value not in choices:
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {', '.join(choices)}")
    return value


def checked_flag(name: str, value: object) -> bool:
    """True or False; None is False, as in the SDK."""
    if not isinstance(value, bool | None):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: True or False")
    return bool(value)


def checked_mapping(name: str, value: object) -> dict[str, Any]:
    """A mapping by text, copied; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: a mapping of text to values")
    return dict(value)
