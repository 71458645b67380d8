"""The pages of the desk, as text: the queue, one alert, the door. Whatever came over the wire is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from simulators.desk.book import APPLIED, NO_WAY_BACK, ORDER, REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from simulators.desk.book import Answer, Case

LANGUAGES = ("zh-CN", "en")
OUTCOMES = ("real_fall", "real_help", "false_alarm", "recovered", "test", "other")
WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("助急值班台", "Assistance desk"),
    "no_device": ("银龄不是医疗器械；危急时请拨打 120。", "Not a medical device; in an emergency call 120."),
    "waits": ("无人应答", "nobody has answered"),
    "going": ("处理中", "being handled"),
    "over": ("已结束", "over"),
    "empty": ("没有报警。", "No alerts."),
    "drill": ("演练", "drill"),
    "urgent": ("紧急", "urgent"),
    "no_way_back": ("没有应答地址", "no address for answers"),
    "again": ("再次提醒", "told again"),
    "acknowledged": ("接警", "Take it"),
    "en_route": ("出发", "Set out"),
    "on_scene": ("到场", "Arrived"),
    "resolved": ("结案", "Close"),
    "did_acknowledged": ("已接警", "took it"),
    "did_en_route": ("已出发", "set out"),
    "did_on_scene": ("已到场", "arrived"),
    "did_resolved": ("已结案", "closed it"),
    "waiting": ("正在告知网关", "the gateway is being told"),
    "refused": ("网关未接受", "the gateway did not take it"),
    "silent": ("网关失联", "gateway silent since"),
    "outcome": ("结果", "What it was"),
    "note": ("备注", "Note"),
    "real_fall": ("真实跌倒", "a real fall"),
    "real_help": ("确实需要帮助", "help was needed"),
    "false_alarm": ("误报", "a false alarm"),
    "recovered": ("已自行恢复", "recovered by itself"),
    "test": ("测试", "a test"),
    "other": ("其他", "something else"),
    "back": ("返回", "Back"),
    "name": ("您的姓名", "Your name"),
    "password": ("密码", "Password"),
    "enter": ("进入", "Enter"),
    "leave": ("交班退出", "Leave"),
    "wrong": ("姓名或密码不对，请再试。", "Name or password is wrong; try again."),
    "locked": ("错误太多，请一分钟后再试。", "Too many wrong tries; wait a minute."),
    "card": ("120 急救卡", "For the call to 120"),
    "first_step": ("先做", "First"),
    "at": ("发生于", "happened at"),
    "room": ("房间", "room"),
    "answered_by": ("已由他人应答：", "answered by "),
}
STYLE = """
:root { color-scheme: light }
* { box-sizing: border-box }
body { font: 18px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 0 auto; max-width: 48rem; padding: .8rem;
  color: #111; background: #fff }
header { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; justify-content: space-between }
h1 { font-size: 1.3rem; margin: .2rem 0 }
article { border: 2px solid #767676; border-left-width: .6rem; border-radius: .4rem; padding: .6rem .8rem;
  margin: .8rem 0; overflow-wrap: anywhere }
article.waits { border-color: #b00020; background: #fff3f3 }
article.going { border-color: #8a5a00 }
article h2 { font-size: 1.1rem; margin: 0 }
p { margin: .3rem 0 }
small { color: #444 }
button, select, input, textarea { font: inherit; padding: .5rem .8rem; border-radius: .4rem; border: 2px solid #333;
  max-width: 100% }
button { min-height: 48px; background: #0b4f9e; color: #fff; border-color: #0b4f9e }
button.plain { background: #fff; color: #111; border-color: #333 }
form { display: inline-flex; flex-wrap: wrap; gap: .5rem; margin: .3rem .4rem 0 0 }
form.tall { display: grid; gap: .6rem; max-width: 26rem }
label { display: grid }
.bad { background: #b00020; color: #fff; padding: .6rem; border-radius: .4rem }
.state { font-weight: bold }
a { color: #0b4f9e }
a.button { display: inline-flex; align-items: center; min-height: 48px; padding: 0 .8rem; border: 2px solid #0b4f9e;
  border-radius: .4rem; vertical-align: bottom }
h2 { font-size: 1.1rem; margin: 1rem 0 0 }
.card { white-space: pre-wrap }
"""


def word(name: str, language: str) -> str:
    """A word in one of the two languages."""
    return WORDS[name][LANGUAGES.index(language)]


def queue(
    cases: Sequence[Case], silent: Sequence[tuple[str, float]], who: str, token: str, language: str, zone: tzinfo
) -> str:
    """Every alert, those that wait for somebody first; renews itself."""
    waiting = sum(case.waits for case in cases)
    alarms = "".join(
        f'<p class="bad" role="alert">{word("silent", language)} {escape(_clock(at, zone))}: {escape(source)}</p>'
        for source, at in silent
    )
    body = "".join(_card(case, token, language, zone) for case in cases) or f"<p>{word('empty', language)}</p>"
    out = f"<span>{escape(who)}</span>{_form('/leave', token, 'leave', language, plain=True)}"
    return _page(f"({waiting}) " if waiting else "", f"{alarms}<main>{body}</main>", language, out, refresh=True)


def detail(case: Case, token: str, language: str, zone: tzinfo) -> str:
    """One alert, with what to tell 120 and the form that closes it."""
    data, more = case.data, []
    for name in ("first_step", "card120"):
        text = data.get(name)
        if isinstance(text, dict):
            told = escape(_said(text, language))
            more.append(f"<h2>{word('card' if name == 'card120' else name, language)}</h2><p class='card'>{told}</p>")
    close = "" if case.over else _closing(case, token, language)
    back = f'<p><a href="/">{word("back", language)}</a></p>'
    return _page("", f"<main>{_card(case, token, language, zone)}{''.join(more)}{close}{back}</main>", language)


def door(language: str, problem: str | None = None) -> str:
    """Name and password."""
    said = f'<p class="bad" role="alert">{word(problem, language)}</p>' if problem else ""
    return _page(
        "",
        f'{said}<form class="tall" method="post" action="/login">'
        f'<label>{word("name", language)} <input name="who" required maxlength="60" autocomplete="name"></label>'
        f'<label>{word("password", language)} <input name="password" type="password" required'
        f' autocomplete="current-password"></label><button>{word("enter", language)}</button></form>',
        language,
    )


def _card(case: Case, token: str, language: str, zone: tzinfo) -> str:
    data = case.data
    state = "over" if case.over else "waits" if case.waits else "going"
    text = data.get("text") or {}
    said = escape(_said(text, language) or str(data.get("kind")))
    marks = [word("drill", language)] if data.get("test") else []
    if data.get("priority") == "high" and not case.over:
        marks.insert(0, word("urgent", language))
    if int(data.get("repeat") or 0) > 0:
        marks.append(f"{word('again', language)} ×{int(data['repeat'])}")
    elsewhere = data.get("acknowledged_by")
    if elsewhere and not case.reached:
        marks.append(word("answered_by", language) + escape(str(elsewhere)))
    answers = "".join(_told(answer, language, zone) for answer in case.answers)
    site = escape(str(data.get("site", "")))
    return (
        f'<article class="{state}"><h2><a href="/alert?id={quote(case.alert_id)}">{said}</a></h2>'
        f'<p class="state">{" · ".join([word(state, language), *marks])}</p>'
        f"<p><small>{site} · {_clock(case.first_at, zone)}</small></p>{answers}"
        f"{_steps(case, token, language)}</article>"
    )


def _steps(case: Case, token: str, language: str) -> str:
    """One button for the next step; closing has a form of its own."""
    if case.over:
        return ""
    reached = [ORDER.index(step) for step in case.reached if step in ORDER]
    following = ORDER[max(reached, default=-1) + 1 :]
    return "".join(
        _form("/act", token, step, language, case.alert_id) for step in following[:1] if step != "resolved"
    ) + (f' <a class="button" href="/alert?id={quote(case.alert_id)}">{word("resolved", language)}</a>')


def _closing(case: Case, token: str, language: str) -> str:
    options = "".join(f'<option value="{one}">{word(one, language)}</option>' for one in OUTCOMES)
    return (
        f'<form class="tall" method="post" action="/act">{_hidden(token, case.alert_id, "resolved")}'
        f'<label>{word("outcome", language)} <select name="outcome" required><option value=""></option>{options}'
        f'</select></label><label>{word("note", language)} <textarea name="note" maxlength="1000"></textarea></label>'
        f"<button>{word('resolved', language)}</button></form>"
    )


def _told(answer: Answer, language: str, zone: tzinfo) -> str:
    stands = word("refused" if answer.state == REFUSED else "waiting", language)
    state = "" if answer.state == APPLIED else (f"（{stands}）" if language == "zh-CN" else f" ({stands})")
    outcome = f" {word(answer.outcome, language)}" if answer.outcome is not None else ""
    reason = word("no_way_back", language) if answer.said == NO_WAY_BACK else answer.said
    said = f" {escape(reason)}" if answer.state == REFUSED else ""
    note = f" “{escape(answer.note)}”" if answer.note else ""
    did = word(f"did_{answer.type}", language)
    return f"<p>{_clock(answer.made_at, zone)} {escape(answer.who)} {did}{outcome}{note}{state}{said}</p>"


def _form(action: str, token: str, name: str, language: str, alert_id: str = "", *, plain: bool = False) -> str:
    style = ' class="plain"' if plain else ""
    hidden = _hidden(token, alert_id, name)
    return f'<form method="post" action="{action}">{hidden}<button{style}>{word(name, language)}</button></form>'


def _hidden(token: str, alert_id: str, act: str) -> str:
    fields: dict[str, Any] = {"token": token, "alert_id": alert_id, "act": act}
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _said(text: Mapping[str, Any], language: str) -> str:
    return str(text.get("zh" if language == "zh-CN" else "en", ""))


def _clock(at: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).strftime("%m-%d %H:%M:%S")


def _page(mark: str, body: str, language: str, out: str = "", *, refresh: bool = False) -> str:
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    switch = f'<a href="/language?to={other}">{"English" if other == "en" else "中文"}</a>'
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{mark}{word('title', language)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{mark}{word('title', language)}</h1><span>{switch}</span>{out}</header>{body}"
        f"<footer><small>{word('no_device', language)}</small></footer></body></html>"
    )
