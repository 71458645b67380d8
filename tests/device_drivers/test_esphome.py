import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_fuzz import NOW, SECOND, check

from device_drivers.esphome import DRIVER, EsphomeCodec
from device_drivers.esphome.codec import MAX_ENTITIES
from device_drivers.esphome.meaning import meaning_of
from device_drivers.esphome.template import TemplateError, compile_template
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from device_drivers.topics import TopicFilter
from simulators.esphome import FALL_RADAR, RADAR_60GHZ, EntityModel, EsphomeNode


def said(found: list[Observation]) -> list[tuple[str, str, Any]]:
    return [(one.device_id, one.signal, one.value) for one in found if isinstance(one, DeviceEvent | Reading)]


class Site:
    """A codec, and messages with a running clock."""

    def __init__(self, **options: Any) -> None:
        self.codec = EsphomeCodec(options)
        self.now = NOW

    def feed(self, topic: str, payload: bytes | str, *, retained: bool = False) -> list[Observation]:
        self.now += SECOND
        raw = payload.encode() if isinstance(payload, str) else payload
        return self.codec.feed(topic, raw, self.now, retained=retained)

    def announce(self, topic: str, **config: Any) -> None:
        assert self.feed(f"homeassistant/{topic}/config", json.dumps(config), retained=True) == []


def test_an_announced_radar_node() -> None:
    site = Site()
    node = EsphomeNode("bedroom-radar", RADAR_60GHZ)
    for message in node.discovery():
        assert site.feed(*message[:2], retained=True) == []
    assert [note.fields["signal"] for note in site.codec.notes] == [
        "presence",
        "heart_rate",
        "respiratory_rate",
        "distance",
    ]
    device = "esphome/bedroom-radar"
    for name, value, signal, expected in (
        ("Has target", True, "presence", True),
        ("Real time heart rate", 72, "heart_rate", 72.0),
        ("Real time heart rate", 0, "heart_rate", None),
        ("Real time respiratory rate", None, "respiratory_rate", None),
        ("Distance to detection object", 153.2, "distance", 153.2),
    ):
        assert said(site.feed(*node.state(name, value)[:2])) == [(device, signal, expected)]
    (gone,) = site.feed(*node.status(online=False)[:2])
    assert (gone.device_id, gone.signal) == (device, "online")
    # Taken back, the names alone still say it; a class alone would not.
    for message in node.goodbye():
        site.feed(*message[:2], retained=True)
    assert not site.codec._by_topic
    assert said(site.feed(*node.state("Has target", False)[:2])) == [(device, "presence", False)]


def test_a_fall_radar_and_what_the_broker_kept() -> None:
    site = Site()
    node = EsphomeNode("bath", FALL_RADAR)
    falling = node.state("Falling Information", True)
    (kept,) = site.feed(*falling[:2], retained=True)
    assert isinstance(kept, DeviceEvent)
    assert (kept.signal, kept.value, kept.repeat) == ("fall", True, True)
    assert site.feed(*node.state("Illuminance", 30)[:2], retained=True) == []
    events = [site.feed(*node.state("Falling Information", value)[:2])[0] for value in (True, False, True)]
    assert [one.repeat for one in events if isinstance(one, DeviceEvent)] == [True, False, False]


def test_a_call_button_is_news_each_time_but_not_when_retained() -> None:
    site = Site()
    node = EsphomeNode("sos", (EntityModel("binary_sensor", "SOS button"),))
    assert site.feed(*node.state("SOS button", True)[:2], retained=True) == []
    found = [site.feed(*node.state("SOS button", value)[:2])[0] for value in (True, True, False, True)]
    assert [(one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)] == [
        (True, False),
        (True, False),
        (False, False),
        (True, False),
    ]


def test_readings_absent_words_and_bad_text() -> None:
    site = Site()
    topic = "node/sensor/heart_rate/state"
    for text in ("nan", "", "unknown", "unavailable", "None"):
        (one,) = site.feed(topic, text)
        assert isinstance(one, Reading)
        assert (one.value, one.quality) == (None, Quality.INVALID)
    (zero,) = site.feed(topic, "0.0")
    assert isinstance(zero, Reading)
    assert zero.quality is Quality.NO_CONTACT
    for text in ("fast", "inf", "1e99999", "0x10"):
        assert site.feed(topic, text) == []
    assert site.feed("node/binary_sensor/fall/state", "maybe") == []
    assert site.codec.health.rejected == {"value": 5}
    (unknown,) = site.feed("node/binary_sensor/fall/state", "unavailable")
    assert isinstance(unknown, DeviceEvent)
    assert (unknown.value, unknown.quality) == (None, Quality.INVALID)
    assert site.feed("node/binary_sensor/fall/state", b"x" * 70_000) == []
    assert site.codec.health.rejected["too_large"] == 1


def test_what_nothing_tells_the_meaning_of_is_noted_once() -> None:
    site = Site()
    for _ in range(2):
        assert site.feed("node/binary_sensor/gpio_4/state", "ON") == []
        assert site.feed("node/switch/relay/state", "ON") == []
        assert site.feed("mains/a/b/power", "ON") == []
    assert [note.fields["entity"] for note in site.codec.notes] == ["binary_sensor/gpio_4"]


def test_overrides() -> None:
    site = Site(signals={"node/binary_sensor/gpio_4/state": "help_button", "node/sensor/heart_rate/state": ""})
    assert said(site.feed("node/binary_sensor/gpio_4/state", "ON")) == [("esphome/node", "help_button", True)]
    assert site.feed("node/sensor/heart_rate/state", "60") == []
    site = Site(signals={"uid1": "bed_occupancy", "uid2": "", "uid3": "smoke"})
    for number, component in ((1, "binary_sensor"), (2, "binary_sensor"), (3, "sensor")):
        site.announce(f"{component}/x{number}", unique_id=f"uid{number}", state_topic=f"t/{number}", name="smoke")
    assert said(site.feed("t/1", "ON")) == [("ha/uid1", "bed_occupancy", "in")]
    assert site.feed("t/2", "ON") == site.feed("t/3", "ON") == []


def test_discovery_of_another_integrator_with_templates_and_short_keys() -> None:
    site = Site()
    site.announce(
        "sensor/0x0017/temperature",
        **{
            "~": "lab/0x0017",
            "stat_t": "~",
            "val_tpl": "{{ value_json.temperature }}",
            "dev_cla": "temperature",
            "unit_of_meas": "°F",
            "uniq_id": "0x0017_temperature",
            "dev": {"ids": ["lab_0x0017"], "name": "thermometer"},
            "avty": [{"t": "lab/bridge", "val_tpl": "{{ value_json.state }}"}, {"t": "lab/0x0017/availability"}],
        },
    )
    site.announce(
        "binary_sensor/0x0017/contact",
        state_topic="lab/0x0017",
        value_template="{{ value_json['contact'] | default(false) }}",
        device_class="door",
        payload_on=False,
        payload_off=True,
        device={"identifiers": ["lab_0x0017"]},
    )
    assert site.codec.casual_subscriptions()[2:] == ["lab/0x0017", "lab/bridge", "lab/0x0017/availability"]
    device = "ha/lab_0x0017"
    assert said(site.feed("lab/0x0017", '{"temperature": 68, "contact": false}')) == [
        (device, "room_temperature", 20.0),
        (device, "door", "open"),
    ]
    assert said(site.feed("lab/0x0017", '{"contact": true}')) == [(device, "door", "closed")]
    assert site.feed("lab/0x0017", '{"temperature": null, "contact": [1]}') == []
    assert said(site.feed("lab/bridge", '{"state": "offline"}')) == [(device, "online", False)]
    assert said(site.feed("lab/0x0017/availability", "online")) == [(device, "online", True)]
    assert site.feed("lab/0x0017/availability", "asleep") == []
    assert site.feed("lab/0x0017", "{") == []
    assert site.codec.health.rejected == {"json": 1}


def test_a_whole_device_and_event_entities() -> None:
    site = Site()
    site.announce(
        "device/pendant",
        dev={"cns": [["mac", "02:5b:26:a8:dc:12"]]},
        o={"name": "bla2mqtt"},
        cmps={
            "call": {"p": "event", "name": "SOS", "stat_t": "p/call", "event_types": ["press"]},
            "key": {"p": "event", "dev_cla": "button", "stat_t": "p/key", "val_tpl": "{{ value_json }}"},
            "volt": {
                "p": "sensor",
                "dev_cla": "voltage",
                "name": "Battery voltage",
                "unit_of_meas": "V",
                "stat_t": "p/v",
            },
        },
        avty_t="p/alive",
        pl_avail="1",
        pl_not_avail="0",
    )
    device = "ha/02:5b:26:a8:dc:12"
    assert said(site.feed("p/call", '{"event_type":"press"}')) == [(device, "help_button", True)]
    assert site.feed("p/call", '{"event_type":"press"}', retained=True) == []
    assert said(site.feed("p/v", "3.01")) == [(device, "battery_voltage", 3010.0)]
    assert said(site.feed("p/alive", "0")) == [(device, "online", False)]
    assert site.feed("p/key", '"x"') != []
    plain = Site()
    plain.announce("event/a/b", state_topic="b/key", device_class="button", unique_id="u")
    words = [said(plain.feed("b/key", text))[0][2] for text in ("press", '{"event_type":"hold"}', "shake")]
    assert words == ["single", "hold", "other"]


def test_our_own_announcements_and_those_of_other_drivers_are_not_read() -> None:
    for origin in ("Yinling", "Zigbee2MQTT"):
        site = Site()
        site.announce("sensor/a/b", state_topic="s", device_class="temperature", origin={"name": origin})
        assert not site.codec._entities
    site = Site(ignore_origins=[])
    site.announce("sensor/a/b", state_topic="s", device_class="temperature", o={"name": "Zigbee2MQTT"})
    assert site.codec._entities


def test_odd_discovery_messages() -> None:
    site = Site()
    assert site.feed("homeassistant/status", "online") == []
    for payload in ("[]", "{", '{"device": {"ids": ["\\n"]}}'):
        assert site.feed("homeassistant/sensor/a/config", payload) == []
    for payload in ("{}", '{"cmps": {"a": 5}}'):
        assert site.feed("homeassistant/device/a/config", payload) == []
    assert sum(site.codec.health.rejected.values()) == 5
    site.announce("sensor/c", state_topic="a/#", device_class="temperature")
    site.announce("sensor/d", device_class="temperature")
    site.announce("camera/e", state_topic="e")
    site.announce(
        "sensor/f", state_topic="f", device_class="temperature", value_template="{{ (value|float * 9 / 5) }}",
        availability=[5, {"topic": "f/alive", "value_template": "{% if value %}x{% endif %}"}],
        device={"connections": [5]},
    )  # fmt: skip
    assert site.feed("e", "1") == site.feed("f", "20") == []
    assert site.codec.notes[-1].fields["problem"].startswith("template")
    assert not site.codec._by_topic
    site.announce("sensor/g", state_topic="~/x", **{"~": "base"}, name="heart rate")
    site.announce("sensor/h", state_topic="x/~", **{"~": "base"}, name="heart rate")
    assert set(site.codec._by_topic) == {"base/x", "x/base"}


def test_two_entities_on_one_topic_and_one_taken_back() -> None:
    site = Site()
    for name in ("a", "b"):
        site.announce(f"sensor/{name}", state_topic="s", device_class="temperature", unique_id=name)
    assert len(site.feed("s", "20")) == 2
    site.feed("homeassistant/sensor/a/config", b"")
    assert said(site.feed("s", "20")) == [("ha/b", "room_temperature", 20.0)]
    site.announce("sensor/b", state_topic="t", device_class="temperature", unique_id="b")
    assert site.feed("s", "20") == []
    assert len(site.feed("t", "20")) == 1


def test_names_that_are_the_same_when_cut_short_are_one_entity() -> None:
    site = Site()
    parts = {"x" * 80 + end: {"p": "sensor", "stat_t": "s", "dev_cla": "temperature"} for end in "ab"}
    site.announce("device/a", cmps=parts, dev={"ids": "d"})
    assert len(site.feed("s", "20")) == 1
    assert site.feed("homeassistant/device/a/config", b"") == site.feed("s", "20") == []


def test_discovered_entities_are_bounded() -> None:
    site = Site()
    for number in range(MAX_ENTITIES + 20):
        site.announce(f"sensor/{number}", state_topic=f"s/{number}", device_class="temperature")
    assert len(site.codec._entities) == len(site.codec._by_topic) == len(site.codec._places) == MAX_ENTITIES


@pytest.mark.parametrize(
    ("component", "names", "device_class", "unit", "signal"),
    [
        ("binary_sensor", ("in_bed", ""), "", None, None),
        ("binary_sensor", ("bed_occupancy", ""), "occupancy", None, "bed_occupancy"),
        ("binary_sensor", ("rainfall", ""), "moisture", None, "water_leak"),
        ("binary_sensor", ("fall_detection_enabled", ""), "", None, None),
        ("binary_sensor", ("x", "卧室跌倒"), "", None, "fall"),
        ("binary_sensor", ("pir", ""), "motion", None, "occupancy"),
        ("binary_sensor", ("leak", "problem"), "problem", None, "device_fault"),
        ("sensor", ("body_temperature", ""), "temperature", "°C", "body_temperature"),
        ("sensor", ("x", "老人心率"), "", "bpm", "heart_rate"),
        ("sensor", ("moving_distance", ""), "", "cm", None),
        ("sensor", ("target_number", ""), "", None, None),
        ("sensor", ("heart_rate", ""), "", "kg", None),
        ("sensor", ("supply", ""), "voltage", "V", None),
        ("sensor", ("wifi", ""), "signal_strength", "dBm", "signal_strength"),
        ("event", ("emergency", ""), "button", None, "help_button"),
    ],
)
def test_which_signal_an_entity_is(
    component: str, names: tuple[str, ...], device_class: str, unit: str | None, signal: str | None
) -> None:
    found = meaning_of(component, names, device_class, unit)
    if names[0] == "in_bed":
        signal = "bed_occupancy"
    assert (found.signal.name if found else None) == signal


def test_problem_words() -> None:
    site = Site()
    site.announce("binary_sensor/a", state_topic="p", device_class="problem", unique_id="u")
    assert [said(site.feed("p", text))[0][2] for text in ("ON", "OFF")] == ["other", "none"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (None, None),
        ("", None),
        ("{{ value }}", None),
        ("{{ value | float(0) | round(1) }}", None),
        ("{{value_json.a.b}}", "a.b"),
        ("{{ value_json['AM2301'].Temperature }}", '["AM2301"].Temperature'),
        ("{{- value_json.x[0] -}}", "x[0]"),
    ],
)
def test_templates(text: str | None, path: str | None) -> None:
    found = compile_template(text)
    assert (found.text.lstrip(".") if found else None) == path


@pytest.mark.parametrize(
    "text",
    [
        "{{ value + 1 }}",
        "{{ value_json.a + 1 }}",
        "{{ value_json.a-b }}",
        "{% if value %}1{% endif %}",
        "{{ value | multiply(2) }}",
        "x",
        "{{ value.x }}",
    ],
)
def test_templates_that_compute_are_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text)


INNER_KEYS = st.sampled_from(["ids", "p", "t", "stat_t"])
CONFIG_KEYS = st.sampled_from(["stat_t", "state_topic", "dev", "cmps", "~", "val_tpl", "avty", "name"])
ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["s", "heart rate", "sensor"])
trees = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(INNER_KEYS, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(CONFIG_KEYS, trees))
def test_any_discovery_is_survived(config: dict[str, Any]) -> None:
    site = Site()
    for place in ("sensor/a", "binary_sensor/a/b", "device/c"):
        site.feed(f"homeassistant/{place}/config", json.dumps(config), retained=True)
    for topic in list(site.codec._by_topic):
        check(site.feed(topic, "70"), DRIVER.signals)
    for one in site.codec.casual_subscriptions():
        TopicFilter(one)


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": ""},
        {"prefix": "a/"},
        {"nodes": "a"},
        {"nodes": ["a/+"]},
        {"signals": {"a": "pulse"}},
        {"signals": {"a": "accel"}},
        {"signals": []},
        {"ignore_origins": [5]},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is "):
        EsphomeCodec(options)


def test_nodes_with_a_slash_and_the_driver() -> None:
    site = Site(nodes=["floor2/bed"], prefix="ha")
    assert site.codec.subscriptions() == ["+/+/+/state", "+/status", "floor2/bed/+/+/state", "floor2/bed/status"]
    assert site.codec.casual_subscriptions() == ["ha/+/+/config", "ha/+/+/+/config"]
    assert said(site.feed("floor2/bed/status", "online")) == [("esphome/floor2/bed", "online", True)]
    assert said(site.feed("floor2/bed/sensor/spo2/state", "97")) == [("esphome/floor2/bed", "spo2", 97.0)]
    assert find_driver("esphome") is find_driver("home_assistant") is DRIVER
    assert set(DRIVER.signals) <= set(SIGNALS)
    assert DRIVER.account_topics is not None
    assert DRIVER.account_topics("esphome/n")[0] == ("n/#", "homeassistant/+/n/#")
