"""A prediction in a lab: the reader commits an interval, and the cell that compares waits for it."""

from html import escape

import ipywidgets as W
from IPython import get_ipython
from IPython.display import DisplayHandle, display

from mobilellm_lab.live.panel import headless
from mobilellm_lab.teaching import Comparison, Prediction, html

WAITS = "The measurement is drawn here when you commit an interval above, or skip."


def predict(prediction: Prediction) -> None:
    """Displays the question with two fields, Commit and Skip; headless, the page's version, which needs no kernel.

    From then on `prediction.compare(...)` shows the question again, and its answer once the reader committed or
    skipped.
    """
    if headless():
        display(_bundle(prediction), raw=True)
        return
    if shell := get_ipython():
        shell.display_formatter.ipython_display_formatter.for_type(Comparison, show_when_answered)
    display(Predict(prediction).widget)


class Predict:
    """Two fields, Commit and Skip for one prediction. What was committed is kept, and locked until it is changed."""

    newest: dict[str, "Predict"] = {}  # the last card of each prediction, which a comparison shows again
    waiting: dict[str, "_Waiting"] = {}  # the last comparison of each prediction

    def __init__(self, prediction: Prediction):
        self.prediction = prediction
        self.low, self.high = (W.Text(description=end, **_field()) for end in html.ENDS)
        self.commit = W.Button(description="Commit", button_style="primary", layout={"width": "auto"})
        self.skip = W.Button(description="Skip", layout={"width": "auto"})
        self.change = W.Button(description="Change it", layout={"width": "auto"})
        self.status = W.HTML()
        unit = W.Label(prediction.unit)
        unit.layout.display = "" if prediction.unit else "none"
        row = W.Box([self.low, self.high, unit, self.commit, self.skip, self.change], layout={"flex_flow": "row wrap"})
        asked = W.HTML(html.question(prediction.question))
        self.widget = W.VBox([asked, row, self.status])
        for name in ("lab-teach", "lab-predict"):
            self.widget.add_class(name)
        for field in (self.low, self.high):
            field.observe(lambda _: self._ask(), "value")
        self.commit.on_click(lambda _: self._commit())
        self.skip.on_click(lambda _: self._skip())
        self.change.on_click(lambda _: self._ask())
        self.newest[prediction.name] = self
        try:
            committed, answered = prediction.committed, prediction.answered
        except ValueError as error:  # a damaged file: the reader can still answer once it is away
            self._ask()
            self._say(str(error), "alert")
            return
        if committed is not None:
            self.low.value, self.high.value = (f"{end:g}" for end in committed)
        if answered:
            self._lock()
        else:
            self._ask()

    def _ask(self) -> None:
        self.low.disabled = self.high.disabled = False
        self.change.layout.display, self.commit.layout.display, self.skip.layout.display = "none", "", ""
        self.commit.disabled = True
        ends = self.low.value, self.high.value
        try:
            for end in ends:
                if end.strip():
                    self.prediction.parse(end)
            if all(end.strip() for end in ends):
                self.prediction.interval(*ends)
                self.commit.disabled = False
        except ValueError as error:
            self._say(str(error), "alert")
        else:
            self._say(f"{html.INTERVAL} {self.prediction.range}")

    def _commit(self) -> None:
        try:
            self.prediction.commit(*self.prediction.interval(self.low.value, self.high.value))
        except ValueError as error:
            self._say(str(error), "alert")
            return
        self._lock()
        self._draw()

    def _skip(self) -> None:
        try:
            self.prediction.skip()
        except ValueError as error:  # nothing can be kept, but the answer can be shown
            self._say(str(error), "alert")
        else:
            self._lock()
        self._draw()

    def _draw(self) -> None:
        if self.prediction.name in self.waiting:
            self.waiting[self.prediction.name].draw()

    def _lock(self) -> None:
        self.low.disabled = self.high.disabled = True
        self.change.layout.display, self.commit.layout.display, self.skip.layout.display = "", "none", "none"
        committed = self.prediction.committed
        done = "Skipped." if committed is None else f"Committed: {self.prediction.show_interval(*committed)}."
        self._say(f"{done} The cell that compares shows the measurement.")

    def _say(self, text: str, role: str = "status") -> None:
        name = "lab-problem" if role == "alert" else "lab-range"
        self.status.value = f'<p class="{name}" role="{role}">{escape(text)}</p>'


class _Waiting:
    """The output of a cell that compares: the question, and in its place the comparison once it is drawn."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        ask = comparison.prediction
        card = Predict.newest.get(ask.name) or Predict(ask)
        self.question = W.VBox([card.widget])
        display(self.question)
        self.handle: DisplayHandle = display(
            {"text/html": f"<p>{WAITS}</p>", "text/plain": WAITS}, raw=True, display_id=True
        )

    def draw(self) -> None:
        """The comparison with what the reader has committed by now."""
        self.question.layout.display = "none"
        compared = self.comparison
        try:
            compared = compared.prediction.compare(compared.here)
        except ValueError:  # the file is damaged: then without the reader's interval
            pass
        self.handle.update(_bundle(compared), raw=True)


def show_when_answered(comparison: Comparison) -> None:
    """Displays a comparison; before the reader has answered its question, that question with a place for it."""
    if comparison.prediction.answered:
        display(_bundle(comparison), raw=True)
    else:
        Predict.waiting[comparison.prediction.name] = _Waiting(comparison)


def _bundle(shown: Prediction | Comparison) -> dict[str, str]:
    return {"text/html": shown._repr_html_(), "text/plain": repr(shown)}


def _field() -> dict[str, object]:
    return {"style": {"description_width": "initial"}, "layout": {"width": "10rem", "max_width": "100%"}}
