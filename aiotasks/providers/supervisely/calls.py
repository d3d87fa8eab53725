"""What all topics of `TaskApi` are made of: one call of one wire method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from aiotasks.providers.supervisely import arguments, wire

if TYPE_CHECKING:
    from aiotasks.providers.supervisely.client import Api

__all__ = ["ANYTHING", "LIST", "OBJECT", "Calls"]

#: Any JSON; a JSON object; a JSON list.
ANYTHING: Final = msgspec.json.Decoder(Any)
OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
LIST: Final = msgspec.json.Decoder(list[Any])


class Calls:
    """The methods of one topic, over one client."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._api!r}>"

    async def _ask(self, method: str, body: Any, decoder: msgspec.json.Decoder[Any] = OBJECT, **options: Any) -> Any:
        """The answer to a call that is about no task."""
        question = wire.request(self._api.base, method, body, **options)
        return await self._api.transport.send(question, wire.reader(decoder))

    async def _tell(
        self,
        method: str,
        task_id: object,
        body: dict[str, Any],
        decoder: msgspec.json.Decoder[Any] = OBJECT,
        *,
        name: str = "task_id",
        **options: Any,
    ) -> Any:
        """The answer to a call about one task: `{"taskId": task_id, **body}`, or by `id` where the wire says so."""
        id = arguments.whole(name, task_id)
        key = "id" if name == "id" else "taskId"
        question = wire.request(self._api.base, method, {key: id, **body}, **options)
        return await self._api.transport.send(question, wire.task_reader(decoder, id))
