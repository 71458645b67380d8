"""Self-diagnosis on real folders, ports and sockets: what is wrong is found, and each finding says how to mend it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import settings_from
from gateway.database import open_database
from gateway.doctor import BUILT_NS, Check, Verdict, examine
from gateway.registry import Contact, Registry

if TYPE_CHECKING:
    from pathlib import Path

NOW = BUILT_NS + 10**18


def checks(folder: Path, now_ns: int = NOW, **tree: Any) -> dict[str, Check]:
    found = examine(settings_from(tree, folder), clock=lambda: now_ns)
    return {check.name: check for check in found}


def test_a_fresh_box_has_nothing_that_must_be_mended(tmp_path: Path) -> None:
    found = checks(tmp_path)
    assert [c.name for c in found.values() if c.verdict is Verdict.FAIL] == []
    assert found["database"].verdict is Verdict.WARN
    assert found["assist"].verdict is Verdict.WARN


def test_everything_wrong_says_in_both_languages_what_to_do(tmp_path: Path, free_port: int) -> None:
    found = checks(
        tmp_path,
        now_ns=0,
        mqtt={"embedded": False, "port": free_port, "families": ["nonsense"], "password": {"file": "no.secret"}},
        serial=[{"url": str(tmp_path / "absent"), "family": "micradar", "device_id": "radar"}],
        assist={
            "url": f"http://127.0.0.1:{free_port}/x",
            "secrets": [{"env": "YINLING_ABSENT"}],
            "callback_secret": {"file": "c"},
        },
        influx={"url": f"http://127.0.0.1:{free_port}", "token": {"file": "t"}},
        channels={"group": {"type": "wecom", "token": {"file": "absent"}}},
        api={"host": "0.0.0.0"},
    )
    failed = {name for name, check in found.items() if check.verdict is Verdict.FAIL}
    assert {"clock", "broker", "driver:nonsense", "serial:radar", "assist", "influx", "mqtt.password"} <= failed
    assert "channels.group.token" in failed
    assert found["api.host"].verdict is Verdict.WARN
    for check in found.values():
        if check.verdict is not Verdict.OK:
            assert check.fix_zh
            assert check.fix_en
        assert check.zh
        assert check.en


def test_what_works_is_found_to_work(tmp_path: Path) -> None:
    open_database(tmp_path / "gateway.sqlite").close()
    secret = tmp_path / "s"
    secret.write_text("x", encoding="utf-8")
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = checks(
            tmp_path,
            data_directory=".",
            mqtt={"embedded": False, "port": port},
            serial=[
                {"url": "socket://127.0.0.1:1", "family": "micradar", "device_id": "far"},
                {"url": os.devnull, "family": "micradar", "device_id": "near"},
            ],
            assist={"url": f"http://127.0.0.1:{port}", "secrets": [{"file": "s"}], "callback_secret": {"file": "s"}},
        )
    assert {name: c.verdict for name, c in found.items() if c.verdict is not Verdict.OK} == {}


def test_a_secret_that_others_can_read_and_a_damaged_database_are_found(tmp_path: Path) -> None:
    secret = tmp_path / "s"
    secret.write_text("x", encoding="utf-8")
    secret.chmod(0o644)
    (tmp_path / "gateway.sqlite").write_bytes(b"this is no database at all" * 100)
    found = checks(tmp_path, data_directory=".", influx={"url": "http://127.0.0.1:9", "token": {"file": "s"}})
    assert found["influx.token"].verdict is Verdict.WARN
    assert found["database"].verdict is Verdict.FAIL


def test_a_full_disk_and_a_missing_broker_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.doctor.MIN_FREE_BYTES", 10**18)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checks(tmp_path)
    assert found["disk"].verdict is Verdict.FAIL
    assert found["broker"].verdict is Verdict.FAIL


PLAN = {
    "policy": [{"name": "p", "steps": [{"targets": ["oncall:night", "contact:gone"]}]}],
    "schedule": [
        {"name": "night", "rotation": [{"people": ["wang"], "days": ["mon", "tue", "wed", "thu", "fri", "sat"]}]}
    ],
}
SATURDAY_NOON = 1_795_233_600 * 10**9
"""2026-11-21 12:00 in Shanghai; from Sunday 08:00 nobody is on call for a day."""


def with_contact(folder: Path, channel: str) -> None:
    database = open_database(folder / "var" / "gateway.sqlite")
    Registry(database).add_contact(Contact("wang", None, "王", "carer", channel, "x"), by="t", now_ns=1)
    database.close()


@pytest.mark.parametrize(("days_before", "verdict"), [(0, Verdict.FAIL), (3, Verdict.WARN)])
def test_a_gap_on_call_is_told_a_week_ahead(tmp_path: Path, days_before: int, verdict: Verdict) -> None:
    with_contact(tmp_path, "webhook")
    now_ns = SATURDAY_NOON - days_before * 86_400 * 10**9
    found = checks(tmp_path, now_ns=now_ns, data_directory="var", escalation=PLAN)
    assert found["on_call"].verdict is verdict
    assert found["on_call"].en == "schedule night: nobody is on call 11-22 08:00 – 11-23 08:00"
    assert found["on_call"].zh == "值班表 night：11-22 08:00 – 11-23 08:00 无人值班"
    assert found["escalation"].en == "policy p: no contact and no role is contact:gone"
    assert "[assist]" in found["contacts"].fix_en


def test_a_plan_that_reaches_somebody_all_week_is_well(tmp_path: Path) -> None:
    with_contact(tmp_path, "sms")
    assert "[channels.sms]" in checks(tmp_path, data_directory="var")["contacts"].fix_en
    robot = {"sms": {"type": "wecom", "token": {"env": "X"}}}
    found = checks(tmp_path, data_directory="var", channels=robot)
    assert found["escalation"].verdict is Verdict.OK
    assert not {"contacts", "on_call"} & set(found)


def test_a_box_that_would_tell_nobody_says_so(tmp_path: Path) -> None:
    open_database(tmp_path / "var" / "gateway.sqlite").close()
    assert "reach nobody" in checks(tmp_path, data_directory="var")["contacts"].en
