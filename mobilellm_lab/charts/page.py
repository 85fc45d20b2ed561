"""Words, numbers, tables and sources of a page: what its first cell imports"""

from collections.abc import Mapping

import pandas as pd
from myst_nb import glue
from pandas.io.formats.style import Styler

from mobilellm_lab.charts.report import code
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

JOINER = "\u2060"  # after a number: keeps 0.40 from being read as 0.4


class Words(str):
    """Text that is glued without quotation marks."""

    __repr__ = str.__str__


class Markdown(str):
    """Text that is shown as Markdown where it is the last value of a cell."""

    def _repr_markdown_(self) -> str:
        return str(self)


class Folded(str):
    """Text that is shown folded behind the word "Data" where it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return f'<details class="lab-data"><summary>Data</summary><p>{code(self)}</p></details>'


def say(name: str, value: object, form: str = "{:.2f}") -> None:
    """Glues a value in this form, so that the text may name it: {glue:text}`name`."""
    glue(name, Words(form.format(value) + JOINER), display=False)


def say_all(answers: Mapping[str, str]) -> None:
    """Glues every text under its name: what a chapter's opening and its recipe box show."""
    for name, text in answers.items():
        say(name, text, "{}")


def source(*stores: Store) -> Folded:
    """Where the rows of these stores come from, folded behind one word."""
    return Folded(f"Data: {'; '.join(str(origin(store)) for store in stores)}.")


def table(frame: pd.DataFrame) -> Styler:
    """The frame without its index, its words to the left and apart from each other."""
    cells = {"padding": "0.15em 0.8em 0.15em 0", "text-align": "left"}
    heads = {"selector": "th", "props": list(cells.items())}
    return frame.style.hide(axis="index").set_properties(**cells).set_table_styles([heads])
