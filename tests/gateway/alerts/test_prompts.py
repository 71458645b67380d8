"""Asking the resident on the spot: durable, faster when there is no answer, and never in anybody's way."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alert_site import S, Site
from pydantic import SecretStr

from analytics.findings import Phase
from gateway.alerts.lifecycle import Outcome, RefusedTransitionError, State
from gateway.alerts.outbox import RowState
from gateway.alerts.prompts import (
    FINE,
    HELP,
    SEEN_S,
    DevicePrompt,
    PromptChannel,
    Prompts,
    PromptTokens,
    Question,
    SpokenPrompt,
    TabletPrompt,
)
from gateway.channels.base import Accepted, Refused

OK = Accepted("ok")
QUESTION = Question("a", "r1", "fall", "您还好吗？", "are you all right?")


class Always:
    def __init__(self, *, shown: bool = True) -> None:
        self.shown = shown
        self.asked: list[Question] = []

    def can_ask(self, resident_id: str) -> bool:
        return resident_id == "r1"

    async def ask(self, question: Question) -> bool:
        self.asked.append(question)
        return self.shown


class Broken:
    def can_ask(self, resident_id: str) -> bool:
        raise OSError(resident_id)

    async def ask(self, question: Question) -> bool:
        raise OSError(question)


@pytest.fixture
def asking(make_site: Any) -> Site:
    site: Site = make_site()
    site.service.router.prompts.add(Always())
    return site


def contacts(sent: list[Any]) -> list[str]:
    return sorted(d.contact for d in sent)


def test_a_suspected_fall_asks_and_no_answer_skips_the_wait_but_no_step(asking: Site) -> None:
    alert = asking.take("fall", Phase.SUSPECTED).alert
    asked = asking.send(OK)
    assert [(d.channel, d.contact, d.event) for d in asked] == [("prompt", "r1", "alert.prompt")]
    assert "您还好吗" in asked[0].payload["text"]["zh"]
    assert asking.service.get(alert.id).asked_ns == asking.ns
    sent = asking.pass_time(20.5, OK)
    assert contacts(sent) == ["assist", "c0", "c1", "nurse"]
    entries = asking.service.history(alert.id)
    assert [e.type.value for e in entries if e.type.value in ("prompted", "raised", "escalated")] == [
        "prompted",
        "raised",
        "escalated",
    ]
    assert entries[-1].detail.get("why", "no_answer") == "no_answer"


def test_a_question_that_nobody_could_show_changes_nothing(asking: Site) -> None:
    alert = asking.take("fall", Phase.SUSPECTED).alert
    down = Refused("down")
    asking.send(lambda d: down if d.channel == "prompt" else OK)
    sent = asking.pass_time(60, lambda d: down if d.channel == "prompt" else OK)
    assert contacts([d for d in sent if d.channel != "prompt"]) == ["assist", "c0", "nurse"]
    assert asking.service.get(alert.id).asked_ns is None
    states = {item.state for item in asking.service.outbox.items(alert.id) if item.channel == "prompt"}
    assert states == {RowState.WITHDRAWN}
    assert not [a for a in asking.service.open_alerts() if a.kind == "delivery_failed"]


def test_fine_within_the_window_ends_it_and_is_on_record(asking: Site) -> None:
    alert = asking.take("fall", Phase.SUSPECTED).alert
    asking.send(OK)
    asking.restart()
    ended = asking.service.answer_prompt(alert.id, FINE, asking.ns)
    assert (ended.state, ended.outcome, ended.closed_by) == (State.CANCELLED, Outcome.FALSE_ALARM, "resident:r1")
    assert asking.pass_time(100, OK) == []
    assert asking.closed == ["e1"]
    with pytest.raises(RefusedTransitionError):
        asking.service.answer_prompt(alert.id, HELP, asking.ns)


def test_help_raises_at_once(asking: Site) -> None:
    alert = asking.take("fall", Phase.SUSPECTED).alert
    asking.send(OK)
    asking.now = 3
    raised = asking.service.answer_prompt(alert.id, HELP, asking.ns)
    assert (raised.state, raised.raised_ns, raised.prompt) == (State.RAISED, asking.ns, "help")
    sent = asking.send(OK)
    assert contacts(sent) == ["assist", "c0", "nurse"]
    assert {d.payload["prompt"] for d in sent} == {"help"}
    assert raised.step_at_ns == asking.ns + 60 * S


def test_fine_after_it_was_raised_is_told_but_ends_nothing(asking: Site) -> None:
    alert = asking.take("fall", Phase.SUSPECTED).alert
    asking.send(OK)
    asking.pass_time(21, OK)
    after = asking.service.answer_prompt(alert.id, FINE, asking.ns)
    assert after.state is State.DELIVERED
    sent = asking.send(OK)
    assert {(d.event, d.payload["prompt"]) for d in sent} == {("alert.updated", "fine")}


def test_what_is_certain_or_has_no_way_asks_nobody(asking: Site, site: Site) -> None:
    asking.take("help_call")
    asking.take("fall", Phase.SUSPECTED, "e2", resident_id="r2", devices=("w2",))
    assert "prompt" not in {d.channel for d in asking.send(OK)}
    site.take("fall", Phase.SUSPECTED)
    assert site.send(OK) == []


def test_a_policy_without_the_question_asks_nobody(asking: Site) -> None:
    asking.plan({"name": "p", "steps": [{"targets": ["c0"]}]})
    asking.take("fall", Phase.SUSPECTED)
    assert asking.send(OK) == []


def test_a_tablet_is_there_while_it_asks_for_its_page() -> None:
    now = [0.0]
    tablet = TabletPrompt(lambda: now[0])
    assert not tablet.can_ask("r1")
    tablet.seen("r1")
    now[0] = SEEN_S
    assert tablet.can_ask("r1")
    assert asyncio.run(tablet.ask(QUESTION))
    now[0] = SEEN_S + 1
    assert not tablet.can_ask("r1")


def test_devices_ring_all_of_them() -> None:
    rung: list[tuple[str, str]] = []

    def command(device: str, name: str) -> bool:
        rung.append((device, name))
        return device == "w2"

    way = DevicePrompt(lambda resident: ["w1", "w2"] if resident == "r1" else [], command)
    assert way.can_ask("r1")
    assert not way.can_ask("r2")
    assert asyncio.run(way.ask(QUESTION))
    assert rung == [("w1", "find"), ("w2", "find")]


def test_a_program_says_it_aloud(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = [sys.executable, "-c", f"import sys; open({str(said)!r}, 'w', encoding='utf-8').write(sys.argv[1])"]
    assert asyncio.run(SpokenPrompt(program, language="en").ask(QUESTION))
    assert said.read_text(encoding="utf-8") == "are you all right?"
    assert asyncio.run(SpokenPrompt(program).ask(QUESTION))
    assert said.read_text(encoding="utf-8") == "您还好吗？"
    assert not asyncio.run(SpokenPrompt([sys.executable, "-c", "import sys; sys.exit(1)"]).ask(QUESTION))
    assert not SpokenPrompt(program, ["r2"]).can_ask("r1")


def test_a_program_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.alerts.prompts.SAY_TIMEOUT_S", 0.2)
    begun = time.monotonic()
    assert not asyncio.run(SpokenPrompt([sys.executable, "-c", "import time; time.sleep(600)"]).ask(QUESTION))
    assert time.monotonic() - begun < 60


def test_a_broken_way_hides_no_other(caplog: pytest.LogCaptureFixture, site: Site) -> None:
    prompts, works = Prompts(), Always()
    prompts.add(Broken())
    assert not prompts("r1")
    prompts.add(works)
    assert prompts("r1")
    channel = PromptChannel(prompts)
    site.service.router.prompts.add(works)
    site.take("fall", Phase.SUSPECTED)
    (dispatch,) = site.claim()
    assert asyncio.run(channel.send(dispatch, site.ns)) == Accepted()
    assert works.asked[0].zh.startswith("跌倒")
    works.shown = False
    assert isinstance(asyncio.run(channel.send(dispatch, site.ns)), Refused)
    asyncio.run(channel.aclose())
    assert "a way of asking failed" in caplog.text

    class Halfway(Broken):
        def can_ask(self, resident_id: str) -> bool:
            return bool(resident_id)

    prompts.add(Halfway())
    assert not asyncio.run(prompts.ask(QUESTION))


def test_tokens_name_a_resident_and_cannot_be_guessed() -> None:
    tokens, others = PromptTokens(SecretStr("a")), PromptTokens(SecretStr("b"))
    token = tokens.token("李奶奶")
    assert tokens.resident(token) == "李奶奶"
    assert others.resident(token) is None
    for wrong in ("", ".", "x", "cjE.x", token[:-1], token + "A", token.swapcase(), "é.é", "/w.AA", "_w.AA"):
        assert tokens.resident(wrong) is None, wrong
