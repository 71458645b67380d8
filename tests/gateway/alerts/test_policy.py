"""Policies: which one an alert gets, whom its steps mean, and how an alert climbs them. Pure, without a database."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from analytics.findings import Phase
from analytics.kinds import KINDS, Priority
from gateway.alerts import escalation
from gateway.alerts.alert import Alert, State
from gateway.alerts.oncall_watch import coming_gap, gap_findings
from gateway.alerts.policy import Facts, Plan, Policy, PolicyStep, Timing, built_in, choose, kept, plain
from gateway.alerts.simulate import NOBODY, NOBODY_AT_ALL, UNREACHABLE, Site, Timeline, timeline
from gateway.alerts.targets import Around, Missing, Resolved, Route, resolve
from gateway.registry import Contact

ZONE = ZoneInfo("Asia/Shanghai")
S = 10**9
ASSIST = Route("webhook", "assist")
CONTACTS = [
    Contact("son", "r1", "李明", "family", "sms", "1", order=0),
    Contact("daughter", "r1", "李红", "family", "sms", "2", order=1),
    Contact("desk", None, "护士站", "carer", "siren", "3", order=0),
    Contact("lead", None, "陈组长", "team_lead", "sms", "4", order=1),
    Contact("wang", None, "王护士", "carer", "app", "5", order=1),
]
FALL = Facts("fall", Priority.HIGH, "r1")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * S


NOW = at("2026-11-22T03:10")


def plan(*policies: dict[str, Any], **more: Any) -> Plan:
    return Plan.model_validate({"policy": list(policies), **more})


def step(*targets: str, **more: Any) -> dict[str, Any]:
    return {"targets": list(targets), **more}


NIGHT = {
    "name": "night",
    "rotation": [{"people": ["wang"], "hours": {"from": "20:00", "to": "08:00"}, "start": "2026-01-01"}],
}


def test_the_first_that_fits() -> None:
    of = plan(
        {"name": "r2", "residents": ["r2"], "steps": [step("assist")]},
        {"name": "low", "priorities": ["low"], "steps": [step("assist")]},
        {"name": "gas", "kinds": ["gas"], "steps": [step("assist")]},
        {"name": "day", "hours": [{"from": "07:00", "to": "22:00"}], "steps": [step("assist")]},
        {
            "name": "sunday night",
            "days": ["sun"],
            "hours": [{"from": "22:00", "to": "07:00"}],
            "steps": [step("assist")],
        },
        {"name": "first", "steps": [step("assist")]},
        {"name": "equipment", "residents": ["r3"], "about": "equipment", "steps": [step("assist")]},
        {"name": "all", "residents": ["r4"], "about": "all", "steps": [step("assist")]},
        {"name": "never", "steps": [step("assist")]},
    )

    def chosen(facts: Facts, text: str = "2026-11-23T03:10") -> str:
        return choose(of, facts, at(text), ZONE, Timing()).name

    assert chosen(FALL) == "first"
    assert chosen(FALL, "2026-11-22T03:10") == "sunday night"
    assert chosen(FALL, "2026-11-22T07:00") == "day"
    assert chosen(FALL, "2026-11-22T22:00") == "sunday night"
    assert chosen(Facts("fall", Priority.HIGH, "r2")) == "r2"
    assert chosen(Facts("gas", Priority.HIGH, None)) == "gas"
    assert chosen(Facts("battery_low", Priority.LOW, None)) == "built-in technical"
    assert chosen(Facts("sleep_anomaly", Priority.LOW, None)) == "low"
    assert chosen(Facts("battery_low", Priority.LOW, "r3")) == "equipment"
    assert chosen(Facts("battery_low", Priority.LOW, "r4")) == "all"
    assert chosen(Facts("fall", Priority.HIGH, "r3")) == "first"
    assert choose(Plan.model_validate({}), FALL, NOW, ZONE, Timing()).name == "built-in person"


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("technical", [True, False])
def test_the_built_in_policy_is_kept_with_the_alert_as_it_was(priority: Priority, technical: bool) -> None:
    policy = built_in(priority, technical, Timing())
    again = kept(plain(policy))
    assert (again.name, again.steps, again.again_s) == (policy.name, policy.steps, policy.again_s)
    assert ("assist" in policy.steps[1].targets) is not technical
    assert policy.steps[-1].targets == (("card120",) if priority is Priority.HIGH and not technical else ("others",))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"policy": [{"name": "a", "steps": []}]}, "at least 1"),
        ({"policy": [{"name": "a", "steps": [step("assist")]}] * 2}, "two of policy are called a"),
        ({"schedule": [NIGHT, NIGHT]}, "two of schedule are called night"),
        ({"policy": [{"name": "a", "steps": [step("oncall:night")]}]}, "no schedule for oncall:night"),
        ({"policy": [{"name": "a", "steps": [step("prompt", "card120")]}]}, "no step tells anybody"),
        ({"policy": [{"name": "a", "steps": [step("/x")]}]}, "a target is"),
        ({"policy": [{"name": "a", "steps": [step("assist")], "kinds": ["earthquake"]}]}, "not a kind"),
        ({"policy": [{"name": "a", "steps": [step("assist", wait_s=-1)]}]}, "wait_s"),
        ({"policy": [{"name": "a", "steps": [step("assist", wait_s=float("nan"))]}]}, "wait_s"),
        ({"policy": [{"name": "a", "steps": [step("assist")], "again_s": 1}]}, "again_s"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Plan.model_validate(wrong)


def meant(*targets: str, index: int = 0, told: dict[tuple[str, str], int] | None = None, **more: Any) -> Resolved:
    facts: dict[str, Any] = {
        "contacts": CONTACTS,
        "plan": plan(schedule=[NIGHT]),
        "at_ns": NOW,
        "zone": ZONE,
        "assist": ASSIST,
    }
    around = Around(**(facts | more), told=lambda: told or {})
    return resolve(PolicyStep.model_validate(step(*targets)), index, around)


def names(found: Resolved) -> list[list[str]]:
    return [[route.contact for route in group] for group in found.groups]


def test_whom_targets_mean() -> None:
    assert names(meant("assist")) == [["assist"]]
    assert names(meant("first")) == [["son", "desk"]]
    assert names(meant("others")) == [["son", "desk"], ["daughter", "lead", "wang"]]
    assert names(meant("others", index=1, told={("sms", "son"): 0, ("siren", "desk"): 0, ("sms", "lead"): 1})) == [
        ["daughter", "lead", "wang"]
    ]
    assert names(meant("family")) == names(meant("role:FAMILY")) == [["son"], ["daughter"]]
    assert names(meant("lead")) == names(meant("contact:lead")) == [["lead"]]
    assert names(meant("role:lead")) == []
    assert names(meant("oncall:night")) == [["wang"]]
    assert names(meant("first", technical=True)) == [["desk"]]
    assert names(meant("son", technical=True)) == [["son"]]
    assert (meant("prompt", prompts=True).prompt, meant("prompt").prompt) == (True, False)
    assert meant("card120", told={("sms", "son"): 0}).card
    assert meant("card120", "son").card
    assert meant("card120").missing == (Missing("card120", "nobody_told"),)


def test_what_means_nobody_is_said_with_its_reason() -> None:
    assert meant("assist", assist=None).missing == (Missing("assist", "no_assist"),)
    assert meant("nobody").missing == (Missing("nobody", "no_contact"),)
    assert meant("oncall:night", at_ns=at("2026-11-22T12:00")).missing == (Missing("oncall:night", "nobody_on_call"),)
    assert meant("oncall:night", plan=plan()).missing == (Missing("oncall:night", "no_schedule"),)
    assert meant("oncall:night", contacts=[]).missing == (Missing("oncall:night", "no_contact"),)
    assert meant("first", contacts=[]).missing == (Missing("first", "no_contact"),)
    assert meant("prompt").missing == (Missing("prompt", "no_prompt"),)
    assert meant("others", index=1, told={(c.channel, c.id): 0 for c in CONTACTS}).missing == (
        Missing("others", "no_contact"),
    )


def an_alert(policy: Policy) -> Alert:
    kind = KINDS["fall"]
    return Alert(
        "a", "resident:r1", "fall", "r1", kind.priority, True, State.RAISED, Phase.CONFIRMED, 1.0, (), {}, {}, 0, 0, 0,
        policy=policy.name,
    )  # fmt: skip


def climbed(
    policy: Policy, resolver: Callable[[int], Resolved], why: str = escalation.WAITED
) -> list[tuple[int, int, list[str]]]:
    """(seconds, step, whom) until the top."""
    alert, now_ns, seen = an_alert(policy), 0, []
    while True:
        climb = escalation.climb(alert, policy, resolver, now_ns, why=why)
        alert = climb.alert
        if climb.telling is None:
            assert alert.step_at_ns is None
            return seen
        seen.append((now_ns // S, climb.telling.step, [route.contact for route in climb.telling.routes]))
        assert alert.step_at_ns is not None
        assert alert.step_at_ns > now_ns or climb.telling.left == 0
        now_ns = alert.step_at_ns


def people(*groups: str) -> Resolved:
    return Resolved(tuple(tuple(Route("sms", name) for name in group.split()) for group in groups))


def test_steps_in_turn_and_repeated() -> None:
    policy = Policy.model_validate(
        {
            "name": "p",
            "steps": [
                step("first", wait_s=60, repeat=2, interval_s=20),
                step("others", in_turn=True, wait_s=30, repeat=1, interval_s=45),
                step("assist", wait_s=0),
                step("lead"),
            ],
        }
    )
    whom = {0: people("a b"), 1: people("c", "d e"), 2: people("f"), 3: people("g")}
    assert climbed(policy, whom.__getitem__) == [
        (0, 0, ["a", "b"]),
        (20, 0, ["a", "b"]),
        (40, 0, ["a", "b"]),
        (100, 1, ["c"]),
        (130, 1, ["d", "e"]),
        (175, 1, ["c"]),
        (205, 1, ["d", "e"]),
        (235, 2, ["f"]),
        (235, 3, ["g"]),
    ]
    # Nobody can be reached: no repetition, but every turn and every step.
    assert [(n, who) for _, n, who in climbed(policy, whom.__getitem__, escalation.UNDELIVERED)] == [
        (0, ["a", "b"]),
        (1, ["c"]),
        (1, ["d", "e"]),
        (2, ["f"]),
        (3, ["g"]),
    ]


def test_a_step_that_means_nobody_is_passed_at_once_and_written_down() -> None:
    policy = Policy.model_validate({"name": "p", "steps": [step("family"), step("oncall:x"), step("lead")]})
    whom = {
        0: Resolved(missing=(Missing("family", "no_contact"),)),
        1: Resolved(missing=(Missing("oncall:x", "nobody_on_call"),)),
    }
    climb = escalation.climb(an_alert(policy), policy, lambda n: whom.get(n, people("g")), 0)
    assert climb.telling is not None
    assert climb.telling.step == 2
    assert escalation.described(climb)["passed"] == [
        {"step": 1, "why": {"family": "no_contact"}},
        {"step": 2, "why": {"oncall:x": "nobody_on_call"}},
    ]
    assert climbed(policy, lambda _: Resolved()) == []


def test_a_shift_change_in_between_counts() -> None:
    policy = Policy.model_validate({"name": "p", "steps": [step("a", "b", in_turn=True, wait_s=10)]})
    answers = iter([people("a"), people("b", "a"), people("b", "a", "c"), people("b", "a", "c")])
    assert [who for _, _, who in climbed(policy, lambda _: next(answers))] == [["a"], ["b"], ["c"]]


# Nobody on call


def gaps(of: Plan, text: str, known: dict[str, frozenset[str]] | None = None) -> list[tuple[str, str, Any]]:
    return [
        (f.devices[0], f.phase.value, f.evidence.get("from")) for f in gap_findings(of, at(text), ZONE, known or {})
    ]


def test_nobody_on_call_is_found_a_day_ahead_and_only_where_it_matters() -> None:
    asking = {"name": "p", "hours": [{"from": "20:00", "to": "08:00"}], "steps": [step("oncall:night")]}
    assert gaps(plan(asking, schedule=[NIGHT]), "2026-11-22T12:00") == []
    always = {**asking, "hours": []}
    assert gaps(plan(always, schedule=[NIGHT]), "2026-11-22T12:00") == [
        ("oncall:night", "confirmed", "2026-11-22 08:00")
    ]
    assert gaps(plan(schedule=[NIGHT]), "2026-11-22T12:00") == []
    short = {**asking, "hours": [{"from": "20:00", "to": "08:30"}]}
    assert gaps(plan(short, schedule=[NIGHT]), "2026-11-22T09:00") == [
        ("oncall:night", "confirmed", "2026-11-23 08:00")
    ]
    weekend = {**short, "days": ["sat"]}
    assert gaps(plan(weekend, schedule=[NIGHT]), "2026-11-19T09:00") == []
    assert gaps(plan(weekend, schedule=[NIGHT]), "2026-11-20T09:00") == [
        ("oncall:night", "confirmed", "2026-11-21 08:00")
    ]


def test_a_gap_is_told_once_and_cleared_when_it_is_filled() -> None:
    of = plan({"name": "p", "steps": [step("oncall:night")]}, schedule=[NIGHT])
    first = gap_findings(of, at("2026-11-22T07:00"), ZONE, {})
    known = {"oncall:night": frozenset({first[0].episode})}
    for text in ("2026-11-22T07:30", "2026-11-22T12:00", "2026-11-22T19:59"):
        assert gap_findings(of, at(text), ZONE, known) == []
    filled = plan(
        {"name": "p", "steps": [step("oncall:night")]},
        schedule=[
            {**NIGHT, "override": [{"from": "2026-11-22T08:00:00", "to": "2026-11-25T08:00:00", "person": "lead"}]}
        ],
    )
    assert gaps(filled, "2026-11-22T12:00", known) == [("oncall:night", "cleared", None)]
    assert gaps(plan(), "2026-11-22T12:00", known) == [("oncall:night", "cleared", None)]
    schedule = of.schedule[0]
    gap = coming_gap(of, schedule, at("2026-11-22T12:00"), ZONE)
    assert gap is not None
    assert gap.to_ns == at("2026-11-22T20:00")


# Who would be called, when


def played(of: Plan, kind: str = "fall", text: str = "2026-11-22T03:10", **more: Any) -> Timeline:
    facts: dict[str, Any] = {"plan": of, "contacts": CONTACTS, "zone": ZONE, "timing": Timing(), "assist": ASSIST}
    options = {name: more.pop(name) for name in ("suspected", "window_s") if name in more}
    return timeline(Site(**(facts | more)), kind, "r1", at(text), **options)


def told(of: Timeline) -> list[tuple[float, int | None, list[str]]]:
    return [
        (event.after_s, event.step, [one.contact for one in event.told]) for event in of.events if event.what == "told"
    ]


def test_the_timeline_of_a_site_that_has_set_nothing() -> None:
    result = played(plan(), suspected=True)
    assert told(result) == [
        (20, 2, ["assist", "son", "desk"]),
        (80, 3, ["daughter", "lead", "wang"]),
        (140, 4, ["assist", "son", "desk", "daughter", "lead", "wang"]),
    ]
    assert [event.what for event in result.events] == ["opened", "raised", "told", "told", "told", "again"]
    assert (result.events[-1].every_s, result.problems) == (60.0, ())
    assert [event.what for event in played(plan(), suspected=True, prompts=True).events][:3] == [
        "opened",
        "asked",
        "raised",
    ]
    assert told(played(plan(), "battery_low")) == [(0, 1, ["desk"]), (3600, 2, ["lead", "wang"])]
    assert played(plan(), "battery_low").events[-1].what == "told"


def test_the_timeline_says_what_is_wrong() -> None:
    of = plan(
        {"name": "p", "steps": [step("oncall:night", wait_s=60), step("desk", wait_s=60), step("son", "lead")]},
        schedule=[NIGHT],
    )
    result = played(of, text="2026-11-22T12:00", channels={"sms"})
    assert told(result) == [(0, 2, ["desk"]), (5, 3, ["son", "lead"])]
    assert [(p.what, p.step, p.target, p.why) for p in result.problems] == [
        (NOBODY, 1, "oncall:night", "nobody_on_call"),
        (UNREACHABLE, 2, "desk", "siren"),
    ]
    assert [event.step for event in result.events if event.what == "passed"] == [1]
    nobody = played(plan(), contacts=[], assist=None)
    assert NOBODY_AT_ALL in {problem.what for problem in nobody.problems}
    # The shift ends while the alert climbs.
    late = plan({"name": "p", "steps": [step("desk", wait_s=120), step("oncall:night")]}, schedule=[NIGHT])
    assert [p.why for p in played(late, text="2026-11-22T07:59").problems] == ["nobody_on_call"]
