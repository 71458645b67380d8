"""What all tests share: free ports, system programs, reference folders, and `YINLING_REQUIRE_ALL`."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure; in CI the same examples come every time, elsewhere new ones are looked for.
settings.register_profile("yinling", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("yinling")

ROOT = Path(__file__).resolve().parent.parent


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


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def data_folder() -> Path:
    return reference("YINLING_DATA", "data")


@pytest.fixture
def protocols_folder() -> Path:
    return reference("YINLING_PROTOCOLS", "protocols")
