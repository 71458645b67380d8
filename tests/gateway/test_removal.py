"""Taking residents, devices and contacts out, and changing them: what goes, what stays, and what the commands say."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from analytics.findings import Finding, Phase
from device_drivers.observations import Reading
from gateway import removal
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.audit import verify_audit
from gateway.care import put_care
from gateway.cli import app, commands
from gateway.config import settings_from
from gateway.consents import FALL_RECORDINGS, Consents
from gateway.daily.learned_book import save_learned
from gateway.daily.task_book import put_plan
from gateway.database import Database, open_database
from gateway.models import AlertRow, AuditRow, Base, HoldRow, ResidentRow, SettingRow
from gateway.registry import Contact, Device, InvalidRecordError, Registry, Resident, UnknownRecordError
from gateway.runtime import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

NS = 10**9
T0 = 1_790_000_000 * NS
BY = "t"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yinling.toml").write_text('data_directory = "var"\n[site]\nlanguage = "en"\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    opened = open_database(folder / "var" / "gateway.sqlite")
    registry = Registry(opened)
    for one in ("r1", "r2"):
        registry.add_resident(Resident(one, f"name of {one}", notes="diabetes"), by=BY, now_ns=T0)
        registry.add_contact(Contact(f"son-{one}", one, "Son", "family", "webhook", "x"), by=BY, now_ns=T0)
        put_care(registry, one, {}, by=BY, now_ns=T0)
        put_plan(opened, one, [], by=BY, now_ns=T0)
        Consents(opened).give(one, FALL_RECORDINGS, by=BY, now_ns=T0)
    registry.add_contact(Contact("nurse", None, "Nurse", "carer", "webhook", "x"), by=BY, now_ns=T0)
    yield opened
    opened.close()


def with_history(database: Database) -> None:
    """r1 has had devices, habits, a pause and a closed alert."""
    registry = Registry(database)
    for device in ("watch-1", "old-watch"):
        registry.add_device(Device(device, "yinling_wearable"), by=BY, now_ns=T0)
        registry.assign(device, "r1", by=BY, now_ns=T0)
    registry.assign("old-watch", None, by=BY, now_ns=T0 + 1)
    save_learned(database, {"habits": {"r1": {"x": 1}, "r2": {"x": 2}}}, T0)
    with database.write() as session:
        session.merge(SettingRow(key="fall_sensitivity:r1", value="low", updated_ns=T0))
        session.add(HoldRow(what="pause", resident_id="r1", reason="wash", by=BY, from_ns=T0, until_ns=T0 + NS))


def alert(database: Database, *, close: bool) -> None:
    service = AlertService(database, router=ContactRouter(), payloads=PayloadBuilder("x"))
    made = Finding("e1", "fall", "r1", T0, Phase.CONFIRMED, 0.9, ("watch-1",), {})
    taken = service.take(made, T0)
    assert taken.alert is not None
    if close:
        service.cancel(taken.alert.id, "nurse", T0 + NS)


def yinling(*arguments: str, answer: str = "") -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, list(arguments), input=answer, env={"COLUMNS": "200"})


def naming(database: Database, word: str) -> dict[str, int]:
    """How many rows of each table hold this word anywhere."""
    found = {}
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(table)).all()
            number = sum(word in repr(tuple(row)) for row in rows)
            found |= {table.name: number} if number else {}
    return found


def test_nothing_of_a_removed_resident_is_left_but_alerts_and_audit(database: Database) -> None:
    with_history(database)
    alert(database, close=True)
    told = removal.remove_resident(database, "r1", by=BY, now_ns=T0 + 2 * NS)
    assert told.devices == ("watch-1",)
    left = set(naming(database, "r1"))
    assert left <= {"alerts", "alert_events", "alert_episodes", "outbox", "audit", "settings"}
    assert {"alerts", "audit"} <= left
    assert not set(naming(database, "diabetes")) - {"residents"}
    assert naming(database, "diabetes") == {"residents": 1}, "the other one is untouched"
    assert Registry(database).settings_below("").keys() & {"care/r1", "fall_sensitivity:r1"} == set()
    assert "care/r2" in Registry(database).settings_below("")
    assert [one.id for one in Registry(database).devices()] == ["old-watch", "watch-1"]
    assert Registry(database).owners() == {"old-watch": None, "watch-1": None}
    with database.read() as session:
        assert verify_audit(session).intact
        last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).one()
    assert (last.action, last.subject) == ("resident.removed", "resident:r1")
    assert json.loads(last.detail)["rows"]["assignments"] == 2


def test_every_table_that_names_residents_is_decided_upon(database: Database) -> None:
    """A table with a key to the residents would refuse the removal if it were left out."""
    naming_residents = {
        table.name
        for table in Base.metadata.sorted_tables
        if any(key.column.table.name == ResidentRow.__tablename__ for key in table.foreign_keys)
    }
    assert naming_residents <= {table.name for table in removal.tables()}
    assert len(naming_residents) >= 8


def test_the_gateway_follows_a_removal_that_takes_an_assignment_from_the_middle(database: Database) -> None:
    registry = Registry(database)
    for device, owner in (("a", "r1"), ("b", "r2")):
        registry.add_device(Device(device, "yinling_wearable"), by=BY, now_ns=T0)
        registry.assign(device, owner, by=BY, now_ns=T0)
    with database.write() as session:
        session.execute(text("delete from settings"))
    before = registry.fingerprint()
    removal.remove_resident(database, "r1", by=BY, now_ns=T0)
    assert registry.fingerprint() != before


def test_nobody_is_removed_while_an_alert_is_open(database: Database) -> None:
    with_history(database)
    alert(database, close=False)
    with pytest.raises(InvalidRecordError, match="open alert"):
        removal.remove_resident(database, "r1", by=BY, now_ns=T0)
    assert Registry(database).resident("r1") is not None
    shown = yinling("residents", "remove", "r1", "--yes")
    assert shown.exit_code == 2
    assert "open alert" in shown.stderr


def test_the_history_is_erased_by_the_gateway_once_and_the_id_stays_taken(database: Database) -> None:
    with_history(database)
    removal.remove_resident(database, "r1", by=BY, now_ns=T0)
    assert removal.to_erase(database, T0 + removal.DETACHED_NS - 1) == []
    assert removal.to_erase(database, T0 + removal.DETACHED_NS) == ["r1"]
    removal.erased(database, "r1", 12, T0 + removal.DETACHED_NS)
    assert removal.to_erase(database, T0 + 10 * removal.DETACHED_NS) == []
    with pytest.raises(InvalidRecordError, match="removed resident"):
        Registry(database).add_resident(Resident("r1", "somebody else"), by=BY, now_ns=T0)


def test_the_running_gateway_erases_the_history_of_a_removed_resident(database: Database, folder: Path) -> None:
    with_history(database)
    now_ns = [T0]

    def pulse(device: str) -> Reading:
        return Reading(device, "heart_rate", 70.0, T0, T0)

    async def body() -> None:
        gateway = Gateway(settings_from({"mqtt": {"embedded": False}}, folder), clock=lambda: now_ns[0])
        await gateway.open()
        store = gateway.store
        store.append([pulse("watch-1"), pulse("other")], [], {"watch-1": "r1", "other": "r2"})
        removal.remove_resident(database, "r1", by=BY, now_ns=T0)
        now_ns[0] += removal.DETACHED_NS
        await gateway._retain()
        assert [store.latest(resident_id=one) == [] for one in ("r1", "r2")] == [True, False]
        await gateway._close({asyncio.create_task(asyncio.sleep(0))})

    asyncio.run(body())
    with database.read() as session:
        (row,) = session.scalars(select(AuditRow).where(AuditRow.action == "resident.erased"))
    assert json.loads(row.detail) == {"rows": 1}


def test_a_mistyped_resident_is_removed_and_added_again(database: Database) -> None:
    assert removal.remove_resident(database, "r2", by=BY, now_ns=T0).history is False
    assert removal.to_erase(database, T0 + removal.DETACHED_NS) == []
    Registry(database).add_resident(Resident("r2", "as meant"), by=BY, now_ns=T0)


@pytest.mark.parametrize("what", [removal.remove_resident, removal.remove_device, removal.remove_contact])
def test_what_is_not_there_cannot_be_removed(database: Database, what: object) -> None:
    with pytest.raises(UnknownRecordError):
        what(database, "absent", by=BY, now_ns=T0)  # type: ignore[operator]


def test_removing_a_device_takes_its_account_and_keeps_the_resident(database: Database) -> None:
    with_history(database)
    registry = Registry(database)
    registry.put_setting("commissioning:watch-1", "{}", by=BY, now_ns=T0)
    assert yinling("devices", "remove", "watch-1", "--yes").exit_code == 0
    assert registry.device("watch-1") is None
    assert registry.setting("commissioning:watch-1") is None
    assert registry.owners() == {"old-watch": None}
    assert registry.resident("r1") is not None
    assert yinling("devices", "remove", "watch-1", "--yes").exit_code == 2


def test_residents_are_changed_and_removed_from_the_command_line(database: Database) -> None:
    registry = Registry(database)
    changed = yinling("residents", "update", "r1", "--name", "Wang", "--birth-year", "1941")
    assert changed.exit_code == 0, changed.output
    found = registry.resident("r1")
    assert found is not None
    assert (found.display_name, found.birth_year, found.notes) == ("Wang", 1941, "diabetes")
    assert yinling("residents", "update", "r1", "--language", "fr").exit_code == 2
    assert yinling("residents", "update", "r9", "--name", "x").exit_code == 2
    assert yinling("residents", "update", "r1", "--inactive").exit_code == 0
    assert [one.id for one in registry.residents()] == ["r2"]

    refused = yinling("residents", "remove", "r2", answer="n\n")
    assert refused.exit_code == 1
    assert "1 contacts" in refused.stdout
    assert "Kept: alerts" in refused.stdout
    assert registry.resident("r2") is not None
    assert yinling("residents", "remove", "r2", answer="y\n").exit_code == 0
    assert registry.resident("r2") is None


def test_the_chinese_command_line_says_what_goes(database: Database, folder: Path) -> None:
    with_history(database)
    (folder / "yinling.toml").write_text('data_directory = "var"\n', encoding="utf-8")
    shown = yinling("residents", "remove", "r1", "--yes").stdout
    for words in ("将删除", "学到的习惯 1", "设备不再属于任何人：watch-1", "两小时内删除", "保留：报警", "已移除 r1"):
        assert words in shown


def test_contacts_are_changed_and_removed_and_policies_that_name_them_are_told(
    database: Database, folder: Path
) -> None:
    plan = '[[escalation.policy]]\nname = "p"\n[[escalation.policy.steps]]\ntargets = ["contact:nurse"]\n'
    settings = folder / "yinling.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + plan, encoding="utf-8")
    changed = yinling("contacts", "update", "nurse", "--address", "138", "--channel", "sms", "--order", "2")
    assert changed.exit_code == 0, changed.output
    assert "nurse is stored and cannot be told yet" in changed.stderr
    assert "[channels.sms]" in changed.stderr
    found = Registry(database).contact("nurse")
    assert found is not None
    assert (found.name, found.address, found.channel, found.order) == ("Nurse", "138", "sms", 2)
    assert "no contact" in yinling("contacts", "update", "nurse", "--inactive").stdout
    assert yinling("contacts", "update", "absent").exit_code == 2
    removed = yinling("contacts", "remove", "nurse", "--yes")
    assert removed.exit_code == 0
    assert "policy p: no contact and no role is contact:nurse" in removed.stdout
    assert yinling("contacts", "remove", "nurse", "--yes").exit_code == 2


def test_a_device_moves_to_somebody_else(database: Database) -> None:
    with_history(database)
    registry = Registry(database)
    assert yinling("devices", "update", "watch-1", "--resident", "r2", "--room", "12").exit_code == 0
    assert registry.owners()["watch-1"] == "r2"
    assert [one.resident_id for one in registry.history("watch-1")] == ["r1", "r2"]
    assert yinling("devices", "update", "watch-1", "--nobody").exit_code == 0
    assert registry.owners()["watch-1"] is None
    assert yinling("devices", "update", "watch-1", "--nobody", "--resident", "r1").exit_code == 2
    assert yinling("devices", "update", "absent").exit_code == 2
    found = registry.device("watch-1")
    assert found is not None
    assert (found.room, found.family) == ("12", "yinling_wearable")


@pytest.mark.parametrize(
    ("more", "role"), [((), "carer"), (("--resident", "r1"), "family"), (("--role", "boss"), "boss")]
)
def test_whoever_is_nobodys_family_is_no_family_by_default(
    database: Database, more: tuple[str, ...], role: str
) -> None:
    assert yinling("contacts", "add", "c", "C", "--channel", "webhook", *more).exit_code == 0
    found = Registry(database).contact("c")
    assert found is not None
    assert found.role == role


def test_a_contact_by_webhook_is_sent_to_assist(database: Database) -> None:
    shown = yinling("contacts", "add", "c", "C", "--channel", "webhook").stderr
    assert "write [assist] into the settings" in shown
    assert database is not None
    with database.read() as session:
        assert session.scalars(select(AlertRow)).all() == []
