"""A database with flipped bytes: kept aside, replaced by what can be read, said aloud; the box goes on alerting."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError as DriverError

from analytics.findings import Finding, Phase
from gateway import salvage
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.records import AlertFilter
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.alerts.service import AlertService
from gateway.audit import read_audit
from gateway.config import Settings, settings_from
from gateway.database import Database, DatabaseError, open_database
from gateway.doctor import Verdict, examine
from gateway.registry import Contact, Registry, Resident
from gateway.runtime import Gateway

NOW = 1_800_000_000 * 10**9
RESIDENTS, ALERTS = 60, 40


def service(database: Database) -> AlertService:
    return AlertService(database, router=ContactRouter(assist=Route(WEBHOOK, ASSIST)), payloads=PayloadBuilder("站"))


def press(database: Database, number: int) -> Finding:
    return Finding(f"e{number}", "help_call", f"r{number}", NOW, Phase.CONFIRMED, 1.0, ("w",))


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with people and open alerts, stopped in order."""
    path = tmp_path_factory.mktemp("site") / "gateway.sqlite"
    database = open_database(path)
    registry = Registry(database)
    for n in range(RESIDENTS):
        registry.add_resident(Resident(f"r{n}", f"老人{n}", notes="x" * 400), by="a", now_ns=1)
        registry.add_contact(Contact(f"c{n}", f"r{n}", "家人", "family", "sms", "1"), by="a", now_ns=1)
    service(database).take_many([press(database, n) for n in range(ALERTS)], NOW)
    database.close()
    return path


@pytest.fixture
def path(lived_in: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(lived_in, tmp_path))


def flip(path: Path, table: str, *, pages: int = 1) -> None:
    """Flip every bit of leaf pages of a table, as a dying flash chip would."""
    with closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
        try:
            leaves = [row[0] for row in connection.execute(query, (table,))]
        except sqlite3.OperationalError:  # this SQLite has no dbstat
            leaves = [connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]]
    content = bytearray(path.read_bytes())
    middle = len(leaves) // 2
    for page in leaves[middle : middle + pages]:
        begin = (page - 1) * size
        content[begin : begin + size] = bytes(byte ^ 0xFF for byte in content[begin : begin + size])
    path.write_bytes(content)


def test_a_whole_database_is_opened_and_a_copy_left(path: Path) -> None:
    database, salvaged = salvage.open_or_salvage(path, NOW)
    database.close()
    assert salvaged is None
    assert salvage.kept_aside(path) == []
    assert salvage.health_item(path) is None
    copy = path.with_name("gateway.sqlite.safe")
    assert copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as read:
        assert read.execute("SELECT count(*) FROM residents").fetchone() == (RESIDENTS,)
        assert "alerts" not in {row[0] for row in read.execute("SELECT name FROM sqlite_master")}


def test_a_damaged_page_of_the_outbox_costs_no_alert_and_is_said(path: Path) -> None:
    flip(path, "outbox")
    before = path.read_bytes()
    database, salvaged = salvage.open_or_salvage(path, NOW)
    assert salvaged is not None
    assert salvaged.lost == ("outbox",)
    assert salvaged.kept.read_bytes() == before
    assert salvaged.rows["alerts"] == ALERTS
    assert salvaged.rows["residents"] == salvaged.rows["contacts"] == RESIDENTS
    alerts = service(database)
    assert len(alerts.open_alerts()) == ALERTS
    taken = alerts.take(salvaged.finding(NOW), NOW)
    assert taken.alert is not None
    assert taken.alert.kind == "box_fault"
    assert taken.alert.evidence["not_readable"] == "outbox"
    # Nobody is forgotten whose message was on the damaged page: everybody is told again.
    again = NOW + 61 * 10**9
    alerts.tick(again)
    told: set[str] = set()
    while claimed := alerts.outbox.claim(again, 1000):
        told |= {dispatch.alert_id for dispatch in claimed}
    assert {alert.id for alert in alerts.open_alerts() if alert.kind == "help_call"} <= told
    with database.read() as session:
        first = read_audit(session)[-1]
    assert (first.action, first.detail["kept"]) == ("database.replaced", salvaged.kept.name)
    assert alerts.verify_audit().intact
    item = salvage.health_item(path)
    assert item is not None
    assert not item.ok
    database.close()


def test_people_on_a_damaged_page_come_from_the_copy(path: Path) -> None:
    salvage.open_or_salvage(path, NOW)[0].close()
    flip(path, "residents", pages=2)
    database, salvaged = salvage.open_or_salvage(path, NOW)
    assert salvaged is not None
    assert "residents" in salvaged.lost
    assert len(Registry(database).residents()) == RESIDENTS
    assert len(Registry(database).contacts("r7")) == 1
    database.close()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"SQLite format 3\x00" + bytes(8192)])
def test_nothing_readable_but_the_copy(path: Path, content: bytes) -> None:
    salvage.open_or_salvage(path, NOW)[0].close()
    path.write_bytes(content)
    path.with_name("gateway.sqlite-wal").unlink(missing_ok=True)
    database, salvaged = salvage.open_or_salvage(path, NOW)
    if content:  # an empty file is a new database
        assert salvaged is not None
        assert len(Registry(database).residents()) == RESIDENTS
        assert service(database).take(press(database, 1), NOW).alert is not None
    database.close()


def test_without_a_copy_it_still_goes_on_and_twice_keeps_both(path: Path) -> None:
    for _ in range(2):
        path.write_bytes(b"\xff" * 20_000)
        path.with_name("gateway.sqlite.safe").unlink(missing_ok=True)
        database, salvaged = salvage.open_or_salvage(path, NOW)
        assert salvaged is not None
        assert salvaged.rows["residents"] == 0
        database.close()
    assert len(salvage.kept_aside(path)) == 2


def test_what_is_no_damage_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "gateway.sqlite"
    folder.mkdir()
    with pytest.raises(DatabaseError):
        salvage.open_or_salvage(folder, NOW)
    assert salvage.kept_aside(folder) == []


def test_the_gateway_itself_starts_says_so_and_is_not_well(path: Path) -> None:
    flip(path, "outbox")
    folder = path.parent

    async def body() -> None:
        gateway = Gateway(settings_from({"mqtt": {"embedded": False}, "data_directory": str(folder)}, folder))
        await gateway.open()
        said = [alert for alert in gateway.alerts.open_alerts() if alert.kind == "box_fault"]
        assert len(said) == 1
        assert said[0].evidence["residents"] == RESIDENTS
        assert [item.name for item in gateway.health() if item.name == "database" and not item.ok] == ["database"]
        assert len([alert for alert in gateway.alerts.open_alerts() if alert.kind == "help_call"]) == ALERTS
        await gateway._close({asyncio.create_task(asyncio.sleep(0))})

    asyncio.run(body())
    assert [one for one in examine(settings_from({}, folder)) if "broken-" in one.en] == []
    checks = examine(settings_from({"data_directory": str(folder)}, folder))
    assert any(one.verdict is Verdict.FAIL and "broken-" in one.en for one in checks)


def settings_of(folder: Path, port: int = 8080) -> Settings:
    tree = {"mqtt": {"embedded": False, "families": []}, "data_directory": str(folder), "api": {"port": port}}
    return settings_from(tree, folder)


def test_the_fault_lasts_until_the_file_is_moved_away_also_over_a_restart(path: Path) -> None:
    flip(path, "outbox")

    async def faults(*, move: bool) -> list[bool]:
        """Whether each alert about the box is open, the newest first, after a look."""
        gateway = Gateway(settings_of(path.parent))
        await gateway.open()
        for name in salvage.kept_aside(path) if move else ():
            name.rename(path.parent / "looked-at.sqlite")
        await gateway.watches.look()
        found, gateway.pipeline._reported = gateway.pipeline._reported, []
        await gateway._take_findings(found, gateway.clock())
        page = await gateway.in_database(gateway.alerts.list, AlertFilter(kinds=("box_fault",)))
        await gateway._close({asyncio.create_task(asyncio.sleep(0))})
        return [alert.state.open for alert in page.alerts]

    assert asyncio.run(faults(move=False)) == [True]
    assert asyncio.run(faults(move=False)) == [True]
    assert asyncio.run(faults(move=True)) == [False]
    assert asyncio.run(faults(move=False)) == [False]


@pytest.mark.parametrize("table", ["outbox", "alerts", "alert_episodes"])
def test_damage_that_comes_while_it_runs_ends_it_so_that_the_next_start_mends(
    path: Path, table: str, free_port: int
) -> None:
    async def body() -> None:
        gateway = Gateway(settings_of(path.parent, free_port))
        await gateway.open()
        await gateway.in_database(gateway.database.engine.dispose)
        flip(path, table, pages=1000)
        stop = asyncio.Event()
        with pytest.raises(DriverError, match="malformed"):
            async with asyncio.timeout(120):
                await gateway.run(stop)

    asyncio.run(body())
    database, salvaged = salvage.open_or_salvage(path, NOW)
    database.close()
    assert salvaged is not None
    assert table in salvaged.lost
