"""Alerts over HTTP: list, pages, answers of people, and the signed call-back of the 助急 service."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_site import NOW, SECOND, SIGNING_SECRET, ApiSite
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from analytics.findings import Finding, Phase
from gateway.alerts.lifecycle import State
from gateway.api.alert_forms import STATES
from gateway.api.alert_search import from_cursor, to_cursor
from gateway.api.scopes import Role
from gateway.channels.signing import Signer
from gateway.config import ConfigError

A = "/api/v1/alerts"
CALLBACK = "/api/v1/assist/callback"


def ids(site: ApiSite, **query: Any) -> list[str]:
    answer = site.get(A, Role.OPERATOR, **query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["alerts"]]


def test_an_alert_and_its_history(site: ApiSite) -> None:
    alert = site.fall()
    answer = site.get(f"{A}/{alert}").json()
    told = answer["alert"]
    assert (told["kind"], told["title"], told["priority"]) == ("fall", {"zh": "跌倒", "en": "Fall"}, "high")
    assert (told["state"], told["state_title"]["zh"], told["open"]) == ("raised", "已报警", True)
    assert told["at"] == {"time": "2026-02-03T04:05:06.000Z", "ns": NOW}
    assert (told["evidence"], told["devices"], told["acknowledged"]) == ({"peak_g": 3.4}, ["w1"], None)
    assert [entry["type"] for entry in answer["history"]] == ["opened", "raised"]
    assert [entry["revision"] for entry in answer["history"]] == [1, 2]
    assert {(one["channel"], one["contact"], one["state"]) for one in answer["dispatches"]} == {
        ("dingtalk", "c1", "pending"),
        ("siren", "nurse", "pending"),
    }
    assert (site.audit(1)[0].action, site.audit(1)[0].detail) == ("alert.read", {"resident": "r1"})


def test_a_person_answers_step_by_step(site: ApiSite) -> None:
    alert = site.fall()
    steps = (("acknowledge", "acknowledged"), ("en-route", "en_route"), ("on-scene", "on_scene"))
    for path, state in steps:
        site.now_ns += SECOND
        answer = site.post(f"{A}/{alert}/{path}", {"by": "王护士"}, Role.OPERATOR)
        assert (answer.status_code, answer.json()["state"]) == (200, state)
        assert answer.json()[state]["ns"] == site.now_ns
    assert site.alerts.get(alert).acknowledged_by == "王护士"
    done = site.post(f"{A}/{alert}/resolve", {"by": "王护士", "outcome": "real_fall", "note": "扶起"}, Role.OPERATOR)
    assert (done.json()["state"], done.json()["outcome"], done.json()["note"]) == ("resolved", "real_fall", "扶起")
    again = site.post(f"{A}/{alert}/cancel", {"by": "王护士"}, Role.OPERATOR)
    assert again.status_code == 409
    assert "resolved" in again.json()["detail"]


def test_without_a_name_the_key_answers(site: ApiSite) -> None:
    alert = site.fall()
    answer = site.post(f"{A}/{alert}/acknowledge", None, Role.OPERATOR)
    assert answer.json()["acknowledged_by"] == "key of operator"
    trail = [(entry.actor.split(":")[0], entry.action) for entry in site.audit(2)]
    assert trail == [("key of operator", "alert.acknowledged"), ("key", "api.alert.acknowledged")]


def test_a_cancelled_alert_is_a_false_alarm(site: ApiSite) -> None:
    alert = site.fall()
    answer = site.post(f"{A}/{alert}/cancel", {"by": "李奶奶", "note": "没事"}, Role.OPERATOR)
    assert (answer.json()["state"], answer.json()["outcome"], answer.json()["closed_by"]) == (
        "cancelled",
        "false_alarm",
        "李奶奶",
    )


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("resolve", {}, 422),
        ("resolve", None, 422),
        ("resolve", {"outcome": "aliens"}, 422),
        ("acknowledge", {"by": ""}, 422),
        ("acknowledge", {"by": "system"}, 422),
        ("acknowledge", {"by": "x", "state": "resolved"}, 422),
        ("acknowledge", {"by": "x" * 121}, 422),
        ("cancel", {"note": "n" * 2001}, 422),
        ("vanish", {}, 404),
    ],
)
def test_what_is_no_answer(site: ApiSite, path: str, body: Any, status: int) -> None:
    alert = site.fall()
    assert site.post(f"{A}/{alert}/{path}", body, Role.OPERATOR).status_code == status
    assert site.alerts.get(alert).state is State.RAISED


def test_filters(site: ApiSite) -> None:
    fall = site.fall()
    site.now_ns += 60 * SECOND
    gas = site.fall(None, "e2", "gas")
    second = site.fall("r2", "e3")
    test = site.alerts.take(
        Finding("t1", "help_call", "r1", site.now_ns, Phase.CONFIRMED, 1.0, ("w1",), {"test": True}), site.now_ns
    ).alert
    assert test is not None
    site.post(f"{A}/{fall}/resolve", {"outcome": "other"})
    assert ids(site) == [test.id, second, gas, fall]
    assert ids(site, open="true") == [test.id, second, gas]
    assert ids(site, open="false") == [fall]
    assert ids(site, state="resolved") == [fall]
    assert ids(site, state=["resolved", "raised"], kind="fall") == [second, fall]
    assert ids(site, state="resolved", open="true") == []
    assert ids(site, kind="gas") == [gas]
    assert ids(site, resident="r1", test="false") == [fall]
    assert ids(site, test="true") == [test.id]
    assert ids(site, since="2026-02-03T12:06:06+08:00") == [test.id, second, gas]
    assert ids(site, until="2026-02-03T04:06:06Z") == [fall]
    assert site.audit(1)[0].detail == {"residents": ["r1"], "count": 1}


def test_pages_do_not_shift(site: ApiSite) -> None:
    made = [
        site.fall(episode=f"e{number}", kind=kind) for number, kind in enumerate(("fall", "help_call", "smoke", "gas"))
    ]
    first = site.get(A, limit=2).json()
    assert [one["id"] for one in first["alerts"]] == made[:1:-1]
    site.fall("r2", "newer")
    second = site.get(A, limit=2, cursor=first["next"]).json()
    assert [one["id"] for one in second["alerts"]] == made[1::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "nonsense"},
        {"state": "asleep"},
        {"limit": 0},
        {"limit": 201},
        {"since": "yesterday"},
        {"since": "2026-02-03T04:05:06"},
        {"cursor": "x"},
        {"cursor": "___"},
        {"cursor": "MTI"},
        {"cursor": to_cursor(2**63)},
        {"cursor": "é"},
        {"unknown": "1"},
        {"resident": "a/b"},
    ],
)
def test_what_is_no_filter(site: ApiSite, query: dict[str, Any]) -> None:
    assert site.get(A, Role.OPERATOR, **query).status_code == 422


@given(st.integers(0, 2**63 - 1), st.text(max_size=30))
def test_cursors(row: int, text: str) -> None:
    assert from_cursor(to_cursor(row)) == row
    try:
        assert 0 <= from_cursor(text) < 2**63
    except ValueError as error:
        assert "cursor" in str(error)  # noqa: PT017 - both ends are right


def test_every_state_has_words() -> None:
    assert set(STATES) == set(State)


@pytest.fixture
def assisted(make_site: Callable[..., ApiSite], tmp_path: Path) -> ApiSite:
    (tmp_path / "callback.secret").write_text(SIGNING_SECRET)
    secret = {"file": "callback.secret"}
    return make_site({"assist": {"url": "https://assist.example", "secrets": [secret], "callback_secret": secret}})


def send(site: ApiSite, body: Any, webhook_id: str = "m1", secret: str = SIGNING_SECRET, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = Signer([SecretStr(secret)]).headers(webhook_id, content, site.now_ns)
    return site.call("POST", CALLBACK, None, content=content, headers={**signed, **headers})


def acknowledged(alert: str) -> dict[str, Any]:
    return {
        "type": "alert.acknowledged",
        "timestamp": "2026-02-03T04:05:06Z",
        "data": {"alert_id": alert, "by": "王医生"},
    }


def test_a_signed_call_back_is_taken_once(assisted: ApiSite) -> None:
    alert = assisted.fall()
    body = acknowledged(alert)
    assert send(assisted, body).json() == {"applied": True, "status": "applied", "reason": ""}
    assert assisted.alerts.get(alert).acknowledged_by == "王医生"
    revision = assisted.alerts.get(alert).revision
    assert send(assisted, body).json()["status"] == "repeated"
    assert assisted.alerts.get(alert).revision == revision
    assert assisted.get(f"{A}/{alert}").json()["alert"]["state"] == "acknowledged"


def test_a_call_back_that_is_not_what_it_must_be(assisted: ApiSite) -> None:
    alert = assisted.fall()
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    cases = [
        (send(assisted, acknowledged(alert), secret=other), 401, "unsigned"),
        (send(assisted, acknowledged(alert), **{"webhook-timestamp": "1"}), 401, "unsigned"),
        (assisted.call("POST", CALLBACK, Role.ADMIN, json=acknowledged(alert)), 401, "unsigned"),
        (send(assisted, b"[" * 10_000, "m2"), 400, "bad-request"),
        (send(assisted, {"type": "alert.forgotten"}, "m3"), 400, "bad-request"),
        (send(assisted, acknowledged("nope"), "m4"), 404, "not-found"),
        (send(assisted, b"x" * 20_000, "m5"), 413, "too-large"),
    ]
    for answer, status, word in cases:
        assert (answer.status_code, answer.json()["type"]) == (status, "urn:yinling:problem:" + word)
    assert assisted.alerts.get(alert).state is State.RAISED


def test_a_closed_alert_refuses_the_call_back_for_good(assisted: ApiSite) -> None:
    alert = assisted.fall()
    assisted.post(f"{A}/{alert}/cancel", {"by": "王护士"})
    answer = send(assisted, acknowledged(alert))
    assert (answer.status_code, answer.json()["status"]) == (200, "refused")


def test_while_its_key_is_changed_a_call_back_may_be_signed_with_either(
    make_site: Callable[..., ApiSite], tmp_path: Path
) -> None:
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    (tmp_path / "new").write_text(new)
    (tmp_path / "old").write_text(SIGNING_SECRET)
    secrets = {"callback_secret": {"file": "new"}, "old_callback_secrets": [{"file": "old"}]}
    site = make_site({"assist": {"url": "https://assist.example", "secrets": [{"file": "new"}], **secrets}})
    alert = site.fall()
    assert send(site, acknowledged(alert), "m1").json()["applied"]
    assert send(site, acknowledged(alert), "m2", new).json()["applied"]


def test_a_wrong_call_back_secret_ends_the_start(make_site: Callable[..., ApiSite], tmp_path: Path) -> None:
    (tmp_path / "short.secret").write_text("whsec_abc")
    secret = {"file": "short.secret"}
    with pytest.raises(ConfigError, match="callback_secret"):
        make_site({"assist": {"url": "https://assist.example", "secrets": [secret], "callback_secret": secret}})
