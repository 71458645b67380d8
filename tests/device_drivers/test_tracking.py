"""Times of trackers: what a set clock says is passed on as it is; one that was never set says nothing."""

from __future__ import annotations

import pytest

from device_drivers.tracking import FIRST_NS, LAST_NS, SECOND_NS, When, when

NOW = 1_800_000_000 * SECOND_NS


@pytest.mark.parametrize("ahead_s", [0, 8 * 3600, -8 * 3600, -40 * 24 * 3600, 365 * 24 * 3600])
@pytest.mark.parametrize("stored", [True, False])
def test_a_set_clock_is_passed_on_however_wrong(ahead_s: int, *, stored: bool) -> None:
    device_ns = NOW + ahead_s * SECOND_NS
    assert when(device_ns, NOW, stored=stored) == When(device_ns, NOW, stored, str(device_ns // SECOND_NS))


@pytest.mark.parametrize("device_ns", [None, 0, FIRST_NS - 1, LAST_NS])
def test_a_clock_that_was_never_set_says_nothing(device_ns: int | None) -> None:
    assert when(device_ns, NOW) == When(NOW, NOW)
