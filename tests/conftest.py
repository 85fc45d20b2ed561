"""Fixtures for every test: one torch thread, a real browser."""

from collections.abc import Iterator

import pytest
import torch
from browser import FLAGS, find_or_install
from playwright.sync_api import Browser, sync_playwright

torch.set_num_threads(1)  # as the course runs; two threads on a busy machine take ten times as long


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser that the tests drive."""
    return find_or_install()


@pytest.fixture(scope="module")  # not longer: while it is open this thread has a running event loop
def browser(chromium: str) -> Iterator[Browser]:
    """A running browser, closed after the last test of the module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
