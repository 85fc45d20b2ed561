"""Sphinx extension: plain lines that say which page is read, how many are left, and how long the last build took.

It also records beside the website from which sources it was built, so that the tests can tell one that is stale.
"""

import json
import time
from pathlib import Path

from lab_site import ROOT, fingerprint
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

RECORD = "built.json"  # in the folder that holds the website's
SOURCES = ("mobilellm_lab", "book", "labs", "_toc.yml", "_config.yml", "requirements.txt")


def say(text: str) -> None:
    """Prints at once, also where Sphinx is told to be quiet or the output goes to a file."""
    print(f"site: {text}", flush=True)


def sources(root: Path = ROOT) -> str:
    """16 hex digits that change when anything changes that the website is made of."""
    return fingerprint(root, SOURCES)


class Progress:
    """One build, from its configuration to its end."""

    def __init__(self) -> None:
        self.pages = self.left = 0
        self.writing = False

    def begin(self, app: Sphinx, config: Config) -> None:
        self.start, self.sources = time.monotonic(), sources()
        self.file = Path(app.outdir).parent / RECORD
        if self.file.exists():
            last = json.loads(self.file.read_text(encoding="utf-8"))
            say(f"the last build read {last['pages']} pages in {last['seconds']:.0f} s")
            self.file.write_text(json.dumps(last | {"sources": ""}), encoding="utf-8")  # until this build succeeds

    def count(self, app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
        self.pages = self.left = len(names)

    def read(self, app: Sphinx, name: str, source: list[str]) -> None:
        self.left -= 1
        say(f"reading {name}, {self.left} left")

    def write(self, app: Sphinx, name: str, template: str, context: dict, doctree: object) -> None:
        if not self.writing:
            say("writing the pages")
        self.writing = True

    def end(self, app: Sphinx, error: Exception | None) -> None:
        seconds = time.monotonic() - self.start
        if error or app._warncount:  # Sphinx keeps the number to itself; `make site` fails by it
            say(f"failed after {seconds:.0f} s")
        else:
            say(f"built in {seconds:.0f} s")
            made = {"pages": self.pages, "seconds": seconds, "sources": self.sources}
            self.file.write_text(json.dumps(made), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    progress = Progress()
    app.connect("config-inited", progress.begin)
    app.connect("env-before-read-docs", progress.count)
    app.connect("source-read", progress.read)
    app.connect("html-page-context", progress.write)
    app.connect("build-finished", progress.end, priority=900)  # after all others, whose warnings count
    return {"parallel_read_safe": False, "parallel_write_safe": False}
