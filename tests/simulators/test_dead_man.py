"""The dead-man's switch of the stand-in 助急 service: silence is an alarm there."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from simulators.assist_journal import Journal
from simulators.assist_service import AssistConfig, running
from simulators.dead_man import HEARTBEAT, DeadMan

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def beat(interval_s: Any = 60, source: str = "urn:home") -> dict[str, Any]:
    data = {"schema": "heartbeat.v1", "interval_s": interval_s}
    return {"specversion": "1.0", "id": "hb", "source": source, "type": HEARTBEAT, "data": data}


def kinds(journal: Journal) -> list[str]:
    return [record["record"] for record in journal.records]


def test_three_missed_heartbeats_are_an_alarm_that_the_next_one_ends() -> None:
    journal = Journal()
    watch = DeadMan(journal)
    watch.heard(beat(), 0.0, 1000.0)
    watch.heard(beat(), 60.0, 1060.0)
    assert watch.look(240.0, 1240.0) == []
    assert watch.look(240.5, 1240.5) == ["urn:home"]
    assert watch.look(900.0, 1900.0) == []
    assert journal.of("silent")[0]["since"] == 1060.0
    assert watch.listed()[0]["silent"]
    watch.heard(beat(), 960.0, 1960.0)
    assert not watch.listed()[0]["silent"]
    assert kinds(journal) == ["watched", "silent", "heard"]


def test_a_site_that_never_spoke_is_not_missed_and_another_interval_is_kept_to() -> None:
    journal = Journal()
    watch = DeadMan(journal)
    assert watch.look(1e6, 1.0) == []
    watch.heard(beat(10), 0.0, 0.0)
    watch.heard(beat(100), 5.0, 5.0)
    assert watch.look(50.0, 50.0) == []
    assert watch.look(305.5, 305.5) == ["urn:home"]


@pytest.mark.parametrize("interval", [None, True, "60", 0, -1, 1e9])
def test_what_does_not_say_how_often_it_comes_is_refused(interval: Any) -> None:
    with pytest.raises(ValueError, match="interval_s"):
        DeadMan(Journal()).heard(beat(interval), 0.0, 0.0)


def test_a_restart_forgets_neither_site_nor_alarm(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    watch = DeadMan(journal)
    watch.heard(beat(source="a"), 0.0, 0.0)
    watch.heard(beat(source="b"), 0.0, 0.0)
    watch.look(200.0, 200.0)
    watch.heard(beat(source="b"), 201.0, 201.0)
    journal.close()
    journal = Journal(tmp_path / "journal")
    again = DeadMan(journal)
    again.resume(5.0)
    assert [(one["source"], one["silent"]) for one in again.listed()] == [("a", True), ("b", False)]
    assert again.look(180.0, 400.0) == []
    assert again.look(186.0, 406.0) == ["b"]
    journal.close()


def test_signed_heartbeats_over_http_are_watched_and_are_no_alerts() -> None:
    async def body() -> None:
        async with running(AssistConfig(SecretStr(SECRET))) as service, httpx.AsyncClient(trust_env=False) as client:

            async def post(event: dict[str, Any], secret: str = SECRET) -> httpx.Response:
                content, now = json.dumps(event), datetime.now(UTC)
                headers = {
                    "webhook-id": "hb",
                    "webhook-timestamp": str(int(now.timestamp())),
                    "webhook-signature": Webhook(secret).sign("hb", now, content),
                }
                return await client.post(service.url, content=content, headers=headers)

            assert (await post(beat())).json() == {"accepted": True, "id": "hb"}
            assert (await post(beat(), "whsec_" + "B" * 44)).status_code == 401
            assert (await post(beat("often"))).status_code == 400
            sites = (await client.get(service.url.replace("/alerts", "/sites"))).json()
            assert [(one["source"], one["silent"]) for one in sites] == [("urn:home", False)]
            assert service.journal.of("event") == []

    asyncio.run(body())
