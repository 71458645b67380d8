"""Every reference vector through `yinling decode`, as a person would type it: values under signal names, with units."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands

if TYPE_CHECKING:
    from pathlib import Path

ALL = 108
NAMES: dict[str, str] = {
    "heart_rate_bpm": "heart_rate",
    "heart_bpm": "heart_rate",
    "hr": "heart_rate",
    "pr": "heart_rate",
    "pulse": "heart_rate",
    "breath_rpm": "respiratory_rate",
    "respiration": "respiratory_rate",
    "distance_cm": "distance",
    "x_cm": "position_x",
    "y_cm": "position_y",
    "z_cm": "position_z",
    "bed": "bed_occupancy",
    "sleep": "sleep_state",
    "turns": "sleep_turns",
    "apnea": "apnea_count",
    "avg_resp": "mean_respiratory_rate",
    "avg_hr": "mean_heart_rate",
    "present": "presence",
    "large_move_pct": "large_movement_share",
    "small_move_pct": "small_movement_share",
    "total": "height_ratio_total",
    "pct_0_0.5m": "height_ratio_0_0_5",
    "pct_0.5_1m": "height_ratio_0_5_1",
    "pct_1_1.5m": "height_ratio_1_1_5",
    "pct_1.5_2m": "height_ratio_1_5_2",
    "sys": "systolic_pressure",
    "dia": "diastolic_pressure",
    "map": "mean_arterial_pressure",
    "pi": "perfusion_index",
    "low_battery": "battery_low",
    "lat": "latitude",
    "lon": "longitude",
    "weight_kg": "body_weight",
    "impedance": "body_impedance",
    "hum": "humidity",
    "acc_g": "accel",
}
UNITS = {
    "heart_rate": "/min",
    "respiratory_rate": "/min",
    "distance": "cm",
    "position_x": "cm",
    "spo2": "%",
    "systolic_pressure": "mm[Hg]",
    "body_temperature": "Cel",
    "body_weight": "kg",
    "battery": "%",
    "latitude": "deg",
    "battery_voltage": "mV",
    "humidity": "%",
    "rr_interval": "ms",
}
UNSAID = {"control", "command", "note", "unit", "wifi", "mac"}
"""What the line does not say in so many words: codes of a frame that was understood, remarks, and what is counted.
A Minew device is named by its address, and a command is one where the vector's is a word."""
PRESSES = {"press": "single", "triple_press": "triple", "long_press": "long"}


def decoded(vector: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    assert commands.__all__
    how = {"hex": "--hex", "ascii": "--payload"}[vector["format"]]
    result = CliRunner().invoke(app, ["decode", vector["family"], how, vector["data"]])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def said(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Every value by its name: of signals, a second one of the same name in a list; of notes as they are."""
    found: dict[str, Any] = {}
    for line in lines:
        if line["kind"] == "note":
            found |= line
        elif "signal" in line:
            assert UNITS.get(line["signal"], line["unit"]) == line["unit"]
            before = found.get(line["signal"])
            found[line["signal"]] = line["value"] if before in (None, line["value"]) else [before, line["value"]]
    found["accel"] = [found.get(f"accel_{axis}") for axis in "xyz"]
    return found


def expected(vector: dict[str, Any]) -> dict[str, Any]:
    """The vector's values under our names and in our units."""
    wanted: dict[str, Any] = {}
    for name, value in vector["decoded"].items():
        match name:
            case "command" if isinstance(value, str):
                wanted[name] = value
            case "volt":
                wanted["battery_voltage"] = 1000 * value
            case "weight_lb":
                wanted["body_weight"] = pytest.approx(0.45359237 * value)
            case "rr_s":
                wanted["rr_interval"] = [1000 * one for one in value]
            case "acc":
                wanted["accel"] = [one / 1000 for one in value]
            case "temp_c":
                kind = "room" if vector["family"] in {"ble_adv", "minew_mqtt"} else "body"
                wanted[f"{kind}_temperature"] = value
            case "button":
                wanted[name] = PRESSES[value]
            case "alarm":
                wanted[name] = [value] if isinstance(value, str) else value
            case "type" if vector["family"] == "watch_3g":
                wanted[name] = value
            case _ if name not in UNSAID:
                wanted[NAMES.get(name, name)] = value
    return wanted


@pytest.mark.slow
def test_all_reference_vectors_decode_by_the_command_line(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    assert len(vectors) >= ALL
    wrong = []
    for vector in vectors:
        code, lines = decoded(vector)
        if "error" in vector["decoded"]:
            good = code == 1 and bool(lines) and all(line["kind"] == "rejected" and line["raw"] for line in lines)
        else:
            found = said(lines)
            missing = {k: v for k, v in expected(vector).items() if found.get(k, ...) != v}
            good = code == 0 and not missing
        if not good:
            wrong.append((vector["family"], vector["name"], vector["decoded"], lines))
    assert wrong == []


@pytest.mark.parametrize("write", [str.upper, str.lower, lambda text: text.replace(" ", ""), lambda text: f" {text} "])
def test_hexadecimal_in_any_writing(write: Any) -> None:
    vector = {"family": "micradar", "format": "hex", "data": write("53 59 85 02 00 01 47 7B 54 43")}
    assert said(decoded(vector)[1])["heart_rate"] == 71


@pytest.mark.parametrize(
    "data",
    [
        "0x53 0x59 0x85 0x02 0x00 0x01 0x47 0x7B 0x54 0x43",
        "53:59:85:02:00:01:47:7B:54:43",
        "5359 8502 0001 477b\n5443",
        "53,59,85,02,00,01,47,7B,54,43",
        "\\x53\\x59\\x85\\x02\\x00\\x01\\x47\\x7b\\x54\\x43",
        "53-59-85-02-00-01-47-7b-54-43",
    ],
)
def test_hexadecimal_as_tools_write_it(data: str) -> None:
    assert said(decoded({"family": "micradar", "format": "hex", "data": data})[1])["heart_rate"] == 71


def test_a_rejection_says_its_reason_and_the_detail() -> None:
    code, (line,) = decoded({"family": "ble_gatt", "format": "hex", "data": "04 5E 00 5A 00"})
    assert (code, line["error"]) == (1, "which_characteristic")
    assert "name it by the topic" in line["detail"]


@pytest.mark.parametrize(
    ("family", "how", "text", "wanted"),
    [
        ("LD2410", "hex", "FD FC FB FA 04 00 A4 00 01 00 04 03 02 01", {"command": "bluetooth", "bluetooth": True}),
        ("Rd-03D", "hex", "AA FF 03 00" + " 00" * 24 + " 55 CC", {"presence": False, "target_count": 0}),
        ("MR60FDA1", "hex", "53 59 83 01 00 01 01 32 54 43", {"fall": True}),
        ("jt808", "hex", "7e8001000501391234567800070001020000b07e", {"answers": "0200", "result": 0}),
        ("jt808", "hex", "7e810000060139123456780007000100746f6bc17e", {"result": 0, "token": "tok"}),
        ("nonin", "hex", "01 80 01 48 CA", {"status": 0x80, "value": 72}),
        ("minew", "hex", "A1 99 14 00 59", {"unknown_frame": "a199", "hex": "140059"}),
        ("ble_adv", "hex", "44 00 23 3A 00", {"frames": 1, "says": "nothing"}),
        ("contec", "hex", "09 8E FF FF FF FF", {"frames": 1, "says": "nothing"}),
        ("z2m", "ascii", '{"action":"emergency"}', {"help_button": True}),
    ],
)
def test_frames_that_the_tables_describe(family: str, how: str, text: str, wanted: dict[str, Any]) -> None:
    """Words of the tables that no reference vector shows."""
    code, lines = decoded({"family": family, "format": how, "data": text})
    assert (code, wanted.items() <= said(lines).items()) == (0, True), lines


def test_a_copy_of_a_sighting_is_one() -> None:
    arguments = [
        "decode",
        "omg",
        "--topic",
        "home/home_presence/OMG",
        "--payload",
        '{"id":"60:87:57:4C:9B:C2","rssi":-78}',
    ]
    (line,) = CliRunner().invoke(app, arguments).stdout.splitlines()
    assert json.loads(line)["value"] == -78
