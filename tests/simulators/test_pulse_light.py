"""A wearable that sends its light sensor's wave: through the wire protocol and the engine its heart rate comes out."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.engine import default_engine
from device_drivers.observations import Quality, Reading, Samples
from device_drivers.yinling_wearable import WearableMessageCodec
from simulators.motion import Activity
from simulators.wearable import WearableModel

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


def test_the_gateway_derives_the_heart_rate_that_the_wearable_does_not_send() -> None:
    model = WearableModel("w1", np.random.default_rng(4), start_ns=T0, pulse_hz=25.0)
    model.do(Activity.LYING)
    model.set_vitals(heart_rate=66.0)
    codec, engine = WearableMessageCodec(), default_engine()
    engine.attach("w1", "zhang")
    derived: list[Reading] = []
    for second in range(1, 61):
        now = T0 + second * SECOND
        for topic, payload in model.due(now):
            found = codec.feed(topic, payload, now)
            assert not [o for o in found if o.signal == "heart_rate"]
            engine.ingest(found)
            derived += engine.derived
        engine.step(now)
    assert codec.health.rejected == {}
    rates = [one.value for one in derived if one.signal == "heart_rate" and one.value is not None]
    assert len(rates) > 15
    assert np.median(rates) == pytest.approx(66, abs=2)
    assert all(one.derived for one in derived)


def test_taken_off_the_wave_has_no_contact() -> None:
    model = WearableModel("w1", np.random.default_rng(4), start_ns=T0, pulse_hz=25.0)
    model.take_off()
    ((topic, payload),) = model.due(T0 + SECOND)
    (wave,) = [o for o in WearableMessageCodec().feed(topic, payload, T0 + SECOND) if o.signal == "pulse_wave"]
    assert isinstance(wave, Samples)
    assert wave.quality is Quality.NO_CONTACT
    assert wave.values.shape == (25, 1)
