"""What the article promises of quantization: the rule that turns stored runs and formulas into each verdict."""

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.exercises.claim import Evidence
from mobilellm_lab.exercises.quantization.stored import (
    DEEP,
    LITTLE,
    in_parts,
    one,
    rounded,
    seeds,
    share_of_training,
    span,
    speeds,
)
from mobilellm_lab.exercises.rules import apart, graded
from mobilellm_lab.quantization import evidence
from mobilellm_lab.quantization.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

INT8 = ("torch.ao int8 dynamic", "torchao int8 dynamic", "torchao int8 weight-only")
BATCH_SIZE = 16  # sequences of an update of the sweep `quantization_qat`


def smaller(store: Store) -> Evidence:
    """Per int8 backend, at 125M parameters: is the written file a quarter of the float32 one, within 10 %?

    Holds if it is with every backend, does not hold if with none.
    """
    rows = speeds(store)
    at = {
        name: one(rows, backend=name, size="125M")
        for name in (*INT8, "torchao int4 (one per byte)", "packed 4-bit (ours)")
    }
    gemma = footprint.parameters_by_part(zoo.SHAPES["Gemma 3 270M"].config)
    table, whole = gemma["embedding"], sum(gemma.values())
    times = {name: row["float_file_bytes"] / row["file_bytes"] for name, row in at.items()}
    return Evidence(
        verdict=graded(4 * at[name]["file_bytes"] <= 1.1 * at[name]["float_file_bytes"] for name in INT8),
        numbers={
            "linears": f"{times[INT8[0]]:.2f}",
            "all": f"{times[INT8[1]]:.2f}",
            "share": f"{100 * footprint.parameters_by_part(zoo.SHAPES['MobileLLM-125M'].config)['embedding'] / footprint.parameters(zoo.SHAPES['MobileLLM-125M'].config):.0f}",
            "gemma": f"{4 * whole / (whole + 4 * table):.1f}",  # the head in int8, the table once more in float32
            "unpacked": f"{times['torchao int4 (one per byte)']:.2f}",
            "packed": f"{times['packed 4-bit (ours)']:.2f}",
        },
    )


def faster(store: Store) -> Evidence:
    """Per int8 backend and size: is decoding faster than float32, the whole interval of the paired ratio above 1?

    Holds if it is with every backend at every size, does not hold if with none at any.
    """
    rows = speeds(store)
    rows = rows[rows["backend"].isin(INT8)]
    faster = rows["speedup_low"] > 1
    sizes = list(dict.fromkeys(rows["size"]))
    best = rows.loc[rows["speedup"].idxmax()]
    small, large = (rows[rows["size"] == size] for size in (sizes[0], sizes[-1]))
    return Evidence(
        verdict=graded(faster),
        numbers={
            "wins": str(int(faster.sum())),
            "cases": str(len(rows)),
            "small": sizes[0],
            "large": sizes[-1],
            "small_least": f"{small['speedup'].min():.2f}",
            "small_most": f"{small['speedup'].max():.2f}",
            "large_least": f"{large['speedup'].min():.2f}",
            "large_most": f"{large['speedup'].max():.2f}",
            "best": str(best["backend"]),
            "best_size": str(best["size"]),
            "best_speedup": _interval(best),
            "more": f"{one(rows, backend=INT8[1], size=sizes[0])['operations'] / one(rows, backend=INT8[1], size=sizes[0])['float_operations']:.1f}",
            "machine": ", ".join(origin(store).machines),
        },
    )


def may_cost_accuracy(store: Store) -> Evidence:
    """Per model and bits: does rounding to nearest raise the loss by over 0.01 nats in every part of the test?

    Weights in groups of 32, two models, 8, 6, 4, 3 and 2 bits, four parts. Holds if it does in all cases, does not hold
    if in none.
    """
    found = {bits: rounded(store, bits) for bits in (8, 6, 4, 3, 2)}
    return Evidence(
        verdict=graded(run["rise_low_nats"] > LITTLE for models in found.values() for run in models.values()),
        numbers={
            f"{name}_{bits}": in_parts(found[bits][model])
            for name, model in zip(("stories", "text"), DEEP, strict=True)
            for bits in (8, 4, 3, 2)
        },
    )


def trained_is_better(store: Store) -> Evidence:
    """Per model and bits, after equally many updates: do all seeds trained with the grid lie below all others?

    The others are trained in float and then rounded, to nearest or by GPTQ. Each at its own best rate. Holds if they
    do in every case, does not hold if in none.
    """
    runs = evidence.qat(store)
    wins = {}
    for model in DEEP:
        for bits in TRAINED_BITS:
            trained = seeds(runs, "loss_nats", model=model, arm="qat", bits=bits)
            others = [
                seeds(runs, "loss_nats", model=model, arm=f"float then {how}", bits=bits) for how in ("rtn", "gptq")
            ]
            wins[model, bits] = all(apart(other, trained) for other in others)
    return Evidence(
        verdict=graded(wins.values()),
        numbers={
            "wins": str(sum(wins.values())),
            "cases": str(len(wins)),
            "from": f"{max((bits for bits in TRAINED_BITS if all(wins[m, b] for m in DEEP for b in TRAINED_BITS if b <= bits)), default=0):g}",
            **{
                f"{name}_{key}_{bits}": span(seeds(runs, "rise_nats", model=model, arm=arm, bits=bits))
                for name, model in zip(("stories", "text"), DEEP, strict=True)
                for key, arm in (("qat", "qat"), ("gptq", "float then gptq"))
                for bits in (4, 2)
            },
        },
    )


def trained_costs_more(store: Store, qat_store: Store) -> Evidence:
    """Per model at 2 bits: does it take more updates than rounding, and more than a tenth of the model's own training?

    Rounding takes none. The second is judged by whether so few updates win back half of what rounding loses. Holds if
    all answers are yes, does not hold if none is.
    """
    answers, numbers = [], {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        row = one(evidence.crossover(store, qat_store, model), bits=2)
        runs = evidence.qat(qat_store)
        steps = int(seeds(runs, "steps", model=model, arm="qat", bits=2).iloc[0])
        share = share_of_training(steps, BATCH_SIZE, model)
        half = row["float_nats"] + (row["ptq rtn median"] - row["float_nats"]) / 2
        answers += [steps > 0, not (row["qat max"] <= half and share <= 0.1)]
        numbers |= {f"share_{name}": f"{100 * share:.1f}", f"back_{name}": f"{100 * row['recovered']:.0f}"}
    return Evidence(verdict=graded(answers), numbers=numbers | {"steps": str(steps), "batch": str(BATCH_SIZE)})


def calibration_is_essential(store: Store) -> Evidence:
    """Per model: what loses over 0.01 nats without data, and is a static range worse on data of another kind?

    Without any data: 8-bit weights rounded to nearest, and activations of 8 bits with a range per token. With data: a
    static range from random tokens, all three seeds worse than all on the model's own kind of text. Holds if all
    answers are yes, does not hold if none is.
    """
    weights, activations, data = rounded(store, 8), evidence.runs(store, "activations"), evidence.runs(store, "data")
    plain = activations[(activations["bits"] == 32) & (activations["activation_bits"] == 8)]
    answers, numbers = [], {}
    for name, model in zip(("stories", "text"), DEEP, strict=True):
        dynamic = one(plain, model=model, activation="dynamic")
        static = {
            kind: seeds(data[data["activation"] == "static"], model=model, data=kind) for kind in ("own", "random")
        }
        answers += [weights[model]["rise_low_nats"] > LITTLE, dynamic["rise_low_nats"] > LITTLE]
        answers += [apart(static["random"], static["own"])]
        numbers |= {f"{name}_weights": in_parts(weights[model]), f"{name}_dynamic": in_parts(dynamic)}
        numbers |= {f"{name}_{kind}": span(rises) for kind, rises in static.items()}
    return Evidence(verdict=graded(answers), numbers=numbers)


def random_input_will_do(store: Store) -> Evidence:
    """Per model and recipe: is calibration on random tokens as good as on the model's own kind of text?

    Recipes: a static range for 8-bit activations, GPTQ and AWQ at 3 bits. As good is not above it in all three seeds.
    Holds if it always is, does not hold if it never is.
    """
    data = evidence.runs(store, "data")
    answers, numbers = [], {}
    for recipe, of in (
        ("static", data["activation"] == "static"),
        ("gptq", data["method"] == "gptq"),
        ("awq", data["method"] == "awq"),
    ):
        for name, model in zip(("stories", "text"), DEEP, strict=True):
            own, random = (seeds(data[of], model=model, data=kind) for kind in ("own", "random"))
            answers.append(not apart(random, own))
            numbers |= {f"{name}_{recipe}_own": span(own), f"{name}_{recipe}_random": span(random)}
    return Evidence(verdict=graded(answers), numbers=numbers)


def _interval(row: pd.Series) -> str:
    return f"{row['speedup']:.2f} ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})"
