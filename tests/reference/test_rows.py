"""The only row, the seeds of one arm, and spreads as they are printed."""

import pandas as pd
import pytest

from mobilellm_lab.reference.rows import one, seeds, spread

RUNS = pd.DataFrame({"model": ["a", "a", "b", "b"], "bits": [4, 3, 4, 4], "seed": [0, 0, 0, 1], "loss": [1, 2, 3, 4]})


def test_what_is_named_is_found():
    assert one(RUNS, model="a", bits=3)["loss"] == 2
    assert list(seeds(RUNS, "loss", model="b")) == [3, 4]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: seeds(RUNS, "loss", model="a"), r"{'model': 'a'}: 2 stored runs, which are not the seeds of one arm"),
        (lambda: seeds(RUNS, "loss", model="c"), "0 stored runs"),
        (lambda: one(RUNS, model="b"), "2 stored rows; name exactly one"),
        (lambda: one(RUNS, bits=7), r"{'bits': 7}: 0 stored rows"),
    ],
)
def test_what_is_not_one_arm_or_row_is_named(read, words):
    with pytest.raises(ValueError, match=words):
        read()


def test_a_spread_is_median_lowest_and_highest_without_a_negative_zero():
    assert spread(pd.Series([0.4737, 0.5031, 0.5579]), 3) == "0.503 (0.474 to 0.558)"
    assert spread(pd.Series([0.00004, -0.00002, -0.00026]), 4) == "0.0000 (-0.0003 to 0.0000)"
    assert spread(pd.Series([1, 2, 3]), "<{}>".format) == "<2.0> (<1> to <3>)"
