"""Where a server may send us: which URLs, and which addresses."""

from __future__ import annotations

import socket

import pytest

from aiotasks._runtime.guard import Guard, RefusedAddress, RefusedUrl, address_kind, bare_headers, origin
from aiotasks.models import Account
from aiotasks.safety import origin_of

PUBLIC = Account(platform="p", origin="https://api.example:443", fingerprint="")
LOOPBACK = Account(platform="p", origin="http://127.0.0.1:8080", fingerprint="")
INTERNAL = Account(platform="p", origin="https://supervisely.corp:8443", fingerprint="")


@pytest.mark.covers("S-06")
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.10", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.0.1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.64.0.1", "shared"),
        ("100.100.100.200", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", "embedded"),
        ("2002:7f00:1::", "loopback"),
        ("2002:808:808::", "embedded"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b::808:808", "embedded"),
        ("8.8.8.8", None),
        ("172.32.0.1", None),
        ("2606:4700::1111", None),
    ],
)
def test_addresses_that_are_not_public_have_a_kind(address: str, kind: str | None):
    """Every way to write an address inside a network is told from a public one."""
    assert address_kind(address) == kind


def info(address: str) -> tuple[object, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, 443))


@pytest.mark.covers("S-06", "S-07")
def test_downloads_connect_to_public_addresses_alone():
    """A refused address gets no socket."""
    guard = Guard(PUBLIC)
    guard.foreign_socket(info("8.8.8.8")).close()
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(RefusedAddress):
            guard.foreign_socket(info(address))


@pytest.mark.covers("S-06")
def test_platform_in_a_private_network_may_have_its_files_there():
    """Kinds of address that the own origin has are allowed once a connection showed them, and no other kind."""
    guard = Guard(INTERNAL)
    with pytest.raises(RefusedAddress):
        guard.foreign_socket(info("10.0.0.9"))
    guard.own_socket(info("10.0.0.1")).close()
    guard.foreign_socket(info("10.0.0.9")).close()
    for address in ("127.0.0.1", "169.254.1.1", "169.254.169.254", "fd00:ec2::254"):
        with pytest.raises(RefusedAddress):
            guard.foreign_socket(info(address))


@pytest.mark.covers("S-06")
def test_metadata_stays_refused_whatever_the_origin_is():
    """Where clouds hand out credentials nobody's files are."""
    guard = Guard(Account(platform="p", origin="http://169.254.169.254:80", fingerprint=""))
    guard.own_socket(info("169.254.169.254")).close()
    with pytest.raises(RefusedAddress):
        guard.foreign_socket(info("169.254.169.254"))


@pytest.mark.covers("S-05", "S-07", "S-13", "B-52")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://files.example/x", "scheme is not https"),
        ("ftp://files.example/x", "scheme is not https"),
        ("file:///etc/passwd", "scheme is not https"),
        ("//files.example/x", "scheme is not https"),
        ("https:///x", "names no host|no URL"),
        ("https://user@files.example/x", "user part"),
        ("https://user:secret@files.example/x", "user part"),
        ("https://files.example:22/x", "port is neither 443"),
        ("https://files.example:99999/x", "no URL"),
        ("https://[::1/x", "no URL"),
        ("https://0x7f.1/x", "oddly written"),
        ("https://2130706433/x", "oddly written"),
        ("https://0177.0.0.1/x", "oddly written"),
        ("https://127.1/x", "oddly written"),
        ("https://files.example/a b", "blanks"),
        ("https://files.example/a\r\nX: y", "control characters"),
        ("https://files.example\\@evil.example/", "backslashes"),
        ("", "scheme is not https"),
    ],
)
def test_odd_urls_are_refused_with_a_reason(url: str, reason: str):
    """A URL that a server gave is hostile until shown otherwise; the error does not repeat it."""
    with pytest.raises(RefusedUrl, match=reason) as caught:
        Guard(PUBLIC).checked(url)
    assert "secret" not in str(caught.value)


@pytest.mark.covers("S-05")
@pytest.mark.parametrize(
    "url",
    [
        "https://files.example/x",
        "https://files.example:443/x",
        "HTTPS://FILES.EXAMPLE/x",
        "https://bücher.example/ä",
        "https://files.example/a%2Fb?X-Signature=%2B%3D&b=a+c",
    ],
)
def test_sound_urls_are_taken(url: str):
    """Ordinary download URLs pass."""
    assert Guard(PUBLIC).checked(url).scheme == "https"


def test_signed_url_is_sent_byte_by_byte():
    """A signature covers the escapes, so they are left as they are."""
    url = "https://files.example/a%2fb%20c/~?X-Amz-Signature=ab%2Bc%3D&d=e+f&g=%C3%BC"
    assert str(Guard(PUBLIC).checked(url)) == url


@pytest.mark.covers("S-05")
def test_plain_http_needs_an_origin_that_is_plain():
    """Only a platform that is itself reached without TLS may name URLs without it: on its host, or loopback."""
    guard = Guard(LOOPBACK)
    guard.checked("http://127.0.0.1:8080/x")
    guard.checked("http://localhost:8080/x")
    for url in ("http://files.example:8080/x", "http://10.0.0.1:8080/x", "http://127.0.0.1:9090/x"):
        with pytest.raises(RefusedUrl):
            guard.checked(url)


@pytest.mark.covers("S-05")
def test_port_of_the_platform_is_allowed():
    """Port 443 or the platform's own."""
    guard = Guard(INTERNAL)
    guard.checked("https://files.corp:8443/x")
    guard.checked("https://files.corp/x")
    with pytest.raises(RefusedUrl):
        guard.checked("https://files.corp:9000/x")


@pytest.mark.covers("S-03")
def test_headers_that_name_somebody_are_left_out():
    """An allow-list, since every platform names its credential differently."""
    headers = {
        "Range": "bytes=0-",
        "x-api-key": "k",
        "Authorization": "a",
        "Cookie": "c",
        "x-org": "o",
        "accept": "*/*",
    }
    assert bare_headers(headers) == {"Range": "bytes=0-", "accept": "*/*"}


@pytest.mark.covers("S-01")
@pytest.mark.parametrize(
    "url",
    [
        "https://api.example",
        "https://API.example:443/x",
        "http://127.0.0.1:8080/?q",
        "https://[::1]:8443/",
        "http://h/",
    ],
)
def test_origin_is_written_as_everywhere_else(url: str):
    """The origin of the URL being connected to compares with that of the account."""
    assert origin(Guard(PUBLIC).parsed(url)) == origin_of(url)
