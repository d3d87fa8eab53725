"""The command line: `python -m aiotasks COMMAND`. One module per command; this one only finds it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from aiotasks.cli import demo, emulate, platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

#: A command is a module with `add_parser(subparsers) -> parser` and `run(args) -> exit code`.
_COMMANDS: Final = (demo, emulate, platforms)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 when all went well, 2 for a call that cannot work.

    Args:
        argv: The arguments without the program's name; None takes those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="aiotasks",
        description="Await thousands of long-running jobs on remote platforms with one asyncio scheduler.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers).set_defaults(run=command.run)
    args = parser.parse_args(argv)
    code: int = args.run(args)
    return code
