"""A client of an emulator in this process, both closed whatever a test does; and one over a script."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aiotasks import Scheduler
from aiotasks.emulators.supervisely import SuperviselyEmulator
from aiotasks.providers.supervisely import Api
from aiotasks.testing import ScriptedTransport, in_turn, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiotasks import Request, Response


@pytest.fixture
async def supervisely() -> AsyncIterator[Callable[..., Awaitable[tuple[SuperviselyEmulator, Api]]]]:
    """Starts an emulator, its tasks standing still unless told otherwise, and gives it with a client of it."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> tuple[SuperviselyEmulator, Api]:
            emulator = SuperviselyEmulator(**{"frozen": True, **options})
            url = await stack.enter_async_context(emulator.serve())
            scheduler = await stack.enter_async_context(Scheduler())
            return emulator, await stack.enter_async_context(Api(url, emulator.token, scheduler=scheduler))

        yield start


class Script:
    """A client whose server gives scripted answers, and what was sent to it."""

    def __init__(self, *answers: Any) -> None:
        given = [answer if _is_answer(answer) else json_response(answer) for answer in answers]
        self.api = Api("https://supervisely.test", "token")
        self.transport = ScriptedTransport(in_turn(*given), account=self.api.account)
        self.api._transport = self.transport

    @property
    def sent(self) -> list[tuple[str, Any]]:
        """Method and body of each request."""
        return [(_method(request), _body(request)) for request in self.transport.requests]


def _is_answer(answer: Any) -> bool:
    return isinstance(answer, Exception) or hasattr(answer, "headers")


def _method(request: Request) -> str:
    prefix = "https://supervisely.test/public/api/v3/"
    assert request.url.startswith(prefix)
    return request.url.removeprefix(prefix)


def _body(request: Request) -> Any:
    return msgspec.json.decode(request.body) if request.body else None


@pytest.fixture
def script() -> type[Script]:
    """Makes a client over a script: `script({"first": "answer"}, ...)`."""
    return Script


def response(status: int, body: Any = None, **headers: str) -> Response:
    """An answer of any status."""
    return json_response(body if body is not None else {"error": "no"}, status=status, headers=headers)
