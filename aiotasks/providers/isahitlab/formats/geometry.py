"""Points and boxes. Vertices are flat, `[x, y, x, y, ...]`; a box is `[left, top, right, bottom]`, in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["box_of", "centred", "corners", "flat", "image_size", "points", "scaled"]

Number = int | float
#: Width and height of a box that has none, in parts of the image.
_LEAST: Final = 0.01


def points(vertices: Sequence[Number]) -> list[dict[str, Number]]:
    """Vertices as points.

    >>> points([1, 2, 3, 4])
    [{'x': 1, 'y': 2}, {'x': 3, 'y': 4}]
    """
    return [{"x": x, "y": y} for x, y in zip(vertices[::2], vertices[1::2], strict=True)]


def flat(given: Sequence[Mapping[str, Number]]) -> list[Number]:
    """Points as vertices."""
    return [point[axis] for point in given for axis in ("x", "y")]


def image_size(image: Mapping[str, Any]) -> tuple[float, float]:
    """Width and height of an image, in pixels."""
    return float(image["width"]), float(image["height"])


def scaled(vertices: Sequence[Number], x: float, y: float) -> list[Number]:
    """Vertices times `x` and `y`."""
    return [value * (y if index % 2 else x) for index, value in enumerate(vertices)]


def corners(box: Sequence[Number]) -> list[Number]:
    """The corners of a box, clockwise from the first."""
    left, top, right, bottom = box
    return [left, top, right, top, right, bottom, left, bottom]


def box_of(vertices: Sequence[Number]) -> list[Number]:
    """The box around vertices."""
    xs, ys = vertices[::2], vertices[1::2]
    return [min(xs), min(ys), max(xs), max(ys)]


def centred(box: Sequence[Number]) -> list[Number]:
    """A box as centre and size; one without width or height gets a little.

    >>> centred([0.0, 1.0, 0.5, 0.5])
    [0.25, 0.75, 0.5, 0.5]
    """
    left, top, right, bottom = box_of(box)
    width, height = right - left, bottom - top
    return [left + width / 2, top + height / 2, width or _LEAST, height or _LEAST]
