"""`yinling bench drivers`: every family has a row, third parties' too; figures are figures. How fast is not tested."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from device_drivers.registry import drivers, find_driver
from gateway.cli import app, commands
from gateway.cli.bench_drivers import START_NS, measure_driver, pieces
from simulators.samples import samples_of

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> Any:
    assert commands.__all__
    return CliRunner().invoke(app, ["bench", "drivers", "--frames", "30", *arguments])


@pytest.mark.parametrize(("language", "word"), [("zh-CN", "系列"), ("en", "family")])
def test_every_family_has_its_rows(tmp_path: Path, language: str, word: str) -> None:
    file = tmp_path / "figures.json"
    result = run("--json", str(file), "--language", language)
    assert result.exit_code == 0, result.output
    assert word in result.stdout
    report = json.loads(file.read_text(encoding="utf-8"))
    assert {one["family"] for one in report["families"]} == set(drivers())
    assert report["machine"]["cores"] > 0
    for one in report["families"]:
        assert one["usual_hz"] > 0
        assert one["mix_hz"] > 0
        assert one["share_of_a_core"] == pytest.approx(
            200 * one["device_hz"] / min(one["usual_hz"], one["mix_hz"]), rel=0.02, abs=1e-4
        )
        assert one["rate_by"]["zh-CN"] != one["rate_by"]["en"]


def test_one_family_by_its_alias(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert run("--family", "Z2M", "--json", str(file)).exit_code == 0
    (one,) = json.loads(file.read_text(encoding="utf-8"))["families"]
    assert (one["family"], one["way"]) == ("zigbee2mqtt", "mqtt")


def test_a_driver_without_a_sample_is_listed_and_its_own_comes_first() -> None:
    stranger = replace(find_driver("bci"), family="stranger")
    assert measure_driver(stranger, 10) == [{"family": "stranger", "way": None}]
    brought = replace(stranger, samples=lambda: samples_of(find_driver("bci")))
    (one,) = measure_driver(brought, 10)
    assert (one["family"], one["way"], one["device_hz"]) == ("stranger", "serial", 100)


def test_a_fast_stream_comes_in_the_pieces_of_an_adapter() -> None:
    (fast,), (slow,) = samples_of(find_driver("bci")), samples_of(find_driver("ld2450"))
    cut = list(pieces(fast, [b"12345"] * 100))
    assert {len(data) for data, _ in cut} == {8, 4}
    assert [at - START_NS for _, at in cut[:3]] == [0, 16_000_000, 32_000_000]
    assert list(pieces(slow, [b"a", b"b"])) == [(b"a", START_NS), (b"b", START_NS + 100_000_000)]


def test_a_sample_that_its_driver_cannot_take_is_a_mistake() -> None:
    streams, messages = find_driver("bci"), find_driver("zigbee2mqtt")
    with pytest.raises(TypeError, match="no stream codec"):
        measure_driver(replace(messages, samples=lambda: samples_of(streams)), 10)
    with pytest.raises(TypeError, match="no message codec"):
        measure_driver(replace(streams, samples=lambda: samples_of(messages)), 10)
