"""`docs/devices.md` is held true against the installed drivers and the table of signals."""

import re
from pathlib import Path

import pytest

from device_drivers.codec import Driver
from device_drivers.registry import drivers
from device_drivers.signals import SIGNALS

TEXT = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
SECTIONS = {title.strip(): body for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", TEXT, re.MULTILINE)}


def ours() -> list[Driver]:
    """The project's own drivers; a third party documents its own."""
    return [
        driver
        for driver in drivers().values()
        if (driver.stream or driver.message).__module__.startswith("device_drivers.")
    ]


def paragraph(family: str, title: str) -> str:
    """The text of one bullet `* **title**: ...` in a family's section."""
    found = re.search(
        rf"^\* \*\*{title}[^*]*\*\*:?(.*?)(?=^\* \*\*|\Z)", SECTIONS[f"`{family}`"], re.MULTILINE | re.DOTALL
    )
    assert found, f"{family}: no paragraph {title!r}"
    return found[1]


def test_the_families_are_found() -> None:
    assert {"micradar", "zigbee2mqtt", "yinling_wearable"} <= {driver.family for driver in ours()}


@pytest.mark.parametrize("driver", ours(), ids=lambda driver: driver.family)
def test_every_family_is_documented(driver: Driver) -> None:
    section = SECTIONS[f"`{driver.family}`"]
    assert driver.title_zh in section
    assert driver.title_en in section
    assert all(f"`{alias}`" in section for alias in driver.aliases)
    transport = paragraph(driver.family, "Transport")
    assert ("serial" in transport.lower()) == (driver.stream is not None and not driver.first_bytes)
    assert "TCP" in transport or not driver.first_bytes
    assert ("MQTT" in transport) == (driver.message is not None)
    assert f"{driver.baud:,} baud" in transport or "baud" not in transport
    assert len(paragraph(driver.family, "Commissioning")) > 100
    assert len(paragraph(driver.family, "Pitfalls")) > 100
    assert re.search(r"[一-鿿]{4}", paragraph(driver.family, "Commissioning"))
    assert f"| `{driver.family}` |" in TEXT


@pytest.mark.parametrize("driver", ours(), ids=lambda driver: driver.family)
def test_exactly_its_signals_are_listed(driver: Driver) -> None:
    assert re.findall(r"`(\w+)`", paragraph(driver.family, "Signals")) == list(driver.signals)
    assert set(driver.signals) <= set(SIGNALS)


def test_no_family_is_documented_that_is_not_there() -> None:
    documented = {title.strip("`") for title in SECTIONS if title.startswith("`")}
    assert documented == {driver.family for driver in ours()}


def test_the_table_of_signals_is_the_code_s() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in SECTIONS["Signals"].splitlines()
        if "`" in line[:4]
    ]
    expected = [
        [f"`{row.name}`", row.zh, row.en, row.unit, "on change" if row.stale_s is None else f"{row.stale_s:g} s"]
        for row in SIGNALS.values()
    ]
    assert rows == expected
