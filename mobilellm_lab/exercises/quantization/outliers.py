"""A few values that are far larger than the rest, and what helps against them: the rule behind each verdict."""

from mobilellm_lab.exercises.claim import Evidence
from mobilellm_lab.exercises.quantization.stored import LITTLE, NAMED, span
from mobilellm_lab.exercises.rules import apart, graded
from mobilellm_lab.quantization import evidence
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.sweep import FACTORS
from mobilellm_lab.sweeps import Store


def rows_survive(store: Store) -> Evidence:
    """Per model and size of the planted weights: do rows lose less than the matrix, and hardly more than before?

    All seeds with a scale per row below all with one per matrix, and at most 0.01 nats above the same grid without
    planted weights. 4 bits. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[(runs["bits"] == 4) & ~runs["rotate"]]
    answers, numbers = [], {}
    for name, model in NAMED.items():
        of = {g: runs[(runs["model"] == model) & (runs["group_size"] == g)] for g in (TENSOR, CHANNEL)}
        before = {g: float(frame[frame["planted"] == "none"]["rise_nats"].median()) for g, frame in of.items()}
        for factor in FACTORS:
            rises = {g: frame[frame["factor"] == factor]["rise_nats"] for g, frame in of.items()}
            worst = float(rises[CHANNEL].max()) - before[CHANNEL]
            answers.append(apart(rises[TENSOR], rises[CHANNEL]) and worst <= LITTLE)
        numbers |= {f"{name}_matrix": span(rises[TENSOR]), f"{name}_rows": span(rises[CHANNEL])}
        numbers |= {f"{name}_matrix_before": f"{before[TENSOR]:.3f}", f"{name}_rows_before": f"{before[CHANNEL]:.3f}"}
    return Evidence(verdict=graded(answers), numbers=numbers | {"factor": str(FACTORS[-1])})


def rotation_cures(store: Store) -> Evidence:
    """Per model, size of the planted channels and kind of range: does the rotation lower the loss by over 0.01 nats?

    All seeds below those without it, and so much by medians. Activations of 8 bits, weights in float; also where
    nothing was planted. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[runs["bits"] == 32]
    wins, numbers = {}, {}
    for name, model in NAMED.items():
        for kind in ("dynamic", "static"):
            for factor in (1, *FACTORS):
                here = runs[(runs["model"] == model) & (runs["activation"] == kind) & (runs["factor"] == factor)]
                plain, turned = (here[here["rotate"] == rotate]["rise_nats"] for rotate in (False, True))
                gain = float(plain.median() - turned.median())
                wins[name, kind, factor] = apart(plain, turned) and gain > LITTLE
                if factor == FACTORS[-1]:
                    numbers |= {f"{name}_{kind}": span(plain), f"{name}_{kind}_rotated": span(turned)}
    planted = {case: won for case, won in wins.items() if case[2] > 1}
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers
        | {"factor": str(FACTORS[-1]), "wins": str(sum(planted.values())), "cases": str(len(planted))}
        | {"plain": str(sum(wins.values()) - sum(planted.values()))},
    )
