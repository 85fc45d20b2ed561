"""Firefox, over Marionette: its own socket, on which geckodriver rests too, so that no driver is needed.

A message is `LENGTH:JSON`; a request is [0, id, command, body], an answer [1, id, error, value].
"""

import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release.programs import find_or_install, running
from release.window import COMMANDS, Gone, Late, NotDriven, Refused, Window

ANSWER_S = 60
PROFILE = {  # what differs from a new reader's Firefox
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": False,  # a script may open the narrow window
    "marionette.port": 0,  # any free one, written into the profile
    "ui.useOverlayScrollbars": 1,  # as on a phone: they take no width
}


@contextmanager
def firefox() -> Iterator[tuple[str, Window]]:
    """Version and window of a Firefox without a screen and with an empty profile.

    Raises:
        NotDriven: there is none, or it does not start.
    """
    program = find_or_install("firefox-esr", "firefox", package="firefox-esr")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in PROFILE.items())
        (folder / "user.js").write_text("".join(lines))
        port = folder / "MarionetteActivePort"
        command = [program, "--headless", "--marionette", "--no-remote", "--profile", name]
        with running(command, lambda: port.exists() and port.read_text(), folder=folder) as number:
            with socket.create_connection(("127.0.0.1", int(number)), timeout=ANSWER_S) as connection:
                try:
                    send = _speak(connection)
                    version = send("start", {})["capabilities"]["browserVersion"]
                    window = Window(send)
                except (Refused, Gone, Late, OSError) as error:
                    raise NotDriven(f"Firefox opens no window: {error}. Try another version of Firefox") from error
                yield version, window


def _speak(connection: socket.socket) -> Callable[[str, dict], object]:
    stream = connection.makefile("rb")

    def receive() -> object:
        length = b""
        while not length.endswith(b":"):
            if not (byte := stream.read(1)):
                raise ConnectionError("it has ended")
            length += byte
        return json.loads(stream.read(int(length[:-1])))

    def send(command: str, body: dict) -> object:
        message = json.dumps([0, 1, COMMANDS[command][2], body]).encode()
        try:
            connection.sendall(b"%d:%s" % (len(message), message))
            _, _, error, value = receive()
        except (OSError, json.JSONDecodeError) as gone:
            raise Gone(f"Firefox does not answer: {gone}") from gone
        if error:
            raise Refused(f"{error['error']}: {error['message']}")
        return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value

    receive()  # its greeting
    return send
