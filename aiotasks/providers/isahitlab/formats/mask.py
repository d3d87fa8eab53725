"""Masks of segmentation projects: PNG images, as they were made or painted by label.

A pixel of a mask is a code: red and green are the number of the instance, blue the channel of its label.

**Source**: wire notes, section 7 [V with the SDK's removed NumPy call mended].
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from aiotasks import InvalidArgument, InvalidType, NotSupported, escaped
from aiotasks.providers.isahitlab.formats.project import labels_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiotasks.providers.isahitlab.formats.project import Tool

__all__ = ["Painting", "checked_mapping", "mask_format"]

#: By label, the colour that its pixels get.
Painting = dict[str, tuple[int, int, int]]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PREFIX: Final = "data:image/png;base64,"
#: S-24. Pixels of one mask, looked at before any memory is taken for them.
MOST_PIXELS: Final = 100_000_000


def checked_mapping(value: object) -> Painting:
    """The option `semantic_mapping`; empty where none is given.

    Raises:
        InvalidType, InvalidArgument: something else than a mapping of label ids to `[red, green, blue]`.
        NotSupported: painting needs Pillow, which is not installed.
    """
    if not value:
        return {}
    allowed = "a mapping of label ids to [red, green, blue], each 0 to 255"
    if not isinstance(value, dict):
        raise InvalidType(f"options.semantic_mapping: given {type(value).__name__}, allowed: {allowed}")
    for label, colour in value.items():
        is_colour = isinstance(colour, list | tuple) and len(colour) == 3
        if not (isinstance(label, str) and is_colour and all(type(n) is int and 0 <= n <= 255 for n in colour)):
            raise InvalidArgument(
                f"options.semantic_mapping: given {escaped(repr({label: colour}), 60)}, allowed: {allowed}"
            )
    _pillow()
    return {label: tuple(colour) for label, colour in value.items()}


def mask_format(tool: Tool, painting: Painting) -> Callable[[dict[str, Any]], bytes | None]:
    """What turns a document into its mask as a PNG, or None where it has none."""
    known = labels_by_id(tool.metadata)
    channels = {known[id]["bChannel"]: colour for id, colour in painting.items() if known.get(id, {}).get("bChannel")}

    def formatted(task: dict[str, Any]) -> bytes | None:
        mask = ((tool.seen(task).get("data") or {}).get("body") or {}).get("mask")
        if not mask:
            return None
        png = _decoded(mask)
        return _painted(png, channels) if painting else png

    return formatted


def _decoded(uri: str) -> bytes:
    if not uri.startswith(_PREFIX):
        raise ValueError("the mask is no PNG as a data URI")
    try:
        png = base64.b64decode(uri[len(_PREFIX) :], validate=True)
    except binascii.Error as error:
        raise ValueError(f"the mask is not base64: {error}") from None
    if not png.startswith(_SIGNATURE) or len(png) < 24:
        raise ValueError("the mask is no PNG")
    width, height = struct.unpack(">II", png[16:24])
    if width * height > MOST_PIXELS:
        raise ValueError(f"the mask has {width} x {height} pixels, more than {MOST_PIXELS}")
    return png


def _painted(png: bytes, channels: Mapping[int, tuple[int, int, int]]) -> bytes:
    """Each label's pixels in its colour, by their codes in `png`: a colour just painted is no code, as it is in the
    SDK.

    The SDK leaves instances 256, 512, ... out, whose red is 0.
    """
    image_module, chops = _pillow()
    try:
        codes = image_module.open(io.BytesIO(png), formats=["PNG"]).convert("RGB")
    except (OSError, SyntaxError) as error:  # Pillow calls a broken chunk a SyntaxError
        raise ValueError(f"the mask cannot be read: {error}") from None
    red, green, blue = codes.split()
    inside = chops.lighter(red, green).point([0, *[255] * 255])
    painted = codes.copy()
    for channel, colour in channels.items():
        chosen = chops.darker(inside, blue.point([255 if value == channel else 0 for value in range(256)]))
        painted.paste(colour, mask=chosen)
    out = io.BytesIO()
    painted.save(out, "PNG")
    return out.getvalue()


def _pillow() -> tuple[Any, Any]:
    try:
        return import_module("PIL.Image"), import_module("PIL.ImageChops")
    except ModuleNotFoundError:
        raise NotSupported("semantic_mapping needs Pillow: pip install 'aiotasks[isahitlab-mask]'") from None
