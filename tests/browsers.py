"""In: nothing. Out: a headless Chromium, or a skipped test that says why there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def chromium() -> Iterator["Browser"]:
    """PDST_CHROMIUM, or a Chromium or Chrome of the system."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("PDST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium here: install one, or set PDST_CHROMIUM to its program")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: "Browser", page: Path | str, *, width: int = 1200) -> tuple["Page", list[str]]:
    """A page in a context of its own, and a list that gets whatever its console complains of."""
    shown = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    said: list[str] = []
    shown.on("console", lambda one: said.append(f"{one.type}: {one.text}"))
    shown.on("pageerror", lambda error: said.append(f"error: {error}"))
    shown.on("dialog", lambda one: (said.append(f"dialog: {one.message}"), one.dismiss()))
    shown.on("request", lambda one: said.append(one.url) if _foreign(one.url) else None)
    shown.goto(page if isinstance(page, str) else page.resolve().as_uri())
    return shown, said


def _foreign(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost"))
