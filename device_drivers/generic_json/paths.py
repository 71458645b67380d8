"""Paths into JSON: `data.hr`, `list[0].v`, `services[service_id=Vitals].properties`, `rows[*]`, `["odd.name"]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAX_FOUND = 256
_STEP = re.compile(
    r"""\.?(?:
        (?P<name>[^.\[\]"=]+)
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<all>\*)\s*\]
      | \["(?P<quoted>[^"]+)"\]
      | \[\s*(?P<key>[^\]=]+?)\s*=\s*(?P<equals>[^\]]*?)\s*\]
    )""",
    re.VERBOSE,
)


class PathError(ValueError):
    """The path cannot be read; the text shows where."""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str | None = None
    index: int | None = None
    key: str | None = None
    equals: str = ""

    def of(self, value: Any) -> list[Any]:
        if self.name is not None:
            return [value[self.name]] if isinstance(value, dict) and self.name in value else []
        if not isinstance(value, list):
            return []
        if self.index is not None:
            return [value[self.index]] if -len(value) <= self.index < len(value) else []
        return [one for one in value if self.key is None or self._fits(one)]

    def _fits(self, one: Any) -> bool:
        return isinstance(one, dict) and as_text(one.get(self.key)) == self.equals


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path. Text "" or "$" is the whole document."""

    text: str
    steps: tuple[_Step, ...]

    def find(self, tree: Any) -> list[Any]:
        """What stands there: nothing, one value, or several where a step is `[*]` or a choice. At most 256."""
        found = [tree]
        for step in self.steps:
            found = [one for value in found for one in step.of(value)][:MAX_FOUND]
        return found

    def first(self, tree: Any) -> Any:
        """The first value there, None where there is none."""
        return next(iter(self.find(tree)), None)


def compile_path(text: Any) -> JsonPath:
    """Compile a path. Raises PathError."""
    if not isinstance(text, str):
        raise PathError(f"{text!r} is no path; write it as text, such as data.hr")
    rest = text.removeprefix("$")
    steps: list[_Step] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise PathError(f"{text!r} cannot be read from {rest[at:]!r} on; write it as data.hr or rows[0].v")
        name = match["name"] or match["quoted"]
        index = int(match["index"]) if match["index"] else None
        steps.append(_Step(name, index, match["key"], match["equals"] or ""))
        at = match.end()
    return JsonPath(text, tuple(steps))


def as_text(value: Any) -> str:
    """A JSON value as it is written in a table of words: true, 1, left."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
