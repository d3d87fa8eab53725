"""One line on stderr that moves: with rich if it is installed, plain otherwise, nothing if nobody looks."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Line", "line"]


class Line(Protocol):
    """What a command tells of its progress."""

    def show(self, text: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done, and what else there is to say."""
        ...


@contextmanager
def line(*, is_wanted: bool) -> Iterator[Line]:
    """A progress line for the length of the context; afterwards it is gone."""
    if not (is_wanted and sys.stderr.isatty()):
        yield _Silent()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    except ModuleNotFoundError:
        plain = _Plain()
        try:
            yield plain
        finally:
            plain.clear()
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Rich(bar)


class _Silent:
    def show(self, text: str, done: int, total: int) -> None:
        """Nobody looks."""


class _Plain:
    def show(self, text: str, done: int, total: int) -> None:
        sys.stderr.write(f"\r\x1b[K{done}/{total}  {text}")
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Rich:
    def __init__(self, bar: object) -> None:
        from rich.progress import Progress

        assert isinstance(bar, Progress)
        self._bar = bar
        self._task = bar.add_task("")

    def show(self, text: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=text, completed=done, total=total)
