"""Samples of the families that send a byte stream: over a serial line, over TCP, or polled."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from device_drivers.bci import frames as bci_frames
from device_drivers.contec import frames as contec_frames
from device_drivers.hilink_tf import frames as tf_frames
from device_drivers.jt808 import frames as jt_frames
from device_drivers.jt808 import location as jt_location
from device_drivers.ld24xx import commands
from device_drivers.ld24xx import ld2410 as ld2410_frames
from device_drivers.ld24xx import ld2450 as ld2450_frames
from device_drivers.micradar import frames as radar_frames
from device_drivers.minifinder import frames as pendant_frames
from device_drivers.minifinder import items as pendant_items
from device_drivers.modbus_io import frames as modbus_frames
from device_drivers.nonin import values as nonin_values
from device_drivers.sample import SECOND_NS, StreamSample
from device_drivers.watch_3g import frames as watch_frames
from device_drivers.watch_3g.position import Position
from device_drivers.watch_3g.position import encode as watch_position
from device_drivers.yinling_wearable import Block, Measured, Press, WaveBlock, WearableFrame, encode_serial
from simulators.emfit import EmfitMat

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Frames = Callable[[Random, int, int], list[bytes]]

ASSUMED_ZH, ASSUMED_EN = "假定值：厂家未公布", "assumed: the maker states none"
NO_CHECKSUM = "The frames have no checksum, only fixed bits or bytes."
FIELDS_2410 = ld2410_frames.TARGET_FIELDS
TCP_CHECKS = "The text has no checksum; TCP has one."


def repeated(one: Callable[[Random], bytes]) -> Frames:
    """So many frames of one kind."""
    return lambda rng, count, _start_ns: [one(rng) for _ in range(count)]


def any_of(*kinds: Callable[[Random], bytes]) -> Frames:
    """Frames of these kinds, by chance."""
    return lambda rng, count, _start_ns: [rng.choice(kinds)(rng) for _ in range(count)]


def wearable_frame(rng: Random, sequence: int, at_ns: int) -> WearableFrame:
    """One second of a wearable: 50 Hz on three axes, pulse and battery; now and then a press and more."""
    noise = np.random.default_rng(rng.randrange(2**32)).normal((0.0, 0.0, 4096.0), 200.0, (50, 3))
    frame = WearableFrame(7, sequence, at_ns // 1000, utc=True)
    frame.accel = Block(50.0, 8.0, 8.0, noise.astype("<i2").tobytes())
    frame.heart_rate, frame.battery = Measured(float(rng.randrange(50, 120))), Measured(80.0)
    if rng.random() < 0.1:
        frame.spo2, frame.worn, frame.presses = Measured(97.0), True, (Press(sequence),)
        frame.pulse_wave = WaveBlock(25.0, 2, rng.randbytes(100))
        frame.bed_wave = WaveBlock(50.0, 1, rng.randbytes(100))
    return frame


def wearable() -> StreamSample:
    """Our own wearable on a serial line."""

    def frames(rng: Random, count: int, start_ns: int) -> list[bytes]:
        return [encode_serial(wearable_frame(rng, n, start_ns + n * SECOND_NS)) for n in range(count)]

    return StreamSample(
        way="serial", rate_hz=1, rate_zh="协议：每秒一帧", rate_en="wire protocol: one frame a second",
        usual=frames, mix=frames,
    )  # fmt: skip


def micradar() -> StreamSample:
    """A bedside radar: movement and two waves every second, distance and position every 2 s, rates every 3 s."""
    report = radar_frames.report

    def wave(rng: Random) -> bytes:
        return report("breathing wave", breath_wave=tuple(rng.randrange(-99, 99) for _ in range(5)))

    return StreamSample(
        way="serial", rate_hz=4.7, rate_zh="R60ABD1 手册 V3.0", rate_en="manual R60ABD1 V3.0",
        usual=repeated(wave),
        mix=any_of(
            wave,
            lambda rng: report("body movement", body_movement=rng.randrange(101)),
            lambda rng: report("heart rate", heart_rate=rng.randrange(50, 120)),
            lambda rng: report("breathing rate", respiratory_rate=rng.randrange(8, 30)),
            lambda rng: report("position", position_x=rng.randrange(-300, 300), position_y=50, position_z=-7),
            lambda rng: report("distance", distance=rng.randrange(30, 400)),
            lambda rng: report("presence", presence=rng.random() < 0.5),
            lambda rng: report("bed", bed_occupancy=rng.choice(("in", "left", "none"))),
            lambda rng: report("fall", fall=rng.random() < 0.5),
            lambda _rng: report("heartbeat", heartbeat=True),
            lambda _rng: report("firmware", firmware="G60BD1SYv010104"),
        ),
    )  # fmt: skip


def hilink_tf() -> StreamSample:
    """A breath and heart radar; phases come most often."""
    message = tf_frames.message

    def phases(rng: Random) -> bytes:
        return message("phases", **{f"{name}_phase": rng.uniform(-3, 3) for name in ("total", "breath", "heart")})

    def targets(rng: Random) -> bytes:
        rows = tuple(
            {"x": rng.uniform(-2, 2), "y": rng.uniform(0, 3), "dop": 1, "cluster": 1} for _ in range(rng.randrange(4))
        )
        return message("targets", targets=rows)

    return StreamSample(
        way="serial", rate_hz=15, rate_zh=ASSUMED_ZH, rate_en=ASSUMED_EN,
        usual=repeated(phases),
        mix=any_of(
            phases, targets,
            lambda rng: message("heart rate", heart_rate=rng.uniform(50, 120)),
            lambda rng: message("breath rate", respiratory_rate=rng.uniform(8, 30)),
            lambda rng: message("distance", flag=1, range=rng.uniform(30, 200)),
            lambda _rng: message("presence", presence=True),
            lambda rng: message("fall", fall=rng.random() < 0.5),
            lambda _rng: message("log", log="invalid BR = 7082"),
            lambda _rng: message("parameters"),
        ),
    )  # fmt: skip


def ld2410() -> StreamSample:
    """A presence radar that reports ten times a second."""

    def basic(rng: Random) -> bytes:
        sizes = {"state": 3, "moving_energy": 100, "still_energy": 100}
        return ld2410_frames.report({name: rng.randrange(sizes.get(name, 600) + 1) for name in FIELDS_2410})

    def engineering(rng: Random) -> bytes:
        gates = {"max_moving_gate": 8, "max_still_gate": 8, "light": 90, "out_pin": 1}
        energies = {f"{kind}_energies": [rng.randrange(100)] * commands.GATES for kind in ("moving", "still")}
        return ld2410_frames.report(dict.fromkeys(FIELDS_2410, 2), gates | energies)

    return StreamSample(
        way="serial", rate_hz=10, rate_zh="海凌科 LD2410 协议", rate_en="Hi-Link protocol LD2410",
        unchecked=NO_CHECKSUM,
        usual=repeated(basic),
        mix=any_of(basic, engineering, lambda _rng: commands.answer(0x00FE)),
    )  # fmt: skip


def ld2450() -> StreamSample:
    """A tracking radar that reports ten times a second."""

    def target(rng: Random) -> dict[str, int]:
        place = {"x_mm": rng.randrange(-3000, 3000), "y_mm": rng.randrange(200, 6000)}
        return place | {"speed_cm_s": rng.randrange(-99, 99), "resolution_mm": 360}

    return StreamSample(
        way="serial", rate_hz=10, rate_zh="海凌科 LD2450 协议", rate_en="Hi-Link protocol LD2450",
        unchecked=NO_CHECKSUM,
        usual=repeated(lambda rng: ld2450_frames.report([target(rng)])),
        mix=any_of(
            lambda rng: ld2450_frames.report([target(rng) for _ in range(rng.randrange(4))]),
            lambda _rng: commands.answer(0x00FE),
        ),
    )  # fmt: skip


def bci() -> StreamSample:
    """A Berry oximeter; some send 200 a second."""

    def live(rng: Random, **flags: bool) -> bytes:
        said = {"pr": rng.randrange(60, 80), "spo2": rng.randrange(94, 99), "signal": 6, "bar": 7}
        return bci_frames.live({**said, "pleth": rng.randrange(1, 101), **flags})

    return StreamSample(
        way="serial", rate_hz=100, rate_zh="贝瑞 BCI 协议 V1.2", rate_en="Berry BCI protocol V1.2",
        unchecked=NO_CHECKSUM,
        usual=repeated(live),
        mix=any_of(live, live, lambda rng: live(rng, searching=True), lambda rng: live(rng, no_finger=True)),
    )  # fmt: skip


def contec() -> StreamSample:
    """A Contec oximeter."""

    def live(rng: Random, **flags: bool) -> bytes:
        said = {"pr": rng.randrange(60, 80), "spo2": rng.randrange(94, 99), "pi": 3.2, "signal": 4, "bar": 5}
        return contec_frames.live({**said, "pleth": rng.randrange(101), **flags})

    return StreamSample(
        way="serial", rate_hz=60, rate_zh="康泰协议 V7.0", rate_en="Contec protocol V7.0",
        unchecked=NO_CHECKSUM,
        usual=repeated(live),
        mix=any_of(
            *[live] * 17,
            lambda rng: live(rng, probe_error=True),
            lambda _rng: contec_frames.pack(0x04, b"SpO2201"),
            lambda rng: contec_frames.pack(contec_frames.STORED, bytes((97, rng.randrange(60, 90)) * 3)),
        ),
    )  # fmt: skip


def nonin_waves() -> StreamSample:
    """A Nonin OEM III in format 2: 75 frames a second, 25 of which make a packet."""

    def frames(rng: Random, count: int, _start_ns: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < count:
            rate, spo2 = rng.randrange(60, 90), rng.randrange(94, 99)
            said: dict[str, Any] = {"hr": rate, "hr_d": rate, "spo2": spo2, "spo2_d": spo2, "perfusion": "green"}
            packet = nonin_values.packet(said, 2, [rng.randrange(256) for _ in range(nonin_values.PACKET)])
            found += [packet[at : at + 5] for at in range(0, len(packet), 5)]
        return found[:count]

    return StreamSample(
        way="serial 2", rate_hz=75, rate_zh="Nonin OEM III 规格", rate_en="Nonin OEM III specification",
        usual=frames, mix=frames,
    )  # fmt: skip


def nonin_spots() -> StreamSample:
    """A Nonin in format 8, once a second."""

    def spot(rng: Random, **flags: bool) -> bytes:
        return nonin_values.frame_8({"hr": rng.randrange(60, 90), "spo2": rng.randrange(94, 99), **flags})

    return StreamSample(
        way="serial 8", rate_hz=1, rate_zh="Nonin 9560 规格", rate_en="Nonin 9560 specification",
        unchecked="Format 8 has no checksum, only fixed bits.",
        usual=repeated(spot),
        mix=any_of(
            spot, spot,
            lambda rng: spot(rng, low_battery=True),
            lambda _rng: nonin_values.frame_8({"sensor_alarm": True}),
        ),
    )  # fmt: skip


def watch_3g() -> StreamSample:
    """A watch: a heartbeat every 5 minutes, a position every 10, measurements, alarms."""

    def told(content: str, **more: Any) -> bytes:
        return watch_frames.encode("3G", "9032074659", content, **more)

    def place(rng: Random, kind: str, status: int = 0) -> bytes:
        at_ns = 1_790_000_000 * SECOND_NS - rng.randrange(3600) * SECOND_NS
        found = Position(
            fixed=True, latitude=31.2, longitude=rng.uniform(121, 122), device_ns=at_ns, status=status,
            satellites=9, gsm=64, battery=rng.randrange(101), steps=rng.randrange(9000), rolls=0,
        )  # fmt: skip
        return told(f"{kind},{watch_position(found)}")

    return StreamSample(
        way="tcp", rate_hz=1 / 200, rate_zh="心跳 5 分钟、位置 10 分钟", rate_en="heartbeat 5 min, position 10 min",
        unchecked=TCP_CHECKS,
        usual=repeated(lambda rng: told(f"LK,{rng.randrange(9000)},0,{rng.randrange(101)}")),
        mix=any_of(
            lambda rng: told(f"LK,{rng.randrange(9000)},0,{rng.randrange(101)}"),
            lambda rng: place(rng, "UD"),
            lambda rng: place(rng, "UD2"),
            lambda rng: place(rng, "AL", 1 << rng.randrange(16, 23)),
            lambda rng: told(f"heart,{rng.randrange(50, 120)}"),
            lambda rng: told(f"bphrt,{rng.randrange(100, 160)},{rng.randrange(60, 90)},70,,,,"),
            lambda rng: told(f"TEMP,{rng.uniform(35.5, 38):.1f}", index="0007"),
            lambda _rng: told("TKQ"),
        ),
    )  # fmt: skip


def minifinder() -> StreamSample:
    """A pendant that tells its place every minute."""
    imei, when = pendant_items.imei_item("863921031234567"), 1_790_000_000

    def data(rng: Random, *found: tuple[int, bytes]) -> bytes:
        return pendant_frames.encode(pendant_frames.DATA, [imei, *found], rng.randrange(65_536), 0x10)

    def place(rng: Random) -> bytes:
        status = pendant_items.status_item(when - rng.randrange(3600), rng.randrange(101))
        return data(rng, status, pendant_items.fix_item(31.2, rng.uniform(121, 122)))

    def alarm(rng: Random) -> bytes:
        what = rng.choice(("sos", "fall"))
        return data(rng, pendant_items.status_item(when, 90), pendant_items.alarm_item(what, time_s=when))

    def pulse(rng: Random) -> bytes:
        return data(rng, (pendant_items.PULSE, struct.pack("<IB", when, rng.randrange(50, 120))))

    def service(rng: Random) -> bytes:
        return pendant_frames.encode(pendant_frames.SERVICES, [imei, (0x12, b"")], rng.randrange(65_536), 0x10)

    return StreamSample(
        way="tcp", rate_hz=1 / 60, rate_zh=ASSUMED_ZH, rate_en=ASSUMED_EN,
        usual=repeated(place), mix=any_of(place, alarm, pulse, service),
    )  # fmt: skip


def jt808() -> StreamSample:
    """A terminal that tells its place every half minute."""
    number = jt_frames.phone("013912345678")

    def frame(rng: Random, message: int, body: bytes = b"") -> bytes:
        return jt_frames.encode(jt_frames.Frame(message, number, rng.randrange(65_536), body))

    def place(rng: Random, alarm: int = 0) -> bytes:
        return frame(rng, 0x0200, jt_location.encode(jt_location.Location(
            alarm=alarm, status=2, latitude=31.23, longitude=rng.randrange(100, 130) + 0.5,
            device_ns=1_790_000_000 * SECOND_NS, items={0x30: b"\x1c", 0xE4: bytes((1, rng.randrange(101)))},
        )))  # fmt: skip

    return StreamSample(
        way="tcp", rate_hz=1 / 30, rate_zh=ASSUMED_ZH, rate_en=ASSUMED_EN,
        usual=repeated(place),
        mix=any_of(
            place,
            lambda rng: place(rng, 1),
            lambda rng: frame(rng, 0x0002),
            lambda rng: frame(rng, 0x0102, b"token\x7e\x7d"),
        ),
    )  # fmt: skip


def emfit() -> StreamSample:
    """A mat whose page is read every second."""

    def pages(rng: Random, count: int, start_ns: int, announcements: float = 0.0) -> list[bytes]:
        mat, found = EmfitMat(present=True), []
        for second in range(count):
            mat.heart_rate, mat.respiratory_rate = rng.randrange(50, 90), rng.randrange(8, 20)
            mat.present = not announcements or rng.random() < 0.8
            page = mat.page(start_ns + second * SECOND_NS)
            found.append(mat.announcement() if rng.random() < announcements else page)
        return found

    return StreamSample(
        way="http", rate_hz=1, rate_zh="每秒读取一次", rate_en="read every second",
        unchecked=TCP_CHECKS,
        usual=pages, mix=lambda rng, count, start_ns: pages(rng, count, start_ns, 0.1),
    )  # fmt: skip


def modbus_io() -> StreamSample:
    """A module of eight contacts that is asked every second."""

    def answer(rng: Random) -> bytes:
        return modbus_frames.answer(1, 2, [rng.random() < 0.5 for _ in range(8)])

    contacts: dict[str, Any] = {str(n): "help_button" for n in range(1, 8)}
    return StreamSample(
        way="modbus", rate_hz=1, rate_zh="每秒查询一次", rate_en="asked every second",
        options={"inputs": {"0": {"signal": "bed_occupancy", "closed": "in", "open": "left"}, **contacts}},
        usual=repeated(answer),
        mix=any_of(answer, answer, lambda _rng: modbus_frames.exception(1, 2, 6)),
    )  # fmt: skip
