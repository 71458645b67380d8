"""Signatures: published vectors, agreement with the library and with a plain HMAC, and what is refused."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from gateway.channels.signing import SecretError, SignatureError, Signer

S = 1_000_000_000
OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
VECTORS = [
    (OLD, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}',
     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    (NEW, "msg_000001", 1735787045, b'{"type":"alert.raised","timestamp":"2025-01-02T03:04:05Z","data":{"id":"a1"}}',
     "v1,1PE3oSsoR47EtcWLuGTThAp7xjTIW493q3ATqep/zSM="),
]  # fmt: skip


def signer(*secrets: str) -> Signer:
    return Signer([SecretStr(secret) for secret in secrets])


@pytest.mark.parametrize(("secret", "message_id", "seconds", "body", "signature"), VECTORS)
def test_vectors(secret: str, message_id: str, seconds: int, body: bytes, signature: str) -> None:
    headers = signer(secret).headers(message_id, body, seconds * S + 999)
    assert headers == {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature,
    }
    assert signer(secret).verify(headers, body, seconds * S) == message_id


@given(st.text(min_size=1, max_size=20, alphabet="abc123_"), st.text(max_size=50).map(str.encode))
def test_agrees_with_the_library_and_a_plain_hmac(message_id: str, body: bytes) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = signer(NEW).headers(message_id, body, now * S)
    Webhook(NEW).verify(body, headers, json_parse=False)
    key = base64.b64decode(NEW.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{now}.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def test_rotation() -> None:
    headers = signer(NEW, OLD).headers("m", b"{}", 1000 * S)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for receiver in (signer(OLD), signer(NEW), signer(OLD, NEW)):
        upper = {name.title(): value for name, value in headers.items()}
        assert receiver.verify(upper, b"{}", 1000 * S) == "m"
    assert signer(OLD, NEW).verify(signer(OLD).headers("m", b"{}", 1000 * S), b"{}", 1000 * S) == "m"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": ""}, "missing_header"),
        ({"webhook-id": "x" * 3000}, "missing_header"),
        ({"webhook-timestamp": "soon"}, "bad_timestamp"),
        ({"webhook-timestamp": "-1"}, "bad_timestamp"),
        ({"webhook-timestamp": "1" * 12}, "bad_timestamp"),
        ({"webhook-timestamp": "١٠٠٠"}, "bad_timestamp"),
        ({"webhook-timestamp": "699"}, "too_old"),
        ({"webhook-timestamp": "1301"}, "too_new"),
        ({"webhook-timestamp": "1001"}, "bad_signature"),
        ({"webhook-id": "other"}, "bad_signature"),
        ({"webhook-signature": "v1,AAAA"}, "bad_signature"),
        ({"webhook-signature": "nonsense é \ud800"}, "bad_signature"),
    ],
)
def test_refused(change: dict[str, str], reason: str) -> None:
    headers = signer(NEW).headers("m", b"{}", 1000 * S) | change
    with pytest.raises(SignatureError) as caught:
        signer(NEW).verify(headers, b"{}", 1000 * S)
    assert caught.value.reason == reason


def test_another_body_or_secret_is_refused() -> None:
    headers = signer(NEW).headers("m", b"{}", 1000 * S)
    for receiver, body in ((signer(NEW), b"[]"), (signer(OLD), b"{}"), (signer(NEW), b"\xff")):
        with pytest.raises(SignatureError, match="bad_signature"):
            receiver.verify(headers, body, 1000 * S)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_AAAA", NEW.removeprefix("whsec_"), "whsec_é", "whsec_" + "A" * 100]
)
def test_bad_secrets_are_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(SecretError) as caught:
        signer(secret)
    assert len(secret) <= 6 or secret not in str(caught.value)
    with pytest.raises(SecretError):
        Signer([])


def test_no_secret_in_repr() -> None:
    assert repr(signer(NEW, OLD)) == "Signer(2 secrets)"
