"""How an alert is said over MQTT: our own topics, Alibaba's Alink JSON, Huawei's IoTDA. Pure: no connection in here.

Own topics, JSON, QoS 1 (`docs/mqtt-alerts.md`):

    {base}/alerts/{contact}   the alert; answers name its `id`
    {base}/answers            a person's answer comes back here
    {base}/results            what became of it

Alink posts an event of the thing model and takes the platform's reply with code 200 as its word; IoTDA knows no reply
to reports, there the broker's PUBACK is all there is. Topics, fields and log-in as the platforms document them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from device_drivers.generic_json.platforms import alink_event, iotda_event, iotda_message
from gateway.alerts.payload import with_delay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.channels.base import Dispatch

DELAYED_AFTER_S = 300.0
GOOD = 200
LARGEST = 64 * 1024
ID_RANGE = 2**32
"""Alink message ids: a number below this, as text, unique for a device within a day."""
LEVELS = {"high": 1, "medium": 2, "low": 3}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish. reply: what the far side's own answer will be known by; None where there is none."""

    topic: str
    payload: bytes
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The far side's own word about a message. error: "" when it was taken."""

    key: str
    error: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A person's answer, as it came."""

    body: bytes


class Dialect(Protocol):
    """One way of saying it. subscriptions: what to listen to."""

    subscriptions: tuple[str, ...]

    def say(self, dispatch: Dispatch, now_ns: int) -> Outgoing:
        """The message of one attempt."""

    def heard(self, topic: str, payload: bytes) -> Reply | Answered | None:
        """What came; None where it is none of ours."""

    def result(self, result: Mapping[str, Any]) -> Outgoing | None:
        """What became of an answer, to be told to whoever gave it."""


class OwnTopics:
    """Our own documented topics below a base without wildcards."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.subscriptions: tuple[str, ...] = (f"{base}/answers",)

    def say(self, dispatch: Dispatch, now_ns: int) -> Outgoing:
        """The whole payload, with the id that answers name."""
        body = {
            "id": dispatch.idempotency_key,
            "event": dispatch.event,
            "contact": dispatch.contact,
            "address": dispatch.address,
            "attempt": dispatch.attempt,
            "answer_topic": self.subscriptions[0],
            "data": with_delay(dispatch.payload, now_ns, DELAYED_AFTER_S),
        }
        return Outgoing(f"{self._base}/alerts/{_level(dispatch.contact)}", _json(body))

    def heard(self, topic: str, payload: bytes) -> Reply | Answered | None:
        """A person's answer."""
        return Answered(payload) if topic == self.subscriptions[0] and len(payload) <= LARGEST else None

    def result(self, result: Mapping[str, Any]) -> Outgoing | None:
        """Published for everybody who answers; `id` says which."""
        return Outgoing(f"{self._base}/results", _json(result))


class Alink:
    """A device of Alibaba's platform whose thing model has one event for alerts. identifier: that event's."""

    def __init__(self, product_key: str, device_name: str, identifier: str, language: str) -> None:
        self._product, self._device, self._identifier, self._language = product_key, device_name, identifier, language
        self._last = 0
        self.subscriptions: tuple[str, ...] = (f"/sys/{product_key}/{device_name}/thing/event/{identifier}/post_reply",)

    def say(self, dispatch: Dispatch, now_ns: int) -> Outgoing:
        """One event, to be confirmed by the platform."""
        number = max(now_ns // 1_000_000, self._last + 1)
        self._last = number
        message_id, value = number % ID_RANGE, _facts(dispatch, self._language)
        at_ms = now_ns // 1_000_000
        topic, payload = alink_event(self._product, self._device, self._identifier, message_id, at_ms, **value)
        return Outgoing(topic, payload, str(message_id))

    def heard(self, topic: str, payload: bytes) -> Reply | Answered | None:
        """The platform's reply: code 200 means taken."""
        if topic not in self.subscriptions or len(payload) > LARGEST:
            return None
        try:
            answer = json.loads(payload)
            code, key = answer["code"], str(answer["id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if code == GOOD and not isinstance(code, bool):
            return Reply(key, "")
        return Reply(key, f"code {str(code)[:20]}: {str(answer.get('message', ''))[:200]}")

    def result(self, result: Mapping[str, Any]) -> Outgoing | None:  # noqa: ARG002 - nobody answers here
        """Nothing."""
        return None


class IotDa:
    """A device of Huawei's platform. events: report as an event of the service instead of as its properties."""

    subscriptions: tuple[str, ...] = ()

    def __init__(self, device_id: str, service: str, language: str, *, events: bool = False) -> None:
        self._device, self._service, self._language, self._events = device_id, service, language, events

    def say(self, dispatch: Dispatch, now_ns: int) -> Outgoing:
        """One report."""
        at = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
        value = _facts(dispatch, self._language)
        if self._events:
            name = dispatch.event.replace(".", "_")
            return Outgoing(*iotda_event(self._device, self._service, name, at, **value))
        return Outgoing(*iotda_message(self._device, self._service, at, **value))

    def heard(self, topic: str, payload: bytes) -> Reply | Answered | None:  # noqa: ARG002 - nothing comes back here
        """Nothing."""
        return None

    def result(self, result: Mapping[str, Any]) -> Outgoing | None:  # noqa: ARG002 - nobody answers here
        """Nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Login:
    """What an MQTT client of a platform connects with."""

    client_id: str
    username: str
    password: str


def alink_login(
    product_key: str, device_name: str, secret: str, *, tls: bool = True, algorithm: str = "sha256"
) -> Login:
    """Unique-certificate-per-device: HMAC with the device secret over the sorted parameters (alibabacloud.com/help,
    "Establish MQTT connections over TCP"); securemode 2 is TLS, 3 plain TCP.
    """
    content = f"clientId{device_name}deviceName{device_name}productKey{product_key}"
    password = hmac.new(secret.encode(), content.encode(), algorithm).hexdigest()
    client_id = f"{device_name}|securemode={2 if tls else 3},signmethod=hmac{algorithm}|"
    return Login(client_id, f"{device_name}&{product_key}", password)


def iotda_login(device_id: str, secret: str, now_ns: int) -> Login:
    """HMAC-SHA256 of the secret with the hour as the key (support.huaweicloud.com, "Secret Authentication"); signature
    type 0: the platform does not check the hour.
    """
    hour = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y%m%d%H")
    password = hmac.new(hour.encode(), secret.encode(), hashlib.sha256).hexdigest()
    return Login(f"{device_id}_0_0_{hour}", device_id, password)


def _facts(dispatch: Dispatch, language: str) -> dict[str, Any]:
    """The alert as flat values that a thing model can declare: texts and whole numbers, no names beyond the text."""
    payload = dispatch.payload
    return {
        "AlertId": dispatch.alert_id,
        "Event": dispatch.event,
        "Kind": str(payload["kind"]),
        "Priority": LEVELS.get(str(payload["priority"]), 3),
        "State": str(payload["state"]),
        "Resident": str((payload["resident"] or {}).get("id", "")),
        "Test": int(bool(payload["test"])),
        "AtMs": int(payload["at_ns"]) // 1_000_000,
        "Text": str(payload["text"]["en" if language == "en" else "zh"]),
    }


def _level(name: str) -> str:
    """A name as one level of a topic."""
    return "".join("_" if one in "+#/" or not one.isprintable() else one for one in name) or "_"


def _json(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode()
