"""Tell a live notebook from a static page build"""

import os
import sys


def headless() -> bool:
    """True where nobody can press a button: nbclient, nbval, the book's build, a script."""
    vscode = os.environ.get("TERM_PROGRAM") != "vscode" and any(name.startswith("VSCODE") for name in os.environ)
    return not ("JPY_SESSION_NAME" in os.environ or "google.colab" in sys.modules or vscode)
