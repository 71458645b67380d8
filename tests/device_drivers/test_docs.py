"""`docs/devices.md` is held true against the installed drivers and the table of signals."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_drivers.codec import Driver
from device_drivers.registry import drivers, is_ours
from device_drivers.signals import SIGNALS
from gateway.cli import app, commands
from gateway.cli.device_docs import DocsError, generate

TEXT = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
SECTIONS = {title.strip(): body for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", TEXT, re.MULTILINE)}


def ours() -> list[Driver]:
    """The project's own drivers; a third party documents its own."""
    return [driver for driver in drivers().values() if is_ours(driver)]


def paragraph(family: str, title: str) -> str:
    """The text of one bullet `* **title**: ...` in a family's section."""
    found = re.search(
        rf"^\* \*\*{title}[^*]*\*\*:?(.*?)(?=^\* \*\*|\Z)", SECTIONS[f"`{family}`"], re.MULTILINE | re.DOTALL
    )
    assert found, f"{family}: no paragraph {title!r}"
    return found[1]


def test_the_families_are_found() -> None:
    assert {"micradar", "zigbee2mqtt", "yinling_wearable"} <= {driver.family for driver in ours()}


def test_what_the_drivers_say_of_themselves_is_up_to_date() -> None:
    assert generate(TEXT, ours()) == TEXT, "run `yinling devices docs`"


@pytest.mark.parametrize("driver", ours(), ids=lambda driver: driver.family)
def test_every_family_is_documented(driver: Driver) -> None:
    """What people wrote fits the driver; a family may also leave it at its own hints."""
    section = SECTIONS[f"`{driver.family}`"]
    assert driver.title_zh in section
    assert driver.title_en in section
    assert all(f"`{alias}`" in section for alias in driver.aliases)
    assert len(driver.hint_en) > 60
    assert len(driver.hint_zh) > 30
    assert set(driver.signals) <= set(SIGNALS)
    assert re.findall(r"`(\w+)`", paragraph(driver.family, "Signals")) == list(driver.signals)
    assert f"| `{driver.family}` |" in TEXT
    if "**Transport" not in section:
        return
    transport = paragraph(driver.family, "Transport")
    assert ("serial" in transport.lower()) == (driver.stream is not None and not driver.first_bytes)
    assert "TCP" in transport or not driver.first_bytes
    assert ("MQTT" in transport) == (driver.message is not None)
    assert f"{driver.baud:,} baud" in transport or "baud" not in transport
    assert len(paragraph(driver.family, "Commissioning")) > 100
    assert len(paragraph(driver.family, "Pitfalls")) > 100
    assert re.search(r"[一-鿿]{4}", paragraph(driver.family, "Commissioning"))


def test_a_new_family_gets_its_row_and_its_section_and_nothing_else_changes() -> None:
    added = replace(drivers()["nonin"], family="new_meter", title_en="New meter", title_zh="新仪器", commands=("find",))
    made = generate(TEXT, [*ours(), added])
    assert made != TEXT
    assert "| `new_meter` | serial | 新仪器 | New meter |" in made
    gone = made.replace("| `new_meter` | serial | 新仪器 | New meter |\n", "")
    start, end = gone.index("## `new_meter`"), gone.index("## Not supported")
    assert gone[:start] + gone[end:] == TEXT
    assert "* **Commands 指令**: `find`." in gone[start:end]
    assert generate(made, [*ours(), added]) == made


def test_what_people_wrote_stays() -> None:
    changed = [replace(one, hint_en="Other words.", lost_after_s=float("inf")) for one in ours()]
    made = generate(TEXT, changed)
    generated = r"(?s)<!-- generated: \w+ -->.*?<!-- end -->"
    assert re.sub(generated, "", made) == re.sub(generated, "", TEXT)
    assert made.count("Other words.") == made.count("it sends only when it is used") == len(ours())


def test_a_document_that_does_not_fit_is_refused() -> None:
    for text, families in (
        (TEXT, ours()[1:]),
        (TEXT.replace("<!-- generated: signals -->", ""), ours()),
        (TEXT.replace("<!-- generated: micradar -->", ""), ours()),
        (TEXT.replace("<!-- end -->", "", 1), ours()),
        ("# nothing", ours()),
    ):
        with pytest.raises(DocsError):
            generate(text, families)


def test_the_command_writes_and_checks(tmp_path: Path) -> None:
    page = tmp_path / "devices.md"
    page.write_text(TEXT.replace("<!-- generated: micradar -->", "<!-- generated: micradar -->\nold"), encoding="utf-8")
    assert commands.__all__

    def run(*arguments: str) -> int:
        return CliRunner().invoke(app, ["devices", "docs", str(page), *arguments]).exit_code

    assert run("--check") == 1
    assert run() == 0
    assert page.read_text(encoding="utf-8") == TEXT
    assert run("--check") == 0
    page.write_text("# nothing", encoding="utf-8")
    assert run() == 2


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
