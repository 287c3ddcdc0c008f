"""A real Chromium, where the machine has one: Debian's, or what `PRESSHOOK_CHROMIUM` names."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Browser, Playwright, async_playwright

LAUNCHES, FIRST_PAGE_SECONDS = 3, 60.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium: install Debian's `chromium`, or name one in PRESSHOOK_CHROMIUM"


def find_chromium() -> str | None:
    """Return where the program is, None where there is none."""
    named = os.environ.get("PRESSHOOK_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


async def _launch(playwright: Playwright) -> Browser:
    """Return a browser that opens pages: on a busy machine one may start whose pages never come."""
    chromium, program = playwright.chromium, find_chromium()
    for _ in range(LAUNCHES - 1):
        browser = await chromium.launch(executable_path=program, args=["--no-sandbox"])
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PAGE_SECONDS):
                await (await browser.new_page()).close()
                return browser
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PAGE_SECONDS):
                await browser.close()
    return await chromium.launch(executable_path=program, args=["--no-sandbox"])


@asynccontextmanager
async def run_chromium() -> AsyncIterator[Browser]:
    """Run it without a screen, and without its sandbox, which needs rights that a container seldom has."""
    async with async_playwright() as playwright:
        browser = await _launch(playwright)
        try:
            yield browser
        finally:
            await browser.close()
