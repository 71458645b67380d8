"""Health, readiness and the numbers for Prometheus."""

import re

import pytest
from api_site import NOW, SECOND, ApiSite
from prometheus_client.parser import text_string_to_metric_families

from device_drivers.observations import DeviceEvent, Reading
from gateway.api.health import STALLED_S, Turning
from gateway.api.scopes import Role
from gateway.context import HealthItem


def test_the_state_of_every_part(site: ApiSite) -> None:
    answer = site.get("/api/v1/health", Role.OPERATOR).json()
    assert answer["ok"] is True
    assert answer["at"]["ns"] == NOW
    part = {"name": "broker", "ok": True, "text": {"zh": "正常", "en": "is well"}, "numbers": {"starts": 1.0}}
    assert answer["parts"] == [part]
    site.parts.append(HealthItem("store", False, "写不进", "cannot be written", {}))
    assert site.get("/api/v1/health", Role.OPERATOR).json()["ok"] is False


def test_ready_while_the_pipeline_turns(site: ApiSite) -> None:
    assert site.get("/health/ready", None).status_code == 200
    site.monotonic_s += STALLED_S + 1
    stalled = site.get("/health/ready", None)
    assert (stalled.status_code, stalled.json()) == (503, {"status": "not ready"})
    site.runner.run(site.pipeline.turn())
    assert site.get("/health/ready", None).status_code == 200


def test_not_ready_without_the_database(site: ApiSite) -> None:
    site.database.close()
    path = site.database.path
    moved = path.rename(path.with_name("away"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.mkdir()
    try:
        assert site.get("/health/ready", None).status_code == 503
    finally:
        path.rmdir()
        moved.rename(path)


def test_a_counter_that_stands_still() -> None:
    turning = Turning()
    assert turning.goes_on(5, 0.0)
    assert turning.goes_on(5, STALLED_S)
    assert not turning.goes_on(5, STALLED_S + 0.1)
    assert turning.goes_on(6, 100.0)


def test_numbers_for_prometheus(site: ApiSite) -> None:
    site.fall()
    site.store.append([Reading("w1", "heart_rate", 70.0, NOW, NOW)], [], {"w1": "r1"})
    site.store.flush()
    site.pipeline.offer([DeviceEvent("w1", "door", "open", NOW, NOW - SECOND // 5)], None)
    site.runner.run(site.pipeline.turn())
    answer = site.get("/metrics", Role.INTEGRATOR)
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    alert = (("kind", "fall"), ("priority", "high"), ("state", "raised"), ("test", "false"))
    expected = {
        ("yinling_alerts_open", *alert): 1.0,
        ("yinling_alert_takes_total", ("taken", "opened")): 1.0,
        ("yinling_outbox_messages", ("state", "pending")): 2.0,
        ("yinling_part_up", ("part", "broker")): 1.0,
        ("yinling_part_number", ("number", "starts"), ("part", "broker")): 1.0,
        ("yinling_observations_total",): 1.0,
        ("yinling_pipeline_steps_total",): 1.0,
        ("yinling_store_up",): 1.0,
        ("yinling_store_rows_total",): 1.0,
        ("yinling_store_last_flush_timestamp_seconds",): NOW / 1e9,
        ("yinling_devices_heard",): 1.0,
        ("yinling_latency_seconds_bucket", ("le", "0.15")): 0.0,
        ("yinling_latency_seconds_bucket", ("le", "0.2")): 1.0,
        ("yinling_latency_seconds_bucket", ("le", "+Inf")): 1.0,
        ("yinling_latency_seconds_sum",): 0.2,
        ("yinling_latency_quantile_seconds", ("quantile", "0.99")): 0.2,
    }
    assert {name: found.get(name) for name in expected} == pytest.approx(expected)
    assert not re.search("李|r1|w1", answer.text)


def test_a_fresh_gateway_has_numbers_too(site: ApiSite) -> None:
    text = site.get("/metrics").text
    assert 'yinling_latency_seconds_bucket{le="+Inf"} 0.0' in text
    assert "yinling_latency_quantile_seconds{" not in text
    assert "yinling_store_last_flush" not in text
