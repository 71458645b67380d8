"""Channels out of settings: by name, with their secrets, and refused with the name of what is wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.channels.make import make_channels
from gateway.config import settings_from
from gateway.settings_base import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("token", "secret"):
        (tmp_path / name).write_text(f"the-{name}\n", encoding="utf-8")
    (tmp_path / "url").write_text("ntfy://ntfy.example/{address}", encoding="utf-8")
    (tmp_path / "bad-url").write_text("dingtalk://token", encoding="utf-8")
    return tmp_path


def made(folder: Path, **channels: Any) -> list[str]:
    async def scene() -> list[str]:
        built = make_channels(settings_from({"channels": channels}, folder))
        for channel in built.values():
            await channel.aclose()
            assert "the-" not in repr(channel)
        return list(built)

    return asyncio.run(scene())


def test_every_type_by_its_name(folder: Path) -> None:
    token = {"file": "token"}
    assert made(
        folder,
        group={"type": "wecom", "token": token},
        other={"type": "dingtalk", "token": token, "secret": {"file": "secret"}},
        phone={"type": "apprise", "url": {"file": "url"}},
        arc={"type": "scaip", "receivers": ["sip:a@b"], "controller_id": "1", "password": token},
        sms={"type": "sms_modem", "url": "/dev/modem", "pin": token},
        hub={"type": "mqtt"},
        other_hub={"type": "mqtt", "host": "broker.example", "password": token, "username": "u"},
        ali={"type": "mqtt", "dialect": "alink", "product_key": "p", "device_name": "d", "host": "h", "secret": token},
        huawei={"type": "mqtt", "dialect": "iotda", "device_id": "d", "host": "h", "secret": token, "report": "events"},
    ) == ["group", "other", "phone", "arc", "sms", "hub", "other_hub", "ali", "huawei"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("webhook", {"type": "wecom", "token": {"file": "token"}}),
        ("group", {"type": "wecom", "token": {"file": "absent"}}),
        ("phone", {"type": "apprise", "url": {"file": "bad-url"}}),
        ("arc", {"type": "scaip", "receivers": ["centre"], "controller_id": "1"}),
        ("arc", {"type": "scaip", "receivers": ["sip:a@b"], "controller_id": "1", "ca_file": "absent"}),
        ("arc", {"type": "scaip", "receivers": [], "controller_id": "1"}),
        ("pigeon", {"type": "pigeon"}),
        ("hub", {"type": "mqtt", "dialect": "alink", "product_key": "p", "device_name": "d", "host": "h"}),
        ("hub", {"type": "mqtt", "dialect": "iotda", "secret": {"file": "token"}}),
        ("hub", {"type": "mqtt", "host": "h", "ca_file": "absent"}),
        ("hub", {"type": "mqtt", "base": "a/#"}),
    ],
)
def test_what_is_wrong_is_named(folder: Path, name: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        made(folder, **{name: wanted})
    assert name in str(raised.value) or "absent" in str(raised.value)
