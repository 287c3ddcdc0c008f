"""A real Chromium, where the machine has one: Debian's, or what `PRESSHOOK_CHROMIUM` names."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium: install Debian's `chromium`, or name one in PRESSHOOK_CHROMIUM"


def find_chromium() -> str | None:
    """Return where the program is, None where there is none."""
    named = os.environ.get("PRESSHOOK_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


@asynccontextmanager
async def run_chromium() -> AsyncIterator[Browser]:
    """Run it without a screen, and without its sandbox, which needs rights that a container seldom has."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()
