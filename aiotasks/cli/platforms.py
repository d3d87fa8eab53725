"""`aiotasks platforms`: which platforms are installed, built-in ones and those of other packages alike.

A package tells of its platform by an entry point of the group `aiotasks.providers`: a name, and the module to import.
"""

from __future__ import annotations

import inspect
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

import attrs

from aiotasks.safety import escaped

if TYPE_CHECKING:
    import argparse
    from importlib.metadata import EntryPoint

__all__ = ["add_parser", "run"]

GROUP: Final = "aiotasks.providers"
#: Longest name, module and sentence shown, in characters: they are anybody's text.
_NAME, _MODULE, _SENTENCE = 40, 80, 120


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the command to the command line."""
    return subparsers.add_parser(
        "platforms",
        help="list the platforms that are installed",
        description="One line a platform: its name, its module, and what the module says of itself. "
        "The exit code is 1 if one of them cannot be imported, or there is none.",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the platforms, each imported to see whether it can be, and what it says. -> exit code."""
    found = [_looked_at(entry) for entry in sorted(metadata.entry_points(group=GROUP), key=_order)]
    if not found:
        print("none is registered; installing aiotasks registers the built-in ones", file=sys.stderr)
        return 1
    names = max(len(line.name) for line in found)
    modules = max(len(line.module) for line in found)
    for line in found:
        print(f"{line.name:{names}}  {line.module:{modules}}  {line.says}".rstrip())
    return int(any(line.is_broken for line in found))


@attrs.frozen(kw_only=True)
class _Line:
    name: str
    module: str
    says: str
    is_broken: bool = False


def _order(entry: EntryPoint) -> tuple[str, str]:
    return entry.name, entry.value


def _looked_at(entry: EntryPoint) -> _Line:
    name, module = escaped(entry.name, _NAME), escaped(entry.value, _MODULE)
    try:
        says = (inspect.getdoc(entry.load()) or "").partition("\n")[0]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's module: the others are still listed
        says = f"error: {type(error).__name__}: {escaped(error, _SENTENCE)}"
        return _Line(name=name, module=module, says=says, is_broken=True)
    return _Line(name=name, module=module, says=escaped(says, _SENTENCE))
