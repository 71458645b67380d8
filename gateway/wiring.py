"""Makes the parts of a gateway from its settings: the broker with its accounts, and a source for each way in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from device_drivers.contract import DriverFaultError, make_message, make_stream, where
from device_drivers.modbus_io import ModbusIoCodec
from device_drivers.registry import UnknownFamilyError, find_driver, is_ours
from device_drivers.transports.http_poll import HttpPoll
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession, TlsOptions, subscriptions_of
from device_drivers.transports.polled import PollOptions
from device_drivers.transports.serial_line import PARITIES, SerialLine, SerialOptions
from device_drivers.transports.tcp_listener import TcpOptions
from gateway import home_assistant
from gateway import options as options_of_drivers
from gateway.alerts.card import Place
from gateway.alerts.holds import Limits
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.plan_book import PlanBook
from gateway.alerts.policy import Timing
from gateway.alerts.prompts import Prompts, SpokenPrompt
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password, share_filters
from gateway.channel_settings import MqttChannelSettings
from gateway.config import ConfigError
from gateway.home_assistant_link import HomeAssistantLink
from gateway.mishaps import MishapLog
from gateway.secrets import own_secret
from gateway.sources import MqttSource, SerialSource
from gateway.store.base import StoreOptions
from gateway.tcp_source import TcpSource

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from device_drivers.codec import Driver, MessageCodec, StreamCodec
    from device_drivers.transports.polled import PolledLine
    from gateway.config import MqttSettings, SerialSettings, Settings, TcpSettings, TlsSettings
    from gateway.context import Context
    from gateway.registry import Registry
    from gateway.sources import Source
    from gateway.store.base import SeriesStore
    from gateway.store.influx_forwarder import InfluxForwarder
    from gateway.tcp_source import Offer

log = structlog.get_logger(__name__)

GATEWAY_USER = "yinling-gateway"
HOME_ASSISTANT_USER = "home-assistant"
MQTT_READER = "alerts-"
PAGE_PERIOD_S = 1.5
BUS_PERIOD_S, BUS_TIMEOUT_S, BUS_LONGEST_S = 0.2, 0.5, 5.0
CALLBACK_PATH = "/api/v1/assist/callback"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every source needs: the loop, where observations go, and the clocks."""

    loop: asyncio.AbstractEventLoop
    offer: Offer
    clock: Callable[[], int]
    monotonic: Callable[[], float]


def broker_options(settings: Settings) -> BrokerOptions:
    """Options of the embedded broker."""
    tls = settings.mqtt.tls
    return BrokerOptions(
        directory=settings.data / "broker",
        host=settings.mqtt.host,
        port=settings.mqtt.port,
        tls_cert=_inside(settings, tls.cert_file) if tls else None,
        tls_key=_inside(settings, tls.key_file) if tls else None,
    )


def gateway_user(settings: Settings) -> BrokerUser:
    """The gateway's own account on the embedded broker."""
    password = own_secret(settings.data, "broker").get_secret_value()
    return BrokerUser(GATEWAY_USER, hash_password(password), ("#",), ("#",))


def own_users(settings: Settings) -> list[BrokerUser]:
    """The accounts on the embedded broker that belong to no device: the gateway's, Home Assistant's if wanted, and one
    for whoever reads the alerts of an MQTT channel.
    """
    users = [gateway_user(settings)]
    home = settings.home_assistant
    if home.enabled:
        password = own_secret(settings.data, HOME_ASSISTANT_USER).get_secret_value()
        read = (f"{home.prefix}/#", f"{home_assistant.BASE}/#")
        write = (f"{home.prefix}/status",)
        users.append(BrokerUser(HOME_ASSISTANT_USER, hash_password(password), write, read))
    for name, channel in settings.channels.items():
        if isinstance(channel, MqttChannelSettings) and channel.host is None:
            password = own_secret(settings.data, f"{MQTT_READER}{name}").get_secret_value()
            base = channel.base
            mine = BrokerUser(f"{MQTT_READER}{name}", hash_password(password), (f"{base}/answers",), (f"{base}/#",))
            users.append(mine)
    return users


def home_assistant_link(
    settings: Settings, context: Context, loop: asyncio.AbstractEventLoop
) -> HomeAssistantLink | None:
    """What tells Home Assistant, None where that is not wanted. Raises ConfigError."""
    if not settings.home_assistant.enabled:
        return None
    will = (home_assistant.AVAILABILITY, home_assistant.OFFLINE)
    options = replace(own_session(settings, "home-assistant"), will=will)
    return HomeAssistantLink(MqttSession(options, loop, context.clock), context)


def own_session(settings: Settings, name: str, subscriptions: tuple[str, ...] = ()) -> MqttOptions:
    """For a session of our own with the broker of the settings. name: what its client id ends in."""
    username, password = _login(settings)
    return MqttOptions(
        host=_reach(settings.mqtt),
        port=settings.mqtt.port,
        client_id=f"{settings.mqtt.client_id}-{name}",
        subscriptions=subscriptions,
        username=username,
        password=password,
        tls=_client_tls(settings, settings.mqtt.tls),
    )


def device_users(registry: Registry) -> list[BrokerUser]:
    """An account for each device that has credentials and connects to the broker by itself."""
    users = []
    for device_id, family, hashed in registry.credentials():
        try:
            topics = find_driver(family).account_topics
            if topics is not None:
                publish, subscribe = (tuple(map(_topic, some)) for some in topics(device_id))
                users.append(BrokerUser(device_id, hashed, publish, subscribe))
        except UnknownFamilyError:
            continue
        except Exception as error:
            log.exception("driver.no_account", device=device_id, family=family, problem=where(error))
    return users


def own_account(family: str, device_id: str) -> bool:
    """Whether such a device logs in to the broker itself; what speaks through a bridge has no use for a password.

    Raises UnknownFamilyError.
    """
    topics = find_driver(family).account_topics
    if topics is None:
        return False
    try:
        return any(topics(device_id))
    except Exception as error:
        log.exception("driver.no_account", device=device_id, family=family, problem=where(error))
        return False


def _topic(text: str) -> str:
    if not isinstance(text, str) or not text:
        raise TypeError(f"account_topics gives {text!r}: give two tuples of topic filters")
    return text


def make_sources(
    settings: Settings, around: Surroundings, left_out: Callable[[str, str], None] | None = None
) -> list[Source]:
    """A source for each MQTT family, each serial line and each TCP port. Raises ConfigError for a wrong setting.

    left_out(name, problem): told of each source that cannot be made because of its driver, which is not installed or
    broken: the others are made all the same. Without it such a driver raises UnknownFamilyError or DriverFaultError.
    """
    ways: list[tuple[str, Callable[[], Sequence[Source]]]] = [
        *((f"mqtt:{one}", partial(_mqtt_sources, settings, one, around)) for one in settings.mqtt.families),
        *((f"serial:{one.device_id}", partial(_serial_sources, settings, one, around)) for one in settings.serial),
        *(
            (f"tcp:{one.host}:{one.port}", partial(_tcp_sources, settings, one, around, left_out))
            for one in settings.tcp
        ),
    ]
    made: list[Source] = []
    for name, make in ways:
        try:
            made += make()
        except (UnknownFamilyError, DriverFaultError) as error:
            if left_out is None:
                raise
            left_out(name, str(error))
    return made


def _mqtt_sources(settings: Settings, family: str, around: Surroundings) -> list[MqttSource]:
    """The sessions of one family: as many as the embedded broker needs for all its filters, sharing one codec."""
    driver = find_driver(family)
    if driver.message is None:
        raise ConfigError(f"mqtt.families: {family} does not come over MQTT")
    options = driver_options(settings, driver)
    try:
        codec = make_message(driver, options)
    except ValueError as error:
        raise _wrong_option(driver, f"drivers.{driver.family}", error, options) from error
    filters = subscriptions_of([codec.subscriptions()])
    shares = share_filters(filters) if settings.mqtt.embedded else [filters]
    mishaps = MishapLog()
    return [_mqtt_source(settings, codec, share, around, number, mishaps) for number, share in enumerate(shares, 1)]


def driver_options(settings: Settings, driver: Driver) -> dict[str, Any]:
    """The options of an MQTT family, with its secrets. Raises ConfigError that names a secret that cannot be had."""
    try:
        return options_of_drivers.loaded(driver, settings.drivers.get(driver.family, {}), settings.base)
    except ConfigError as error:
        raise ConfigError(f"drivers.{driver.family}.{error}") from error


def line_options(settings: Settings, line: SerialSettings, driver: Driver) -> dict[str, Any]:
    """The options of a serial line, with its secrets. Raises ConfigError that names a secret that cannot be had."""
    try:
        return options_of_drivers.loaded(driver, line.options, settings.base)
    except ConfigError as error:
        raise ConfigError(f"serial {line.url}: {error}") from error


def _wrong_option(driver: Driver, setting: str, error: ValueError, options: Mapping[str, Any]) -> Exception:
    """A wrong setting stops the start, so that whoever wrote it sees it. Of a third party's driver nobody knows whether
    it is the setting: a new version of it must not stop the gateway.
    """
    text = f"{setting}: {error}" if is_ours(driver) else where(error)
    told = options_of_drivers.without_secrets(text, driver, options)
    return ConfigError(told) if is_ours(driver) else DriverFaultError(driver.family, told)


def observer_options(settings: Settings, subscriptions: tuple[str, ...]) -> MqttOptions:
    """For looking on at the broker for a while: a session that leaves nothing behind."""
    username, password = _login(settings)
    mqtt = settings.mqtt
    return MqttOptions(
        host=_reach(mqtt),
        port=mqtt.port,
        client_id=f"{mqtt.client_id}-observer",
        subscriptions=subscriptions,
        username=username,
        password=password,
        tls=_client_tls(settings, mqtt.tls),
        qos=0,
        clean=True,
    )


def _mqtt_source(
    settings: Settings,
    codec: MessageCodec,
    filters: tuple[str, ...],
    around: Surroundings,
    number: int,
    mishaps: MishapLog,
) -> MqttSource:
    username, password = _login(settings)
    mqtt = settings.mqtt
    suffix = "" if number == 1 else f"-{number}"
    options = MqttOptions(
        host=_reach(mqtt),
        port=mqtt.port,
        client_id=f"{mqtt.client_id}-{codec.family}{suffix}",
        subscriptions=filters,
        username=username,
        password=password,
        tls=_client_tls(settings, mqtt.tls),
    )
    source: MqttSource

    def connected() -> None:
        source.greet()

    session = MqttSession(options, around.loop, around.clock, connected)
    source = MqttSource(session, codec, around.offer, mqtt.hold_time_s, around.monotonic, number, mishaps)
    return source


def _serial_sources(settings: Settings, line: SerialSettings, around: Surroundings) -> list[SerialSource]:
    driver = find_driver(line.family)
    if driver.stream is None:
        raise ConfigError(f"serial {line.url}: {line.family} does not come over a serial line")
    options = line_options(settings, line, driver)
    try:
        codec = make_stream(driver, line.device_id, options)
    except ValueError as error:
        raise _wrong_option(driver, f"serial {line.url}", error, options) from error
    try:
        way = _line(line, codec, line.baud or driver.baud, around)
    except ValueError as error:
        raise ConfigError(f"serial {line.url}: {error}") from error
    return [SerialSource(way, codec, around.offer)]


def _line(line: SerialSettings, codec: StreamCodec, baud: int, around: Surroundings) -> SerialLine | PolledLine:
    """The way to one device: a serial line, a web page that is asked, or a Modbus bus."""
    if line.url.startswith(("http://", "https://")):
        return HttpPoll(PollOptions(line.url, period_s=PAGE_PERIOD_S), around.loop, around.clock)
    if isinstance(codec, ModbusIoCodec):
        from device_drivers.transports.modbus_poll import ModbusPoll

        options = PollOptions(line.url, period_s=BUS_PERIOD_S, timeout_s=BUS_TIMEOUT_S, longest_s=BUS_LONGEST_S)
        parity = PARITIES[line.parity]
        return ModbusPoll(options, codec.requests, around.loop, around.clock, baud=baud, parity=parity)
    return SerialLine(SerialOptions(line.url, baud, line.parity), around.loop, around.clock)


def _tcp_sources(
    settings: Settings, port: TcpSettings, around: Surroundings, left_out: Callable[[str, str], None] | None
) -> list[TcpSource]:
    families = []
    for name in port.families:
        try:
            driver = find_driver(name)
        except UnknownFamilyError as error:
            if left_out is None:
                raise
            left_out(f"tcp:{name}", str(error))
            continue
        if driver.stream is None or not driver.first_bytes:
            raise ConfigError(f"tcp.families: {driver.family} does not connect to a TCP port")
        families.append(driver)
    options = TcpOptions(host=port.host, port=port.port, idle_s=port.idle_s)
    load = partial(options_of_drivers.loaded, base=settings.base, remote=True)
    return [TcpSource(options, families, around.offer, around.clock, around.monotonic, load)]


def _login(settings: Settings) -> tuple[str | None, str | None]:
    mqtt = settings.mqtt
    if mqtt.embedded:
        return GATEWAY_USER, own_secret(settings.data, "broker").get_secret_value()
    password = mqtt.password.load(settings.base).get_secret_value() if mqtt.password else None
    return mqtt.username, password


def _reach(mqtt: MqttSettings) -> str:
    listening_everywhere = mqtt.embedded and mqtt.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return "127.0.0.1" if listening_everywhere else mqtt.host


def _client_tls(settings: Settings, tls: TlsSettings | None) -> TlsOptions | None:
    if tls is None:
        return None
    own = not settings.mqtt.embedded
    return TlsOptions(
        ca_file=_text(_inside(settings, tls.ca_file)),
        cert_file=_text(_inside(settings, tls.cert_file)) if own else None,
        key_file=_text(_inside(settings, tls.key_file)) if own else None,
    )


def _inside(settings: Settings, path: Path | None) -> Path | None:
    return settings.base / path if path is not None else None


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None


def store_options(settings: Settings) -> StoreOptions:
    """Options of the history."""
    keep = settings.store
    return StoreOptions(
        path=settings.data / "history.duckdb",
        keep_readings_days=keep.readings_days,
        keep_hourly_days=keep.hourly_days,
        keep_events_days=keep.events_days,
    )


def influx_forwarder(settings: Settings, store: SeriesStore) -> InfluxForwarder | None:
    """The forwarder of the history, None where not configured. Raises ConfigError for a missing token."""
    influx = settings.influx
    if influx is None:
        return None
    from gateway.store.influx_client import InfluxOptions
    from gateway.store.influx_forwarder import InfluxForwarder

    token = influx.token.load(settings.base)
    return InfluxForwarder(store, InfluxOptions(url=influx.url, token=token, org=influx.org, bucket=influx.bucket))


def router(settings: Settings) -> ContactRouter:
    """Who is told: by the escalation plan, the 助急 service where configured and the contacts of the registry."""
    alerts = settings.alerts
    return ContactRouter(
        assist=Route(WEBHOOK, ASSIST) if settings.assist is not None else None,
        timing=Timing(reopen=(alerts.reopen_high_s, alerts.reopen_medium_s, alerts.reopen_low_s)),
        plans=PlanBook(settings.escalation),
        zone=settings.site.zone,
        prompts=prompts(settings),
    )


def seconds_east(settings: Settings) -> Callable[[int], int]:
    """Seconds by which the site's clock is ahead of UTC, at a time in UTC ns."""
    zone = settings.site.zone

    def east(at_ns: int) -> int:
        offset = datetime.fromtimestamp(at_ns // 10**9, zone).utcoffset()
        return int(offset.total_seconds()) if offset is not None else 0

    return east


def limits(settings: Settings) -> Limits:
    """How long alerts may be paused, and what counts as a flood."""
    alerts = settings.alerts
    return Limits(
        alerts.pause_max_s, alerts.maintenance_max_s, alerts.flood_count, alerts.flood_s, storm=alerts.storm_count
    )


def prompts(settings: Settings) -> Prompts:
    """The ways of asking a resident on the spot that need no running part."""
    made, wanted = Prompts(), settings.prompt
    if wanted.say:
        made.add(SpokenPrompt(wanted.say, wanted.say_residents, language=settings.site.language))
    return made


def payload_builder(settings: Settings) -> PayloadBuilder:
    """What of this site goes into every message."""
    site = settings.site
    return PayloadBuilder(site.name, callback_url(settings), site.zone, Place(site.address, site.phone))


def callback_url(settings: Settings) -> str:
    """Where the 助急 service sends its answers."""
    api = settings.api
    return f"{api.public_url or f'http://{api.host}:{api.port}'}{CALLBACK_PATH}"
