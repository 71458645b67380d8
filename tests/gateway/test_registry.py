"""The registry: residents, devices, assignments over time, contacts in their order, settings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit import read_audit, verify_audit
from gateway.database import open_database
from gateway.registry import (
    Contact,
    Device,
    DuplicateRecordError,
    InvalidRecordError,
    Registry,
    Resident,
    UnknownRecordError,
)

LI = Resident("r1", "李奶奶", 1941, "female", "301")
WATCH = Device("w1", "yinling_wearable", "手环", "worn", options={"wrist": "left"})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    database = open_database(tmp_path / "x.db")
    made = Registry(database)
    made.add_resident(LI, by="admin", now_ns=1)
    made.add_device(WATCH, by="admin", now_ns=1)
    yield made
    with database.read() as session:
        assert verify_audit(session).intact
        assert len(read_audit(session)) >= 2
    database.close()


def test_residents(registry: Registry) -> None:
    assert registry.resident("r1") == LI
    assert registry.resident("r9") is None
    moved = replace(LI, room="302", active=False)
    registry.update_resident(moved, by="admin", now_ns=2)
    assert registry.residents() == []
    assert registry.residents(active_only=False) == [moved]


def test_devices_and_credentials(registry: Registry) -> None:
    registry.set_credentials_hash("w1", "hash", by="admin", now_ns=2)
    registry.update_device(replace(WATCH, name="新手环"), by="admin", now_ns=3)
    assert registry.device("w1") == replace(WATCH, name="新手环")
    assert registry.credentials_hash("w1") == "hash"
    registry.update_device(replace(WATCH, active=False), by="admin", now_ns=4)
    assert registry.credentials_hash("w1") is None
    assert registry.devices() == []
    assert registry.device("w9") is None


def test_assignments_over_time(registry: Registry) -> None:
    registry.add_resident(replace(LI, id="r2"), by="admin", now_ns=1)
    registry.assign("w1", "r1", by="admin", now_ns=10)
    registry.assign("w1", "r1", by="admin", now_ns=15)
    registry.assign("w1", "r2", by="admin", now_ns=20)
    registry.assign("w1", None, by="admin", now_ns=30)
    registry.assign("w1", None, by="admin", now_ns=31)
    assert [(a.resident_id, a.from_ns, a.to_ns) for a in registry.history("w1")] == [("r1", 10, 20), ("r2", 20, 30)]
    assert [registry.resident_of("w1", at) for at in (9, 10, 19, 20, 30)] == [None, "r1", "r1", "r2", None]
    assert registry.assignments() == []
    registry.assign("w1", "r1", by="admin", now_ns=40)
    assert [a.resident_id for a in registry.assignments()] == ["r1"]


def test_contacts_in_order(registry: Registry) -> None:
    son = Contact("c1", "r1", "儿子", "family", "dingtalk", "a", order=2)
    for contact in (son, replace(son, id="c2", order=1), replace(son, id="c3", resident_id=None, order=0)):
        registry.add_contact(contact, by="admin", now_ns=1)
    assert [contact.id for contact in registry.contacts("r1")] == ["c2", "c1", "c3"]
    assert [contact.id for contact in registry.contacts()] == ["c3"]
    registry.update_contact(replace(son, active=False), by="admin", now_ns=2)
    assert [contact.id for contact in registry.contacts("r1")] == ["c2", "c3"]
    assert registry.contact("c1") == replace(son, active=False)
    assert registry.contact("c9") is None


def test_settings(registry: Registry) -> None:
    assert registry.setting("k") is None
    registry.put_setting("k", "v", by="admin", now_ns=1)
    assert registry.setting("k") == "v"


def test_wrong_changes_are_refused_with_the_facts(registry: Registry) -> None:
    with pytest.raises(DuplicateRecordError, match="r1"):
        registry.add_resident(LI, by="admin", now_ns=2)
    with pytest.raises(UnknownRecordError, match="r9"):
        registry.update_resident(replace(LI, id="r9"), by="admin", now_ns=2)
    with pytest.raises(UnknownRecordError):
        registry.assign("w1", "r9", by="admin", now_ns=2)
    with pytest.raises(UnknownRecordError):
        registry.add_contact(Contact("c", "r9", "n", "r", "c", "a"), by="admin", now_ns=2)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (replace(LI, id=" "), "id"),
        (replace(LI, display_name=""), "display_name"),
        (replace(LI, language="fr"), "language"),
        (replace(LI, birth_year=20), "birth_year"),
        (replace(WATCH, family=""), "family"),
        (replace(WATCH, placement="ceiling"), "placement"),
    ],
)
def test_invalid_fields(registry: Registry, record: Resident | Device, name: str) -> None:
    add = registry.add_resident if isinstance(record, Resident) else registry.add_device
    with pytest.raises(InvalidRecordError) as caught:
        add(record, by="admin", now_ns=2)
    assert caught.value.name == name
