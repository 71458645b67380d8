"""The page of devices: every one with its state, those in trouble first, and what sends without being registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from nicegui import ui

from gateway.api.caller import audit_read
from gateway.console import device_markup as made
from gateway.console.frame import Frame, html, put
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from gateway.console.board import Board
    from gateway.device_view import DeviceView

log = structlog.get_logger(__name__)

MAX_ROWS = 100


@dataclass(slots=True)
class _Row:
    box: Any
    head: Any
    more: Any
    details: Any
    raw_button: Any
    raw: Any
    open: bool = False
    raw_open: bool = False


@dataclass(slots=True)
class DevicePage(Frame):
    """One browser's page of devices."""

    place: ClassVar[str] = "devices"
    way: ClassVar[tuple[str, str]] = ("/", "devices.back")

    wanted: str = ""
    rows: dict[str, _Row] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def lay_out(self) -> None:
        """Open alerts, devices, and the senders that are not registered."""
        say = speaker(self.language)
        self.parts["alerts"] = html()
        with ui.element("main").classes("y-main"):
            with ui.element("section").props('id="devices"'):
                html(f"<h2>{say('devices.title')}</h2>")
                self.parts["summary"] = html().classes("y-summary y-chips")
                find = ui.input(say("devices.find"), on_change=self._find).props("outlined maxlength=80")
                find.classes("y-find")
                self.parts["rows"] = ui.element("div").classes("y-rows")
                self.parts["none"] = html()
            if self.visitor.key.may_see(None):
                with ui.element("section").props('id="unknown"'):
                    html(f"<h2>{say('devices.unknown_title')}</h2>")
                    self.parts["unknown"] = html()

    def show_board(self, board: Board) -> None:
        """Bring the page up to this board."""
        self._show_alerts(board)
        seen = [one for one in board.devices.devices if self.visitor.key.may_see(one.resident_id)]
        fitting = [one for one in seen if made.matches(one, board.residents, self.wanted)] if self.wanted else seen
        shown = fitting[:MAX_ROWS]
        put(self.parts["summary"], made.summary_html(seen, self.language))
        self._arrange([one.device.id for one in shown])
        for one in shown:
            self._show_row(board, one)
        rest = self._rest(board, len(seen), len(fitting))
        put(self.parts["none"], f'<p class="y-none">{rest}</p>' if rest else "")
        if "unknown" in self.parts and self.visitor.key.may_see(None):
            talkers = board.devices.unknown
            key = ("talkers", self.language)
            put(self.parts["unknown"], board.once(key, lambda: made.unknown_html(talkers, self.language)))

    def _rest(self, board: Board, seen: int, fitting: int) -> str:
        say = speaker(self.language)
        if fitting > MAX_ROWS:
            return say("devices.more", count=fitting - MAX_ROWS)
        if fitting:
            return ""
        if seen:
            return say("devices.no_match")
        return say("devices.none") if board.devices_known else say("devices.none_known")

    def _show_alerts(self, board: Board) -> None:
        mine = [one for one in board.alerts if self.visitor.key.may_see(one.resident_id)]
        put(self.parts["alerts"], made.alerts_html(mine, self.language))

    def _arrange(self, wanted: list[str]) -> None:
        """Make the rows these, in this order."""
        if wanted == self.order:
            return
        for device_id in self.rows.keys() - set(wanted):
            self.rows.pop(device_id).box.delete()
        for device_id in wanted:
            if device_id not in self.rows:
                self.rows[device_id] = self._new_row(device_id)
        for index, device_id in enumerate(wanted):
            self.rows[device_id].box.move(target_index=index)
        self.order = wanted

    def _new_row(self, device_id: str) -> _Row:
        say = speaker(self.language)
        with self.parts["rows"], ui.element("article").classes("y-row y-device") as box:
            box.props["data-device"] = device_id
            head = html()
            with ui.element("div").classes("y-buttons"):
                more = ui.button(say("device.details"), color=None).classes("y-btn")
                more.props('no-caps unelevated data-action="details" aria-expanded="false"')
                more.on_click(partial(self._toggle, device_id))
                raw_button = ui.button(say("device.raw"), color=None).classes("y-btn")
                raw_button.props('no-caps unelevated data-action="raw"').on_click(partial(self._toggle_raw, device_id))
            return _Row(box, head, more, html().classes("y-details"), raw_button, html().classes("y-details"))

    def _show_row(self, board: Board, view: DeviceView) -> None:
        row, language, device_id = self.rows[view.device.id], self.language, view.device.id
        row.box.props(f'data-standing="{view.standing}"')
        put(row.head, board.once((device_id, language), lambda: made.head_html(view, board.residents, language)))
        row.raw_button.set_visibility(view.mishaps.count > 0)
        details = raw = ""
        if row.open:
            key = ("details", device_id, language)
            details = board.once(key, lambda: made.details_html(view, board.now_ns, language))
        if row.raw_open:
            key = ("raw", device_id, language)
            raw = board.once(key, lambda: made.raw_html(tuple(view.mishaps.latest), board.now_ns, language))
        put(row.details, details)
        put(row.raw, raw)

    def _toggle(self, device_id: str) -> None:
        row = self.rows[device_id]
        row.open = not row.open
        row.more.set_text(speaker(self.language)("device.less" if row.open else "device.details"))
        row.more.props(f'aria-expanded="{str(row.open).lower()}"')
        self._again()

    async def _toggle_raw(self, device_id: str) -> None:
        """Raw bytes can hold what a person's device said: who reads them is written down first."""
        row, say = self.rows[device_id], speaker(self.language)
        if not row.raw_open:
            try:
                detail = {"person": self.visitor.session.person}
                await audit_read(self.door.context, self.visitor.key, "console.raw_read", f"device:{device_id}", detail)
            except Exception:
                log.exception("console.raw_not_audited", device=device_id)
                ui.notify(say("device.raw_fault"), type="negative", position="bottom")
                return
        row.raw_open = not row.raw_open
        row.raw_button.set_text(say("device.raw_less" if row.raw_open else "device.raw"))
        self._again()

    def _find(self, event: Any) -> None:
        self.wanted = str(event.value or "").strip()
        self._again()

    def _again(self) -> None:
        if self.watch.board is not None:
            self.show_board(self.watch.board)
