"""View models as HTML in one language. Pure; every text that comes from people or devices is escaped here.

Each function gives the inside of one element of the page. Equal views give equal text, so that the page sends only
what has changed.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from analytics.kinds import KINDS
from device_drivers.observations import Quality
from device_drivers.signals import SIGNALS
from gateway.alerts.lifecycle import State
from gateway.console.texts import TEXTS, speaker
from gateway.console.trace import HEIGHT, WIDTH
from gateway.console.views import Freshness, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.trace import Trace
    from gateway.console.views import AlertView, CardView, FactView, VitalView
    from gateway.context import HealthItem

DASH = "—"
NOW_S = 5
"""Younger than this is "now": the text does not change every second for a device that reports in time."""
ICONS = {
    Look.CALM: '<path d="M20 6 9 17l-5-5"/>',
    Look.ATTENTION: '<path d="M12 3 2 21h20L12 3zM12 10v5M12 18v.5"/>',
    Look.ALARM: '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8zM12 7v6M12 16.5v.5"/>',
    Look.UNKNOWN: '<path d="M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 17.5v.5"/><circle cx="12" cy="12" r="10"/>',
}
"""Check, triangle, octagon, question mark: the shape alone tells the state."""
SVG = '<svg class="y-icon" viewBox="0 0 24 24" aria-hidden="true">{}</svg>'


def name_of_kind(kind: str, language: str) -> str:
    """The kind of a finding in words; the machine word where the table does not have it."""
    row = KINDS.get(kind)
    return kind if row is None else row.en if language == "en" else row.zh


def age_text(seconds: float | None, language: str) -> str:
    """Age in words: "now", "12 s ago", "3 min ago", "2 h ago", "4 d ago"; rounded down."""
    say = speaker(language)
    if seconds is None:
        return say("age.unknown")
    if seconds < NOW_S:
        return say("age.now")
    for limit, unit, key in ((60, 1, "age.seconds"), (3600, 60, "age.minutes"), (172_800, 3600, "age.hours")):
        if seconds < limit:
            return say(key, n=int(seconds // unit))
    return say("age.days", n=int(seconds // 86_400))


def duration_text(seconds: float, language: str) -> str:
    """Duration: "3:07", from one hour on "1 h 5 min"."""
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return speaker(language)("duration.long", hours=whole // 3600, minutes=whole % 3600 // 60)


def clock_text(at_ns: int, now_ns: int, zone: tzinfo | None = None) -> str:
    """Wall time of the box's zone: "03:12:45", with the day before it when that is not today."""
    at, now = (datetime.fromtimestamp(ns // 1_000_000_000, tz=zone).astimezone(zone) for ns in (at_ns, now_ns))
    return at.strftime("%H:%M:%S") if at.date() == now.date() else at.strftime("%m-%d %H:%M:%S")


def look_html(card: CardView, language: str) -> str:
    """Name, room and the one big state, with what it is about."""
    say = speaker(language)
    reasons = "、" if language != "en" else ", "
    told = reasons.join(name_of_kind(kind, language) for kind in card.reasons) or _unknown_because(card, language)
    flash = " y-flash" if card.flashing else ""
    return (
        f'<div class="y-who"><span class="y-name">{escape(card.name)}</span>'
        f'<span class="y-room">{escape(say("card.room", room=card.room)) if card.room else ""}</span>'
        f'<a class="y-care-link" href="/console/care?resident={quote(card.resident_id)}">{say("care.link")}</a></div>'
        f'<div class="y-look y-{card.look}{flash}" data-unknown="{say("look.unknown")}">{SVG.format(ICONS[card.look])}'
        f'<span class="y-word">{say(f"look.{card.look}")}</span><span class="y-why">{escape(told)}</span></div>'
    )


def _unknown_because(card: CardView, language: str) -> str:
    if card.look is not Look.UNKNOWN:
        return ""
    say = speaker(language)
    if not card.has_devices:
        return say("card.no_device")
    if card.heard_s is None:
        return say("card.never_heard")
    return f"{say('card.silent')} · {say('card.heard', age=age_text(card.heard_s, language))}"


def vital_html(vital: VitalView, language: str) -> str:
    """Label, number with unit, and how old it is."""
    row = SIGNALS[vital.signal]
    label = row.en if language == "en" else row.zh
    unit = speaker(language)(f"unit.{vital.unit}")
    number = DASH if vital.number is None else vital.number
    shown_unit = "" if vital.number is None else f'<span class="y-unit">{escape(unit)}</span>'
    return (
        f'<div class="y-vital y-v-{vital.freshness}" data-signal="{vital.signal}">'
        f'<span class="y-label">{escape(label)}</span>'
        f'<span class="y-number"><b>{number}</b>{shown_unit}</span>'
        f'<span class="y-age">{escape(_vital_note(vital, language))}</span></div>'
    )


def _vital_note(vital: VitalView, language: str) -> str:
    notes = notes_of(vital.quality, derived=vital.derived, language=language)
    if vital.freshness is Freshness.UNKNOWN and vital.quality is Quality.GOOD:
        return ""
    return " · ".join([*notes, age_text(vital.age_s, language)])


def notes_of(quality: str, *, derived: bool, language: str) -> list[str]:
    """What has to be said of a value: that the box has computed it, and that it is in doubt."""
    say = speaker(language)
    doubt = [] if quality == Quality.GOOD else [say(f"quality.{quality}")]
    return [*([say("value.derived")] if derived else []), *doubt]


def facts_html(facts: Sequence[FactView], language: str) -> str:
    """States in words, one after the other."""
    say = speaker(language)
    return " · ".join(escape(say(f"fact.{one.word}", n=one.number)) for one in facts)


def trace_html(trace: Trace | None, language: str) -> str:
    """The acceleration trace, or the words that there is none."""
    say = speaker(language)
    if trace is None:
        return f'<span class="y-trace-title">{say("trace.none")}</span>'
    one_g = HEIGHT * (1 - 1 / trace.top_g)
    return (
        f'<span class="y-trace-title">{say("trace.title")}<i>0–{say("trace.top", g=f"{trace.top_g:g}")}</i></span>'
        f'<svg class="y-trace" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{say("trace.title")}"><path class="y-one-g" d="M0 {one_g:.1f}H{WIDTH}"/>'
        f'<path class="y-line" d="{trace.path}"/></svg>'
    )


def alert_html(alert: AlertView, now_ns: int, language: str, zone: tzinfo | None = None) -> str:
    """What, who, where, since when, and how far the answer has come. `now_ns` decides whether to tell the day."""
    say = speaker(language)
    since = say(
        "alerts.since",
        clock=clock_text(alert.started_ns, now_ns, zone),
        duration=duration_text(alert.running_s, language),
    )
    state = say(f"state.{alert.state}", who=alert.by or DASH)
    marks = [f'<span class="y-mark">{say("alerts.test")}</span>'] if alert.test else []
    if alert.count > 1:
        marks.append(f'<span class="y-mark">{say("alerts.count", count=alert.count)}</span>')
    flash = " y-flash" if alert.flashing else ""
    look = alert_look(alert)
    return (
        f'<div class="y-what y-{look}{flash}">{SVG.format(ICONS[look])}'
        f'<span class="y-word">{escape(name_of_kind(alert.kind, language))}</span>'
        f'<span class="y-priority">{say(f"priority.{int(alert.priority)}")}</span>{"".join(marks)}</div>'
        f'<div class="y-whom"><b>{escape(_subject(alert, language))}</b>'
        f"<span>{escape(say('card.room', room=alert.where)) if alert.where else ''}</span></div>"
        f'<div class="y-since">{escape(since)}</div><div class="y-state" data-state="{alert.state}">{escape(state)}'
        f"{_window(alert, language)}{_repeats(alert, language)}</div>"
    )


def spoken(alert: AlertView, language: str) -> str:
    """A new alert in one line, for those who listen to the page."""
    words = (name_of_kind(alert.kind, language), _subject(alert, language), alert.where)
    return escape(" ".join(word for word in words if word))


def alert_look(alert: AlertView) -> Look:
    """Red or yellow: how urgent an alert looks."""
    urgent = int(alert.priority) == 1 and alert.state is not State.SUSPECTED and not alert.test
    return Look.ALARM if urgent else Look.ATTENTION


def _subject(alert: AlertView, language: str) -> str:
    say = speaker(language)
    if alert.who is not None:
        return alert.who
    return say("alerts.device", name=alert.device) if alert.device is not None else say("alerts.site")


def _window(alert: AlertView, language: str) -> str:
    if alert.countdown_s is None:
        return ""
    say = speaker(language)
    left = int(-(-alert.countdown_s // 1))
    text = say("alerts.countdown", seconds=left) if left else say("alerts.countdown_over")
    return f' · <b class="y-countdown">{text}</b>'


def _repeats(alert: AlertView, language: str) -> str:
    return f" · {speaker(language)('alerts.repeats', count=alert.repeats)}" if alert.repeats else ""


def health_html(items: Sequence[HealthItem], language: str) -> str:
    """Every part of the box with its word and its own text: the faulty ones in sight, the others folded away."""
    say = speaker(language)
    if not items:
        return f'<p class="y-fault-text">{say("health.none")}</p>'
    bad, well = (
        "".join(_part_html(item, language) for item in sorted(items, key=lambda one: one.name) if item.ok is ok)
        for ok in (False, True)
    )
    if not well:
        return bad
    number = say("health.well", count=sum(item.ok for item in items))
    folded = f'<summary>{number}</summary><div class="y-parts">{well}</div>'
    return f'{bad}<details class="y-well-parts" data-fold="box">{folded}</details>'


def _part_html(item: HealthItem, language: str) -> str:
    say = speaker(language)
    look, word = (Look.CALM, "health.ok") if item.ok else (Look.ATTENTION, "health.fault")
    return (
        f'<div class="y-part" data-part="{escape(item.name)}" data-ok="{str(item.ok).lower()}">'
        f'<span class="y-chip y-{look}">{SVG.format(ICONS[look])}{say(word)}</span>'
        f"<b>{escape(part_name(item.name, language))}</b>"
        f"<span>{escape(item.en if language == 'en' else item.zh)}</span></div>"
    )


def part_name(name: str, language: str) -> str:
    """Name of a part: "serial:/dev/ttyUSB0" as "Serial line /dev/ttyUSB0"; an unknown part by its machine word."""
    stem, _, rest = name.partition(":")
    key = f"part.{stem}"
    word = speaker(language)(key) if key in TEXTS else stem
    return f"{word} {rest}".strip()


def health_summary(items: Sequence[HealthItem], language: str) -> str:
    """One line on the whole box, for those too who may not see its parts."""
    say = speaker(language)
    faults = sum(not one.ok for one in items)
    if not items:
        return say("health.none")
    return say("health.faults", count=faults) if faults else say("health.all_ok")


def link_html(language: str) -> str:
    """The banner of a lost connection; the page's script shows it and fills in the seconds."""
    text = speaker(language)("link.lost", seconds="<b></b>")
    return f'<div id="y-lost" role="alert" hidden>{SVG.format(ICONS[Look.ALARM])}<span>{text}</span></div>'


def faults_html(faults: Sequence[tuple[str, str]], language: str) -> str:
    """The console's own faults, each (key of its text, the error's words)."""
    say = speaker(language)
    return "".join(
        f'<div class="y-own-fault" role="alert">{SVG.format(ICONS[Look.ALARM])}'
        f"<span>{escape(say(key, error=error))}</span></div>"
        for key, error in faults
    )
