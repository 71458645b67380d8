import pytest

from device_drivers.micradar import MicradarCodec, frames
from device_drivers.micradar.fields import FieldError
from device_drivers.observations import DeviceEvent, Observation, Quality, Samples
from simulators.radar import BED_MODEL, FALL_MODEL, RadarDevice

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


def said(found: list[Observation]) -> list[tuple[str, object, bool]]:
    return [(one.signal, one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)]


class Line:
    """The radar and the driver at the two ends of a line without a cable."""

    def __init__(self, model: str) -> None:
        self.radar = RadarDevice(model)
        self.codec = MicradarCodec("radar")
        self.second = 0

    def run(self, seconds: int) -> list[Observation]:
        found = []
        for _ in range(seconds):
            self.second += 1
            now = NOW + self.second * SECOND
            answers = self.radar.feed(self.codec.poll(now))
            found += self.codec.feed(self.radar.tick(now) + answers, now)
        return found

    def open(self) -> list[Observation]:
        self.radar.tick(NOW)
        return self.codec.feed(self.radar.feed(self.codec.on_open()), NOW)


def test_the_driver_learns_the_state_on_open() -> None:
    line = Line(FALL_MODEL)
    line.radar.set_fall(True)
    line.radar.set_presence(True)
    found = line.open()
    assert said(found) == [
        ("fall", True, True),
        ("static_stay", False, True),
        ("presence", True, True),
        ("motion", "active", True),
    ]
    identity = [dict(note.fields) for note in line.codec.notes if note.kind == "identity"]
    assert identity == [{"product_model": "R60AFD1"}, {"firmware": "G60FD1SYv010104"}]


def test_changes_are_reported_once() -> None:
    line = Line(FALL_MODEL)
    line.open()
    line.radar.set_presence(True)
    line.radar.set_fall(True)
    line.radar.set_fall(True)
    line.radar.set_static_stay(True)
    line.radar.set_in_range(True)
    events = said(line.run(1))
    assert events == [
        ("presence", True, False),
        ("motion", "active", False),
        ("fall", True, False),
        ("static_stay", True, False),
        ("in_range", True, False),
    ]
    assert said(line.run(5)) == []
    repeats = said(line.run(60))
    assert ("fall", True, True) in repeats
    assert all(repeat for _, _, repeat in repeats)


def test_a_fall_whose_report_was_lost_is_found_by_the_poll() -> None:
    line = Line(FALL_MODEL)
    line.open()
    line.radar.set_fall(True)
    line.radar.tick(NOW + SECOND)  # into the void
    falls = [event for event in said(line.run(46)) if event[0] == "fall"]
    assert falls == [("fall", True, False)]


def test_bedside_radar_gives_vitals_in_the_manuals_periods() -> None:
    line = Line(BED_MODEL)
    line.open()
    radar = line.radar
    radar.set_presence(True, "still")
    radar.set_bed("in")
    radar.set_sleep("light")
    radar.set_heart(62)
    radar.set_breathing(14)
    radar.set_waves((1, 2, 3, 4, 5), (-1, -2, -3, -4, -5))
    radar.set_position(10, -20, 30, distance=80)
    found = line.run(600)
    count = {name: sum(one.signal == name for one in found) for name in ("heart_rate", "breath_wave", "position_x")}
    assert count == {"heart_rate": 200, "breath_wave": 600, "position_x": 300}
    values = {one.signal: one.value for one in found if not isinstance(one, Samples)}
    expected = {"bed_occupancy": "in", "sleep_state": "light", "heart_rate": 62, "mean_respiratory_rate": 14}
    assert (expected | {"position_y": -20, "distance": 80, "respiration_state": "normal"}).items() <= values.items()
    assert not line.codec.rejections


def test_no_lock_and_breathing_states() -> None:
    line = Line(BED_MODEL)
    line.open()
    line.radar.set_presence(True)
    absent = [one for one in line.run(3) if one.signal == "heart_rate"]
    assert [(one.quality, one.value) for one in absent if not isinstance(one, Samples)] == [(Quality.NO_CONTACT, None)]
    for rate, state in ((8, "low"), (30, "high"), (None, "none"), (16, "normal")):
        line.radar.set_breathing(rate)
        assert ("respiration_state", state, False) in said(line.run(1))


def test_stopped_streams_come_back_by_the_drivers_own_care() -> None:
    line = Line(BED_MODEL)
    line.open()
    line.radar.set_presence(True, "still")
    line.radar.set_heart(70)
    line.run(10)
    line.radar.stop_streams()
    quiet = line.run(14)
    assert not any(one.signal == "heart_rate" for one in quiet)
    assert any(one.signal == "heart_rate" for one in line.run(8))
    assert {"heart_switch": True} in [dict(note.fields) for note in line.codec.notes if note.kind == "ack"]


def test_settings_are_kept_echoed_and_answered() -> None:
    radar = RadarDevice(FALL_MODEL)
    setting = frames.report("install height", install_height_cm=250)
    assert radar.feed(setting) == setting
    assert radar.feed(frames.query("install height")) == frames.answer("install height", install_height_cm=250)
    assert radar.received[0] == setting


def test_what_it_does_not_know_it_does_not_answer() -> None:
    radar = RadarDevice(FALL_MODEL)
    broken = bytes.fromhex("53 59 80 81 00 01 00 7D 54 43")
    for data in (
        broken,
        frames.query("heart rate"),  # not this model's
        frames.query("scene"),  # never set
        frames.frame(0x80, 0x7E, b"\x0f"),
        frames.frame(0x80, 0x81, b"\x01"),
        frames.frame(0x06, 0x02, b"\x01"),
        frames.report("fall", fall=True),
        frames.frame(0x83, 0x00, b"\x07"),
    ):
        assert radar.feed(data) == b""
    assert radar.feed(frames.query("fall")[:4]) == b""
    assert radar.feed(frames.query("fall")[4:]) == frames.answer("fall", fall=False)


def test_bad_use_is_refused_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="unknown model"):
        RadarDevice("R2D2")
    radar = RadarDevice(BED_MODEL)
    with pytest.raises(FieldError):
        radar.set_bed("under")
    assert radar.state.bed == "none"
    radar.send("fault", device_fault="hardware")
    assert frames.report("fault", device_fault="hardware") in radar.tick(NOW)


def test_a_jump_of_the_clock_brings_no_flood() -> None:
    radar = RadarDevice(BED_MODEL)
    radar.set_presence(True)
    radar.tick(NOW)
    assert len(radar.tick(NOW + 10 * 86_400 * SECOND)) < 200
    assert len(radar.tick(NOW)) < 200
    assert len(radar.tick(NOW + SECOND)) > 20
