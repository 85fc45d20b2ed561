"""The HTML of what teaches: escaped, self-contained, without ids, and the same any number of times on a page."""

import re
from html.parser import HTMLParser

import pytest

from mobilellm_lab.teaching import html as fragments

VOID = {"input", "br", "meta", "wbr"}


class Checked(HTMLParser):
    """Fails where tags do not nest; remembers ids, addresses and names of classes."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.classes: set[str] = set()
        self.feed(html)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("input", "button", "summary", "pre"):
            assert (fragments.OWN_KEYS, None) in attrs, "JupyterLab would take its keys"
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in ("src", "href", "action"):
                self.addresses.append(value)
            if key == "class":
                self.classes |= set(value.split())

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


EXERCISE = {"title": "`a` < b", "task": "One.\n\nTwo & *three*.", "stub": "def f(x):\n    return ...", "hints": "abc"}
PREDICTION = {"name": "cost", "question": "How?", "unit": "times", "digits": 1, "spread": (5.1, 5.4, 5.9)}
PREDICTION |= {"rows": [("stored", "5.4", "`x`")], "explain": "So.", "origin": "rows"}

FRAGMENTS = {
    "exercise": fragments.exercise(**EXERCISE, solution="x < 1", alternative="1 > x"),
    "outcome": fragments.outcome("wrong", "a *name*", "Use `x`."),
    "quiz": fragments.quiz("q", "0", [("Why?", [("a", "r", False), ("b & c", "s", True), ("d", "t", False)])]),
    "prediction": fragments.prediction(**PREDICTION, range_words="1 to 20", field=(1, 20, 0.5)),
    "beliefs": fragments.beliefs("lab", [("a", "`x` < *y*."), ("b", "So.")]),
    "judgement": fragments.judgement("lab", [("a", "`x` < *y*.", True, "1 < 2.", 3), ("b", "So.", False, "No.", 4)]),
    "comparison": fragments.comparison(**PREDICTION, field=(1, 20), marks=((3.0, 40.0), 30.0), record="1 of 1"),
}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_is_whole_and_asks_no_host(name):
    checked = Checked(FRAGMENTS[name])
    assert not checked.ids  # so it may stand on a page twice
    assert not checked.addresses
    assert {"lab-teach", f"lab-{name}"} <= checked.classes
    assert "http" not in FRAGMENTS[name]
    assert "url(" not in FRAGMENTS[name]
    assert FRAGMENTS[name].count("<style>") == 1


def test_only_what_answers_brings_the_script():
    silent = {name for name, html in FRAGMENTS.items() if "<script>" not in html}
    assert silent == {"exercise", "outcome"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b> & 'quoted'", "plain &lt;b&gt; &amp; 'quoted'"),
        ("`a < b`", "<code>a &lt; b</code>"),
        ("*one* and **two**", "<em>one</em> and <strong>two</strong>"),
        ("**the `x` block**", "<strong>the <code>x</code> block</strong>"),
        ("`2 * 3 * 4` is *not* 2 * 3 * 4", "<code>2 * 3 * 4</code> is <em>not</em> 2 * 3 * 4"),
        ("snake*case*name", "snake*case*name"),
        ("a line\n  goes on", "a line goes on"),
        ("`*args` and `**named`", "<code>*args</code> and <code>**named</code>"),
        ("`claims.flow.sample_works()`", "<code>claims.<wbr>flow.<wbr>sample_<wbr>works()</code>"),
        ("in reference/speed.jsonl", "in reference/<wbr>speed.<wbr>jsonl"),
    ],
)
def test_inline_marks(text, html):
    assert fragments.inline(text) == html


def test_a_blank_line_starts_a_paragraph():
    assert fragments.paragraphs("one\ntwo\n \nthree\n") == "<p>one two</p><p>three</p>"


def test_outcomes_differ_by_word_shape_and_colour():
    kinds = ("right", "wrong", "not attempted")
    boxes = [fragments.outcome(kind, "", "Text.") for kind in kinds]
    assert all('role="status"' in box for box in boxes)
    assert all(f"{kind.capitalize()}</strong>" in box for kind, box in zip(kinds, boxes, strict=True))
    assert len({fragments.MARKS[kind] for kind in kinds}) == 3


def test_values_beyond_the_field_stay_on_the_line():
    html = FRAGMENTS["comparison"]
    assert 'class="lab-yours" style="left:10.53%;right:calc(100% - 100.00%)"' in html
    assert 'class="lab-here" style="left:100.00%"' in html


def test_an_axis_over_two_decades_or_more_is_logarithmic_and_names_its_powers_of_ten():
    wide = fragments._strip((0.1, 1000), (1, 10, 100), None, None)
    assert 'class="lab-median" style="left:50.00%"' in wide
    assert re.findall(r'<b style="left:([\d.]+)%">([\d.]+)</b>', wide) == [
        ("25.00", "1"),
        ("50.00", "10"),
        ("75.00", "100"),
    ]
    for field in ((0, 100), (1, 99)):
        narrow = fragments._strip(field, (1, 50, 60), None, None)
        assert "<b" not in narrow
    assert 'data-axis="linear"' in FRAGMENTS["comparison"]
