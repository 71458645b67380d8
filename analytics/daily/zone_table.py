"""The numbers of the safe zones in one place, and which clock says which kind of finding."""

from __future__ import annotations

from typing import NamedTuple


class ZoneRule(NamedTuple):
    """One clock of each tag. setting: the resident's own span; confidence: typical default."""

    name: str
    kind: str
    setting: str
    confidence: float
    begins_zh: str
    begins_en: str


ZONE_RULES: tuple[ZoneRule, ...] = (
    ZoneRule(
        *("zone_left", "zone_left", "zone_delay_min", 0.8),
        "定位牌只在不安全的区域听到（`safe_zones` 以外），也包括随后听不到的时间",
        "the tag is heard in a zone that is not safe (none of `safe_zones`), or was there last and is not heard since",
    ),
    ZoneRule(
        *("not_seen", "not_seen", "unseen_min", 0.6),
        "任何房间都听不到定位牌，家中也没有活动；大门开过则 5 分钟",
        "no room hears the tag and nothing moves at home; after the main door was opened: 5 min",
    ),
    ZoneRule(
        *("tag_apart", "not_worn", "", 0.7),
        "定位牌在不安全的区域，人却在床上：不报老人，只报设备",
        "the tag is in a zone that is not safe while its resident is in bed: equipment, not the person",
    ),
)
BACK_S = 60.0
"""So long in a safe zone ends a finding: who turns round in the doorway does not end it and begin it again."""
BED_AFTER_S = 30.0
"""A bed sensor goes on for some seconds after somebody has left: what it says earlier is not believed."""
DOOR_BEFORE_S = 120.0
"""Main door opened at most so long before the tag was last heard, or any time later: probably gone out."""
DOOR_UNSEEN_MIN = 5.0
HOLE_S = 120.0
"""Neither a step nor an observation for so long: nobody was listening, and silence does not count."""
BATTERY_LOW = 20.0
"""Percent, said beside a finding: a tag may be unheard because of it."""
