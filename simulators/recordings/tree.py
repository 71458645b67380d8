"""The files below a directory or inside a zip file, seen the same way.

RecordingError is the one error of the loaders: it names the file, what is wrong with it and what to do. A loader that
is given `damaged` hands it each file's error and goes on; without it the first one ends the loading.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from simulators.recordings.types import Recording

    Damaged = Callable[["RecordingError"], None]

LARGEST_FILE = 256 * 2**20
"""Bytes of one recording; the largest of any set is a twentieth. More is no recording, or an archive made to burst."""


class RecordingError(ValueError):
    """A recording cannot be read. path: the file; problem: what is wrong; advice: what to do about it."""

    def __init__(self, path: str, problem: str, advice: str) -> None:
        super().__init__(f"{path}: {problem}. {advice}")
        self.path = path
        self.problem = problem
        self.advice = advice


class Tree(Protocol):
    """A place with files; names use forward slashes."""

    origin: str

    def names(self) -> list[str]:
        """Every file, sorted."""

    def read(self, name: str) -> bytes:
        """The content of one file."""

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file."""


class DirectoryTree:
    """Files below a directory."""

    def __init__(self, root: Path) -> None:
        self.origin = str(root)
        self._root = root

    def names(self) -> list[str]:
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        path = self._root / name
        try:
            _check_size(str(path), path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise RecordingError(str(path), error.strerror or str(error), "Check its permissions.") from error

    def __contains__(self, name: str) -> bool:
        return (self._root / name).is_file()


class ZipTree:
    """Files inside a zip file."""

    def __init__(self, path: Path) -> None:
        self.origin = str(path)
        self._archive = zipfile.ZipFile(path)
        self._names = frozenset(self._archive.namelist())

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self) -> list[str]:
        return sorted(info.filename for info in self._archive.infolist() if not info.is_dir())

    def read(self, name: str) -> bytes:
        _check_size(f"{self.origin}:{name}", self._archive.getinfo(name).file_size)
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise RecordingError(f"{self.origin}:{name}", str(error), "Download the archive again.") from error


def open_tree(path: Path) -> Tree:
    """The directory or zip file at `path`. Raises RecordingError if it is neither."""
    if path.is_dir():
        return DirectoryTree(path)
    if not path.exists():
        raise RecordingError(str(path), "there is no such file or directory", "Check the path; see docs/datasets.md.")
    if not zipfile.is_zipfile(path):
        raise RecordingError(
            str(path), "this is neither a directory nor a zip file", "Unpack it, or give the zip as it was published."
        )
    try:
        return ZipTree(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise RecordingError(str(path), str(error), "Download the archive again.") from error


def matching(tree: Tree, pattern: re.Pattern[str], dataset: str, layout: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Name and match of every file that fits `pattern`. Raises RecordingError if none does."""
    found = False
    for name in tree.names():
        match = pattern.search(name)
        if match and not match.group(0).startswith("__MACOSX"):
            found = True
            yield name, match
    if not found:
        raise RecordingError(
            tree.origin,
            f"nothing in it looks like {dataset} ({layout})",
            "Give the directory or zip that the authors publish; see docs/datasets.md.",
        )


def read_each(
    files: Iterator[tuple[str, re.Match[str]]],
    read: Callable[[str, re.Match[str]], Recording | None],
    damaged: Damaged | None,
) -> Iterator[Recording]:
    """What `read` makes of each file; None is left out. Errors of single files go to `damaged`, where there is one."""
    for name, match in files:
        try:
            one = read(name, match)
        except RecordingError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        if one is not None:
            yield one


def parse_table(tree: Tree, name: str, columns: int, separators: Mapping[int, str], skip: int) -> NDArray[np.float64]:
    """The numbers of a text table, float64 (rows, columns), after `skip` header lines.

    separators: translation of every separating character to a space. Raises RecordingError for text that is not
    numbers, for rows that do not fill up, and for fewer than two rows.
    """
    text = read_text(tree, name)
    body = text.split("\n", skip)[-1] if skip else text
    return parse_numbers(tree, name, body.translate(separators), columns)


def read_text(tree: Tree, name: str) -> str:
    """A file as text, of UTF-8 with or without its mark. Raises RecordingError."""
    raw = tree.read(name)
    try:
        return raw.decode("utf-8-sig")
    except ValueError as error:
        raise unreadable(tree, name, str(error)) from error


def parse_numbers(tree: Tree, name: str, body: str, columns: int) -> NDArray[np.float64]:
    """Numbers with white space between them, float64 (rows, columns). Raises RecordingError as `parse_table`."""
    try:
        numbers = np.array(body.split(), dtype=np.float64)
    except ValueError as error:
        raise unreadable(tree, name, str(error)) from error
    if numbers.size % columns or numbers.size < 2 * columns or not np.isfinite(numbers).all():
        raise unreadable(tree, name, f"{numbers.size} numbers do not make two or more rows of {columns}")
    return numbers.reshape(-1, columns)


def unreadable(tree: Tree, name: str, problem: str) -> RecordingError:
    """The error of a file whose content makes no sense."""
    return RecordingError(
        f"{tree.origin}/{name}", problem, "The file is damaged: unpack or download it again, or remove it."
    )


def _check_size(path: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise RecordingError(path, f"{size} bytes are too many for a recording", "Remove it.")
