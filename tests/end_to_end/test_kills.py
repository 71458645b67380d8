"""Nothing that a device delivered with QoS 1 is lost, whatever is killed and whenever."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from chaos import Chaos

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("YINLING_KILLS", "6"))


@pytest.mark.slow
def test_random_kills_lose_no_emergency_and_make_none_twice(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, buttons=KILLS * 2, wearers=max(4, KILLS // 2), seed=KILLS)
    outcome = asyncio.run(chaos.run(KILLS, (1.0, 7.0)))
    delays = sorted(outcome.delays_s)
    print(
        f"kills {outcome.kills}; {len(outcome.emergencies)} emergencies, {outcome.deliveries} deliveries, "
        f"{outcome.repeated_deliveries} repeated with the same key; delay median {delays[len(delays) // 2]:.1f} s, "
        f"worst {delays[-1]:.1f} s"
    )
    assert sum(outcome.kills.values()) == KILLS
    assert all(one.known_to_broker for one in outcome.emergencies)
    assert outcome.lost == []
    assert outcome.doubled == []
    assert len(outcome.delays_s) == len(outcome.emergencies)
    assert outcome.audit_intact
