"""The browser that the tests drive: found on this machine, or else installed."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (  # where the installers of macOS and Windows put it
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
if IS_ROOT:
    FLAGS.append("--no-sandbox")  # Chromium refuses to run its sandbox as root


def find() -> str | None:
    """Path of a Chromium that starts: the system's, or one that Playwright downloaded earlier; None if neither."""
    for path in (*(shutil.which(name) for name in NAMES), *PLACES):
        if path and _starts(path):
            return path
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path  # where it would be
    return downloaded if _starts(downloaded) else None


def find_or_install() -> str:
    """Path of a Chromium that starts, installed if there was none.

    Raises:
        RuntimeError: none could be had; says what to type.
    """
    playwright = [sys.executable, "-m", "playwright"]
    if not _runs([*playwright, "--version"]):  # a bare Debian lacks one library of its Node.js
        _apt("libatomic1")
        if not _runs([*playwright, "--version"]):
            raise RuntimeError(f"Playwright does not start here. {_remedy('libatomic1')}, then make test again.")
    if path := find():
        return path
    _run("downloading Playwright's Chromium", [*playwright, "install", "chromium"])
    if path := find():
        return path
    _apt("chromium")
    if path := find():
        return path
    raise RuntimeError(
        f"The tests need Chromium or Chrome, and none starts here. {_remedy('chromium')}, then make test again."
    )


def _starts(path: str) -> bool:
    """Whether the program runs: a library may be missing, and Ubuntu's chromium-browser may only advertise its snap."""
    if not Path(path).is_file():
        return False
    if platform.system() == "Windows":
        return True  # chrome.exe --version opens a window there
    return _runs([path, "--version"])


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def _run(what: str, command: list[str]) -> None:
    print(f"browser: {what}", flush=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        print("browser: that failed:", next((line for line in lines if "rror" in line), lines[-1]), flush=True)


def _apt(package: str) -> None:
    """Installs a package where that needs no password; elsewhere nothing."""
    if IS_ROOT and shutil.which("apt-get"):
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        _run("apt-get update", ["apt-get", "-qq", "update"])
        _run(f"apt-get install {package}", ["apt-get", "-qq", "install", "-y", package])


def _remedy(package: str) -> str:
    for installer in ("apt-get", "dnf"):
        if shutil.which(installer):
            return f"Type: {'' if IS_ROOT else 'sudo '}{installer} install {package}"
    return "Install Google Chrome"


if __name__ == "__main__":
    try:
        print(f"browser: {find_or_install()}")
    except RuntimeError as error:
        sys.exit(f"browser: {error}")
