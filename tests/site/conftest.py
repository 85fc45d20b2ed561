"""The built website, served to the tests."""

import functools
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_extensions"))

import lab_progress  # noqa: E402

FOLDER = "/some/folder"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


def complaint(build: Path, sources: str) -> str | None:
    """Why the website in this folder cannot be tested; None if it was built, without a warning, from these sources."""
    record = build / lab_progress.RECORD
    if not record.exists():
        return "There is no website to test. Type `make site` first."
    if json.loads(record.read_text(encoding="utf-8"))["sources"] != sources:
        return "The website is older than its sources, or its last build failed. Type `make site` first."
    return None


@pytest.fixture(scope="session")
def site() -> Path:
    """Folder of the website, as `make site` left it. Building it is a step of `make test`, not of a test."""
    if reason := complaint(ROOT / "_build", lab_progress.sources()):
        pytest.fail(reason, pytrace=False)
    return ROOT / "_build" / "html"


class InFolder(Quiet):
    """Serves its directory below /some/folder, and nothing elsewhere: a page that asks for /_static is found out."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(FOLDER) if path.startswith(f"{FOLDER}/") else "/nowhere")


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of a page that is closed while it still loads."""

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the website is served, below a folder as on GitHub Pages: http://127.0.0.1:PORT/some/folder."""
    with Server(("127.0.0.1", 0), functools.partial(InFolder, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{FOLDER}"
        server.shutdown()
        thread.join()
