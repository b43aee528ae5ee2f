"""Every page in a real browser, against a demo that trades: one server, one browser, one session for all.

Screenshots are kept under build/screenshots. Skipped, loudly, where there is no Chromium.
"""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from demo_to_look_at import CHROMIUM, PAGES, Demo

pytest.importorskip("playwright.sync_api")

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="NO PAGE WAS LOOKED AT: no Chromium (apt-get install chromium)"),
    pytest.mark.timeout(300),
]


def shot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"))


def test_every_page_draws_every_panel_by_keyboard(demo: Demo, page: Any) -> None:
    page.goto(demo.url + "/")
    for number, path in enumerate(PAGES, 1):
        if number > 1:
            page.locator("body").press(str(number))
        page.wait_for_url(demo.url + path)
        page.wait_for_selector(".nav a[aria-current]")
        page.wait_for_function("document.querySelectorAll('.note.loading:not([hidden])').length === 0")
        assert page.locator(".note.error").count() == 0, path
        assert page.locator("section.card").count() >= 2 or path == "/lab"
        shot(page, f"dark-{path.strip('/') or 'now'}")
    assert page.faults == []


def test_now_shows_the_pairs_with_units_and_the_market_shows_candles(demo: Demo, page: Any) -> None:
    page.goto(demo.url + "/")
    page.get_by_text("BTCUSDT").first.wait_for()
    # The market goes on meanwhile: pairs are closed and opened again.
    for words in ("Equity", "Net delta", "Volume today", "Imbalance", "holding", "min", "MAX_DRAWDOWN_PCT"):
        page.wait_for_function(
            "words => document.querySelector('#main').innerText.includes(words)", arg=words
        )
    page.goto(demo.url + "/market?symbol=ETHUSDT")
    page.locator("canvas").first.wait_for()
    assert "bps" in page.locator("#main").inner_text()
    page.get_by_text("Best 10 and 10 levels at").wait_for()
    assert page.get_by_role("region", name="Depth", exact=True).locator("tbody tr").count() == 20
    assert page.faults == []


def test_a_renewed_table_keeps_what_the_viewer_opened_and_where_he_is(demo: Demo, page: Any) -> None:
    page.goto(demo.url + "/decisions")
    first = page.locator("tbody tr").first
    number = first.get_attribute("data-key")
    summary = page.locator(f'tr[data-key="{number}"] summary')
    summary.press("Enter")
    # New decisions push the row down; it stays the same element.
    page.wait_for_function(
        "number => Number(document.querySelector('tbody tr').dataset.key) > number", arg=int(number)
    )
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == number
    assert page.locator(f'tr[data-key="{number}"] details').evaluate("each => each.open")
    region = page.get_by_role("region", name="Decisions", exact=True)
    region.evaluate("each => each.scrollTo(0, 200)")
    page.get_by_role("button", name="Oldest").click()
    page.locator('tr[data-key="1"]').wait_for()
    assert region.evaluate("each => each.scrollTop") == 0, "another page is read from its top"
    assert page.get_by_role("button", name="Older").is_disabled()
    assert page.faults == []


def test_another_page_of_a_table_reuses_its_rows_and_nothing_of_what_was_done_to_them(
    demo: Demo, page: Any
) -> None:
    page.goto(demo.url + "/decisions")
    demo.until(lambda decisions: decisions["total"] > 60, "/api/decisions")
    page.get_by_role("button", name="Oldest").click()
    page.locator('tr[data-key="1"]').wait_for()
    page.evaluate("window.row = document.querySelector('tbody tr')")
    page.locator("tbody tr summary").first.click()
    region = page.get_by_role("region", name="Decisions", exact=True)
    region.evaluate("each => each.scrollTo(0, 200)")
    page.evaluate("document.activeElement.blur()")
    before = page.evaluate("window.row.dataset.key")
    page.get_by_role("button", name="Newer").click()
    page.wait_for_function(
        "before => window.row.isConnected && window.row.dataset.key !== before", arg=before
    )
    assert page.locator("tbody details[open]").count() == 0, "opened in another row"
    assert region.evaluate("each => each.scrollTop") == 0, "another page is read from its top"
    keys = (
        page.locator("tbody").first.locator("tr").evaluate_all("rows => rows.map(r => Number(r.dataset.key))")
    )
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == len(keys) == 25
    assert page.faults == []


def test_a_renewed_panel_leaves_the_theme_alone_and_a_press_turns_what_is_shown(
    demo: Demo, page: Any
) -> None:
    page.goto(demo.url + "/")
    page.get_by_text("BTCUSDT").first.wait_for()
    assert page.evaluate("document.body.classList.contains('body--dark')"), "as his system has it"
    # Whoever sets it makes the browser work the style of every element out again.
    page.evaluate(
        "window.turned = 0; new MutationObserver(() => { window.turned += 1; })"
        ".observe(document.querySelector('meta[name=color-scheme]'), { attributes: true })"
    )
    market = page.locator("header time").first
    for _ in range(2):
        before = market.inner_text()
        page.wait_for_function(
            "before => document.querySelector('header time').textContent !== before", arg=before
        )
    assert page.evaluate("window.turned") == 0
    page.locator("body").press("d")
    page.wait_for_function("!document.body.classList.contains('body--dark')")
    page.goto(demo.url + "/decisions")
    page.locator("tbody tr").first.wait_for()
    assert not page.evaluate("document.body.classList.contains('body--dark')"), "remembered"
    page.locator("body").press("d")
    page.wait_for_function("document.body.classList.contains('body--dark')")
    assert page.faults == []


def test_times_and_colours_follow_the_viewer(demo: Demo, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 840}, timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(demo.url + "/")
    page.get_by_text("BTCUSDT").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than a phone"
    shot(page, "phone-now")
    page.goto(demo.url + "/system")
    here = page.locator(".nav a[aria-current]")
    here.wait_for()
    page.wait_for_function(
        "document.querySelector('.nav a[aria-current]').getBoundingClientRect().right <= innerWidth"
    )
    page.goto(demo.url + "/")
    page.get_by_text("BTCUSDT").first.wait_for()
    market = page.locator("header time").first
    before = market.inner_text()
    page.locator("body").press("u")
    page.wait_for_function("document.querySelector('.zone-name').textContent.includes('local')")
    hours = (int(market.inner_text()[11:13]) - int(before[11:13])) % 24
    assert hours in (9, 10)
    page.goto(demo.url + "/decisions")
    first = page.locator("tbody tr time").first
    shown, at_ms = first.inner_text(), int(first.get_attribute("data-ms"))
    assert int(shown[:2]) == (at_ms // 3_600_000 + 9) % 24, "rows that come later are local too"
    dark = page.evaluate("document.body.classList.contains('body--dark')")
    page.locator("body").press("d")
    page.wait_for_function(f"document.body.classList.contains('body--dark') !== {str(dark).lower()}")
    context.close()


def test_a_lost_connection_is_said_and_heals(demo: Demo, page: Any) -> None:
    page.goto(demo.url + "/")
    page.get_by_text("BTCUSDT").first.wait_for()
    time_text = page.locator("header time").first.inner_text()
    page.context.set_offline(True)
    page.evaluate("window.socket.io.engine.close()")
    page.wait_for_selector("#popup[aria-hidden='false'], .nicegui-error-popup:visible", timeout=30_000)
    shot(page, "connection-lost")
    page.context.set_offline(False)
    page.wait_for_function(
        "before => (document.querySelector('header time') ?? {}).textContent !== before", arg=time_text
    )


def test_steering_asks_once_and_is_journalled_with_who(demo: Demo, page: Any) -> None:
    page.goto(demo.url + "/")
    page.get_by_role("button", name="Pause entries").click()
    page.get_by_role("button", name="Cancel").click()
    assert demo.api("/api/now")["paused"] is None
    page.get_by_role("button", name="Pause entries").click()
    shot(page, "steering")
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: now["paused"] is not None)
    page.get_by_text("entries paused by").first.wait_for()
    page.get_by_role("button", name="Close one").click()
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: len(now["pairs"]) == 1)
    page.get_by_role("button", name="Flatten all").click()
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: not now["pairs"] and now["gross_usd"] == 0)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: now["paused"] is None)
    wishes = demo.api("/api/system")["wishes"]
    assert [wish["action"] for wish in wishes] == ["resume_entries", "close_all", "close", "pause_entries"]
    assert all("(dashboard)" in wish["actor"] for wish in wishes)
    trades = demo.until(lambda trades: trades["total"] >= 2, "/api/trades")
    page.goto(f"{demo.url}/trades?ref={trades['rows'][0]['ref']}")
    page.locator("ol.steps li").first.wait_for()
    assert "closed by" in page.locator("#main").inner_text()
    shot(page, "trade-life")


def test_a_double_click_asks_once_and_wishes_once(demo: Demo, page: Any) -> None:
    before = len(demo.api("/api/system")["wishes"])
    page.goto(demo.url + "/")
    page.get_by_role("button", name="Pause entries").dblclick()
    page.get_by_role("button", name="Yes").wait_for()
    page.wait_for_timeout(500)  # as long as a second question would take to come
    assert page.get_by_role("dialog").count() == 1
    page.get_by_role("button", name="Yes").evaluate("yes => { yes.click(); yes.click(); }")
    demo.until(lambda now: now["paused"] is not None)
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Yes").click()
    demo.until(lambda now: now["paused"] is None)
    wishes = demo.api("/api/system")["wishes"][: -before or None]
    assert [wish["action"] for wish in wishes] == ["resume_entries", "pause_entries"]
    assert page.faults == []


def test_health_answers_a_probe_and_an_unknown_address_is_no_page(demo: Demo) -> None:
    probe = urllib.request.Request(f"{demo.url}/healthz", method="HEAD")  # noqa: S310
    with urllib.request.urlopen(probe, timeout=20) as answer:  # noqa: S310
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="404") as unknown:
        urllib.request.urlopen(f"{demo.url}/nope", timeout=20)  # noqa: S310
    assert "There is no such page" in unknown.value.read().decode()


def test_nothing_secret_is_in_any_payload(demo: Demo) -> None:
    for path in ("/api/now", "/api/system", "/api/costs", "/metrics", "/healthz", "/"):
        with urllib.request.urlopen(demo.url + path, timeout=20) as answer:  # noqa: S310
            text = answer.read().decode().lower()
            assert answer.headers["x-frame-options"] == "DENY"
        for word in ("private_key", "api_secret", "secret_key", "password", "signature"):
            assert word not in text, path
