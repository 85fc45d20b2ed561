"""Each test finds the shared panel without runs: every run draws the table of all before it anew."""

import pytest


@pytest.fixture(autouse=True)
def no_runs_yet(request):
    if "panel" in request.fixturenames:
        request.getfixturevalue("panel").history.clear()
