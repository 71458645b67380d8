"""Recordings as wearables: the same messages however late they are asked for, and none after the end."""

from __future__ import annotations

import numpy as np
import pytest

from device_drivers.yinling_wearable import decode_frame
from simulators.recordings import Recording
from simulators.replay import Played, _Player, messages

START_NS = 1_750_000_000_000_000_000
S = 1_000_000_000


def recording(seconds: float, rate_hz: float = 50.0, full_scale_g: float | None = 4.0) -> Recording:
    accel = np.tile(np.float32([0, 0, 1]), (round(seconds * rate_hz), 1))
    return Recording("made-up", "D01", "S1", "R1", False, "young", "wrist", rate_hz, accel, None, full_scale_g)


@pytest.mark.parametrize("seconds", [3.0, 3.4])
@pytest.mark.parametrize("speed", [1.0, 7.0])
def test_asked_late_it_sends_what_it_would_have_sent_in_time(seconds: float, speed: float) -> None:
    one = recording(seconds)
    punctual = _Player("w", one, START_NS, speed, 1)
    in_time = [m for step in range(1, 500) for m in punctual.due(START_NS + step * S // 50)]
    late = _Player("w", one, START_NS, speed, 1).due(START_NS + 300 * S)
    assert late == in_time
    assert len(late) == np.ceil(seconds)
    assert punctual.due(START_NS + 600 * S) == []


def test_the_same_messages_can_be_made_again() -> None:
    one = recording(4.0, full_scale_g=None)
    player = _Player("w", one, START_NS, 1.0, 5)
    sent = [message for second in range(1, 6) for message in player.due(START_NS + second * S)]
    again = list(messages(Played("w", one, START_NS, 5)))
    assert [(topic, payload) for _, topic, payload in again] == sent
    assert [end_ns for end_ns, _, _ in again] == [START_NS + second * S for second in range(1, 5)]
    accel = decode_frame(sent[0][1]).accel
    assert accel is not None
    assert accel.full_scale == 16.0
