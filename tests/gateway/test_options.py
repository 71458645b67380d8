"""Secrets in the options of drivers: from files and the environment, stars wherever they could be seen."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.ble.options import checked
from device_drivers.codec import Driver, StreamCodec
from device_drivers.registry import find_driver
from device_drivers.transports.tcp_listener import TcpOptions
from gateway import options
from gateway.config import ConfigError, settings_from
from gateway.doctor import examine
from gateway.options import MASK, SecretText, kept, loaded, masked, places, without_secrets, wrong_places
from gateway.registry import Device
from gateway.tcp_source import Admitted, TcpSource
from gateway.wiring import driver_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.observations import Observation

KEY = "231d39c1d7cc1ab1aee224cd096db932"
DOOR = "C300007B573C"
BTHOME = find_driver("bthome")


class Locked(StreamCodec):
    """A third party's codec whose device needs a token, and which complains about it in full."""

    family = "locked"

    def __init__(self, device_id: str, given: Mapping[str, Any]) -> None:
        super().__init__(device_id)
        if "token" in given and len(given["token"]) < 8:
            raise ValueError(f"token {given['token']} is too short")
        self.token = given.get("token")

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:  # noqa: ARG002 - the contract
        self.stated_id = data.decode()
        return []


LOCKED = Driver("locked", "有锁", "Locked", (), stream=Locked, first_bytes=(b"x",), secrets=("token",))


def test_from_a_file_from_the_environment_and_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door.key").write_text(KEY + "\n", encoding="utf-8")
    monkeypatch.setenv("A_KEY", KEY)
    given = {
        "bindkeys": {DOOR: {"file": "door.key"}, "A1": {"env": "A_KEY"}, "A2": KEY},
        "topics": ["a"],
        "x": {"env": "A_KEY"},
    }
    found = loaded(BTHOME, given, tmp_path)
    assert found["bindkeys"] == dict.fromkeys((DOOR, "A1", "A2"), KEY)
    assert (found["topics"], found["x"]) == (["a"], {"env": "A_KEY"})
    assert KEY not in repr(found)
    assert loaded(LOCKED, {"token": {"env": "A_KEY"}, "n": None}, tmp_path) == {"token": KEY, "n": None}
    assert loaded(LOCKED, {"token": None}, tmp_path) == {"token": None}


def test_a_secret_is_text_but_shows_stars() -> None:
    secret = SecretText(KEY)
    assert bytes.fromhex(secret).hex() == KEY
    assert (secret, len(secret), secret[:3]) == (KEY, 32, KEY[:3])
    assert KEY[:8] not in f"{secret!r} {secret[:8]!r} {[secret]} {secret.__getitem__(slice(0, 9))!r}"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ({"file": "absent.key"}, "cannot read the secret file"),
        ({"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"file": "a", "env": "b"}, "exactly one of file and env"),
        ({"file": 5}, "path"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named(tmp_path: Path, place: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(BTHOME, {"bindkeys": {DOOR: place}}, tmp_path)
    assert str(raised.value).startswith(f"bindkeys.{DOOR}: ")
    assert why in str(raised.value)


def test_over_the_network_only_some_places_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").write_text("12345678", encoding="utf-8")
    monkeypatch.setenv("YINLING_TOKEN", "87654321")
    assert loaded(LOCKED, {"token": {"file": "inside"}}, tmp_path, remote=True)["token"] == "12345678"
    assert loaded(LOCKED, {"token": {"env": "YINLING_TOKEN"}}, tmp_path, remote=True)["token"] == "87654321"
    for place in ({"file": "/etc/hostname"}, {"file": "../x"}, {"env": "HOME"}, {"env": ""}, {"file": "a", "env": "b"}):
        with pytest.raises(ConfigError):
            loaded(LOCKED, {"token": place}, tmp_path, remote=True)
        assert wrong_places("bthome", {"bindkeys": place}) or wrong_places("bthome", {"bindkeys": {"a": place}})
    assert wrong_places("bthome", {"bindkeys": {DOOR: {"file": "a"}}, "n": 1}) is None
    assert "no secret" in str(wrong_places("bthome", {"topics": {"file": "a"}}))
    assert "no secret" in str(wrong_places("departed", {"token": {"file": "a"}}))


def test_shown_and_sent_back() -> None:
    known = {"bindkeys": {"A": KEY, "B": {"file": "b"}, "C": KEY}, "n": 1}
    shown = masked("shelly_blu", known)
    assert shown == {"bindkeys": {"A": MASK, "B": {"file": "b"}, "C": MASK}, "n": 1}
    assert kept("bthome", shown, known) == known
    changed = {**shown, "bindkeys": {**shown["bindkeys"], "C": "new"}}
    assert kept("bthome", changed, known)["bindkeys"] == {"A": KEY, "B": {"file": "b"}, "C": "new"}
    assert masked("departed", {"a": "b"}) == {"a": "b"}
    assert [
        name for name, _ in places(BTHOME, {"bindkeys": {"A": KEY, "B": {"file": "b"}, "C": {"file": "x", "env": "y"}}})
    ] == ["bindkeys.B"]


def test_a_driver_s_complaint_hides_it() -> None:
    assert without_secrets("token abc is short", LOCKED, {"token": SecretText("abc")}) == f"token {MASK} is short"
    assert without_secrets("token", LOCKED, {"token": ""}) == "token"


def test_settings_with_a_bindkey_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "door.key").write_text(KEY, encoding="utf-8")
    (tmp_path / "door.key").chmod(0o644)
    tree = {
        "mqtt": {"families": ["bthome"]},
        "drivers": {"bthome": {"bindkeys": {DOOR: {"file": "door.key"}, "C300007B573D": KEY}}},
        "serial": [{"url": "/dev/null", "family": "micradar", "device_id": "r", "options": {"poll_s": 77}}],
    }
    settings = settings_from(tree, tmp_path)
    assert KEY not in repr(settings)
    assert "77" not in repr(settings.serial[0])
    given = driver_options(settings, BTHOME)
    made = checked(given)
    assert made.keys == {DOOR: bytes.fromhex(KEY), "C300007B573D": bytes.fromhex(KEY)}
    assert KEY[:6] not in repr(made).lower()
    checks = {one.name: one.verdict for one in examine(settings)}
    assert checks[f"drivers.bthome.bindkeys.{DOOR}"] == "warn"  # others can read it
    (tmp_path / "door.key").unlink()
    with pytest.raises(ConfigError, match=rf"drivers\.bthome\.bindkeys\.{DOOR}: cannot read"):
        driver_options(settings, BTHOME)
    checks = {one.name: one.verdict for one in examine(settings)}
    assert checks[f"drivers.bthome.bindkeys.{DOOR}"] == "fail"


def test_the_repr_of_a_device_hides_its_options() -> None:
    assert KEY not in repr(Device("a", "bthome", options={"bindkeys": KEY}))
    assert KEY not in repr(Admitted("a", "locked", "a", {"token": KEY}))


def source_of(tmp_path: Path) -> TcpSource:
    def load(driver: Driver, given: Mapping[str, Any]) -> dict[str, Any]:
        return loaded(driver, given, tmp_path, remote=True)

    return TcpSource(TcpOptions(), [LOCKED], lambda *_: None, lambda: 0, lambda: 0.0, load)


def test_a_device_at_the_tcp_port_gets_its_secret_and_its_complaint_is_masked(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("12345678", encoding="utf-8")
    source = source_of(tmp_path)
    codec = source._codec(LOCKED, Admitted("a", "locked", "a", {"token": {"file": "token"}}))
    assert isinstance(codec, Locked)
    assert codec.token == "12345678"
    assert not source.faults
    short = source._codec(LOCKED, Admitted("b", "locked", "b", {"token": "s3cret"}))
    assert isinstance(short, Locked)
    assert short.token is None
    assert source.faults["b"] == f"token {MASK} is too short"
    source._codec(LOCKED, Admitted("c", "locked", "c", {"token": {"file": "absent"}}))
    assert "token: cannot read" in source.faults["c"]


def test_no_traceback_with_locals_shows_it(tmp_path: Path) -> None:
    given = loaded(LOCKED, {"token": "s3cret-token-that-is-long"}, tmp_path)
    with pytest.raises(ZeroDivisionError) as raised:
        _failing(given)
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True).format()
    text = "".join(told).partition("_failing(given)")[2]
    assert MASK in text
    assert "s3cret" not in text


def _failing(given: Mapping[str, Any]) -> float:
    return len(given) / 0


def test_every_secret_option_of_a_family_is_one_of_its_options() -> None:
    assert options.secrets_of("bthome") == ("bindkeys",)
    assert options.secrets_of("departed") == ()
