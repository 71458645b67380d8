"""Acknowledge links: in messages to people, opened without effect, pressed once, and plain about what is wrong."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.alerts.alert import Outcome, State
from gateway.alerts.links import PATH, LinkState, Tokens, WithLinks, with_links
from gateway.api.links import NOTICE, WORDS
from gateway.api.open_paths import shown
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.config import ConfigError, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from api_site import ApiSite

HOUR = 3600 * 10**9
BASE = "https://box.example"


class Paper:
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Dispatch] = []

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:  # noqa: ARG002
        self.sent.append(dispatch)
        return Accepted()

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def linked(make_site: Callable[..., ApiSite], tmp_path: Path) -> ApiSite:
    (tmp_path / "token").write_text("t", encoding="ascii")
    robot = {"type": "dingtalk", "token": {"file": "token"}}
    return make_site({"links": {"url": BASE + "/"}, "channels": {"dingtalk": robot, "hub": {"type": "mqtt"}}})


def deliver(site: ApiSite) -> list[Dispatch]:
    """Send what is due through the channel of each contact; what went out."""
    paper: dict[str, Any] = {name: Paper() for name in ("dingtalk", "hub", "siren")}
    dressed = with_links(paper, site.app.state.links)
    assert isinstance(dressed["dingtalk"], WithLinks)
    assert dressed["hub"] is paper["hub"]
    for dispatch in site.alerts.outbox.claim(site.now_ns, 50):
        result = site.runner.run(dressed[dispatch.channel].send(dispatch, site.now_ns))
        site.alerts.settle(dispatch, result, site.now_ns)
    return [one for channel in paper.values() for one in channel.sent]


def links_of(dispatches: Sequence[Dispatch]) -> list[str]:
    """Paths of the links in the texts."""
    texts = [one.payload["text"]["zh"] for one in dispatches]
    return [text.partition(BASE)[2] for text in texts if BASE in text]


def link(site: ApiSite) -> tuple[str, str]:
    """An alert's id, and the path of its link for contact c1."""
    alert = site.fall()
    (path,) = links_of(deliver(site))
    return alert, path


def test_messages_to_people_carry_a_link_that_is_kept_nowhere(linked: ApiSite) -> None:
    alert = linked.fall()
    sent = deliver(linked)
    assert {one.channel for one in sent} == {"dingtalk", "siren"}
    (path,) = links_of(sent)
    assert path.startswith(PATH)
    texts = next(one.payload["text"] for one in sent if one.channel == "dingtalk")
    assert texts["en"].endswith(f"\nI take it: {BASE}{path}")
    stored = [str(one) for one in linked.alerts.outbox.items(alert)]
    with linked.database.read() as session:
        rows = session.connection().exec_driver_sql("SELECT payload FROM outbox").all()
    assert not any(path in text for text in (*stored, *map(str, rows)))


def test_opening_changes_nothing_and_the_button_works_once(linked: ApiSite) -> None:
    alert, path = link(linked)
    before = linked.alerts.history(alert)
    for method in ("GET", "GET", "HEAD"):
        linked.call(method, path, None)
    page = linked.get(path, None)
    assert page.status_code == 200
    assert linked.alerts.history(alert) == before
    for word in (*WORDS[LinkState.OPEN], *NOTICE, "跌倒", "<button>"):
        assert word in page.text
    for secret in ("李奶奶", "家人", "301", "script"):
        assert secret not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    done = linked.call("POST", path, None)
    assert (done.status_code, WORDS[LinkState.DONE][0] in done.text) == (200, True)
    now = linked.alerts.get(alert)
    assert (now.state, now.acknowledged_by) == (State.ACKNOWLEDGED, "家人")
    entry = linked.alerts.history(alert)[-1]
    assert (entry.who, entry.note) == ("家人", "链接 link")
    assert {"acknowledged"} == {str(one.state) for one in linked.alerts.outbox.items(alert) if one.contact == "c1"}
    for again in (linked.call("POST", path, None), linked.get(path, None)):
        assert (again.status_code, WORDS[LinkState.USED][0] in again.text) == (410, True)
    assert len(linked.alerts.history(alert)) == len(before) + 1


def test_another_message_to_the_same_contact_is_no_second_use_but_a_reopened_alert_is(linked: ApiSite) -> None:
    alert, path = link(linked)
    linked.now_ns += 61 * 10**9
    linked.alerts.tick(linked.now_ns)
    (again,) = links_of([one for one in deliver(linked) if one.contact == "c1"])
    assert again != path
    linked.call("POST", path, None)
    assert linked.call("POST", again, None).status_code == 410
    linked.now_ns += 901 * 10**9
    linked.alerts.tick(linked.now_ns)
    assert linked.alerts.get(alert).reopened == 1
    assert linked.call("POST", path, None).status_code == 200


def test_somebody_else_may_have_answered_already(linked: ApiSite) -> None:
    alert, path = link(linked)
    linked.alerts.acknowledge(alert, "王医生", linked.now_ns)
    page = linked.get(path, None)
    assert "已经有人应答" in page.text
    assert "王医生" not in page.text
    assert linked.call("POST", path, None).status_code == 200
    assert linked.alerts.get(alert).acknowledged_by == "王医生"


def test_what_is_over_expired_or_gone_is_said_plainly(linked: ApiSite) -> None:
    alert, path = link(linked)
    linked.now_ns += 24 * HOUR
    for method in ("GET", "POST"):
        old = linked.call(method, path, None)
        assert (old.status_code, WORDS[LinkState.EXPIRED][0] in old.text) == (410, True)
    linked.now_ns -= 24 * HOUR
    linked.alerts.resolve(alert, "王医生", linked.now_ns, outcome=Outcome.REAL_FALL)
    for method in ("GET", "POST"):
        over = linked.call(method, path, None)
        assert (over.status_code, WORDS[LinkState.OVER][0] in over.text) == (410, True)
    linked.call("PATCH", "/api/v1/contacts/c1", json={"active": False})
    assert linked.get(path, None).status_code == 404
    assert linked.alerts.get(alert).acknowledged_by != "家人"


def test_a_changed_token_is_wrong_and_guessing_is_paused(linked: ApiSite) -> None:
    alert, path = link(linked)
    token = path.removeprefix(PATH)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[7] ^= 1  # another row
    forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    for wrong in (forged, token[:-1], token + "A", "x"):
        for method in ("GET", "POST"):
            assert linked.call(method, PATH + wrong, None, client="198.51.100.1").status_code == 404
    codes = [linked.call("GET", PATH + "x", None, client="198.51.100.1").status_code for _ in range(9)]
    assert codes[-1] == 429
    refused = linked.call("GET", path, None, client="198.51.100.1")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert linked.call("GET", path, None, client="203.0.113.1").status_code == 200
    linked.monotonic_s += 1000
    assert linked.call("GET", path, None, client="198.51.100.1").status_code == 200
    assert linked.alerts.get(alert).acknowledged_by is None


def test_one_link_cannot_be_hammered(linked: ApiSite) -> None:
    _, path = link(linked)
    codes = [linked.call("POST", path, None, client=f"203.0.113.{number}").status_code for number in range(12)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_a_token_of_another_box_and_one_about_another_message_are_wrong(linked: ApiSite) -> None:
    link(linked)
    (item, *_) = [one for one in linked.alerts.outbox.items() if one.contact == "c1"]
    ends = linked.now_ns // 10**9 + 1000
    foreign = Tokens(SecretStr("another")).make(item.id, ends, b"1234")
    own = linked.app.state.links._tokens
    for wrong in (foreign, own.make(item.id, ends, b"1234"), own.make(999_999, ends, b"1234")):
        assert linked.get(PATH + wrong, None).status_code == 404


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80) | st.binary(max_size=48).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nothing_but_what_was_signed_is_read(text: str) -> None:
    assert Tokens(SecretStr("secret")).read(text) is None


def test_without_a_url_there_are_no_links(make_site: Callable[..., ApiSite], tmp_path: Path) -> None:
    site = make_site({})
    assert site.app.state.links is None
    channels: dict[str, Any] = {"dingtalk": Paper()}
    assert with_links(channels, None) == channels
    for method in ("GET", "POST"):
        assert site.call(method, PATH + "x", None).status_code == 404
    for wrong in ("box.example", "ftp://box", "https://", "https://a b"):
        with pytest.raises(ConfigError, match="links"):
            settings_from({"links": {"url": wrong}}, tmp_path)


def test_a_fault_does_not_write_the_link_into_the_log(
    linked: ApiSite,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, path = link(linked)

    def broken(*_: Any) -> None:
        raise RuntimeError("a fault inside")

    monkeypatch.setattr(linked.app.state.links, "look", broken)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.WARNING, "httpx"):  # httpx is the test's own client
        assert linked.call("GET", path, None, quiet=True).status_code == 500
    printed = capsys.readouterr()
    token = path.removeprefix(PATH)
    assert "api.fault" in caplog.text + printed.out + printed.err
    assert token not in caplog.text + printed.out + printed.err
    assert shown(path) == "/a/…"
    assert shown("/api/v1/alerts") == "/api/v1/alerts"
