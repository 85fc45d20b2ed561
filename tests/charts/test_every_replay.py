"""Every chapter's replays: valid, complete over their sliders, small, and drawn before any script runs."""

import gzip
import importlib
import inspect
import re
from pathlib import Path

import pytest
from altair.vegalite.v5.schema.core import load_schema
from jsonschema import Draft7Validator

import mobilellm_lab
from mobilellm_lab.charts.replay import Replay
from mobilellm_lab.reference import open_sweep

PACKAGE = Path(mobilellm_lab.__file__).parent
CHAPTERS = {path.parent.name for path in PACKAGE.glob("*/figures")}
WIRE_BYTES = 50_000  # of one replay, as the web server packs it


def makers() -> dict:
    """Every public function `..._replay` of a chapter's figures, by chapter and name."""
    found = {}
    for path in sorted(PACKAGE.glob("*/figures/*replay.py")):
        module = importlib.import_module(".".join(("mobilellm_lab", *path.relative_to(PACKAGE).with_suffix("").parts)))
        for name, function in vars(module).items():
            if name.endswith("_replay") and inspect.isfunction(function) and function.__module__ == module.__name__:
                found[path.parts[-3], name] = function
    return found


MAKERS = makers()


def sweeps(chapter: str, name: str) -> list[str]:
    """The stored sweeps that a replay takes: `store` is the chapter's own, `qat_store` its sweep named `..._qat`."""
    stores = (word for word in inspect.signature(MAKERS[chapter, name]).parameters if word.endswith("store"))
    return [f"{chapter}_{word}".removesuffix("store").removesuffix("_") for word in stores]


@pytest.fixture(scope="module", params=MAKERS, ids="-".join)
def maker(request) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def replay(maker) -> Replay:
    return MAKERS[maker](*map(open_sweep, sweeps(*maker)))


@pytest.fixture(scope="module")
def html(replay) -> str:
    return replay.html()


def test_every_chapter_has_a_replay():
    assert len(CHAPTERS) >= 4 and CHAPTERS == {chapter for chapter, _ in MAKERS}


def test_specifications_are_valid_and_hold_every_value_of_every_slider(replay):
    specs, schema = replay.page_specs(), Draft7Validator(load_schema())
    for spec in (*specs, replay.notebook_spec()):
        schema.validate(spec)
    rows = [row for spec in specs for rows in spec["datasets"].values() for row in rows]
    for slider in replay.sliders:
        drawn = {row[slider.column] for row in rows if slider.column in row}
        assert set(slider.values) <= drawn, slider.column


def test_every_setting_has_a_sentence_of_its_own(replay):
    assert len(set(replay.readouts)) == len(replay.settings)
    assert not [said for said in replay.readouts if re.search(r"\b(nan|inf|None)\b|[\[\]{}]", said)]


def test_the_page_asks_nobody_is_small_and_says_where_its_points_come_from(maker, html):
    assert "http" not in html
    assert len(gzip.compress(html.encode())) < WIRE_BYTES
    measured = "Replay: every point is a stored measurement.</p>" in html
    assert (
        measured
        == ('<p class="replay-badge">Measured on ' in html)
        == bool(sweeps(*maker))
        == ("By formula, not measured" not in html)
    )


def test_the_first_pictures_hold_marks(replay, html):
    pictures = re.findall(r'<div class="replay-chart"[^>]*>(<svg.*?</svg>)</div>', html, re.DOTALL)
    assert len(pictures) == len(replay.charts)
    for svg in pictures:
        assert len(re.findall(r'aria-roledescription="(?:circle|point|bar|rule)"', svg)) >= 2
