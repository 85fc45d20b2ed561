"""Exercise: choice of a depth from measured quality and speed"""

from collections.abc import Callable

import pandas as pd

from mobilellm_lab.deep_narrow import arms
from mobilellm_lab.deep_narrow.study.evidence import reported, speeds
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.teaching.by_example import by_example
from mobilellm_lab.teaching.exercise import Wrong


def _choose_stub(rows, min_tokens_per_s):
    """The depth with the best median score among those fast enough; rows: depth, seed, score, tokens_per_s."""
    return ...  # your code


def _choose_solution(rows, min_tokens_per_s):
    """The depth with the best median score, at min_tokens_per_s or more."""
    fast = rows[rows["tokens_per_s"] >= min_tokens_per_s]
    return int(fast.groupby("depth")["score"].median().idxmax())


def _choose_alternative(rows, min_tokens_per_s):
    """The depth with the best median score, at min_tokens_per_s or more."""
    scores = {}
    for row in rows.itertuples():
        if row.tokens_per_s >= min_tokens_per_s:
            scores.setdefault(row.depth, []).append(row.score)
    middle = {depth: sorted(s)[len(s) // 2] for depth, s in scores.items()}
    return max(middle, key=middle.get)


def _by(statistic: str) -> Callable:
    def choose(rows: pd.DataFrame, limit: int | float):
        return rows[rows["tokens_per_s"] >= limit].groupby("depth")["score"].agg(statistic).idxmax()

    return choose


_MISTAKES = {
    "the best single seed": (
        _by("max"),
        "You took the depth with the best single run. A maximum over three seeds rewards luck: the depth whose seeds "
        "differ most wins it. Take the median.",
    ),
    "the mean": (
        _by("mean"),
        "You took the mean. One lucky seed of three moves it; the median stays where two of them are.",
    ),
    "the best worst seed": (
        _by("min"),
        "You compared the worst seeds. That is one run each, as lucky as the best one.",
    ),
    "ignores the speed": (
        lambda rows, limit: _by("median")(rows, 0),
        "You chose the best depth of all, and it is too slow. Leave out what is below `min_tokens_per_s` first.",
    ),
    "the fastest": (
        lambda rows, limit: rows["depth"][rows["tokens_per_s"].idxmax()],
        "You chose the fastest depth. Speed is a limit here: among those that keep it, the score decides.",
    ),
    "the deepest that is fast enough": (
        lambda rows, limit: rows[rows["tokens_per_s"] >= limit]["depth"].max(),
        "You took the deepest that is fast enough. More layers are not always better: compare the scores.",
    ),
    "strictly faster": (
        lambda rows, limit: _by("median")(rows, limit * (1 + 1e-9)),
        "A depth that reaches exactly `min_tokens_per_s` is fast enough: at least means `>=`.",
    ),
    "returns a score": (
        lambda rows, limit: rows[rows["tokens_per_s"] >= limit].groupby("depth")["score"].median().max(),
        "You returned the best median score. Return the depth that has it: `idxmax` instead of `max`.",
    ),
    "returns a row's label": (
        lambda rows, limit: rows[rows["tokens_per_s"] >= limit]["score"].idxmax(),
        "You returned the label of a row, not a depth. Group by depth first; then the labels are the depths.",
    ),
}


def _table(depths: dict[int, tuple[int, tuple[float, float, float]]]) -> pd.DataFrame:
    """Rows of made-up runs, from depth -> (tokens/s, scores of three seeds); in no order, labelled from 100 on."""
    rows = [(d, seed, scores[seed], speed) for seed in (2, 0, 1) for d, (speed, scores) in reversed(depths.items())]
    columns = ["depth", "seed", "score", "tokens_per_s"]
    return pd.DataFrame(rows, columns=columns, index=range(100, 100 + len(rows)))


# (table, minimum tokens/s): made so that every mistake above gives another answer at least once.
_MADE_UP = (
    (
        {
            1: (8000, (0.40, 0.41, 0.39)),
            2: (5000, (0.50, 0.48, 0.49)),
            4: (3000, (0.47, 0.70, 0.46)),
            8: (1500, (0.60, 0.61, 0.62)),
        },
        2500,
    ),
    (
        {
            2: (9000, (0.50, 0.20, 0.70)),
            3: (6000, (0.48, 0.50, 0.66)),
            6: (4000, (0.50, 0.51, 0.52)),
            9: (2000, (0.30, 0.35, 0.31)),
        },
        1000,
    ),
    ({1: (7000, (0.46, 0.44, 0.45)), 4: (2000, (0.40, 0.51, 0.50)), 5: (1900, (0.43, 0.42, 0.41))}, 2000),
)


def measured() -> pd.DataFrame:
    """depth, seed, score (accuracy on shells) and tokens_per_s of shapes of 60,000 parameters, from the stored sweeps.

    The speeds are those of the decoding sweep, whose shapes are not the trained ones. They have the same depths and
    budget, but a larger vocabulary, which leaves fewer parameters for the layers.
    """
    plan = [arm for arm in arms() if (arm.study, arm.recipe.task, arm.recipe.budget) == ("depth", "shells", 60_000)]
    timed = speeds(open_sweep("deep_narrow_cost")).query("budget == 60_000").set_index("depth")["p50"]
    runs = reported(open_sweep("deep_narrow"), [arm for arm in plan if arm.recipe.depth in timed])
    return runs[["depth", "seed", "score"]].assign(tokens_per_s=runs["depth"].map(timed))


def _cases():
    real = measured()
    limit = float(real[real["depth"] == 4]["tokens_per_s"].iloc[0])
    return [*((_table(depths), limit) for depths, limit in _MADE_UP), (real, limit)]


def _describe(found, right, rows, limit):
    medians = rows.groupby("depth").agg({"score": "median", "tokens_per_s": "first"})
    listed = "; ".join(f"depth {d}: {row.score:.2f} at {row.tokens_per_s:,.0f}" for d, row in medians.iterrows())
    return Wrong(
        "another depth",
        f"You chose {found:g} where {right:g} is right, with at least {limit:,.0f} tokens/s. Median score and "
        f"tokens/s: {listed}.",
    )


def _lesson(answer, found):
    rows, limit = _cases()[-1]
    return (
        f"Of the measured shapes of 60,000 parameters with at least {limit:,.0f} tokens/s you take {found[-1]:g} "
        f"layers; without a limit it would be {_choose_solution(rows, 0)}. The timed shapes have a larger vocabulary "
        "than the trained ones, so their layers are a little smaller."
    )


CHOOSE = by_example(
    name="choose",
    title="Choose a depth",
    task="""
A device must decode at a minimum speed, and every depth has been trained with three seeds. Write
`choose(rows, min_tokens_per_s)`. It returns the **depth with the highest median score over its seeds, among the depths
that decode at least `min_tokens_per_s`**.

`rows` is a pandas DataFrame, one row per run, with the columns `depth`, `seed`, `score` and `tokens_per_s`. A higher
score is better, and all rows of one depth have the same speed. At least one depth is fast enough, and no two medians
tie.
""".strip(),
    answer="choose",
    stub=_choose_stub,
    solution=_choose_solution,
    alternative=_choose_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Two steps: leave out the depths that are too slow, then compare one number per depth. Which number does "
        "one lucky seed not move?",
        '`rows[rows["tokens_per_s"] >= min_tokens_per_s]` keeps what is fast enough. `groupby("depth")` gathers the '
        "seeds.",
        '`fast.groupby("depth")["score"].median()` is a Series whose labels are the depths; `.idxmax()` gives the '
        "label of "
        "the largest.",
    ),
    cases=_cases,
    describe=_describe,
    lesson=_lesson,
)
