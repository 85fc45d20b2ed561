"""A quiz has one right option per question and a reason for every one."""

import pytest

from mobilellm_lab.teaching import Option, Question, Quiz
from mobilellm_lab.teaching.quiz import read_quiz

GOOD = (
    Option(text="four", reason="2 + 2 = 4.", right=True),
    Option(text="five", reason="One too many."),
    Option(text="`22`", reason="That joins *digits*."),
)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Option(text="", reason="r"), "text='' in option"),
        (lambda: Option(text="a", reason=" "), "reason='' in option 'a'"),
        (lambda: Question(text=" ", options=GOOD), "ask something"),
        (lambda: Question(text="2 + 2?", options=GOOD[:2]), "2 options in '2 \\+ 2\\?': give three to five"),
        (lambda: Question(text="2 + 2?", options=GOOD * 2), "6 options"),
        (lambda: Question(text="2 + 2?", options=(*GOOD[1:], Option(text="6", reason="no"))), "0 right options"),
        (
            lambda: Question(text="2 + 2?", options=(*GOOD, Option(text="IV", reason="Rome", right=True))),
            "2 right options",
        ),
        (lambda: Question(text="2 + 2?", options=(*GOOD, Option(text="five", reason="other"))), "a text stands twice"),
        (
            lambda: Question(text="2 + 2?", options=(*GOOD, Option(text="six", reason="One too many."))),
            "a reason stands twice",
        ),
        (lambda: Quiz(name="q", questions=()), "no questions in quiz 'q'"),
    ],
)
def test_an_unfinished_quiz_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_html_holds_every_option_and_reason_without_a_script_too():
    quiz = Quiz(name="sums", questions=(Question(text="2 + 2?", options=GOOD),))
    html = quiz._repr_html_()
    assert html.count('type="radio"') == html.count(">Reason</summary>") == 3
    assert html.count("data-right>") == html.count("<strong>Right.</strong>") == 1
    assert html.count("<strong>Not right.</strong>") == 2
    assert "That joins <em>digits</em>." in html
    assert "<legend>1. 2 + 2?</legend>" in html
    assert "   - `22`" in repr(quiz)


def test_the_version_changes_with_any_text():
    quiz = Quiz(name="sums", questions=(Question(text="2 + 2?", options=GOOD),))
    other = Quiz(name="sums", questions=(Question(text="2 + 2 ?", options=GOOD),))
    assert quiz.version == Quiz(name="sums", questions=quiz.questions).version
    assert quiz.version != other.version
    assert f'data-version="{quiz.version}"' in quiz._repr_html_()


FILE = """# A quiz of sums

## Two and two

2 + 2 is
what?

- [x] four

  2 + 2 = 4.
- [ ] five

  One too many.

- [ ] `22`

  That joins
  *digits*.
"""


def read(tmp_path, text: str) -> Quiz:
    path = tmp_path / "quiz.md"
    path.write_text(text, encoding="utf-8")
    return read_quiz(path, name="sums")


def test_a_file_holds_a_quiz(tmp_path):
    assert read(tmp_path, FILE) == Quiz(name="sums", questions=(Question(text="2 + 2 is what?", options=GOOD),))
    more = read(tmp_path, FILE + FILE.removeprefix("# A quiz of sums").replace("is", "makes"))
    assert [question.text for question in more.questions] == ["2 + 2 is what?", "2 + 2 makes what?"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# A quiz of sums\n", "", "line 2: '## Two and two' cannot follow the start; begin with `# title`"),
        ("## Two and two\n", "", "line 4: '2 \\+ 2 is what\\?' cannot follow the title; start a question"),
        ("2 + 2 is\nwhat?\n", "", "line 6: .* cannot follow the label; ask the question in a paragraph"),
        ("what?", "what?\n\nTell me.", "line 8: 'Tell me.' cannot follow the text; give an option"),
        ("- [x] four", "- four", "line 8: '- four' cannot follow the text; give an option"),
        ("  2 + 2 = 4.\n", "", "line 10: .* cannot follow the option; give its reason: .* indented by two spaces"),
        ("  2 + 2 = 4.", "2 + 2 = 4.", "line 10: '2 \\+ 2 = 4.' cannot follow the option; give its reason"),
        ("- [ ] `22`", "- `22`", "line 15: '- `22`' cannot follow the reason; give another option"),
        ("- [ ] five", "  - [ ] five", "line 11: .* cannot follow the reason; give another option"),
        ("\n\n  That joins\n  *digits*.\n", "", "line 15: 'end' cannot follow the option; give its reason"),
        ("[x]", "[ ]", "line 5: 0 right options in '2 \\+ 2 is what\\?': mark exactly one"),
        ("five", "four", "line 5: a text stands twice"),
        (FILE, "", "line 1: 'end' cannot follow the start; begin with `# title`"),
    ],
)
def test_a_file_that_is_no_quiz_is_refused_with_its_line(tmp_path, old, new, words):
    assert old in FILE
    with pytest.raises(ValueError, match=f"quiz.md, {words}"):
        read(tmp_path, FILE.replace(old, new))
