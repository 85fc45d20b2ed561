"""A browser's window, driven by the commands of W3C WebDriver."""

import base64
import time
from collections.abc import Callable

COMMANDS = {  # ours: method and path of WebDriver over HTTP, then Firefox's own name
    "start": ("POST", "", "WebDriver:NewSession"),
    "go": ("POST", "/url", "WebDriver:Navigate"),
    "run": ("POST", "/execute/sync", "WebDriver:ExecuteScript"),
    "act": ("POST", "/actions", "WebDriver:PerformActions"),
    "windows": ("GET", "/window/handles", "WebDriver:GetWindowHandles"),
    "switch": ("POST", "/window", "WebDriver:SwitchToWindow"),
    "resize": ("POST", "/window/rect", "WebDriver:SetWindowRect"),
    "picture": ("GET", "/screenshot", "WebDriver:TakeScreenshot"),
    "end": ("DELETE", "", "WebDriver:DeleteSession"),
}
KEYS = {"Tab": "\ue004", "End": "\ue010", "Home": "\ue011", "ArrowRight": "\ue014", "Space": " "}
PATIENCE_S = 20.0  # for something on a page; a drawing takes about one second on two busy cores
SETTLE_S = 3.0  # for a window to take its size


class NotDriven(Exception):
    """A browser cannot be driven on this machine; the text is the reason and the remedy."""


class Refused(Exception):
    """A browser answered a command with an error."""


class Gone(Exception):
    """A browser does not answer any more."""


class Late(Exception):
    """What was awaited did not happen; the text is what."""


class Window:
    """A pop-up window: unlike a browser's main window it may be as narrow as a phone."""

    def __init__(self, send: Callable[[str, dict], object]):
        """Opens the window.

        Args:
            send: takes the name of a command and its body, gives the answer's value, raises Refused or Gone.
        """
        self._send, self.patience_s = send, PATIENCE_S
        main = send("windows", {})
        self.run("window.open('about:blank', '_blank', 'width=390,height=844,toolbar=no,menubar=no,location=no')")
        added = self.wait_for("a pop-up", lambda: [handle for handle in send("windows", {}) if handle not in main])
        send("switch", {"handle": added[0]})

    def go(self, url: str) -> None:
        """Loads a page, until its load event."""
        self._send("go", {"url": url})

    def run(self, script: str, *arguments: object) -> object:
        """What the body of a JavaScript function returns; elements come out, and go in, as references."""
        return self._send("run", {"script": script, "args": list(arguments)})

    def wait(self, what: str, script: str, *arguments: object) -> object:
        """What a script returns, as soon as that is true.

        Raises:
            Late: it stayed false for `patience_s`; names what was awaited.
        """
        return self.wait_for(what, lambda: self.run(script, *arguments))

    def wait_for(self, what: str, condition: Callable[[], object]) -> object:
        """What a condition returns, as soon as that is true.

        Raises:
            Late: it stayed false for `patience_s`; names what was awaited.
        """
        end = time.monotonic() + self.patience_s
        while not (value := condition()):
            if time.monotonic() > end:
                raise Late(f"waited {self.patience_s:g} s for {what}")
            time.sleep(0.05)
        return value

    def press(self, *keys: str) -> None:
        """Keys, pressed and let go one after the other, in the element that has the focus."""
        strokes = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("act", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def click(self, element: object) -> None:
        """The mouse, on the middle of an element that is in view."""
        strokes = [
            {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": element},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": strokes}
        self._send("act", {"actions": [mouse]})

    def resize(self, width: int, height: int) -> int:
        """The page's width in pixels afterwards: the one asked for, or else the nearest that the browser has."""
        self._send("resize", {"width": width, "height": height, "x": 0, "y": 0})
        end = time.monotonic() + SETTLE_S
        while (now := self.run("return innerWidth")) != width and time.monotonic() < end:
            time.sleep(0.05)
        return now

    def picture(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self._send("picture", {"full": False}))
