"""Progress on stderr, by tqdm where it is installed (`pip install 'aiotasks[progress]'`); silent where it is not."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

__all__ = ["Bar", "bar"]


class Bar(Protocol):
    """What the SDK shows while it works."""

    def seen(self, count: int, total: int | None = None) -> None:
        """`count` more of `total` are done."""

    def close(self) -> None:
        """All is done, or given up."""


class _Silence:
    def seen(self, count: int, total: int | None = None) -> None:
        return

    def close(self) -> None:
        return


class _Shown:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def seen(self, count: int, total: int | None = None) -> None:
        if total is not None:
            self._bar.total = total
        self._bar.update(count)

    def close(self) -> None:
        self._bar.close()


def bar(description: str, total: int = 0, *, disabled: bool) -> Bar:
    """A bar that stands at 0 of `total`."""
    if disabled:
        return _Silence()
    try:
        tqdm = import_module("tqdm").tqdm
    except ModuleNotFoundError:
        return _Silence()
    return _Shown(tqdm(total=total, desc=description))
