"""Beliefs are judged by the numbers of a run, and all of them."""

import pytest

from mobilellm_lab.teaching.beliefs import Belief, Beliefs


def fast(shallow, deep):
    return deep > shallow, f"Deep takes {deep}, shallow {shallow}."


def good(score):
    return score > 0.5, f"Its score is {score}."


FAST = Belief(text="Deep is *fast*.", section=2, rule=fast)
GOOD = Belief(text="Deep is good.", section=3, rule=good)
BOTH = Beliefs("toy", (FAST, GOOD))


def test_a_run_judges_each_belief():
    judged = BOTH.judge(good=(0.7,), fast=(4, 2))
    assert judged.wrong == {"fast"}
    assert BOTH.judge(good=(0.1,), fast=(2, 4)).wrong == {"good"}
    assert repr(judged).splitlines() == [
        "Wrong here: Deep is *fast*. Deep takes 2, shallow 4. (section 2)",
        "Holds here: Deep is good. Its score is 0.7. (section 3)",
    ]
    html = judged._repr_html_()
    assert html.index("Wrong here") < html.index("Deep takes 2, shallow 4.") < html.index("Holds here")
    assert html.count("<em>fast</em>") == 1 and "(section 3)" in html


def test_a_list_to_tick_has_every_sentence_and_no_verdict():
    assert repr(BOTH) == "- Deep is *fast*.\n- Deep is good."
    html = BOTH._repr_html_()
    assert html.count('type="checkbox"') == 2 and "score" not in html.partition("<ul")[2].partition("</ul>")[0]


@pytest.mark.parametrize("numbers", [{"fast": (1, 2)}, {"fast": (1, 2), "good": (1,), "small": (1,)}])
def test_numbers_belong_to_the_beliefs(numbers):
    with pytest.raises(ValueError, match=r"\['(good|small)'\] are missing or unknown: give them for fast, good"):
        BOTH.judge(**numbers)


def test_names_do_not_repeat():
    with pytest.raises(ValueError, match=r"beliefs named twice: \['good'\]"):
        Beliefs("toy", (GOOD, FAST, GOOD))
