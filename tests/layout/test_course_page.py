"""Every chapter opens with its answer and ends in its recipe; the course's page joins the recipes."""

import importlib
import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.md"))
COURSE = (ROOT / "book" / "make_it_fast.md").read_text(encoding="utf-8")
START, END = "<!-- recipe -->", "<!-- end of recipe -->"
INCLUDE = re.compile(r'```\{include\} (\S+)\n:start-after: "(.*?)"\n:end-before: "(.*?)"\n```')


def answers(chapter: Path) -> dict[str, str]:
    return importlib.import_module(f"mobilellm_lab.{chapter.stem[3:]}.study.evidence").answers()


def recipe(text: str) -> str:
    """What stands between the two lines that the course's page includes by."""
    (found,) = re.findall(f"^{START}\n(.*?)^{END}$", text, flags=re.DOTALL | re.MULTILINE)
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_its_number_one_opening_and_one_recipe(chapter):
    text = chapter.read_text(encoding="utf-8")
    number = int(chapter.stem[:2])
    assert re.search(rf"^# {number} · \S.*\n\n\{{\.lab-subtitle\}}\n\S.*\?$", text, flags=re.MULTILINE)
    assert text.count(":class: lab-answer") == text.count(":class: lab-recipe") == 1
    first, last = text.index(":class: lab-answer"), text.index(":class: lab-recipe")
    assert first < text.index("\n## ") < last < text.index("\n## Sources")
    assert ":class: lab-recipe" in recipe(text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_recipe_can_stand_on_another_page(chapter):
    """Its numbers are those that `answers` gives, and its links name their page."""
    box = recipe(chapter.read_text(encoding="utf-8"))
    assert set(re.findall(r"\{glue:text\}`(\w+)`", box)) <= set(answers(chapter))
    assert "](#" not in box


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_an_opening_shows_only_what_answers_gives(chapter):
    text = chapter.read_text(encoding="utf-8")
    box = text[text.index(":class: lab-answer") :].partition("\n:::")[0]
    shown = set(re.findall(r"\{glue:text\}`(\w+)`", box))
    assert shown and shown <= set(answers(chapter))


def test_names_of_answers_are_unique():
    names = list(chain.from_iterable(map(answers, CHAPTERS)))
    assert len(names) == len(set(names))
    assert all(text and isinstance(text, str) for chapter in CHAPTERS for text in answers(chapter).values())


def test_the_courses_page_includes_every_recipe_in_order():
    assert INCLUDE.findall(COURSE) == [(path.name, START, END) for path in CHAPTERS]
    stems = re.findall(r'"(\w+)"', re.search(r"^for chapter in \((.*?)\):", COURSE, flags=re.MULTILINE)[1])
    assert stems == [path.stem[3:] for path in CHAPTERS]


def test_the_courses_page_shows_only_what_it_glues():
    given = set(chain.from_iterable(map(answers, CHAPTERS)))
    own = set(re.findall(r'^ {8}"(\w+)":', COURSE, flags=re.MULTILINE))
    for stem in re.findall(r'say\(f"(\w+)_\{end\}"', COURSE):
        own |= {f"{stem}_low", f"{stem}_high"}
    shown = set(re.findall(r"\{glue:text\}`(\w+)`", COURSE))
    assert own <= shown <= own | given


def test_the_courses_page_stands_first_and_the_first_page_leads_to_it():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert re.findall(r"- file: (\S+)", toc)[0] == "book/make_it_fast"
    assert "(make_it_fast.md)" in (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
