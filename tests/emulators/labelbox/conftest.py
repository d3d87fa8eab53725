"""A pretended Labelbox whose jobs stand still, and somebody to ask it."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from aiotasks.emulators.labelbox import LabelboxEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_UPLOAD = (
    "mutation UploadFile($file: Upload!, $contentLength: Int!, $sign: Boolean) "
    "{ uploadFile(file: $file, contentLength: $contentLength, sign: $sign) {url filename} }"
)


@attrs.define
class Client:
    """Sends GraphQL as the SDK does, and control requests."""

    session: aiohttp.ClientSession
    url: str
    emulator: LabelboxEmulator

    async def send(self, query: str, variables: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """HTTP status and JSON of the answer."""
        headers = {"Authorization": f"Bearer {key or self.emulator.api_key}"}
        body = {"query": query, "variables": variables}
        async with self.session.post(self.url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer that has no errors."""
        status, answer = await self.send(query, variables)
        assert status == 200, answer
        assert "errors" not in answer, answer
        return answer["data"]

    async def refused(self, query: str, **variables: Any) -> tuple[int, str, str]:
        """HTTP status, code and message of an answer that has one error."""
        status, answer = await self.send(query, variables)
        [error] = answer["errors"]
        return status, error["extensions"]["code"], error["message"]

    async def control(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """HTTP status and JSON of a control request."""
        base = self.url.removesuffix("/graphql")
        async with self.session.request(method, f"{base}/__emulator__/{path}", json=body) as response:
            return response.status, await response.json()

    async def get(self, url: str, **headers: str) -> tuple[int, bytes]:
        """HTTP status and body of a file."""
        async with self.session.get(url, headers=headers) as response:
            return response.status, await response.read()

    async def statuses(self, *ids: str) -> dict[str, str]:
        """The status of each task, asked in one request."""
        query = "query($ids: [ID!]!) { user { createdTasks(where: {id_in: $ids} first: 1000) { id status } } }"
        data = await self.ask(query, ids=list(ids))
        return {task["id"]: task["status"] for task in data["user"]["createdTasks"]}

    async def upload(self, content: bytes, filename: str = "manifest.json", kind: str = "application/json") -> str:
        """Uploads a file in a GraphQL multipart request and gives its URL."""
        form = aiohttp.FormData()
        variables = {"file": None, "contentLength": len(content), "sign": False}
        form.add_field("operations", json.dumps({"variables": variables, "query": _UPLOAD}))
        form.add_field("map", '{"1": ["variables.file"]}')
        form.add_field("1", io.BytesIO(content), filename=filename, content_type=kind)
        headers = {"Authorization": f"Bearer {self.emulator.api_key}"}
        async with self.session.post(self.url, data=form, headers=headers) as response:
            answer = await response.json()
        return str(answer["data"]["uploadFile"]["url"])


@asynccontextmanager
async def served(emulator: LabelboxEmulator) -> AsyncIterator[Client]:
    """A client of an emulator that serves."""
    async with emulator.serve() as url, aiohttp.ClientSession() as session:
        yield Client(session, url, emulator)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of an emulator whose jobs stand still."""
    async with served(LabelboxEmulator(seed=1, frozen=True)) as client:
        yield client
