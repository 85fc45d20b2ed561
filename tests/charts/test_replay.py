"""Replays: only measured settings, a sentence for each, valid Vega-Lite 5, and a fragment that asks nobody."""

import json
import re

import altair as alt
import pandas as pd
import pytest

from mobilellm_lab.charts import replay as module
from mobilellm_lab.charts.replay import Replay, Slider

ROWS = pd.DataFrame(
    [{"depth": depth, "bits": bits, "score": depth / bits} for depth in (1, 2, 4) for bits in (4, 8)]
    + [{"depth": 9, "bits": 8, "score": 1.0}]  # measured, but not offered
)
DEPTH = Slider(column="depth", label="Depth", values=(1, 2, 4), words=("one", "two", "four"), start=2)
BITS = Slider(column="bits", label="Bits", values=(4, 8), words=("4 bits", "8 bits"), start=8)


def chart() -> alt.Chart:
    return (
        alt.Chart(ROWS)
        .transform_filter(f"{DEPTH.chosen} && {BITS.chosen}")
        .mark_bar()
        .encode(x="depth:Q", y="score:Q")
        .properties(title="score")
    )


def make(**changes) -> Replay:
    arguments = {
        "rows": ROWS,
        "origin": "measured on a desk, made by `make sweep`",
        "title": "Bits & depth",
        "alt": "bars",
        "key": "blue: all",
        "readout": lambda *, depth, bits: f"depth {depth}, {bits} bits <here>",
    }
    return Replay((chart(), chart()), (DEPTH, BITS), **arguments | changes)


def data(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" class="replay-data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": (1,), "words": ("one",), "start": 1}, "two or more, all different"),
        ({"values": (1, 1, 2)}, "two or more, all different"),
        ({"words": ("one", "two")}, "one for each"),
        ({"start": 3}, "start=3 of slider depth: choose one of"),
    ],
)
def test_a_slider_that_cannot_be_is_refused(changes, message):
    arguments = {"column": "depth", "label": "Depth", "values": (1, 2, 4), "words": ("a", "b", "c"), "start": 1}
    with pytest.raises(ValueError, match=message):
        Slider(**arguments | changes)


def test_a_setting_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"lack 1 of 6 settings, the first \{'depth': 2, 'bits': 8\}: measure them"):
        make(rows=ROWS.query("not (depth == 2 and bits == 8)"))


def test_a_missing_column_is_refused():
    with pytest.raises(ValueError, match="column 'bits' is not in rows: choose one of depth, score"):
        make(rows=ROWS.drop(columns="bits"))
    with pytest.raises(ValueError, match="column 'speed' is not in rows"):
        make(columns={"speed": "tokens/s"})


def test_the_rows_are_left_alone():
    before = ROWS.copy()
    make().html()
    pd.testing.assert_frame_equal(ROWS, before)


def test_every_setting_has_its_sentence_in_the_order_of_the_sliders():
    replay = make()
    assert replay.settings == [(1, 4), (1, 8), (2, 4), (2, 8), (4, 4), (4, 8)]
    assert replay.readouts == [f"depth {depth}, {bits} bits <here>" for depth, bits in replay.settings]
    page = data(replay.html())
    assert page["readouts"] == replay.readouts
    assert page["sliders"] == [
        {"name": "depth_index", "words": ["one", "two", "four"]},
        {"name": "bits_index", "words": ["4 bits", "8 bits"]},
    ]


def test_specifications_are_vega_lite_5_with_a_parameter_for_each_slider():
    replay = make()
    specs = replay.page_specs()
    assert len(specs) == 2
    for spec in specs:
        alt.Chart.from_dict(spec)  # validates against the schema
        assert spec["$schema"].endswith("/vega-lite/v5.20.1.json")
        assert spec["params"] == [{"name": "depth_index", "value": 1}, {"name": "bits_index", "value": 1}]
        assert spec["config"]["axis"]["labelColor"] == "currentColor"
    spec = replay.notebook_spec()
    alt.Chart.from_dict(spec)
    assert [param["bind"] for param in spec["params"]] == [
        {"input": "radio", "options": [0, 1, 2], "labels": ["one", "two", "four"], "name": "Depth"},
        {"input": "radio", "options": [0, 1], "labels": ["4 bits", "8 bits"], "name": "Bits"},
    ]
    assert spec["config"]["text"]["color"] == "currentColor" and spec["background"] == "transparent"


def test_many_words_are_a_list_in_jupyterlab():
    words = tuple(f"a name of many letters, number {number}" for number in range(9))
    slider = Slider(column="kind", label="Kind", values=tuple(range(9)), words=words, start=4)
    (param,) = alt.Chart(ROWS).mark_bar().add_params(slider.param).to_dict()["params"]
    assert param["bind"]["input"] == "select" and param["bind"]["labels"] == list(words)


def test_the_chosen_rows_are_picked_by_index():
    assert DEPTH.chosen == 'datum["depth"] === [1, 2, 4][depth_index]'
    named = Slider(column="kind", label="Kind", values=("a", 'b"c'), words=("a", "b"), start="a")
    assert named.chosen == 'datum["kind"] === ["a", "b\\"c"][kind_index]'


def test_the_first_picture_shows_the_start_setting_and_nothing_else():
    first, _ = make().svgs()
    (said,) = re.findall(r'aria-label="depth: ([^"]*)"', first)
    assert said == "2; score: 0.25"


def test_pictures_fit_their_box_and_their_names_are_unique():
    first, _ = make().svgs()
    head = first[: first.index(">")]
    assert "viewBox=" in head and "width=" not in head and "xmlns" not in head
    assert not re.search(r'\bid="(?!replay-)', first) and not re.search(r"url\(#(?!replay-)", first)


def test_the_page_asks_nobody_and_its_json_survives():
    html = make(readout=lambda **setting: "</script><script>alert(1)</script>").html()
    assert "http" not in html
    assert html.count("<script") == html.count("</script>") == 1
    assert data(html)["readouts"][0] == "</script><script>alert(1)</script>"
    assert [spec["signals"] != [] for spec in data(html)["specs"]] == [True, True]


def test_words_are_escaped_and_commands_are_code():
    html = make().html()
    assert "Bits &amp; depth" in html and "Bits & depth" not in html
    assert '<p class="replay-readout" aria-live="polite">depth 2, 8 bits &lt;here&gt;</p>' in html
    seen, folded = html.split("<details>")
    assert "Replay: every point is a stored measurement.</p>" in seen and "made by" not in seen
    assert "Measured on a desk, made by <code>make sweep</code>.</p>" in folded


def test_rows_that_were_not_measured_say_so():
    replay = make(badge="By formula, not measured.", origin="from the cards")
    assert replay.badge == "By formula, not measured. From the cards."
    assert "stored measurement" not in replay.html()
    assert all(words in replay.html() for words in ("By formula, not measured.</p>", ">From the cards.</p>"))
    assert "By formula, not measured." in " ".join(replay.notebook_spec()["title"]["subtitle"])
    with pytest.raises(ValueError, match="badge=' ': say what every point is"):
        make(badge=" ")


def test_controls_step_over_the_values_and_say_their_words():
    html = make().html()
    inputs = re.findall(r"<input [^>]*>", html)
    assert len(inputs) == 2
    assert all(text in inputs[0] for text in ('min="0"', 'max="2"', 'step="1"', 'value="1"', 'aria-valuetext="two"'))
    assert all("disabled" in text for text in inputs)  # until the script is there
    assert html.count('role="img" aria-label="bars"') == 1


def test_the_table_has_every_row_with_words_and_rounded_numbers():
    html = make(columns={"depth": "layers", "score": "score"}, rows=ROWS.assign(score=ROWS["score"] / 3)).html()
    head = re.findall(r'<th scope="col">(.*?)</th>', html)
    cells = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", html)[1:]]
    assert head == ["layers", "score"]
    assert cells[0] == ["one", "0.0833"] and cells[-1] == ["9", "0.333"]
    assert len(cells) == len(ROWS)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "text"),
        (60_608, "60,608"),
        (0.008, "0.008"),
        (0.123456, "0.123"),
        (7571.13, "7,571"),
        (2.0, "2"),
        (float("nan"), ""),
    ],
)
def test_numbers_of_a_table(value, said):
    assert module._number(value) == said


def test_a_page_gets_html_and_a_reader_with_a_kernel_gets_vega_lite(monkeypatch):
    """JupyterLab prefers HTML to Vega-Lite where it is given both, and could not move it."""
    monkeypatch.setattr(module, "headless", lambda: True)
    bundle, _ = make()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    monkeypatch.setattr(module, "headless", lambda: False)
    bundle, metadata = make()._repr_mimebundle_()
    assert set(bundle) == {module.MIME, "text/plain"}
    assert metadata[module.MIME]["embed_options"]["actions"] is False
    json.dumps([bundle, metadata])


def test_twice_the_same():
    assert make().html() == make().html()
