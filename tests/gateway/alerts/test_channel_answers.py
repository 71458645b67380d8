"""Answers that come back through a channel: about a message that went there, once, with a name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alert_site import Site

from gateway.alerts.alert import State
from gateway.alerts.channel_answers import apply_answer
from gateway.channels.base import Accepted


def told(site: Site, channel: str = "sms") -> str:
    """Raise an alert and let it be sent; the id of the message through a channel."""
    site.take()
    return next(one.idempotency_key for one in site.send(Accepted()) if one.channel == channel)


def answer(site: Site, message: str, channel: str = "sms", **more: Any) -> dict[str, Any]:
    body = {"id": message, "type": "alert.acknowledged", "by": "王芳"} | more
    return apply_answer(site.service, channel, json.dumps(body).encode(), site.ns)


def test_it_is_applied_once_in_the_name_of_who_gave_it(site: Site) -> None:
    message = told(site)
    assert answer(site, message) == {"id": message, "type": "alert.acknowledged", "applied": True, "reason": ""}
    assert answer(site, message)["applied"] is True
    (alert,) = site.service.open_alerts()
    assert (alert.state, alert.acknowledged_by) == (State.ACKNOWLEDGED, "王芳")
    entries = [entry.type.value for entry in site.service.history(alert.id)]
    assert entries.count("acknowledged") == 1
    assert [i.state for i in site.service.outbox.items(alert.id) if i.channel == "sms"][-1] == "acknowledged"
    assert answer(site, message, type="alert.resolved", outcome="real_help")["applied"] is True
    late = answer(site, message, by="李强")
    assert late["applied"] is False
    assert "resolved" in late["reason"]


def test_only_a_message_that_went_through_this_channel_can_be_answered(site: Site) -> None:
    message = told(site)
    for wrong, channel in (("nope", "sms"), (message, "hub")):
        assert answer(site, wrong, channel)["reason"] == "no message of this id went through this channel"
    assert site.service.open_alerts()[0].state is State.DELIVERED


def test_what_was_never_sent_cannot_be_answered(site: Site) -> None:
    site.take()
    (row, *_) = site.service.outbox.items()
    assert answer(site, row.idempotency_key, row.channel)["applied"] is False


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 9000,
        b"{}",
        b'{"id":"k","type":"alert.cancelled","by":"x"}',
        b'{"id":"k","type":"alert.acknowledged","by":" "}',
        b'{"id":"k","type":"alert.resolved","by":"x"}',
        b'{"id":"k","type":"alert.acknowledged","by":"x","outcome":"test"}',
    ],
)
def test_what_is_malformed_is_refused_with_a_reason(site: Site, body: bytes) -> None:
    result = apply_answer(site.service, "sms", body, site.ns)
    assert result["applied"] is False
    assert result["reason"]


def test_nobody_answers_as_the_system(site: Site) -> None:
    result = answer(site, told(site), by="system")
    assert result["applied"] is False
