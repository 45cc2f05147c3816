"""A report's pictures in Debian's Chromium: slider, zoom, values, differences."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.imaging import imread, imresize
from slimsr.metrics import psnr_y, ssim_y

pytestmark = pytest.mark.system

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.report.seen import (  # noqa: E402
    PHONE,
    box,
    canvas,
    choose,
    handle,
    measured,
    press,
    stage,
    touch,
    wait,
)


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
