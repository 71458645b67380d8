"""MQTT topic filters: which topics one with + and # means."""

from __future__ import annotations

from typing import Any


class TopicFilter:
    """A checked filter. Raises ValueError for text that is none."""

    __slots__ = ("levels", "text")

    def __init__(self, text: Any) -> None:
        levels = tuple(text.split("/")) if isinstance(text, str) else ()
        whole = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
        if not text or not levels or not whole or "#" in levels[:-1]:
            raise ValueError(f"topic {text!r}; write an MQTT topic filter such as bed/+/vitals")
        self.text = str(text)
        self.levels = levels

    def matches(self, topic: str) -> bool:
        """Whether a message on this topic is meant."""
        levels = topic.split("/")
        for n, wanted in enumerate(self.levels):
            if wanted == "#":
                return True
            if n >= len(levels) or wanted not in ("+", levels[n]):
                return False
        return len(levels) == len(self.levels)
