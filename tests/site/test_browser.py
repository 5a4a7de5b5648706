"""Every page in a real browser: light and dark, on a phone and on a desk, without a network."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MUST_RUN = os.environ.get("CI", "").lower() == "true"

pytestmark = [
    pytest.mark.site,
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not MUST_RUN,
        reason="No Chromium on this machine: on Debian, 'apt-get install chromium' lets the browser tests run.",
    ),
]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"phone": (390, 844), "desk": (1440, 900)}
THEMES = ("light", "dark")

# What others' markup gets wrong without holding a reader back: (rule, part of the place).
ACCEPTED = {("aria-required-children", 'class="citation-list"')}  # docutils' list of sources holds links beside entries

WIDER_THAN_THE_PAGE = """() => {
  const boxed = (node) => {
    for (let up = node.parentElement; up; up = up.parentElement)
      if (up.tagName === 'SVG' || up.tagName === 'svg' || /auto|scroll|hidden|clip/.test(getComputedStyle(up).overflowX)
          && up !== document.body && up !== document.documentElement) return true;
    return false;
  };
  const found = [...document.querySelectorAll('.bd-article *')]
    .filter((node) => node.getBoundingClientRect().width > 0 && node.getBoundingClientRect().right > innerWidth + 1)
    .filter((node) => !boxed(node))
    .map((node) => node.outerHTML.slice(0, 120));
  return document.documentElement.scrollWidth > innerWidth ? ['the page itself', ...found] : found;
}"""

BROKEN_MATHS = """() => {
  const bad = [...document.querySelectorAll('mjx-container :is([data-mml-node="merror"], [fill="red"])')];
  const raw = [...document.querySelectorAll('.math')].filter((node) => !node.querySelector('mjx-container'));
  return [...bad, ...raw].map((node) => node.closest('.math').outerHTML.slice(0, 200));
}"""


@dataclass
class Visit:
    """A loaded page, and what went wrong while it loaded."""

    tab: object
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def settle(self) -> None:
        self.tab.wait_for_function("() => !document.querySelector('.math') || window.MathJax?.startup?.promise")
        self.tab.evaluate("() => window.MathJax?.startup?.promise")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.fail("CI=true, but there is no Chromium on this machine.", pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def contexts(browser) -> Iterator[dict[tuple[str, str], object]]:
    """One browser window for each width and theme."""
    made = {
        (width, theme): browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
        )
        for width, size in WIDTHS.items()
        for theme in THEMES
    }
    yield made
    for context in made.values():
        context.close()


def visit(context: object, url: str) -> Visit:
    tab = context.new_page()
    seen = Visit(tab)
    inside = url.split("/book/")[0]

    def refuse(route: object) -> None:
        seen.outside.append(route.request.url)
        route.abort()

    tab.route(re.compile(rf"^(?!{re.escape(inside)}|data:|blob:)"), refuse)
    tab.on("pageerror", lambda error: seen.errors.append(str(error)))
    tab.on("console", lambda line: line.type == "error" and seen.errors.append(line.text))
    tab.on("response", lambda answer: answer.status >= 400 and seen.errors.append(f"{answer.status} {answer.url}"))
    tab.goto(url, wait_until="load")
    seen.settle()
    return seen


def serious(tab: object) -> list[str]:
    """What axe-core calls serious or critical, a line for each place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {place['html'][:160]} {place.get('failureSummary', '')[:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for place in rule["nodes"]
        if not any(rule["id"] == name and part in place["html"] for name, part in ACCEPTED)
    ]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_whole(page, width, theme, contexts, address):
    seen = visit(contexts[width, theme], f"{address}/{page}.html")
    try:
        assert seen.errors == []
        assert seen.outside == [], "the page asks for something from elsewhere"
        assert seen.tab.evaluate("document.documentElement.dataset.theme") == theme
        assert seen.tab.evaluate(BROKEN_MATHS) == []
        assert seen.tab.evaluate(WIDER_THAN_THE_PAGE) == []
        assert serious(seen.tab) == []
    finally:
        seen.tab.close()


@pytest.mark.parametrize("name", ["book/index", "book/stage-two", "book/references"])
def test_a_page_works_from_disk(name, contexts, site):
    seen = visit(contexts["desk", "light"], f"{site.as_uri()}/{name}.html")
    try:
        assert seen.errors == []
        assert seen.outside == []
        assert seen.tab.evaluate(BROKEN_MATHS) == []
    finally:
        seen.tab.close()


def test_the_front_page_fits_one_screen(contexts, address):
    seen = visit(contexts["desk", "light"], f"{address}/book/index.html")
    try:
        doors = seen.tab.locator(".bd-article .sd-card")
        assert doors.count() == 3
        lowest = max(box["y"] + box["height"] for box in (doors.nth(door).bounding_box() for door in range(3)))
        assert lowest <= WIDTHS["desk"][1]
        assert seen.tab.locator(".bd-article figure svg.mmcl-drawing").count() == 1
    finally:
        seen.tab.close()


def test_a_figure_follows_the_theme(contexts, address):
    ink = {}
    for theme in THEMES:
        seen = visit(contexts["desk", theme], f"{address}/book/index.html")
        ink[theme] = seen.tab.eval_on_selector("svg.mmcl-drawing", "drawing => getComputedStyle(drawing).color")
        seen.tab.close()
    assert ink["light"] != ink["dark"]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("where", "what", "cue"),
    [("index", ".mmcl-figure", "::after"), ("losses", ".pst-scrollable-table-container.scrolls", "::before")],
    ids=["figure", "table"],
)
def test_what_scrolls_says_so_until_its_end(theme, where, what, cue, contexts, address):
    seen = visit(contexts["phone", theme], f"{address}/book/{where}.html")
    try:
        box = seen.tab.locator(f".bd-article {what}").first
        shown = f"box => getComputedStyle(box, '{cue}').visibility"
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        assert box.evaluate(shown) == "visible"
        box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
        seen.tab.wait_for_function(f"() => !document.querySelector('.bd-article {what}').matches('.more')")
        assert box.evaluate(shown) == "hidden"
    finally:
        seen.tab.close()


def test_a_figure_with_room_says_nothing(contexts, address):
    seen = visit(contexts["desk", "light"], f"{address}/book/index.html")
    try:
        assert seen.tab.locator(".mmcl-figure.scrolls, .mmcl-figure.more").count() == 0
    finally:
        seen.tab.close()


def test_letters_in_a_figure_stay_readable_on_a_phone(page, contexts, address):
    seen = visit(contexts["phone", "light"], f"{address}/{page}.html")
    scales = seen.tab.eval_on_selector_all(
        "svg.mmcl-drawing",
        "drawings => drawings.map(drawing => drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width)",
    )
    seen.tab.close()
    assert all(scale * 9.5 >= 9 for scale in scales), "the smallest letters are drawn at 9.5 points"
