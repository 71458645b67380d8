"""Settings of the ways to tell people, `[channels.NAME]` in yinling.toml; NAME is what a contact's `channel` says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class MqttChannelSettings(SettingsPart):
    """Alerts over MQTT (docs/mqtt-alerts.md). A contact's address is passed on as it is."""

    type: Literal["mqtt"]
    dialect: Literal["yinling", "alink", "iotda"] = "yinling"
    host: str | None = None
    """The broker; the gateway's own where absent (dialect yinling only)."""
    port: int = Field(8883, ge=1, le=65535)
    tls: bool = True
    ca_file: Path | None = None
    """Authority of the broker's certificate, the system's where absent."""
    client_id: str | None = None
    username: str | None = None
    password: Secret | None = None
    base: str = Field("yinling-alerts", pattern=r"^[^+#/$][^+#]*[^+#/]$")
    """What our own topics begin with."""
    product_key: str = Field("", pattern=r"^[A-Za-z0-9]*$")
    device_name: str = Field("", pattern=r"^[A-Za-z0-9_@.:-]*$")
    identifier: str = Field("Alert", pattern=r"^[A-Za-z0-9_]+$")
    """The event of the Alink thing model."""
    device_id: str = Field("", pattern=r"^[A-Za-z0-9_-]*$")
    service: str = Field("Alert", pattern=r"^[A-Za-z0-9_$]+$")
    """The service of the IoTDA product model."""
    report: Literal["properties", "events"] = "properties"
    """How IoTDA is told."""
    secret: Secret | None = None
    """The device's secret on the platform, from which the log-in is made."""

    @model_validator(mode="after")
    def _complete(self) -> MqttChannelSettings:
        needed = {"alink": ("product_key", "device_name", "host"), "iotda": ("device_id", "host")}
        missing = [name for name in needed.get(self.dialect, ()) if not getattr(self, name)]
        if missing:
            raise ValueError(f"dialect {self.dialect} needs {', '.join(missing)}")
        if self.dialect != "yinling" and (self.secret is None) == (self.password is None):
            raise ValueError(f"dialect {self.dialect} needs the device's secret, or username, password and client_id")
        return self


AnyChannel = RobotSettings | AppriseSettings | ScaipSettings | SmsModemSettings | MqttChannelSettings
ChannelSettings = Annotated[AnyChannel, Field(discriminator="type")]
