"""The files below a directory or inside a zip file, seen the same way.

RecordingError is the one error of the loaders: it names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


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
        return (self._root / name).read_bytes()

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
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
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
    return ZipTree(path)


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


def parse_table(tree: Tree, name: str, columns: int, separators: Mapping[int, str], skip: int) -> NDArray[np.float64]:
    """The numbers of a text table, float64 (rows, columns), after `skip` header lines.

    separators: translation of every separating character to a space. Raises RecordingError for text that is not
    numbers, for rows that do not fill up, and for fewer than two rows.
    """
    raw = tree.read(name)
    try:
        body = raw.decode("utf-8-sig").split("\n", skip)[-1] if skip else raw.decode("utf-8-sig")
        numbers = np.array(body.translate(separators).split(), dtype=np.float64)
    except ValueError as error:
        raise _unreadable(tree, name, str(error)) from error
    if numbers.size % columns or numbers.size < 2 * columns or not np.isfinite(numbers).all():
        raise _unreadable(tree, name, f"{numbers.size} numbers do not make two or more rows of {columns}")
    return numbers.reshape(-1, columns)


def _unreadable(tree: Tree, name: str, problem: str) -> RecordingError:
    return RecordingError(
        f"{tree.origin}/{name}", problem, "The file is damaged: unpack or download it again, or remove it."
    )
