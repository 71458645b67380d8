"""What a driver promises, checked where it is loaded, where its codecs are made, and on everything that they emit.

Anybody may write a driver. Whatever is wrong with one is told in a sentence that names the mistake and what to write
instead, and stays its own affair: no other device falls silent by it.
"""

from __future__ import annotations

import importlib
import math
import re
import traceback
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from device_drivers.codec import Codec, Driver, MessageCodec, StreamCodec
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from device_drivers.signals import SIGNALS, SignalKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from device_drivers.signals import Signal

DRIVER_FAULT = "driver_fault"
"""The reason under which a driver's mistakes are counted: they silence neither others nor the rest."""
LATEST_NS = 2**62
"""Times beyond (year 2116) or before 1970 are no times."""
AXES: Mapping[str, int] = {"accel": 3, "gyro": 3}
"""Columns of `Samples.values`; 1 for every other waveform that is not in CHANNELS."""
CHANNELS: Mapping[str, int] = {"pulse_wave": 4, "bed_wave": 4}
"""Waveforms of one to so many columns."""
_FAMILY = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_RANGES = {row.name: (row.low, row.high) for row in SIGNALS.values() if row.kind is SignalKind.READING}
_HERE = Path(__file__)
_NOT_THEIRS = ("<", str(_HERE), str(_HERE.with_name("registry.py")), str(Path(importlib.__file__).parent))
_NUMBERS = frozenset({float, int})
Made = TypeVar("Made", bound=Codec)
_TUPLES: Mapping[str, type] = {"signals": str, "aliases": str, "commands": str, "first_bytes": bytes}


class DriverFaultError(Exception):
    """A driver does not keep its contract: `family`, and `problem`, which says what is wrong and what to write."""

    def __init__(self, family: str, problem: str) -> None:
        super().__init__(f"driver {family}: {problem}")
        self.family = family
        self.problem = problem


def driver_problem(driver: Any) -> str | None:
    """What is wrong with a `Driver`, the first thing found; None where nothing is."""
    return next(_driver_problems(driver), None)


def _unlisted(signal: object) -> str:
    near = get_close_matches(str(signal), SIGNALS, n=3, cutoff=0.5)
    meant = f"; did you mean {', '.join(near)}?" if near else ""
    return f"{signal!r}: not in the table of signals (docs/devices.md){meant}"


def _driver_problems(driver: Any) -> Iterator[str]:
    if not isinstance(driver, Driver):
        yield f"it is of type {type(driver).__name__}: write DRIVER = Driver(family=..., ...)"
        return
    asked: Any = driver  # whoever wrote it may have put anything anywhere
    if not isinstance(asked.family, str) or not _FAMILY.fullmatch(asked.family):
        yield f"family is {asked.family!r}: write a name of a-z, 0-9 and _"
    for name, kind in _TUPLES.items():
        value = getattr(asked, name)
        if not isinstance(value, tuple) or not all(isinstance(one, kind) for one in value):
            yield f"{name} is {value!r}: write a tuple of {kind.__name__}, with a comma also after a single one"
    if unknown := sorted(set(asked.signals) - SIGNALS.keys()):
        yield f"signals has {', '.join(map(_unlisted, unknown))}"
    if not (callable(asked.stream) or callable(asked.message)):
        yield "it makes no codec: give stream=... (serial, TCP) or message=... (MQTT)"
    if not all(isinstance(text, str) and text for text in (asked.title_zh, asked.title_en)):
        yield "title_zh and title_en are texts for people"
    if type(asked.baud) is not int or not 300 <= asked.baud <= 4_000_000:
        yield f"baud is {asked.baud!r}: write bits per second, for example 9600"
    for name in ("lost_after_s", "signal_lost_after_s"):
        value = getattr(asked, name)
        if type(value) not in _NUMBERS or not value > 0:
            yield f"{name} is {value!r}: write seconds, or math.inf"


def make_stream(driver: Driver, device_id: str, options: Mapping[str, Any]) -> StreamCodec:
    """The codec of one stream. Raises ValueError for a wrong option, DriverFaultError for a driver's mistake."""
    if driver.stream is None:
        raise DriverFaultError(driver.family, "it has no stream codec: it does not come over a serial line or TCP")
    made = _made(driver.family, driver.stream, StreamCodec, device_id, options)
    if getattr(made, "device_id", None) != device_id:
        raise DriverFaultError(driver.family, "its codec has another device_id: pass on the one it is given")
    return made


def make_message(driver: Driver, options: Mapping[str, Any]) -> MessageCodec:
    """The codec of a family's messages. Raises ValueError for a wrong option, DriverFaultError for a mistake."""
    if driver.message is None:
        raise DriverFaultError(driver.family, "it has no message codec: it does not come over MQTT")
    made = _made(driver.family, driver.message, MessageCodec, options)
    filters = _called(driver.family, "subscriptions", made.subscriptions)
    if not isinstance(filters, list | tuple) or not all(isinstance(one, str) and one for one in filters):
        raise DriverFaultError(driver.family, f"subscriptions() gives {filters!r}: give a list of topic filters")
    return made


def _made(family: str, make: Callable[..., Made], kind: type[Codec], *given: Any) -> Made:
    made = _called(family, "making its codec", make, *given)
    if not isinstance(made, kind):
        raise DriverFaultError(family, f"it makes a {type(made).__name__}, not a {kind.__name__}")
    if not hasattr(made, "health"):
        raise DriverFaultError(family, "its codec was not begun: call super().__init__(...) first in its __init__")
    if not isinstance(getattr(made, "family", None), str):
        raise DriverFaultError(family, f'its codec has no family: write family = "{family}" in the class')
    return cast("Made", made)


def _called(family: str, what: str, function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except ValueError:
        raise
    except Exception as error:
        raise DriverFaultError(family, f"{what} raised {where(error)}") from error


def where(error: BaseException) -> str:
    """An error in a line: type, text, and the last place in the driver's own code that it came through."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [place for place in places if not place.startswith(_NOT_THEIRS)]
    return f"{type(error).__name__}: {error}" + (f" ({theirs[-1]})" if theirs else "")


def sound(found: object, refuse: Callable[[str], None]) -> list[Observation]:
    """What a `feed` gave, without what is no observation; `refuse` is told of each of those.

    It is on the way of every observation and costs about half a microsecond for each.
    """
    if isinstance(found, list):
        for one in found:
            plain = _PLAIN.get(one.__class__)
            if plain is None or not plain(one):
                break
        else:
            return found
    elif not isinstance(found, tuple):
        refuse(f"feed gave a {type(found).__name__}: give a list of observations, [] for none")
        return []
    faults = [(one, fault_of(one)) for one in found]
    for _, fault in faults:
        if fault is not None:
            refuse(fault)
    return [one for one, fault in faults if fault is None]


def _plain_reading(one: Any) -> Any:
    """Whether a reading is right at first sight; `fault_of` decides of the others."""
    value, kind = one.value, one.value.__class__
    limits = _RANGES.get(one.signal) if one.signal.__class__ is str else None
    return (
        limits is not None
        and (value is None or (kind in _NUMBERS and limits[0] <= value <= limits[1]))
        and one.at_ns.__class__ is int
        and 0 <= one.at_ns < LATEST_NS
        and one.received_ns.__class__ is int
        and 0 <= one.received_ns < LATEST_NS
        and one.device_id.__class__ is str
        and one.device_id != ""
        and one.quality.__class__ is Quality
        and one.stored.__class__ is bool
    )


def _plain_samples(one: Any) -> bool:
    values = one.values
    return (
        one.signal == "accel"
        and values.__class__ is np.ndarray
        and values.dtype == np.float32
        and values.ndim == 2
        and values.shape[1] == 3
        and values.shape[0] > 0
        and one.rate_hz.__class__ is float
        and 0 < one.rate_hz < math.inf
        and one.at_ns.__class__ is int
        and 0 <= one.at_ns < LATEST_NS
        and one.received_ns.__class__ is int
        and 0 <= one.received_ns < LATEST_NS
        and one.device_id.__class__ is str
        and one.device_id != ""
        and one.quality.__class__ is Quality
        and one.stored.__class__ is bool
        and (one.sequence is None or one.sequence.__class__ is int)
        and (one.full_scale is None or one.full_scale.__class__ is float)
    )


_PLAIN: Mapping[type, Callable[[Any], bool]] = {Reading: _plain_reading, Samples: _plain_samples}


def fault_of(one: object) -> str | None:
    """What is wrong with an observation, the first thing found; None where nothing is."""
    return next(_faults(one), None)


def _faults(one: Any) -> Iterator[str]:
    kind = _KINDS.get(type(one))
    if kind is None:
        yield f"a {type(one).__name__} is no observation: give Reading, DeviceEvent or Samples"
        return
    row = SIGNALS.get(one.signal) if isinstance(one.signal, str) else None
    if row is None:
        yield f"signal {_unlisted(one.signal)}"
        return
    name = row.name
    if row.kind is not kind:
        yield f"{name} is given as {type(one).__name__}; in the table of signals it is of the kind {row.kind}"
        return
    if not isinstance(one.device_id, str) or not one.device_id:
        yield f"{name}: device_id is {one.device_id!r}: give the one that the codec was made with"
    for field, time in (("at_ns", one.at_ns), ("received_ns", one.received_ns)):
        if type(time) is not int or not 0 <= time < LATEST_NS:
            yield f"{name}: {field} is {time!r}: write UTC nanoseconds as int; without a device clock, received_ns"
    if not isinstance(one.quality, Quality):
        yield f"{name}: quality is {one.quality!r}: write Quality.GOOD, Quality.NO_CONTACT ..."
    if not isinstance(one.stored, bool):
        yield f"{name}: stored is {one.stored!r}: write True or False"
    yield from _MORE_FAULTS[type(one)](one, row)


def _reading_faults(one: Any, row: Signal) -> Iterator[str]:
    value = one.value
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{row.name}: value is {value!r}, a {type(value).__name__}: write float(...), or None for unknown"
    elif not row.low <= value <= row.high:
        yield f"{row.name}: {value} is outside {row.low:g} to {row.high:g}: make readings with signals.reading(...)"


def _event_faults(one: Any, row: Signal) -> Iterator[str]:
    value = one.value
    if not isinstance(one.repeat, bool) or not (one.token is None or isinstance(one.token, str)):
        yield f"{row.name}: repeat is True or False, token a text or None"
    if value is None:
        return
    if row.free_words or row.words:
        if not isinstance(value, str) or not (row.free_words or value in row.words):
            yield f"{row.name}: value is {value!r}: write {' or '.join(row.words) or 'a text'}, or None for unknown"
    elif not isinstance(value, bool):
        yield f"{row.name}: value is {value!r}: write True or False, or None for unknown"


def _samples_faults(one: Any, row: Signal) -> Iterator[str]:
    columns = AXES.get(row.name, 1)
    values = one.values
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        yield f"{row.name}: values is no array of float32"
    elif row.name in CHANNELS and values.ndim == 2 and 1 <= values.shape[1] <= CHANNELS[row.name] and len(values):
        pass
    elif values.ndim != 2 or values.shape[1] != columns or not len(values):
        yield f"{row.name}: values has the shape {values.shape}: write (n, {columns})"
    if type(one.rate_hz) not in _NUMBERS or not 0 < one.rate_hz < math.inf:
        yield f"{row.name}: rate_hz is {one.rate_hz!r}: write samples in a second"
    if not (one.full_scale is None or type(one.full_scale) in _NUMBERS) or not isinstance(one.sequence, int | None):
        yield f"{row.name}: full_scale is a number or None, sequence an int or None"


_KINDS: Mapping[type, SignalKind] = {
    Reading: SignalKind.READING,
    DeviceEvent: SignalKind.EVENT,
    Samples: SignalKind.WAVEFORM,
}
_MORE_FAULTS: Mapping[type, Callable[[Any, Signal], Iterator[str]]] = {
    Reading: _reading_faults,
    DeviceEvent: _event_faults,
    Samples: _samples_faults,
}
