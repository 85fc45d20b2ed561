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


def test_the_source_of_one_store_or_several_is_folded_behind_one_word():
    stores = [open_sweep(name) for name in ("metrics", "metrics_lies")]
    both, first = (shown(page.source(*some))["text/html"].replace("<wbr>", "") for some in (stores, stores[:1]))
    assert first.startswith('<details class="lab-data"><summary>Data</summary>')
    assert origin(stores[0]).machines[0] in first and "metrics_lies.jsonl" not in first
    assert "metrics.jsonl" in both and "<code>mobilellm-lab sweep metrics_lies</code>" in both


def test_all_answers_are_glued_as_they_are(monkeypatch):
    glued = {}
    monkeypatch.setattr(page, "glue", lambda name, value, *, display: glued.update({name: value}))
    page.say_all({"quant_bits": "4", "quant_loss": "0.002"})
    assert glued == {"quant_bits": "4\u2060", "quant_loss": "0.002\u2060"}


def test_a_table_has_no_index_and_its_words_to_the_left():
    frame = pd.DataFrame({"limit": ["memory", "power"], "value": ["586 MiB", "1 W"]}, index=["first", "second"])
    html = shown(page.table(frame))["text/html"]
    assert all(word in html for word in ("limit", "memory", "586 MiB")) and "first" not in html
    assert html.count("text-align: left") == 2  # heads, and all cells together
    assert list(frame.index) == ["first", "second"]
