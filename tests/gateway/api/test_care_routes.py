"""A resident's settings over HTTP: read, replaced, refused, audited, in force."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_site import ApiSite

from analytics.care import Care
from analytics.limit_table import Override
from gateway.care import PREFIX, care_of, read_care

PATH = "/api/v1/residents/r1/care"


def test_the_usual_settings_then_ours(site: ApiSite) -> None:
    usual = site.get(PATH).json()
    assert usual["bed_return_min"] == 30.0
    assert site.audit(1)[0].action == "resident.care_read"
    wanted = {"limits": {"heart_rate_low": {"limit": 35}}, "dementia": True, "bed_return_min": 15.0}
    wanted["safe_zones"] = ["hall", "活动室"]
    answer = site.call("PUT", PATH, json=wanted)
    assert answer.status_code == 200, answer.text
    own = {"limit": 35.0, "clear": None, "delay_s": None, "enabled": True}
    assert answer.json() == {**usual, **wanted, "limits": {"heart_rate_low": own}}
    assert site.get(PATH).json() == answer.json()
    assert site.changes == 1
    expected = Care(limits={"heart_rate_low": Override(limit=35.0)}, dementia=True, bed_return_min=15.0)
    expected = replace(expected, safe_zones=("hall", "活动室"))
    assert read_care(site.registry) == {"r1": expected}


@pytest.mark.parametrize(
    "body",
    [
        {"spo2_scale": 3},
        {"safe_zones": "hall"},
        {"safe_zones": [" "]},
        {"safe_zones": [str(i) for i in range(40)]},
        {"limits": {"heart": {}}},
        {"limits": {"heart_rate_low": {"limit": 50, "clear": 40}}},
        {"bed_return_min": 50_000},
        {"bed_return_min": -1},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_is_refused(site: ApiSite, body: dict[str, Any]) -> None:
    assert site.call("PUT", PATH, json=body).status_code == 422
    assert care_of(site.registry, "r1") == Care()
    assert site.changes == 0


def test_nobody_has_no_settings(site: ApiSite) -> None:
    assert site.get("/api/v1/residents/nobody/care").status_code == 404
    assert site.call("PUT", "/api/v1/residents/nobody/care", json={}).status_code == 404


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"spo2_scale": 9}', '{"limits": {"gone_rule": {}}}'])
def test_settings_that_cannot_be_read_are_the_usual_ones(site: ApiSite, text: str) -> None:
    site.registry.put_setting(PREFIX + "r1", text, by="test", now_ns=1)
    assert care_of(site.registry, "r1") == Care()
    assert read_care(site.registry) == {}
