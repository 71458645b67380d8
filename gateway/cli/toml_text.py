"""Writes a value of a settings file as TOML, tables inline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_text(value: Any) -> str:
    """The value as it stands behind a key. Raises TypeError for what TOML does not have."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))} = {toml_text(one)}' for key, one in value.items())}}}"
    raise TypeError(f"{value!r} is nothing that TOML has")


def toml_block(head: str, values: Mapping[str, Any]) -> str:
    """A whole table under its head, such as "[api]" or "[[serial]]"."""
    return "".join([f"{head}\n", *(f"{json.dumps(key)} = {toml_text(one)}\n" for key, one in values.items())])
