"""Where token and instance come from, and which of them are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiotasks import InvalidArgument, InvalidType, Secret, UsageError
from aiotasks.providers.deepint import Credentials, DeepintBaseError, DeepintCredentialsError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "canary-token-9b1c"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of this machine's."""
    monkeypatch.delenv("DEEPINT_TOKEN", raising=False)
    monkeypatch.delenv("DEEPINT_INSTANCE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def shown(credentials: Credentials) -> tuple[str, str]:
    return credentials.token.reveal(), credentials.instance


def test_token_and_instance_are_looked_for_each_by_itself(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Argument, environment, file, the vendor's own: the SDK mixes them up when only one is given."""
    assert shown(Credentials.build("mine")) == ("mine", "app.deepint.net")
    (home / ".deepint.ini").write_text("[DEFAULT]\ntoken=from%file\ninstance=file.example\n")
    assert shown(Credentials.build()) == ("from%file", "file.example")
    assert shown(Credentials.build("mine")) == ("mine", "file.example")
    monkeypatch.setenv("DEEPINT_INSTANCE", "env.example")
    assert shown(Credentials.build()) == ("from%file", "env.example")
    monkeypatch.setenv("DEEPINT_TOKEN", "from-env")
    assert shown(Credentials.build()) == ("from-env", "env.example")
    assert shown(Credentials.build(instance="own.example")) == ("from-env", "own.example")
    assert shown(Credentials.build("mine", "own.example")) == ("mine", "own.example")


def test_no_token_anywhere_is_the_sdks_error() -> None:
    """`DeepintCredentialsError`, which the SDK means to raise, and a `ValueError`."""
    with pytest.raises(DeepintCredentialsError, match="DEEPINT_TOKEN") as caught:
        Credentials.build()
    assert caught.value.code == "CREDENTIALS_NOT_FOUND"
    assert isinstance(caught.value, DeepintBaseError | ValueError)


@pytest.mark.parametrize("content", [b"token=x\n", b"[DEFAULT\n", b"\xff\xfe\x00"])
def test_file_that_cannot_be_read_matters_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, home: Path, content: bytes
) -> None:
    """A typed error without a token of the environment; none with it."""
    (home / ".deepint.ini").write_bytes(content)
    with pytest.raises(DeepintCredentialsError, match="cannot be read"):
        Credentials.build()
    monkeypatch.setenv("DEEPINT_TOKEN", "from-env")
    assert Credentials.build().token.reveal() == "from-env"


@pytest.mark.parametrize(
    "token", ["", "   ", "secret\r\nX: y", "secret\n", "secr et", "schlüssel", "secret\x00", b"secret", 7]
)
@pytest.mark.covers("B-10", "I-06")
def test_token_that_cannot_be_one_is_refused_unseen(token: Any) -> None:
    """The error does not show it."""
    with pytest.raises((InvalidArgument, InvalidType), match="token: given") as caught:
        Credentials(token)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("instance", "origin"),
    [
        ("app.deepint.net", "https://app.deepint.net:443"),
        ("APP.deepint.net", "https://app.deepint.net:443"),
        ("on-premise.example:8443", "https://on-premise.example:8443"),
        ("https://on-premise.example/", "https://on-premise.example:443"),
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("http://localhost:1", "http://localhost:1"),
        ("localhost:1", "https://localhost:1"),
        ("[::1]:8", "https://[::1]:8"),
    ],
)
def test_instance_is_a_host_or_a_url(instance: str, origin: str) -> None:
    """https unless a URL of this machine says otherwise."""
    credentials = Credentials(TOKEN, instance)
    assert (credentials.origin, credentials.account.origin) == (origin, origin)


def test_credentials_are_equal_by_what_they_mean() -> None:
    """However the instance is written."""
    assert Credentials(TOKEN, "localhost:443") == Credentials(TOKEN, "https://LOCALHOST")
    assert Credentials(TOKEN) != Credentials("another")
    assert len({Credentials(TOKEN), Credentials(TOKEN, "https://app.deepint.net/")}) == 1


@pytest.mark.parametrize(
    "instance",
    [
        "",
        "http://app.deepint.net",
        "ftp://app.deepint.net",
        "user:password@app.deepint.net",
        "app.deepint.net/api",
        "app.deepint.net?x",
        "app.deepint.net#x",
        "app.deepint.net:99999",
        "app deepint.net",
        "2130706433",
        "0x7f.1",
        7,
        None,
    ],
)
@pytest.mark.covers("B-11")
def test_instance_that_a_token_must_not_go_to_is_refused(instance: Any) -> None:
    """Nothing but a host and a port."""
    with pytest.raises(UsageError, match="instance: "):
        Credentials(TOKEN, instance)


@pytest.mark.covers("I-06", "S-11")
def test_token_is_in_no_repr() -> None:
    """A `Secret` may also be given."""
    credentials = Credentials(TOKEN)
    assert TOKEN not in repr(credentials) + str(credentials) + repr(credentials.account)
    assert Credentials(Secret(TOKEN)) == credentials
    assert credentials.headers() == {"x-auth-token": TOKEN}
