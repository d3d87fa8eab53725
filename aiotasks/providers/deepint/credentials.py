"""Who asks, and where: a token, and the instance of Deep Intelligence that it belongs to."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from aiotasks import Account, InvalidArgument, InvalidType, Secret, escaped, origin_of
from aiotasks.providers.deepint.errors import DeepintCredentialsError
from aiotasks.providers.deepint.wire import PLATFORM
from aiotasks.safety import is_loopback, is_odd_address

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Credentials"]

#: The vendor's own instance.
INSTANCE: Final = "app.deepint.net"


def _checked_token(token: object) -> Secret:
    """A token that can stand in a header (B-10). No message shows it."""
    if isinstance(token, Secret):
        token = token.reveal()
    if not isinstance(token, str):
        raise InvalidType(f"token: given {type(token).__name__}, allowed: text")
    if not token.strip():
        raise InvalidArgument("token: given empty text, allowed: a token")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidArgument("token: given text with characters that no token has, allowed: printable ASCII")
    return Secret(token)


def _checked_instance(instance: object) -> str:
    """The base URL of an instance that a token may be sent to (B-11)."""
    allowed = "a host, host:port, or its https URL"
    if not isinstance(instance, str):
        raise InvalidType(f"instance: given {type(instance).__name__}, allowed: {allowed}")
    url = instance if "://" in instance else f"https://{instance}"
    try:
        origin, parts = origin_of(url), urlsplit(url)
    except ValueError as error:
        raise InvalidArgument(f"instance: {error}, allowed: {allowed}") from None
    host = parts.hostname or ""
    if parts.path not in ("", "/") or "?" in url or "#" in url or not url.isprintable() or " " in url:
        raise InvalidArgument(f"instance: given more than a host and a port, allowed: {allowed}")
    if is_odd_address(host):
        raise InvalidArgument(f"instance: given the address {escaped(host, 40)}, allowed: one in its usual form")
    if parts.scheme != "https" and not is_loopback(host):
        raise InvalidArgument(f"instance: given plain http to {escaped(host, 80)}, allowed: https, or this machine")
    return origin


@attrs.frozen
class Credentials:
    """A token and the instance it belongs to. Shows the token to nobody: `token` is a `Secret`.

    >>> Credentials("t-123", "deepint.example")
    Credentials(token=Secret('***'), instance='deepint.example')

    Args:
        token: the token.
        instance: the host of an instance, `host:port`, or its URL; plain http for this machine alone.

    Raises:
        InvalidArgument, InvalidType: one of them is not allowed. The token is not shown.
    """

    token: Secret = attrs.field(converter=_checked_token)
    instance: str = attrs.field(default=INSTANCE, eq=False)
    #: Scheme, host and port: what the token may be sent to, however the instance was written.
    origin: str = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "origin", _checked_instance(self.instance))

    @classmethod
    def build(cls, token: str | None = None, instance: str | None = None) -> Credentials:
        """The credentials given, or found: each of the two in the arguments, else in the environment
        (`DEEPINT_TOKEN`, `DEEPINT_INSTANCE`), else in `~/.deepint.ini` (section `DEFAULT`: `token`, `instance`).

        The SDK mixes them up when one is given and the other is not; here each is looked for by itself. Without an
        instance anywhere it is the vendor's own, app.deepint.net.

        Raises:
            DeepintCredentialsError: there is no token anywhere.
            InvalidArgument, InvalidType: what was given or found is not allowed. The token is not shown.

        **Source**: wire notes, section 1 (Credentials) [V].
        """
        found = _found()
        token = found.get("token") if token is None else token
        if token is None:
            raise DeepintCredentialsError(
                "given no token, and neither DEEPINT_TOKEN nor ~/.deepint.ini has one", code="CREDENTIALS_NOT_FOUND"
            )
        return cls(token, found.get("instance", INSTANCE) if instance is None else instance)

    @property
    def account(self) -> Account:
        """Whose rate limits and tasks these are."""
        return Account(platform=PLATFORM, origin=self.origin, fingerprint=self.token.fingerprint())

    def headers(self) -> Mapping[str, str]:
        """The header that carries the token: for the transport, which adds it to requests to `origin` alone."""
        return {"x-auth-token": self.token.reveal()}

    async def renew(self) -> bool:
        """Whether there is another token: there is not."""
        return False


def _found() -> Mapping[str, str]:
    """Token and instance of the environment, else of the file; each as far as it is there."""
    variables = {"token": os.environ.get("DEEPINT_TOKEN"), "instance": os.environ.get("DEEPINT_INSTANCE")}
    file = configparser.ConfigParser(interpolation=None)  # a token may have a per cent sign
    try:
        file.read(Path.home() / ".deepint.ini", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: nobody's home
        if variables["token"] is None:
            raise DeepintCredentialsError(
                f"~/.deepint.ini cannot be read ({type(error).__name__})", code="CREDENTIALS_NOT_FOUND"
            ) from None
    return {**file.defaults(), **{name: value for name, value in variables.items() if value}}
