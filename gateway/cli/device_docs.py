"""Writes what the code knows of device families into `docs/devices.md`, between markers; what people wrote stays.

    <!-- generated: families -->    the table of all families
    <!-- generated: FAMILY -->      in each family's section: name, aliases, way, signals, silence, commands, hints
    <!-- generated: signals -->     the table of signals

Each part ends at `<!-- end -->`. A family without a section gets one, after the others.
"""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING

from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from device_drivers.codec import Driver

WIDTH = 120
END = "<!-- end -->"
_SECTION = re.compile(r"^## `(\w+)`$", re.MULTILINE)
_HEADING = re.compile(r"^## ", re.MULTILINE)


class DocsError(ValueError):
    """The document lacks a marker, or describes a family that is not there; the text says which."""


def generate(text: str, families: Iterable[Driver]) -> str:
    """The document with every generated part as the code has it now. Raises DocsError."""
    known = {one.family: one for one in families}
    documented = _SECTION.findall(text)
    gone = [name for name in documented if name not in known]
    if gone:
        raise DocsError(f"sections of families that are not installed: {', '.join(gone)}; remove them")
    for name in sorted(known.keys() - set(documented)):
        text = _with_section(text, name)
        documented.append(name)
    text = _replaced(text, "families", families_table([known[name] for name in documented]))
    for name in documented:
        text = _replaced(text, name, family_part(known[name]))
    return _replaced(text, "signals", signals_table())


def families_table(families: Sequence[Driver]) -> str:
    """One row for each family."""
    rows = [f"| `{one.family}` | {way_of(one)} | {one.title_zh} | {one.title_en} |" for one in families]
    return "\n".join(["| family | way | 设备 | devices |", "|---|---|---|---|", *rows])


def way_of(driver: Driver) -> str:
    """How devices of a family come in, in few words."""
    ways = []
    if driver.stream is not None:
        ways.append("TCP" if driver.first_bytes else "serial" if driver.on_serial_lines else "HTTP")
    if driver.message is not None:
        ways.append("MQTT")
    return ", ".join(ways)


def family_part(driver: Driver) -> str:
    """What the driver says of itself."""
    aliases = ", ".join(f"`{one}`" for one in driver.aliases)
    names = f" Alias {aliases}." if len(driver.aliases) == 1 else f" Aliases {aliases}." if aliases else ""
    signals = ", ".join(f"`{one}`" for one in driver.signals) or "those of the [table](#signals) that the settings name"
    parts = [
        f"{driver.title_zh} — {driver.title_en}.{names}\n",
        _bullet("Signals 信号", f"{signals}."),
        _bullet("Silence 静默上限", _silence(driver)),
    ]
    if driver.commands:
        parts.append(_bullet("Commands 指令", ", ".join(f"`{one}`" for one in driver.commands) + "."))
    if driver.secrets:
        parts.append(
            _bullet("Secrets 机密选项", ", ".join(f"`{one}`" for one in driver.secrets) + "; see [below](#secrets).")
        )
    if driver.hint_en:
        parts.append(_bullet("Installing 安装", f"{driver.hint_en} {driver.hint_zh}"))
    return "\n".join(parts)


def signals_table() -> str:
    """One row for each signal."""
    rows = [f"| `{row.name}` | {row.zh} | {row.en} | {row.unit} | {_stale(row.stale_s)} |" for row in SIGNALS.values()]
    head = ["| signal | 中文 | English | unit | stale after |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _stale(seconds: float | None) -> str:
    return "on change" if seconds is None else f"{seconds:g} s"


def _silence(driver: Driver) -> str:
    seconds = driver.lost_after_s
    if not math.isfinite(seconds):
        return "none: it sends only when it is used 仅在使用时发送，不判失联."
    span = f"{seconds:g} s" if seconds < 7200 else f"{seconds / 3600:g} h"
    return f"lost after {span} 失联判定; option `lost_after_s` of the device."


def _bullet(title: str, text: str) -> str:
    lines = textwrap.wrap(
        f"* **{title}**: {text}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _with_section(text: str, name: str) -> str:
    """The document with an empty section for a family, after the last one."""
    sections = list(_SECTION.finditer(text))
    if not sections:
        raise DocsError("no section of any family; begin with one")
    following = _HEADING.search(text, sections[-1].end())
    at = following.start() if following is not None else len(text)
    return f"{text[:at]}## `{name}`\n\n{_marker(name)}\n{END}\n\n{text[at:]}"


def _marker(name: str) -> str:
    return f"<!-- generated: {name} -->"


def _replaced(text: str, name: str, content: str) -> str:
    begin = text.find(_marker(name))
    end = text.find(END, begin)
    if begin < 0 or end < 0 or f"<!-- generated: {name}" in text[begin + 1 : end]:
        raise DocsError(f"no part between {_marker(name)} and {END}")
    return f"{text[:begin]}{_marker(name)}\n{content}\n{text[end:]}"
