"""Standard Webhooks 1.0.0 signatures, with the time as an argument and several secrets during a rotation.

SignatureError    the headers or the signature are not what they must be; `reason` says which
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
TOLERANCE_S = 300
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
LONGEST_HEADER = 2048


class SecretError(ValueError):
    """A signing secret is not of the form `whsec_` + base64 of 24 to 64 bytes. Never contains the secret."""


class SignatureError(ValueError):
    """A message is not signed as it must be. reason: missing_header, bad_timestamp, too_old, too_new, bad_signature."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Signer:
    """Signs and verifies with one or more secrets, the newest first. Its repr shows no secret."""

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        if not secrets:
            raise SecretError("at least one signing secret is needed")
        self._webhooks = [_webhook(secret) for secret in secrets]

    def __repr__(self) -> str:
        return f"Signer({len(self._webhooks)} secrets)"

    def headers(self, message_id: str, body: bytes, now_ns: int) -> dict[str, str]:
        """The three headers for this attempt; one signature for each secret."""
        seconds = now_ns // 10**9
        signatures = [webhook.sign(message_id, _moment(seconds), body.decode()) for webhook in self._webhooks]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": " ".join(signatures),
        }

    def verify(self, headers: Mapping[str, str], body: bytes, now_ns: int, *, tolerance_s: int = TOLERANCE_S) -> str:
        """The message's id, if one of the secrets signed it and it is at most `tolerance_s` old or early.

        Header names may have any case. Raises SignatureError.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        message_id, stamp, given = (lower.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        if not (message_id and stamp and given) or max(map(len, (message_id, stamp, given))) > LONGEST_HEADER:
            raise SignatureError("missing_header")
        seconds = _seconds(stamp, now_ns, tolerance_s)
        try:
            text = body.decode()
            expected = [webhook.sign(message_id, _moment(seconds), text) for webhook in self._webhooks]
        except UnicodeError:
            raise SignatureError("bad_signature") from None
        pairs = [(want, got) for want in expected for got in given.split(" ")]
        if not any([hmac.compare_digest(want.encode(), got.encode("utf-8", "replace")) for want, got in pairs]):  # noqa: C419 - constant time
            raise SignatureError("bad_signature")
        return message_id


def _webhook(secret: SecretStr) -> Webhook:
    value = secret.get_secret_value()
    try:
        key = base64.b64decode(value.removeprefix(PREFIX) + "==")
    except (binascii.Error, ValueError):
        key = b""
    if not value.startswith(PREFIX) or not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise SecretError("a signing secret is `whsec_` followed by the base64 of 24 to 64 random bytes")
    return Webhook(key)


def _moment(seconds: int) -> datetime:
    # The library reads the clock face as UTC, so the moment must be given in UTC.
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(stamp: str, now_ns: int, tolerance_s: int) -> int:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise SignatureError("bad_timestamp")
    seconds = int(stamp)
    age_s = now_ns // 10**9 - seconds
    if abs(age_s) > tolerance_s:
        raise SignatureError("too_old" if age_s > 0 else "too_new")
    return seconds
