"""Words, numbers, tables and sources of a page: what its first cell imports"""

import pandas as pd
from myst_nb import glue
from pandas.io.formats.style import Styler

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


def say(name: str, value: object, form: str = "{:.2f}") -> None:
    """Glues a value in this form, so that the text may name it: {glue:text}`name`."""
    glue(name, Words(form.format(value) + JOINER), display=False)


def source(*stores: Store) -> Markdown:
    """The line below measured numbers: where the rows of these stores come from."""
    return Markdown(f"*Data: {'; '.join(str(origin(store)) for store in stores)}.*")


def table(frame: pd.DataFrame) -> Styler:
    """The frame without its index, its words to the left and apart from each other."""
    cells = {"padding": "0.15em 0.8em 0.15em 0", "text-align": "left"}
    heads = {"selector": "th", "props": list(cells.items())}
    return frame.style.hide(axis="index").set_properties(**cells).set_table_styles([heads])
