"""Panels driven by tests: every value of a control, a press awaited to its end, Stop, and one panel for many tests"""

import time
from collections.abc import Callable, Collection
from random import Random
from typing import Any

import pytest

from mobilellm_lab.live.panel import Live

HANG_S = 120  # a wait that takes so long is a hang, however busy the machine


def choices(panel: Live, name: str) -> list:
    """Every value that a control can take."""
    control = panel.controls[name]
    if hasattr(control, "options"):
        return [option[1] for option in control.options]
    if hasattr(control, "min"):
        return list(range(control.min, control.max + 1, control.step))
    return [False, True]


def each_value(panel: Live, *, but: Collection[str] = ()) -> pytest.MarkDecorator:
    """Runs a test of `name` and `value` for every value of every control."""
    pairs = [(name, value) for name in panel.controls if name not in but for value in choices(panel, name)]
    return pytest.mark.parametrize(("name", "value"), pairs, ids=[f"{name}={value}" for name, value in pairs])


def turn(panel: Live, draw: Random, *, but: Collection[str] = ()) -> None:
    """Sets every control to a value drawn from those that it offers."""
    for name, control in panel.controls.items():
        if name not in but:
            control.value = draw.choice(choices(panel, name))


def press(panel: Live, button: str = "Run") -> Any:
    """The result of a press."""
    panel.buttons[button].click()
    assert panel.wait(HANG_S)
    return panel.result


def press_and_stop(panel: Live, button: str = "Run", *, once: Callable[[], bool]) -> None:
    """A press, and Stop as soon as `once` holds; returns at the end of the run, which Stop cut short."""
    panel.buttons[button].click()
    until(once)
    panel.stop_button.click()
    until(lambda: "stopped" in panel.status.value)
    assert panel.wait(HANG_S)


def until(condition: Callable[[], bool]) -> None:
    """Waits for a state."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < HANG_S
        time.sleep(0.002)


def shared_panel(make: Callable[[], Live]) -> Callable:
    """A fixture: one panel for the tests of a file, without runs and its controls at their first values before each."""
    made = []

    @pytest.fixture
    def panel() -> Live:
        if not made:
            made.append((one := make(), one.values))
        shared, values = made[0]
        shared.history.clear()  # every run draws the table of all before it
        for name, value in values.items():
            shared.controls[name].value = value
        return shared

    return panel
