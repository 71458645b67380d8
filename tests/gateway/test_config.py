"""Settings: what is wrong is named, secrets come from elsewhere, and every setting is documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, SecretStr

from device_drivers.registry import drivers, find_driver, is_ours
from gateway.config import ConfigError, Secret, Settings, load_settings, settings_from
from gateway.secrets import own_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "yinling.example.toml"


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    example = load_settings(EXAMPLE)
    defaults = settings_from({}, EXAMPLE.parent)
    assert example.api == defaults.api
    assert example.mqtt == defaults.mqtt
    assert example.store == defaults.store
    assert example.alerts == defaults.alerts


def test_the_example_with_every_comment_uncommented_is_valid_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = [re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in text.splitlines()]
    body = [line for line in lines if not line.startswith("#")]
    tree = tomllib.loads("\n".join(body))
    settings = settings_from(tree, EXAMPLE.parent)
    assert settings.assist is not None
    assert settings.influx is not None
    assert settings.serial[0].family == "micradar"
    assert settings.tcp == settings_from({"tcp": [{}]}, EXAMPLE.parent).tcp


def test_by_default_every_family_of_ours_that_comes_by_mqtt_is_listened_to() -> None:
    ours = {name for name, driver in drivers().items() if driver.message is not None and is_ours(driver)}
    assert set(settings_from({}, ROOT).mqtt.families) == ours
    assert all(find_driver(name).account_topics is not None for name in ours)


def documented() -> str:
    return EXAMPLE.read_text(encoding="utf-8")


def names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        yield name
        for nested in re.findall(r"gateway\.config\.(\w+)", str(field.annotation)):
            import gateway.config

            kind = getattr(gateway.config, nested)
            if kind is not Secret:
                yield from names(kind)


@pytest.mark.parametrize("name", sorted(set(names(Settings)) - {"options"}))  # a table of the driver's own names
def test_every_setting_is_in_the_example(name: str) -> None:
    assert re.search(rf"\b{name}\b", documented()), f"{name} is not in {EXAMPLE.name}"


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "y.toml"
    path.write_text('[mqtt]\nport = 99999\nprot = 1\n[assist]\nurl = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(path)
    for word in ("mqtt.port", "mqtt.prot", "assist.secrets", "assist.callback_secret", str(path)):
        assert word in str(raised.value)


def test_absent_and_broken_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="yinling init"):
        load_settings(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[mqtt\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_settings(broken)


def test_secrets_come_from_files_or_the_environment_and_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").write_text(" value\n", encoding="utf-8")
    secret = Secret(file=Path("s")).load(tmp_path)
    assert secret.get_secret_value() == "value"
    assert "value" not in repr(secret)
    monkeypatch.setenv("YINLING_T", "other")
    assert Secret(env="YINLING_T").load(tmp_path).get_secret_value() == "other"
    monkeypatch.delenv("YINLING_T")
    with pytest.raises(ConfigError, match="YINLING_T"):
        Secret(env="YINLING_T").load(tmp_path)
    with pytest.raises(ConfigError, match="absent"):
        Secret(file=Path("absent")).load(tmp_path)
    with pytest.raises(ConfigError, match="exactly one"):
        settings_from({"mqtt": {"password": {"file": "a", "env": "b"}}}, tmp_path)


def test_a_secret_cannot_be_written_into_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        settings_from({"influx": {"url": "http://x", "token": "inline-secret"}}, tmp_path)


def test_own_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    first = own_secret(tmp_path, "broker")
    assert isinstance(first, SecretStr)
    assert own_secret(tmp_path, "broker").get_secret_value() == first.get_secret_value()
    assert (tmp_path / "broker.secret").stat().st_mode & 0o777 == 0o600
    assert own_secret(tmp_path, "other").get_secret_value() != first.get_secret_value()


def test_hold_time_follows_the_broker() -> None:
    assert settings_from({}, Path()).mqtt.hold_time_s == 5.0
    assert settings_from({"mqtt": {"embedded": False}}, Path()).mqtt.hold_time_s == 0.0
    assert settings_from({"mqtt": {"hold_s": 2}}, Path()).mqtt.hold_time_s == 2.0
