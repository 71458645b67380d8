"""What the box stands on breaks: a full disk, a locked database, a clock that jumps by years, another time zone."""

import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest
from alert_site import S, Site
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from gateway.alerts.alert import State
from gateway.alerts.oncall import who
from gateway.alerts.policy import Plan
from gateway.channels.base import Accepted

OK = Accepted("x")
YEARS_10_S = 10 * 365.25 * 86_400
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def press_on(site: Site) -> None:
    for number in range(200):
        site.take("help_call", episode=f"full{number}", resident_id=f"x{number}")


def test_a_full_disk_is_an_error_and_writes_nothing_and_then_everything(site: Site) -> None:
    first = site.take().alert
    with site.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        limit = f"PRAGMA max_page_count = {pages}"
    event.listen(site.database.engine, "checkout", lambda raw, *_: raw.execute(limit).close())
    with pytest.raises(OperationalError, match="full"):
        press_on(site)
    refused = f"full{len(site.service.open_alerts()) - 1}"
    assert site.service.get(first.id).state is State.RAISED
    opened = {episode for alert in site.service.open_alerts() for episode in alert.episodes}
    assert refused not in opened
    limit = "PRAGMA max_page_count = 1000000"
    site.take("help_call", episode=refused, resident_id="xagain")
    assert refused in {episode for alert in site.service.open_alerts() for episode in alert.episodes}
    site.send(OK)
    assert site.service.get(first.id).state is State.DELIVERED
    assert site.service.verify_audit().intact


def test_a_database_locked_by_another_process_is_an_error_and_works_again(site: Site) -> None:
    event.listen(site.database.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout = 50").close())
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(site.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline().strip() == "locked"
        with pytest.raises(OperationalError, match="locked"):
            site.take()
        assert site.service.open_alerts() == []
    finally:
        holder.communicate("\n", timeout=60)
    assert site.take().alert.state is State.RAISED
    assert len(site.send(OK)) > 0


@pytest.mark.parametrize("jump_s", [YEARS_10_S, -YEARS_10_S])
def test_a_clock_that_jumps_by_ten_years_and_back_delays_no_step_by_more_than_its_own_time(
    site: Site, jump_s: float
) -> None:
    alert = site.take().alert
    site.pass_time(30, OK)
    site.now += jump_s
    told_there = site.pass_time(site.now + 130, OK)
    assert {dispatch.alert_id for dispatch in told_there} >= {alert.id}
    steps_there = site.service.get(alert.id).step
    site.now -= jump_s
    told_here = site.pass_time(site.now + 130, OK)
    assert {dispatch.alert_id for dispatch in told_here} >= {alert.id}
    now = site.service.get(alert.id)
    assert now.step >= steps_there
    assert now.state is State.DELIVERED
    new = site.take(episode="after", resident_id="x7").alert
    assert new.state is State.RAISED
    assert new.id in {dispatch.alert_id for dispatch in site.send(OK)}
    answered = site.service.acknowledge(alert.id, "王芳", site.ns)
    assert answered.acknowledged_by == "王芳"
    assert site.service.verify_audit().intact


def test_a_change_of_the_sites_time_zone_leaves_no_gap() -> None:
    """The same plan is read by the new clock from that moment on; somebody is on call at every hour under both."""
    plan = Plan.model_validate(
        {
            "schedule": [
                {
                    "name": "day",
                    "rotation": [{"people": ["a", "b"], "period": "daily", "handover": "08:00", "start": "2026-01-01"}],
                }
            ]
        }
    )
    begin = 1_790_000_000
    zones = [ZoneInfo(name) for name in ("Asia/Shanghai", "Asia/Urumqi", "America/New_York")]
    for hour in range(0, 24 * 400, 7):
        for zone in zones:
            duty = who(plan.schedule[0], (begin + hour * 3600) * S, zone)
            assert duty is not None
            assert len(duty.people) == 1
