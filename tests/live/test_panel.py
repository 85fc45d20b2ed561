"""Live runs: Run, Stop, newest wins, errors shown and raised, and a finished figure where nobody can press a button."""

import threading
import time
from concurrent.futures import CancelledError

import ipywidgets as W
import pytest
from live.panel_harness import HANG_S, press, press_and_stop, until

from mobilellm_lab.live import panel as live
from mobilellm_lab.live.panel import FRAME_S, Live


class Count:
    """Counts to `steps`, a step every `pause` seconds once `gate` is open; fails at step `fail`."""

    made = 0  # jobs in this test
    active = 0  # of them now at work
    most_active = 0

    def __init__(self, steps: int, pause: float = 0.01, fail: int = 0, gate: threading.Event | None = None):
        self.steps, self.pause, self.fail, self.gate, self.at, self.closed = steps, pause, fail, gate, 0, False
        Count.made += 1
        Count.last = self

    def __iter__(self):
        Count.active += 1
        Count.most_active = max(Count.most_active, Count.active)
        try:
            while self.at < self.steps:
                self.at += 1
                assert self.gate is None or self.gate.wait(HANG_S)
                time.sleep(self.pause)
                if self.at == self.fail:
                    raise ZeroDivisionError("the third step divides by zero")
                yield self.at / self.steps
        finally:
            Count.active -= 1
            self.closed = True

    def result(self):
        return self.at

    def status(self):
        return f"step {self.at} of {self.steps}"

    def chart(self):
        return f"<svg><title>{self.at} of {self.steps}</title></svg>"

    def numbers(self):
        return f"<b>{self.at}</b>"

    def report(self):
        return "<p>report</p>"


@pytest.fixture(autouse=True)
def fresh_counters():
    Count.made = Count.active = Count.most_active = 0


def make(**job) -> Live:
    def preview(values):
        if values["steps"] == 13:
            raise ValueError("steps=13: choose another number")
        return f"{values['steps']} steps"

    return Live(
        {"steps": W.IntSlider(value=20, min=1, max=1000)},
        {"Run": lambda values: Count(values["steps"], **job)},
        preview=preview,
    )


def test_run_gives_the_result_and_the_last_picture():
    panel = make()
    assert press(panel) == 20
    assert "20 of 20" in panel.chart.value
    assert "done · step 20 of 20" in panel.status.value
    assert panel.bar.value == 1.0
    assert panel.bar.bar_style == "success"
    assert panel.stop_button.disabled
    assert not panel.running


def test_nothing_trains_when_a_value_changes():
    panel = make()
    panel.controls["steps"].value = 30
    time.sleep(0.05)
    assert Count.made == 0
    assert "30 steps" in panel.preview.value
    with pytest.raises(RuntimeError, match="press Run"):
        panel.result  # noqa: B018
    panel.run()
    panel.controls["steps"].value = 40
    assert panel.result == 30  # what the slider stood at when Run was pressed
    assert Count.made == 1


def test_a_click_returns_at_once_and_stop_answers_after_the_step_under_way():
    gate = threading.Event()
    panel = make(gate=gate)
    panel.controls["steps"].value = 1000
    panel.buttons["Run"].click()  # and not after the first step, which waits
    until(lambda: Count.active == 1)
    assert not panel.stop_button.disabled
    panel.stop_button.click()
    assert "stopping after the step under way · starting" in panel.status.value  # however long that step takes
    assert panel.stop_button.disabled
    gate.set()
    assert panel.result == 1
    assert panel.bar.bar_style == "warning"
    assert Count.last.closed
    assert "stopped · step 1 of 1000" in panel.status.value


def test_a_stopped_run_keeps_what_it_had():
    panel = make()
    panel.controls["steps"].value = 1000
    press_and_stop(panel, once=lambda: "of 1000" in panel.status.value)
    assert 0 < panel.result < 1000
    assert f"stopped · step {panel.result} of 1000" in panel.status.value


def test_the_newest_run_wins_and_there_is_only_one_at_a_time():
    panel = make()
    panel.controls["steps"].value = 1000
    panel.run()
    until(lambda: Count.active == 1)
    for steps in (500, 600, 7):
        panel.controls["steps"].value = steps
        panel.run()
    assert panel.result == 7
    assert Count.most_active == 1
    assert "7 of 7" in panel.chart.value
    assert threading.active_count() < 20


def test_a_cell_that_is_run_again_stops_the_run_of_its_earlier_panel(monkeypatch):
    """Else both would train, and halve each other's speed in silence."""
    monkeypatch.setattr(live, "display", lambda *objects, **options: None)
    monkeypatch.setattr(live, "headless", lambda: False)
    earlier, later = make(), make()
    earlier.controls["steps"].value = 1000
    earlier.show()
    earlier.run()
    until(lambda: "of 1000" in earlier.status.value)
    later.show()
    assert earlier.wait(HANG_S) and 0 < earlier.result < 1000
    assert "stopped, since its cell was run again · step" in earlier.status.value
    assert press(later) == 20


def test_a_panel_of_another_kind_is_left_to_run_until_this_one_runs(monkeypatch):
    monkeypatch.setattr(live, "display", lambda *objects, **options: None)
    monkeypatch.setattr(live, "headless", lambda: False)
    one, other = make(), Live({}, {"Go": lambda values: Count(7)})
    one.controls["steps"].value = 1000
    one.run()
    until(lambda: "of 1000" in one.status.value)
    other.show()
    one.show()  # its own cell again, with the same panel
    assert one.running and not one._newest.stop.is_set()
    other.run()
    assert other.result == 7 and Count.most_active == 1  # the first had ended before
    assert "stopped, since another panel&#x27;s run began · step" in one.status.value
    assert 0 < one.result < 1000


def test_stopped_before_the_first_step_is_a_cancelled_run():
    gate = threading.Event()
    panel = make(gate=gate)
    panel.run()
    panel.run()  # waits for the one before
    panel.stop()
    gate.set()
    with pytest.raises(CancelledError):
        panel.result  # noqa: B018
    assert "stopped before the first step" in panel.status.value


def test_an_error_is_shown_and_raised():
    panel = make(fail=3)
    panel.run()
    with pytest.raises(ZeroDivisionError, match="third step"):
        panel.result  # noqa: B018
    assert "ZeroDivisionError: the third step divides by zero" in panel.status.value
    assert 'role="alert"' in panel.status.value
    assert panel.bar.bar_style == "danger"
    assert panel.stop_button.disabled
    panel.actions["Run"] = lambda values: Count(3)
    panel.run()  # the panel still works
    assert panel.result == 3


def test_an_error_before_the_first_step_is_shown_too():
    panel = make()
    panel.actions["Run"] = lambda values: Count(-1 if values["steps"] else 1 / 0)
    panel.controls["steps"].min = 0
    panel.controls["steps"].value = 0
    panel.run()
    with pytest.raises(ZeroDivisionError):
        panel.result  # noqa: B018
    assert "ZeroDivisionError" in panel.status.value


def test_impossible_values_say_so_and_disable_run():
    panel = make()
    panel.controls["steps"].value = 13
    assert "steps=13: choose another number" in panel.preview.value
    assert panel.buttons["Run"].disabled
    panel.controls["steps"].value = 14
    assert not panel.buttons["Run"].disabled


def test_text_is_escaped():
    panel = make()
    panel.actions["Run"] = lambda values: (_ for _ in ()).throw(ValueError("<script>"))
    panel.run()
    with pytest.raises(ValueError, match="<script>"):
        panel.result  # noqa: B018
    assert "<script>" not in panel.status.value


def test_at_most_ten_pictures_a_second():
    panel = make(pause=0.001)
    panel.controls["steps"].value = 1000
    pictures, start = [], time.monotonic()
    panel.chart.observe(pictures.append, "value")
    press(panel)
    assert 3 <= len(pictures) <= (time.monotonic() - start) / FRAME_S + 1


def test_headless_show_runs_here_and_gives_a_figure_without_a_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(live, "display", lambda *objects, **options: shown.append((objects, options)))
    monkeypatch.setattr(live, "headless", lambda: True)
    panel = make()
    panel.show()
    assert panel.result == 20
    ((objects, options),) = shown
    assert options == {"raw": True}
    assert set(objects[0]) == {"text/html", "text/plain"}
    assert "20 of 20" in objects[0]["text/html"]
    assert "widget" not in objects[0]["text/plain"]


def test_headless_show_puts_the_replay_in_place_of_the_controls(monkeypatch):
    shown, picture = [], object()
    monkeypatch.setattr(live, "display", lambda *objects, **options: shown.append(objects))
    monkeypatch.setattr(live, "headless", lambda: True)
    Live({}, {"Run": lambda values: Count(2)}, replay=lambda: picture).show()
    assert shown[0] == (picture,)
    ((bundle,),) = shown[1:]
    html = bundle["text/html"]
    assert html.index("What Run gave when this page was built") < html.index("2 of 2")


def test_a_live_show_never_makes_the_replay(monkeypatch):
    monkeypatch.setattr(live, "display", lambda *objects, **options: None)
    monkeypatch.setattr(live, "headless", lambda: False)
    Live({}, {"Run": lambda values: Count(2)}, replay=lambda: 1 / 0).show()


def test_headless_show_raises_what_the_job_raised(monkeypatch):
    monkeypatch.setattr(live, "headless", lambda: True)
    with pytest.raises(ZeroDivisionError):
        make(fail=1).show()


def test_a_live_show_displays_the_controls_warms_up_and_runs_nothing(monkeypatch):
    shown, gate = [], threading.Event()
    monkeypatch.setattr(live, "display", lambda *objects, **options: shown.append(objects))
    monkeypatch.setattr(live, "headless", lambda: False)
    panel = Live({}, {"Run": lambda values: Count(2)}, warm_up=lambda: gate.wait(HANG_S))
    panel.show()
    assert shown == [(panel.widget,)]
    assert Count.made == 0
    panel.run()  # waits for the warm-up, in its own thread
    assert Count.made == 0
    gate.set()
    assert panel.result == 2


def test_headless_widgets_open_no_channel(monkeypatch):
    opened = []
    monkeypatch.setattr(live.comm, "create_comm", lambda **options: opened.append(options) or live.comm.DummyComm())
    monkeypatch.setattr(live, "headless", lambda: True)
    with live.static_if_headless():
        W.IntSlider()
    assert not opened
    monkeypatch.setattr(live, "headless", lambda: False)
    with live.static_if_headless():
        W.IntSlider()
    assert opened
