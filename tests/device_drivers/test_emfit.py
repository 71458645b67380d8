import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, facts, signature

from device_drivers.codec import StreamCodec
from device_drivers.emfit import DRIVER, EmfitCodec
from device_drivers.emfit.page import Announcement, read_announcement, read_line, write_announcement, write_page
from device_drivers.observations import DeviceEvent, Quality, Reading
from device_drivers.registry import find_driver
from simulators.emfit import EmfitMat

ANNOUNCE = bytes.fromhex("34 A2 D5 83 57 07 00 78 00 08 0E 01 00 03")


def make() -> StreamCodec:
    return EmfitCodec("mat")


def mat(**state: Any) -> EmfitMat:
    return EmfitMat(**{"present": True, "heart_rate": 62, "respiratory_rate": 14.5, **state})


def test_the_announcement() -> None:
    assert facts(make(), ANNOUNCE) == {"serial": "000757", "fw": "t120 v0.8.14", "bootloader": "1.0.3"}
    assert EmfitMat().announcement() == ANNOUNCE
    codec = make()
    codec.feed(ANNOUNCE, NOW)
    assert codec.stated_id == "000757"


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "emfit"]
    assert ours
    assert find_driver("emfit") is DRIVER
    for vector in ours:
        assert vector["decoded"].items() <= facts(make(), bytes.fromhex(vector["data"])).items()


def test_a_page() -> None:
    codec = EmfitCodec("mat", DRIVER.show_all)
    said = facts(codec, mat(activity=120).page(NOW))
    assert (said["bed_occupancy"], said["heart_rate"], said["respiratory_rate"]) == ("in", 62.0, 14.5)
    assert (said["serial"], said["fw"], said["act"], said["ts_r"]) == ("000757", "120.2.2.1", "120", "0")
    assert not codec.rejections


def test_absent_values() -> None:
    codec = make()
    found = codec.feed(EmfitMat(present=False).page(NOW), NOW)
    assert signature(found) == [
        ("bed_occupancy", "left", Quality.GOOD, False),
        ("heart_rate", None, Quality.NO_CONTACT, False),
        ("respiratory_rate", None, Quality.NO_CONTACT, False),
    ]
    page = b"SER=000757<br>\r\nPRES=7<br>\r\nHR= ---<br>\r\nRR=0.0<br>\r\nEND<br>\r\nEND=<br>\r\n"
    assert [one.value for one in make().feed(page, NOW) if isinstance(one, DeviceEvent | Reading)] == [None] * 3


def test_keys_with_punctuation_html_around_and_a_page_without_an_end() -> None:
    page = b'<html><body>\n"SER": =000757,<br>\nPRES : = 1 ,<br/>\nHR, =71<br />\nRR=300<br>\n</body></html>\nFW=x'
    codec = make()
    found = [*codec.feed(page, NOW), *codec.finish(NOW)]
    assert signature(found) == [
        ("bed_occupancy", "in", Quality.GOOD, False),
        ("heart_rate", 71.0, Quality.GOOD, False),
        ("respiratory_rate", None, Quality.OUT_OF_RANGE, False),
    ]
    assert codec.notes[-1].fields == {"serial": "000757", "fw": "x"}
    codec = make()
    twice = codec.feed(b"SER=1<br>HR=60<br>" * 2, NOW)
    assert len(twice) == 1
    assert len(codec.finish(NOW)) == 1
    assert codec.feed(b"<p>nothing here</p>\r\nEND=<br>", NOW) == []


def test_a_stalled_page_says_nothing_and_a_restart_is_noted() -> None:
    codec, device = make(), mat()
    assert len(codec.feed(device.page(NOW), NOW)) == 3
    assert len(codec.feed(device.page(NOW + 2 * SECOND), NOW)) == 3
    device.stalled = True
    assert codec.feed(device.page(NOW + 9 * SECOND), NOW) == []
    device.stalled = False
    device.restart()
    assert len(codec.feed(device.page(NOW + 20 * SECOND), NOW)) == 3
    assert codec.notes[-1].fields == {"restarted": True, "seconds": 0.0}


def test_the_bed_repeats_until_it_changes() -> None:
    codec, device = make(), mat()
    repeats = []
    for second, present in enumerate((True, True, False, False, True)):
        device.present = present
        found = codec.feed(device.page(NOW + second * SECOND), NOW)
        repeats += [one.repeat for one in found if isinstance(one, DeviceEvent)]
    assert repeats == [False, True, False, True, False]


def test_bad_values_and_rubbish_are_counted() -> None:
    codec = make()
    assert codec.feed(b"SER=1<br>HR=fast<br>RR=-<br>END=<br>", NOW) != []
    assert codec.health.rejected == {"value": 1}
    codec.feed(b"x" * 600, NOW)
    assert codec.health.rejected["line"] == 2
    codec.feed(b"junk" + ANNOUNCE + ANNOUNCE[:9], NOW)
    codec.finish(NOW)
    assert codec.health.rejected == {"value": 1, "line": 3, "length": 1}


pages = st.builds(
    EmfitMat,
    serial=st.integers(0, 0xFFFFFF).map("{:06x}".format),
    present=st.booleans(),
    heart_rate=st.none() | st.integers(20, 250),
    respiratory_rate=st.none() | st.integers(10, 600).map(lambda n: n / 10),
    activity=st.integers(0, 9999),
)


@given(pages)
def test_decode_inverts_encode(device: EmfitMat) -> None:
    said = facts(make(), device.page(NOW) + device.announcement())
    assert said["bed_occupancy"] == ("in" if device.present else "left")
    assert (said["heart_rate"], said["respiratory_rate"]) == (device.heart_rate, device.respiratory_rate)
    assert said["serial"] == device.serial


@given(st.binary(min_size=10, max_size=10))
def test_announcements_invert(data: bytes) -> None:
    whole = ANNOUNCE[:4] + data
    assert write_announcement(read_announcement(whole)) == whole


def traffic(rng: random.Random, count: int) -> list[bytes]:
    device = EmfitMat()
    found = []
    for second in range(count):
        device.present = rng.random() < 0.8
        device.heart_rate = rng.choice([None, 55, 71, 180])
        found.append(device.page(NOW + second * SECOND) if rng.random() < 0.9 else device.announcement())
    return found


def test_chunks() -> None:
    rng = random.Random(7)
    check_chunks(make, b"".join(traffic(rng, 40)))
    spoiled = bytearray(b"".join(traffic(rng, 60)))
    for _ in range(200):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    check_chunks(make, bytes(spoiled))
    check_chunks(make, rng.randbytes(4000) + b"<br" * 300)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="14 bytes"):
        write_announcement(Announcement("000757", "t120 v0.8", "1.0.3"))
    assert write_page({"HR": 60}) == b"HR=60<br>\r\nEND=<br>\r\n"
    assert read_line(b"no value") is None
