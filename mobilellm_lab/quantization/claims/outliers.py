"""A few values that are far larger than the rest, and what helps against them: the rule behind each verdict."""

from itertools import product

from mobilellm_lab.quantization.claims.stored import LITTLE, NAMED, one, span
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.sweep import FACTORS
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import apart, graded

GRIDS = {TENSOR: "matrix", CHANNEL: "rows"}  # group size -> what has a scale


def rows_survive(store: Store) -> Evidence:
    """Per model and size of the planted rows: does a scale per row lose less than one per matrix, and hardly more?

    All seeds below all of the other, and at most 0.01 nats above the same grid without planted rows. 4 bits. Holds if
    in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[(runs["bits"] == 4) & ~runs["rotate"]]
    answers, numbers = [], {}
    for name, model in NAMED.items():
        of = {group_size: runs[(runs["model"] == model) & (runs["group_size"] == group_size)] for group_size in GRIDS}
        before = {g: float(frame[frame["planted"] == "none"]["loss_increase_nats"].median()) for g, frame in of.items()}
        loss_increases = {
            (g, f): frame[frame["factor"] == f]["loss_increase_nats"] for g, frame in of.items() for f in FACTORS
        }
        for factor in FACTORS:
            matrix, rows = (loss_increases[group_size, factor] for group_size in GRIDS)
            answers.append(apart(matrix, rows) and bool(rows.max() - before[CHANNEL] <= LITTLE))
        numbers |= {f"{name}_{what}": span(loss_increases[g, FACTORS[0]]) for g, what in GRIDS.items()}
        numbers |= {f"{name}_{what}_before": f"{before[g]:.3f}" for g, what in GRIDS.items()}
    return Evidence(verdict=graded(answers), numbers=numbers | {"factor": str(FACTORS[0])})


def rotation_cures(store: Store) -> Evidence:
    """Per model, size of the planted channels and kind of range: does the rotation lower the loss by over 0.01 nats?

    All seeds below those without it, and so much by medians. Activations of 8 bits, weights in float; also where
    nothing was planted. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    flowing, weights = runs[runs["bits"] == 32], runs[(runs["bits"] == 4) & (runs["planted"] == "none")]
    wins, numbers = {}, {}
    for (name, model), kind, factor in product(NAMED.items(), ("dynamic", "static"), (1, *FACTORS)):
        here = flowing[(flowing["model"] == model) & (flowing["activation"] == kind) & (flowing["factor"] == factor)]
        plain, turned = (here[here["rotate"] == rotate]["loss_increase_nats"] for rotate in (False, True))
        wins[name, kind, factor] = apart(plain, turned) and bool(plain.median() - turned.median() > LITTLE)
        if factor == FACTORS[-1]:
            numbers |= {f"{name}_{kind}": span(plain), f"{name}_{kind}_rotated": span(turned)}
    planted = {case: won for case, won in wins.items() if case[2] > 1}
    rows = {
        rotate: one(weights, model=NAMED["text"], group_size=CHANNEL, rotate=rotate)["loss_increase_nats"]
        for rotate in (False, True)
    }
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers
        | {"factor": str(FACTORS[-1]), "wins": str(sum(planted.values())), "cases": str(len(planted))}
        | {"plain_wins": str(sum(wins.values()) - sum(planted.values())), "plain": str(len(wins) - len(planted))}
        | {"weights": f"{rows[False]:.3f}", "weights_rotated": f"{rows[True]:.3f}"},
    )
