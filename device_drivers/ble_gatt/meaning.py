"""What the fields of a health characteristic mean: readings in our units, states, and facts that are no signal.

Conversions: 1 kPa = 7.500615758 mmHg; 1 lb = 0.45359237 kg; 1 in = 2.54 cm; glucose 180.156 g/mol (kg/L x 100000 =
mg/dL, / 18.0156 = mmol/L); RR in 1/1024 s. Bits of the status words: PLXS 1.0.1, BLS 1.1.1, GLS 1.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from device_drivers.ble.ieee11073 import Special
from device_drivers.ble_gatt import characteristics as c
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_drivers.ble_gatt.characteristics import Values

MMHG_PER_KPA = 7.500615758
KG_PER_LB = 0.45359237
CM_PER_INCH = 2.54
MG_PER_MMOL = 18.0156
"""mg/dL of glucose in one mmol/L."""
NO_FINGER = frozenset({0.0, 127.0, 255.0, 511.0})
"""What oximeters send instead of a saturation when there is no finger."""
NO_PULSE = frozenset({0.0, 255.0, 511.0})
FAILED_WEIGHT = 0xFFFF
CONTACT_SUPPORTED, CONTACT = 2, 1

SITES = ("", "armpit", "body", "ear", "finger", "gut", "mouth", "rectum", "toe", "tympanum")
_SKIN_SITES = frozenset({4, 8})
GLUCOSE_TYPES = (
    *("", "capillary_blood", "capillary_plasma", "venous_blood", "venous_plasma", "arterial_blood", "arterial_plasma"),
    *("blood", "plasma", "interstitial_fluid", "control_solution"),
)
GLUCOSE_PLACES = ("", "finger", "other_site", "earlobe", "control_solution")
_CONTROL_TYPE, _CONTROL_PLACE = 10, 4

PLX_STORED = 1 << 9
PLX_UNUSABLE = 1 << 10 | 1 << 11 | 1 << 13 | 1 << 15
"""Demonstration, test, unavailable, invalid."""
PLX_DOUBTFUL = 1 << 6 | 1 << 12 | 1 << 14
"""Early estimate, calibration, questionable."""
SENSOR_OFF = 1 << 11 | 1 << 13 | 1 << 15
"""Not connected to the person, displaced, disconnected."""
SENSOR_BROKEN = 1 << 1 | 1 << 14
SENSOR_DOUBTFUL = sum(1 << bit for bit in (2, 3, 4, 5, 6, 7, 8, 10))

BP_DOUBTFUL = 1 << 0 | 1 << 1 | 1 << 5
"""Body moved, cuff loose, wrong position."""
BP_STATUS = ("body_moved", "cuff_loose", "irregular_pulse", "pulse_too_fast", "pulse_too_slow", "wrong_position")

GLUCOSE_FAILED = sum(1 << bit for bit in (1, 2, 3, 4, 9, 10))
"""Sensor, sample, strip, fault."""
GLUCOSE_BEYOND = 1 << 5 | 1 << 6
GLUCOSE_STATUS = (
    *("battery_low", "sensor_malfunction", "sample_too_small", "strip_insertion", "strip_type", "result_too_high"),
    *("result_too_low", "too_hot", "too_cold", "strip_pulled", "general_fault", "time_fault"),
)


@dataclass(slots=True)
class Meaning:
    """What one value says.

    time: the device's wall clock, None where it has none or it is not set. stored: the device says that it comes from
    its memory. once: the value is one measurement with an identity; the same bytes again are the same measurement.
    """

    readings: list[tuple[str, float | None, Quality]] = field(default_factory=list)
    states: list[tuple[str, bool]] = field(default_factory=list)
    rr_ms: list[float] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    time: datetime | None = None
    stored: bool = False
    once: bool = False

    def add(self, signal: str, value: float | Special, quality: Quality = Quality.GOOD, factor: float = 1.0) -> None:
        """A reading; special codes and values that `quality` calls unusable are absent."""
        if isinstance(value, Special):
            infinite = value in {Special.PLUS_INFINITY, Special.MINUS_INFINITY}
            self.readings.append((signal, None, Quality.OUT_OF_RANGE if infinite else Quality.INVALID))
        elif quality in {Quality.GOOD, Quality.POOR}:
            self.readings.append((signal, value if factor == 1 else round(value * factor, 6), quality))
        else:
            self.readings.append((signal, None, quality))


def mean(values: Values) -> Meaning:
    """The meaning of a decoded value."""
    found = Meaning(time=values.fields.get("time"))
    _READERS[values.code](values, found)
    if "time" in values.fields:
        found.once = True
        found.report["time"] = found.time.isoformat() if found.time else None
    if "user" in values.fields:
        found.report["user"] = values.fields["user"]
    return found


def _heart_rate(values: Values, found: Meaning) -> None:
    rate = values.fields["rate"]
    quality = Quality.GOOD
    if values.flag(CONTACT_SUPPORTED):
        found.states.append(("worn", values.flag(CONTACT)))
        if not values.flag(CONTACT):
            quality = Quality.NO_CONTACT
    if rate == 0:
        quality = Quality.NO_CONTACT
    elif rate in NO_PULSE and quality is Quality.GOOD:
        quality = Quality.INVALID
    found.add("heart_rate", rate, quality)
    if quality is Quality.GOOD:
        found.rr_ms = [tick * 1000 / 1024 for tick in values.fields.get("rr", ())]
    if "energy" in values.fields:
        found.add("energy_expended", values.fields["energy"])


def _oximeter(values: Values, found: Meaning) -> None:
    fields = values.fields
    quality = _oximeter_quality(fields.get("measurement_status", 0), fields.get("sensor_status", 0))
    spo2, pulse = fields["spo2"], fields["pulse"]
    if spo2 in NO_FINGER and quality in {Quality.GOOD, Quality.POOR}:
        quality = Quality.NO_CONTACT
    found.add("spo2", spo2, quality)
    found.add("heart_rate", pulse, Quality.NO_CONTACT if pulse in NO_PULSE and quality is Quality.GOOD else quality)
    if "amplitude" in fields:
        found.add("perfusion_index", fields["amplitude"], quality)
    found.stored = bool(fields.get("measurement_status", 0) & PLX_STORED)
    for name in ("measurement_status", "sensor_status"):
        if fields.get(name):
            found.report[name] = f"{fields[name]:04x}"
    for name in ("fast_spo2", "fast_pulse", "slow_spo2", "slow_pulse"):
        if isinstance(fields.get(name), float):
            found.report[name] = fields[name]


def _oximeter_quality(measurement: int, sensor: int) -> Quality:
    if sensor & SENSOR_OFF:
        return Quality.NO_CONTACT
    if measurement & PLX_UNUSABLE or sensor & SENSOR_BROKEN:
        return Quality.INVALID
    return Quality.POOR if measurement & PLX_DOUBTFUL or sensor & SENSOR_DOUBTFUL else Quality.GOOD


def _oximeter_spot(values: Values, found: Meaning) -> None:
    _oximeter(values, found)
    if values.flag(4):  # the device says that its clock is not set
        found.time = None


def _blood_pressure(values: Values, found: Meaning) -> None:
    fields = values.fields
    status = fields.get("status", 0)
    quality = Quality.POOR if status & BP_DOUBTFUL else Quality.GOOD
    factor = MMHG_PER_KPA if values.flag(0) else 1.0
    found.add("systolic_pressure", fields["systolic"], quality, factor)
    found.add("diastolic_pressure", fields["diastolic"], quality, factor)
    found.add("mean_arterial_pressure", fields["mean"], quality, factor)
    if "pulse" in fields:
        found.add("heart_rate", fields["pulse"], Quality.NO_CONTACT if fields["pulse"] == 0 else quality)
    if status:
        found.report["status"] = _words(BP_STATUS, status)


def _temperature(values: Values, found: Meaning) -> None:
    value, site = values.fields["temperature"], values.fields.get("site", 0)
    if values.flag(0) and not isinstance(value, Special):
        value = round((value - 32) * 5 / 9, 6)
    found.add("skin_temperature" if site in _SKIN_SITES else "body_temperature", value)
    if site:
        found.report |= {"type": site, "site": SITES[site] if site < len(SITES) else "unknown"}


def _glucose(values: Values, found: Meaning) -> None:
    fields = values.fields
    status = fields.get("status", 0)
    found.report["sequence"] = fields["sequence"]
    if found.time is not None:
        found.time += timedelta(minutes=fields.get("offset_min", 0))
    if status:
        found.report["status"] = _words(GLUCOSE_STATUS, status)
        found.states.append(("battery_low", bool(status & 1)))
    if "concentration" not in fields:
        return
    kind, place = fields["type_location"] & 0xF, fields["type_location"] >> 4
    found.report["sample"] = GLUCOSE_TYPES[kind] if kind < len(GLUCOSE_TYPES) else "unknown"
    found.report["place"] = GLUCOSE_PLACES[place] if place < len(GLUCOSE_PLACES) else "unknown"
    value = fields["concentration"]
    if not isinstance(value, Special):
        value = round(value * 1000 if values.flag(2) else value * 100_000 / MG_PER_MMOL, 6)
    if kind == _CONTROL_TYPE or place == _CONTROL_PLACE:
        return  # a check of the meter with a test liquid is nobody's blood
    quality = Quality.GOOD
    if status & (GLUCOSE_FAILED | GLUCOSE_BEYOND):
        quality = Quality.INVALID if status & GLUCOSE_FAILED else Quality.OUT_OF_RANGE
    found.add("blood_glucose", value, quality)


def _weight(values: Values, found: Meaning) -> None:
    fields, imperial = values.fields, values.flag(0)
    failed = Quality.INVALID if fields["weight"] == FAILED_WEIGHT else Quality.GOOD
    found.add("body_weight", fields["weight"] / (100 if imperial else 200), failed, KG_PER_LB if imperial else 1.0)
    if "height" in fields:
        found.add("body_mass_index", fields["body_mass_index"] / 10)
        found.add("body_height", fields["height"] / 10, factor=CM_PER_INCH if imperial else 1.0)


def _battery(values: Values, found: Meaning) -> None:
    found.add("battery", values.fields["level"])


def _words(names: tuple[str, ...], bits: int) -> list[str]:
    return [name for bit, name in enumerate(names) if bits >> bit & 1]


_READERS: Mapping[int, Callable[[Values, Meaning], None]] = {
    c.HEART_RATE: _heart_rate,
    c.OXIMETER: _oximeter,
    c.OXIMETER_SPOT: _oximeter_spot,
    c.BLOOD_PRESSURE: _blood_pressure,
    c.TEMPERATURE: _temperature,
    c.GLUCOSE: _glucose,
    c.WEIGHT: _weight,
    c.BATTERY: _battery,
}
