"""Acme, the platform that the README's example is written for: jobs that do what they are told, and an audit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from aiotasks.emulators.audit import Auditor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class AcmeServer:
    """`POST /jobs` with a list of ids gives those jobs that exist; more than 40 ids are too many for it."""

    def __init__(self) -> None:
        self.key = "key-1"
        self.words: dict[str, str] = {}
        self.poisoned: set[str] = set()
        self.retry_after: int | None = None
        self.auditor = Auditor()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serves inside the context. -> URL."""
        app = web.Application()
        app.router.add_post("/jobs", self._jobs)
        async with TestServer(app) as server:
            yield str(server.make_url(""))

    async def _jobs(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        ids = msgspec.json.decode(await request.read(), type=list[str])
        self.auditor.asked(now, tasks=ids)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.Response(status=401)
        if self.retry_after is not None:
            seconds, self.retry_after = self.retry_after, None
            return web.Response(status=429, headers={"retry-after": str(seconds)})
        if len(ids) > 40:
            return web.Response(status=413)
        if not self.poisoned.isdisjoint(ids):
            return web.Response(status=400)
        rows = [{"id": id, "word": self.words[id]} for id in ids if id in self.words]
        return web.Response(body=msgspec.json.encode(rows), content_type="application/json")
