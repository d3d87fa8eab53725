"""Tasks to be created: checked and copied when they are given, filled in before they are sent.

**Source**: wire notes, section 4 [V].
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks import InvalidArgument, InvalidType
from aiotasks.providers.isahitlab.arguments import checked_text, shown
from aiotasks.providers.isahitlab.formats.project import labels_by_id, main_labels, tool_inputs

if TYPE_CHECKING:
    from aiotasks.providers.isahitlab.wire import Configuration

__all__ = ["Draft", "TaskPayload", "draft", "given_tasks", "is_local", "prepared"]

Row = dict[str, Any]

_KEYS: Final = ("name", "resources", "data", "properties", "project_configuration_overwrite")
_REMOTE: Final = re.compile(r"https?://", re.IGNORECASE)


class TaskPayload(dict[str, Any]):
    """A task to be created, as the mapping that `create_tasks` takes.

    Args:
        name: unique in its batch.
        resources: URLs, references to a data set (`resource://...`), and paths of local files, which are uploaded.
        data: what annotators begin with; what it may be depends on the project's type and configuration.
        properties: see `IsahitLab.update_properties_of_tasks`.
        project_configuration_overwrite: of a form, parts of the configuration of single inputs.
    """

    def __init__(
        self,
        name: str,
        resources: list[str] | None = None,
        data: Row | None = None,
        properties: Row | None = None,
        project_configuration_overwrite: Row | None = None,
    ) -> None:
        given = (name, resources, data, properties, project_configuration_overwrite)
        super().__init__(zip(_KEYS, given, strict=True))


@attrs.frozen
class Draft:
    """One task to be created. Nothing of it is the caller's any more (B-16)."""

    name: str
    resources: tuple[str, ...]
    data: Row | None
    properties: Row | None
    overwrite: Row | None


def given_tasks(tasks: object) -> list[Any]:
    """The tasks of a call, as they were given.

    Raises:
        InvalidType: no list of mappings.
    """
    if isinstance(tasks, str | bytes | Mapping) or not isinstance(tasks, Iterable):
        raise InvalidType(f"tasks: given {type(tasks).__name__}, allowed: a list of mappings")
    return list(tasks)


def draft(place: str, task: object) -> Draft:
    """A task, checked as far as its project need not be known.

    Raises:
        InvalidType, InvalidArgument: it is not allowed; the message names its place, as in `tasks[3].resources[0]`.
    """
    if not isinstance(task, Mapping):
        raise InvalidType(f"{place}: given {type(task).__name__}, allowed: a mapping")
    if unknown := [key for key in task if key not in _KEYS]:
        raise InvalidArgument(f"{place}: given {shown(unknown[0])}, allowed: {', '.join(_KEYS)}")
    if "name" not in task:
        raise InvalidArgument(f"{place}: given no name, allowed: a task with a name")
    return Draft(
        name=checked_text(f"{place}.name", task["name"]),
        resources=_resources(f"{place}.resources", task.get("resources")),
        data=_copied(f"{place}.data", task.get("data")),
        properties=_copied(f"{place}.properties", task.get("properties")),
        overwrite=_copied(f"{place}.project_configuration_overwrite", task.get("project_configuration_overwrite")),
    )


def _resources(place: str, given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise InvalidType(f"{place}: given {type(given).__name__}, allowed: a list of URLs and paths")
    return tuple(_resource(f"{place}[{number}]", each) for number, each in enumerate(given))


def _resource(place: str, given: object) -> str:
    resource = checked_text(place, os.fspath(given) if isinstance(given, os.PathLike) else given)
    if is_local(resource) and not os.path.isfile(resource):
        raise InvalidArgument(
            f"{place}: given {shown(resource)}, allowed: a URL, `resource://...`, or a file that is there"
        )
    return resource


def is_local(resource: str) -> bool:
    """Whether a resource is a file of this machine."""
    return not (_REMOTE.match(resource) or resource.startswith("resource://"))


def _copied(place: str, given: object) -> Row | None:
    """A mapping as JSON has it, copied."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise InvalidType(f"{place}: given {type(given).__name__}, allowed: a mapping")
    try:
        copy: Row = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{place}: given what JSON does not have ({shown(error)}), allowed: JSON") from None
    return copy


# --- filled in ----------------------------------------------------------------------------------------------


def prepared(data: Row, configuration: Configuration) -> Row:
    """`data` with `text` and `color` in each annotation that lacks them, after its labels.

    It is changed in place: the caller's own was copied before. (The SDK changes the caller's.)
    """
    if configuration.type != "form":
        _label(data, configuration.metadata or {})
        return data
    for each in tool_inputs(configuration):
        if isinstance(data.get(each["id"]), dict):
            _label(data[each["id"]], (each.get("config") or {}).get("metadata") or {})
    return data


def _label(data: Row, metadata: Mapping[str, Any]) -> None:
    known = labels_by_id(metadata)
    annotations = data.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        labels = [known[id] for id in main_labels(annotation) if id in known]
        if labels:
            annotation.setdefault("text", ", ".join(label["name"] for label in labels))
            annotation.setdefault("color", labels[-1]["color"])
