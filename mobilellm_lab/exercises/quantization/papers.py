"""What papers say of few bits, held against our four small models: the rule behind each verdict."""

import math

import pandas as pd

from mobilellm_lab.exercises.claim import Evidence, Verdict
from mobilellm_lab.exercises.quantization.stored import DEEP, LITTLE, in_parts, one, rounded, seeds, span
from mobilellm_lab.exercises.rules import apart, graded
from mobilellm_lab.quantization import evidence
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.sweep import FACTORS
from mobilellm_lab.reference import MODELS
from mobilellm_lab.sweeps import Store

REFERENCE = ("stories-deep", "stories-wide", "text-deep", "text-wide")
DOUBLED = math.log(2)  # a rise of the loss that doubles the perplexity: the model has collapsed
LOW = (2, 1.58, 1)  # bits at which rounding is in trouble


def collapses(store: Store) -> Evidence:
    """Per model: does rounding to nearest at three values a weight at least double the perplexity, in every part?

    Groups of 32. Holds if in both models, does not hold if in none.
    """
    runs = evidence.runs(store, "low")
    ternary = {model: one(runs, model=model, method="rtn", bits=1.58) for model in DEEP}
    return Evidence(
        verdict=graded(run["rise_low_nats"] > DOUBLED for run in ternary.values()),
        numbers={
            name: f"{math.exp(ternary[model]['rise_nats']):.1f}"
            for name, model in zip(("stories", "text"), DEEP, strict=True)
        },
    )


def trained_survives(store: Store, qat_store: Store) -> Evidence:
    """Per model and bits (2, 1.58, 1): is the worst seed trained with the grid below half of what rounding loses?

    Losses above the untrained float model's. Holds if in every case, does not hold if in none.
    """
    answers, numbers = [], {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        table = evidence.crossover(store, qat_store, model)
        for bits in LOW:
            row = one(table, bits=bits)
            half = row["float_nats"] + (row["ptq rtn median"] - row["float_nats"]) / 2
            answers.append(row["qat max"] < half)
            numbers |= {
                f"{name}_rtn_{bits}": f"{row['ptq rtn median'] - row['float_nats']:.2f}",
                f"{name}_qat_{bits}": f"{row['qat median'] - row['float_nats']:.2f}",
            }
    return Evidence(verdict=graded(answers), numbers={key.replace(".", "_"): value for key, value in numbers.items()})


def compensates(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of GPTQ lose less than rounding to nearest?

    Grids: a scale per matrix, per row, per 32 and per 16 neighbours. Holds if in every case, does not hold if in none.
    """
    return _against_nearest(store, "gptq")


def scales(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of AWQ lose less than rounding to nearest?

    Grids: a scale per matrix, per row, per 32 and per 16 neighbours. Holds if in every case, does not hold if in none.
    """
    return _against_nearest(store, "awq")


def _against_nearest(store: Store, method: str) -> Evidence:
    runs = evidence.runs(store, "grid")
    runs, wins, numbers = runs[runs["symmetric"] & (runs["bits"] == 3)], {}, {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        for group_size in (TENSOR, CHANNEL, 32, 16):
            nearest = one(runs, model=model, method="rtn", group_size=group_size)
            better = seeds(runs, model=model, method=method, group_size=group_size)
            wins[model, group_size] = bool(better.max() < nearest["rise_nats"])
            if group_size in (CHANNEL, 32):
                place = "rows" if group_size == CHANNEL else "groups"
                numbers |= {f"{name}_{place}": span(better), f"{name}_{place}_rtn": f"{nearest['rise_nats']:.3f}"}
    return Evidence(
        verdict=graded(wins.values()), numbers={"wins": str(sum(wins.values())), "cases": str(len(wins)), **numbers}
    )


def mixed_is_better(store: Store) -> Evidence:
    """Per model, at the bytes of 3 and of 4 bits everywhere: is the loss lower with bits of its own for each matrix?

    Bits are assigned by what each matrix alone costs on validation data, and judged on the test. Holds if in every
    case, does not hold if in none.
    """
    frame, wins, numbers = evidence.mixed(store), [], {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        for budget in (3, 4):
            own, same = (one(frame, model=model, kind=kind, budget_bits=budget) for kind in ("mixed", "uniform"))
            wins.append(own["rise_nats"] < same["rise_nats"])
            numbers |= {f"{name}_mixed_{budget}": in_parts(own), f"{name}_uniform_{budget}": in_parts(same)}
    return Evidence(verdict=graded(wins), numbers=numbers)


def rows_survive(store: Store) -> Evidence:
    """Per model and size of the planted weights: are all seeds with a scale per row below all with one per matrix?

    And does a row's scale lose at most 0.01 nats more than without them? 4 bits. Holds if all answers are yes, does not
    hold if none is.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[(runs["bits"] == 4) & ~runs["rotate"]]
    answers, numbers = [], {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        of = {g: runs[(runs["model"] == model) & (runs["group_size"] == g)] for g in (TENSOR, CHANNEL)}
        before = {g: float(frame[frame["planted"] == "none"]["rise_nats"].median()) for g, frame in of.items()}
        for factor in FACTORS:
            rises = {g: frame[frame["factor"] == factor]["rise_nats"] for g, frame in of.items()}
            answers += [apart(rises[TENSOR], rises[CHANNEL]), bool(rises[CHANNEL].max() - before[CHANNEL] < LITTLE)]
        numbers |= {f"{name}_matrix": span(rises[TENSOR]), f"{name}_rows": span(rises[CHANNEL])}
        numbers |= {f"{name}_matrix_before": f"{before[TENSOR]:.3f}", f"{name}_rows_before": f"{before[CHANNEL]:.3f}"}
    return Evidence(verdict=graded(answers), numbers=numbers | {"factor": str(FACTORS[-1])})


def rotation_cures(store: Store) -> Evidence:
    """Per model, size of the planted channels and kind of range: are all seeds below those without a rotation?

    Activations of 8 bits, weights in float; also where nothing was planted. Holds if in every case, does not hold if in
    none.
    """
    runs = evidence.runs(store, "planted")
    runs = runs[runs["bits"] == 32]
    wins, numbers = {}, {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        for kind in ("dynamic", "static"):
            for factor in (1, *FACTORS):
                here = runs[(runs["model"] == model) & (runs["activation"] == kind) & (runs["factor"] == factor)]
                plain, turned = (here[here["rotate"] == rotate]["rise_nats"] for rotate in (False, True))
                wins[name, kind, factor] = apart(plain, turned)
                if factor == FACTORS[-1]:
                    numbers |= {f"{name}_{kind}": span(plain), f"{name}_{kind}_rotated": span(turned)}
    planted = {case: won for case, won in wins.items() if case[2] > 1}
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers
        | {"factor": str(FACTORS[-1]), "wins": str(sum(planted.values())), "cases": str(len(planted))}
        | {"plain": str(sum(wins.values()) - sum(planted.values()))},
    )


def eight_bits_of_cache(store: Store) -> Evidence:
    """The cache in 8 bits, per model: at most a third of the bytes, and no more than 0.01 nats above in any part?

    Holds if all answers are yes, does not hold if none is.
    """
    return _cache(store, 8, 3)


def four_bits_of_cache(store: Store) -> Evidence:
    """The cache in 4 bits, per model: at most a fifth of the bytes, and no more than 0.01 nats above in any part?

    Holds if all answers are yes, does not hold if none is.
    """
    return _cache(store, 4, 5)


def _cache(store: Store, bits: int, times: int) -> Evidence:
    runs, kept = evidence.runs(store, "kv"), evidence.kv_by_context(store)
    runs = runs[(runs["bits"] == 32) & (runs["kv_bits"] == bits)]
    answers, numbers, ratios = [], {}, []
    for model in REFERENCE:
        run, here = one(runs, model=model), kept[kept["model"] == model]
        longest = here["context"].max()
        few, full = (one(here, kv_bits=b, context=longest)["bytes"] for b in (bits, 32))
        answers += [times * few <= full, run["rise_high_nats"] <= LITTLE]
        ratios.append(full / few)
        numbers[model.replace("-", "_")] = in_parts(run)
    return Evidence(verdict=graded(answers), numbers=numbers | {"times": f"{min(ratios):.1f}"})


def deep_is_fragile(store: Store) -> Evidence:
    """At equal parameters: does the deep model's loss rise more than the wide one's, when both are rounded?

    Pairs of reference models at 3 and 2 bits, rounded to nearest, a scale per row and per 32; and on the shell game
    eight layers against two, all seeds apart. Holds if in every case, does not hold if in none.
    """
    pairs, shells = evidence.deep_and_wide(store), evidence.fragility(store)
    wins, numbers = {}, {}
    for task in ("stories", "text"):
        for bits in (3, 2):
            for group_size in (CHANNEL, 32):
                row = one(pairs, task=task, bits=bits, group_size=group_size, method="rtn")
                wins[task, bits, group_size] = bool(row["deep"] > row["wide"])
            numbers |= {f"{task}_deep_{bits}": f"{row['deep']:.3f}", f"{task}_wide_{bits}": f"{row['wide']:.3f}"}
    for bits in (3, 2):
        deep, shallow = (seeds(shells, depth=depth, bits=bits, group_size=32) for depth in (8, 2))
        wins["shells", bits, 32] = apart(deep, shallow)
        numbers |= {f"shells_deep_{bits}": span(deep), f"shells_wide_{bits}": span(shallow)}
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers
        | {"wins": str(sum(wins.values())), "cases": str(len(wins))}
        | {"deep": str(MODELS["stories-deep"].n_layers), "wide": str(MODELS["stories-wide"].n_layers)},
    )
