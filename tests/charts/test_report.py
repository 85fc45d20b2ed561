"""Tiles, tables and text of runs, as HTML that says what it was given."""

import xml.etree.ElementTree as ET

import pytest

from mobilellm_lab.charts import report


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.1234, "0.123"),
        (91.06, "91.1"),
        (99.96, "100"),
        (512, "512"),
        (999.4, "999"),
        (999.6, "1 k"),
        (1_234, "1.23 k"),
        (125_312, "125 k"),
        (2_500_000, "2.5 M"),
        (7e9, "7 G"),
    ],
)
def test_three_digits(number, text):
    assert report.short(number) == text


@pytest.mark.parametrize(("number", "text"), [(0.01234, "0.0123"), (4.566, "4.57"), (99.96, "100"), (1234.5, "1,234")])
def test_digits(number, text):
    assert report.digits(number) == text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("made by `make sweep`", "made by <code>make sweep</code>"),
        ("lab/reference/deep_cost.jsonl, rows", "lab/<wbr>reference/<wbr>deep_<wbr>cost.<wbr>jsonl, rows"),
        ("`lab.claims.flow.works(a < b)`", "<code>lab.<wbr>claims.<wbr>flow.<wbr>works(a &lt; b)</code>"),
        ("3.14159265358979323 and e.g. this", "3.14159265358979323 and e.g. this"),
    ],
)
def test_code_is_marked_and_a_path_breaks_between_its_parts(text, html):
    assert report.code(text) == html


def test_a_session_is_numbered_and_its_newest_run_on_top():
    html = report.session(("run", "loss"), [("deep", "1.2"), ("wide", "1.0")], above="<p>7 of 9</p>")
    heading, above, table = ET.fromstring(f"<div>{html}</div>")
    assert (heading.text, above.text) == ("This session", "7 of 9")
    rows = [[cell.text for cell in row] for row in table.find("table/tbody")]
    assert rows == [["2. wide", "1.0"], ["1. deep", "1.2"]]
    assert report.session(("run",), [], above="<p>7 of 9</p>") == ""


def test_a_table_has_the_newest_first_and_words_on_the_left():
    root = ET.fromstring(report.table(("run", "loss"), [("2. deep", "1.0"), ("1. <b>", "1.2")]))
    assert [cell.text for cell in root.iter("th")] == ["run", "loss"]
    rows = [[cell.text for cell in row] for row in root.find("table/tbody")]
    assert rows == [["2. deep", "1.0"], ["1. <b>", "1.2"]]
    assert [row.get("class") for row in root.find("table/tbody")] == ["newest", None]
    assert [cell.get("class") for cell in root.iter("td")] == ["words", None, "words", None]


def test_tiles_and_text_are_escaped():
    html = report.tiles([("Loss & more", "<1", "nats")]) + report.says("The model", "a < b")
    root = ET.fromstring(f"<div>{html}</div>")
    assert root.find("div/div/span").text == "Loss & more"
    assert root.find("div/div/b").text == "<1"
    assert root.find("pre").text == "a < b"


def test_a_pair_holds_both():
    root = ET.fromstring(report.pair("<i>left</i>", "<i>right</i>"))
    assert [part.text for part in root.iter("i")] == ["left", "right"]
