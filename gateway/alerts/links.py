"""Acknowledge links: whoever gets a message about an alert can take it by opening a link and pressing one button.

The token in the link is signed for one message to one contact and ends after a while; it is made when the message is
sent and kept nowhere, neither in the database nor in the log. Opening the link changes nothing, because chat
programs open links by themselves; only the button does, and only once for an alert and a contact.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.alerts.answers import Answer, External
from gateway.alerts.outbox import RAISED
from gateway.alerts.service import UnknownAlertError
from gateway.channel_settings import AppriseSettings, RobotSettings, SmsModemSettings
from gateway.secrets import own_secret

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import SecretStr

    from gateway.alerts.alert import Alert
    from gateway.alerts.outbox import OutboxItem
    from gateway.alerts.service import AlertService
    from gateway.channels.base import Accepted, Channel, Dispatch, Refused
    from gateway.config import Settings
    from gateway.registry import Registry

PATH = "/a/"
NOTE = "链接 link"
DOMAIN = b"yinling acknowledge link 1|"
BODY = struct.Struct(">QI4s")
"""Row of the outbox, end in seconds since the epoch, and whom and what it is about (`_about`)."""
MAC = 16
LONGEST = 64
NS = 1_000_000_000
PEOPLE = (RobotSettings, AppriseSettings, SmsModemSettings)


class LinkState(StrEnum):
    """How a link stands. WRONG: never signed by this box, or its message or contact is gone."""

    OPEN = "open"
    DONE = "done"
    """Pressed right now."""
    USED = "used"
    EXPIRED = "expired"
    OVER = "over"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says, once its signature was found good."""

    row_id: int
    ends_s: int
    about: bytes


@dataclass(frozen=True, slots=True)
class Looked:
    """A link as it stands; alert None where nothing may be shown of it."""

    state: LinkState
    alert: Alert | None = None


class Tokens:
    """Makes and checks tokens. secret: the box's own."""

    def __init__(self, secret: SecretStr) -> None:
        self._key = secret.get_secret_value().encode()

    def make(self, row_id: int, ends_s: int, about: bytes) -> str:
        """A token of URL-safe characters."""
        body = BODY.pack(row_id, ends_s, about)
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode("ascii")

    def read(self, text: str) -> Token | None:
        """What it says, None where this box has not signed it."""
        if not text.isascii() or len(text) > LONGEST:
            return None
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = data[: BODY.size], data[BODY.size :]
        if len(body) != BODY.size or not hmac.compare_digest(self._mac(body), mac):
            return None
        return Token(*BODY.unpack(body))

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, DOMAIN + body, hashlib.sha256).digest()[:MAC]


class Links:
    """url: how people reach this box. valid_s: how long a link is good. channels: names of those that people read."""

    def __init__(self, tokens: Tokens, url: str, valid_s: float, channels: Collection[str]) -> None:
        self._tokens = tokens
        self._url = url.rstrip("/")
        self._valid_s = valid_s
        self.channels = frozenset(channels)

    def dressed(self, dispatch: Dispatch, now_ns: int) -> Dispatch:
        """The dispatch with a link in its text, where it asks a person to act."""
        if dispatch.channel not in self.channels or dispatch.event != RAISED:
            return dispatch
        about = _about(dispatch.alert_id, dispatch.channel, dispatch.contact)
        link = self._url + PATH + self._tokens.make(dispatch.id, int(now_ns // NS + self._valid_s), about)
        text = dispatch.payload["text"]
        said = {"zh": f"{text['zh']}\n我来处理：{link}", "en": f"{text['en']}\nI take it: {link}"}
        return replace(dispatch, payload={**dispatch.payload, "text": said})

    def look(self, service: AlertService, registry: Registry, text: str, now_ns: int) -> Looked:
        """How a link stands; changes nothing. Blocking (reads the database)."""
        return self._follow(service, registry, text, now_ns)[0]

    def press(self, service: AlertService, registry: Registry, text: str, now_ns: int) -> Looked:
        """The button: acknowledge in the contact's name, once. Blocking (one transaction)."""
        looked, item, name = self._follow(service, registry, text, now_ns)
        if looked.state is not LinkState.OPEN or looked.alert is None or item is None:
            return looked
        external = External(_use(item, looked.alert), "", (item.channel, item.contact))
        result = service.answer_external(external, item.alert_id, Answer.ACKNOWLEDGED, name, now_ns, note=NOTE)
        if result.repeated:
            return Looked(LinkState.USED, looked.alert)
        return Looked(LinkState.DONE if result.applied else LinkState.OVER, looked.alert)

    def _follow(
        self, service: AlertService, registry: Registry, text: str, now_ns: int
    ) -> tuple[Looked, OutboxItem | None, str]:
        nothing = Looked(LinkState.WRONG), None, ""
        token = self._tokens.read(text)
        item = service.outbox.item(token.row_id) if token is not None else None
        if token is None or item is None or _about(item.alert_id, item.channel, item.contact) != token.about:
            return nothing
        contact = registry.contact(item.contact)
        if contact is None or not contact.active:
            return nothing
        try:
            alert = service.get(item.alert_id)
        except UnknownAlertError:
            return nothing
        return Looked(_state(service, token, item, alert, now_ns), alert), item, contact.name


class WithLinks:
    """A channel that people read, whose messages carry a link."""

    def __init__(self, channel: Channel, links: Links) -> None:
        self._channel = channel
        self._links = links

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        """One attempt; the link is made for it and kept nowhere."""
        return await self._channel.send(self._links.dressed(dispatch, now_ns), now_ns)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._channel.aclose()


def make_links(settings: Settings) -> Links | None:
    """The links of this site, None where they are off. Reads or makes the box's secret for them."""
    if settings.links.url is None:
        return None
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    people = {name for name, channel in settings.channels.items() if isinstance(channel, PEOPLE)}
    return Links(Tokens(own_secret(settings.data, "link")), settings.links.url, settings.links.hours * 3600, people)


def with_links(channels: Mapping[str, Channel], links: Links | None) -> dict[str, Channel]:
    """The channels, those that people read with links in their messages."""
    if links is None:
        return dict(channels)
    return {name: WithLinks(one, links) if name in links.channels else one for name, one in channels.items()}


def _state(service: AlertService, token: Token, item: OutboxItem, alert: Alert, now_ns: int) -> LinkState:
    if service.seen_external(_use(item, alert)):
        return LinkState.USED
    if now_ns >= token.ends_s * NS:
        return LinkState.EXPIRED
    return LinkState.OPEN if alert.state.open else LinkState.OVER


def _about(alert_id: str, channel: str, contact: str) -> bytes:
    return hashlib.sha256(f"{alert_id}|{channel}|{contact}".encode()).digest()[:4]


def _use(item: OutboxItem, alert: Alert) -> str:
    """What is remembered of a use: once for an alert and a contact, and again once it was raised anew."""
    said = f"{item.alert_id}|{item.channel}|{item.contact}|{alert.reopened}"
    return f"link:{hashlib.sha256(said.encode()).hexdigest()}"
