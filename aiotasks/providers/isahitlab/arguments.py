"""Arguments of public calls, checked when given: errors name the argument, what was given and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiotasks import InvalidArgument, InvalidType, escaped, origin_of
from aiotasks.limits import LONGEST_ID
from aiotasks.providers.isahitlab.http import CredentialsMissing
from aiotasks.safety import is_loopback, is_odd_address

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "checked_choice",
    "checked_endpoint",
    "checked_flag",
    "checked_id",
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


def checked_key(name: str, variable: str, value: object) -> str:
    """An access id or secret key (B-10). No message shows it."""
    if value is None or value == "":
        raise CredentialsMissing(f"{name}: given none, and {variable} is not set; allowed: the one of the account")
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: text")
    if not value.strip():
        raise CredentialsMissing(f"{name}: given blank text, allowed: the one of the account")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise InvalidArgument(f"{name}: given text with characters that no key has, allowed: printable ASCII")
    return value


def checked_endpoint(value: object) -> str:
    """The origin of a URL that a key may be sent to (B-11)."""
    if not isinstance(value, str):
        raise InvalidType(f"endpoint: given {type(value).__name__}, allowed: a URL")
    try:
        origin, parts = origin_of(value), urlsplit(value)
    except ValueError as error:
        raise InvalidArgument(f"endpoint: {error}, allowed: an https URL") from None
    host = parts.hostname or ""
    if "?" in value or "#" in value:
        raise InvalidArgument("endpoint: given one with a query or fragment, allowed: an https URL without")
    if is_odd_address(host):
        raise InvalidArgument(f"endpoint: given the address {escaped(host, 40)}, allowed: one in its usual form")
    if parts.scheme != "https" and not is_loopback(host):
        raise InvalidArgument(f"endpoint: given plain http to {escaped(host, 80)}, allowed: https, or this machine")
    return origin


def checked_id(name: str, value: object) -> str:
    """An id of the platform: of a project, batch or task (B-04, B-05)."""
    allowed = f"text of 1 to {LONGEST_ID} printable characters"
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {shown(value)}, allowed: {allowed}")
    if not value.strip() or len(value) > LONGEST_ID or not value.isprintable():
        raise InvalidArgument(f"{name}: given {shown(value)}, allowed: {allowed}")
    return value


def _listed(name: str, values: object, of: str) -> Iterable[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidType(f"{name}: given {shown(values)}, allowed: a list of {of}")
    return values


def checked_ids(name: str, values: object) -> tuple[str, ...]:
    """A list of ids, each once, in the order given (B-08)."""
    return tuple(dict.fromkeys(checked_id(name, value) for value in _listed(name, values, "ids")))


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
