"""The gateway's settings: one TOML file, checked at start; secrets only by file or environment, never in the text."""

from __future__ import annotations

import tomllib
from datetime import time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, model_validator

from gateway.alerts.oncall import Weekday
from gateway.alerts.policy import Plan
from gateway.channel_settings import ChannelSettings
from gateway.settings_base import ConfigError, Secret, SettingsPart
from gateway.sntp import address_of
from gateway.wrong_settings import sentences

__all__ = ["ConfigError", "Language", "Secret", "Settings", "load_settings", "settings_from"]

Language = Literal["zh-CN", "en"]
MQTT_FAMILIES = (
    *("yinling_wearable", "zigbee2mqtt", "ble_gatt", "minew", "openmqttgateway", "bthome", "espresense"),
    *("chirpstack", "thethings", "generic_json", "esphome"),
)


class SiteSettings(SettingsPart):
    """Which site this box serves, and the language of its texts."""

    name: str = "Yinling"
    language: Language = "zh-CN"
    timezone: str = "Asia/Shanghai"
    """Name of the IANA time zone: texts, on-call schedules and hours of policies go by its clock."""
    address: str = ""
    """Where an ambulance is to come to."""
    phone: str = ""
    """Number on which somebody of the site answers."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _known_zone(self) -> SiteSettings:
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"timezone: no time zone {self.timezone!r}; write one such as Asia/Shanghai") from error
        return self


class ApiSettings(SettingsPart):
    """Where the API and the console listen. Loopback unless changed on purpose."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = None
    """How the 助急 service reaches this box for call-backs; the listening address where absent."""
    docs: bool = False
    """Show the API's documentation pages at /api/docs without a key. For development."""


class TlsSettings(SettingsPart):
    """PEM files. For an external broker: its authority and our certificate; for the embedded one: its own pair."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class MqttSettings(SettingsPart):
    """The MQTT broker: the embedded one, or an external one by host, port and credentials."""

    embedded: bool = True
    host: str = "127.0.0.1"
    port: int = Field(1883, ge=1, le=65535)
    username: str | None = None
    password: Secret | None = None
    tls: TlsSettings | None = None
    client_id: str = "yinling-gateway"
    families: tuple[str, ...] = MQTT_FAMILIES
    """Whose messages are listened to, each in a session of its own. By default all that come with the gateway: an
    idle one costs about 0.1 MB and a sleeping thread. Name fewer on a broker that is shared with others."""
    hold_s: float | None = Field(None, ge=0, le=10)
    """Seconds to hold QoS-1 acknowledgements until consequences are durable; 5 with the embedded broker, else 0.

    An external broker must allow as many messages in flight as arrive in that time."""

    @property
    def hold_time_s(self) -> float:
        """The hold time in force."""
        if self.hold_s is not None:
            return self.hold_s
        return 5.0 if self.embedded else 0.0


class SerialSettings(SettingsPart):
    """One device on a serial line. url: device path or pyserial URL (`socket://host:port`)."""

    url: str
    family: str
    device_id: str
    baud: int | None = Field(None, ge=300, le=4_000_000)
    """The family's own where absent."""
    parity: Literal["none", "odd", "even"] = "none"
    options: dict[str, Any] = Field(default_factory=dict, repr=False)


class TcpSettings(SettingsPart):
    """A port that watches, pendants and trackers connect to. Only devices of the registry are let in.

    The protocols know no encryption: reach it through a VPN, a private APN or a TLS proxy.
    """

    host: str = "127.0.0.1"
    port: int = Field(7700, ge=0, le=65535)
    families: tuple[str, ...] = ("watch_3g", "minifinder", "jt808")
    idle_s: float = Field(900.0, ge=60, le=86_400)
    """Silence after which a device is offline and its connection closed; heartbeats come every 5 minutes."""


class DrillSettings(SettingsPart):
    """Test alerts to the 助急 service, by the site's clock. They reach nobody else."""

    at: time = time(10)
    days: tuple[Weekday, ...] = ()
    """Every day where empty."""


class AssistSettings(SettingsPart):
    """The 助急 service: where signed alerts go, and the secret that its call-backs are signed with."""

    url: str
    secrets: tuple[Secret, ...] = Field(min_length=1)
    """Signing secrets (`whsec_...`), the newest first; several while a key is being changed."""
    callback_secret: Secret
    old_callback_secrets: tuple[Secret, ...] = ()
    """Earlier secrets of the call-backs that still count, while a key is being changed."""
    allow_private: bool = False
    """Allow an address inside the local network (a centre's own server)."""
    heartbeat_s: float = Field(60.0, ge=0, le=3600)
    """Seconds between heartbeats; 0 for none."""
    test: DrillSettings | None = None
    """Test alerts on schedule; none where absent."""


class InfluxSettings(SettingsPart):
    """Forwarding to InfluxDB 2 or a server that speaks its write API."""

    url: str
    token: Secret
    org: str = "yinling"
    bucket: str = "yinling"


class StoreSettings(SettingsPart):
    """How long history is kept, in days."""

    readings_days: int = Field(90, ge=1)
    hourly_days: int = Field(730, ge=1)
    events_days: int = Field(1095, ge=1)


class AlertSettings(SettingsPart):
    """cancel_window_s: how long a suspected fall waits for "I am fine" before it is raised.

    reopen_*_s: seconds after the last answer until an alert that nobody has resolved is raised again, by priority.
    """

    cancel_window_s: float = Field(20.0, ge=0, le=120)
    learn_fall_sensitivity: bool = False
    """Let outcomes that carers give teach the fall sensitivity of single residents (docs/fall-detection.md)."""
    reopen_high_s: float = Field(900.0, ge=60, le=86_400)
    reopen_medium_s: float = Field(7200.0, ge=60, le=604_800)
    reopen_low_s: float = Field(86_400.0, ge=60, le=604_800)
    pause_max_s: float = Field(600.0, ge=60, le=3600)
    """The longest pause of a condition."""
    maintenance_max_s: float = Field(28_800.0, ge=60, le=86_400)
    flood_count: int = Field(5, ge=1, le=1000)
    """More alerts of one kind about equipment within flood_s become one."""
    flood_s: float = Field(60.0, ge=1, le=3600)
    storm_count: int = Field(12, ge=1, le=1000)
    """More alerts of one kind about one person or device within an hour are kept back; never of high priority."""


class WatchSettings(SettingsPart):
    """What of the box itself is watched."""

    disk_free_mb: int = Field(500, ge=1, le=10_000_000)
    """Less free space than this is a fault."""
    clock_limit_s: float = Field(10.0, ge=1, le=86_400)
    """A clock that is further off is a fault."""
    ntp_server: str | None = None
    """A time server to compare the clock with (HOST or HOST:PORT); the clock is never set by us."""
    off_s: float = Field(60.0, ge=1, le=86_400)
    """Having been off for longer is told at the start."""

    @model_validator(mode="after")
    def _server(self) -> WatchSettings:
        if self.ntp_server is not None:
            address_of(self.ntp_server)
        return self


class LinkSettings(SettingsPart):
    """Acknowledge links in messages to people. Off without a url."""

    url: str | None = Field(None, pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")
    """How people's telephones reach this box: https://box.example. Put TLS before it."""
    hours: float = Field(24.0, gt=0, le=48)
    """How long a link is good."""


class PromptSettings(SettingsPart):
    """Asking residents on the spot while an alert is only suspected, besides the page on a tablet."""

    devices: bool = True
    """Let the resident's connected devices ring that can be found by ringing."""
    say: tuple[str, ...] = ()
    """A program and its arguments that says the last one, the question, aloud."""
    say_residents: tuple[str, ...] = ()
    """Those within hearing; empty: all."""


class EscalationSettings(Plan):
    """Who is told in which order: policies and on-call schedules, here or in a file of their own.

    A plan that was stored through the API goes before this one, as a whole.
    """

    file: Path | None = None


class HomeAssistantSettings(SettingsPart):
    """Telling Home Assistant of residents, alerts and the box, over the same broker. Off unless wanted.

    Whoever may read that broker reads it too: names and vital signs are told only when asked for.
    """

    enabled: bool = False
    prefix: str = Field("homeassistant", pattern=r"^[^+#/][^+#]*[^+#/]$")
    names: bool = False
    """Tell residents' names and rooms; otherwise only numbers."""
    vitals: bool = False
    """Tell heart rate, oxygen, breathing, temperature, presence and bed."""


class Settings(SettingsPart):
    """The whole file."""

    site: SiteSettings = SiteSettings()
    data_directory: Path = Path("var")
    api: ApiSettings = ApiSettings()  # type: ignore[call-arg]
    mqtt: MqttSettings = MqttSettings()  # type: ignore[call-arg]
    serial: tuple[SerialSettings, ...] = ()
    tcp: tuple[TcpSettings, ...] = ()
    drivers: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """Options of MQTT families by family name. Secrets among them by `{file = ...}` or `{env = ...}`."""
    assist: AssistSettings | None = None
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    """Other ways to tell people, by the name that contacts use."""
    influx: InfluxSettings | None = None
    store: StoreSettings = StoreSettings()  # type: ignore[call-arg]
    alerts: AlertSettings = AlertSettings()  # type: ignore[call-arg]
    escalation: EscalationSettings = EscalationSettings()
    prompt: PromptSettings = PromptSettings()
    links: LinkSettings = LinkSettings()  # type: ignore[call-arg]
    watch: WatchSettings = WatchSettings()  # type: ignore[call-arg]
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()  # type: ignore[call-arg]
    base: Path = Field(Path(), exclude=True)
    """Folder that relative paths start from: that of the file."""

    @property
    def channel_names(self) -> frozenset[str]:
        """Every way to tell people that is set up, by the name that contacts use."""
        return frozenset(self.channels) | ({"webhook"} if self.assist is not None else frozenset())

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return (self.base / self.data_directory).resolve()


def load_settings(path: Path) -> Settings:
    """Read and check the file. Raises ConfigError naming every wrong setting."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; `yinling init` writes a first one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    return settings_from(tree, path.resolve().parent, str(path))


def settings_from(tree: dict[str, Any], base: Path, source: str = "settings") -> Settings:
    """Check settings that are already a tree. Raises ConfigError naming every wrong setting."""
    whole = {**tree, "base": base} | _own_file(tree, base, source)
    try:
        return Settings.model_validate(whole)
    except ValidationError as error:
        raise ConfigError("\n  ".join([f"{source}:", *sentences(error, whole)])) from error


def _own_file(tree: dict[str, Any], base: Path, source: str) -> dict[str, Any]:
    """The escalation plan, where it is in a file of its own."""
    escalation = tree.get("escalation")
    if not isinstance(escalation, dict) or not isinstance(file := escalation.get("file"), str):
        return {}
    if set(escalation) != {"file"}:
        raise ConfigError(f"{source}: escalation: write the plan here or in {file}, not in both")
    path = base / file
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{source}: escalation.file: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: escalation.file: {path} is not valid TOML: {error}") from error
    return {"escalation": {**plan, "file": file}}
