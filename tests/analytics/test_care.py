"""The settings of one resident: what is taken, what is refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from analytics.care import USUAL, Care, CareError, care_from
from analytics.limit_table import Override


def test_plain_and_back() -> None:
    care = Care(limits={"heart_rate_low": Override(limit=35.0)}, spo2_scale=2, dementia=True, bed_return_min=10)
    assert care_from(asdict(care)) == care
    assert care_from({}) == USUAL
    assert care_from({"safe_zones": ["hall", "gate"]}).safe_zones == ("hall", "gate")


@pytest.mark.parametrize(
    ("plain", "name"),
    [
        ({"bed": 1}, "bed"),
        ({"spo2_scale": 3}, "spo2_scale"),
        ({"dementia": 1}, "dementia"),
        ({"bed_return_min": -1}, "bed_return_min"),
        ({"bed_return_min": "ten"}, "bed_return_min"),
        ({"bed_return_min": float("nan")}, "bed_return_min"),
        ({"night_from_min": 2000}, "night_from_min"),
        ({"back_by_min": -2}, "back_by_min"),
        ({"limits": []}, "limits"),
        ({"safe_zones": "hall"}, "safe_zones"),
        ({"safe_zones": [""]}, "safe_zones"),
        ({"safe_zones": [3]}, "safe_zones"),
        ({"limits": {"heart": {}}}, "limits"),
        ({"limits": {"heart_rate_low": 3}}, "limits.heart_rate_low"),
        ({"limits": {"heart_rate_low": {"lim": 3}}}, "limits.heart_rate_low"),
        ({"limits": {"heart_rate_low": {"limit": "x"}}}, "limits.heart_rate_low.limit"),
        ({"limits": {"heart_rate_low": {"enabled": 1}}}, "limits.heart_rate_low.enabled"),
        ({"limits": {"heart_rate_low": {"limit": 50, "clear": 40}}}, "limits.heart_rate_low"),
    ],
)
def test_what_cannot_be_is_refused_by_name(plain: dict[str, Any], name: str) -> None:
    with pytest.raises(CareError) as refused:
        care_from(plain)
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("begin", "end", "minute", "night"),
    [
        (1320, 360, 1320, True),
        (1320, 360, 359, True),
        (1320, 360, 360, False),
        (0, 300, 299, True),
        (0, 300, 300, False),
    ],
)
def test_the_night(begin: int, end: int, minute: int, night: bool) -> None:
    assert Care(night_from_min=begin, night_to_min=end).is_night(minute) is night
