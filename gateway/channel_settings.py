"""Settings of the ways to tell people, `[channels.NAME]` in yinling.toml; NAME is what a contact's `channel` says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.settings_base import Secret, SettingsPart


class RobotSettings(SettingsPart):
    """A group robot. A contact's address is the mobile number to call by name, or empty."""

    type: Literal["dingtalk", "wecom", "feishu"]
    token: Secret
    """The key in the robot's web address."""
    secret: Secret | None = None
    """The signing secret of DingTalk and Feishu, where signature checking is switched on (advised)."""
    base_url: str | None = None
    """The vendor's own server where absent; for a private deployment."""


class AppriseSettings(SettingsPart):
    """Anything that Apprise reaches: e-mail, ntfy, Bark and many more."""

    type: Literal["apprise"]
    url: Secret
    """An Apprise address; `{address}` in it stands for the contact's own address."""


class ScaipSettings(SettingsPart):
    """A social-alarm receiver that speaks SCAIP (SS 91100) over SIP."""

    type: Literal["scaip"]
    receivers: tuple[str, ...] = Field(min_length=1)
    """`sip:USER@HOST:PORT;transport=udp`, `tcp` or `tls`; tried in turn."""
    controller_id: str = Field(pattern=r"^\d{1,16}$")
    """Our number at the centre."""
    crd: str = "no-voice:"
    """How the centre may call back: `no-voice:`, `gsm:NUMBER` or `sip:ADDRESS`."""
    username: str | None = None
    password: Secret | None = None
    local_host: str = "127.0.0.1"
    """Our own address, as the receivers reach it; loopback unless changed on purpose."""
    local_port: int = Field(0, ge=0, le=65535)
    ca_file: Path | None = None
    """Authority of the receivers' certificates, the system's where absent."""
    heartbeat_s: float = Field(60.0, ge=0, le=3600)
    """Seconds between heartbeats; 0 for none."""


class SmsModemSettings(SettingsPart):
    """A 4G modem on a serial port. A contact's address is the phone number."""

    type: Literal["sms_modem"]
    url: str
    baud: int = Field(115_200, ge=300, le=4_000_000)
    pin: Secret | None = None


AnyChannel = RobotSettings | AppriseSettings | ScaipSettings | SmsModemSettings
ChannelSettings = Annotated[AnyChannel, Field(discriminator="type")]
