"""Files of an export: under names that are safe, whole or not at all, and never in place of another.

Everything is written relative to the folder's descriptor, under a temporary name, and gets its own name at the end
(S-21, S-22).
"""

from __future__ import annotations

import os
import secrets
import unicodedata
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from aiotasks import InvalidArgument, InvalidType, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Names", "checked_name", "new_file", "new_folder", "new_member", "output_folder"]

#: S-21. Longest name of a file, in bytes; what a suffix and a temporary name need is left.
LONGEST_NAME: Final = 200
_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_BANNED: Final = frozenset('/\\:*?"<>|')
#: Members of an archive are all of one time: the same tasks give the same bytes.
_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
#: Not everywhere can a file be opened relative to its folder.
_CAN_DESCEND: Final = {os.open, os.link, os.unlink, os.mkdir, os.rename} <= os.supports_dir_fd


def output_folder(value: object) -> Path:
    """A folder that files can be written to; None is the present one (B-13).

    Raises:
        InvalidType, InvalidArgument: it is none, or nothing may be written there.
    """
    if value is None:
        value = "."
    if not isinstance(value, str | os.PathLike):
        raise InvalidType(f"output_folder: given {type(value).__name__}, allowed: the path of a folder")
    folder = Path(value)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidArgument(
            f"output_folder: given {escaped(value, 80)!r}, allowed: a folder that can be written to"
        )
    return folder.absolute()


def checked_name(value: object, extension: str, folder: Path) -> str:
    """The name of a file or folder that does not exist yet.

    Raises:
        InvalidType, InvalidArgument: no such name, another extension, or it exists.
    """
    if not isinstance(value, str):
        raise InvalidType(f"output_filename: given {type(value).__name__}, allowed: text")
    if not _is_safe(value):
        raise InvalidArgument(
            f"output_filename: given {escaped(value, 80)!r}, allowed: one name of at most {LONGEST_NAME} bytes, "
            "without a path, a leading dot or dash, and characters that file systems reserve"
        )
    if not value.endswith(extension):
        raise InvalidArgument(
            f"output_filename: given {escaped(value, 80)!r}, allowed: with the extension {extension}"
        )
    if os.path.lexists(folder / value):
        raise InvalidArgument(f"output_filename: given {escaped(value, 80)!r}, which exists; allowed: a new name")
    return value


def _is_safe(name: str) -> bool:
    return _safe(name) == name


def _safe(name: str) -> str:
    """`name` as one component of a path that means itself everywhere (S-21)."""
    kept = "".join(
        "_" if c in _BANNED or unicodedata.category(c)[0] == "C" else c for c in unicodedata.normalize("NFC", name)
    )
    kept = kept.strip().rstrip(". ").lstrip(".-")
    if kept.partition(".")[0].lower() in _RESERVED:
        kept = f"_{kept}"
    cut = kept.encode()[:LONGEST_NAME].decode("utf-8", "ignore").rstrip(". ")
    return cut or "_"


class Names:
    """Gives each name of a task a file name of its own: clashes, also by case, get a number (S-21)."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, name: str, extension: str) -> str:
        """A name that was not given before."""
        stem, number = _safe(name), 1
        found = f"{stem}{extension}"
        while found.casefold() in self._given:
            number += 1
            found = f"{stem}~{number}{extension}"
        self._given.add(found.casefold())
        return found


@contextmanager
def new_file(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends well, and is gone if it does not.

    Raises:
        FileExistsError: somebody else took the name meanwhile; theirs stays.
    """
    part = _temporary(name)
    with _descriptor(folder) as (inside, prefix):
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(prefix + part, flags, 0o666, dir_fd=inside), "wb") as file:
                yield file
            # A link, unlike a rename, does not replace what is there.
            os.link(prefix + part, prefix + name, src_dir_fd=inside, dst_dir_fd=inside, follow_symlinks=False)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(prefix + part, dir_fd=inside)


@contextmanager
def new_folder(folder: Path, name: str) -> Iterator[Path]:
    """A folder that gets its name when the block ends well, and is gone with its files if it does not.

    Raises:
        FileExistsError: somebody else took the name meanwhile.
    """
    part = _temporary(name)
    with _descriptor(folder) as (inside, prefix):
        os.mkdir(prefix + part, dir_fd=inside)
        try:
            yield folder / part
            _refuse_taken(folder / name)
            os.rename(prefix + part, prefix + name, src_dir_fd=inside, dst_dir_fd=inside)
        except BaseException:
            for left in (folder / part).iterdir():
                left.unlink()
            os.rmdir(prefix + part, dir_fd=inside)
            raise


def _refuse_taken(path: Path) -> None:
    """Renaming would take the place of an empty folder."""
    if os.path.lexists(path):
        raise FileExistsError(str(path))


@contextmanager
def _descriptor(folder: Path) -> Iterator[tuple[int | None, str]]:
    """What paths are relative to: the folder's descriptor, or where there is no such thing the folder's path."""
    if not _CAN_DESCEND:
        yield None, f"{folder}{os.sep}"
        return
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield inside, ""
    finally:
        os.close(inside)


def _temporary(name: str) -> str:
    return f".{name[:40]}.{secrets.token_hex(4)}.part"


def new_member(archive: zipfile.ZipFile, name: str, content: str) -> None:
    """One more text in an archive."""
    member = zipfile.ZipInfo(name, _BEGINNING)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    archive.writestr(member, content)
