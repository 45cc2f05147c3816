"""A browser, and pages that it shows. Skipped where there is none."""

from __future__ import annotations

import json
import shutil

import pytest

from slimsr.__main__ import main
from tests.report.hostile import evaluated, put_run


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    page, _ = evaluated(folder)
    runs = [str(put_run(folder / name, factor=n)) for n, name in enumerate(("one", "two"), 1)]
    main(["report", *runs, "--output", str(folder / "runs.html")])
    return {"scores": page, "runs": folder / "runs.html"}


@pytest.fixture
def show(browser, pages):
    """Open a page of some size; at the end nothing was complained of or asked of the network."""
    from tests.report.seen import LAPTOP, By, wait

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
    assert asked <= {"file", "data", "chrome"}  # the last by the browser's own first page
    assert sum(event["method"] == "Network.webSocketCreated" for event in events) == 0
