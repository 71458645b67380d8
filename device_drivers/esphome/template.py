"""The value templates that integrators write in discovery messages, as far as they only pick a value.

`{{ value }}`, `{{ value_json.a['b'][0] }}`, each with filters that change nothing for us (float, int, round, default).
Anything else is not guessed at.
"""

from __future__ import annotations

import re

from device_drivers.generic_json.paths import JsonPath, compile_path

_WHOLE = re.compile(r"\s*\{\{-?\s*(?P<root>value_json|value)(?P<path>[^|{}]*?)(?P<filters>(\|[^|{}]*)*)-?\}\}\s*\Z")
_FILTER = re.compile(r"\s*(float|int|round|default|is_defined|string|trim)\s*(\([^()]*\))?\s*\Z")
_PATH = re.compile(r"""(\.\w+|\['[^'"\[\]]+'\]|\["[^"]+"\]|\[\d+\])*\Z""")
_KEY = re.compile(r"\['([^']+)'\]")


class TemplateError(ValueError):
    """A template that does more than pick a value."""


def compile_template(text: str | None) -> JsonPath | None:
    """Where in the JSON the value stands; None where the payload itself is the value. Raises TemplateError."""
    if text is None or not text.strip():
        return None
    match = _WHOLE.match(text)
    if match is None or not all(_FILTER.match(one) for one in match["filters"].split("|")[1:]):
        raise TemplateError(text[:200])
    path = match["path"].strip()
    if not _PATH.match(path) or (match["root"] == "value" and path):
        raise TemplateError(text[:200])
    return None if match["root"] == "value" else compile_path(_KEY.sub(r'["\1"]', path))
