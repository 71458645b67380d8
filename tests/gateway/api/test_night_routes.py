"""Night reports from the history: made once in the morning, kept, given by the API, told to those who asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from api_site import NOW, ApiSite
from sqlalchemy import select

from analytics.care import Care
from device_drivers.observations import DeviceEvent, Reading
from gateway.api.scopes import Role
from gateway.care import put_care, read_care
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.config import settings_from
from gateway.daily.night_book import due_nights, span_of
from gateway.daily.night_duty import NightDuty
from gateway.daily.notes import GIVEN_UP, TAKEN, WAITING, NoteDesk, readable
from gateway.models import NoteRow
from gateway.registry import Contact
from gateway.store.aio import AsyncStore

if TYPE_CHECKING:
    from pathlib import Path

CHINA = ZoneInfo("Asia/Shanghai")
MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
MORNING = NOW + 20 * HOUR
"""2026-02-04 08:05 in Shanghai."""
PATH = "/api/v1/residents/r1/nights"


def at(hour: float) -> int:
    """Hours after 2026-02-03 00:00 in Shanghai."""
    return int(datetime(2026, 2, 2, 16, tzinfo=UTC).timestamp()) * 10**9 + int(hour * HOUR)


def bed(hour: float, word: str) -> DeviceEvent:
    return DeviceEvent("w1", "bed_occupancy", word, at(hour), at(hour))


def sleep_a_night(site: ApiSite) -> None:
    events = [bed(22.5, "in"), bed(27.0, "left"), bed(27.25, "in"), bed(30.5, "left")]
    readings = []
    for minute in range(8 * 60):
        moment = at(22.5) + minute * MINUTE
        movement = 70.0 if minute < 20 else 1.0
        readings += [
            Reading("w1", "body_movement", movement, moment, moment),
            Reading("w1", "heart_rate", 58.0 + minute % 5, moment, moment),
        ]
    site.store.append(readings, events, {"w1": "r1"})
    site.store.flush()


@dataclass
class Letters:
    """A channel that a person reads; refuses as often as it is told to."""

    refusals: list[Refused] = field(default_factory=list)
    sent: list[Dispatch] = field(default_factory=list)

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        assert now_ns > 0
        if self.refusals:
            return self.refusals.pop(0)
        self.sent.append(dispatch)
        return Accepted()

    async def aclose(self) -> None:
        return


def duty(site: ApiSite, channels: frozenset[str] = frozenset({"dingtalk"})) -> NightDuty:
    care = lambda: read_care(site.registry)  # noqa: E731
    return NightDuty(site.database, AsyncStore(site.store), site.in_database, CHINA, care, channels)


def make(site: ApiSite, now_ns: int, nights: NightDuty | None = None) -> int:
    return site.runner.run((nights or duty(site)).round(now_ns))


def test_a_report_is_made_in_the_morning_and_given(site: ApiSite) -> None:
    sleep_a_night(site)
    assert make(site, MORNING - HOUR) == 0, "the night has not ended"
    site.now_ns = MORNING
    assert make(site, MORNING) == 2, "one for each resident"
    assert make(site, MORNING) == 0, "once"
    (night,) = site.get(PATH).json()["nights"]
    assert night["night"] == "2026-02-03"
    assert (night["exits"], night["longest_exit_min"], night["source"]) == (1, 15, "movement")
    assert night["to_bed"]["ns"] == at(22.5)
    assert night["got_up"]["ns"] == at(30.5)
    assert night["heart_rate"] == 60.0
    assert night["spo2"] is None
    assert "22:30 上床，06:30 起床，在床 7 小时 45 分；离床 1 次（最长 15 分钟）" in night["text"]["zh"]
    assert "slept about 7 h" in night["text"]["en"]
    assert "Not a medical device" in night["text"]["en"]
    assert site.audit(1)[0].action == "resident.nights_read"
    other = site.get("/api/v1/residents/r2/nights").json()
    assert (other["nights"], other["unknown"]) == ([], ["2026-02-03"])


def test_a_night_says_which_of_its_numbers_the_gateway_has_computed(site: ApiSite) -> None:
    sleep_a_night(site)
    breaths = [
        Reading("w1", "respiratory_rate", 14.0, at(23) + n * MINUTE, at(23) + n * MINUTE, derived=True)
        for n in range(60)
    ]
    site.store.append(breaths, [], {"w1": "r1"})
    site.store.flush()
    site.now_ns = MORNING
    make(site, MORNING)
    (night,) = site.get(PATH).json()["nights"]
    assert (night["heart_rate_derived"], night["respiratory_rate_derived"]) == (False, True)
    assert "心率 60（静息 58）次/分，呼吸 14 次/分（网关推算）" in night["text"]["zh"]
    assert "heart rate 60 (at rest 58) /min, breathing 14 /min (computed by the box)" in night["text"]["en"]


def test_spans_and_rights(site: ApiSite) -> None:
    assert site.get(PATH, since="2026-02-03", until="2026-02-01").status_code == 422
    assert site.get(PATH, since="2020-02-03").status_code == 422
    assert site.get(PATH, since="yesterday").status_code == 422
    assert site.get("/api/v1/residents/nobody/nights").status_code == 404
    assert site.get(PATH, site.key(Role.VIEWER, residents=["r2"]).secret).status_code == 404


def test_who_asked_for_it_is_told_once(site: ApiSite) -> None:
    sleep_a_night(site)
    put_care(site.registry, "r1", {"night_report": True}, by="test", now_ns=NOW)
    letters = Letters([Refused("busy", retry_after_s=5.0), Refused("full", held=True)])
    desk = NoteDesk(site.database, {"dingtalk": letters}, site.in_database)
    make(site, MORNING)
    for later, expected in ((0, 0), (1, 0), (5, 0), (600, 1), (9000, 0)):
        assert site.runner.run(desk.round(MORNING + later * 10**9)) == expected, later
    (told,) = letters.sent
    assert (told.contact, told.channel, told.event, told.alert_id) == ("c1", "dingtalk", "note.night_report", "")
    assert told.payload["text"]["zh"].startswith("【睡眠日报】李奶奶：22:30 上床")
    with site.database.read() as session:
        (row,) = session.scalars(select(NoteRow)).all()
    assert (row.state, row.attempts, row.last_error) == (TAKEN, 2, None)
    assert site.get("/api/v1/alerts").json()["alerts"] == [], "never an alert"


@pytest.mark.parametrize("gone", [True, False])
def test_a_message_that_nobody_takes_is_given_up(site: ApiSite, gone: bool) -> None:
    sleep_a_night(site)
    put_care(site.registry, "r1", {"night_report": True}, by="test", now_ns=NOW)
    make(site, MORNING)

    class Broken(Letters):
        async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
            if gone:
                return Refused("no such robot", gone=True)
            raise OSError(f"no network {dispatch.id} {now_ns}")

    desk = NoteDesk(site.database, {"dingtalk": Broken()}, site.in_database)
    for minute in range(0, 14 * 60, 10):
        site.runner.run(desk.round(MORNING + minute * MINUTE))
        with site.database.read() as session:
            (row,) = session.scalars(select(NoteRow)).all()
        if row.state != WAITING:
            break
    assert row.state == GIVEN_UP
    assert row.last_error == ("no such robot" if gone else "the channel failed: OSError")
    assert (minute == 0) == gone
    assert minute >= 10 * 60 or gone


def test_without_a_channel_of_its_name_a_message_waits(site: ApiSite) -> None:
    sleep_a_night(site)
    put_care(site.registry, "r1", {"night_report": True}, by="test", now_ns=NOW)
    make(site, MORNING)
    assert site.runner.run(NoteDesk(site.database, {}, site.in_database).round(MORNING)) == 0
    with site.database.read() as session:
        (row,) = session.scalars(select(NoteRow)).all()
    assert (row.state, row.last_error) == (WAITING, "no channel 'dingtalk' is configured")


def test_the_sites_contacts_are_told_where_there_are_no_own_ones(site: ApiSite) -> None:
    sleep_a_night(site)
    put_care(site.registry, "r1", {"night_report": True}, by="test", now_ns=NOW)
    site.registry.add_contact(Contact("desk", None, "前台", "desk", "wecom", "x"), by="test", now_ns=NOW)
    make(site, MORNING, duty(site, frozenset({"wecom"})))
    with site.database.read() as session:
        assert [row.contact for row in session.scalars(select(NoteRow))] == ["desk"]


def test_a_night_made_up_for_later_is_kept_but_not_told(site: ApiSite) -> None:
    sleep_a_night(site)
    put_care(site.registry, "r1", {"night_report": True}, by="test", now_ns=NOW)
    site.now_ns = MORNING + 48 * HOUR
    assert make(site, site.now_ns) == 6, "three nights of two residents"
    assert [one["night"] for one in site.get(PATH).json()["nights"]] == ["2026-02-03"]
    with site.database.read() as session:
        assert session.scalars(select(NoteRow)).all() == []


def test_only_channels_that_people_read_carry_messages(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    tree = {
        "channels": {
            "ding": {"type": "dingtalk", "token": {"file": "t"}},
            "alarm": {"type": "mqtt"},
        }
    }
    assert readable(settings_from(tree, tmp_path)) == {"ding"}


@pytest.mark.parametrize(
    ("care", "begins", "ends"),
    [
        (Care(), "2026-03-07T18:00:00-05:00", "2026-03-08T08:00:00-04:00"),
        (Care(night_from_min=30, night_to_min=420), "2026-03-07T20:30:00-05:00", "2026-03-08T09:00:00-04:00"),
    ],
)
def test_spans_over_a_change_of_the_clock(care: Care, begins: str, ends: str) -> None:
    zone = ZoneInfo("America/New_York")
    span = span_of(care, date(2026, 3, 7), zone)
    assert span == tuple(int(datetime.fromisoformat(one).timestamp()) * 10**9 for one in (begins, ends))
    assert date(2026, 3, 7) in due_nights(care, span[1], zone, since_ns=0)
    assert date(2026, 3, 7) not in due_nights(care, span[1] - 1, zone, since_ns=0)
