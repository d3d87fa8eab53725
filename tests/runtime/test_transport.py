"""One send per dispatch, over real loopback sockets; and what `send` does about each way it can end."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import threading
import traceback
import zlib
from collections.abc import Callable

import attrs
import pytest
import uvloop

from aiotasks._runtime.decode import raise_for_status
from aiotasks._runtime.transport import HttpTransport
from aiotasks.errors import (
    AiotasksError,
    AnswerTooLarge,
    AuthError,
    DecodeError,
    InvalidArgument,
    InvalidType,
    NetworkError,
    PermissionDenied,
    ProtocolError,
    QueryRefused,
    RateLimited,
    SchedulerClosed,
    ServerError,
    SubmitUnknown,
    WrongLoop,
)
from aiotasks.models import Account, Part, Request, Response
from aiotasks.testing import ScriptedTransport, in_turn, json_response
from tests.runtime.conftest import TOKEN, Renewable, StaticCredential
from tests.runtime.servers import FaultServer, answer, ask, drop, hang, raw, reset, trickle, until

Connect = Callable[..., HttpTransport]


def body(response: Response) -> bytes:
    return response.body


# --- exactly one send ----------------------------------------------------------------------------------


@pytest.mark.covers("F-06", "I-01")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"])
async def test_kept_alive_connection_that_drops_gets_no_second_send(connect: Connect, method: str):
    """A connection that breaks while a request is under way costs that request; nothing sends it again."""
    async with FaultServer(answer(b""), drop) as server:
        transport = connect(server.origin)
        await transport.dispatch(ask(server.origin, method=method))
        with pytest.raises(NetworkError):
            await transport.dispatch(ask(server.origin, method=method))
        assert len(server.seen) == 2
        assert server.connections == 1


async def test_connection_is_kept_alive(connect: Connect):
    """Many dispatches share one connection."""
    async with FaultServer(answer(b"{}")) as server:
        transport = connect(server.origin)
        for _ in range(5):
            assert (await transport.dispatch(ask(server.origin))).body == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 No", "404 No", "429 Slow", "500 Oh", "503 Busy"])
async def test_dispatch_gives_any_status(connect: Connect, status: str):
    """The scheduler reads statuses itself, redirects and errors among them."""
    async with FaultServer(answer(b"x", status=status, Location="/elsewhere")) as server:
        response = await connect(server.origin).dispatch(ask(server.origin))
        assert (response.status, response.body) == (int(status[:3]), b"x")
        assert len(server.seen) == 1


async def test_repeated_headers_are_joined_in_lower_case(connect: Connect):
    """Headers are read by their lower-case names."""
    data = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"
    async with FaultServer(raw(data)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin))
        assert response.headers["x-a"] == "1, 2"


async def test_request_arrives_as_it_was_built(connect: Connect):
    """Method, path with its escapes, headers and body reach the server unchanged."""
    async with FaultServer() as server:
        request = ask(
            server.origin, "/a%2Fb?c=%7B%7D", method="POST", body=b"[1]", headers={"content-type": "application/json"}
        )
        await connect(server.origin, user_agent="aiotasks/0").dispatch(request)
        (seen,) = server.seen
        assert (seen.method, seen.target, seen.body) == ("POST", "/a%2Fb?c=%7B%7D", b"[1]")
        assert seen.headers["content-type"] == "application/json"
        assert seen.headers["accept-encoding"] == "gzip, deflate"
        assert seen.headers["user-agent"] == "aiotasks/0"


@pytest.mark.parametrize("size", [10, 3 * 2**20])
async def test_multipart_body_can_be_read_back(connect: Connect, size: int):
    """Parts arrive as form data, in order, with names that cannot break out of their quotes."""
    async with FaultServer() as server:
        parts = (
            Part(name="operations", content=b"{}"),
            Part(name='a"b', content=b"x" * size, filename="r\r\n.json", content_type="application/json"),
        )
        await connect(server.origin).dispatch(ask(server.origin, method="POST", parts=parts))
        (seen,) = server.seen
        boundary = seen.headers["content-type"].removeprefix("multipart/form-data; boundary=").encode()
        first, second = seen.body.split(b"--" + boundary)[1:3]
        assert first == b'\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{}\r\n'
        head, _, content = second.partition(b"\r\n\r\n")
        assert b'name="a%22b"; filename="r%0D%0A.json"\r\nContent-Type: application/json' in head
        assert content == b"x" * size + b"\r\n"


# --- faults of the network -----------------------------------------------------------------------------


@pytest.mark.covers("F-01")
async def test_name_that_does_not_resolve(connect: Connect, names: Callable[..., None]):
    """A name that does not resolve is a `NetworkError`, and nothing was sent."""
    names({})
    with pytest.raises(NetworkError, match=r"'nowhere.example' was not resolved") as caught:
        await connect("https://nowhere.example:443").dispatch(ask("https://nowhere.example"))
    assert not caught.value.is_sent


@pytest.mark.covers("F-03")
async def test_refused_connection(connect: Connect):
    """A refused connection is a `NetworkError` with the system's own error as its cause, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        origin = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NetworkError, match=r"no connection to 127\.0\.0\.1") as caught:
        await connect(origin).dispatch(ask(origin))
    assert not caught.value.is_sent
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno


@pytest.mark.covers("F-04")
async def test_tls_failure_does_not_fall_back_to_plain(connect: Connect):
    """A server that does not speak TLS gets no request in the clear."""
    async with FaultServer() as server:
        origin = server.origin.replace("http:", "https:")
        with pytest.raises(NetworkError, match="no TLS connection") as caught:
            await connect(origin).dispatch(ask(origin))
        assert not caught.value.is_sent
        assert server.seen == []


@pytest.mark.covers("F-03", "F-08")
@pytest.mark.looptime
async def test_connecting_is_given_up_after_ten_seconds(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    """Connecting has its own limit, shorter than that of the exchange."""
    loop = asyncio.get_running_loop()

    async def never(*_: object) -> None:
        await loop.create_future()

    monkeypatch.setattr(loop, "sock_connect", never)
    with pytest.raises(NetworkError, match="within 10 s") as caught:
        await connect("http://127.0.0.1:9").dispatch(ask("http://127.0.0.1:9"))
    assert loop.time() == 10.0
    assert not caught.value.is_sent


@pytest.mark.covers("F-05")
@pytest.mark.parametrize("fault", [drop, reset])
async def test_connection_lost_before_an_answer(connect: Connect, fault):
    """No answer is a `NetworkError` that says the request may have arrived."""
    async with FaultServer(fault) as server:
        with pytest.raises(NetworkError) as caught:
            await connect(server.origin).dispatch(ask(server.origin))
        assert caught.value.is_sent
        assert caught.value.platform == "test"


CUT = {
    "short of its length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
    "chunks without an end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    "inside a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n12345",
    "inside the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.covers("F-07", "B-20")
@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
async def test_cut_answer_is_dropped_whole(connect: Connect, data: bytes):
    """An answer that breaks off is no answer: nothing of it is given."""
    async with FaultServer(raw(data, close=True)) as server:
        with pytest.raises(NetworkError):
            await connect(server.origin).dispatch(ask(server.origin))


@pytest.mark.covers("F-08")
@pytest.mark.looptime
async def test_silent_server_is_given_up_and_its_connection_closed(connect: Connect):
    """The time-out of the whole exchange ends it; the connection does not go back to the pool."""
    async with FaultServer(hang) as server:
        with pytest.raises(NetworkError, match="within 30 s"):
            await connect(server.origin).dispatch(ask(server.origin))
        assert asyncio.get_running_loop().time() == 30.0
        await server.settled()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.covers("F-09")
@pytest.mark.looptime
async def test_trickling_status_answer_ends_at_the_total_timeout(connect: Connect):
    """A byte now and then keeps no query alive."""
    async with FaultServer(trickle(HEAD, b"x", every=4, times=100)) as server:
        with pytest.raises(NetworkError, match="within 30 s"):
            await connect(server.origin).dispatch(ask(server.origin))
        assert asyncio.get_running_loop().time() == 30.0
        await server.settled()


@pytest.mark.covers("F-09")
@pytest.mark.looptime
async def test_trickling_page_ends_for_its_speed(connect: Connect):
    """A page has more time, and a least speed over every 15 seconds."""
    async with FaultServer(trickle(HEAD, b"x", every=4, times=100)) as server:
        with pytest.raises(NetworkError, match="slowly"):
            await connect(server.origin).dispatch(ask(server.origin, timeout=120.0))
        assert asyncio.get_running_loop().time() == 16.0
        await server.settled()


@pytest.mark.covers("F-10")
@pytest.mark.looptime
async def test_slow_and_whole_answer_is_taken(connect: Connect):
    """Slow is not wrong: a page that keeps the least speed may take its time."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 80000\r\n\r\n"
    async with FaultServer(trickle(head, b"x" * 8_000, every=5, times=10)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin, timeout=120.0))
        assert len(response.body) == 80_000
        assert asyncio.get_running_loop().time() == 50.0


# --- answers that are none -----------------------------------------------------------------------------

NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "bad status line": b"HTTP/1.1 banana OK\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n",
    "long header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.covers("B-17")
@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_garbage_is_not_read_as_a_refusal(connect: Connect, data: bytes):
    """A parser error that the HTTP library dresses as status 400 is never the server's own 4xx."""
    async with FaultServer(raw(data, close=True)) as server:
        with pytest.raises(ProtocolError, match="not HTTP") as caught:
            await connect(server.origin).dispatch(ask(server.origin))
        assert caught.value.http_status is None
        await server.settled()


@pytest.mark.covers("B-19")
async def test_body_beyond_its_length_is_left_and_the_connection_closed(connect: Connect):
    """The answer counts as long as it said; what follows it is never taken for the next answer."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with FaultServer(raw(smuggled), answer(b"fine")) as server:
        transport = connect(server.origin)
        assert (await transport.dispatch(ask(server.origin))).body == b"ok"
        assert (await transport.dispatch(ask(server.origin))).body == b"fine"
        assert server.connections == 2


@pytest.mark.covers("B-18")
@pytest.mark.parametrize("status", ["204 No Content", "205 Reset", "304 Not Modified", "600 Odd", "999 Odd"])
async def test_status_without_a_document_is_a_protocol_error(connect: Connect, status: str):
    """An answer that cannot carry the document that was due is no answer to `send`."""
    async with FaultServer(answer(b"", status=status)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin))
        with pytest.raises(ProtocolError):
            raise_for_status(response, platform="test")


# --- caps ----------------------------------------------------------------------------------------------


@pytest.mark.covers("B-22", "B-23")
@pytest.mark.parametrize("told", [True, False])
async def test_answer_beyond_its_limit_is_not_read_on(connect: Connect, told: bool):
    """The cap holds whether the length is told or not; the connection is closed."""
    length = b"Content-Length: 100000000\r\n" if told else b""
    head = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n"

    async def endless(exchange):
        await exchange.write(head)
        while True:
            await exchange.write(b"x" * 65_536)

    async with FaultServer(endless) as server:
        with pytest.raises(AnswerTooLarge, match="more than 200000 bytes"):
            await connect(server.origin).dispatch(ask(server.origin, answer_limit=200_000))
        await server.settled()


@pytest.mark.covers("B-22")
async def test_bomb_is_not_inflated(connect: Connect):
    """A body that inflates beyond all reason is dropped soon after the first MiB."""
    bomb = gzip.compress(bytes(50 * 2**20))
    async with FaultServer(answer(bomb, Content_Encoding="gzip")) as server:
        with pytest.raises(AnswerTooLarge, match="more than 200 times"):
            await connect(server.origin).dispatch(ask(server.origin, answer_limit=100 * 2**20))


TEXT = b'{"status": "COMPLETE"}' * 20_000
_RAW_DEFLATE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "gzip in two members": ("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "deflate without a header": ("deflate", _RAW_DEFLATE.compress(TEXT) + _RAW_DEFLATE.flush()),
    "identity": ("identity", TEXT),
    "odd case": ("GZIP", gzip.compress(TEXT)),
}


@pytest.mark.parametrize(("encoding", "data"), ENCODED.values(), ids=ENCODED)
async def test_encoded_body_is_inflated(connect: Connect, encoding: str, data: bytes):
    """What was asked for is decoded, in the forms that servers send it in."""
    async with FaultServer(answer(data, Content_Encoding=encoding)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin))
        assert response.body == TEXT


BADLY_ENCODED = {
    "not gzip": ("gzip", b"hello"),
    "gzip cut short": ("gzip", gzip.compress(TEXT)[:-20]),
    "deflate cut short": ("deflate", zlib.compress(TEXT)[:-3]),
    "more after the end": ("deflate", zlib.compress(TEXT) + b"more"),
    "nested": ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "not asked for": ("br", b"\x0b\x02\x80abc\x03"),
    "unknown": ("rot13", b"uryyb"),
}


@pytest.mark.covers("B-22")
@pytest.mark.parametrize(("encoding", "data"), BADLY_ENCODED.values(), ids=BADLY_ENCODED)
async def test_bad_encoding_is_a_protocol_error(connect: Connect, encoding: str, data: bytes):
    """Broken, nested and unknown encodings give nothing rather than bytes nobody can read."""
    async with FaultServer(answer(data, Content_Encoding=encoding)) as server:
        with pytest.raises(ProtocolError):
            await connect(server.origin).dispatch(ask(server.origin))


# --- credentials and strangers -------------------------------------------------------------------------


@pytest.mark.covers("S-01", "S-03", "S-04", "I-06")
async def test_credential_goes_to_its_own_origin_alone(connect: Connect):
    """A URL that a server gave is asked bare: no credential, no cookie, no header that names anybody."""
    async with FaultServer(answer(b"{}", Set_Cookie="session=1")) as server:
        transport = connect(server.origin, user_agent="me")
        headers = {"x-api-key": TOKEN, "x-organisation": "o", "Referer": "r", "Range": "bytes=0-"}
        await transport.dispatch(ask(server.origin))
        await transport.dispatch(ask(server.origin))
        stranger = f"http://localhost:{server.port}"
        await transport.dispatch(ask(stranger, headers=headers))
        await transport.dispatch(ask(server.origin, headers=headers, is_foreign=True))
        first, second, third, fourth = server.seen
        assert first.headers["authorization"] == second.headers["authorization"] == f"Bearer {TOKEN}"
        assert "cookie" not in second.headers
        for seen in (third, fourth):
            assert set(seen.headers) == {"host", "range", "accept", "accept-encoding"}


@pytest.mark.covers("S-09")
async def test_environment_changes_nothing(connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Proxies and .netrc of the environment are not used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\nmachine localhost login u password p\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with FaultServer() as server:
        transport = connect(server.origin)
        await transport.dispatch(ask(server.origin))
        await transport.dispatch(ask(f"http://localhost:{server.port}", is_foreign=True))
        assert server.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in server.seen[1].headers


@pytest.mark.covers("S-06", "S-07")
async def test_name_that_turns_private_is_refused_at_connect_time(connect: Connect, names: Callable[..., None]):
    """What counts is the address being connected to, each time: a second look-up may say something else."""
    names({"files.example": [["10.0.0.8"]], "mixed.example": [["192.168.1.1", "fd00::1"]]})
    transport = connect("https://api.example:443")
    for host in ("files.example", "mixed.example"):
        with pytest.raises(ProtocolError, match=f"{host} is not followed: its address is private"):
            await transport.dispatch(ask(f"https://{host}", is_foreign=True))


@pytest.mark.covers("S-07")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]"])
async def test_address_literals_are_checked_as_well(connect: Connect, host: str):
    """An IP literal skips the resolver and meets the check all the same."""
    with pytest.raises(ProtocolError, match="is not followed"):
        await connect("https://api.example:443").dispatch(ask(f"https://{host}", is_foreign=True))


@pytest.mark.covers("S-07", "B-30")
@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b.example", ".example", "10.0.0.1.."])
async def test_host_that_no_resolver_can_spell_is_refused(connect: Connect, host: str):
    """A host name beyond all rules is the platform's mistake, and one of our errors."""
    with pytest.raises(ProtocolError, match="not one to connect to"):
        await connect("https://api.example:443").dispatch(ask(f"https://{host}", is_foreign=True))


@pytest.mark.covers("S-07")
@pytest.mark.parametrize("host", ["１２７.0.0.1", "127。0。0。1"])  # noqa: RUF001
async def test_full_width_addresses_are_seen_through(connect: Connect, host: str):
    """Digits and dots of other scripts are mapped before the address is checked."""
    with pytest.raises(ProtocolError, match="its address is loopback"):
        await connect("https://api.example:443").dispatch(ask(f"https://{host}", is_foreign=True))


async def test_head_tells_the_length_of_a_large_body(connect: Connect):
    """A length that nobody sends is no size to refuse."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"
    async with FaultServer(raw(data)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin, method="HEAD"))
        assert response.headers["content-length"] == "999999999"


@pytest.mark.covers("S-07", "F-02")
async def test_rebound_name_is_refused_on_the_next_connection(connect: Connect, names: Callable[..., None]):
    """A name that resolved to a good address once is not good for ever."""
    async with FaultServer(answer(b"", Connection="close")) as server:
        names({"files.example": [["127.0.0.1"], ["10.0.0.1"]]})
        transport = connect(server.origin)
        url = f"http://localhost:{server.port}"
        names({"localhost": [["127.0.0.1"], ["10.0.0.1"]]})
        await transport.dispatch(ask(url, is_foreign=True))
        transport._exchanges._bare.connector.clear_dns_cache()  # a minute later
        with pytest.raises(ProtocolError, match="its address is private"):
            await transport.dispatch(ask(url, is_foreign=True))
        assert len(server.seen) == 1


@pytest.mark.covers("B-30")
async def test_redirect_of_the_own_origin_is_not_followed(connect: Connect):
    """The error names the host that the redirect points to, and nothing else of it."""
    location = f"https://login.example/?token={TOKEN}"
    async with FaultServer(answer(b"", status="302 Found", Location=location)) as server:
        with pytest.raises(ProtocolError, match=r"a redirect to https://login.example:443 is not followed") as caught:
            await connect(server.origin).send(ask(server.origin, is_repeatable=True), body)
        assert caught.value.http_status == 302
        assert TOKEN not in str(caught.value)
        assert len(server.seen) == 1


@pytest.mark.covers("S-02", "B-30")
async def test_download_follows_three_redirects_and_no_more(connect: Connect):
    """Downloads follow by hand; a loop ends after three."""

    def hop(number: int):
        return answer(b"", status="302 Found", Location=f"/hop{number}")

    async with FaultServer(hop(1), hop(2), hop(3), answer(b"file")) as server:
        request = ask(f"http://localhost:{server.port}", is_foreign=True)
        assert await connect(server.origin).send(request, body) == b"file"
        assert [seen.target for seen in server.seen] == ["/status", "/hop1", "/hop2", "/hop3"]
    async with FaultServer(hop(1)) as server:
        with pytest.raises(ProtocolError, match="redirect"):
            await connect(server.origin).send(ask(f"http://localhost:{server.port}", is_foreign=True), body)
        assert len(server.seen) == 4


@pytest.mark.covers("S-02", "S-05", "B-30")
@pytest.mark.parametrize(
    "location", ["https://user:pw@files.example/", "ftp://files.example/", "http://evil.example/", "//0x7f.1/", "\\"]
)
async def test_each_hop_of_a_download_is_checked(connect: Connect, location: str):
    """A redirect to where a download may not go ends it, and is not tried again."""
    async with FaultServer(answer(b"", status="307 Over There", Location=location)) as server:
        request = ask(f"http://localhost:{server.port}", is_foreign=True, is_repeatable=True)
        with pytest.raises(ProtocolError, match="is not followed"):
            await connect(server.origin).send(request, body)
        assert len(server.seen) == 1


# --- nothing secret gets out ---------------------------------------------------------------------------


def shown(error: BaseException | None) -> str:
    """All that a logger, a traceback or a curious reader of attributes could show of an error and its chain."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {vars(error)} {''.join(traceback.format_exception(error))}"
        error = error.__cause__ or error.__context__
    return text


LEAKY = {
    "drop": drop,
    "reset": reset,
    "garbage": raw(b"nonsense\r\n\r\n", close=True),
    "cut": raw(CUT["short of its length"], close=True),
    "redirect": answer(b"", status="302 Found", Location=f"https://{TOKEN}:x@x.example/?sig={TOKEN}"),
    "server error": answer(b"oh", status="500 Oh"),
}


@pytest.mark.covers("S-11", "S-12", "S-13", "S-14", "I-06")
@pytest.mark.parametrize("fault", LEAKY.values(), ids=LEAKY)
@pytest.mark.parametrize("is_foreign", [False, True])
async def test_errors_hold_neither_credential_nor_signed_url(connect: Connect, fault, is_foreign: bool):
    """Errors are built from scratch: no header, no query, no error of the HTTP library hangs on to them."""
    async with FaultServer(fault) as server:
        transport = connect(server.origin)
        request = ask(server.origin, f"/file?sig={TOKEN}", is_foreign=is_foreign)
        with pytest.raises(AiotasksError) as caught:
            await transport.send(request, body)
        assert TOKEN not in shown(caught.value)
        assert TOKEN not in f"{transport!r} {request!r}"
        chained: BaseException | None = caught.value
        while chained is not None:
            assert not type(chained).__module__.startswith("aiohttp")
            chained = chained.__cause__ or chained.__context__


@pytest.mark.covers("S-12")
async def test_failed_connection_shows_no_url(connect: Connect, names: Callable[..., None]):
    """Nor do errors of connections that were never made."""
    names({})
    request = ask("https://api.example", f"/?sig={TOKEN}")
    with pytest.raises(NetworkError) as caught:
        await connect("https://api.example:443").dispatch(request)
    assert TOKEN not in shown(caught.value)


# --- send: tries ---------------------------------------------------------------------------------------

REPEATABLE = Request(method="GET", url="https://platform.test/x", is_repeatable=True)
SUBMIT = Request(method="POST", url="https://platform.test/x", body=b"{}")


async def test_repeatable_request_is_tried_five_times():
    """A transient fault is tried again with growing pauses, never under two seconds."""
    transport = ScriptedTransport(in_turn(*[NetworkError("gone")] * 5))
    with pytest.raises(NetworkError, match="gone"):
        await transport.send(REPEATABLE, body)
    assert len(transport.requests) == 5
    for number, pause in enumerate(transport.pauses):
        assert 2.0 <= pause <= 2.0 + 2.0 * 2**number
    assert len(transport.pauses) == 4


@pytest.mark.parametrize("tries", [1, 3])
async def test_request_says_how_often_it_is_tried(tries: int):
    """A caller who repeats by rules of their own allows fewer."""
    transport = ScriptedTransport(in_turn(*[NetworkError("gone")] * 5))
    with pytest.raises(NetworkError):
        await transport.send(attrs.evolve(REPEATABLE, tries=tries), body)
    assert len(transport.requests) == tries


async def test_what_is_not_implemented_is_not_asked_for_again():
    """501 stays so, unlike the other 5xx."""
    transport = ScriptedTransport(in_turn(json_response({}, status=501)))
    with pytest.raises(ServerError):
        await transport.send(REPEATABLE, body)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("fault", [ProtocolError("page"), AnswerTooLarge("big")], ids=["protocol", "size"])
async def test_transient_fault_that_read_raises_counts(fault: AiotasksError):
    """`read` may find that the answer makes no sense: it is asked for again."""

    def read(response: Response) -> bytes:
        if response.body == b'"bad"':
            raise fault
        return response.body

    transport = ScriptedTransport(in_turn(json_response("bad"), json_response("good")))
    assert await transport.send(REPEATABLE, read) == b'"good"'


async def test_refusal_is_not_tried_again():
    """An error that will be the same next time is the caller's at once."""

    def read(_: Response) -> None:
        raise QueryRefused("no")

    transport = ScriptedTransport(in_turn(json_response({}, status=400)))
    with pytest.raises(QueryRefused):
        await transport.send(REPEATABLE, read)


@pytest.mark.covers("F-14")
async def test_server_errors_are_not_read():
    """5xx is a fault of the server whatever its body says."""
    transport = ScriptedTransport(in_turn(json_response({}, status=502), json_response(1)))
    assert await transport.send(REPEATABLE, body) == b"1"
    transport = ScriptedTransport(in_turn(*[json_response({"errors": []}, status=500)] * 5))
    with pytest.raises(ServerError) as caught:
        await transport.send(REPEATABLE, body)
    assert caught.value.http_status == 500


@pytest.mark.covers("F-15", "F-16")
@pytest.mark.parametrize(("asked", "least"), [("30", 30.0), ("7200", 3600.0), ("0", 2.0)])
async def test_retry_after_is_a_floor(asked: str, least: float):
    """Never sooner than the server asked, up to an hour; and never sooner than the backoff."""
    slow = json_response({}, status=503, headers={"retry-after": asked})
    transport = ScriptedTransport(in_turn(slow, json_response(1)))
    await transport.send(REPEATABLE, body)
    (pause,) = transport.pauses
    assert least <= pause <= least + 5.0


@pytest.mark.covers("F-05", "F-25")
async def test_submit_without_an_answer_is_not_repeated(connect: Connect):
    """The job may or may not exist; only the caller can find out."""
    async with FaultServer(drop) as server:
        request = ask(server.origin, method="POST", body=b"{}")
        with pytest.raises(SubmitUnknown) as caught:
            await connect(server.origin).send(request, body)
        assert isinstance(caught.value.__cause__, NetworkError)
        assert len(server.seen) == 1


@pytest.mark.parametrize("fault", [ProtocolError("x"), AnswerTooLarge("x")], ids=["protocol", "size"])
async def test_submit_with_a_spoilt_answer_is_unknown_too(fault: AiotasksError):
    """An answer that cannot be read may have been a yes."""
    transport = ScriptedTransport(in_turn(fault))
    with pytest.raises(SubmitUnknown):
        await transport.send(SUBMIT, body)


@pytest.mark.covers("F-25", "B-56")
async def test_submit_whose_answer_makes_no_sense_is_unknown_too():
    """An answer that `read` cannot use says neither yes nor no."""

    def read(response: Response) -> None:
        raise DecodeError("no id in it")

    transport = ScriptedTransport(in_turn(json_response({})))
    with pytest.raises(SubmitUnknown) as caught:
        await transport.send(SUBMIT, read)
    assert isinstance(caught.value.__cause__, DecodeError)


@pytest.mark.covers("F-25")
async def test_submit_that_was_certainly_not_executed_is_repeated():
    """No connection, or 429: nothing happened on the server, so trying again is no second submit."""
    unsent = NetworkError("refused", is_sent=False)
    slow = RateLimited("slow", http_status=429)

    def read(response: Response) -> bytes:
        if response.status == 429:
            raise slow
        return response.body

    transport = ScriptedTransport(in_turn(unsent, json_response({}, status=429), json_response(1)))
    assert await transport.send(SUBMIT, read) == b"1"
    transport = ScriptedTransport(in_turn(*[unsent] * 5))
    with pytest.raises(NetworkError, match="refused"):
        await transport.send(SUBMIT, body)


async def test_submit_that_fails_on_the_server_is_not_repeated():
    """A 5xx to a submit is the caller's: it may have been executed."""
    transport = ScriptedTransport(in_turn(json_response({}, status=504)))
    with pytest.raises(ServerError):
        await transport.send(SUBMIT, body)


@pytest.mark.covers("B-26")
async def test_large_answers_are_read_off_the_loop():
    """Decoding a large document does not hold the loop; a small one does not pay for a thread."""

    def where(_: Response) -> bool:
        return threading.current_thread() is threading.main_thread()

    transport = ScriptedTransport(
        in_turn(Response(status=200, body=bytes(300_000)), Response(status=200, body=b"{}"))
    )
    assert [await transport.send(REPEATABLE, where) for _ in range(2)] == [False, True]


# --- send: the credential ------------------------------------------------------------------------------


def guarded(required: str):
    """A server that takes one token."""

    async def behave(exchange):
        good = exchange.request.headers.get("authorization") == f"Bearer {required}"
        await answer(b"in" if good else b"out", status="200 OK" if good else "401 No")(exchange)

    return behave


@pytest.mark.covers("F-17")
async def test_refused_credential_is_renewed_once_and_the_submit_repeated(connect: Connect):
    """A 401 was not executed, so even a submit is sent again with the new credential."""
    credential = Renewable()
    async with FaultServer(guarded("1")) as server:
        transport = connect(server.origin, credential)
        assert await transport.send(ask(server.origin, method="POST", body=b"{}"), body) == b"in"
        assert credential.renewals == 1
        assert len(server.seen) == 2


@pytest.mark.covers("F-17")
async def test_renewal_is_shared_by_all_who_ask(connect: Connect):
    """Twenty requests refused together renew the credential once."""
    credential = Renewable()
    async with FaultServer(guarded("1")) as server:
        transport = connect(server.origin, credential)
        answers = await transport.send_many([ask(server.origin)] * 20, body, limit=10)
        assert answers == [b"in"] * 20
        assert credential.renewals == 1


@pytest.mark.covers("F-17")
@pytest.mark.parametrize("allowed", [0, 5])
async def test_second_refusal_is_an_auth_error(connect: Connect, allowed: int):
    """No other credential, or one that is refused as well: the caller is told, and nothing is tried again."""
    async with FaultServer(guarded("never")) as server:
        transport = connect(server.origin, Renewable(allowed))
        with pytest.raises(AuthError) as caught:
            await transport.send(ask(server.origin, is_repeatable=True), body)
        assert caught.value.http_status == 401
        assert len(server.seen) == (2 if allowed else 1)


async def test_failing_renewal_is_told_to_all_who_ask():
    """A renewal that breaks is an `AuthError` to everybody who waited for it, and was tried once."""

    class Broken:
        tries = 0

        def headers(self) -> dict[str, str]:
            return {}

        async def renew(self) -> bool:
            self.tries += 1
            await asyncio.sleep(0)
            raise KeyError("token")

    credential = Broken()
    transport = ScriptedTransport(lambda _: json_response({}, status=401), credential=credential)
    answers = await transport.send_many([REPEATABLE] * 8, body)
    assert [type(error) for error in answers] == [AuthError] * 8
    assert credential.tries == 1
    assert len({id(error) for error in answers}) == 8


async def test_cancelled_renewal_leaves_the_others_to_begin_anew():
    """Who began the renewal may be cancelled; the next in line renews."""
    credential = Renewable()
    transport = ScriptedTransport(lambda _: json_response({}), credential=credential)
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(transport.renew()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
    assert first.cancelled()
    assert second.result() is True
    assert credential.number == 1


async def test_refused_download_does_not_renew_the_credential():
    """A stranger's 401 says nothing about our credential."""
    credential = Renewable()
    transport = ScriptedTransport(lambda _: json_response({}, status=401), credential=credential)
    with pytest.raises(PermissionDenied):
        await transport.send(Request(method="GET", url="https://f.example/", is_foreign=True), body)
    assert credential.renewals == 0


# --- send_many -----------------------------------------------------------------------------------------


async def test_send_many_is_bounded_and_keeps_order():
    """Answers come in the order of their requests, failures in their place, no more at once than allowed."""
    running = most = 0

    async def work(exchange):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        number = exchange.request.target[1:]
        await answer(number.encode(), status="200 OK" if number != "3" else "404 No")(exchange)

    def read(response: Response) -> int:
        if response.status == 404:
            raise QueryRefused("three")
        return int(response.body)

    async with FaultServer(work) as server:
        transport = HttpTransport(
            account=Account(platform="t", origin=server.origin, fingerprint=""), credential=StaticCredential()
        )
        answers = await transport.send_many((ask(server.origin, f"/{n}") for n in range(12)), read, limit=4)
        await transport.aclose()
    assert isinstance(answers[3], QueryRefused)
    assert [a for a in answers if isinstance(a, int)] == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert most == 4


async def test_send_many_of_nothing_is_nothing():
    """No requests, no answers."""
    assert await ScriptedTransport(in_turn()).send_many([], body) == []


@pytest.mark.covers("B-09")
@pytest.mark.parametrize(("limit", "error"), [(0, InvalidArgument), (-1, InvalidArgument), (True, InvalidType)])
async def test_send_many_refuses_odd_limits(limit: int, error: type[Exception]):
    """A limit that is no positive whole number is refused before anything is sent."""
    transport = ScriptedTransport(in_turn())
    with pytest.raises(error, match="limit"):
        await transport.send_many([REPEATABLE], body, limit=limit)


# --- life ----------------------------------------------------------------------------------------------


def test_constructing_needs_no_loop():
    """A transport can be made anywhere, and says in one line what it is."""
    transport = HttpTransport(
        account=Account(platform="t", origin="https://a.example:443", fingerprint=""), credential=StaticCredential()
    )
    assert repr(transport) == "<HttpTransport t https://a.example:443 open>"


@pytest.mark.covers("F-42")
def test_other_loop_is_told_so():
    """Use from a second loop is an error at once, never a hang."""
    transport = HttpTransport(
        account=Account(platform="t", origin="http://127.0.0.1:9", fingerprint=""), credential=StaticCredential()
    )
    request = ask("http://127.0.0.1:9")

    async def first() -> None:
        with pytest.raises(NetworkError):
            await transport.dispatch(request)

    async def second() -> None:
        for use in (transport.dispatch(request), transport.send(request, body), transport.renew()):
            with pytest.raises(WrongLoop):
                await use

    with asyncio.Runner() as one:
        one.run(first())
        with asyncio.Runner() as two:
            two.run(second())
        one.run(transport.aclose())


@pytest.mark.covers("F-44", "F-78")
async def test_closing_ends_what_is_under_way(connect: Connect):
    """Exchanges, tries and pauses end with `SchedulerClosed` when the transport closes; twice is once."""
    async with FaultServer(hang) as server:
        transport = connect(server.origin)
        sending = asyncio.gather(
            transport.dispatch(ask(server.origin)),
            transport.send(ask(server.origin, is_repeatable=True), body),
            transport.send(ask(server.origin, method="POST"), body),
            return_exceptions=True,
        )
        await until(lambda: len(server.seen) == 3)
        await transport.aclose()
        await transport.aclose()
        assert [type(ended) for ended in await sending] == [SchedulerClosed] * 3
        await server.settled()
        with pytest.raises(SchedulerClosed):
            await transport.dispatch(ask(server.origin))
    assert "closed" in repr(transport)


@pytest.mark.covers("F-44")
@pytest.mark.looptime
async def test_closing_wakes_a_long_pause(connect: Connect):
    """Nobody is left asleep for a `Retry-After` of an hour."""
    async with FaultServer(answer(b"", status="503 Busy", Retry_After="3600")) as server:
        transport = connect(server.origin)
        sending = asyncio.gather(transport.send(ask(server.origin, is_repeatable=True), body), return_exceptions=True)
        await asyncio.sleep(5)
        await transport.aclose()
        assert [type(ended) for ended in await sending] == [SchedulerClosed]
        assert asyncio.get_running_loop().time() == 5.0


@pytest.mark.looptime
async def test_tries_take_loop_time(connect: Connect):
    """Pauses between tries are slept on the loop's clock."""
    async with FaultServer(drop, answer(b"1")) as server:
        assert await connect(server.origin).send(ask(server.origin, is_repeatable=True), body) == b"1"
        assert 2.0 <= asyncio.get_running_loop().time() <= 4.0


@pytest.mark.covers("F-34", "I-09")
async def test_cancellation_at_any_await_leaks_nothing(connect: Connect):
    """An exchange cancelled at its 1st, 2nd, ... await closes its connection; the transport goes on."""
    body_of_three = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"a", b"b", b"c"]

    async def slowly(exchange):
        for piece in body_of_three:
            await exchange.write(piece)
            await asyncio.sleep(0.001)

    async with FaultServer(slowly) as server:
        ends = []
        for passes in range(60):
            transport = connect(server.origin)
            task = asyncio.create_task(transport.dispatch(ask(server.origin, method="POST", body=b"{}")))  # noqa: TID251
            for _ in range(passes):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0002 * (passes % 20) if passes >= 20 else 0)
            task.cancel()
            ends.append((await asyncio.gather(task, return_exceptions=True))[0])
            assert not transport._exchanges._scopes
            if isinstance(ends[-1], asyncio.CancelledError):
                assert not transport._exchanges._own or not transport._exchanges._own.connector._acquired
                assert (await transport.dispatch(ask(server.origin))).body == b"abc"
            await transport.aclose()
        await server.settled()
        assert any(isinstance(end, asyncio.CancelledError) for end in ends)
        gc.collect()  # an unclosed response would warn here


@pytest.mark.covers("F-51")
def test_uvloop_gives_the_same_results():
    """Another loop, the same promises: one send, closed connections, our errors."""

    async def scenario() -> None:
        async with FaultServer(answer(b"1"), drop, hang) as server:
            transport = HttpTransport(
                account=Account(platform="t", origin=server.origin, fingerprint=""), credential=StaticCredential()
            )
            assert (await transport.dispatch(ask(server.origin))).body == b"1"
            with pytest.raises(NetworkError):
                await transport.dispatch(ask(server.origin))
            with pytest.raises(NetworkError, match=r"within 0\.05 s"):
                await transport.dispatch(ask(server.origin, timeout=0.05))
            with pytest.raises(ProtocolError, match="its address is private"):
                await transport.dispatch(ask(f"https://10.0.0.1:{server.port}", is_foreign=True))
            assert len(server.seen) == 3
            await transport.aclose()
            await server.settled()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


# --- the scripted one ----------------------------------------------------------------------------------


async def test_script_that_runs_out_says_so():
    """A test that asks more than it scripted fails with words, not with a hang."""
    transport = ScriptedTransport(in_turn(json_response(1)))
    assert await transport.send(REPEATABLE, body) == b"1"
    with pytest.raises(AssertionError, match="more often than the 1 times"):
        await transport.send(REPEATABLE, body)
    assert repr(transport) == "<ScriptedTransport test https://platform.test:443 open>"


async def test_scripted_transport_closes_like_the_real_one():
    """Use after closing is the same error."""
    transport = ScriptedTransport(in_turn())
    await transport.aclose()
    with pytest.raises(SchedulerClosed):
        await transport.send(REPEATABLE, body)


# --- a credential that tells its end ---------------------------------------------------------------------


class Ticket:
    """A credential good for some seconds; none at all at first."""

    def __init__(self, *lifetimes: float | None):
        self.lifetime: float | None = 0.0
        self._left = list(lifetimes)
        self.renewals = 0

    def headers(self):
        return {"x-ticket": str(self.renewals)}

    async def renew(self):
        await asyncio.sleep(0)
        self.renewals += 1
        self.lifetime = self._left.pop(0)
        return True


@pytest.mark.looptime
async def test_credential_is_got_before_anything_is_sent():
    """Twenty sends and dispatches at once share one renewal, and none of them was refused before."""
    credential = Ticket(3_600.0)
    transport = ScriptedTransport(lambda _: json_response({}), credential=credential)
    request = Request(method="GET", url="https://platform.test/x")

    await asyncio.gather(*(transport.send(request, body) for _ in range(10)))
    await asyncio.gather(*(transport.dispatch(request) for _ in range(10)))

    assert (credential.renewals, len(transport.requests)) == (1, 20)


@pytest.mark.looptime
@pytest.mark.parametrize(("lifetime", "until"), [(3_600.0, 3_585.0), (20.0, 10.0), (None, None)])
async def test_credential_is_renewed_shortly_before_its_end(lifetime: float | None, until: float | None):
    """15 seconds before, or half-way for a short one; never for one without an end."""
    credential = Ticket(lifetime, None)
    transport = ScriptedTransport(lambda _: json_response({}), credential=credential)
    request = Request(method="GET", url="https://platform.test/x")
    await transport.dispatch(request)

    await asyncio.sleep(100_000 if until is None else until - 0.01)
    await transport.dispatch(request)
    assert credential.renewals == 1
    if until is not None:
        await asyncio.sleep(0.02)
        await transport.dispatch(request)
        assert credential.renewals == 2


async def test_refused_renewal_sends_nothing():
    """Who cannot log in hears of it, and the request stays here."""

    class Refused(Ticket):
        async def renew(self):
            raise AuthError("no")

    transport = ScriptedTransport(lambda _: json_response({}), credential=Refused())
    for use in (transport.dispatch, lambda request: transport.send(request, body)):
        with pytest.raises(AuthError):
            await use(Request(method="GET", url="https://platform.test/x"))
    assert transport.requests == []


@pytest.mark.covers("I-06", "S-11")
async def test_refusal_that_quotes_the_credential_does_not_show_it(connect: Connect):
    """Some servers say which key they refuse; our errors do not."""
    quoted = b'{"error": "no such key: ' + TOKEN.encode() + b'"}'
    async with FaultServer(answer(status="403 Forbidden", body=quoted)) as server:
        response = await connect(server.origin).dispatch(ask(server.origin))
        assert TOKEN.encode() not in response.body
        with pytest.raises(PermissionDenied) as caught:
            raise_for_status(response, platform="test")
        assert TOKEN not in str(caught.value)
