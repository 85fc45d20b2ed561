"""The built website, served to the tests."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
FOLDER = "/some/folder"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id: str) -> Path:
    """Folder of the website, built as `make site` does; a second build takes up what the first one executed.

    Of several processes one builds, and the others wait for it.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    with FileLock(shared / "site.lock"):
        built = shared / "site.built"
        if not built.exists():
            _build()
            built.touch()
    return ROOT / "_build" / "html"


def _build() -> None:
    command = [Path(sys.executable).parent / "jupyter-book", "build", "-n", "-W", "--keep-going", str(ROOT)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]


class InFolder(Quiet):
    """Serves its directory below /some/folder, and nothing elsewhere: a page that asks for /_static is found out."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(FOLDER) if path.startswith(f"{FOLDER}/") else "/nowhere")


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the website is served, below a folder as on GitHub Pages: http://127.0.0.1:PORT/some/folder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(InFolder, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{FOLDER}"
        server.shutdown()
        thread.join()
