"""JSON Schemas of the data that a project's tasks may begin with.

The library `jsonschema` judges by them: `pip install 'aiotasks[isahitlab]'`.

**Source**: wire notes, section 5: rectangle, polygon, graph and form rejected, and rectangle, polygon, segmentation
and form accepted, by the real SDK [V]; the rest [R].
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from aiotasks import InvalidArgument, NotSupported, escaped
from aiotasks.providers.isahitlab.formats.project import IMAGE_TYPES, inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotasks.providers.isahitlab.wire import Configuration

__all__ = ["KILI", "checker", "data_schema", "overwrite_schema"]

Schema = dict[str, Any]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_TEXT_OR_NUMBER: Final = {"type": ["string", "number"]}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_TEXT_OR_TEXTS: Final[Schema] = {"anyOf": [_TEXT, _TEXTS]}
_PART: Final = {"type": "number", "minimum": 0, "maximum": 1}


def _object(properties: Mapping[str, Any], *required: str, is_closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {**schema, "additionalProperties": False} if is_closed else schema


def checker(schema: Schema) -> Callable[[str, Any], None]:
    """What checks one value, given with its place in the call, by a schema.

    Raises:
        NotSupported: `jsonschema` is not installed.
        InvalidArgument, when called: the value does not fit; the message names the place and the reason.
    """
    try:
        jsonschema = import_module("jsonschema")
    except ModuleNotFoundError:
        raise NotSupported(
            "data is checked with jsonschema: pip install 'aiotasks[isahitlab]', or pass disable_data_check=True"
        ) from None
    validator = jsonschema.Draft202012Validator(schema)
    best = import_module("jsonschema.exceptions").best_match

    def check(place: str, value: Any) -> None:
        error = best(validator.iter_errors(value))
        if error is not None:
            path = f"{place}{error.json_path[1:]}"
            raise InvalidArgument(f"{escaped(path, 200)}: {escaped(error.message)}, against the project's schema")

    return check


# --- images ------------------------------------------------------------------------------------------------

_LABELS: Final[Schema] = {
    "type": "object",
    "patternProperties": {
        "^[0-9a-zA-Z-_ ]+$": _object(
            {
                "labels": {
                    "type": "array",
                    "items": _object(
                        {"id": _TEXT, "name": _TEXT, "displayName": {"type": ["string", "null"]}, "uid": _TEXT},
                        "id",
                        "name",
                    ),
                },
                "children": {"$ref": "#/$defs/labels"},
            },
            is_closed=True,
        )
    },
    "additionalProperties": False,
}


def _geometry(kind: str) -> Schema:
    if kind == "iat-rectangle":
        vertices: Schema = {"type": "array", "prefixItems": [_PART] * 4}
        return _object({"vertices": vertices, "type": {"const": "rectangle"}}, "vertices", "type")
    if kind == "iat-graph":
        edges = {"type": "array", "items": {"type": "array", "prefixItems": [_NUMBER] * 2}}
        vertices = {"type": "array", "prefixItems": [_PART] * 2}
        known = {"vertices": vertices, "type": {"const": "graph"}, "edges": edges}
        return _object(known, "vertices", "type", "edges")
    vertices = {"type": "array", "items": _PART}
    return _object({"vertices": vertices, "type": {"enum": ["polygon", "graph"]}}, "vertices", "type")


def _polygons(kind: str) -> Schema:
    if kind == "iat-segmentation":
        return {"type": "array", "prefixItems": [_NUMBER] * 3}  # the instance's red, green and blue in the mask
    known = {"id": _TEXT, "color": _TEXT, "groupId": _TEXT, "text": _TEXT, "geometry": _geometry(kind)}
    return {"type": "array", "items": _object(known, "geometry")}


def _image(kind: str, resources: Schema) -> Schema:
    """The data of one image, for a project or an input of that type. Its `$ref`s start at the whole schema."""
    annotation = {
        "uid": _TEXT,
        "color": _TEXT,
        "text": _TEXT,
        "polygons": _polygons(kind),
        "labels": {"$ref": "#/$defs/labels"},
    }
    known: Schema = {
        "resources": resources,
        "annotations": {"type": "array", "items": _object(annotation, "polygons")},
        "image": {},  # the SDK's schema for it has no keyword that bites [V]
    }
    if kind == "iat-segmentation":
        known["mask"] = {"type": "string", "pattern": "^data:image/png;base64,"}
    return _object(known, "annotations", is_closed=True)


# --- kili --------------------------------------------------------------------------------------------------

_KILI_PART: Final = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_SHAPE: Final = _object(
    {
        "normalizedVertices": {"type": "array", "items": _object({"x": _KILI_PART, "y": _KILI_PART}, "x", "y")},
        "vertices": {"type": "array", "items": _object({"x": _NUMBER, "y": _NUMBER}, "x", "y")},
    }
) | {"anyOf": [{"required": ["normalizedVertices"]}, {"required": ["vertices"]}]}
_KILI_ANNOTATION: Final = _object(
    {
        "boundingPoly": {"type": "array", "items": _SHAPE},
        "categories": {"type": "array", "items": _object({"name": _TEXT})},
    },
    "boundingPoly",
)
#: Labels of kili.
KILI: Final = _object(
    {
        "OBJECT_DETECTION_JOB": _object({"annotations": {"type": "array", "items": _KILI_ANNOTATION}}, "annotations"),
        "resolution": _object({"width": _NUMBER, "height": _NUMBER}, "width", "height"),
    },
    "OBJECT_DETECTION_JOB",
) | {"$schema": _DRAFT}

# --- forms -------------------------------------------------------------------------------------------------

_INPUTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "number": _NUMBER,
    **dict.fromkeys(("text", "textarea", "url", "radio", "checkbox"), _TEXT_OR_NUMBER),
    **dict.fromkeys(("date", "email", "hidden", "display-text", "display-title"), _TEXT),
    **dict.fromkeys(("display-resource", "display-resource-carousel"), _TEXT_OR_TEXTS),
    **{f"tool-{kind}": _image(kind, _TEXT_OR_TEXTS) for kind in IMAGE_TYPES},
}
_FLAG: Final = {"type": "boolean"}
_CHOICES: Final[Schema] = {
    "type": "array",
    "items": _object({"name": _TEXT, "value": _TEXT, "group": _TEXT}, "name", "value", is_closed=True),
}


def _settings(more: Mapping[str, Any] | None = None, **known: Schema) -> Schema:
    return _object({"settings": _object(known, is_closed=True), **(more or {})}, is_closed=True)


_OVERWRITES: Final[Mapping[str, Schema]] = {
    "radio": _settings(required=_FLAG, options=_CHOICES),
    "listbox": _settings(multiple=_FLAG, required=_FLAG, options=_CHOICES),
    "form-group": _settings(
        {"configurationOverwrite": {"type": "object"}},
        minNumber=_NUMBER,
        maxNumber=_NUMBER,
        startingItemsNumber=_NUMBER,
    ),
}


def _form(properties: Schema) -> Schema:
    return _object(properties, is_closed=True) | {"patternProperties": {"^_meta_": {}}}


def _open_inputs(configuration: Configuration) -> list[Mapping[str, Any]]:
    """The inputs that a task may begin with a value for."""
    return [each for each in inputs_of(configuration) if each.get("submit") is not False or not each.get("static")]


def data_schema(configuration: Configuration) -> Schema:
    """What the data of a task of the project must look like.

    Raises:
        NotSupported: nobody knows what data projects of that type have.
    """
    if configuration.type == "form":
        schema = _form({each["id"]: _INPUTS.get(each["type"], {}) for each in _open_inputs(configuration)})
    elif configuration.type in IMAGE_TYPES:
        schema = _image(configuration.type, _TEXTS)
    else:
        raise NotSupported(
            f"isahitlab: no schema for a project {escaped(configuration.type, 40)}; pass disable_data_check=True"
        )
    return {"$schema": _DRAFT, **schema, "$defs": {"labels": _LABELS}}


def overwrite_schema(configuration: Configuration) -> Schema | None:
    """What `project_configuration_overwrite` must look like; None for projects that have none."""
    if configuration.type != "form":
        return None
    inputs = _open_inputs(configuration)
    known = {each["id"]: _OVERWRITES[each["type"]] for each in inputs if each["type"] in _OVERWRITES}
    return {"$schema": _DRAFT, **_form(known)}
