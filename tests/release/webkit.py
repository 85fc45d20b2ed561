"""WebKit, the engine of Safari, as WebKitGTK's MiniBrowser: on a virtual screen, through WebKitWebDriver over HTTP."""

import json
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from release.programs import find_or_install, running
from release.window import COMMANDS, Gone, Late, NotDriven, Refused, Window

ANSWER_S = 60
OPTIONS = {"args": ["--automation", "--javascript-can-open-windows-automatically=true"]}  # for the narrow window


@contextmanager
def webkit() -> Iterator[tuple[str, Window]]:
    """Version and window of WebKitGTK's MiniBrowser with an empty home.

    Raises:
        NotDriven: it, its driver or the virtual screen is missing, or does not start.
    """
    if sys.platform != "linux":
        raise NotDriven("WebKitGTK is driven on Linux only. On macOS look at the site in Safari by hand")
    driver = find_or_install("WebKitWebDriver", package="webkit2gtk-driver")
    screen = find_or_install("Xvfb", package="xvfb")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        show = [screen, "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
        display = stack.enter_context(running(show, (folder / "Xvfb.out").read_text, folder=folder)).strip()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [driver, f"--port={port}"]
        places = {"DISPLAY": f":{display}", "GDK_BACKEND": "x11", "XDG_RUNTIME_DIR": str(folder)}
        stack.enter_context(running(command, lambda: _answers(port), folder=folder, **places))
        session = f"http://127.0.0.1:{port}/session"
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": OPTIONS}}}
        try:
            opened = _send(session, "start", wanted)
            send = partial(_send, f"{session}/{opened['sessionId']}")
            stack.callback(_end, send)
            window = Window(send)
        except (Refused, Gone, Late) as error:
            raise NotDriven(f"WebKit opens no window: {error}. Try another version of WebKitGTK") from error
        yield opened["capabilities"]["browserVersion"], window


def _end(send: Callable[[str, dict], object]) -> None:
    with suppress(Refused, Gone):  # it may have ended by itself
        send("end", {})


def _send(session: str, command: str, body: dict) -> object:
    method, path, _ = COMMANDS[command]
    data = json.dumps(body).encode() if method == "POST" else None
    request = urllib.request.Request(session + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as refused:
        value = json.load(refused)["value"]
        raise Refused(f"{value['error']}: {value['message']}") from refused
    except OSError as gone:
        raise Gone(f"WebKit does not answer: {gone}") from gone


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
