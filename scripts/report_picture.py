"""Take the pictures of docs/report.md: a report in Debian's Chromium, as a small JPEG.

python scripts/report_picture.py REPORT.html docs/results/report.jpg
python scripts/report_picture.py REPORT.html docs/results/report_phone.jpg --phones

The second shows a phone in light and in dark, at the slider, the map of differences and the plots.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

DESKTOP, PHONE = (1366, 900), (390, 844)
# Of phones: light or dark, and what is done there.
VIEWS = (
    ("light", ""),
    ("dark", "document.querySelector('button[value=difference]').click()"),
    ("light", "document.getElementById('trade').scrollIntoView()"),
)


def shot(browser: webdriver.Chrome, page: str, size: tuple[int, int], scheme: str, do: str):
    """Return what is seen of a page."""
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
    mobile = {"mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**screen, **mobile})
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(Path(page).resolve().as_uri())
    rows = (By.CSS_SELECTOR, ".measured tbody tr")
    WebDriverWait(browser, 10).until(lambda found: found.find_elements(*rows))
    browser.execute_script(do)
    browser.execute_async_script("setTimeout(arguments[0], 500)")
    picture = base64.b64decode(browser.get_screenshot_as_base64())
    return Image.open(io.BytesIO(picture)).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report")
    parser.add_argument("target")
    parser.add_argument("--phones", action="store_true")
    args = parser.parse_args()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        if args.phones:
            seen = [shot(browser, args.report, PHONE, *view) for view in VIEWS]
        else:
            seen = [shot(browser, args.report, DESKTOP, "light", "")]
    finally:
        browser.quit()
    gap = 24
    whole = Image.new("RGB", (sum(p.width + gap for p in seen) - gap, seen[0].height), "white")
    left = 0
    for picture in seen:
        whole.paste(picture, (left, 0))
        left += picture.width + gap
    whole.save(args.target, quality=85)


if __name__ == "__main__":
    main()
