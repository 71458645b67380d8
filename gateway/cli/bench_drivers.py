"""`yinling bench drivers`: how many frames a second each family's codec takes on one core, and what 200 devices cost.

The codec is fed as the gateway feeds it: a stream in the pieces that a serial adapter hands over, a broker's messages
one by one, at times that go on as the device would send them. Processor time of this process, the best of three.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from device_drivers.registry import drivers, find_driver
from device_drivers.sample import MessageSample, StreamSample
from gateway.cli.bench import bench_app, machine
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.language import LANGUAGE_HELP, chosen
from gateway.cli.setup import out
from simulators.samples import samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_drivers.codec import Driver

    Traffic = Callable[[Random, int, int], list[Any]]
    Piece = tuple[Any, int]

DEVICES = 200
AIM = 0.2
"""More than a fifth of a core for so many devices of one family is too much."""
PIECE_S = 0.016
"""USB serial adapters (FTDI) hand over what has come every 16 ms."""
START_NS = 1_790_000_000 * 1_000_000_000
FRAMES = 2_000
ROUNDS = 3
HEADS = {
    "zh-CN": ("系列", "常见帧/秒", "混合帧/秒", f"{DEVICES}台占核", "设备帧/秒", "设备速率来源"),
    "en": ("family", "usual/s", "mix/s", f"{DEVICES} take", "device/s", "device's rate by"),
}
NO_SAMPLE = {"zh-CN": "无样本", "en": "no sample"}


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second on one core, and observations for each frame."""

    frames_hz: float
    observations: float


@bench_app.command("drivers")
def bench_drivers(
    family: Annotated[str | None, typer.Option(help="Only this family")] = None,
    json_file: JsonFile = None,
    frames: Annotated[int, typer.Option(min=10, help="Frames to decode for each figure")] = FRAMES,
    language: Annotated[str | None, typer.Option(help=LANGUAGE_HELP)] = None,
) -> None:
    """Measure each family's decoding: frames a second on one core, and the share of a core that 200 devices take."""
    language = chosen(language)
    measured = [find_driver(family)] if family else list(drivers().values())
    results = [row for driver in measured for row in measure_driver(driver, frames)]
    out.print(_table(results, language))
    write_json({"machine": machine(), "devices": DEVICES, "families": results}, json_file)


def measure_driver(driver: Driver, frames: int = FRAMES) -> list[dict[str, Any]]:
    """The figures of one driver, JSON-ready: a row for each of its samples, one without figures where it has none."""
    samples = samples_of(driver)
    return [_measure(driver, sample, frames) for sample in samples] or [{"family": driver.family, "way": None}]


def _measure(driver: Driver, sample: StreamSample | MessageSample, frames: int) -> dict[str, Any]:
    usual, mix = (_speed(driver, sample, traffic, frames) for traffic in (sample.usual, sample.mix))
    return {
        "family": driver.family,
        "way": sample.way,
        "usual_hz": round(usual.frames_hz),
        "mix_hz": round(mix.frames_hz),
        "observations_per_frame": round(mix.observations, 2),
        "device_hz": round(sample.rate_hz, 4),
        "rate_by": {"zh-CN": sample.rate_zh, "en": sample.rate_en},
        "share_of_a_core": round(DEVICES * sample.rate_hz / min(usual.frames_hz, mix.frames_hz), 5),
    }


def _speed(driver: Driver, sample: StreamSample | MessageSample, traffic: Traffic, frames: int) -> Speed:
    sent = traffic(Random(1), frames, START_NS)
    taken: list[float] = []
    observations = 0
    for _ in range(ROUNDS):
        feed = _feeding(driver, sample)
        cut = list(pieces(sample, sent))
        begun = time.process_time()
        observations = sum(len(feed(data, at_ns)) for data, at_ns in cut)
        taken.append(time.process_time() - begun)
    return Speed(frames / max(min(taken), 1e-9), observations / frames)


def _feeding(driver: Driver, sample: StreamSample | MessageSample) -> Callable[[Any, int], list[Any]]:
    if isinstance(sample, StreamSample):
        if driver.stream is None:
            raise TypeError(f"{driver.family} has a sample of a stream and no stream codec")
        return driver.stream("device", sample.options).feed
    if driver.message is None:
        raise TypeError(f"{driver.family} has a sample of messages and no message codec")
    codec = driver.message(sample.options)
    for topic, payload in sample.opening:
        codec.feed(topic, payload, START_NS, retained=True)
    return lambda message, at_ns: codec.feed(message[0], message[1], at_ns)


def pieces(sample: StreamSample | MessageSample, sent: list[Any]) -> Iterator[Piece]:
    """What the codec is fed at a time, and when: a frame, or all that a fast stream sent in 16 ms."""
    period_ns = sample.period_ns()
    if isinstance(sample, MessageSample) or sample.rate_hz * PIECE_S <= 1:
        yield from ((one, START_NS + n * period_ns) for n, one in enumerate(sent))
        return
    stream = b"".join(sent)
    size = max(1, round(len(stream) / len(sent) * sample.rate_hz * PIECE_S))
    yield from (
        (stream[at : at + size], START_NS + n * round(PIECE_S * 1e9))
        for n, at in enumerate(range(0, len(stream), size))
    )


def _table(results: list[dict[str, Any]], language: str) -> Table:
    table = Table()
    for n, head in enumerate(HEADS.get(language, HEADS["en"])):
        table.add_column(head, no_wrap=n < 5, justify="right" if 0 < n < 5 else "left")
    for one in sorted(results, key=lambda row: -row.get("share_of_a_core", -1.0)):
        if one["way"] is None:
            table.add_row(one["family"], NO_SAMPLE.get(language, NO_SAMPLE["en"]))
            continue
        share = one["share_of_a_core"]
        table.add_row(
            f"{one['family']} ({one['way']})",
            f"{one['usual_hz']:,}",
            f"{one['mix_hz']:,}",
            Text(f"{share:.2%}", style="" if share <= AIM else "red"),
            f"{one['device_hz']:.3g}",
            one["rate_by"].get(language, one["rate_by"]["en"]),
        )
    return table
