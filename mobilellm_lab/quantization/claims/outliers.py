"""A few values that are far larger than the rest, and what helps against them: the rule behind each verdict."""

from itertools import product

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.quantization.study.sweep import FACTORS
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

GRIDS = {TENSOR: "matrix", CHANNEL: "rows"}  # group size -> what has a scale


def rows_survive(store: Store) -> Evidence:
    """Per model and size of the planted rows: does a scale per row lose less than one per matrix, and hardly more?

    All seeds below all of the other, and at most 0.01 nats above the same grid without planted rows. 4 bits. Holds if
    in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[(runs["bits"] == 4) & ~runs["rotate"]]
    answers, said = [], {}
    for name, model in NAMED.items():
        arms = runs[runs["model"] == model].groupby(["group_size", "factor"])[INCREASE]
        before = {grid: arms.get_group((size, 1)).median() for size, grid in GRIDS.items()}
        for factor in FACTORS:
            matrix, rows = (arms.get_group((size, factor)) for size in GRIDS)
            answers.append(apart(matrix, rows) and bool(rows.max() - before["rows"] <= LITTLE))
        said[name] = {grid: span(arms.get_group((size, FACTORS[0]))) for size, grid in GRIDS.items()}
        said[name] |= {f"{grid}_before": f"{increase:.3f}" for grid, increase in before.items()}
    stories, text = said.values()
    return Evidence(
        verdict=graded(answers),
        finding=f"In 4 bits, with four rows of every query head {FACTORS[0]} times as large, four of every key head "
        f"as much smaller, and the same answers in float: the loss rises by {stories['matrix']} nats with one scale "
        f"for the matrix and {stories['rows']} with one per row on stories, {text['matrix']} and {text['rows']} on "
        f"text. Before, it was {stories['matrix_before']} and {stories['rows_before']}, {text['matrix_before']} and "
        f"{text['rows_before']}.",
    )


ROWS_SURVIVE_OUTLIERS = Claim(
    name="rows-survive-outliers",
    said="A scale for each row survives the large weights that ruin one scale for the matrix.",
    source="common practice",
    verdict=Verdict.HOLDS,
    flips="if the large weights lay in a column: then every row would have one. Groups help there, or a rotation.",
    evidence=rows_survive,
    data=("quantization",),
)


def rotation_cures(store: Store) -> Evidence:
    """Per model, size of the planted channels and kind of range: does the rotation lower the loss by over 0.01 nats?

    All seeds below those without it, and so much by medians. Activations of 8 bits, weights in float; also where
    nothing was planted. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    flowing, weights = runs[runs["bits"] == 32], runs[(runs["bits"] == 4) & (runs["planted"] == "none")]
    wins, said = {}, {name: {} for name in NAMED}
    for (name, model), kind, factor in product(NAMED.items(), ("dynamic", "static"), (1, *FACTORS)):
        here = flowing[(flowing["model"] == model) & (flowing["activation"] == kind) & (flowing["factor"] == factor)]
        plain, turned = (here[here["rotate"] == rotate][INCREASE] for rotate in (False, True))
        wins[name, kind, factor] = apart(plain, turned) and bool(plain.median() - turned.median() > LITTLE)
        if factor == FACTORS[-1]:
            said[name] |= {kind: span(plain), f"{kind}_rotated": span(turned)}
    stories, text = said.values()
    planted, nothing = ([won for case, won in wins.items() if (case[2] > 1) is large] for large in (True, False))
    arm = {"model": NAMED["text"], "group_size": CHANNEL}
    rows = {rotate: one(weights, rotate=rotate, **arm)[INCREASE] for rotate in (False, True)}
    return Evidence(
        verdict=graded(wins.values()),
        finding=f"With four channels before each last matrix that are {FACTORS[-1]} times as large, activations of 8 "
        f"bits with static ranges cost {stories['static']} nats on stories, and turned {stories['static_rotated']}; "
        f"{text['static']} and {text['static_rotated']} on text. With a range per token it is {stories['dynamic']} "
        f"and {stories['dynamic_rotated']}, {text['dynamic']} and {text['dynamic_rotated']}. All seeds gain in "
        f"{sum(planted)} of {len(planted)} cases with outliers, and in {sum(nothing)} of {len(nothing)} without. "
        f"Weights in which nothing sticks out may even lose: per row in 4 bits, text costs {rows[False]:.3f} nats, "
        f"and turned {rows[True]:.3f}.",
    )


ROTATION_CURES_OUTLIERS = Claim(
    name="rotation-cures-outliers",
    said="Turning activations by a Hadamard matrix takes the outliers out of them.",
    source="QuaRot, arXiv 2404.00456",
    verdict=Verdict.HOLDS_WHEN,
    condition="there are outliers, and they hurt.",
    flips="to *does not hold* for a model of which nothing sticks out, such as ours before outliers are planted. "
    "Models of billions of parameters have them by themselves.",
    evidence=rotation_cures,
    data=("quantization",),
)


ROTATION_TO_FOUR_BITS = Claim(
    name="rotation-to-four-bits",
    said="With learned rotations even activations and cache can have 4 bits.",
    source="SpinQuant, arXiv 2405.16406",
    verdict=Verdict.ONLY_QUOTED,
    finding="LLaMA-2-7B with weights, activations and cache in 4 bits is 2.9 points below the model in 16 bits.",
    flips="if the gap were larger in small models, which have less to spare. We learn no rotations.",
)


CLAIMS = (ROWS_SURVIVE_OUTLIERS, ROTATION_CURES_OUTLIERS, ROTATION_TO_FOUR_BITS)
