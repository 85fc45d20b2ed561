"""A prediction in a lab: the reader commits a number here, and the cell that measures shows how it compares."""

from html import escape

import ipywidgets as W
from IPython.display import display

from mobilellm_lab.live.panel import headless
from mobilellm_lab.teaching import Prediction, html


def predict(prediction: Prediction) -> None:
    """Displays the question with a field and Commit; headless, the page's version, which needs no kernel."""
    if headless():
        display({"text/html": prediction._repr_html_(), "text/plain": repr(prediction)}, raw=True)
    else:
        display(Predict(prediction).widget)


class Predict:
    """A field and Commit for one prediction. What was committed is kept, and locked until the reader changes it."""

    def __init__(self, prediction: Prediction):
        self.prediction = prediction
        width = {"width": "16rem", "max_width": "100%"}
        self.field = W.Text(description="Your prediction", style={"description_width": "initial"}, layout=width)
        self.commit = W.Button(description="Commit", button_style="primary", layout={"width": "auto"})
        self.change = W.Button(description="Change it", layout={"width": "auto"})
        self.status = W.HTML()
        unit = W.Label(prediction.unit)
        unit.layout.display = "" if prediction.unit else "none"
        row = W.Box([self.field, unit, self.commit, self.change], layout={"flex_flow": "row wrap"})
        asked = W.HTML(html.question(prediction.question))
        self.widget = W.VBox([asked, row, self.status])
        for name in ("lab-teach", "lab-predict"):
            self.widget.add_class(name)
        self.field.observe(lambda _: self._ask(), "value")
        self.commit.on_click(lambda _: self._commit())
        self.change.on_click(lambda _: self._ask())
        try:
            committed = prediction.committed
        except ValueError as error:  # a damaged file: the reader can still answer once it is away
            self._ask()
            self._say(str(error), "alert")
            return
        if committed is None:
            self._ask()
        else:
            self.field.value = f"{committed:g}"
            self._lock(committed)

    def _ask(self) -> None:
        self.field.disabled, self.change.layout.display, self.commit.layout.display = False, "none", ""
        self.commit.disabled = True
        if not self.field.value.strip():
            self._say(self.prediction.range)
            return
        try:
            self.prediction.parse(self.field.value)
        except ValueError as error:
            self._say(str(error), "alert")
            return
        self.commit.disabled = False
        self._say(self.prediction.range)

    def _commit(self) -> None:
        try:
            value = self.prediction.parse(self.field.value)
            self.prediction.commit(value)
        except ValueError as error:
            self._say(str(error), "alert")
        else:
            self._lock(value)

    def _lock(self, value: int | float) -> None:
        self.field.disabled, self.change.layout.display, self.commit.layout.display = True, "", "none"
        self._say(f"Committed: {self.prediction.show(value)}. Now run the cells that measure it.")

    def _say(self, text: str, role: str = "status") -> None:
        name = "lab-problem" if role == "alert" else "lab-range"
        self.status.value = f'<p class="{name}" role="{role}">{escape(text)}</p>'
