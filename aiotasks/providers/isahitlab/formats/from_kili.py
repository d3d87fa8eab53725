"""Data in the format of kili's labels, as the SDK means to map it to the platform's own. (In 0.17.0 it crashes
before.)

**Source**: wire notes, section 4 [R].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiotasks import InvalidArgument, escaped
from aiotasks.providers.isahitlab.formats.geometry import box_of, flat, image_size, scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotasks.providers.isahitlab.formats.project import Tool

__all__ = ["from_kili"]

Row = dict[str, Any]


def from_kili(place: str, data: Mapping[str, Any], tool: Tool) -> Row:
    """The platform's data for kili's. `children` of annotations have no counterpart and are dropped.

    Raises:
        InvalidArgument: a label that the project does not know, or vertices in pixels without `resolution`.
    """
    annotations = data["OBJECT_DETECTION_JOB"]["annotations"]
    resolution = data.get("resolution")
    return {
        "annotations": [
            _annotation(f"{place}.OBJECT_DETECTION_JOB.annotations[{number}]", annotation, resolution, tool)
            for number, annotation in enumerate(annotations)
        ]
    }


def _annotation(place: str, annotation: Row, resolution: Row | None, tool: Tool) -> Row:
    polygons = [{"geometry": _geometry(place, shape, resolution, tool)} for shape in annotation["boundingPoly"]]
    return {"polygons": polygons, "labels": _labels(place, annotation.get("categories"), tool)}


def _labels(place: str, categories: list[Row] | None, tool: Tool) -> Row:
    id = categories[0].get("name") if categories else None
    if not id:
        return {}
    for label in tool.main_labels():
        if label["id"] == id:
            return {label["list"]: {"labels": [{"id": id, "name": label["name"]}]}}
    allowed = ", ".join(sorted({str(label["id"]) for label in tool.main_labels()}))
    raise InvalidArgument(f"{place}.categories: given {escaped(id, 40)!r}, allowed: {escaped(allowed)}")


def _geometry(place: str, shape: Row, resolution: Row | None, tool: Tool) -> Row:
    if "normalizedVertices" in shape:
        vertices = flat(shape["normalizedVertices"])
    elif resolution:
        width, height = image_size(resolution)
        vertices = scaled(flat(shape["vertices"]), 1 / width, 1 / height)
    else:
        raise InvalidArgument(
            f"{place}.boundingPoly: given pixels, allowed: with `resolution`, or `normalizedVertices`"
        )
    if tool.type == "iat-rectangle":
        return {"vertices": box_of(vertices), "type": "rectangle"}
    return {"vertices": vertices, "type": "polygon"}
