"""The payload: valid by the published schema in every state, complete, and plain."""

import json
from pathlib import Path

import jsonschema
import pytest
from alert_site import S, Site
from sqlalchemy import text

from analytics.findings import Phase
from analytics.first_steps import FIRST_STEPS
from analytics.kinds import KINDS
from gateway.alerts.payload import rfc3339, with_delay
from gateway.channels.base import Accepted

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/schemas/alert.v1.schema.json").read_text())
CHECK = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_event_of_every_kind_fits_the_schema(site: Site, kind: str) -> None:
    evidence = {"score": float("nan"), "model": "v1", "ok": True}
    alert = site.take(kind, evidence=evidence, devices=("w1", "unknown")).alert
    sent = site.send(Accepted())
    site.service.acknowledge(alert.id, "王芳", site.ns)
    sent += site.send(Accepted())
    site.service.cancel(alert.id, "王芳", site.ns)
    sent += site.send(Accepted())
    assert {d.event for d in sent} == {"alert.raised", "alert.updated", "alert.cancelled"}
    for dispatch in sent:
        data = with_delay(dispatch.payload, site.ns, 300)
        CHECK.validate(data)
        assert set(data) == set(SCHEMA["properties"])
        assert data["event"] == dispatch.event
        assert KINDS[kind].zh in data["text"]["zh"]
        assert KINDS[kind].en in data["text"]["en"]


def test_content(site: Site) -> None:
    site.take("fall", Phase.CONFIRMED, evidence={"test": True})
    data = site.claim()[0].payload
    assert data["resident"] == {"id": "r1", "display_name": "李奶奶", "room": "301"}
    assert data["devices"][0] == {
        "id": "w1",
        "name": "手环",
        "family": "yinling_wearable",
        "placement": "worn",
        "room": None,
    }
    assert data["text"] == {
        "zh": "【测试】跌倒：李奶奶（301），2025-01-02 11:04:05，请立即处理",
        "en": "[TEST] Fall: 李奶奶 (301), 2025-01-02 11:04:05, please respond now",
    }
    assert data["times"]["at"] == "2025-01-02T03:04:05.000000000Z"
    assert data["acknowledge_url"] == "https://box.example/api/v1/assist/callback"


def test_a_fault_names_the_device_and_whose_it_is_and_says_what_to_do_first(site: Site) -> None:
    with site.database.write() as session:  # technical alerts go to the contacts of the site
        session.execute(text("UPDATE contacts SET resident_id = NULL"))
    site.take("line_lost", Phase.CONFIRMED)
    data = site.claim()[0].payload
    assert data["text"] == {
        "zh": "设备连线中断：李奶奶（301），手环，2025-01-02 11:04:05，请立即处理",
        "en": "Device line lost: 李奶奶 (301), 手环, 2025-01-02 11:04:05, please respond now",
    }
    assert data["first_step"] == {"zh": FIRST_STEPS["line_lost"].zh, "en": FIRST_STEPS["line_lost"].en}


def test_an_unknown_resident_is_named_by_id_only(site: Site) -> None:
    with site.database.write() as session:
        session.execute(text("UPDATE contacts SET resident_id = NULL"))
    site.take(resident_id="stranger")
    data = site.claim()[0].payload
    assert data["resident"] == {"id": "stranger", "display_name": None, "room": None}
    assert "resident:stranger" in data["text"]["zh"]


def test_what_concerns_the_whole_site_names_it(site: Site) -> None:
    site.take("delivery_failed", resident_id=None, devices=())
    assert site.claim()[0].payload["text"]["zh"].startswith("报警无法送达：测试站，")


def test_times() -> None:
    assert rfc3339(1_735_787_045_000_000_001) == "2025-01-02T03:04:05.000000001Z"
    assert rfc3339(None) is None
    assert with_delay({"at_ns": 10 * S}, 5 * S, 60) == {"at_ns": 10 * S, "delayed": False, "delay_s": 0.0}
    assert with_delay({"at_ns": 0}, 61 * S, 60)["delayed"] is True
