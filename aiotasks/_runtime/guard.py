"""Which URLs and addresses a platform may send us to (S-03 to S-07).

A URL that a server names (a result file, a redirect) is hostile until shown otherwise: it could point into
the caller's own network. The URL is checked when it is met, the address when it is connected to, since only
then is it known: names can resolve to anything, and to something else the second time.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from aiotasks.errors import ProtocolError
from aiotasks.safety import escaped, is_loopback, is_odd_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks.models import Account

    IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

__all__ = ["Guard", "RefusedAddress", "RefusedUrl", "address_kind", "bare_headers", "origin"]


class RefusedUrl(ProtocolError):
    """A server sent us where we do not go. Asking again does not help, so it is not asked again."""


class RefusedAddress(OSError):
    """Raised inside the HTTP library, at connect time: it takes an `OSError` for "try the next address"."""

    def __init__(self, kind: str) -> None:
        # One text for all kinds: of several failures with equal texts the library keeps the first, as it is.
        super().__init__(errno.EACCES, "an address that downloads do not go to")
        self.kind = kind


# --- addresses ------------------------------------------------------------------------------------------

#: Where clouds hand out credentials to whoever asks; some of them lie in public or merely private ranges.
_METADATA: Final = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def address_kind(address: str) -> str | None:
    """Why `address` is not a public one, in one word; None if it is.

    >>> address_kind("127.0.0.1"), address_kind("::ffff:10.0.0.1"), address_kind("1.1.1.1")
    ('loopback', 'private', None)
    """
    ip = ipaddress.ip_address(address)
    inner = _embedded(ip)
    if inner is not None:
        return _kind(inner) or "embedded"
    return _kind(ip)


def _embedded(ip: IPAddress) -> IPAddress | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _kind(ip: IPAddress) -> str | None:
    if ip in _METADATA:
        return "metadata"
    if ip.is_unspecified or ip in _THIS_NETWORK:
        return "unspecified"
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast:
        return "multicast"
    if ip in _SHARED:
        return "shared"
    if ip.is_reserved:
        return "reserved"
    if ip.is_private or (ip.version == 6 and ip.is_site_local):
        return "private"
    return None


# --- URLs -----------------------------------------------------------------------------------------------

#: No URL has these; parsers disagree on what they mean.
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")
#: What a download may say besides its URL. None of them names anybody (S-03).
_BARE: Final = frozenset({"accept", "accept-encoding", "content-type", "if-range", "range"})


def bare_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of `headers` that may go to a stranger."""
    return {name: value for name, value in headers.items() if name.lower() in _BARE}


def origin(url: URL) -> str:
    """Scheme, host and port as `safety.origin_of` writes them, of the very URL that is connected to.

    Two parsers that disagree about the host would send a credential astray, so the one that connects decides.
    """
    return f"{url.scheme}://{(url.host_subcomponent or '').lower()}:{url.port}"


def _parsed(url: str) -> URL | None:
    try:
        parsed = URL(url, encoded=url.isascii())
        _ = parsed.host, parsed.port  # an encoded URL is taken apart only now
    except ValueError:
        return None
    return parsed


class Guard:
    """What downloads of one account may connect to.

    Non-public addresses are refused but for the kinds that the account's own origin has: who runs the
    platform in a private network has its files there, too. The kinds are learnt from connections to the origin.
    """

    __slots__ = ("_host", "_kinds", "_port", "_scheme")

    def __init__(self, account: Account) -> None:
        own = URL(account.origin, encoded=True)
        self._scheme, self._host, self._port = own.scheme, own.host or "", own.port
        self._kinds: set[str] = {"loopback"} if is_loopback(self._host) else set()

    def parsed(self, url: str) -> URL:
        """`url` as it is sent, byte by byte: a signature covers it, so nothing is quoted anew.

        Raises:
            RefusedUrl: no parser should be asked what this means.
        """
        if _UNFIT.search(url):
            raise RefusedUrl("a URL with blanks, control characters or backslashes is not followed")
        parsed = _parsed(url)
        if parsed is None:
            raise RefusedUrl("a text that is no URL is not followed")
        return parsed

    def checked(self, url: str) -> URL:
        """A URL that a server gave, parsed, if it may be followed (S-05).

        Raises:
            RefusedUrl: it may not be; names the host and the reason.
        """
        parsed = self.parsed(url)
        objection = self._objection(parsed)
        if objection is not None:
            raise RefusedUrl(f"a URL on {escaped(parsed.host or '')!r} is not followed: {objection}")
        return parsed

    def _objection(self, url: URL) -> str | None:
        host = url.host or ""
        if url.scheme not in ("http", "https"):
            return "its scheme is not https"
        if not host:
            return "it names no host"
        if url.raw_user is not None or url.raw_password is not None:
            return "it has a user part"
        if is_odd_address(host):
            return "its host is an oddly written address"
        if url.scheme == "http" and not self._is_plain_allowed(host):
            return "its scheme is not https"
        if url.port not in (443, self._port):
            return "its port is neither 443 nor the platform's own"
        return None

    def _is_plain_allowed(self, host: str) -> bool:
        """Plain HTTP: never, unless the account's origin itself is reached so."""
        return self._scheme == "http" and (host == self._host or is_loopback(host))

    def own_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket to the account's origin; notes what kind of address that has."""
        kind = address_kind(info[4][0])
        if kind is not None:
            self._kinds.add(kind)
        return socket.socket(*info[:3])

    def foreign_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket to where a server sent us: every attempt comes through here, also for IP literals (S-07).

        Raises:
            RefusedAddress: not a public address, nor of a kind with the account's own.
        """
        kind = address_kind(info[4][0])
        if kind is not None and (kind not in self._kinds or kind == "metadata"):
            raise RefusedAddress(kind)
        return socket.socket(*info[:3])
