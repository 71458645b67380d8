"""What the fuzz tests of the MQTT families share: damaged payloads, and how many (YINLING_FUZZ=full: ten times)."""

import json
import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

from device_drivers.codec import MessageCodec
from device_drivers.observations import DeviceEvent, Observation, Reading
from device_drivers.signals import SIGNALS

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
FULL = os.environ.get("YINLING_FUZZ") == "full"
_PIECES = (b"null", b"true", b"1e99", b'"', b"[", b"{", b"-", b"0", b"\\u0000", b"\xff")


def amount(by_default: int) -> int:
    """How many payloads or bytes to try."""
    return by_default * (10 if FULL else 1)


def damaged(rng: random.Random, payload: bytes) -> bytes:
    """The payload with up to three pieces changed, cut out, put in, or the end cut off."""
    found = bytearray(payload)
    for _ in range(rng.randrange(4)):
        if not found:
            break
        at = rng.randrange(len(found))
        match rng.randrange(4):
            case 0:
                found[at] = rng.randrange(256)
            case 1:
                del found[at : at + rng.randrange(1, 6)]
            case 2:
                found[at:at] = rng.choice(_PIECES)
            case _:
                del found[at:]
    return bytes(found)


def replaced(rng: random.Random, payload: bytes) -> bytes:
    """Valid JSON in which one value, anywhere, is something else."""
    tree = json.loads(payload)
    places = list(_places(tree))
    if not places:
        return payload
    holder, key = rng.choice(places)
    odd: Sequence[Any] = (None, True, -1, 1e300, 2**70, "", "x" * 300, "AA==", "ÿ", [], {}, [{}], {"a": 1}, 0.5)
    holder[key] = rng.choice(odd)
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def check(found: Sequence[Observation], signals: Sequence[str]) -> None:
    """Every observation is of a declared signal and within its table."""
    for one in found:
        row = SIGNALS[one.signal]
        assert one.signal in signals
        if isinstance(one, DeviceEvent) and one.value is not None:
            assert one.value in row.words if row.words else isinstance(one.value, bool), one
        elif isinstance(one, Reading) and one.value is not None:
            assert row.low <= one.value <= row.high


def hammer(
    codec: MessageCodec, messages: Sequence[tuple[str, bytes]], signals: Sequence[str], count: int, step_s: int = 1
) -> int:
    """Feed damaged messages, one every `step_s`; gives how many observations came. Raises what the codec raises."""
    rng = random.Random(2026)
    observed = 0
    for number in range(count):
        topic, payload = rng.choice(messages)
        damage = replaced if rng.random() < 0.3 and payload[:1] in b"{[" else damaged
        found = codec.feed(topic, damage(rng, payload), NOW + number * step_s * SECOND, retained=rng.random() < 0.02)
        check(found, signals)
        observed += len(found)
    assert len(codec.rejections) <= 64
    assert len(codec.notes) <= 256
    return observed
