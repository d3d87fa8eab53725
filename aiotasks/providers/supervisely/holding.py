"""What a task holds: its meta, the fields of its page, its logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiotasks import InvalidArgument, ProtocolError, Request
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import ANYTHING, LIST, Calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Holding"]


class Holding(Calls):
    """The methods of `TaskApi` about what a task holds."""

    async def update_meta(
        self,
        id: int,
        data: Mapping[str, Any],
        agent_storage_folder: str | None = None,
        relative_app_dir: str | None = None,
    ) -> None:
        """Merge `data` into the meta of a task. Folders on the agent are given both or not at all.

        Raises:
            InvalidArgument, InvalidType: nothing was sent. `data` is not changed (by the SDK it is).
            TaskNotFound, AskError, AnswerError: as elsewhere.
        """
        meta = arguments.mapping("data", data)
        host = arguments.optional_text("agent_storage_folder", agent_storage_folder)
        folder = arguments.optional_text("relative_app_dir", relative_app_dir)
        if (host is None) != (folder is None):
            raise InvalidArgument("agent_storage_folder, relative_app_dir: given one, allowed: both or none")
        if host is not None:
            meta["agentStorageFolder"] = {"hostDir": host, "folder": folder}
        await self._tell(
            "tasks.meta.update", id, {key: meta[key] for key in meta if key != "id"}, ANYTHING, name="id"
        )

    # --- fields of an app's page ----------------------------------------------------------------------------

    async def set_fields(self, task_id: int, fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Set fields of an app, each `{"field": "data.a", "payload": anything}`, maybe with `append`, `recursive`.

        Raises:
            InvalidArgument, InvalidType: an entry lacks one of the two, by its place; nothing was sent.
            TaskNotFound, AskError, AnswerError: as elsewhere.
        """
        rows = arguments.records("fields", fields, "field", "payload")
        answer: dict[str, Any] = await self._tell("tasks.data.set", task_id, {"fields": rows})
        return answer

    async def set_fields_from_dict(self, task_id: int, d: Mapping[str, Any]) -> dict[str, Any]:
        """Set fields of an app, by name. Errors as for `set_fields`."""
        fields = [{"field": name, "payload": value} for name, value in arguments.mapping("d", d).items()]
        return await self.set_fields(task_id, fields)

    async def set_field(
        self,
        task_id: int,
        field: str,
        payload: Any,
        append: bool = False,  # the SDK's signature
        recursive: bool = False,
    ) -> dict[str, Any]:
        """Set one field of an app, or add to it; `recursive` adds inside of what is nested. Errors: `set_fields`."""
        row = {
            "field": arguments.text("field", field),
            "payload": payload,
            "append": arguments.flag("append", append),
            "recursive": arguments.flag("recursive", recursive),
        }
        return await self.set_fields(task_id, [row])

    async def get_fields(self, task_id: int, fields: Sequence[str]) -> dict[str, Any]:
        """The values of some fields of an app, by name. Errors as for `set_fields`."""
        body = {"fields": arguments.texts("fields", fields)}
        answer = await self._tell("tasks.data.get", task_id, body)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise ProtocolError("supervisely: the answer holds no fields", platform=wire.PLATFORM, task_id=task_id)
        return result

    async def get_field(self, task_id: int, field: str) -> Any:
        """The value of one field of an app. Errors as for `set_fields`."""
        return (await self.get_fields(task_id, [field])).get(field)

    # --- logs -----------------------------------------------------------------------------------------------

    async def submit_logs(self, logs: Sequence[Mapping[str, Any]]) -> None:
        """Add entries to the logs of the tasks that they name in `task_id`. Sent once: it would add them again.

        Raises:
            InvalidArgument, InvalidType: nothing was sent.
            SubmitUnknown: they may or may not have been added.
            AskError, AnswerError: they were not added.
        """
        body = {"logs": arguments.records("logs", logs)}
        await self._ask("tasks.logs.add", body, ANYTHING, is_repeatable=False)

    async def get_logs(
        self, task_id: int, since_time: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The log entries of a task, each `{"level", "message", "timestamp", "task_id", ...}`.

        Args:
            task_id: the task's id.
            since_time: entries from then on, ISO 8601; None is all.
            limit: entries at most; None is as many as the server gives.

        Raises:
            TaskNotFound, InvalidArgument, InvalidType, AskError, AnswerError: as elsewhere (the SDK dies of an
                `AttributeError` where its retries are used up).
        """
        asked: dict[str, Any] = {"id": arguments.whole("task_id", task_id)}
        if since_time is not None:
            asked["sinceTime"] = arguments.text("since_time", since_time)
        if limit is not None:
            asked["limit"] = arguments.whole("limit", limit)
        question = Request(
            method="GET", url=f"{self._api.base}tasks.log.download?{urlencode(asked)}", is_repeatable=True
        )
        logs: list[dict[str, Any]] = await self._api.transport.send(question, wire.task_reader(LIST, task_id))
        return logs
