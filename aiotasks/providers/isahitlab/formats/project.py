"""What a project's configuration says about its image tool and its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aiotasks import InvalidArgument, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiotasks.providers.isahitlab.wire import Configuration

__all__ = ["IMAGE_TYPES", "Tool", "inputs_of", "labels_by_id", "main_labels", "tool_inputs", "tool_of"]

Row = dict[str, Any]

#: Types of projects that are about images.
IMAGE_TYPES: Final = ("iat-rectangle", "iat-polygon", "iat-polyline", "iat-graph", "iat-segmentation")
_TOOL: Final = "tool-"


@attrs.frozen
class Tool:
    """The image tool of a project: the project itself, or one input of its form."""

    type: str
    metadata: Mapping[str, Any]
    #: The input that holds it, in a form.
    input_id: str | None = None

    @property
    def is_sequence(self) -> bool:
        """Whether its resources are frames of one sequence."""
        return bool((self.metadata.get("toolOptions") or {}).get("sequence"))

    def seen(self, task: Row) -> Row:
        """A task as it would be if the tool were the whole project. (The SDK dies of one without data.)"""
        data = task.get("data")
        if self.input_id is None or not data:
            return task
        body = (data.get("body") or {}).get(self.input_id) or {}
        return {**task, "resources": body.get("resources") or [], "data": {**data, "body": body}}

    def main_labels(self) -> Iterator[Mapping[str, Any]]:
        """The labels of its main lists, in their order: it counts as a class's number."""
        options = self.metadata.get("labelOptions") or {}
        available = options.get("availableLabels") or {}
        for main in options.get("mainLists") or ():
            for key in main["keys"]:
                yield from ({**label, "list": main["name"]} for label in available.get(key) or ())


def tool_of(configuration: Configuration, *, input_id: object = None, types: Sequence[str] = IMAGE_TYPES) -> Tool:
    """The image tool of a project, of one of `types`.

    Raises:
        InvalidArgument: it has none, or a form has several and `input_id` does not say which.
    """
    if configuration.type in types:
        return Tool(configuration.type, configuration.metadata or {})
    if configuration.type != "form":
        raise InvalidArgument(
            f"format: given for a project {escaped(configuration.type, 40)}, allowed: {_allowed(types)}"
        )
    tools = [each for each in tool_inputs(configuration) if each["type"].removeprefix(_TOOL) in types]
    if input_id is not None:
        tools = [each for each in tools if each["id"] == input_id]
    if len(tools) != 1:
        known = ", ".join(repr(each["id"]) for each in tools) or "no input of the form does"
        raise InvalidArgument(f"input_id: given {escaped(input_id, 40)}, allowed: one of {escaped(known)}")
    (tool,) = tools
    return Tool(tool["type"].removeprefix(_TOOL), (tool.get("config") or {}).get("metadata") or {}, tool["id"])


def _allowed(types: Sequence[str]) -> str:
    return f"{', '.join(types)}, or a form with such an input"


def inputs_of(configuration: Configuration) -> Iterator[Mapping[str, Any]]:
    """The inputs of a form: rows of columns of them."""
    for row in (configuration.metadata or {}).get("inputsLayout") or ():
        for column in row:
            yield from column


def tool_inputs(configuration: Configuration) -> Iterator[Mapping[str, Any]]:
    """The inputs of a form that are image tools."""
    return (each for each in inputs_of(configuration) if each["type"].removeprefix(_TOOL) in IMAGE_TYPES)


def labels_by_id(metadata: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """All labels that a configuration knows."""
    lists = (metadata.get("labelOptions") or {}).get("availableLabels") or {}
    return {label["id"]: label for labels in lists.values() for label in labels}


def main_labels(annotation: Mapping[str, Any]) -> list[str]:
    """Ids of the first-level labels of an annotation."""
    return [
        label["id"] for chosen in (annotation.get("labels") or {}).values() for label in chosen.get("labels") or ()
    ]
