"""Tell a live notebook from a static page build"""

import os
import sys

import psutil

SESSION = "JPY_SESSION_NAME"  # a Jupyter server sets it for each kernel that it starts


def headless() -> bool:
    """True where nobody can press a button: nbclient, nbval, the book's build, a script.

    These are so also when a notebook's cell starts them, and they inherit its variables.
    """
    vscode = os.environ.get("TERM_PROGRAM") != "vscode" and any(name.startswith("VSCODE") for name in os.environ)
    jupyter = SESSION in os.environ and not _inherited()
    return not (jupyter or "google.colab" in sys.modules or vscode)


def _inherited() -> bool:
    """Whether the process that started this one has the same session: a server's own environment has it not.

    A launcher in between, as a virtual environment on Windows has, is passed over: it has this process's arguments.
    """
    process = psutil.Process()
    try:
        arguments, parent = process.cmdline()[1:], process.parent()
        while parent is not None and arguments and parent.cmdline()[-len(arguments) :] == arguments:
            parent = parent.parent()
        return parent is not None and parent.environ().get(SESSION) == os.environ[SESSION]
    except psutil.Error:  # it is gone, or another user's
        return False
