"""No prediction asks for a number that its reader has seen: in an opening, a heading, a recipe or a slider's start."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobilellm_lab.charts.replay import Replay
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.teaching import Measured, Prediction
from tests.charts.test_every_replay import MAKERS, sweeps

ROOT = Path(__file__).parents[2]
PAGES = {path.stem[3:]: path for path in sorted((ROOT / "book").glob("[0-9][0-9]_*.md"))}
OPENING = re.compile(r"^:::\{admonition\}[^\n]*\n:class: lab-answer\n(.*?)^:::", flags=re.MULTILINE | re.DOTALL)
RECIPE = re.compile(r"<!-- recipe -->(.*?)<!-- end of recipe -->", flags=re.DOTALL)
CODE = re.compile(r"^```.*?^```", flags=re.MULTILINE | re.DOTALL)
GLUED = re.compile(r"\{glue:text\}`(\w+)`")
LINK = re.compile(r"\]\([^)\n]*\)")
NUMBER = re.compile(r"(?<![\w.,-])(\d[\d,]*(?:\.\d+)?)\u2060? ?(%|percent|[A-Za-zµ/]+)?(?: ([a-z]+))?")
KINDS = {"%": "%", "percent": "%", "times": "times"}
LESS, MORE = ("fewer", "less", "lower", "slower"), ("more", "faster", "higher", "longer")  # "12 % fewer" is 0.88 times
SIZES = ("smaller", "larger", "wider", "narrower")  # no prediction asks for one
UNITS = (  # of what is no share and no ratio
    "B MB GB KiB MiB GiB M k GB/s ms s seconds minutes J mJ W Wh nats bits bit bytes tokens tokens/s layers heads "
    "models parameters million billion thousand steps seeds threads cores"
).split()


def answers() -> dict[str, str]:
    """The numbers of all openings and recipes, by the name under which the pages glue them."""
    found = {}
    for stem in PAGES:
        evidence = importlib.import_module(f"mobilellm_lab.{stem}.study.evidence")
        found |= evidence.answers() if hasattr(evidence, "answers") else {}
    return found


def told(text: str, known: dict[str, str]) -> str:
    """What a reader reads of Markdown, as far as numbers go."""
    return LINK.sub("]", GLUED.sub(lambda match: known.get(match[1], ""), CODE.sub("", text)))


def headings(stem: str) -> Iterator[str]:
    """Titles of a chapter's page and of its labs."""
    texts = [PAGES[stem].read_text(encoding="utf-8")]
    for lab in (ROOT / "labs").glob(f"{PAGES[stem].stem}*.ipynb"):
        cells = json.loads(lab.read_text(encoding="utf-8"))["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    for text in texts:
        yield from re.findall(r"^#+ .*$", CODE.sub("", text), flags=re.MULTILINE)


def first_readout(replay: Replay) -> str:
    """What a replay says before anybody moves a slider."""
    return replay.readouts[replay.settings.index(tuple(slider.start for slider in replay.sliders))]


def seen_before(stem: str) -> dict[str, str]:
    """Where -> text that a reader of this chapter may have read before its predictions."""
    known, page = answers(), PAGES[stem].read_text(encoding="utf-8")
    places = {"opening": "\n".join(OPENING.findall(page)), "headings": "\n".join(headings(stem))}
    for path in (ROOT / "book/intro.md", ROOT / "book/make_it_fast.md"):
        places[path.name] = path.read_text(encoding="utf-8")
    places |= {f"recipe of {other}": "\n".join(RECIPE.findall(PAGES[other].read_text("utf-8"))) for other in PAGES}
    places = {where: told(text, known) for where, text in places.items()}
    for chapter, name in MAKERS:
        if chapter == stem:
            places[name] = first_readout(MAKERS[chapter, name](*map(open_sweep, sweeps(chapter, name))))
    return places


def forms(ask: Prediction, stored: Measured) -> list[tuple[str, float, float]]:
    """Ways to write what was measured: kind of number, and from where to where.

    That is the spread, and of a wide one what is within 3 % of its median: a number far from it tells nothing.
    """
    low, high = max(stored.low, 0.97 * stored.median), min(stored.high, 1.03 * stored.median)
    if ask.unit == "times":
        return [
            ("times", low, high),
            ("times", 1 / high, 1 / low),
            ("%", 100 * low, 100 * high),
            ("% less", 100 * (1 - 1 / low), 100 * (1 - 1 / high)),
            ("% less", 100 * (1 - high), 100 * (1 - low)),
            ("% more", 100 * (low - 1), 100 * (high - 1)),
        ]
    if ask.unit == "%":
        return [("%", low, high), ("% less", 100 - high, 100 - low)]
    return [(ask.unit, low, high), ("%", 100 * low, 100 * high)]


def kind(word: str, following: str) -> str:
    """What a number is, by the two words behind it; "" if it stands alone."""
    if following in SIZES:
        return following
    found = KINDS.get(word, word if word in UNITS else "")
    if found == "%":
        return "% less" if following in LESS else "% more" if following in MORE else found
    return found


def spoilers(ask: Prediction, text: str) -> list[str]:
    """Numbers of the text that are the measured one, as precisely as they are printed, with the words around them."""
    wanted, found = forms(ask, ask.reference()), []
    for match in NUMBER.finditer(text):
        number = match[1].rstrip(",").replace(",", "")
        half = 0.5 * 10 ** -len(number.partition(".")[2])
        this = kind(match[2] or "", match[3] or "")
        if this == "" and "." not in number:
            continue  # counts and list numbers; a share has decimals
        if any(this == form and low - half < float(number) < high + half for form, low, high in wanted):
            found.append(" ".join(text[max(0, match.start() - 60) : match.end() + 40].split()))
    return found


@pytest.mark.parametrize("stem", PAGES)
def test_no_prediction_is_spoilt(stem):
    exercises = importlib.import_module(f"mobilellm_lab.{stem}.exercises")
    places = seen_before(stem)
    found = {
        (ask.name, where): numbers
        for ask in exercises.PREDICTIONS
        for where, text in places.items()
        if (numbers := spoilers(ask, text))
    }
    assert not found, "\n".join(f"{name}, {where}: {numbers}" for (name, where), numbers in found.items())


@pytest.mark.parametrize(
    ("unit", "spread", "text"),
    [
        ("times", (5.1, 5.4, 5.9), "The deep one is **5.4 times** slower."),
        ("times", (5.1, 5.4, 5.9), "It is {glue:text}`known` times slower."),
        ("times", (5.1, 5.4, 5.9), "It reaches 0.19 times the speed."),
        ("times", (0.10, 0.11, 0.12), "It writes 89 % fewer tokens."),
        ("times", (0.2, 20.0, 900.0), "It takes 19 times as long."),
        ("%", (62.0, 65.0, 70.0), "Two thirds, 66\u2060 % of it, come back."),
        ("", (0.41, 0.43, 0.47), "Its accuracy is 0.43."),
        ("", (0.41, 0.43, 0.47), "It is right in 43 % of the stories"),
    ],
)
def test_a_planted_spoiler_is_found(unit, spread, text):
    ask = asked(unit, spread)
    assert spoilers(ask, told(text, {"known": "5.4"}))


@pytest.mark.parametrize(
    "text",
    [
        "It has 5.4 GB.",
        "It is 7 times slower.",
        "5.4 nats",
        "5.4 times smaller",
        "5.",
        "[a](5.4)",
        "```\n5.4 times\n```",
    ],
)
def test_another_number_is_no_spoiler(text):
    assert not spoilers(asked("times", (5.1, 5.4, 5.9)), told(text, {}))


def test_a_planted_opening_is_read_with_its_answers(tmp_path, monkeypatch):
    page = tmp_path / "01_constraints.md"
    opening = ":::{admonition} The answer\n:class: lab-answer\n- **Do this.** {glue:text}`limits_bits` times.\n:::\n"
    page.write_text(f"# 1 · Constraints\n\n{opening}\n## 5.4 times as slow\n", encoding="utf-8")
    monkeypatch.setitem(PAGES, "constraints", page)
    places = seen_before("constraints")
    assert re.search(r"\d[\d.]* times", places["opening"])
    assert spoilers(asked("times", (5.1, 5.4, 5.9)), places["headings"])


def asked(unit: str, spread: tuple[float, float, float]) -> Prediction:
    low, median, high = spread
    stored = Measured(median=median, low=low, high=high, origin="rows", note="seeds")
    return Prediction(
        name="toy", question="?", unit=unit, low=0, high=100, step=1, reference=lambda: stored, explain="So."
    )
