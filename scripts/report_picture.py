"""Take the picture of docs/report.md: a report in Debian's Chromium, as a small JPEG.

python scripts/report_picture.py REPORT.html docs/results/report.jpg
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTH, HEIGHT = 1366, 900


def main(report: str, target: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        browser.get(Path(report).resolve().as_uri())
        rows = (By.CSS_SELECTOR, ".measured tbody tr")
        WebDriverWait(browser, 10).until(lambda page: page.find_elements(*rows))
        picture = base64.b64decode(browser.get_screenshot_as_base64())
    finally:
        browser.quit()
    Image.open(io.BytesIO(picture)).convert("RGB").save(target, quality=85)


if __name__ == "__main__":
    main(*sys.argv[1:])
