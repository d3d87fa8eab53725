"""Logging in: an access id and its secret key make a token that lives for a while.

**Source**: wire notes, section 1: success is exactly 201 [V]; the SDK logs in anew when fewer than 15 s are left
[V]. After a 401 it gives up; this logs in once more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiotasks import AuthError, BaseClient, ProtocolError, Secret, ServerError, decoded
from aiotasks.providers.isahitlab import wire
from aiotasks.providers.isahitlab.http import PLATFORM, judge, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks import Account, Response
    from aiotasks.providers.isahitlab.http import Endpoint

__all__ = ["Login"]


class Login:
    """The `ExpiringCredential` of one account: nothing at first, then one token after the other.

    It sends by a transport of its own: that of the client waits for it.
    """

    def __init__(self, account: Account, endpoint: Endpoint, access_id: Secret, secret_key: Secret) -> None:
        self._door = BaseClient(account=account, credential=_Stranger())
        self._endpoint = endpoint
        self._access_id = access_id
        self._secret_key = secret_key
        self._token: Secret | None = None
        #: Seconds that the present token is good for from its beginning; 0.0: there is none.
        self.lifetime: float | None = 0.0

    def headers(self) -> Mapping[str, str]:
        """The token, if there is one yet."""
        return {} if self._token is None else {"authorization": f"Bearer {self._token.reveal()}"}

    async def renew(self) -> bool:
        """Log in.

        Raises:
            AuthenticationFailed: isahit lab refuses the access id or the secret key.
            AskError, AnswerError: it could not be asked, or its answer makes no sense.
        """
        fields = {"access_id": self._access_id.reveal(), "secret_key": self._secret_key.reveal()}
        try:
            answer = await self._door.transport.send(self._endpoint.form(wire.LOGIN, fields), _logged_in)
        except (AuthError, ServerError) as error:
            raise named(error) from error.__cause__
        self._token, self.lifetime = Secret(answer.access_token), answer.expires_in
        return True

    async def aclose(self) -> None:
        """Close its connections."""
        await self._door.aclose()


def _logged_in(response: Response) -> wire.Login:
    judge(response)
    answer = decoded(response, wire.A_LOGIN, platform=PLATFORM)
    token = answer.access_token
    if response.status != 201 or not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise ProtocolError("isahitlab: the answer to a login holds no token", platform=PLATFORM)
    if not (math.isfinite(answer.expires_in) and answer.expires_in > 0):
        raise ProtocolError("isahitlab: the token of a login has no lifetime", platform=PLATFORM)
    return answer


class _Stranger:
    """Who has no credential yet."""

    def headers(self) -> Mapping[str, str]:
        return {}

    async def renew(self) -> bool:
        return False
