"""The rooms are kept apart: who may import whom, and what analytics and the codecs must never touch."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("device_drivers", "analytics", "gateway", "simulators", "firmware_stubs")
CLI = "gateway/cli/"
# room -> modules of other rooms that it may import (a prefix ending in "." allows everything below it)
ALLOWED: dict[str, tuple[str, ...]] = {
    "device_drivers": (),
    "analytics": ("device_drivers.observations", "device_drivers.signals"),
    "gateway": ("analytics", "analytics.", "device_drivers", "device_drivers."),
    "simulators": ("device_drivers", "device_drivers."),
    "firmware_stubs": (),
}
# what would be I/O, concurrency or a wall clock in the rooms that must be pure
IMPURE = {"asyncio", "socket", "threading", "subprocess", "serial", "paho", "aiomqtt", "httpx", "sqlalchemy", "duckdb"}
CLOCKS = {("time", "time"), ("time", "time_ns"), ("time", "sleep"), ("datetime", "now"), ("datetime", "utcnow")}


def modules(room: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts)  # migrations apart


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def allowed(room: str, name: str) -> bool:
    return any(name == rule or (rule.endswith(".") and name.startswith(rule)) for rule in ALLOWED[room])


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    wrong = []
    for path in modules(room):
        if path.relative_to(ROOT).as_posix().startswith(CLI):
            continue  # the command line puts the rooms together
        for name in imports(path):
            top = name.split(".")[0]
            if top in ROOMS and top != room and not allowed(room, name):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_analytics_and_codecs_do_no_io_and_read_no_clock() -> None:
    wrong = []
    for path in [*modules("analytics"), *modules("device_drivers")]:
        if "transports" in path.parts:
            continue
        tree = tree_of(path)
        wrong += [f"{path.relative_to(ROOT)} imports {n}" for n in imports(path) if n.split(".")[0] in IMPURE]
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno} reads the clock"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in CLOCKS
        ]
    assert wrong == []


def test_modules_open_by_saying_what_they_are_for() -> None:
    silent = [
        str(path.relative_to(ROOT)) for room in ROOMS for path in modules(room) if not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


def test_no_module_is_over_600_lines_and_no_function_over_60() -> None:
    long = []
    for room in ROOMS:
        for path in modules(room):
            text = path.read_text(encoding="utf-8")
            if text.count("\n") > 600:
                long.append(str(path.relative_to(ROOT)))
            long += [
                f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                for node in ast.walk(tree_of(path))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and (node.end_lineno or 0) - node.lineno >= 60
            ]
    assert long == []


def test_public_functions_and_classes_of_the_rooms_say_what_they_do() -> None:
    silent = []
    for room in ("device_drivers", "analytics", "gateway", "simulators"):
        for path in modules(room):
            for node in tree_of(path).body:
                public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not (
                    node.name.startswith("_")
                )
                if public and not ast.get_docstring(node):  # type: ignore[arg-type]
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")  # type: ignore[attr-defined]
    assert silent == []
