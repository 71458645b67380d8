"""Power: when nobody was watched and why, and whether the box runs on battery."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from gateway.power import Stamp, StampFile, boot_id, mains_condition, was_off

if TYPE_CHECKING:
    from pathlib import Path

CHINA = ZoneInfo("Asia/Shanghai")
T0 = 1_770_091_506_000_000_000
"""2026-02-03T04:05:06Z, 12:05 in China"""
HOUR = 3600 * 10**9


def test_the_stamp_comes_back_and_what_is_broken_is_none(tmp_path: Path) -> None:
    file = StampFile(tmp_path / "alive.json")
    assert file.read() is None
    file.write(Stamp(T0, "boot-1"))
    file.write(Stamp(T0 + 1, "boot-1", ended=True))
    assert file.read() == Stamp(T0 + 1, "boot-1", ended=True)
    for broken in (b"", b"{", b"[]", b'{"at_ns": null}', b'{"at_ns": 1e999, "boot": "", "ended": true}', b"\xff"):
        (tmp_path / "alive.json").write_bytes(broken)
        assert file.read() is None


def test_a_stamp_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        StampFile(tmp_path / "absent" / "alive.json").write(Stamp(T0, ""))


def test_the_boot_has_a_name(tmp_path: Path) -> None:
    assert boot_id(tmp_path) == ""
    path = tmp_path / "proc/sys/kernel/random"
    path.mkdir(parents=True)
    (path / "boot_id").write_text("0c7b5a52-9d8f\n", encoding="ascii")
    assert boot_id(tmp_path) == "0c7b5a52-9d8f"


@pytest.mark.parametrize(
    ("last", "boot", "cause"),
    [
        (Stamp(T0 - HOUR, "a"), "b", "power"),
        (Stamp(T0 - HOUR, "a", ended=True), "b", "power"),
        (Stamp(T0 - HOUR, "a"), "a", "crash"),
        (Stamp(T0 - HOUR, "a", ended=True), "a", "ended"),
        (Stamp(T0 - HOUR, ""), "a", "crash"),
    ],
)
def test_it_says_from_when_until_when_and_why(last: Stamp, boot: str, cause: str) -> None:
    found = was_off(last, boot, T0, 60, CHINA)
    assert found is not None
    evidence = dict(found.evidence)
    del evidence["rule"]
    assert evidence == {"cause": cause, "from": "2026-02-03 11:05", "to": "2026-02-03 12:05", "seconds": 3600}


def test_a_short_restart_is_not_told_and_a_first_start_neither() -> None:
    assert was_off(Stamp(T0 - 59 * 10**9, "a"), "b", T0, 60, CHINA) is None
    assert was_off(None, "b", T0, 60, CHINA) is None


def test_a_clock_that_lost_its_time_is_told_without_an_end() -> None:
    found = was_off(Stamp(T0, "a"), "b", T0 - HOUR, 60, CHINA)
    assert found is not None
    assert found.evidence["from"] == "2026-02-03 12:05"
    assert "to" not in found.evidence


def test_a_system_without_a_clock_of_its_own_does_not_hide_a_power_cut() -> None:
    last = Stamp(T0 - 2 * 10**9, "a")
    found = was_off(last, "b", T0, 60, CHINA, clock_sure=False)
    assert found is not None
    assert found.evidence["cause"] == "power"
    assert "to" not in found.evidence
    assert was_off(last, "a", T0, 60, CHINA, clock_sure=False) is None
    assert was_off(last, "b", T0, 60, CHINA) is None
    assert was_off(Stamp(T0 + 2 * 10**9, "a"), "b", T0, 60, CHINA) is None


def supply(root: Path, name: str, **words: str) -> None:
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True, exist_ok=True)
    for word, value in words.items():
        (folder / word).write_text(f"{value}\n", encoding="ascii")


def on_battery(root: Path) -> bool | None:
    condition = mains_condition(root)
    return None if condition is None else condition.bad


def test_a_box_without_any_known_supply_says_nothing(tmp_path: Path) -> None:
    assert on_battery(tmp_path) is None
    supply(tmp_path, "odd", type="Mains")
    supply(tmp_path, "none")
    assert on_battery(tmp_path) is None


def test_mains_decide_where_they_are_known(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="1")
    supply(tmp_path, "BAT0", type="Battery", status="Discharging", capacity="47")
    assert on_battery(tmp_path) is False
    supply(tmp_path, "AC", online="0")
    condition = mains_condition(tmp_path)
    assert condition is not None
    assert condition.bad
    assert condition.evidence == {"battery_percent": 47}


def test_a_ups_alone_is_asked_whether_it_drains(tmp_path: Path) -> None:
    supply(tmp_path, "ups", type="UPS", status="Charging", capacity="?")
    assert on_battery(tmp_path) is False
    supply(tmp_path, "ups", status="Discharging")
    assert on_battery(tmp_path) is True
