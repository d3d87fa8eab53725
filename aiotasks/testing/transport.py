"""A transport whose server is a function, with all the policy of the real one and none of its waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from aiotasks._runtime.transport import HttpTransport
from aiotasks.errors import AiotasksError, SchedulerClosed
from aiotasks.models import Account, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotasks.abc import Credential
    from aiotasks.models import Request

__all__ = ["ScriptedTransport", "in_turn", "json_response"]


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer.

    >>> json_response({"id": 7}).body
    b'{"id":7}'
    """
    return Response(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=msgspec.json.encode(value),
    )


def in_turn(*answers: Response | AiotasksError) -> Callable[[Request], Response]:
    """A server that gives `answers` one after another, whatever is asked; errors are raised.

    Raises:
        AssertionError: asked once more than there are answers.
    """
    left = iter(answers)

    def answer(_: Request) -> Response:
        given = next(left, None)
        if given is None:
            raise AssertionError(f"asked more often than the {len(answers)} times that were scripted")
        if isinstance(given, AiotasksError):
            raise given
        return given

    return answer


class ScriptedTransport(HttpTransport):
    """Answers from a function instead of a network. Retries, renewal and redirects are the real ones.

    Args:
        answer: gives the response to each request, or raises the fault that the network would have had
            (`NetworkError`, `AnswerTooLarge`, ...).
        account: as for the real transport; one of a platform called "test" if left out.
        credential: as for the real transport; one that cannot be renewed if left out.

    Attributes:
        requests: what was sent, in order, one entry per send.
        pauses: seconds that the real transport would have slept between tries; this one does not sleep.
    """

    requests: list[Request]
    pauses: list[float]

    def __init__(
        self,
        answer: Callable[[Request], Response],
        *,
        account: Account | None = None,
        credential: Credential | None = None,
    ) -> None:
        script = _Script(answer)
        self.requests, self.pauses = script.requests, script.pauses
        super().__init__(
            account=account or Account(platform="test", origin="https://platform.test:443", fingerprint="test"),
            credential=credential or _NoCredential(),
            exchanges=script,
        )


class _NoCredential:
    def headers(self) -> Mapping[str, str]:
        return {}

    async def renew(self) -> bool:
        return False


class _Script:
    """The `Exchanges` of a function."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self.requests: list[Request] = []
        self.pauses: list[float] = []
        self.is_closed = False

    def enter(self) -> None:
        if self.is_closed:
            raise SchedulerClosed("the client is closed: make a new one")

    def is_own(self, request: Request) -> bool:
        return not request.is_foreign

    async def exchange(self, request: Request) -> Response:
        self.enter()
        self.requests.append(request)
        await asyncio.sleep(0)  # as a real exchange, it lets others run
        return self._answer(request)

    async def pause(self, seconds: float) -> None:
        self.enter()
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        self.is_closed = True
