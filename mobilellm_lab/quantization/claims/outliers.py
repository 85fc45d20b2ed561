"""Injected outliers in weights and activations, and what helps against them"""

from itertools import product

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.quantization.study.sweep import FACTORS
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

GRIDS = {TENSOR: "tensor", CHANNEL: "channel"}  # group size -> what has a scale


def rows_survive(store: Store) -> Evidence:
    """Per model and size of the injected rows: does a grid per channel lose less than one per tensor, and hardly more?

    All seeds below all of the other, and at most 0.01 nats above the same grid without injected rows. 4 bits. Holds if
    in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[(runs["bits"] == 4) & ~runs["rotate"]]
    answers, said = [], {}
    for name, model in NAMED.items():
        arms = runs[runs["model"] == model].groupby(["group_size", "factor"])[INCREASE]
        before = {grid: arms.get_group((size, 1)).median() for size, grid in GRIDS.items()}
        for factor in FACTORS:
            tensor, channel = (arms.get_group((size, factor)) for size in GRIDS)
            answers.append(apart(tensor, channel) and bool(channel.max() - before["channel"] <= LITTLE))
        said[name] = {grid: span(arms.get_group((size, FACTORS[0]))) for size, grid in GRIDS.items()}
        said[name] |= {f"{grid}_before": f"{increase:.3f}" for grid, increase in before.items()}
    return Evidence(
        verdict=graded(answers),
        line="Per channel, injected rows cost less than 0.01 nats more; per tensor the model breaks",
        finding=f"Four rows of every query head are {FACTORS[0]} times as large, and four of every key head as much "
        "smaller. In float nothing changes. "
        + " ".join(
            f"In 4 bits on {name} that costs {cost['tensor']} nats per tensor. Per channel it costs {cost['channel']}. "
            f"Before, it was {cost['tensor_before']} and {cost['channel_before']}."
            for name, cost in said.items()
        ),
    )


ROWS_SURVIVE_OUTLIERS = Claim(
    name="rows-survive-outliers",
    said="A scale per channel survives the large rows that ruin one scale per tensor.",
    source="common practice",
    verdict=Verdict.HOLDS,
    flips="if the large weights lay in a column, since every row would have one. Groups help there, or a rotation.",
    evidence=rows_survive,
    data=("quantization",),
)


def rotation_cures(store: Store) -> Evidence:
    """Per model, size of the injected channels and kind of range: does rotation lower the loss by over 0.01 nats?

    All seeds below those without it, and so much by medians. Activations of 8 bits, weights in float; also where
    nothing was injected. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    flowing, weights = runs[runs["bits"] == 32], runs[(runs["bits"] == 4) & (runs["planted"] == "none")]
    wins, said = {}, {name: {} for name in NAMED}
    for (name, model), kind, factor in product(NAMED.items(), ("dynamic", "static"), (1, *FACTORS)):
        here = flowing[(flowing["model"] == model) & (flowing["activation"] == kind) & (flowing["factor"] == factor)]
        plain, rotated = (here[here["rotate"] == rotate][INCREASE] for rotate in (False, True))
        wins[name, kind, factor] = apart(plain, rotated) and bool(plain.median() - rotated.median() > LITTLE)
        if factor == FACTORS[-1]:
            said[name] |= {kind: span(plain), f"{kind}_rotated": span(rotated)}
    injected, nothing = ([won for case, won in wins.items() if (case[2] > 1) is large] for large in (True, False))
    arm = {"model": NAMED["text"], "group_size": CHANNEL}
    rows = {rotate: one(weights, rotate=rotate, **arm)[INCREASE] for rotate in (False, True)}
    return Evidence(
        verdict=graded(wins.values()),
        line=f"It helps in {sum(injected)} of {len(injected)} cases with outliers, and in {sum(nothing)} without",
        finding=f"All seeds gain in {sum(injected)} of {len(injected)} cases with outliers. Without, they gain in "
        f"{sum(nothing)} of {len(nothing)}. Below, four channels before each `down` are {FACTORS[-1]} times as large, "
        "activations have 8 bits, and costs are in nats. "
        + " ".join(
            f"{words} on {name} they cost {cost[kind]}. Rotated, they cost {cost[f'{kind}_rotated']}."
            for kind, words in {"static": "With static ranges", "dynamic": "With a range per token"}.items()
            for name, cost in said.items()
        )
        + " Weights without outliers may even lose. Per channel in 4 bits, text costs "
        f"{rows[False]:.3f} nats, and rotated {rows[True]:.3f}.",
    )


ROTATION_CURES_OUTLIERS = Claim(
    name="rotation-cures-outliers",
    said="Rotating activations by a Hadamard matrix takes the outliers out of them.",
    source="QuaRot, arXiv 2404.00456",
    verdict=Verdict.HOLDS_WHEN,
    condition="there are outliers, and they hurt.",
    flips="to *does not hold* for a model without outliers, such as ours before they are injected. Models of billions "
    "of parameters have them by themselves.",
    evidence=rotation_cures,
    data=("quantization",),
)
