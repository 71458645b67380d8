"""Signed call-backs: what is applied, what is answered to everything else."""

import json
import logging
from typing import Any

import pytest
from alert_site import T0, S, Site
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.alerts.callback import LARGEST_BODY, CallbackHandler, CallbackResult, CallbackStatus, CallbackVerifier
from gateway.alerts.lifecycle import Outcome, State
from gateway.channels.signing import Signer

SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OLD = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
SIGN = Signer([SECRET])
VERIFIER = CallbackVerifier([SECRET, OLD])


def body(said: str, alert_id: str, **data: Any) -> bytes:
    return json.dumps(
        {"type": f"alert.{said}", "timestamp": "x", "data": {"alert_id": alert_id, "by": "王芳"} | data}
    ).encode()


def handle(site: Site, content: bytes, webhook_id: str = "m1", signed_at: float | None = None) -> CallbackResult:
    at = site.ns if signed_at is None else T0 + int(signed_at * S)
    return CallbackHandler(site.service, VERIFIER).handle(SIGN.headers(webhook_id, content, at), content, site.ns)


def test_from_acknowledgement_to_outcome(site: Site) -> None:
    alert = site.take().alert
    steps = [
        ("acknowledged", {}),
        ("en_route", {}),
        ("on_scene", {"note": " 已到 "}),
        ("resolved", {"outcome": "real_help"}),
    ]
    for said, more in steps:
        result = handle(site, body(said, alert.id, **more), said)
        assert result == CallbackResult(CallbackStatus.APPLIED)
        assert site.service.get(alert.id).state is State(said)
    closed = site.service.get(alert.id)
    assert (closed.outcome, closed.acknowledged_by, closed.closed_by) == (Outcome.REAL_HELP, "王芳", "王芳")
    assert site.service.history(alert.id)[-2].note == "已到"


def test_a_repeat_changes_nothing_also_after_a_restart(site: Site) -> None:
    alert = site.take().alert
    content = body("acknowledged", alert.id)
    assert handle(site, content).status is CallbackStatus.APPLIED
    before = site.service.get(alert.id)
    site.restart()
    site.now = 200
    result = handle(site, content)
    assert (result.status, result.http_status, result.body["applied"]) == (CallbackStatus.REPEATED, 200, True)
    assert site.service.get(alert.id) == before


def test_what_cannot_be_taken_is_answered_for_good(site: Site) -> None:
    alert = site.take().alert
    site.service.cancel(alert.id, "李奶奶", site.ns)
    result = handle(site, body("en_route", alert.id))
    assert (result.status, result.http_status, result.body["applied"]) == (CallbackStatus.REFUSED, 200, False)
    assert "closed" in result.reason
    assert handle(site, body("en_route", "nothing"), "m2").http_status == 404


@pytest.mark.parametrize(("signed_at", "reason"), [(-301, "too_old"), (301, "too_new")])
def test_old_and_early_ones_are_refused(site: Site, signed_at: float, reason: str) -> None:
    alert = site.take().alert
    result = handle(site, body("acknowledged", alert.id), signed_at=signed_at)
    assert (result.status, result.reason, result.http_status) == (CallbackStatus.UNSIGNED, reason, 401)
    assert site.service.get(alert.id).state is State.RAISED


def test_rotation_of_the_secret() -> None:
    content = body("acknowledged", "a")
    assert not isinstance(VERIFIER.verify(Signer([OLD]).headers("m", content, T0), content, T0), CallbackResult)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"[" * 10_000,
        b'{"type": "alert.acknowledged"}',
        body("raised", "a"),
        body("acknowledged", ""),
        body("acknowledged", "a", by="  "),
        body("acknowledged", "a", by=7),
        body("acknowledged", "a", by="x" * 201),
        body("acknowledged", "a", outcome="test"),
        body("resolved", "a"),
        body("resolved", "a", outcome="perhaps"),
        body("en_route", "a", note="x" * 2001),
    ],
)
def test_malformed(content: bytes) -> None:
    result = VERIFIER.verify(SIGN.headers("m", content, T0), content, T0)
    assert isinstance(result, CallbackResult)
    assert (result.status, result.http_status) == (CallbackStatus.MALFORMED, 400)
    assert result.reason


def test_too_large() -> None:
    content = b"x" * (LARGEST_BODY + 1)
    result = VERIFIER.verify(SIGN.headers("m", content, T0), content, T0)
    assert isinstance(result, CallbackResult)
    assert result.http_status == 413


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4), st.binary(max_size=200))
def test_whatever_comes_is_answered(headers: dict[str, str], content: bytes) -> None:
    result = VERIFIER.verify(headers, content, T0)
    assert isinstance(result, CallbackResult)
    assert result.status is CallbackStatus.UNSIGNED


def test_a_person_cannot_be_called_system(site: Site) -> None:
    alert = site.take().alert
    assert handle(site, body("acknowledged", alert.id, by="system")).status is CallbackStatus.REFUSED


def test_nothing_secret_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    alert = site.take().alert
    handle(site, body("acknowledged", alert.id))
    assert SECRET.get_secret_value()[6:] not in caplog.text + repr(vars(VERIFIER))
