"""What nothing raw gets past: secrets, URLs with their query, text from outside."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from typing import Any, Final, final
from urllib.parse import SplitResult, urlsplit

__all__ = ["Secret", "escaped", "is_loopback", "origin_of", "redacted_url"]

_MASK: Final = "***"
#: I-11. Longest excerpt of text from outside, in characters. `limits` and this module know nothing of each other.
EXCERPT: Final = 256


@final
class Secret:
    """A credential that shows itself to nobody who does not ask with `reveal()` (S-11).

    `repr`, `str`, `format` show `***`; it does not pickle and compares in constant time.

    >>> token = Secret("k-123")
    >>> f"{token}", repr(token), token == Secret("k-123")
    ('***', "Secret('***')", True)
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The credential itself: for the header that needs it and for nothing else."""
        return self.__value

    def fingerprint(self) -> str:
        """16 hex digits that tell two credentials apart and give neither away."""
        return hashlib.sha256(b"aiotasks:" + self.__value.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled; build it anew where it is needed")


def escaped(text: object, limit: int = EXCERPT) -> str:
    """`text` as one printable line of at most `limit` characters: control and bidi characters escaped (S-15).

    >>> escaped("a\\nb")
    'a\\\\nb'
    """
    raw = text if isinstance(text, str) else str(text)
    cut = raw[:limit]
    if not cut.isprintable():
        # Cf holds the bidirectional marks, Cs lone surrogates: neither may reach a terminal.
        cut = "".join(
            c if c == " " or unicodedata.category(c)[0] not in "CZ" else c.encode("unicode_escape").decode()
            for c in cut
        )
    return cut if len(raw) <= limit else cut + "…"


def redacted_url(url: str) -> str:
    """`url` without user, query and fragment: what may be shown of it (S-13)."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "<unreadable URL>"
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return escaped(f"{parts.scheme}://{host}{port}{parts.path}")


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, normalised, as in `https://api.example.com:443`.

    Raises:
        ValueError: the URL has no scheme of http or https, no host, a user part, or no readable port.
    """
    parts: SplitResult = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("the scheme must be http or https")
    if not parts.hostname:
        raise ValueError("the host is missing")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user or password in a URL is not taken")
    port = parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


_NUMERIC_HOST: Final = re.compile(r"(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+))*\.?", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or a plainly written loopback address (127.0.0.0/8, ::1).

    Odd spellings of an address (decimal, octal, hexadecimal, short) are not loopback: nobody writes them in
    good faith (B-11).
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_odd_address(host: str) -> bool:
    """Whether `host` is number-like, yet no plainly written IP address (`0x7f.1`, `2130706433`)."""
    if not _NUMERIC_HOST.fullmatch(host):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
