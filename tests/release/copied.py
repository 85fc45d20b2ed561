"""A copy of the built website whose pages listen to themselves, and may ask no other host."""

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUBFOLDER = "course"  # the website must not need to lie at a server's root
FRESH = "fresh"  # a page asked for with this forgets what its reader answered
EARS = """<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'self' file: data: blob:
'unsafe-inline' 'unsafe-eval'"><script>
(() => {
    const seen = window.releaseSeen = [];
    addEventListener('error', (event) => seen.push(event.target === window
        ? `script error: ${event.message}` : `not loaded: ${event.target.src || event.target.href}`), true);
    addEventListener('unhandledrejection', (event) => seen.push(`script error: ${event.reason}`));
    addEventListener('securitypolicyviolation', (event) => seen.push(`asked another host: ${event.blockedURI}`));
    console.error = (...words) => seen.push(`console: ${words.join(' ')}`);
    try {
        if (new URLSearchParams(location.search).has('FRESH')) localStorage.clear();
    } catch (error) { /* no storage here */ }
})();
</script>""".replace("FRESH", FRESH)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *arguments: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # a browser that leaves a page hangs up on what it had asked for
            super().handle()


def copy(site: Path, folder: Path) -> Path:
    """Copies the website and puts the ears into each page, before anything else; gives the copy's path."""
    target = shutil.copytree(site, folder / SUBFOLDER)
    for page in target.rglob("*.html"):
        page.write_text(with_ears(page.read_text(encoding="utf-8")), encoding="utf-8")
    return target


def with_ears(html: str) -> str:
    """A page that keeps in `window.releaseSeen` what went wrong in it."""
    if not re.search(r"<head\b", html):
        return EARS + html
    return re.sub(r"<head\b[^>]*>", lambda head: head[0] + EARS, html, count=1)


@contextmanager
def serve(copy: Path) -> Iterator[str]:
    """Address of the copy, in a subfolder of its server."""
    handler = functools.partial(Quiet, directory=copy.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{SUBFOLDER}"
        finally:
            server.shutdown()
            thread.join()
