"""A quiz has one right option per question and a reason for every one."""

import pytest

from mobilellm_lab.teaching import Option, Question, Quiz

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
