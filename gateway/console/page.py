"""The board: alerts, residents, box. Thin: it puts ready HTML into elements, and only where it has changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from nicegui import ui

from gateway.alerts.lifecycle import UNANSWERED
from gateway.console import markup
from gateway.console.answers import Wish, answer
from gateway.console.dialog import ask_outcome
from gateway.console.frame import Frame
from gateway.console.frame import html as _html
from gateway.console.frame import put as _put
from gateway.console.telling import duty_html, telling_html
from gateway.console.texts import speaker
from gateway.console.views import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.board import Board
    from gateway.console.views import AlertView, CardView

MAX_ROWS = 60
MOVED_S = 0.7
"""A tap this soon after the list has moved under the finger may be meant for another alert, and is asked for again."""


@dataclass(slots=True)
class _Row:
    box: Any
    text: Any
    told: Any
    buttons: Any
    actions: tuple[Action, ...] | None = None


@dataclass(slots=True)
class _Card:
    box: Any
    look: Any
    vitals: list[Any]
    facts: Any
    trace: Any


@dataclass(slots=True)
class Page(Frame):
    """One browser's board."""

    moved_s: float = float("-inf")
    visible: set[str] = field(default_factory=set)
    rows: dict[str, _Row] = field(default_factory=dict)
    cards: dict[str, _Card] = field(default_factory=dict)
    order: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))

    def lay_out(self) -> None:
        """Alerts first, then residents, then the box."""
        say = speaker(self.language)
        with ui.element("main").classes("y-main"):
            with ui.element("section").props('id="alerts"'):
                _html(f"<h2>{say('alerts.title')}</h2>")
                self.parts["rows"] = ui.element("div").classes("y-rows")
                self.parts["none"] = _html()
                self.parts["duty"] = _html()
            with ui.element("section").props('id="residents"'):
                _html(f"<h2>{say('residents.title')}</h2>")
                self.parts["cards"] = ui.element("div").classes("y-cards")
                self.parts["nobody"] = _html()
            with ui.element("section").props('id="box"'):
                _html(f"<h2>{say('health.title')}</h2>")
                self.parts["summary"] = _html()
                self.parts["health"] = _html().classes("y-parts")
        self.parts["dialogs"] = ui.element("div")
        self.parts["said"] = _html().classes("y-said").props('role="alert"')
        ui.on("y_visible", self._seen)

    def show_board(self, board: Board) -> None:
        """Bring the page up to this board."""
        self._show_alerts(board)
        names = {one.id: one.display_name for one in board.residents.values()}
        _put(self.parts["duty"], duty_html(board.duty, names, self.visitor.key.may_see, board.now_ns, self.language))
        self._show_cards(board)
        self._show_health(board)

    def _show_alerts(self, board: Board) -> None:
        say = speaker(self.language)
        seen = [one for one in board.alerts if self.visitor.key.may_see(one.resident_id)]
        shown = seen[:MAX_ROWS]
        new = [one for one in shown if one.id not in self.rows]
        self._arrange([one.id for one in shown])
        if new:
            _put(self.parts["said"], " · ".join(markup.spoken(one, self.language) for one in new))
        for one in shown:
            self._show_row(board, one)
        if not seen:
            rest = say("alerts.none") if board.alerts_known else say("alerts.none_known")
        else:
            rest = say("alerts.more", count=len(seen) - MAX_ROWS) if len(seen) > MAX_ROWS else ""
        _put(self.parts["none"], f'<p class="y-none">{rest}</p>' if rest else "")

    def _arrange(self, wanted: list[str]) -> None:
        """Make the rows these, in this order."""
        if wanted == self.order[0]:
            return
        for alert_id in self.rows.keys() - set(wanted):
            self.rows.pop(alert_id).box.delete()
        for alert_id in wanted:
            if alert_id not in self.rows:
                self.rows[alert_id] = self._new_row(alert_id)
        for index, alert_id in enumerate(wanted):
            self.rows[alert_id].box.move(target_index=index)
        if self.order[0]:
            self.moved_s = asyncio.get_running_loop().time()
        self.order = (wanted, self.order[1])

    def _new_row(self, alert_id: str) -> _Row:
        with self.parts["rows"], ui.element("article").classes("y-row").props(f'data-alert="{alert_id}"') as box:
            return _Row(box, _html(), _html(), ui.element("div").classes("y-buttons"))

    def _show_row(self, board: Board, alert: AlertView) -> None:
        row = self.rows[alert.id]
        key = ("alert", alert.id, self.language)
        _put(row.text, board.once(key, lambda: markup.alert_html(alert, board.now_ns, self.language)))
        mine = board.tellings.get(alert.id)
        told = ("told", alert.id, self.language)
        _put(row.told, board.once(told, lambda: telling_html(mine, board.now_ns, self.language)) if mine else "")
        actions = alert.actions if self.visitor.may_answer else ()
        if row.actions == actions:
            return
        row.actions = actions
        row.box.props(f'data-unanswered="{str(alert.state in UNANSWERED).lower()}"')
        row.buttons.clear()
        with row.buttons:
            if not self.visitor.may_answer:
                _html(speaker(self.language)("answer.read_only")).classes("y-read-only")
            for index, action in enumerate(actions):
                self._button(alert.id, action, first=index == 0)

    def _button(self, alert_id: str, action: Action, *, first: bool) -> None:
        button = ui.button(speaker(self.language)(f"action.{action}"), color=None)
        button.classes("y-btn y-first" if first else "y-btn").props(f'no-caps unelevated data-action="{action}"')
        button.on_click(partial(self._tapped, alert_id, action))

    async def _tapped(self, alert_id: str, action: Action) -> None:
        # Not in the row's own slot: the row may vanish while the person still writes or waits for the answer.
        with self.parts["dialogs"]:
            if asyncio.get_running_loop().time() - self.moved_s < MOVED_S:
                ui.notify(speaker(self.language)("answer.moved"), type="warning", position="bottom")
                return
            wish: Wish | None = Wish(alert_id, action)
            if action is Action.RESOLVE:
                wish = await ask_outcome(alert_id, self.visitor.session.person, self.language)
            if wish is not None:
                await self._answer(wish)

    async def _answer(self, wish: Wish) -> None:
        say = speaker(self.language)
        problem = await answer(self.door, self.visitor.session, wish)
        if problem is None:
            ui.notify(say("answer.done"), type="positive", position="bottom")
        else:
            text = say("answer.refused", reason=say(problem))
            ui.notify(text, type="negative", position="bottom", timeout=10_000, close_button=say("dialog.back"))
        await self.watch.reload()

    def _show_cards(self, board: Board) -> None:
        shown = [one for one in board.cards if self.visitor.key.may_see(one.resident_id)]
        wanted = [one.resident_id for one in shown]
        if wanted != self.order[1]:
            self._lay(wanted)
        for one in shown:
            self._show_card(board, one)
        nobody = "" if shown else f'<p class="y-none">{speaker(self.language)("residents.none")}</p>'
        _put(self.parts["nobody"], nobody)

    def _lay(self, wanted: list[str]) -> None:
        for resident_id in self.cards.keys() - set(wanted):
            self.cards.pop(resident_id).box.delete()
        for resident_id in wanted:
            if resident_id not in self.cards:
                self.cards[resident_id] = self._new_card(resident_id)
        for index, resident_id in enumerate(wanted):
            self.cards[resident_id].box.move(target_index=index)
        self.order = (self.order[0], wanted)

    def _new_card(self, resident_id: str) -> _Card:
        with self.parts["cards"], ui.element("article").classes("y-card") as box:
            box.props["data-resident"] = resident_id
            look = _html()
            with ui.element("div").classes("y-vitals"):
                vitals = [_html() for _ in range(4)]
            return _Card(box, look, vitals, _html().classes("y-facts"), _html())

    def _show_card(self, board: Board, card: CardView) -> None:
        mine, language = self.cards[card.resident_id], self.language
        key = (card.resident_id, language)
        _put(mine.look, board.once(("look", *key), lambda: markup.look_html(card, language)))
        for index, (element, vital) in enumerate(zip(mine.vitals, card.vitals, strict=True)):
            _put(element, board.once((index, *key), partial(markup.vital_html, vital, language)))
        _put(mine.facts, board.once(("facts", *key), lambda: markup.facts_html(card.facts, language)))
        if card.trace_device is None:
            _put(mine.trace, "")
        elif card.resident_id in self.visible:
            _put(mine.trace, board.trace(card.trace_device, language))

    def _show_health(self, board: Board) -> None:
        language = self.language
        summary = board.once(("summary", language), lambda: markup.health_summary(board.health, language))
        bad = not board.health or any(not one.ok for one in board.health)
        _put(self.parts["summary"], f'<p class="y-summary{" y-fault-text" if bad else ""}">{escape(summary)}</p>')
        if self.visitor.may_see_health:
            parts = board.once(("health", language), lambda: markup.health_html(board.health, language))
            _put(self.parts["health"], parts)

    def _seen(self, event: Any) -> None:
        known: Sequence[Any] = event.args if isinstance(event.args, list) else ()
        self.visible = {one for one in known if isinstance(one, str)} & self.cards.keys()

    def visitor_changed(self) -> None:
        """What may be answered may have changed."""
        for row in self.rows.values():
            row.actions = None
