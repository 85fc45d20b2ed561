"""Live runs behind controls: one worker thread, Run and Stop, a chart that grows, and the result or the error."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Any, ClassVar, Protocol, runtime_checkable

import comm
import ipywidgets as W
from IPython.display import display

from mobilellm_lab.charts import report
from mobilellm_lab.charts.viewer import headless

AS_BUILT = "What Run gave when this page was built"
STOPPING = "stopping after the step under way"
FRAME_S = 0.1  # between two pictures: at most ten a second
Values = dict[str, Any]  # what the controls stand at, by name


@runtime_checkable
class Job(Protocol):
    """One press of a button. The worker thread calls everything here, and nothing at the same time."""

    def __iter__(self) -> Iterator[float]:
        """A generator that does the work and yields its progress, 0 .. 1, at least every 0.15 s; closed by Stop."""

    def result(self) -> Any:
        """The finished value; asked for once, after the last step or after Stop."""

    def status(self) -> str:
        """One line: where it stands."""

    def chart(self) -> str:
        """SVG of what happened so far."""

    def numbers(self) -> str:
        """HTML below the chart: what is known and measured so far."""

    def report(self) -> str:
        """HTML below the controls, wide: answers, comparison with earlier runs."""


@dataclass(eq=False)
class _Run:
    job: Callable[[], Job]
    stop: threading.Event = field(default_factory=threading.Event)
    word: str = "stopped"  # what its status line says at the end of a run that was stopped
    done: Future = field(default_factory=Future)
    thread: threading.Thread | None = None


@contextmanager
def static_if_headless() -> Iterator[None]:
    """Widgets made inside open no channel where nobody sees them, so that a built page carries no dead widget."""
    create = comm.create_comm
    if headless():
        comm.create_comm = comm.DummyComm
    try:
        yield
    finally:
        comm.create_comm = create


class Live:
    """Controls, a button per action, Stop, and a chart that grows while a job runs.

    Nothing runs until a button is pressed. One run at a time and the newest wins, in all panels of a kernel, since two
    would halve each other's speed: a new run stops the one before, waits for it and starts. A cell that is run again
    stops the run of its earlier panel.

    Args:
        controls: the widgets, by the name under which `actions` and `preview` see their values.
        actions: what the buttons do: from values to a `Job`; the first is the one that `run` and a headless show take.
        preview: one line about these values; raises ValueError where they are impossible, and no button works then.
        groups: heading -> names of controls; without it they stand in one column.
        below: widgets of the panel's own, below the status line.
        chart: SVG to show before the first run.
        warm_up: slow imports and caches, in the background while the reader still looks at the controls.
        replay: makes what a headless show puts in place of the controls; never called where the controls are there.
    """

    _at_work: ClassVar["Live | None"] = None  # the panel of this process whose run is the newest

    def __init__(
        self,
        controls: Mapping[str, W.Widget],
        actions: Mapping[str, Callable[[Values], Job]],
        *,
        preview: Callable[[Values], str] = lambda values: "",
        groups: Mapping[str, Sequence[str]] | None = None,
        below: Sequence[W.Widget] = (),
        chart: str = "",
        warm_up: Callable[[], object] = lambda: None,
        replay: Callable[[], object] | None = None,
    ):
        self.controls, self.actions, self._describe = dict(controls), dict(actions), preview
        self._warm_up, self._replay = warm_up, replay
        self._newest: _Run | None = None
        self._warming: threading.Thread | None = None
        self._lock = threading.Lock()  # around "am I still the newest run?" and what follows from it
        self.headings: dict[str, W.HTML] = {}
        self.buttons = {}
        for name in self.actions:
            style = "primary" if not self.buttons else ""
            self.buttons[name] = W.Button(description=name, icon="play", button_style=style, layout={"width": "auto"})
            self.buttons[name].on_click(lambda _, name=name: self.run(name))
        self.stop_button = W.Button(description="Stop", icon="stop", disabled=True, layout={"width": "auto"})
        self.stop_button.on_click(lambda _: self.stop())
        self.bar = W.FloatProgress(min=0, max=1, layout={"flex": "1 1 6rem", "width": "auto", "min_width": "6rem"})
        self.preview, self.status, self.chart = W.HTML(), W.HTML(), W.HTML(chart)
        self.numbers, self.report = W.HTML(), W.HTML()
        self.widget = self._arrange(groups or {"": list(self.controls)}, below)
        for control in self.controls.values():
            control.observe(lambda _: self.update_preview(), "value")
        self.update_preview()

    @property
    def values(self) -> Values:
        """What the controls stand at now."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def running(self) -> bool:
        return self._newest is not None and not self._newest.done.done()

    @property
    def result(self) -> Any:
        """The value of the newest run, waiting for it.

        Raises:
            RuntimeError: nothing was run yet.
            concurrent.futures.CancelledError: it was stopped before its first step.
            BaseException: whatever the job raised.
        """
        if self._newest is None:
            raise RuntimeError("nothing was run yet: press Run, or call run()")
        return self._newest.done.result()

    def wait(self, timeout: int | float | None = None) -> bool:
        """True once the newest run has ended, False if that takes more than `timeout` seconds."""
        if self._newest is not None and self._newest.thread is not None:
            self._newest.thread.join(timeout)
        return not self.running

    def run(self, action: str | None = None) -> None:
        """Starts an action with what the controls stand at, and returns at once; what still runs is stopped."""
        other, Live._at_work = Live._at_work, self
        if other is not None and other is not self:
            other._make_way("another panel's run began")
        run, previous = self._new_run(action)
        earlier = [each.thread for each in (previous, other and other._newest) if each is not None]
        run.thread = threading.Thread(target=self._work, args=(run, earlier), daemon=True)
        run.thread.start()

    def stop(self) -> None:
        """Asks the run to end after its current step, and says so at once."""
        with self._lock:
            if self.running:
                self._newest.stop.set()
                self.stop_button.disabled = True
                self._say(f"{STOPPING} · {self._said}")

    def _make_way(self, cause: str) -> None:
        """Stops the run for another panel's sake, and names the cause in the status line."""
        if self.running:
            self._newest.word = f"stopped, since {cause}"
            self.stop()

    def show(self) -> None:
        """Displays the panel. Headless: its replay, then what the first action, run here and now, gives."""
        if not headless():
            earlier = Live._at_work
            if earlier is not None and earlier is not self and earlier._kind == self._kind:
                earlier._make_way("its cell was run again")
            display(self.widget)
            if self._warming is None:
                self._warming = threading.Thread(target=self._warm_up, daemon=True)
                self._warming.start()
            return
        run, _ = self._new_run(None)
        self._work(run, [])
        run.done.result()
        caption = ""
        if self._replay is not None:
            display(self._replay())
            caption = f"<p><strong>{escape(AS_BUILT)}</strong></p>"
        plain = unescape(re.sub("<[^>]+>", "", self.status.value))
        display({"text/html": caption + self.html(), "text/plain": plain}, raw=True)

    _ipython_display_ = show

    def html(self) -> str:
        """The panel as it stands, without its controls, as static HTML."""
        parts = (self.preview, self.chart, self.status, self.numbers, self.report)
        return f'<div class="lab-live">{CSS}{"".join(part.value for part in parts)}</div>'

    def update_preview(self) -> None:
        """Says what these values stand for; where they are impossible says why, and no run can be started."""
        try:
            text, possible = self._describe(self.values), True
        except ValueError as error:
            text, possible = f"Not possible: {error}", False
        self.preview.value = line(text, "preview" if possible else "error")
        for button in self.buttons.values():
            button.disabled = not possible

    def _new_run(self, action: str | None) -> tuple[_Run, _Run | None]:
        start, values = self.actions[action or next(iter(self.actions))], self.values
        run = _Run(job=lambda: start(values))
        with self._lock:
            previous, self._newest = self._newest, run
            if previous is not None:
                previous.stop.set()
            self.stop_button.disabled, self.bar.value, self.bar.bar_style = False, 0.0, ""
            self._say("starting")
        return run, previous

    @property
    def _kind(self) -> tuple:
        """Alike in the panels that one cell makes."""
        return type(self), *self.controls, *self.actions

    def _work(self, run: _Run, earlier: Sequence[threading.Thread | None]) -> None:
        for thread in (*earlier, self._warming):
            if thread is not None:
                thread.join()  # here and not in the click's callback: no click ever waits
        try:
            self._drain(run)
        except BaseException as error:  # as an executor does: shown in the panel, and raised again by `result`
            run.done.set_exception(error)
            self._end(run, f"{type(error).__name__}: {error}", "danger", "error")

    def _drain(self, run: _Run) -> None:
        drawn, progress = 0.0, None
        if not run.stop.is_set():
            job = run.job()
            steps = iter(job)
            try:
                for progress in steps:
                    if run.stop.is_set():
                        break
                    if time.monotonic() - drawn >= FRAME_S:
                        drawn = time.monotonic()
                        self._draw(run, job, progress)
                    time.sleep(0)  # lets the kernel's main thread in
            finally:
                steps.close()  # a job with processes ends them here
        stopped = run.stop.is_set()
        if progress is None or (stopped and run is not self._newest):  # nothing there, or nobody waits for it any more
            run.done.cancel()
            self._end(run, f"{run.word} before the first step" if stopped else "nothing to do", "warning")
            return
        time.sleep(max(0.0, drawn + FRAME_S - time.monotonic()) if not stopped else 0)
        self._draw(run, job, progress)
        word = run.word if stopped else "done"
        with self._lock:
            if run is self._newest:
                self.stop_button.disabled = True
                self._say(f"{word}, measuring · {job.status()}")
        value = job.result()
        self._draw(run, job, progress)
        self._end(run, f"{word} · {job.status()}", "warning" if stopped else "success")
        run.done.set_result(value)

    def _draw(self, run: _Run, job: Job, progress: int | float) -> None:
        chart, numbers, report, status = job.chart(), job.numbers(), job.report(), job.status()
        with self._lock:
            if run is self._newest:
                self.chart.value, self.numbers.value, self.report.value = chart, numbers, report
                self.bar.value = progress
                if not run.stop.is_set():  # then it says that it stops
                    self._say(status)

    def _end(self, run: _Run, text: str, style: str, kind: str = "status") -> None:
        with self._lock:
            if run is self._newest:
                self.stop_button.disabled, self.bar.bar_style = True, style
                self._say(text, kind)

    def _say(self, text: str, kind: str = "status") -> None:
        self._said = text
        self.status.value = line(text, kind)

    def _arrange(self, groups: Mapping[str, Sequence[str]], below: Sequence[W.Widget]) -> W.Widget:
        column = []
        for heading, names in groups.items():
            if heading:
                self.headings[heading] = W.HTML(f'<div class="heading">{escape(heading)}</div>')
                column.append(self.headings[heading])
            column += [self.controls[name] for name in names]
        buttons = W.Box([*self.buttons.values(), self.stop_button, self.bar], layout={"flex_flow": "row wrap"})
        live = [self.preview, buttons, self.status, *below, self.chart, self.numbers]
        left = W.VBox(column, layout={"flex": "1 1 18rem", "max_width": "24rem", "min_width": "0"})
        right = W.VBox(live, layout={"flex": "2 1 20rem", "min_width": "0"})
        top = W.Box([left, right], layout={"flex_flow": "row wrap", "grid_gap": "0 2rem"})
        panel = W.VBox([W.HTML(CSS, layout={"display": "none"}), top, self.report])
        panel.add_class("mobilellm-live")
        return panel


def line(text: str, kind: str = "status") -> str:
    """HTML of one line below the controls; `kind` is preview, status or error."""
    role = ' role="alert"' if kind == "error" else ""
    return f'<div class="live-{kind}"{role}>{escape(text)}</div>'


CSS = (
    """<style>
.live-preview, .live-status, .live-error { font: 14px/1.45 system-ui, sans-serif; margin: 4px 0; }
.live-preview { min-height: 2.9em; }
.live-status { font-variant-numeric: tabular-nums; min-height: 1.45em; }
.live-error { border-left: 4px solid #d55e00; padding: 2px 8px; font-weight: 600; white-space: pre-wrap; }
.mobilellm-live .heading { font: 600 13px/1 system-ui, sans-serif; opacity: 0.75; margin: 10px 0 2px; }
.mobilellm-live .widget-html, .mobilellm-live .widget-html-content { height: auto; min-width: 0; line-height: 1.45;
  white-space: normal; overflow: visible; }
.mobilellm-live .widget-inline-hbox { width: auto; align-items: center; }
.mobilellm-live .widget-inline-hbox > .widget-label { text-align: left; }
.mobilellm-live .widget-toggle-buttons { display: flex; flex-flow: row nowrap; align-items: center; margin: 3px 2px; }
.mobilellm-live .widget-toggle-buttons .widget-toggle-button { min-width: 2.6rem; }
</style>"""
    + report.CSS
)
