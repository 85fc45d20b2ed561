"""Who can press a button: a reader in JupyterLab, Colab or VS Code can, a build cannot."""

import os
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
