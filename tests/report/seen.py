"""What tests do to a page of a report in the browser, and see there. Needs selenium."""

from __future__ import annotations

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

LAPTOP, TABLET, PHONE = (1366, 768, False), (820, 1180, True), (390, 844, True)


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
