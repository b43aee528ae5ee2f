"""Whether everybody can use the pages: contrast as drawn, names and roles, keyboard alone, less motion."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from demo_to_look_at import CHROMIUM, PAGES, Demo

pytest.importorskip("playwright.sync_api")

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
STATES = """
() => document.querySelector("#main").insertAdjacentHTML("afterbegin",
  ["good", "warn", "bad", "quiet"].map((tone) => `<span class="chip ${tone}">${tone}</span>`).join("")
  + ["bad", "warn", "progress"].map((tone) => `<p class="banner ${tone}">${tone}</p>`).join("")
  + ["empty", "loading", "error"].map((kind) => `<p class="note ${kind}">${kind}</p>`).join("")
  + ["long", "short", "up", "down", "flat", "unknown", "dim"].map((c) => `<p class="${c}">${c}</p>`).join(""))
"""
"""Whatever the demo may not come to while it is looked at."""

NAMELESS = """
() => {
  const name = (el) => (el.getAttribute("aria-label") ?? el.innerText ?? "").trim()
    || (el.getAttribute("aria-labelledby") ?? "") || (el.labels?.length ? el.labels[0].innerText : "");
  const seen = (el) => el.checkVisibility();
  const of = (css) => [...document.querySelectorAll(css)].filter(seen);
  return [
    ...of("button, a[href], input, section, nav, summary, [role=meter], [role=region], [role=group]")
      .filter((el) => !name(el)),
    ...of("th").filter((th) => !th.textContent.trim() || th.scope !== "col"),
    ...of("canvas").filter((canvas) => !canvas.closest("[role=img][aria-label]")),
  ].map((el) => el.outerHTML.slice(0, 160));
}
"""
FOCUS = """
() => {
  const at = document.activeElement, style = getComputedStyle(at);
  return { words: (at.getAttribute("aria-label") ?? at.innerText ?? "").trim().split("\\n")[0],
           ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
}
"""

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="NO PAGE WAS LOOKED AT: no Chromium (apt-get install chromium)"),
    pytest.mark.timeout(300),
]


def opened(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".nav a[aria-current]")
    page.wait_for_function("document.querySelectorAll('.note.loading:not([hidden])').length === 0")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_stands_out_from_what_is_behind_it(demo: Demo, browser: Any, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    for path in PAGES:
        opened(page, demo.url + path)
        page.evaluate(STATES)
        found = page.evaluate(CONTRAST)
        assert found["seen"] > 40, path
        assert found["poor"] == {}, f"{path} in {scheme}"
    opened(page, demo.url + "/")
    page.locator(".nicegui-echart canvas").first.wait_for()
    page.locator("body").press("d")
    page.wait_for_function(
        "dark => document.body.classList.contains('body--dark') !== dark", arg=scheme == "dark"
    )
    # What is drawn turns with the page, not at its next renewal.
    page.wait_for_function("getElement(Number(document.querySelector('.nicegui-echart').id.slice(1))).chart")
    assert page.evaluate(CONTRAST)["poor"] == {}, "after turning"
    page.get_by_role("button", name="Flatten all").click()
    page.get_by_role("button", name="Yes").wait_for()
    page.wait_for_timeout(400)  # the dialog fades in
    assert page.evaluate(CONTRAST)["poor"] == {}, "the question"
    context.close()


def test_everything_has_a_name_and_a_place(demo: Demo, page: Any) -> None:
    for path in PAGES:
        opened(page, demo.url + path)
        assert page.evaluate(NAMELESS) == [], path
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        lefts = page.locator("section.card").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().x)"
        )
        assert lefts[0] == min(lefts), "what is only heard takes no room"
        for role in ("banner", "navigation", "main"):
            assert page.get_by_role(role).count() == 1, role
        assert page.get_by_role("main").get_by_role("navigation").count() == 0
        assert page.evaluate("document.documentElement.lang").startswith("en")
        assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == (
            page.locator("[id]").count()
        ), "an id twice"
    assert page.faults == []


def test_a_screen_reader_is_told_what_matters_and_nothing_each_second(demo: Demo, page: Any) -> None:
    opened(page, demo.url + "/")
    page.evaluate(
        """() => {
          window.said = [];
          const live = "[role=alert], [role=status], [aria-live]:not([aria-live=off])";
          new MutationObserver((changes) => changes.forEach(({ target, addedNodes }) => {
            const el = target.nodeType === 1 ? target : target.parentElement;
            const words = el?.closest(live) ?? [...addedNodes].find((node) => node.matches?.(live));
            if (words) window.said.push(words.textContent);
          })).observe(document.body, { childList: true, characterData: true, subtree: true });
        }"""
    )
    market = page.locator("header time").first
    for _ in range(3):
        before = market.inner_text()
        page.wait_for_function(
            "before => document.querySelector('header time').textContent !== before", arg=before
        )
    assert page.evaluate("window.said") == []
    page.get_by_role("button", name="Pause entries").click()
    page.get_by_role("button", name="Yes").click()
    page.wait_for_function("window.said.some(words => words.includes('paused'))")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: now["paused"] is None)


def test_the_keyboard_alone_reaches_everything_in_order_and_is_seen(demo: Demo, page: Any) -> None:
    opened(page, demo.url + "/decisions")
    order = []
    for _ in range(24):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        assert at["ring"], f"no ring around {at}"
        order.append(at["words"])
    assert order[0] == "Skip to the content"
    names = ["Pause entries", "Resume", "Close one…", "Flatten all", "Now", "Decisions", "System", "Symbol"]
    places = [next(i for i, words in enumerate(order) if words.startswith(name)) for name in names]
    assert places == sorted(places), order
    page.goto(demo.url + "/decisions")
    page.wait_for_selector(".nav a[aria-current]")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("button", name="Pause entries").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Pause entries?").get_by_role("button", name="Cancel").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel").wait_for(state="detached")
    assert demo.api("/api/now")["paused"] is None, "Escape is no"
    page.wait_for_function("document.activeElement.innerText.startsWith('Pause entries')")
    assert page.faults == []


def test_nothing_moves_for_whoever_asked_for_less_motion(demo: Demo, browser: Any) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    opened(page, demo.url + "/")
    page.evaluate(STATES)
    page.get_by_role("button", name="Pause entries").click()
    page.get_by_role("button", name="Cancel").wait_for()
    moving = page.evaluate("document.getAnimations().filter(each => each.playState === 'running').length")
    assert moving == 0
    context.close()


def test_long_and_short_are_told_apart_without_colour(demo: Demo, page: Any) -> None:
    opened(page, demo.url + "/market")
    page.locator(".side").first.wait_for()
    signs = page.locator(".side").evaluate_all("all => all.map(each => each.innerText.trim())")
    assert {words.split()[0] for words in signs if words.split()[-1] == "buy"} == {"▲"}
    assert {words.split()[0] for words in signs if words.split()[-1] == "sell"} == {"▼"}
    opened(page, demo.url + "/")
    for css in (".num.up", ".num.down"):
        for words in page.locator(css).evaluate_all("all => all.map(each => each.innerText)"):
            assert ("+" in words) == (css == ".num.up"), words
            assert ("-" in words) == (css == ".num.down"), words
