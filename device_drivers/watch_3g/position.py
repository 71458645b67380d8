"""The position record of UD, AL and WT frames: sixteen columns, then cells and Wi-Fi networks.

    ddmmyy,hhmmss,A/V,lat,N/S,lon,E/W,km/h,course,altitude,satellites,gsm,battery,steps,rolls,status,cells...

Times are UTC. Real frames have blanks, missing E/W, negative degrees and empty fields: every column is read by itself
and one that cannot be read is absent. Of cells and Wi-Fi networks only the number is kept: they tell where somebody
is. Source: Traccar's decoder and its real frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = 16
SECOND_NS = 1_000_000_000
_NUMBER = re.compile(r" *(-?\d{1,10}(?:\.\d{0,12})?) *\Z")
_HEX = re.compile(r"[0-9A-Fa-f]{1,16}\Z")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2},-?\d")

STATE_BITS = {0: "low_battery", 1: "fence_out", 2: "fence_in", 14: "unplugged"}
ALARM_BITS = {
    16: "sos",
    17: "low_battery",
    18: "fence_out",
    19: "fence_in",
    20: "removed",
    21: "fall",
    22: "fall",
}
MOVING_BIT = 4


@dataclass(frozen=True, slots=True)
class Position:
    """One record. Degrees are positive to the north and east; None: the watch did not say."""

    device_ns: int | None = None
    fixed: bool = False
    latitude: float | None = None
    longitude: float | None = None
    speed_km_h: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    satellites: int | None = None
    gsm: int | None = None
    battery: int | None = None
    steps: int | None = None
    rolls: int | None = None
    status: int | None = None
    cells: int = 0
    wifi: int = 0

    @property
    def reasons(self) -> list[str]:
        """The words of every bit that is set, each once."""
        status = self.status or 0
        table = {**STATE_BITS, **ALARM_BITS}
        return list(dict.fromkeys(word for bit, word in table.items() if status >> bit & 1))


def is_position(kind: str) -> bool:
    """Whether frames of this type (capitals) carry a position record: UD, UD2, UD_LTE, AL_LTE, ALCUSTOMER1, WT ..."""
    return kind.startswith(("UD", "AL", "WT"))


def parse(fields: Sequence[str]) -> Position:
    """Read the fields after the type. Never raises; fewer than 16 columns leave the others absent."""
    row = [*fields[:COLUMNS], *[""] * (COLUMNS - len(fields))]
    return Position(
        device_ns=_time(row[0], row[1]),
        fixed=row[2].strip().upper() == "A",
        latitude=_degrees(row[3], row[4], "S"),
        longitude=_degrees(row[5], row[6], "W"),
        speed_km_h=number(row[7]),
        course_deg=number(row[8]),
        altitude_m=number(row[9]),
        satellites=whole(row[10]),
        gsm=whole(row[11]),
        battery=whole(row[12]),
        steps=whole(row[13]),
        rolls=whole(row[14]),
        status=int(row[15], 16) if _HEX.match(row[15]) else None,
        cells=_cells(fields),
        wifi=len(_MAC.findall(",".join(fields[COLUMNS:]))),
    )


def encode(position: Position) -> str:
    """The fields of a record, as a watch writes them, with made-up cells and networks in the right number."""
    moment = datetime.fromtimestamp((position.device_ns or 0) / SECOND_NS, UTC)
    latitude, longitude = position.latitude or 0.0, position.longitude or 0.0
    row = [
        moment.strftime("%d%m%y,%H%M%S"),
        "A" if position.fixed else "V",
        f"{abs(latitude):.6f},{'S' if latitude < 0 else 'N'}",
        f"{abs(longitude):.6f},{'W' if longitude < 0 else 'E'}",
        *(
            _text(value)
            for value in (
                position.speed_km_h,
                position.course_deg,
                position.altitude_m,
                position.satellites,
                position.gsm,
                position.battery,
                position.steps,
                position.rolls,
            )
        ),
        "" if position.status is None else f"{position.status:08x}",
        str(position.cells),
    ]
    if position.cells:
        row += ["255,460,0", *(f"9360,{4082 + i},131" for i in range(position.cells))]
    row += [str(position.wifi), *(f"AP{i},02:00:00:00:00:{i:02x},-60" for i in range(position.wifi))]
    return ",".join(row)


def wifi_missing(fields: Sequence[str]) -> bool:
    """Whether the record announces more Wi-Fi networks than it holds so far."""
    at = COLUMNS + 1
    if cells := _cells(fields):
        at += 3 + 3 * cells
    announced = whole(fields[at]) if at < len(fields) else None
    return announced is not None and len(_MAC.findall(",".join(fields[at + 1 :]))) < announced


def number(text: str) -> float | None:
    """A plain decimal number, blanks around it allowed; else None."""
    return float(text) if _NUMBER.match(text) else None


def whole(text: str) -> int | None:
    """A whole number that is not negative; else None."""
    value = number(text)
    return int(value) if value is not None and value >= 0 and value == int(value) else None


def _cells(fields: Sequence[str]) -> int:
    count = whole(fields[COLUMNS]) if len(fields) > COLUMNS else None
    return count if count is not None and count <= 64 else 0


def _degrees(text: str, hemisphere: str, negative: str) -> float | None:
    value = number(text)
    if value is None:
        return None
    return -abs(value) if hemisphere.strip().upper() == negative else value


def _time(date: str, clock: str) -> int | None:
    if not (len(date) == len(clock) == 6 and (date + clock).isascii() and (date + clock).isdigit()):
        return None
    try:
        moment = datetime.strptime(date + clock, "%d%m%y%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND_NS


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
