"""What is wrong with settings, a plan or tasks, as sentences for whoever typed them. Pure.

What was typed is shown only where it had to be one of a few words: anything else could be a secret in a wrong place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MUST = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "missing": "is missing",
    "extra_forbidden": "there is no such setting",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "tuple_type": "must be a list in [ ]",
}
FOLLOWS = frozenset({"too_short"})
"""Only because a part of it is wrong, where such a part is told as well."""


def sentences(error: ValidationError, typed: object, *, named: str = "") -> list[str]:
    """One sentence for each wrong setting, with its place. typed: what was checked. named: the word for items of a list
    that is no setting itself (task).
    """
    found = error.errors()
    places = [one["loc"] for one in found]
    told = [one for one in found if not (one["type"] in FOLLOWS and any(_within(at, one["loc"]) for at in places))]
    return [f"{where}: {_says(one)}" if (where := _place(one["loc"], typed, named)) else _says(one) for one in told]


def _within(place: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def _says(one: ErrorDetails) -> str:
    kind, context = one["type"], one.get("ctx", {})
    if kind in MUST:
        return MUST[kind]
    if kind == "literal_error":
        return f"{one['input']!r} is not one of {context['expected']}"
    if kind == "union_tag_invalid":
        return f"type {context['tag']!r} is not one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return "type is missing"
    return one["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _place(loc: Sequence[int | str], typed: object, named: str) -> str:
    """The place as people write it: items of lists counted from 1, with their names; no words that only we use."""
    words: list[str] = []
    here: object = typed
    for number, part in enumerate(loc):
        if isinstance(part, int):
            here = here[part] if isinstance(here, list | tuple) and part < len(here) else None
            item = f"number {part + 1}{_called(here)}"
            words.append(f"{named} {item}" if named and not words else item)
        else:
            inside = isinstance(here, dict) and part in here
            if not inside and isinstance(here, dict) and number + 1 < len(loc):
                continue  # the type that chose between several tables
            here = _table(here).get(part) if inside else None
            dotted = words and isinstance(loc[number - 1], str)
            words[-1:] = [f"{words[-1]}.{part}"] if dotted else [*words[-1:], part]
    return " ".join(words)


def _called(item: object) -> str:
    name = next((value for key in ("name", "id", "device_id") if (value := _table(item).get(key))), None)
    return f" ({name})" if isinstance(name, str) else ""


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
