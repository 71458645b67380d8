"""The views of devices as HTML in one language. Pure; what comes from people or devices is escaped here."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from device_drivers.signals import SIGNALS
from gateway.commissioning import STEP_OF
from gateway.console.markup import DASH, ICONS, SVG, age_text, alert_look, clock_text, notes_of, part_name
from gateway.console.texts import TEXTS, speaker
from gateway.console.views import TRACE_STALE_S, WORDS, Look
from gateway.device_view import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from gateway.commissioning import Tried
    from gateway.console.views import AlertView
    from gateway.device_view import DeviceView, SignalView, Talker
    from gateway.mishaps import Mishap
    from gateway.registry import Resident

LOOKS: Mapping[Standing, Look] = {
    Standing.FAULT: Look.ATTENTION,
    Standing.UNKNOWN: Look.UNKNOWN,
    Standing.NOTICE: Look.ATTENTION,
    Standing.OK: Look.CALM,
    Standing.UNUSED: Look.UNKNOWN,
}
"""The shape that tells how a device stands; the colour is that of the standing."""
DIGITS = 7
FACTS = '<div class="y-dev-facts">{}</div>'
TROUBLE_LIST = '<ul class="y-troubles">{}</ul>'


def head_html(view: DeviceView, residents: Mapping[str, Resident], language: str) -> str:
    """State, name, whose it is and where, family, what is wrong, and the main facts."""
    say = speaker(language)
    device = view.device
    chip = f'<span class="y-chip y-s-{view.standing}">{SVG.format(ICONS[LOOKS[view.standing]])}'
    troubles = "".join(
        f'<li data-trouble="{one.word}">{escape(one.en if language == "en" else one.zh)}</li>' for one in view.troubles
    )
    facts = "".join(f"<span>{escape(one)}</span>" for one in _facts(view, language))
    return (
        f'<div class="y-dev-who">{chip}{say(f"standing.{view.standing}")}</span>'
        f"<b>{escape(device.name or device.id)}</b></div>"
        f'<div class="y-dev-where">{escape(_where(view, residents, language))}</div>'
        f'<div class="y-dev-kind">{escape(family_title(view, language))}</div>'
        f"{troubles and TROUBLE_LIST.format(troubles)}"
        f"{facts and FACTS.format(facts)}"
    )


def family_title(view: DeviceView, language: str) -> str:
    """The family in words; its machine word where the driver is not installed."""
    driver = view.driver
    return view.device.family if driver is None else driver.title_en if language == "en" else driver.title_zh


def matches(view: DeviceView, residents: Mapping[str, Resident], text: str) -> bool:
    """Whether name, id, room, family or resident contain the text."""
    device = view.device
    resident = residents.get(view.resident_id or "")
    words = (device.id, device.name, device.room, device.family, resident.display_name if resident else "")
    return text.strip().casefold() in "\n".join(words).casefold()


def summary_html(views: Sequence[DeviceView], language: str) -> str:
    """How many devices stand how."""
    say = speaker(language)
    counts = [(standing, sum(one.standing is standing for one in views)) for standing in Standing]
    return "".join(
        f'<span class="y-chip y-s-{standing}" data-standing="{standing}">{SVG.format(ICONS[LOOKS[standing]])}'
        f"{say(f'standing.{standing}')} {count}</span>"
        for standing, count in counts
        if count
    )


def details_html(view: DeviceView, now_ns: int, language: str, zone: tzinfo | None = None) -> str:
    """Signals with their age, commissioning, the way in, and the hint for the installer."""
    say = speaker(language)
    driver = view.driver
    hint = "" if driver is None else driver.hint_en if language == "en" else driver.hint_zh
    parts = [
        f'<div class="y-dev-id">{escape(say("device.id", id=view.device.id))}</div>',
        f"<h3>{say('device.signals')}</h3>{_signals_html(view, language)}",
        f"<h3>{say('device.tests')}</h3>{_tests_html(view, now_ns, language, zone)}",
        f"<h3>{say('device.way')}</h3><p>{escape(_way_text(view, language))}</p>",
    ]
    if hint:
        parts.append(f"<h3>{say('device.hint')}</h3><p>{escape(hint)}</p>")
    return "".join(parts)


def raw_html(mishaps: Sequence[Mishap], now_ns: int, language: str, zone: tzinfo | None = None) -> str:
    """The latest bytes that could not be decoded, the latest first."""
    if not mishaps:
        return f'<p class="y-none">{speaker(language)("device.raw_none")}</p>'
    return "".join(
        f'<div class="y-raw"><div>{clock_text(one.received_ns, now_ns, zone)} · {escape(one.reason)}'
        f"{f' · {escape(one.topic)}' if one.topic else ''}</div><code>{one.raw.hex(' ')}</code></div>"
        for one in reversed(mishaps)
    )


def unknown_html(talkers: Sequence[Talker], language: str) -> str:
    """Senders that are not registered, each with what it says."""
    say = speaker(language)
    if not talkers:
        return f'<p class="y-none">{say("devices.unknown_none")}</p>'
    rows = "".join(_talker_html(one, language) for one in talkers)
    return (
        f"<p>{say('devices.unknown_why')} <code>yinling devices add ID FAMILY</code></p>"
        f'<div class="y-parts">{rows}</div>'
    )


def alerts_html(alerts: Sequence[AlertView], language: str) -> str:
    """The way back to the board where alerts are open; nobody may miss one while looking at devices."""
    if not alerts:
        return ""
    looks = {alert_look(one) for one in alerts}
    look = Look.ALARM if Look.ALARM in looks else Look.ATTENTION
    flashing = any(one.flashing for one in alerts)
    text = speaker(language)("devices.open_alerts", count=len(alerts))
    return (
        f'<a class="y-strip y-{look}{" y-flash" if flashing else ""}" href="/" '
        f'data-unanswered="{str(flashing).lower()}">{SVG.format(ICONS[look])}<b>{text}</b></a>'
    )


def value_text(one: SignalView, language: str) -> str:
    """A value with its unit; a dash where it is unknown."""
    value, say = one.value, speaker(language)
    if value is None:
        return DASH
    if isinstance(value, bool | str):
        word = WORDS.get((one.signal, value))
        if word is not None:
            return say(f"fact.{word}")
        return value if isinstance(value, str) else say(f"value.{str(value).lower()}")
    unit = SIGNALS[one.signal].unit
    key = f"unit.{unit}"
    shown = say(key) if key in TEXTS else "" if unit == "1" else unit
    return f"{value:.{DIGITS}g} {shown}".strip()


def _where(view: DeviceView, residents: Mapping[str, Resident], language: str) -> str:
    say = speaker(language)
    resident = residents.get(view.resident_id or "")
    who = resident.display_name if resident is not None else view.resident_id or say("device.nobodys")
    room = view.device.room or (resident.room if resident is not None else "")
    return " · ".join([who, *([say("card.room", room=room)] if room else [])])


def _facts(view: DeviceView, language: str) -> list[str]:
    say = speaker(language)
    found = [] if view.silent_s is None else [say("card.heard", age=age_text(view.silent_s, language))]
    if view.battery is not None:
        found.append(say("fact.battery", n=round(view.battery)))
    if view.way is not None:
        found.append(f"{part_name(view.way.name, language)} {_connection(view.way.connected, language)}")
    if view.mishaps.count:
        found.append(say("device.rejected", count=view.mishaps.count))
    if view.clock_skew_s:
        found.append(say("device.clock", n=round(view.clock_skew_s)))
    return found


def _connection(connected: bool, language: str) -> str:
    return speaker(language)("device.connected" if connected else "device.disconnected")


def _way_text(view: DeviceView, language: str) -> str:
    say = speaker(language)
    limit = view.lost_after_s
    silence = say("device.no_limit") if limit is None else say("device.limit", duration=_long(limit, language))
    if view.way is None:
        return f"{DASH} · {silence}"
    error = f" ({view.way.error})" if view.way.error else ""
    return f"{part_name(view.way.name, language)} {_connection(view.way.connected, language)}{error} · {silence}"


def _long(seconds: float, language: str) -> str:
    say = speaker(language)
    if seconds < 7200:
        return say("duration.minutes", n=round(seconds / 60))
    return say("duration.hours", n=round(seconds / 3600))


def _signals_html(view: DeviceView, language: str) -> str:
    found = [_signal_html(one, language) for one in view.signals]
    if view.wave_age_s is not None:
        found.insert(0, _wave_html(view.wave_age_s, language))
    if not found:
        return f'<p class="y-none">{speaker(language)("device.no_signals")}</p>'
    return f'<div class="y-signals">{"".join(found)}</div>'


def _wave_html(age_s: float, language: str) -> str:
    fresh = "stale" if age_s > TRACE_STALE_S else "current"
    row, say = SIGNALS["accel"], speaker(language)
    return (
        f'<div class="y-signal y-v-{fresh}" data-signal="accel">'
        f'<span class="y-label">{escape(row.en if language == "en" else row.zh)}</span>'
        f'<span class="y-number"><b>{say("device.wave")}</b></span>'
        f'<span class="y-age">{escape(age_text(age_s, language))}</span></div>'
    )


def _signal_html(one: SignalView, language: str) -> str:
    row = SIGNALS[one.signal]
    fresh = "stale" if one.stale else "unknown" if one.value is None else "current"
    notes = [*notes_of(one.quality, derived=one.derived, language=language), age_text(one.age_s, language)]
    return (
        f'<div class="y-signal y-v-{fresh}" data-signal="{one.signal}">'
        f'<span class="y-label">{escape(row.en if language == "en" else row.zh)}</span>'
        f'<span class="y-number"><b>{escape(value_text(one, language))}</b></span>'
        f'<span class="y-age">{escape(" · ".join(notes))}</span></div>'
    )


def _tests_html(view: DeviceView, now_ns: int, language: str, zone: tzinfo | None) -> str:
    say = speaker(language)
    rows = [_tried_html(one, now_ns, language, zone) for one in view.tried]
    rows += [_untried_html(signal, language) for signal in view.untried]
    if not rows:
        return f'<p class="y-none">{say("device.tests_none")}</p>'
    command = f"yinling devices test {view.device.id}"
    return f'<ul class="y-steps">{"".join(rows)}</ul><p><code>{escape(command)}</code></p>'


def _tried_html(one: Tried, now_ns: int, language: str, zone: tzinfo | None) -> str:
    row = SIGNALS.get(one.signal)
    title = one.signal if row is None else row.en if language == "en" else row.zh
    look, word = (Look.CALM, "device.test_seen") if one.seen else (Look.ATTENTION, "device.test_missed")
    return (
        f'<li data-step="{escape(one.signal)}" data-seen="{str(one.seen).lower()}"><span class="y-chip y-{look}">'
        f"{SVG.format(ICONS[look])}{speaker(language)(word)}</span><span><b>{escape(title)}</b> "
        f'<span class="y-age">{clock_text(one.at_ns, now_ns, zone)}</span></span></li>'
    )


def _untried_html(signal: str, language: str) -> str:
    step = STEP_OF[signal]
    chip = f'<span class="y-chip y-unknown">{SVG.format(ICONS[Look.UNKNOWN])}'
    return (
        f'<li data-step="{signal}" data-seen="">{chip}{speaker(language)("device.test_untried")}</span>'
        f"<span>{escape(step.en if language == 'en' else step.zh)}</span></li>"
    )


def _talker_html(one: Talker, language: str) -> str:
    say = speaker(language)
    when = say("devices.knocks") if one.silent_s is None else say("card.heard", age=age_text(one.silent_s, language))
    names = [SIGNALS[signal] for signal in one.signals if signal in SIGNALS]
    signals = "、".join(row.zh for row in names) if language != "en" else ", ".join(row.en for row in names)
    way = part_name(one.way, language) if one.way is not None else ""
    facts = " · ".join(part for part in (one.family or "", way, when, signals) if part)
    return (
        f'<div class="y-part y-talker" data-talker="{escape(one.id)}"><b>{escape(one.id)}</b>'
        f"<span>{escape(facts)}</span></div>"
    )
