"""Keys: made once, only the hash is kept, roles and scopes, end and revocation; lock-out; times."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.keys import USED_STEP_NS, KeyChangeError, KeyStore
from gateway.api.lockout import ATTEMPTS, FIRST_LOCK_S, LONGEST_LOCK_S, MAX_ADDRESSES, MAX_TRUSTED, Lockout, network_of
from gateway.api.scopes import ROLES, Role, Scope
from gateway.api.times import to_ns, to_text
from gateway.audit import read_audit
from gateway.database import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "x.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def keys(database: Database) -> KeyStore:
    return KeyStore(database)


def test_a_key_is_shown_once_and_kept_as_a_hash(keys: KeyStore, tmp_path: Path) -> None:
    made = keys.create(" 护士站 ", Role.OPERATOR, by="admin", now_ns=5)
    assert made.secret.startswith("yl_")
    assert len(made.secret) == 3 + 43
    assert made.key.name == "护士站"
    assert made.secret not in repr(made)
    assert made.secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert keys.verify(made.secret, 6) is not None
    assert keys.find(made.key.id) is not None
    assert keys.find("none") is None


def test_the_first_run_makes_one_administrator(keys: KeyStore) -> None:
    made = keys.create_first(by="init", now_ns=1)
    assert made is not None
    assert made.key.scopes == frozenset(Scope)
    assert made.key.residents is None
    keys.revoke(made.key.id, by="admin", now_ns=2)
    assert keys.create_first(by="init", now_ns=3) is None


def test_wrong_revoked_and_expired_keys_do_not_count(keys: KeyStore) -> None:
    made = keys.create("a", Role.VIEWER, by="admin", now_ns=1, expires_ns=100)
    other = keys.create("b", Role.VIEWER, by="admin", now_ns=1)
    for wrong in ("", "yl_", made.secret[:-1], made.secret + "x", "yl_" + "a" * 500, "xx" + made.secret, "yl_\ud800"):
        assert keys.verify(wrong, 2) is None
    assert keys.verify(made.secret, 99) is not None
    assert keys.verify(made.secret, 100) is None
    keys.revoke(other.key.id, by="admin", now_ns=3)
    assert keys.verify(other.secret, 4) is None
    assert [key.active for key in keys.keys()]  # noqa: SIM118 - no mapping == [True, False]


def test_a_key_never_has_more_than_its_role(keys: KeyStore, database: Database) -> None:
    made = keys.create("m", Role.INTEGRATOR, by="admin", now_ns=1, scopes=[Scope.METRICS], residents=["r2", "r1"])
    assert made.key.scopes == {Scope.METRICS}
    assert made.key.may_see("r1")
    assert not made.key.may_see("r3")
    assert not made.key.may_see(None)
    with pytest.raises(KeyChangeError, match="residents:write"):
        keys.create("m", Role.VIEWER, by="admin", now_ns=1, scopes=[Scope.RESIDENTS_WRITE])
    with database.read() as session:
        entries = read_audit(session)
    assert [entry.action for entry in entries] == ["api_key.created"]
    assert made.secret not in str(entries)


def test_a_key_for_no_resident_sees_nobody(keys: KeyStore) -> None:
    made = keys.create("n", Role.VIEWER, by="admin", now_ns=1, residents=[])
    found = keys.verify(made.secret, 2)
    assert found is not None
    assert not found.may_see("r1")


def test_what_cannot_be_made_or_revoked(keys: KeyStore) -> None:
    with pytest.raises(KeyChangeError, match="name"):
        keys.create(" ", Role.VIEWER, by="admin", now_ns=1)
    with pytest.raises(KeyChangeError, match="expired"):
        keys.create("x", Role.VIEWER, by="admin", now_ns=5, expires_ns=5)
    with pytest.raises(KeyChangeError, match="nope"):
        keys.revoke("nope", by="admin", now_ns=1)


def test_last_use_is_written_once_an_hour(keys: KeyStore) -> None:
    made = keys.create("x", Role.VIEWER, by="admin", now_ns=1)
    for now_ns in (10, 20, 9 + USED_STEP_NS):
        keys.verify(made.secret, now_ns)
        assert keys.keys()[0].last_used_ns == 10
    keys.verify(made.secret, 10 + USED_STEP_NS)
    assert keys.keys()[0].last_used_ns == 10 + USED_STEP_NS


def test_every_role_is_within_the_administrator() -> None:
    assert set(ROLES) == set(Role)
    assert all(scopes <= ROLES[Role.ADMIN] for scopes in ROLES.values())
    assert Scope.ALERTS_ANSWER not in ROLES[Role.VIEWER]


def test_lock_out_grows_and_ends() -> None:
    lockout = Lockout()
    for _ in range(ATTEMPTS):
        assert lockout.wait_s("192.0.2.1", "x", 0.0) == 0
        lockout.wrong("192.0.2.1", 0.0)
    assert lockout.wait_s("192.0.2.1", "x", 0.0) == FIRST_LOCK_S
    assert lockout.wait_s("192.0.2.2", "x", 0.0) == 0
    assert lockout.wait_s("192.0.2.1", "x", FIRST_LOCK_S) == 0
    now, waits = 0.0, []
    for _ in range(200):
        waits.append(lockout.wait_s("192.0.2.1", "x", now))
        now += waits[-1]
        lockout.wrong("192.0.2.1", now)
    assert [wait for wait in waits if wait][:5] == [30, 60, 120, 240, 480]
    assert max(waits) == LONGEST_LOCK_S
    lockout.wrong("192.0.2.1", now + 3 * LONGEST_LOCK_S)
    assert lockout.wait_s("192.0.2.1", "x", now + 3 * LONGEST_LOCK_S) == 0


def test_a_known_key_is_not_shut_out_by_its_neighbour() -> None:
    lockout = Lockout()
    lockout.right("good")
    for _ in range(ATTEMPTS):
        lockout.wrong("192.0.2.1", 0.0)
    assert lockout.wait_s("192.0.2.1", "good", 1.0) == 0
    assert lockout.wait_s("192.0.2.1", "guess", 1.0) > 0
    assert lockout.refused == 1


def test_memory_of_lock_outs_is_bounded() -> None:
    lockout = Lockout()
    for number in range(MAX_ADDRESSES + 10):
        lockout.wrong(f"host-{number}", 0.0)
    for number in range(MAX_TRUSTED + 10):
        lockout.right(f"key-{number}")
    assert len(lockout._buckets) == MAX_ADDRESSES
    assert len(lockout._trusted) == MAX_TRUSTED


def test_what_counts_as_one_client() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("unknown") == "unknown"


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-02-03T12:05:06.5+08:00", 1_770_091_506_500_000_000),
        ("2026-02-03t04:05:06.000000001z", 1_770_091_506_000_000_001),
        ("2026-02-03 04:05:06-00:30", 1_770_093_306_000_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000_000_000),
    ],
)
def test_rfc_3339(text: str, at_ns: int) -> None:
    assert to_ns(text) == at_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-02-03",
        "2026-02-03T04:05:06",
        "2026-02-30T00:00:00Z",
        "2026-02-03T24:00:00Z",
        "2026-02-03T04:05:61Z",
        "2026-02-03T04:05:06.Z",
        "2026-02-03T04:05:06.1234567890Z",
        "2026-02-03T04:05:06+24:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59Z",
        "２０26-02-03T04:05:06Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|must be in|out of range"):
        to_ns(text)


@given(st.integers(0, to_ns("2200-12-31T23:59:59Z")))
def test_times_survive_the_way_out_and_in(at_ns: int) -> None:
    assert to_ns(to_text(at_ns)) == at_ns
