"""The rest of a report in Debian's Chromium: tables, curves, plots, hostile names, sizes."""

from __future__ import annotations

import pytest

from slimsr.report.curves import runs_page
from slimsr.report.page import Page, write_page
from slimsr.report.scores import COSTS
from tests.report.hostile import BREAKS_OUT, HANDLER, ODD, SCRIPT

pytestmark = pytest.mark.system

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.report.seen import LAPTOP, PHONE, TABLET, box, canvas, press, touch, wait  # noqa: E402


def test_headings_sort(show):
    browser = show("scores")

    def column(number: int) -> list[str]:
        cells = f"#scores tbody tr > :nth-child({number})"
        return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, cells)]

    heading = browser.find_element(By.XPATH, "//th/button[.='PSNR/dB']")
    heading.click()
    falling = column(3)
    assert falling == sorted(falling, key=float, reverse=True) and len(falling) == 2
    assert heading.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    heading.send_keys(Keys.ENTER)
    assert column(3) == falling[::-1]
    assert heading.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"


def test_names_of_files_are_shown_and_not_run(show):
    browser = show("scores")
    for name in (SCRIPT, HANDLER):
        button = browser.find_element(By.CSS_SELECTOR, f"[aria-label='{name}']")
        button.click()
        assert browser.find_element(By.CSS_SELECTOR, ".panel h3").text.startswith(name)
        assert browser.execute_script("return window.hit") is None
    assert len(browser.find_elements(By.CSS_SELECTOR, "script")) == 2
    assert browser.find_elements(By.CSS_SELECTOR, "img[onerror], main script") == []


def test_nothing_of_a_page_is_run_or_breaks_it(show, pages):
    names = [SCRIPT, HANDLER, BREAKS_OUT, ODD, "javascript:window.hit=1"]
    costs = {"quality": 30.0, "parameters": 9, "macs": 9.0, "ms": 9.0}
    page = Page(
        ODD + BREAKS_OUT,
        {name: name for name in names},
        notes=names,
        tables=[
            {
                "title": name,
                "columns": [{"label": name, "numeric": False}, {"label": name, "numeric": True}],
                "rows": [[[name, name], [name, 1.0]], [["b", "b"], ["-", None]]],
            }
            for name in names
        ],
        trade={
            "quality": HANDLER,
            "costs": COSTS,
            "points": [{"label": name, "set": name, **costs} for name in names],
        },
        runs=[
            {
                "name": name,
                "config": name,
                "step": 2,
                "train": {name: [[1, 2.0], [2, 1.0]]},
                "valid": {name: [[2, 30.0]]},
            }
            for name in names
        ],
    )
    pages["hostile"] = pages["scores"].with_name("hostile.html")
    write_page(pages["hostile"], page)
    for size in (LAPTOP, PHONE):
        browser = show("hostile", size)
        for button in browser.find_elements(By.CSS_SELECTOR, "thead button"):
            button.click()
        for summary in browser.find_elements(By.CSS_SELECTOR, "summary"):
            summary.click()
        found = browser.execute_script(
            """return [window.hit ?? null, document.scripts.length,
            document.querySelectorAll("img, iframe, main a").length,
            document.documentElement.outerHTML.includes("\\u202e"),
            document.documentElement.scrollWidth - document.documentElement.clientWidth]"""
        )
        assert found == [None, 2, 0, False, 0]
    shown = browser.find_element(By.TAG_NAME, "main").text
    assert all(name in shown for name in (SCRIPT, HANDLER, BREAKS_OUT))


def test_a_page_that_is_made_again_is_loaded_again_and_seen_as_it_was_left(show, pages):
    runs = [pages["runs"].with_name("one")]
    pages["live"] = pages["runs"].with_name("live.html")
    write_page(pages["live"], runs_page(runs, renewed=1))
    browser = show("live", PHONE)
    browser.execute_script("window.before = true; scrollTo(0, 300)")
    press(browser, "Light / dark")
    browser.find_element(By.TAG_NAME, "summary").click()
    before = browser.execute_script("return scrollY")
    write_page(pages["live"], runs_page(runs))
    left = "return [document.documentElement.dataset.theme, scrollY, window.before ?? null]"
    wait(browser, lambda: browser.execute_script(left) == ["dark", before, None])
    assert before > 0 and browser.find_element(By.CSS_SELECTOR, "details[open] pre").is_displayed()


def test_all_is_reached_by_the_tabulator(show):
    browser = show("scores")
    reached, last = set(), None
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        focus = browser.switch_to.active_element
        name = focus.get_attribute("aria-label") or focus.text
        outline = focus.value_of_css_property("outline-style")
        assert focus.tag_name == "body" or outline != "none", name  # it is seen where one is
        reached.add(name)
        if (last := focus.tag_name) == "body":
            break
    wanted = {
        "Border between the two pictures",
        "Left picture",
        "Right picture",
        "Side by side",
        "Difference",
        "zoom in",
        "calm",
        "PSNR/dB",
        "Light / dark",
    }
    assert wanted <= reached, last


def test_values_of_curves_where_the_pointer_is_and_by_keys(show):
    browser = show("runs")
    card = browser.find_element(By.XPATH, "//figure[figcaption='total']")
    svg = card.find_element(By.CSS_SELECTOR, ".plot svg")
    tip = card.find_element(By.CSS_SELECTOR, ".tip")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", card)
    assert not tip.is_displayed()
    ActionChains(browser, 20).move_to_element(svg).perform()
    wait(browser, tip.is_displayed)
    step = int(tip.find_element(By.CSS_SELECTOR, "b").text.removeprefix("step "))
    values = [float(value.text) for value in tip.find_elements(By.CSS_SELECTOR, "i")]
    assert values == [pytest.approx(100 / step, rel=1e-3), pytest.approx(200 / step, rel=1e-3)]
    assert "one" in tip.text and "two" in tip.text
    svg.send_keys(Keys.END, Keys.ARROW_LEFT)
    assert tip.find_element(By.CSS_SELECTOR, "b").text == "step 190"


def test_values_of_curves_stay_where_a_finger_was(show):
    browser = show("runs", PHONE)
    cards = browser.find_elements(By.CSS_SELECTOR, ".card")
    tips = [card.find_element(By.CSS_SELECTOR, ".tip") for card in cards]
    for card, tip in zip(cards[:2], tips, strict=False):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", card)
        area = box(browser, card.find_element(By.CSS_SELECTOR, ".plot svg"))
        touch(browser, "touchStart", (area["x"] + 200, area["y"] + 80))
        touch(browser, "touchEnd")
        wait(browser, tip.is_displayed)
    wait(browser, lambda: [tip.is_displayed() for tip in tips[:2]] == [False, True])


def test_what_a_run_holds_is_text(show):
    browser = show("runs")
    browser.find_element(By.CSS_SELECTOR, "summary").click()
    assert "</script><script>" in browser.find_element(By.CSS_SELECTOR, "pre").text
    assert browser.execute_script("return window.hit") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(show, scheme):
    browser = show("runs", scheme=scheme)
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    (before, *_), ink = browser.execute_script(script), "getComputedStyle(document.body).color"
    assert (before > 128) == (scheme == "light")
    assert (int(browser.execute_script(f"return {ink}.match(/\\d+/)[0]")) > 128) != (before > 128)
    press(browser, "Light / dark")
    assert (browser.execute_script(script)[0] > 128) != (before > 128)


@pytest.mark.parametrize("size", [LAPTOP, TABLET, PHONE])
@pytest.mark.parametrize("name", ["scores", "runs"])
def test_a_page_scrolls_down_and_not_to_the_side(show, name, size):
    browser = show(name, size)
    width, inner, outside = browser.execute_script(
        """const wide = document.documentElement.clientWidth;
        const parts = [...document.querySelectorAll("button, select, h1, h2, h3, figure, .stage")]
            .filter((part) => !part.closest(".scroll, .thumbs"));
        return [document.documentElement.scrollWidth, wide,
            parts.filter((part) => part.getBoundingClientRect().right > wide).length]"""
    )
    assert width <= inner <= size[0] and outside == 0
    if name == "scores" and size == PHONE:
        press(browser, "Side by side")
        area = box(browser, canvas(browser))
        assert area["width"] > 340 and area["height"] > 260  # one above the other


def test_labels_of_points_do_not_cover_each_other(browser, show, pages):
    page = pages["scores"].with_name("trade.html")
    points = [
        {
            "label": f"method {i}",
            "set": "s",
            "quality": 30 + i % 3 / 50,
            "parameters": 1000 + i // 9,
            "macs": 5e9,
            "ms": 10.0 + i,
        }
        for i in range(16)
    ]
    write_page(page, Page("a", trade={"quality": "PSNR, dB", "points": points, "costs": COSTS}))
    pages["trade"] = page
    show("trade")
    boxes = browser.execute_script(
        """return [...document.querySelectorAll("#trade svg")].map((svg) =>
        [...svg.querySelectorAll(".label")].map((t) => t.getBoundingClientRect().toJSON()))"""
    )
    assert [len(labels) for labels in boxes] == [16, 16, 16]
    for labels in boxes:
        for i, a in enumerate(labels):
            for b in labels[:i]:
                apart = a["right"] <= b["left"] or b["right"] <= a["left"]
                assert apart or a["bottom"] <= b["top"] + 1 or b["bottom"] <= a["top"] + 1
