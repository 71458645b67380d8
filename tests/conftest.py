"""What all tests share: free ports, system programs, reference folders, and `YINLING_REQUIRE_ALL`."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import socket
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
import typer.main
import typer.testing
from hypothesis import is_hypothesis_test, settings

from device_drivers import registry

# A busy machine is no failure; in CI the same examples come every time, elsewhere new ones are looked for.
settings.register_profile("yinling", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("yinling")

ROOT = Path(__file__).resolve().parent.parent
LONG = ("slow", "system")
"""Markers of tests that take more than a few seconds."""

# Tracebacks in the log are plain, as in the product: the pretty ones with every local take many seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# The commands are put together once, not for each of the hundreds of calls.
typer.testing._get_command = functools.cache(typer.main.get_command)

# Tables are as wide as the test that reads them wants, whatever the terminal of whoever starts the tests.
for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
    os.environ.pop(name, None)


def is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in LONG)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first and stay so (`--no-loadscope-reorder`): no process waits for one at the end."""
    first = {item.path for item in items if is_long(item)}
    items.sort(key=lambda item: item.path not in first)
    for item in items:
        generated = isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)
        if generated or "contract" in item.name or is_long(item):
            # The tracer makes what is long take up to three times as long, to reach lines that others reach too.
            item.add_marker("no_cover")


def missing(what: str) -> None:
    """Skip with the reason; with YINLING_REQUIRE_ALL=1 a missing thing is a failure."""
    if os.environ.get("YINLING_REQUIRE_ALL") == "1":
        pytest.fail(f"{what}, and YINLING_REQUIRE_ALL=1 forbids to skip")
    pytest.skip(what)


def program(name: str, package: str) -> str:
    """Path of a system program, or a skip that names the Debian package."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (Debian: apt-get install {package})")
    return str(found)


def reference(variable: str, default: str) -> Path:
    """Folder of reference material named by an environment variable, or a skip."""
    path = Path(os.environ.get(variable) or ROOT.parent / "shared" / default)
    if not path.is_dir():
        missing(f"{variable} names no folder ({path})")
    return path


@dataclass
class ForeignDrivers:
    """A folder of installed packages, each with one module and its entry points."""

    folder: Path
    modules: list[str] = field(default_factory=list)

    def install(self, module: str, source: str, **entries: str) -> None:
        """Install `module`; entries: name of the entry point and its object in the module, DRIVER by default."""
        (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        about = self.folder / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name} = {module}:{what}" for name, what in (entries or {module: "DRIVER"}).items()]
        text = "\n".join(["[yinling.drivers]", *lines, ""])
        (about / "entry_points.txt").write_text(text, encoding="utf-8")
        self.modules.append(module)
        importlib.invalidate_caches()
        registry._load.cache_clear()


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forests of 12 trees: made-up falls need no more, and what is learned from them is forgotten afterwards."""
    from analytics.falls import fitting

    monkeypatch.setattr(fitting, "TREES", 12)
    monkeypatch.setattr(fitting, "TREES_OF_FOLD", 12)
    monkeypatch.setattr(fitting, "_fitted", OrderedDict())


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def foreign_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForeignDrivers]:
    """Installs drivers of third parties for one test, in this process and, by `folder` in PYTHONPATH, in others."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    installed = ForeignDrivers(folder)
    yield installed
    registry._load.cache_clear()
    for name in installed.modules:
        sys.modules.pop(name, None)


@pytest.fixture
def data_folder() -> Path:
    return reference("YINLING_DATA", "data")


@pytest.fixture
def protocols_folder() -> Path:
    return reference("YINLING_PROTOCOLS", "protocols")
