"""The projects that the pretended isahit lab begins with, and what annotators make of their tasks."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any, Final

__all__ = ["SEEDED", "annotated", "configuration", "png_uri"]

#: Types of the projects that are there from the start.
SEEDED: Final = ("iat-rectangle", "iat-polygon", "iat-segmentation", "form")

_LABELS: Final = [
    {"id": "cat", "name": "Cat", "color": "#ff0000", "bChannel": 1},
    {"id": "dog", "name": "Dog", "color": "#00ff00", "bChannel": 2},
]
#: The input of a form that holds an image tool.
_TOOL_INPUT: Final = "tool"


def configuration(kind: str, *, sequence: bool = False) -> dict[str, Any]:
    """The configuration of a project of some type: two labels, or a form with one input of each common kind."""
    if kind == "form":
        return {"projectType": kind, "metadata": {"inputsLayout": [[_form()]]}}
    return {
        "projectType": kind,
        "metadata": {
            "toolOptions": {"sequence": sequence},
            "labelOptions": {
                "mainLists": [{"name": "main", "keys": ["animals"]}],
                "availableLabels": {"animals": [dict(label) for label in _LABELS]},
            },
        },
    }


def _form() -> list[dict[str, Any]]:
    inputs = [{"id": kind, "type": kind, "submit": True} for kind in ("text", "number", "radio", "listbox")]
    group = {"id": "group", "type": "form-group", "submit": True}
    title = {"id": "title", "type": "display-title", "submit": False, "static": True}
    tool = {
        "id": _TOOL_INPUT,
        "type": "tool-iat-rectangle",
        "submit": True,
        "config": configuration("iat-rectangle"),
    }
    return [*inputs, group, title, tool]


def annotated(kind: str) -> dict[str, Any]:
    """What annotators make of a task that came without data."""
    if kind == "form":
        tool = {**annotated("iat-rectangle"), "resources": ["https://images.invalid/1.jpg"]}
        return {"text": "a cat", "number": 1, _TOOL_INPUT: tool}
    annotation: dict[str, Any] = {"uid": "a1", "labels": {"main": {"labels": [{"id": "cat", "name": "Cat"}]}}}
    body: dict[str, Any] = {"image": {"width": 4, "height": 2}, "annotations": [annotation]}
    if kind == "iat-segmentation":
        outline = {"geometry": {"type": "polygon", "vertices": [1, 0, 3, 0, 3, 2, 1, 2]}}
        annotation |= {"polygons": [1, 0, 1], "approximation": {"polygons": [outline]}}
        body["mask"] = png_uri([[(0, 0, 0), (1, 0, 1), (1, 0, 1), (0, 0, 0)]] * 2)
        return body
    geometry: dict[str, Any] = {"type": "polygon", "vertices": [0.25, 0.0, 0.75, 0.5, 0.25, 1.0]}
    if kind == "iat-rectangle":
        geometry = {"type": "rectangle", "vertices": [0.25, 0.0, 0.75, 1.0]}
    elif kind == "iat-graph":
        geometry = {**geometry, "type": "graph", "edges": [[0, 1], [1, 2]]}
    return body | {"annotations": [{**annotation, "polygons": [{"geometry": geometry}]}]}


def png_uri(rows: list[list[tuple[int, int, int]]]) -> str:
    """A PNG of 8-bit RGB pixels, as a data URI."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
