"""Pages that need no key because their address is the secret, and how such an address may stand in a log."""

from __future__ import annotations

OPEN_PREFIXES = ("/api/v1/prompt/", "/a/")
"""The page of a resident's tablet, and the one behind an acknowledge link."""


def shown(path: str) -> str:
    """The path as it may stand in a log: without what is a secret in it."""
    prefix = next((one for one in OPEN_PREFIXES if path.startswith(one)), None)
    return path if prefix is None else f"{prefix}…"
