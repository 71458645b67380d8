"""The real browser of the console's tests: sizes, and what is measured in a page.

YINLING_SCREENSHOTS names a folder for the pictures; a temporary one where it is not set.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Of two pages the one behind would be given little of a busy processor.
    *(
        "--disable-renderer-backgrounding",
        "--disable-backgrounding-occluded-windows",
        "--disable-background-timer-throttling",
    ),
]
DESK = {"width": 1400, "height": 900}
PHONE = {"width": 360, "height": 740}
LOOKS = [(DESK, "light", "zh-CN"), (DESK, "dark", "en"), (PHONE, "light", "en"), (PHONE, "dark", "zh-CN")]
"""Size, colours and language: every pair of them."""
MEASURE = """() => [...document.querySelectorAll('button, a, summary, input, .q-radio')]
    .filter((e) => e.offsetParent !== null)
    .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().width, e.getBoundingClientRect().height])
    .filter(([, width, height]) => width < 44 || height < 44)"""
WIDE = """() => [...document.querySelectorAll('body *')]
    .filter((e) => e.offsetParent !== null && e.getBoundingClientRect().right > window.innerWidth + 0.5)
    .map((e) => e.outerHTML.slice(0, 100))"""
CONTRAST = """() => {
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.offsetParent === null || e.closest('script, style')) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push([e.textContent.trim().slice(0, 30), Number(ratio.toFixed(2))]);
  }
  return weak;
}"""
Open = Callable[..., Page]
