"""The format of kili's assets, as the SDK maps it: its oddities are part of the format.

Annotations are wrapped twice in `OBJECT_DETECTION_JOB`, those of types that kili has no word for are dropped, and
so are all of an image whose size is not told.

**Source**: wire notes, section 7 [V].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from aiotasks.providers.isahitlab.formats.geometry import corners, image_size, points, scaled
from aiotasks.providers.isahitlab.formats.project import main_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aiotasks.providers.isahitlab.formats.project import Tool

__all__ = ["kili_format"]

Row = dict[str, Any]

_STATUSES: Final = {"complete": "LABELED", "reviewed": "REVIEWED", "to-review": "ONGOING"}
_POLYGONS: Final = {"iat-rectangle": "rectangle", "iat-polygon": "polygon"}


def kili_format(tool: Tool) -> Callable[[Row], Row]:
    """What turns a document of a project with this tool into a kili asset."""

    def formatted(task: Row) -> Row:
        task = tool.seen(task)
        data = task.get("data") or {}
        return {
            "createdAt": task["createdAt"],
            "content": ",".join(map(_resource, task.get("resources") or ())),
            "externalId": task["name"],
            "id": task["_id"],
            "isHoneypot": False,
            "jsonMetadata": {},
            "latestLabel": _label(task, data, tool) if data else None,
            "resolution": (data.get("body") or {}).get("image"),
            "skipped": False,
            "status": _STATUSES.get(task["status"], "TODO"),
        }

    return formatted


def _resource(resource: Any) -> str:
    if isinstance(resource, dict):
        return str(resource.get("name", resource.get("id")))
    return str(resource)


def _label(task: Row, data: Row, tool: Tool) -> Row:
    return {
        "author": _author(data.get("user")),
        "createdAt": data.get("createdAt"),
        "isLatestLabelForUser": True,
        "isSentBackToQueue": False,
        "jsonResponse": _job(_annotations(task, data, tool)) if "body" in data else None,
        "labelType": "REVIEW" if data.get("type") == "review" else "DEFAULT",
        "modelName": None,
    }


def _author(user: Mapping[str, Any] | None) -> Row | None:
    if not user:
        return None
    first, _, last = user["name"].partition(" ")
    return {"email": user["email"], "name": user["name"], "firstname": first, "lastname": last, "id": user["id"]}


def _job(annotations: Any) -> Row:
    return {"OBJECT_DETECTION_JOB": {"annotations": annotations}}


def _annotations(task: Row, data: Row, tool: Tool) -> Any:
    """By the type that the data says it is of: in a form that is rarely one that kili knows."""
    kind, body = data.get("projectType"), data["body"] or {}
    if kind not in _POLYGONS and kind != "iat-segmentation":
        return {}
    if not body.get("image"):
        return []
    size = image_size(body["image"])
    if kind == "iat-segmentation":
        return [row for annotation in body.get("annotations") or () for row in _segments(annotation, size)]
    frames = len(task.get("resources") or ()) if tool.is_sequence else None
    return _polygons(body.get("annotations") or (), _POLYGONS[kind], size, frames)


def _polygons(annotations: Sequence[Row], kind: str, size: tuple[float, float], frames: int | None) -> Any:
    """One job, or one per frame of a sequence; empty where nothing is seen."""
    jobs: dict[int, Row] = {frame: {} for frame in range(frames if frames is not None else 1)}
    for annotation in annotations:
        seen: dict[int, list[Row]] = {}
        for polygon in annotation["polygons"]:
            frame = int(polygon.get("timestamp", 1)) - 1 if frames is not None else 0
            vertices = polygon["geometry"]["vertices"]
            seen.setdefault(frame, []).append(_relative(corners(vertices) if kind == "rectangle" else vertices, size))
        for frame, shapes in seen.items():
            row = {"boundingPoly": shapes, **_labelled(annotation), "type": kind}
            jobs[frame].setdefault("OBJECT_DETECTION_JOB", {"annotations": []})["annotations"].append(row)
    return jobs if frames is not None else jobs[0]


def _segments(annotation: Row, size: tuple[float, float]) -> Iterator[Row]:
    """One entry per polygon of the approximation; all of an annotation share their `mid`."""
    approximation = annotation.get("approximation") or {}
    common = {**_labelled(annotation), "type": "semantic", "mid": uuid4().hex[:15]}
    minus = [_absolute(polygon["geometry"]["vertices"], size) for polygon in approximation.get("minus") or ()]
    for number, polygon in enumerate(approximation.get("polygons") or ()):
        geometry = polygon["geometry"]
        # Older data lists what is cut out for all polygons together: it goes with the first of them.
        holes = [_absolute(hole, size) for hole in geometry.get("holes") or ()]
        cut = (minus if number == 0 else []) if minus else holes
        yield {"boundingPoly": [_absolute(geometry["vertices"], size), *cut], **common}


def _labelled(annotation: Row) -> Row:
    return {
        "categories": [{"name": id} for id in main_labels(annotation)],
        "children": dict(_children(annotation.get("labels") or {})),
    }


def _children(labels: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """The lists below the first level, all on one level."""
    for chosen in labels.values():
        children = chosen.get("children") or {}
        for name, below in children.items():
            yield name, {"categories": [{"name": label["id"]} for label in below.get("labels") or ()]}
        yield from _children(children)


def _relative(vertices: Sequence[float], size: tuple[float, float]) -> Row:
    pixels = [round(value, 2) for value in scaled(vertices, *size)]
    return {"normalizedVertices": points(vertices), "vertices": points(pixels)}


def _absolute(vertices: Sequence[float], size: tuple[float, float]) -> Row:
    relative = [value / size[index % 2] for index, value in enumerate(vertices)]
    return {"normalizedVertices": points(relative), "vertices": points(vertices)}
