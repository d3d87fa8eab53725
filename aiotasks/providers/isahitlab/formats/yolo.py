"""The format of YOLO (v8): a list of classes, and per image a text with one line per shape.

**Source**: wire notes, section 7 [V].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks.providers.isahitlab.formats.geometry import box_of, centred, image_size
from aiotasks.providers.isahitlab.formats.project import main_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aiotasks.providers.isahitlab.formats.project import Tool

__all__ = ["classes_of", "data_yaml", "yolo_format"]


def classes_of(tool: Tool) -> list[str]:
    """Ids of the labels of the main lists: a class's number is its place."""
    return [label["id"] for label in tool.main_labels()]


def data_yaml(classes: Sequence[str]) -> str:
    """`data.yaml`. A quote in an id is doubled, as YAML has it; the SDK writes it as it is."""
    names = ",".join("'{}'".format(id.replace("'", "''")) for id in classes)
    return f"nc: {len(classes)}\nnames: [{names}]\n"


def yolo_format(tool: Tool) -> Callable[[dict[str, Any]], str]:
    """What turns a document into the lines of its image."""
    # The first of two labels with one id, as `list.index` finds it.
    numbers = {id: number for number, id in reversed([*enumerate(classes_of(tool))])}

    def formatted(task: dict[str, Any]) -> str:
        body = (tool.seen(task).get("data") or {}).get("body") or {}
        rows = (row for annotation in body.get("annotations") or () for row in _rows(annotation, body, tool, numbers))
        return "".join(f"{' '.join(map(str, row))}\n" for row in rows)

    return formatted


def _rows(
    annotation: Mapping[str, Any], body: Mapping[str, Any], tool: Tool, numbers: Mapping[str, int]
) -> Iterator[list[Any]]:
    labels = main_labels(annotation)
    if labels and labels[0] not in numbers:
        raise ValueError(f"label {labels[0]!r} is in no main list")
    number = numbers[labels[0]] if labels else -1
    is_segmented = tool.type == "iat-segmentation"
    polygons = (annotation.get("approximation") or {}).get("polygons") if is_segmented else annotation["polygons"]
    for polygon in polygons or ():
        geometry = polygon["geometry"]
        vertices = geometry["vertices"]
        if is_segmented and body.get("image"):
            size = image_size(body["image"])
            vertices = [value / size[index % 2] for index, value in enumerate(vertices)]
        if geometry["type"] == "rectangle":
            vertices = centred(vertices)
        elif geometry["type"] == "graph":
            vertices = [*centred(box_of(vertices)), *vertices]
        yield [number, *vertices]
