"""Exports: tasks on their way to a file, page by page; at no time are more than two pages in memory.

**Source**: wire notes, section 7 [V]. Names of files are safe here (S-21), and have no colon in them.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import attrs

from aiotasks import InvalidArgument
from aiotasks.providers.isahitlab.arguments import checked_choice, checked_flag, checked_mapping, shown
from aiotasks.providers.isahitlab.files import Names, checked_name, new_file, new_folder, new_member, output_folder
from aiotasks.providers.isahitlab.formats import mask
from aiotasks.providers.isahitlab.formats.kili import kili_format
from aiotasks.providers.isahitlab.formats.lab import lab_format
from aiotasks.providers.isahitlab.formats.project import tool_of
from aiotasks.providers.isahitlab.formats.yolo import classes_of, data_yaml, yolo_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from aiotasks.providers.isahitlab.wire import Configuration

__all__ = ["EXPORT_FIELDS", "Export", "Output", "export_of"]

T = TypeVar("T")
Row = dict[str, Any]

#: What exports ask for besides the bare documents [V].
EXPORT_FIELDS: Final = ("data", "data.mask", "jobs", "metrics")
_EXTENSIONS: Final = {"lab": ".json", "kili": ".json", "yolo": ".zip", "mask": ""}
_STEMS: Final = {"lab": "lab", "kili": "lab_kili", "yolo": "lab_yolo", "mask": "lab_mask"}
_OPTIONS: Final = {
    "lab": (),
    "kili": ("input_id",),
    "yolo": ("input_id",),
    "mask": ("input_id", "replace_extension", "semantic_mapping"),
}


class Output(Protocol):
    """Where formatted tasks go: nothing exists before the first, and all of it only at the end."""

    def add(self, row: Any, task: Row) -> None:
        """One more."""


@attrs.frozen(kw_only=True)
class Export:
    """What an export is to be: all that can be known before anything is sent."""

    format: str
    in_memory: bool
    folder: Path
    name: str
    input_id: str | None
    replaces_extension: bool
    painting: mask.Painting

    def formatter(self, configuration: Configuration) -> Callable[[Row], Any]:
        """What formats the tasks of a project with this configuration.

        Raises:
            InvalidArgument: the format is not for such a project.
        """
        if self.format == "lab":
            return lab_format()
        if self.format == "mask":
            tool = tool_of(configuration, input_id=self.input_id, types=("iat-segmentation",))
        else:
            tool = tool_of(configuration, input_id=self.input_id)
        if self.format == "kili":
            return kili_format(tool)
        if tool.is_sequence:
            raise InvalidArgument(f"format: given {self.format} for a project of sequences, allowed: lab, kili")
        return yolo_format(tool) if self.format == "yolo" else mask.mask_format(tool, self.painting)

    def opened(self, configuration: Configuration) -> AbstractContextManager[Output]:
        """The file or folder that it makes."""
        if self.format == "yolo":
            tool = tool_of(configuration, input_id=self.input_id)
            return _archive(self.folder, self.name, data_yaml(classes_of(tool)))
        if self.format == "mask":
            return _masks(self.folder, self.name, replaces_extension=self.replaces_extension)
        return _json(self.folder, self.name)


def export_of(
    project_id: str, *, format: object, folder: object, name: object, in_memory: object, options: object
) -> Export:
    """The export that these arguments of `IsahitLab.export_tasks` describe.

    Raises:
        InvalidType, InvalidArgument: one of them is not allowed.
        NotSupported: an option needs a package that is not installed.
    """
    chosen = checked_choice("format", format, tuple(_STEMS))
    given = checked_mapping("options", options)
    if unknown := given.keys() - set(_OPTIONS[chosen]):
        allowed = ", ".join(_OPTIONS[chosen]) or "none"
        raise InvalidArgument(f"options: given {shown(sorted(unknown))}, allowed for {chosen}: {allowed}")
    is_held = checked_flag("in_memory", in_memory)
    if is_held and chosen not in ("lab", "kili"):
        raise InvalidArgument(f"in_memory: given True for {chosen}, allowed: for lab and kili")
    input_id = given.get("input_id")
    if not isinstance(input_id, str | None):
        raise InvalidArgument(f"options.input_id: given {shown(input_id)}, allowed: the id of an input")
    place = output_folder(None if is_held else folder)
    return Export(
        format=chosen,
        in_memory=is_held,
        folder=place,
        name="" if is_held else checked_name(name or _default_name(chosen, project_id), _EXTENSIONS[chosen], place),
        input_id=input_id,
        replaces_extension=checked_flag("options.replace_extension", given.get("replace_extension")),
        painting=mask.checked_mapping(given.get("semantic_mapping")),
    )


def _default_name(format: str, project_id: str) -> str:
    now = datetime.now(UTC)  # noqa: TID251  # for people to tell files apart, not for deciding anything
    stem = f"{_STEMS[format]}_{project_id}_{now:%Y-%m-%d_%H%M%S}"
    return Names().of(stem, _EXTENSIONS[format])


# --- what is written ---------------------------------------------------------------------------------------


@attrs.define
class _List:
    """A list of JSON, indented by two as the SDK's."""

    write: Callable[[bytes], object]
    count: int = 0

    def add(self, row: Any, task: Row) -> None:
        text = json.dumps(row, indent=2).replace("\n", "\n  ")
        self.write(b"%s\n  %s" % (b"," if self.count else b"[", text.encode()))
        self.count += 1


@contextmanager
def _json(folder: Path, name: str) -> Iterator[Output]:
    with new_file(folder, name) as file:
        rows = _List(file.write)
        yield rows
        file.write(b"\n]" if rows.count else b"[]")


@attrs.define
class _Labels:
    """One text per task under `labels/`."""

    archive: zipfile.ZipFile
    names: Names

    def add(self, row: Any, task: Row) -> None:
        new_member(self.archive, f"labels/{self.names.of(task['name'], '.txt')}", row)


@contextmanager
def _archive(folder: Path, name: str, classes: str) -> Iterator[Output]:
    with new_file(folder, name) as file, zipfile.ZipFile(file, "w") as archive:
        new_member(archive, "data.yaml", classes)
        yield _Labels(archive, Names())


@attrs.define
class _Masks:
    """One PNG per task that has a mask."""

    folder: Path
    names: Names
    replaces_extension: bool

    def add(self, row: Any, task: Row) -> None:
        if row is None:
            return
        name = task["name"]
        if self.replaces_extension and "." in name:
            name = name.rpartition(".")[0]
        with new_file(self.folder, self.names.of(name, ".png")) as file:
            file.write(row)


@contextmanager
def _masks(folder: Path, name: str, *, replaces_extension: bool) -> Iterator[Output]:
    with new_folder(folder, name) as made:
        yield _Masks(made, Names(), replaces_extension)
