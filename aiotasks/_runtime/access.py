"""What a client is given to log in with: where, and by which secret. Checked before anything is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiotasks.errors import InvalidArgument, InvalidType
from aiotasks.safety import Secret, escaped, is_loopback, is_odd_address, origin_of

__all__ = ["checked_origin", "checked_secret"]


def checked_secret(value: object, name: str, *, otherwise: str = "") -> Secret:
    """A credential that can stand in a header, as a `Secret` (B-10). No message shows it.

    Args:
        value: what the caller gave.
        name: the argument's name.
        otherwise: where it would have been looked for besides, such as an environment variable.

    Raises:
        InvalidArgument, InvalidType: none was given, or one with characters that no credential has.
    """
    if value is None:
        besides = f", and {otherwise} is not set" if otherwise else ""
        raise InvalidArgument(f"{name}: given none{besides}; allowed: printable ASCII text")
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: printable ASCII text")
    if not value.strip():
        raise InvalidArgument(f"{name}: given empty text, allowed: printable ASCII text")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise InvalidArgument(f"{name}: given characters that no credential has, allowed: printable ASCII text")
    return Secret(value)


def checked_origin(value: object, name: str = "endpoint", *, allow_http: bool = False) -> str:
    """The origin of a URL that a credential may be sent to: https, or http to this machine (B-11).

    Args:
        value: what the caller gave.
        name: the argument's name.
        allow_http: take http to other machines too, because the caller said so.

    Raises:
        InvalidArgument, InvalidType: no such URL, one with a user, query or fragment, or an address in an odd form.
    """
    if not isinstance(value, str):
        raise InvalidType(f"{name}: given {type(value).__name__}, allowed: a URL")
    if not value.isprintable() or " " in value:
        raise InvalidArgument(f"{name}: given {escaped(value, 80)!r}, allowed: a URL without blanks")
    try:
        origin, parts = origin_of(value), urlsplit(value)
    except ValueError as error:
        # Not the value itself where it may hold a password.
        given = "one" if "@" in value else repr(escaped(value, 80))
        raise InvalidArgument(f"{name}: given {given}: {error}; allowed: an https URL") from None
    host = parts.hostname or ""
    if "?" in value or "#" in value:
        raise InvalidArgument(f"{name}: given one with a query or fragment, allowed: an https URL without")
    if is_odd_address(host):
        raise InvalidArgument(f"{name}: given the address {escaped(host, 40)}, allowed: one in its usual form")
    if parts.scheme != "https" and not (allow_http or is_loopback(host)):
        raise InvalidArgument(f"{name}: given plain http to {escaped(host, 80)}, allowed: https, or this machine")
    return origin
