"""Makes the channels from the settings."""

from __future__ import annotations

import importlib
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from device_drivers.transports.mqtt_session import MqttOptions, TlsOptions
from gateway.alerts.routing import WEBHOOK
from gateway.channel_settings import AppriseSettings, MqttChannelSettings, ScaipSettings, SmsModemSettings
from gateway.channels.mqtt_channel import MqttChannel
from gateway.channels.mqtt_dialects import Alink, IotDa, Login, OwnTopics, alink_login, iotda_login
from gateway.channels.robots import RobotChannel, RobotOptions
from gateway.channels.scaip import ScaipChannel, ScaipOptions
from gateway.channels.sip_agent import SipOptions, target_of
from gateway.channels.sms_modem import ModemOptions, SmsModemChannel
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from gateway.settings_base import ConfigError
from gateway.wiring import own_session

if TYPE_CHECKING:
    from gateway.channel_settings import ChannelSettings
    from gateway.channels.base import Channel
    from gateway.channels.mqtt_dialects import Dialect
    from gateway.config import Settings

KEEPALIVE_S = 60
"""Alibaba's platform wants between 30 and 1200 s."""


def make_channels(settings: Settings) -> dict[str, Channel]:
    """Every way to tell people, by name; among them the signed webhook to the 助急 service. Raises ConfigError."""
    made: dict[str, Channel] = {}
    for name, wanted in settings.channels.items():
        if name == WEBHOOK:
            raise ConfigError(f"channels.{name}: this name is the 助急 service's own, choose another")
        try:
            made[name] = _channel(name, wanted, settings)
        except ValueError as error:
            raise ConfigError(f"channels.{name}: {error}") from error
    assist = _assist(settings)
    return made if assist is None else {WEBHOOK: assist, **made}


def _assist(settings: Settings) -> WebhookChannel | None:
    assist = settings.assist
    if assist is None:
        return None
    secrets = tuple(secret.load(settings.base) for secret in assist.secrets)
    source = f"urn:yinling:site:{quote(settings.site.name)}"
    return WebhookChannel(WebhookOptions(assist.url, secrets, source, allow_private=assist.allow_private))


def _channel(name: str, wanted: ChannelSettings, settings: Settings) -> Channel:
    base, language = settings.base, settings.site.language
    if isinstance(wanted, AppriseSettings):
        # Its import costs a second and some 25 MB that most sites do without.
        module = importlib.import_module("gateway.channels.apprise_channel")
        made: Channel = module.AppriseChannel(module.AppriseOptions(wanted.url.load(base), language))
        return made
    if isinstance(wanted, ScaipSettings):
        return ScaipChannel(_scaip(wanted, settings))
    if isinstance(wanted, MqttChannelSettings):
        return _mqtt(name, wanted, settings)
    if isinstance(wanted, SmsModemSettings):
        pin = wanted.pin.load(base) if wanted.pin is not None else None
        return SmsModemChannel(ModemOptions(wanted.url, wanted.baud, pin, language))
    secret = wanted.secret.load(base) if wanted.secret is not None else None
    return RobotChannel(RobotOptions(wanted.type, wanted.token.load(base), secret, wanted.base_url, language))


def _mqtt(name: str, wanted: MqttChannelSettings, settings: Settings) -> MqttChannel:
    dialect = _dialect(wanted, settings.site.language)
    if wanted.host is None:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return MqttChannel(own_session(settings, f"channel-{name}", dialect.subscriptions), dialect)
    login = _login(wanted, settings, name)
    ca_file = settings.base / wanted.ca_file if wanted.ca_file is not None else None
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"cannot read ca_file {ca_file}")
    options = MqttOptions(
        host=wanted.host,
        port=wanted.port,
        client_id=login.client_id,
        subscriptions=dialect.subscriptions,
        username=login.username or None,
        password=login.password or None,
        tls=TlsOptions(str(ca_file) if ca_file else None) if wanted.tls else None,
        keepalive_s=KEEPALIVE_S,
        clean=wanted.dialect != "yinling",
    )
    return MqttChannel(options, dialect)


def _dialect(wanted: MqttChannelSettings, language: str) -> Dialect:
    if wanted.dialect == "alink":
        return Alink(wanted.product_key, wanted.device_name, wanted.identifier, language)
    if wanted.dialect == "iotda":
        return IotDa(wanted.device_id, wanted.service, language, events=wanted.report == "events")
    return OwnTopics(wanted.base)


def _login(wanted: MqttChannelSettings, settings: Settings, name: str) -> Login:
    if wanted.secret is not None and wanted.dialect != "yinling":
        secret = wanted.secret.load(settings.base).get_secret_value()
        if wanted.dialect == "alink":
            return alink_login(wanted.product_key, wanted.device_name, secret, tls=wanted.tls)
        return iotda_login(wanted.device_id, secret, time.time_ns())
    password = wanted.password.load(settings.base).get_secret_value() if wanted.password is not None else ""
    return Login(wanted.client_id or f"{settings.mqtt.client_id}-channel-{name}", wanted.username or "", password)


def _scaip(wanted: ScaipSettings, settings: Settings) -> ScaipOptions:
    authority = settings.base / wanted.ca_file if wanted.ca_file is not None else None
    try:
        tls = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise ValueError(f"cannot use ca_file {authority}: {error.strerror}") from error
    sip = SipOptions(
        user=wanted.controller_id,
        local=(wanted.local_host, wanted.local_port),
        username=wanted.username,
        password=wanted.password.load(settings.base) if wanted.password is not None else None,
        tls=tls,
    )
    receivers = tuple(target_of(uri) for uri in wanted.receivers)
    return ScaipOptions(receivers, wanted.controller_id, sip, wanted.crd, language=settings.site.language)
