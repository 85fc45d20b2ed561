"""Claims on single weights: half of them removed, by magnitude, gradient, inputs, second order and comparison group"""

import math
from itertools import product

import pandas as pd

from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.pruning.study.sweep import AMOUNTS
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded


def half_is_idle(store: Store) -> Evidence:
    """Per model: do all calibration seeds of SparseGPT at 50 % per row stay within 0.01 nats of the dense model?

    Holds if they do for both models, does not hold if for none.
    """
    grid = evidence.runs(store, "grid")
    lost = {name: _seeds(grid, model, 0.5, "sparsegpt") for name, model in NAMED.items()}
    of_all = {
        name: one(grid, model=m, amount=0.5, importance="l1", compare="row")["of_all"] for name, m in NAMED.items()
    }
    return Evidence(
        verdict=graded(own.max() <= LITTLE for own in lost.values()),
        line=f"Half of them gone, stories lose {lost['stories'].median():.3f} nats, text {lost['text'].median():.3f}",
        finding="SparseGPT removes half of the weights of the blocks, which is "
        f"{100 * of_all['stories']:.0f} % of all weights on stories and {100 * of_all['text']:.0f} % on text. "
        + " ".join(f"On {name} that costs {span(own)} nats." for name, own in lost.items())
        + " In brackets stand the lowest and the highest of three calibrations.",
    )


HALF_IS_IDLE = Claim(
    name="half-is-idle",
    said="Half of a model's weights can be removed at once, without retraining, for almost nothing.",
    source="SparseGPT, arXiv 2301.00774, of models with billions of parameters",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model has weights to spare for its task, as ours of stories has.",
    flips="with the task. A model of this size that has learned English needs more of its weights.",
    evidence=half_is_idle,
    data=("pruning",),
)


def wanda_beats_magnitude(store: Store) -> Evidence:
    """Per model and calibration seed, at 50 % per row: is the loss with Wanda below that with magnitude?

    Holds if it is in all six cases, does not hold if in none.
    """
    grid = evidence.runs(store, "grid")
    wins, said = [], {}
    for name, model in NAMED.items():
        arms = {way: _seeds(grid, model, 0.5, way) for way in ("wanda", "l1")}
        wins += [bool(loss < arms["l1"].min()) for loss in arms["wanda"]]
        by_matrix = _seeds(grid, model, 0.5, "l1", "matrix").median()
        said[name] = {"wanda": span(arms["wanda"]), "l1": f"{arms['l1'].median():.3f}", "matrix": f"{by_matrix:.3f}"}
    return Evidence(
        verdict=graded(wins),
        line=f"At 50 % per row, the loss is below that of magnitude in {sum(wins)} of {len(wins)} cases",
        finding=f"Half of each output row removed, Wanda is better in {sum(wins)} of {len(wins)} cases. "
        + " ".join(
            f"On {name} it costs {lost['wanda']} nats. Magnitude costs {lost['l1']}, and {lost['matrix']} where all "
            "weights of a matrix compete."
            for name, lost in said.items()
        ),
    )


WANDA = Claim(
    name="wanda",
    said="Weighting magnitudes by the inputs that they meet tells better which weights are idle.",
    source="Wanda, arXiv 2306.11695",
    verdict=Verdict.HOLDS,
    flips="to *does not hold* if all inputs of a matrix were equally large. The more they differ, the more it gains.",
    evidence=wanda_beats_magnitude,
    data=("pruning",),
)


def gradient_beats_magnitude(store: Store) -> Evidence:
    """Per model and amount of single weights, per row: do all seeds of Taylor lie below magnitude?

    Holds if they do in every case, does not hold if in none.
    """
    grid = evidence.runs(store, "grid")
    wins = {
        (name, amount): apart(_seeds(grid, model, amount, "l1"), _seeds(grid, model, amount, "taylor"))
        for (name, model), amount in product(NAMED.items(), AMOUNTS)
    }
    said = " ".join(
        f"At 50 % on {name} Taylor costs {span(_seeds(grid, model, 0.5, 'taylor'))} nats. Magnitude costs "
        f"{_seeds(grid, model, 0.5, 'l1').median():.3f}."
        for name, model in NAMED.items()
    )
    return Evidence(
        verdict=graded(wins.values()),
        line=f"Taylor is better than magnitude in {sum(wins.values())} of {len(wins)} cases",
        finding=f"Single weights by the first-order cost of their removal, on 16 sequences, per row. Taylor is better "
        f"in {sum(wins.values())} of {len(wins)} cases. {said}",
    )


GRADIENT = Claim(
    name="gradient",
    said="The gradient of the loss tells better than magnitude which single weights are unimportant.",
    source="the article, section 3.2, which names both; Molchanov et al., arXiv 1906.10771, of neurons",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="for whole groups, whose first-order costs are summed with their signs. At the end of training a single "
    "weight's gradient is mostly noise of the sequences that it was taken on.",
    evidence=gradient_beats_magnitude,
    data=("pruning",),
)


def update_helps(store: Store) -> Evidence:
    """Per model and amount, per row: do all seeds of SparseGPT lie below all of Wanda?

    Holds if they do in every case, does not hold if in none.
    """
    grid = evidence.runs(store, "grid")
    wins, gains = {}, []
    for (name, model), amount in product(NAMED.items(), AMOUNTS):
        wanda, updated = (_seeds(grid, model, amount, way) for way in ("wanda", "sparsegpt"))
        wins[name, amount] = apart(wanda, updated)
        if wanda.median() > LITTLE:
            gains.append(updated.median() / wanda.median())
    least, most = (100 * end(gains, default=math.nan) for end in (min, max))
    return Evidence(
        verdict=graded(wins.values()),
        line=f"SparseGPT is better than Wanda in {sum(wins.values())} of {len(wins)} cases",
        finding=f"Two models at {len(AMOUNTS)} amounts, three calibrations each. SparseGPT is better beyond their "
        f"spread in {sum(wins.values())} of {len(wins)} cases. Where "
        f"Wanda costs over {LITTLE} nats, it leaves {least:.0f} to {most:.0f} % of that.",
    )


UPDATE = Claim(
    name="update",
    said="Correcting the weights that are kept beats every choice of weights alone.",
    source="SparseGPT, arXiv 2301.00774",
    verdict=Verdict.HOLDS,
    flips="if calibration were too small to tell how inputs vary together. Fine-tuning corrects the kept weights, too.",
    evidence=update_helps,
    data=("pruning",),
)


def rows_are_better(store: Store) -> Evidence:
    """Per model and amount, by Wanda: do all seeds per output row lie below all of those per matrix?

    Holds if they do in every case, does not hold if in none.
    """
    grid = evidence.runs(store, "grid")
    wins = {"wanda": [], "l1": []}
    for (way, won), model, amount in product(wins.items(), NAMED.values(), AMOUNTS):
        row, matrix = (_seeds(grid, model, amount, way, compare) for compare in ("row", "matrix"))
        won.append(apart(matrix, row))
    row, matrix = (_seeds(grid, NAMED["text"], 0.5, "wanda", compare) for compare in ("row", "matrix"))
    wanda, magnitude = (f"{sum(own)} of {len(own)} cases" for own in wins.values())
    return Evidence(
        verdict=graded(wins["wanda"]),
        line=f"By Wanda, per output row is better than per matrix in {wanda}",
        finding=f"By Wanda, comparing weights within an output row is better in {wanda}. At 50 % on text it costs "
        f"{span(row)} nats. Per matrix it costs {span(matrix)}. By magnitude, measured once, it is better in "
        f"{magnitude}.",
    )


BY_ROW = Claim(
    name="by-row",
    said="Weights should compete with those of the same output, not with all of their matrix.",
    source="Wanda, arXiv 2306.11695, of LLaMA",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with the model, so try both. It costs one evaluation.",
    evidence=rows_are_better,
    data=("pruning",),
)


def _seeds(grid: pd.DataFrame, model: str, amount: float, importance: str, compare: str = "row") -> pd.Series:
    return seeds(grid, INCREASE, model=model, amount=amount, importance=importance, compare=compare)
