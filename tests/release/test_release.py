"""The release check says what it did not check, and never calls that passed. (It tests itself in each browser.)"""

import sys

import pytest

from release import programs
from release.__main__ import FAULTY, Row, main, pages, verdict
from release.copied import copy, with_ears
from release.pages import Found
from release.window import NotDriven


def row(browser: str, *, passed: bool) -> Row:
    return Row(browser=browser, page="index.html", screen="390 px, served", result="", passed=passed)


@pytest.mark.parametrize(
    ("rows", "not_driven", "status"),
    [
        ([row("Firefox 1", passed=True), row("WebKit 2", passed=True)], {}, 0),
        ([row("Firefox 1", passed=True)], {"WebKit": "there is no driver"}, 0),
        ([row("Firefox 1", passed=True), row("WebKit 2", passed=False)], {}, 1),
        ([row("Firefox 1", passed=False), row("Firefox 1", passed=True)], {"WebKit": "there is no driver"}, 1),
        ([], {"Firefox": "there is none", "WebKit": "there is no driver"}, 2),
    ],
)
def test_the_exit_status_and_the_last_lines(rows, not_driven, status):
    lines, found = verdict(rows, not_driven)
    assert found == status
    assert len(lines) == 2
    for name, why in not_driven.items():
        assert f"{name}: NOT CHECKED: {why}" in lines


def test_a_missing_program_is_named_with_what_to_type(monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    with pytest.raises(NotDriven, match="no firefox-esr here.* apt-get install firefox-esr"):
        programs.find_or_install("firefox-esr", "firefox", package="firefox-esr")


def test_a_program_that_ends_is_quoted(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no screen')"]
    with pytest.raises(NotDriven, match="ended at once: no screen"):
        with programs.running(command, lambda: False, folder=tmp_path):
            pass


def test_a_folder_without_website_is_no_success(tmp_path, capsys):
    assert main(tmp_path) == 2
    assert "make site" in capsys.readouterr().out


def test_every_page_is_visited_and_listens(tmp_path):
    site = tmp_path / "site"
    for name in ("index.html", "search.html", "book/intro.html", "_static/part.html", FAULTY):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("<html><head><title>x</title></head></html>")
    copied = copy(site, tmp_path)
    assert pages(copied, served=True) == ["book/intro.html", "index.html", "search.html?q=model"]
    assert pages(copied, served=False) == ["book/intro.html", "index.html", "search.html"]
    assert "releaseSeen" in (copied / "book" / "intro.html").read_text()
    assert "releaseSeen" not in (site / "book" / "intro.html").read_text()


def test_ears_come_first():
    for html in ("<head lang=en><script>", "<meta http-equiv=Refresh><script>"):
        assert with_ears(html).index("releaseSeen") < with_ears(html).rindex("<script>")
    assert "<header>" not in with_ears("<header>").split("<meta")[0]


def test_a_website_without_sliders_is_no_success():
    total = Found()
    total += Found(answers=3)
    assert total.nothing() == "slider, prediction"
