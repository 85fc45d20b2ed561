"""Who can press a button: a reader in JupyterLab, Colab or VS Code can, a build cannot."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

from mobilellm_lab.charts.viewer import headless


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"JPY_SESSION_NAME": "labs/02_deep_narrow.ipynb"}, False),
        ({"VSCODE_PID": "7"}, False),
        ({"VSCODE_GIT_ASKPASS_NODE": "node", "TERM_PROGRAM": "vscode"}, True),  # a terminal inside the editor
    ],
)
def test_who_is_headless(monkeypatch, variables, expected):
    for name in list(os.environ):
        if name.startswith("VSCODE") or name in ("JPY_SESSION_NAME", "TERM_PROGRAM"):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert headless() is expected


def test_colab_is_not_headless(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert not headless()


SAYS = "from mobilellm_lab.charts.viewer import headless; print(headless())"
STARTS = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"  # as a cell starts a lab


def said(*arguments: str, **variables: str) -> str:
    """What a process prints whose variables are this one's, without those of an editor, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VSCODE", "JPY_", "TERM_"))}
    made = subprocess.run(
        [sys.executable, *arguments], env=kept | variables, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def test_a_kernel_of_a_server_is_live_and_what_it_starts_is_headless():
    """nbclient in a notebook's cell: its kernel has the variable too, and a panel that nobody sees would be dead."""
    session = {"JPY_SESSION_NAME": "labs/02_deep_narrow.ipynb"}
    assert said("-c", SAYS, **session) == "False"
    assert said("-c", STARTS, SAYS, **session) == "True"


def test_a_launcher_with_the_same_arguments_is_not_who_started_it():
    """A virtual environment's python.exe on Windows starts another one, with all that it was given."""
    launched = f"import os, subprocess, sys\nif 'WRAPPED' in os.environ: exec({SAYS!r})\nelse: " + (
        "subprocess.run(sys.orig_argv, env=os.environ | {'WRAPPED': '1'})"
    )
    assert said("-c", launched, JPY_SESSION_NAME="labs/02_deep_narrow.ipynb") == "False"


def test_a_server_that_a_cell_started_has_live_kernels():
    inner = (
        "import os, subprocess, sys; "
        "subprocess.run([sys.executable, '-c', sys.argv[1]], env=os.environ | {'JPY_SESSION_NAME': 'other.ipynb'})"
    )
    assert said("-c", inner, SAYS, JPY_SESSION_NAME="labs/02_deep_narrow.ipynb") == "False"
