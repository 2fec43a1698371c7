"""What holds for every page, on a phone, a tablet and a desk's screen: no barrier, nothing out of sight, the keyboard goes everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from monitor.clock import SystemClock
from monitor.notifiers import email as mail
from monitor.notifiers._base import Notice
from tests.browser.conftest import missing
from tests.browser.reader import AXE, PAGES, RULES, Reader
from tests.browser.standing import LONG, Standing, standing
from tests.effort import IS_LONG, more_in_a_soak
from tests.notifiers.conftest import STARTED
from tests.notifiers.test_email_words import html_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), more_in_a_soak]

EVERY = ((320, "dark"), (768, "light"), (1440, "dark"), (1440, "light"))
WINDOWS = EVERY if IS_LONG else EVERY[:1]
"""The narrowest; all in the soak."""
WITH_KEYS = EVERY[::2] if IS_LONG else WINDOWS
WALL = "#/wall"
"""It has no bar of pages, so nothing is pinned there."""

LAID_OUT = """(() => {
    const root = document.documentElement;
    scrollTo(0, 1e6);
    const bar = document.querySelector(".pinned")?.getBoundingClientRect();
    const found = {
        tall: root.scrollHeight, body: document.body.getBoundingClientRect().height, window: innerHeight, wide: root.scrollWidth,
        bar: bar ? bar.top : 0, at: scrollY,
        cut: [...document.querySelectorAll("main *")].filter(e => {
            if (!e.checkVisibility() || e.closest(".virtual, .heatmap, .scroll:has(.heatmap), .hidden, canvas, svg, .u-wrap")) return false;
            const box = e.getBoundingClientRect();
            return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
        }).map(e => e.outerHTML.slice(0, 120)).slice(0, 3),
    };
    scrollTo(0, 0);
    return found;
})()"""
"""How a page stands: its height and its body's, where what is pinned is at the end, and what stands outside the window."""

FOCUSED = """(async () => {
    const wrong = [];
    const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
        .filter(e => !e.disabled && e.checkVisibility({visibilityProperty: true}));
    for (const each of all) {
        each.focus({focusVisible: true});
        if (document.activeElement !== each) { wrong.push(["no focus", each.outerHTML.slice(0, 120)]); continue; }
        if (getComputedStyle(each).outlineStyle === "none") wrong.push(["no sign of it", each.outerHTML.slice(0, 120)]);
        const box = each.getBoundingClientRect();
        const [x, y] = [Math.min(innerWidth - 2, box.left + Math.min(box.width / 2, 20)), Math.max(0, box.top) + 3];
        const there = document.elementFromPoint(x, y);
        if (!there || !(each.contains(there) || there.contains(each) || there.closest("label")?.contains(each)))
            wrong.push(["covered", each.outerHTML.slice(0, 120), there?.outerHTML.slice(0, 80)]);
    }
    scrollTo(0, 0);
    return wrong;
})()"""
"""Each thing that can be used takes the focus, shows that it has it, and is not covered then (WCAG 2.4.7 and 2.4.11)."""


class Visit(NamedTuple):
    """What was found on one page in one window."""

    violations: list[Any]
    laid_out: dict[str, Any]
    focused: list[Any]


Visits = dict[tuple[int, str], dict[str, Visit]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Standing]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    async with standing(called=40) as desk:
        yield desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visits(desk: Standing) -> Visits:
    """Every page in every window, looked at once for all tests."""
    found = await asyncio.gather(*(visited(desk, *window) for window in WINDOWS))
    return dict(zip(WINDOWS, found, strict=True))


async def visited(desk: Standing, width: int, scheme: Any) -> dict[str, Visit]:
    """A tablet has the barriers of a phone or of a wide screen; the other scheme has only other colours."""
    rules = ("color-contrast",) if (width, scheme) == EVERY[-1] and IS_LONG else RULES
    has_axe = AXE.is_file() and width != 768
    found = {}
    async with Reader.at(desk.browser, width, color_scheme=scheme, reduced_motion="reduce") as reader:
        await reader.look(desk.daemon.url)
        for page in (*PAGES, f"#/group/{LONG}", f"#/what-if/{LONG}"):
            await reader.turn(page)
            await asked(reader, page)
            found[page] = Visit(
                await reader.barriers(rules) if has_axe else [],
                await reader.run(LAID_OUT),
                await reader.run(FOCUSED) if (width, scheme) in WITH_KEYS else [],
            )
        assert reader.complaints == []
    return found


async def asked(reader: Reader, page: str) -> None:
    """Waits for what a page shows, and asks for what it shows only then."""
    if page == "#/stress":
        await reader.page.get_by_role("button", name="Stress the book").click()
        await reader.page.wait_for_selector("table >> nth=1")
    await reader.page.wait_for_timeout(150)


@pytest.mark.parametrize("window", [w for w in WINDOWS if w[0] != 768])
async def test_no_page_has_a_barrier(visits: Visits, window: tuple[int, str]) -> None:
    """Contrast, names, roles, sizes of targets, as axe-core finds them by WCAG 2.2 AA."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; make check fetches it")
    assert {page: v.violations for page, v in visits[window].items() if v.violations} == {}


@pytest.mark.parametrize("window", WINDOWS)
async def test_no_page_is_longer_than_what_it_shows(visits: Visits, window: tuple[int, str]) -> None:
    for page, visit in visits[window].items():
        at = visit.laid_out
        assert at["tall"] <= max(at["body"], at["window"]) + 1, (page, at)


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_says_whether_it_is_live_stays_in_sight(visits: Visits, window: tuple[int, str]) -> None:
    scrolled = 0
    for page, visit in visits[window].items():
        assert visit.laid_out["bar"] == 0, (page, visit.laid_out)
        scrolled += visit.laid_out["at"] > 0
    assert scrolled, "a page that is longer than the window was among them"


async def test_every_answer_is_inside_a_phone(visits: Visits) -> None:
    """Of 320 pixels; a matrix of two coins is a map, and scrolls by itself."""
    for page, visit in visits[320, "dark"].items():
        assert visit.laid_out["wide"] <= 320, page
        assert visit.laid_out["cut"] == [], page


@pytest.mark.parametrize("window", WITH_KEYS)
async def test_the_keyboard_goes_everywhere(visits: Visits, window: tuple[int, str]) -> None:
    assert {page: v.focused for page, v in visits[window].items() if v.focused} == {}


async def test_the_menu_of_a_phone_opens_goes_and_closes_by_keyboard(desk: Standing) -> None:
    async with Reader.at(desk.browser, 320) as reader:
        await reader.look(desk.daemon.url)
        keys = reader.page.keyboard
        await reader.page.locator("nav summary").focus()
        await keys.press("Enter")
        assert await reader.page.locator("nav details").get_attribute("open") is not None
        await keys.press("Escape")
        assert await reader.page.locator("nav details").get_attribute("open") is None
        await keys.press("Enter")
        await keys.press("Tab")
        await keys.press("Tab")
        await keys.press("Enter")
        await reader.page.wait_for_selector("h1:has-text('Alerts')")
        assert await reader.page.evaluate("document.activeElement.id") == "main"
        assert await reader.page.locator("nav details").get_attribute("open") is None


def mailed(type_: str, **changes: Any) -> str:
    notice = Notice(type_, "2026-11-21T14:05:59.000Z", {**STARTED, **changes}, ())
    return html_of(mail.compose(notice, "monitor@desk.example", ["risk@desk.example"], SystemClock()))


@pytest.mark.parametrize(
    "html",
    [
        mailed("loan_group.delayed_liquidation.started", group={**STARTED["group"], "id": LONG}),
        mailed(
            "price.stale", group=None, subject="BTC", facts={"reason": f"no quote for {LONG}", "groups": [LONG] * 3}
        ),
    ],
    ids=["group", "facts"],
)
async def test_a_mail_reads_on_a_phone(desk: Standing, html: str) -> None:
    """Of 360 pixels: no figure stands outside, and none is cut inside."""
    async with Reader.at(desk.browser, 360) as reader:
        await reader.page.set_content(html)
        outside = """[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth
            || e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline").map(e => e.outerHTML.slice(0, 90))"""
        assert await reader.page.evaluate(outside) == []
        assert await reader.page.evaluate("document.documentElement.scrollWidth") <= 360
