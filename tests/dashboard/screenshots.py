"""Pictures of every page, to be looked at: `python -m tests.dashboard.screenshots FOLDER`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser

from tests.dashboard.chromium import MISSING, find_chromium, run_chromium
from tests.dashboard.gallery import SETTINGS, hang
from tests.databases import SqliteFiles
from tests.harness import Presshook, run_presshook, run_sandbox
from tests.settings import API_KEY

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


async def take(folder: Path) -> int:
    """Take them, and return how many pages are wider than the window."""
    folder.mkdir(parents=True, exist_ok=True)
    files = SqliteFiles(Path(tempfile.mkdtemp()))
    with files.migrated_url() as url:
        async with (
            run_sandbox(task_seconds=0.4) as sandbox,
            run_presshook(url, sandbox.url, **SETTINGS) as presshook,
            run_chromium() as browser,
        ):
            pages = await hang(presshook)
            return sum(
                [await _shots(browser, presshook, pages, folder, width, scheme)
                 for width in WIDTHS for scheme in SCHEMES]
            )  # fmt: skip


async def _shots(
    browser: Browser, presshook: Presshook, pages: dict[str, str], folder: Path, width: int, scheme: str
) -> int:
    context = await browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 800},
        color_scheme="dark" if scheme == "dark" else "light",
        base_url=presshook.url,
        timezone_id="Europe/Berlin",
    )
    page = await context.new_page()
    await page.goto("/ui")
    await page.fill("#key", API_KEY)
    await page.click("button.primary")
    await page.wait_for_selector("nav")
    too_wide = 0
    for name, path in pages.items():
        await page.goto(path)
        await page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            print(f"{name} is wider than {width} px")
            too_wide += 1
    await context.close()
    return too_wide


if __name__ == "__main__":
    if find_chromium() is None:
        sys.exit(MISSING)
    sys.exit(asyncio.run(take(Path(sys.argv[1]))) != 0)
