"""What a task shows as its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import ProtocolError
from aiotasks.providers.supervisely import arguments, wire
from aiotasks.providers.supervisely.calls import Calls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Outputs"]

_GREEN, _PALE_GREEN = "#33c94c", "#d9f7e4"
_RED, _PALE_RED = "#ff83a6", "#ffeae9"


class Outputs(Calls):
    """The methods of `TaskApi` that set the output of a task. A task has one: the last one set.

    All raise `TaskNotFound`, `AskError` or `AnswerError` when it was not set, and `InvalidArgument` or `InvalidType`
    before anything was sent; all return the JSON object that the server answers.

    **Source**: wire notes, section 6 [R, D].
    """

    async def set_output_project(
        self, task_id: int, project_id: int, project_name: str | None = None, project_preview: str | None = None
    ) -> dict[str, Any]:
        """A project. Without a name, name and preview are read from the project first."""
        arguments.whole("task_id", task_id)
        project: dict[str, Any] = {"id": arguments.whole("project_id", project_id)}
        if arguments.optional_text("project_name", project_name) is None:
            found = await self._ask("projects.info", {"id": project_id})
            project_name, project_preview = found.get("name"), found.get("referenceImageUrl")
        project["title"] = project_name
        if arguments.optional_text("project_preview", project_preview) is not None:
            project["preview"] = project_preview
        return await self._set_output(task_id, {"project": project})

    async def set_output_report(
        self, task_id: int, file_id: int, file_name: str, description: str = "Report"
    ) -> dict[str, Any]:
        """A report in the team's files."""
        return await self._set_file(
            task_id,
            file_name,
            f"/files/{arguments.whole('file_id', file_id)}",
            description=description,
            icon="zmdi zmdi-receipt",
        )

    async def set_output_archive(
        self, task_id: int, file_id: int, file_name: str, file_url: str | None = None
    ) -> dict[str, Any]:
        """An archive in the team's files, to be downloaded. Without a URL, its place is asked for first."""
        url = await self._url_of(task_id, file_id, file_name, file_url)
        return await self._set_file(
            task_id, file_name, url, description="Download archive", icon="zmdi zmdi-archive", download=True
        )

    async def set_output_file_download(
        self,
        task_id: int,
        file_id: int,
        file_name: str,
        file_url: str | None = None,
        download: bool = True,  # the SDK's signature
    ) -> dict[str, Any]:
        """A file in the team's files. Without a URL, its place is asked for first."""
        arguments.flag("download", download)
        url = await self._url_of(task_id, file_id, file_name, file_url)
        return await self._set_file(
            task_id, file_name, url, description="Download file", icon="zmdi zmdi-file", download=download
        )

    async def set_output_directory(self, task_id: int, file_id: int, directory_path: str) -> dict[str, Any]:
        """A folder in the team's files."""
        return await self._set_file(
            task_id,
            arguments.text("directory_path", directory_path),
            f"/files/{arguments.whole('file_id', file_id)}",
            description="Directory",
            icon="zmdi zmdi-folder",
        )

    async def set_output_error(
        self,
        task_id: int,
        title: str,
        description: str | None = None,
        show_logs: bool = True,  # the SDK's signature
    ) -> dict[str, Any]:
        """An error, in words."""
        icon = _icon("zmdi zmdi-alert-octagon", _RED, _PALE_RED)
        return await self._set_words(task_id, title, description, icon, show_logs=show_logs, is_error=True)

    async def set_output_text(
        self,
        task_id: int,
        title: str,
        description: str | None = None,
        show_logs: bool = False,  # the SDK's signature
        zmdi_icon: str = "zmdi-comment-alt-text",
        icon_color: str = _GREEN,
        background_color: str = _PALE_GREEN,
    ) -> dict[str, Any]:
        """Words, with an icon of Material Design Iconic Font and its colours."""
        icon = _icon(
            f"zmdi {arguments.text('zmdi_icon', zmdi_icon)}",
            arguments.text("icon_color", icon_color),
            arguments.text("background_color", background_color),
        )
        return await self._set_words(task_id, title, description, icon, show_logs=show_logs, is_error=False)

    async def set_output_experiment(self, task_id: int, experiment_info: Mapping[str, Any]) -> dict[str, Any]:
        """What a training came to."""
        data = arguments.mapping("experiment_info", experiment_info)
        return await self._set_output(task_id, {"experiment": {"data": data}})

    # --- shared -----------------------------------------------------------------------------------------------

    async def _set_output(self, task_id: int, output: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._tell("tasks.output.set", task_id, {"output": output})
        return answer

    async def _set_file(
        self, task_id: int, file_name: str, url: str, *, description: str, icon: str, download: bool = False
    ) -> dict[str, Any]:
        general = {
            "icon": _icon(icon, _GREEN, _PALE_GREEN),
            "title": arguments.text("file_name", file_name),
            "titleUrl": url,
            "download": download,
            "description": arguments.text("description", description, may_be_empty=True),
        }
        return await self._set_output(task_id, {"general": general})

    async def _set_words(
        self,
        task_id: int,
        title: str,
        description: str | None,
        icon: dict[str, str],
        *,
        show_logs: bool,
        is_error: bool,
    ) -> dict[str, Any]:
        general: dict[str, Any] = {
            "icon": icon,
            "title": arguments.text("title", title),
            "showLogs": arguments.flag("show_logs", show_logs),
            "isError": is_error,
        }
        if description is not None:
            general["description"] = arguments.text("description", description, may_be_empty=True)
        return await self._set_output(task_id, {"general": general})

    async def _url_of(self, task_id: int, file_id: int, file_name: str, file_url: str | None) -> str:
        """Where a file is: what the caller says, else what the server says, once all arguments are in order."""
        arguments.whole("task_id", task_id)
        arguments.whole("file_id", file_id)
        arguments.text("file_name", file_name)
        if arguments.optional_text("file_url", file_url) is not None:
            return str(file_url)
        path = (await self._ask("file-storage.info", {"id": file_id})).get("storagePath")
        if not isinstance(path, str):
            raise ProtocolError("supervisely: the answer does not say where the file is", platform=wire.PLATFORM)
        return path


def _icon(name: str, color: str, background: str) -> dict[str, str]:
    return {"className": name, "color": color, "backgroundColor": background}
