"""Bluetooth health meters without hardware: the messages of a gateway that forwards their raw GATT values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from device_drivers.ble.ieee11073 import Special
from device_drivers.ble_gatt import characteristics as c
from simulators.zigbee import Published

_KG_STEP, _GLUCOSE_EXPONENT = 200, 5
NO_FINGER = Special.NAN


@dataclass(slots=True)
class GattMeter:
    """One meter behind a gateway. clock_h: hours that its wall clock is ahead of UTC; hex_text: payloads as digits."""

    device: str
    base: str = "ble_gatt"
    clock_h: float = 8.0
    hex_text: bool = True
    sequence: int = 0

    def heart_rate(self, bpm: int, rr_ms: tuple[float, ...] = (), *, contact: bool | None = None) -> Published:
        """A chest strap's second. contact None: it cannot tell."""
        flags = 0 if contact is None else 0x04 | 0x02 * contact
        more: dict[str, Any] = {"rr": tuple(round(one * 1024 / 1000) for one in rr_ms)} if rr_ms else {}
        return self._publish(c.HEART_RATE, c.encode(c.HEART_RATE, flags | (bpm > 255), rate=bpm, **more))

    def oximeter(self, spo2: float | Special, pulse: float | Special, **more: Any) -> Published:
        """A fingertip oximeter's second."""
        return self._publish(c.OXIMETER, c.encode(c.OXIMETER, decimals=1, spo2=spo2, pulse=pulse, **more))

    def blood_pressure(self, systolic: float, diastolic: float, pulse: float, now_ns: int, **more: Any) -> Published:
        """A cuff's result, measured at `now_ns`."""
        mean = round(diastolic + (systolic - diastolic) / 3)
        fields: dict[str, Any] = {
            "systolic": systolic,
            "diastolic": diastolic,
            "mean": mean,
            "time": self._wall(now_ns),
        }
        return self._publish(c.BLOOD_PRESSURE, c.encode(c.BLOOD_PRESSURE, pulse=pulse, **fields, **more))

    def temperature(self, celsius: float, site: int = 2) -> Published:
        """A thermometer's result."""
        return self._publish(c.TEMPERATURE, c.encode(c.TEMPERATURE, decimals=1, temperature=celsius, site=site))

    def glucose(self, mg_dl: int, now_ns: int, *, control: bool = False) -> Published:
        """A glucose meter's record, measured at `now_ns`; `control`: of a test liquid."""
        self.sequence += 1
        value = c.encode(
            c.GLUCOSE,
            0x02,
            _GLUCOSE_EXPONENT,
            sequence=self.sequence,
            time=self._wall(now_ns),
            concentration=mg_dl / 10**_GLUCOSE_EXPONENT,
            type_location=0x4A if control else 0x11,
        )
        return self._publish(c.GLUCOSE, value)

    def weight(self, kg: float, now_ns: int) -> Published:
        """A scale's result, measured at `now_ns`."""
        return self._publish(c.WEIGHT, c.encode(c.WEIGHT, weight=round(kg * _KG_STEP), time=self._wall(now_ns)))

    def battery(self, percent: int) -> Published:
        """The meter's battery."""
        return self._publish(c.BATTERY, c.encode(c.BATTERY, level=percent))

    def _wall(self, now_ns: int) -> datetime:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now_ns // 10**9, hours=self.clock_h)
        return moment.replace(tzinfo=None)

    def _publish(self, code: int, value: bytes) -> Published:
        payload = value.hex().encode() if self.hex_text else value
        return Published(f"{self.base}/{self.device}/{code:04X}", payload)
