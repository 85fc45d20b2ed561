"""Fixtures for every test: one torch thread, no models of the reader's own, a real browser."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import FLAGS, find_or_install
from checked import check
from playwright.sync_api import Browser, sync_playwright

check()
os.environ["MOBILELLM_LAB_MODELS"] = str(
    Path(__file__).parent / "no-models"
)  # panels offer the repository's models alone
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a script's `make test &` ignores it, and so would all it starts
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
