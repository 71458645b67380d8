"""Lines as InfluxDB reads them: checked with a reader written from its documentation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.observations import DeviceEvent, Quality, Reading
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.line_protocol import LineMaker, escape_measurement, escape_string, escape_tag

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_760_000_000_000_000_000
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def parts(text: str, separator: str, specials: str) -> list[str]:
    """Split at unescaped separators outside double quotes; escapes stay."""
    found, current, quoted, i = [], "", False, 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] and text[i + 1] in specials:
            current += text[i : i + 2]
            i += 2
            continue
        quoted ^= text[i] == '"' and '"' in specials
        if text[i] == separator and not quoted:
            found.append(current)
            current = ""
        else:
            current += text[i]
        i += 1
    return [*found, current]


def plain(text: str, specials: str) -> str:
    """Take the escapes out."""
    for special in specials:
        text = text.replace("\\" + special, special)
    return text


def parse(line: str) -> tuple[str, dict[str, str], dict[str, str], int]:
    """(measurement, tags, fields as written, time) of a line, by InfluxDB's documented rules."""
    head, rest = parts(line, " ", ", =")[0], " ".join(parts(line, " ", ", =")[1:])
    measurement, *tags = parts(head, ",", ", =")
    fields, at_ns = rest.rsplit(" ", 1)
    pairs = [parts(tag, "=", ", =") for tag in tags]
    values = [parts(field, "=", '"\\') for field in parts(fields, ",", '"\\')]
    return (
        plain(measurement, ", "),
        {plain(name, ", ="): plain(value, ", =") for name, value in pairs},
        {name: "=".join(value) for name, *value in values},
        int(at_ns),
    )


def written(text: str) -> str:
    """What can be told of a name: control characters and backslashes become `_`."""
    return "".join("_" if ord(letter) < 32 or letter in "\x7f\\" else letter for letter in text)


def lines_of(path: Path, readings: list[Reading], events: list[DeviceEvent], maker: LineMaker) -> list[str]:
    store = DuckDBStore(StoreOptions(path / "series.duckdb"))
    store.append(readings, events, {"w1": "r1", "b1": "r2"})
    store.flush()
    lines = maker.lines(store.rows_after(0, 100))
    store.close()
    assert len(lines) == len(lines.row_ids) == len(lines.residents)
    return lines.texts


READINGS = [
    Reading("w1", "heart_rate", 72.0, T0, T0),
    Reading("w1", "heart_rate", None, T0 + 1, T0, Quality.NO_CONTACT),
    Reading("w1", "spo2", 93.5, T0 + 2, T0, Quality.POOR),
    Reading("door 7", "battery", 1e-7, T0 + 3, T0),
]
EVENTS = [
    DeviceEvent("b1", "bed_occupancy", "left", T0 + 4, T0),
    DeviceEvent("b1", "bed_occupancy", 'odd "word"', T0 + 5, T0),
    DeviceEvent("w1", "help_button", True, T0 + 6, T0),
    DeviceEvent("w1", "presence", False, T0 + 7, T0),
    DeviceEvent("w1", "presence", None, T0 + 8, T0, Quality.INVALID),
]


def test_one_measurement_for_each_signal(tmp_path: Path) -> None:
    assert lines_of(tmp_path, READINGS, EVENTS, LineMaker(tags={"site": "家 1"})) == [
        f"heart_rate,device=w1,resident=r1,site=家\\ 1 value=72.0 {T0}",
        f"heart_rate,device=w1,resident=r1,site=家\\ 1 absent=true,quality=2i {T0 + 1}",
        f"spo2,device=w1,resident=r1,site=家\\ 1 value=93.5,quality=1i {T0 + 2}",
        f"battery,device=door\\ 7,site=家\\ 1 value=1e-07 {T0 + 3}",
        f'bed_occupancy,device=b1,resident=r2,site=家\\ 1 word="left",code=1i {T0 + 4}',
        f'bed_occupancy,device=b1,resident=r2,site=家\\ 1 word="odd \\"word\\"" {T0 + 5}',
        f"help_button,device=w1,resident=r1,site=家\\ 1 active=true {T0 + 6}",
        f"presence,device=w1,resident=r1,site=家\\ 1 active=false {T0 + 7}",
        f"presence,device=w1,resident=r1,site=家\\ 1 absent=true,quality=3i {T0 + 8}",
    ]


def test_one_measurement_with_the_signals_as_fields(tmp_path: Path) -> None:
    found = lines_of(tmp_path, READINGS[:2], EVENTS[:1], LineMaker(measurement="yinling"))
    assert found == [
        f"yinling,device=w1,resident=r1 heart_rate=72.0 {T0}",
        f"yinling,device=w1,resident=r1 heart_rate_absent=true,heart_rate_quality=2i {T0 + 1}",
        f'yinling,device=b1,resident=r2 bed_occupancy_word="left",bed_occupancy_code=1i {T0 + 4}',
    ]


def test_what_the_gateway_has_computed_has_a_tag(tmp_path: Path) -> None:
    readings = [Reading("w1", "heart_rate", 64.5, T0, T0, derived=True), Reading("w1", "heart_rate", 66.0, T0 + 1, T0)]
    assert lines_of(tmp_path, readings, [], LineMaker()) == [
        f"heart_rate,derived=true,device=w1,resident=r1 value=64.5 {T0}",
        f"heart_rate,device=w1,resident=r1 value=66.0 {T0 + 1}",
    ]


def test_rows_without_consent_stay_here(tmp_path: Path) -> None:
    found = lines_of(tmp_path, READINGS, EVENTS, LineMaker(allow=lambda resident: resident == "r2"))
    assert [parse(line)[1] for line in found] == [{"device": "b1", "resident": "r2"}] * 2


def test_withdrawn_consent_holds_from_the_next_page(tmp_path: Path) -> None:
    agreed = {"r1"}
    maker = LineMaker(allow=agreed.__contains__)
    store = DuckDBStore(StoreOptions(tmp_path / "series.duckdb"))
    store.append(READINGS[:1], [], {"w1": "r1"})
    store.flush()
    page = store.rows_after(0, 10)
    assert len(maker.lines(page)) == 1
    agreed.clear()
    assert len(maker.lines(page)) == 0
    store.close()


@given(signal=NAMES, device=NAMES, resident=NAMES, tag=NAMES, value=st.floats(allow_nan=False, allow_infinity=False))
def test_any_name_can_be_read_back(signal: str, device: str, resident: str, tag: str, value: float) -> None:
    head = f"{escape_measurement(signal)},device={escape_tag(device)},resident={escape_tag(resident)}"
    line = f"{head},{escape_tag(tag)}=x value={value!r} {T0}"
    assert "\n" not in line
    measurement, tags, fields, at_ns = parse(line)
    expected = written(signal)
    assert measurement == ("_" + expected[1:] if expected[0] == "#" else expected)
    assert tags == {"device": written(device), "resident": written(resident), written(tag): "x"}
    assert at_ns == T0
    assert math.isclose(float(fields["value"]), value, rel_tol=0, abs_tol=0)


@given(word=st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_word_can_be_read_back(word: str) -> None:
    _, _, fields, at_ns = parse(f'm,device=d word="{escape_string(word)}",code=1i {T0}')
    text = fields["word"][1:-1].replace('\\"', '"').replace("\\\\", "\\")
    assert text == "".join(" " if ord(letter) < 32 or letter == "\x7f" else letter for letter in word)
    assert (fields["code"], at_ns) == ("1i", T0)


@pytest.mark.parametrize(("name", "expected"), [("", "_"), ("#a", "_a"), ("a\\", "a_"), ("a,b c", "a\\,b\\ c")])
def test_a_measurement_is_never_empty_nor_a_comment(name: str, expected: str) -> None:
    assert escape_measurement(name) == expected
