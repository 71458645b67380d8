"""What every page of the console has: top and menu, the box's time, the console's own troubles, a key that counts."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from nicegui import ui

from gateway.console import documents, markup
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from gateway.console.board import Board, Watch
    from gateway.console.entry import Door
    from gateway.console.session import Visitor


@dataclass(slots=True)
class Frame:
    """One browser's page. place: where a change of language comes back to. way: address and text of the other page."""

    place: ClassVar[str] = ""
    way: ClassVar[tuple[str, str]] = ("/devices", "devices.link")

    door: Door
    watch: Watch
    visitor: Visitor
    language: str
    theme: str
    beats: int = 0
    parts: dict[str, Any] = field(default_factory=dict)
    looking: ExitStack = field(default_factory=ExitStack)

    @abstractmethod
    def lay_out(self) -> None:
        """Make the elements of the page."""

    @abstractmethod
    def show_board(self, board: Board) -> None:
        """Bring the elements up to this board."""

    def visitor_changed(self) -> None:
        """The key counts for something else now."""

    def build(self) -> None:
        """Lay the page out, and start to look once the browser has connected."""
        say = speaker(self.language)
        self._head(say("app.title"))
        self.parts["faults"] = html()
        with ui.element("header").classes("y-top"):
            html(f"<h1>{say('app.title')} · {escape(self.door.context.settings.site.name)}</h1>")
            html(f'<span class="y-not-medical-chip">{say("app.not_medical")}</span>')
            self.parts["beat"] = html()
            html(self._menu(), tag="nav").classes("y-nav")
        self.lay_out()
        html(say("app.not_medical_long"), tag="footer").classes("y-foot")
        ui.timer(self.door.recheck_s, self._recheck)
        client = ui.context.client
        client.on_connect(self._start)
        client.on_delete(self.looking.close)

    def show(self, board: Board) -> None:
        """Bring the page up to this board."""
        self.beats += 1
        say = speaker(self.language)
        clock = board.once(("clock",), lambda: markup.clock_text(board.now_ns, board.now_ns))
        beat = f'<span class="y-beat" data-beat="{self.beats}">{say("app.box_time")} {clock}</span>'
        put(self.parts["beat"], beat)
        put(self.parts["faults"], markup.faults_html(board.faults, self.language))
        self.show_board(board)

    def _start(self) -> None:
        """At the first connection only: a browser that comes back is still looking."""
        if self.beats:
            return
        self.looking.enter_context(self.watch.looking(self.show))
        if self.watch.board is not None:
            self.show(self.watch.board)

    async def _recheck(self) -> None:
        """A key that was withdrawn or changed meanwhile counts as it stands now."""
        visitor = await self.door.visit(self.visitor.session)
        if visitor is None:
            ui.navigate.to("/console/login")
            return
        if visitor != self.visitor:
            self.visitor = visitor
            self.visitor_changed()

    def _head(self, title: str) -> None:
        ui.page_title(title)
        ui.dark_mode({"light": False, "dark": True}.get(self.theme))
        ui.add_head_html(f'<link rel="stylesheet" href="{documents.asset_url("console.css")}">')
        ui.add_body_html(
            f"<script>document.documentElement.lang = '{self.language}';"
            f"document.documentElement.dataset.theme = '{self.theme}';</script>"
            f'{markup.link_html(self.language)}<script defer src="{documents.asset_url("console.js")}"></script>'
        )

    def _menu(self) -> str:
        say = speaker(self.language)
        other = "zh-CN" if self.language == "en" else "en"
        next_theme = documents.THEMES[(documents.THEMES.index(self.theme) + 1) % len(documents.THEMES)]
        who = say("app.who", person=self.visitor.session.person, key=self.visitor.key.name)
        back = f"&amp;to={self.place}" if self.place else ""
        address, text = self.way
        link = f'<a class="y-way" id="y-way" href="{address}">{say(text)}</a>' if self.visitor.may_see_devices else ""
        return (
            f"{link}"
            f'<details class="y-menu"><summary aria-label="{say("app.menu")}">☰</summary><div><p>{escape(who)}</p>'
            f'<a id="y-language" lang="{other}" href="/console/prefer?language={other}{back}">'
            f"{say('app.other_language')}</a>"
            f'<a id="y-theme" href="/console/prefer?theme={next_theme}{back}">{say(f"theme.{self.theme}")}</a>'
            f'<a id="y-statistics" href="/console/statistics">{say("statistics.title")}</a>'
            f'<a id="y-care" href="/console/care">{say("care.title")}</a>'
            f'<button type="button" id="y-sound" data-on="{say("sound.on")}" data-off="{say("sound.off")}" '
            f'aria-pressed="false">{say("sound.off")}</button>'
            f'<form method="post" action="/console/logout"><button>{say("app.logout")}</button></form></div></details>'
        )


def html(content: str = "", tag: str = "div") -> Any:
    """An element of our own HTML; everything foreign in it was escaped when it was made."""
    return ui.html(content, sanitize=False, tag=tag)


def put(element: Any, content: str) -> None:
    """Send an element's content where it has changed."""
    if element.content != content:
        element.set_content(content)
