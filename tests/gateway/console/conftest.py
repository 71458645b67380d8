"""Fixtures: a real box, and a real browser that looks at a module's `box`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_browser import ARGUMENTS, DESK, Open
from console_site import Site
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.api.keys import MadeKey
from gateway.console import login_link
from tests.conftest import program

PATIENCE_MS = 180_000
"""A browser without a graphics card beside other tests on two processors takes its time; that is no failure."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = program("chromium", "chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("YINLING_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser: Browser, box: Site) -> Iterator[Open]:
    """Open a page as somebody; at the end nothing may have gone wrong in it, nor come from anywhere else."""
    contexts = []
    troubles: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            lambda message: troubles.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.on(
            "request",
            lambda request: None if request.url.startswith((box.url, "data:")) else troubles.append(request.url),
        )

    def make(made: MadeKey | None, *, size: dict[str, int] | None = None, language: str = "zh-CN", **more: Any) -> Page:
        # What flashes is drawn again sixty times a second, by the processor: other tests would starve.
        more.setdefault("reduced_motion", "reduce")
        context = browser.new_context(viewport=size or DESK, **more)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        if language != "zh-CN":
            page.goto(f"{box.url}/console/prefer?language={language}")
        if made is None:
            page.goto(box.url)
        else:
            page.goto(box.url + login_link(box.api, made.key.id, "王芳"))
            expect(page.locator("[data-beat]")).to_be_attached()
        return page

    yield make
    for context in contexts:
        context.close()
    assert troubles == []
