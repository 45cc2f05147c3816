"""A report in Debian's Chromium, by mouse, keys and touch. Skipped where there is no browser."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from slimsr.__main__ import main
from slimsr.imaging import imread, imresize
from slimsr.metrics import psnr_y, ssim_y
from slimsr.report.curves import runs_page
from slimsr.report.page import Page, write_page
from slimsr.report.scores import COSTS
from tests.report.hostile import BREAKS_OUT, HANDLER, ODD, SCRIPT, evaluated, put_run

pytestmark = pytest.mark.system

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

LAPTOP, TABLET, PHONE = (1366, 768, False), (820, 1180, True), (390, 844, True)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-gpu",
        "--no-first-run", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    page, _ = evaluated(folder)
    runs = [str(put_run(folder / name, factor=n)) for n, name in enumerate(("one", "two"), 1)]
    main(["report", *runs, "--output", str(folder / "runs.html")])
    return {"scores": page, "runs": folder / "runs.html"}


@pytest.fixture
def show(browser, pages):
    """Open a page of some size; at the end nothing was complained of or asked of the network."""

    def opened(name: str, size=LAPTOP, scheme: str = "light"):
        width, height, mobile = size
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile},
        )
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": mobile})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(pages[name].as_uri())
        ready = ".stage[data-split]" if name == "scores" else ".card svg.plotted, .card svg"
        wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ready))
        return browser

    browser.get_log("browser"), browser.get_log("performance")
    yield opened
    said = browser.get_log("browser")
    assert [row for row in said if "readback" not in row["message"]] == []  # which tests do
    events = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"].split(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert asked <= {"file", "data"}
    assert sum(event["method"] == "Network.webSocketCreated" for event in events) == 0


def wait(browser, condition):
    return WebDriverWait(browser, 5, 0.03).until(lambda _: condition())


def stage(browser) -> dict:
    """Return what is seen: place, size of the pictures, the border, all as numbers."""
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    script = "return {...document.querySelector('.stage').dataset}"
    return {k: v if k == "mode" else float(v) for k, v in browser.execute_script(script).items()}


def canvas(browser):
    return browser.find_element(By.CSS_SELECTOR, ".stage canvas")


def handle(browser):
    return browser.find_element(By.CSS_SELECTOR, ".handle")


def press(browser, text: str) -> None:
    path = f"//button[normalize-space()='{text}' or @aria-label='{text}']"
    browser.find_element(By.XPATH, path).click()


def choose(browser, side: str, label: str) -> None:
    selector = f"select[aria-label='{side} picture']"
    Select(browser.find_element(By.CSS_SELECTOR, selector)).select_by_visible_text(label)


def measured(browser) -> dict[str, list[str]]:
    """Return the values in view, once they are those of what is seen."""
    script = """const done = arguments[0];
        setTimeout(() => done([...document.querySelectorAll(".measured tbody tr")].map(
            (row) => [...row.children].map((cell) => cell.textContent))), 250);"""
    return {row[0]: row[1:] for row in browser.execute_async_script(script)}


def touch(browser, kind: str, *points: tuple[float, float]) -> None:
    found = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})


def box(browser, element) -> dict:
    return browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)


def test_the_border_follows_the_mouse(show):
    browser = show("scores")
    assert stage(browser)["split"] == 0.5
    actions = ActionChains(browser, 20)
    actions.click_and_hold(handle(browser)).move_by_offset(60, 0).release().perform()
    moved = stage(browser)["split"]
    assert 0.5 < moved < 1
    actions.click_and_hold(canvas(browser)).move_by_offset(-80, 0).release().perform()
    assert stage(browser)["split"] < 0.5


def test_the_border_follows_the_keys(show):
    browser = show("scores")
    border = handle(browser)
    border.send_keys(Keys.ARROW_RIGHT)
    assert stage(browser)["split"] == pytest.approx(0.52)
    assert border.get_attribute("aria-valuenow") == "52"
    border.send_keys(Keys.HOME)
    assert stage(browser)["split"] == 0
    border.send_keys(Keys.END)
    assert stage(browser)["split"] == 1


def test_the_border_follows_a_finger_and_two_fingers_zoom(show):
    browser = show("scores", PHONE)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas(browser))
    area = box(browser, canvas(browser))
    middle, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    touch(browser, "touchStart", (middle, y))
    for step in range(1, 6):
        touch(browser, "touchMove", (middle + 20 * step, y))
    touch(browser, "touchEnd")
    assert stage(browser)["split"] == pytest.approx(0.5 + 100 / area["width"], abs=0.08)
    assert stage(browser)["zoom"] == 1
    touch(browser, "touchStart", (middle - 30, y), (middle + 30, y))
    for step in range(1, 6):
        touch(browser, "touchMove", (middle - 30 - 10 * step, y), (middle + 30 + 10 * step, y))
    touch(browser, "touchEnd")
    assert 2 < stage(browser)["zoom"] < 3.5


def test_zoom_and_pan_keep_both_sides_aligned(show):
    browser = show("scores")
    choose(browser, "Left", "HR")
    choose(browser, "Right", "HR")
    press(browser, "Side by side")
    press(browser, "zoom in")
    press(browser, "zoom in")
    canvas(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    ActionChains(browser, 20).click_and_hold(canvas(browser)).move_by_offset(
        -21, 9
    ).release().perform()
    seen = stage(browser)
    assert seen["zoom"] == pytest.approx(2.25) and (seen["x"], seen["y"]) != (60, 48)
    different = browser.execute_script(
        """const c = arguments[0], pen = c.getContext("2d"), half = Math.floor(c.width / 2);
        const [a, b] = [0, half].map((x) => pen.getImageData(x + 2, 0, half - 4, c.height).data);
        return [a.filter((value, i) => value !== b[i]).length, a.filter((v) => v).length]""",
        canvas(browser),
    )
    assert different[0] == 0 and different[1] > 10_000


def test_the_point_under_the_pointer_stays_where_it_is(show):
    browser = show("scores")
    before = stage(browser)
    script = """const b = arguments[0].getBoundingClientRect();
        arguments[0].dispatchEvent(new WheelEvent("wheel", {ctrlKey: true, deltaY: -300,
            clientX: b.x + b.width / 2 + 50, clientY: b.y + b.height / 2, cancelable: true}))"""
    browser.execute_script(script, canvas(browser))
    after = stage(browser)
    fit = box(browser, canvas(browser))["height"] / 96
    assert after["zoom"] == pytest.approx(np.e)
    under = [view["x"] + 50 / (fit * view["zoom"]) for view in (before, after)]
    assert under[0] == pytest.approx(under[1], abs=0.1)


def test_values_in_view_are_those_of_eval(show, pages):
    browser = show("scores")
    press(browser, "calm")
    choose(browser, "Left", "bicubic")
    choose(browser, "Right", "pictures")
    rows = measured(browser)
    assert set(rows) == {"bicubic", "pictures"}
    for psnr, ssim, whole_psnr, whole_ssim in rows.values():
        assert float(psnr) == pytest.approx(float(whole_psnr), abs=0.01)
        assert float(ssim) == pytest.approx(float(whole_ssim), abs=1e-4)


def test_values_of_a_part_are_those_of_that_part(show, pages):
    browser = show("scores")
    press(browser, "calm")
    choose(browser, "Left", "LR")
    for _ in range(3):
        press(browser, "zoom in")
    rows = measured(browser)
    script = "return document.querySelector('.measured tbody').dataset.box"
    top, left, bottom, right = map(int, browser.execute_script(script).split(","))
    assert (bottom - top) * (right - left) < 96 * 120 / 4
    hr = imread(pages["scores"].parent / "a<b>set" / "calm.png")
    lr = imresize(hr, 1 / 2).repeat(2, 0).repeat(2, 1)
    part = np.s_[top:bottom, left:right]
    assert float(rows["LR"][0]) == pytest.approx(psnr_y(lr[part], hr[part], 0), abs=0.01)
    assert float(rows["LR"][1]) == pytest.approx(ssim_y(lr[part], hr[part], 0), abs=1e-4)


def test_the_map_shows_where_two_pictures_differ(show):
    browser = show("scores")
    press(browser, "Difference")
    script = """const c = arguments[0]; return [...c.getContext("2d").getImageData(
        c.width / 2, c.height / 2, 60, 60).data].filter((v, i) => i % 4 == 0)"""
    stage(browser)
    assert len(set(browser.execute_script(script, canvas(browser)))) > 3
    choose(browser, "Left", "HR")
    choose(browser, "Right", "HR")
    wait(browser, lambda: set(browser.execute_script(script, canvas(browser))) == {13})
    assert not handle(browser).is_displayed()


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
            "quality": HANDLER, "costs": COSTS,
            "points": [{"label": name, "set": name, **costs} for name in names],
        },
        runs=[
            {"name": name, "config": name, "step": 2, "train": {name: [[1, 2.0], [2, 1.0]]},
             "valid": {name: [[2, 30.0]]}}
            for name in names
        ],
    )  # fmt: skip
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
        "Border between the two pictures", "Left picture", "Right picture", "Side by side",
        "Difference", "zoom in", "calm", "PSNR/dB", "Light / dark",
    }  # fmt: skip
    assert wanted <= reached, last


def test_values_of_curves_where_the_pointer_is_and_by_keys(show):
    browser = show("runs")
    card = browser.find_element(By.XPATH, "//figure[figcaption='total']")
    svg = card.find_element(By.CSS_SELECTOR, ".plot svg")
    tip = card.find_element(By.CSS_SELECTOR, ".tip")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", card)
    assert not tip.is_displayed()
    ActionChains(browser, 20).move_to_element(svg).perform()
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
        {"label": f"method {i}", "set": "s", "quality": 30 + i % 3 / 50,
         "parameters": 1000 + i // 9, "macs": 5e9, "ms": 10.0 + i}
        for i in range(16)
    ]  # fmt: skip
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
