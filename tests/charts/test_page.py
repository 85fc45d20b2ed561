"""What a page glues and shows, as a notebook displays it."""

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from mobilellm_lab.charts import page
from mobilellm_lab.reference import open_sweep, origin


def shown(value: object) -> dict[str, str]:
    """What a notebook stores of the last value of a cell, by type."""
    return DisplayFormatter().format(value)[0]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [((0.4,), (), "0.40"), ((12.6,), ("{:.0f} %",), "13 %"), (("under 0.0001",), ("{}",), "under 0.0001")],
)
def test_a_number_is_glued_in_its_form_without_quotes_and_kept_whole(monkeypatch, value, form, text):
    glued = {}
    monkeypatch.setattr(page, "glue", lambda name, value, *, display: glued.update({name: (value, display)}))
    page.say("speed", *value, *form)
    words, display = glued["speed"]
    assert shown(words) == {"text/plain": f"{text}\u2060"} and display is False


def test_the_source_of_one_store_or_several_is_one_line_of_markdown():
    stores = [open_sweep(name) for name in ("metrics", "metrics_lies")]
    both, first = (shown(page.source(*some))["text/markdown"] for some in (stores, stores[:1]))
    assert first == f"*Data: {origin(stores[0])}.*"
    assert both == f"*Data: {origin(stores[0])}; {origin(stores[1])}.*"


def test_a_table_has_no_index_and_its_words_to_the_left():
    frame = pd.DataFrame({"limit": ["memory", "power"], "value": ["586 MiB", "1 W"]}, index=["first", "second"])
    html = shown(page.table(frame))["text/html"]
    assert all(word in html for word in ("limit", "memory", "586 MiB")) and "first" not in html
    assert html.count("text-align: left") == 2  # heads, and all cells together
    assert list(frame.index) == ["first", "second"]
