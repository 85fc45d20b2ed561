"""The live panel as its reader feels it: Run to the first point, Stop to stopped, whole runs."""

import io
import os
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout

import ipywidgets

from benchmarks.record import finish, mark
from mobilellm_lab.deep_narrow.panel import deep_narrow_panel
from mobilellm_lab.live import Live

REPEATS = 7
PATIENCE_S = 600.0


def opened() -> Live:
    """A panel in the state in which a reader presses Run: shown, and warmed up in the background."""
    os.environ["JPY_SESSION_NAME"] = "benchmark"  # otherwise it takes us for a build, and runs at once
    panel = deep_narrow_panel()
    with redirect_stdout(io.StringIO()):
        panel.show()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(PATIENCE_S)
    return panel


def seconds_until(widget: ipywidgets.Widget, trait: str, act: Callable[[], None]) -> float:
    """Seconds from the call of `act` to the next change of `widget.trait`."""
    changed, at = threading.Event(), []

    def note(change: dict) -> None:
        at.append(time.perf_counter())
        changed.set()

    widget.observe(note, trait)
    try:
        start = time.perf_counter()
        act()
        if not changed.wait(PATIENCE_S):
            raise TimeoutError(f"{trait} did not change in {PATIENCE_S:g} s")
    finally:
        widget.unobserve(note, trait)
    return at[0] - start


def seconds_of(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def whole_run(panel: Live, action: str) -> float:
    """Seconds of an action from its button to its result."""

    def act() -> None:
        panel.run(action)
        panel.wait()

    taken_s = seconds_of(act)
    panel.result  # noqa: B018 - raises what the run raised
    return taken_s


def main() -> None:
    """Measures the panel, prints the table, writes results/live.json."""
    panel = opened()
    measured: dict[str, tuple[list[float], float, float]] = {}
    first, stop, result = [], [], []
    for _ in range(REPEATS):
        first.append(seconds_until(panel.chart, "value", panel.run))
        time.sleep(0.5)  # somewhere in the middle of the training
        start = time.perf_counter()
        stop.append(seconds_until(panel.stop_button, "disabled", panel.stop))
        panel.wait()
        result.append(time.perf_counter() - start)
    measured["Run to first point"] = (first, 1.0, 0.3)
    measured["Stop to stopped"] = (stop, 0.3, 0.1)
    measured["default live run"] = ([whole_run(panel, "Run") for _ in range(3)], 15.0, 8.0)
    measured["five depths, two cores"] = ([whole_run(panel, "Train five depths")], 90.0, 45.0)
    rows = []
    for name, (values, must, aim) in measured.items():
        median = statistics.median(values)
        rows.append(
            {
                "what": name,
                "median": f"{median:.3g} s",
                "all s": " ".join(f"{value:.3g}" for value in sorted(values)),
                "must / aim, s": f"{must:g} / {aim:g}",
                "": mark(-median, -must, -aim),  # less is better
            }
        )
    finish("live", rows, stop_to_result_s=result)
