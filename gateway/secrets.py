"""The box's own secrets: made on first use, kept in the data folder, readable only by its owner."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 32


def own_secret(directory: Path, name: str) -> SecretStr:
    """The secret of this name: read, or made of 32 random bytes when the file is not there yet."""
    path = directory / f"{name}.secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return SecretStr(path.read_text(encoding="ascii").strip())
    text = secrets.token_urlsafe(BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return SecretStr(text)
