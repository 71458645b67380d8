"""Real child processes for the tests: started, listened to, and killed by their own id."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = Path(__file__).with_name("child.py")


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`child.py` with these arguments; killed at the end whatever happens."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait(60)


def lines_until_killed(process: subprocess.Popen[str], after: int) -> list[str]:
    """Let the child print `after` lines, kill it in the midst of its work, give all whole lines it had printed."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(after)]
    process.kill()
    lines += process.stdout.readlines()
    process.wait(60)
    return [line.strip() for line in lines if line.endswith("\n")]
