"""What the tests of the Bluetooth families share: reference vectors, values by signal, mutated payloads."""

import json
import os
import random
from pathlib import Path
from typing import Any

from device_drivers.codec import Driver
from device_drivers.observations import DeviceEvent, Observation, Reading
from device_drivers.signals import SIGNALS

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
FUZZ_PAYLOADS = 200_000 if os.environ.get("YINLING_FUZZ") == "full" else 20_000


def vectors(folder: Path, family: str) -> list[dict[str, Any]]:
    listed = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
    return [vector for vector in listed if vector["family"] == family]


def values(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if isinstance(one, DeviceEvent | Reading)}


def events(found: list[Observation]) -> list[tuple[str, Any, bool]]:
    return [(one.signal, one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)]


def check_legal(found: list[Observation], driver: Driver) -> None:
    """Only signals the family claims, only values their table allows."""
    for one in found:
        assert isinstance(one, DeviceEvent | Reading)
        row = SIGNALS[one.signal]
        assert one.signal in driver.signals
        if one.value is None:
            assert one.quality != "good"
        elif isinstance(one, Reading):
            assert row.low <= one.value <= row.high
        elif row.free_words:
            assert isinstance(one.value, str)
        elif row.words:
            assert one.value in row.words
        else:
            assert isinstance(one.value, bool)


def mutated(rng: random.Random, seed: bytes) -> bytes:
    """A payload with up to three bytes changed, lost, put in or cut off."""
    payload = bytearray(seed)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(payload) + 1)
        match rng.randrange(5):
            case 0 if at < len(payload):
                payload[at] ^= 1 << rng.randrange(8)
            case 1:
                del payload[at : at + rng.randrange(1, 4)]
            case 2:
                payload[at:at] = rng.choice((b"null", b"1e99", b'"', b"[", b"}", b"00", b"\xff", b"ff07"))
            case 3:
                payload = payload[:at]
            case _ if at < len(payload):
                payload[at] = rng.randrange(256)
    return bytes(payload)
