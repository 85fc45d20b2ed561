"""What the article promises of quantization, size, speed and accuracy: the rule behind each verdict."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.quantization.claims.stored import LITTLE, NAMED, in_parts, one, rounded, seeds, span, speeds
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.recipe import CALIBRATION_SEQUENCES
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import apart, graded

LEGACY, INT8 = "torch.ao int8 dynamic", ("torch.ao int8 dynamic", "torchao int8 dynamic", "torchao int8 weight-only")
LARGEST = "125M"  # size of the sweep `quantization_speed`


def smaller(store: Store) -> Evidence:
    """Per int8 backend, at 125M parameters: is the written file smaller than float32's, and a quarter of it?

    Within 10 %. Holds if it is with every backend, does not hold if with none.
    """
    rows = speeds(store)
    at = {row["backend"]: row for _, row in rows[rows["size"] == LARGEST].iterrows()}
    times = {name: row["float_file_bytes"] / row["file_bytes"] for name, row in at.items()}
    mobile, gemma = (
        footprint.parameters_by_part(zoo.SHAPES[name].config) for name in ("MobileLLM-125M", "Gemma 3 270M")
    )
    # What converts Linears only: the head becomes int8, and the table stays once more in float32.
    linears_only = 4 * sum(gemma.values()) / (sum(gemma.values()) + 4 * gemma["embedding"])
    return Evidence(
        verdict=graded(_quarter(at[name]["file_bytes"], at[name]["float_file_bytes"]) for name in INT8),
        numbers={
            "linears": f"{times[LEGACY]:.2f}",
            "all": f"{min(times[name] for name in INT8 if name != LEGACY):.2f}",
            "share": f"{100 * mobile['embedding'] / sum(mobile.values()):.0f}",
            "gemma": f"{linears_only:.1f}",
            "unpacked": f"{times['torchao int4 (one per byte)']:.2f}",
            "packed": f"{times['packed 4-bit (ours)']:.2f}",
        },
    )


def _quarter(size: int, before: int) -> bool:
    return size < before and 4 * size <= 1.1 * before


def faster(store: Store) -> Evidence:
    """Per int8 backend and size: is decoding faster than float32, beyond the noise?

    The whole interval of the paired ratio lies above 1, and above that of float32 beside itself. Holds if it does with
    every backend at every size, does not hold if with none at any.
    """
    rows = speeds(store)
    noise = rows[rows["backend"] == "float32"].set_index("size")["speedup_high"]
    rows = rows[rows["backend"].isin(INT8)]
    wins = rows["speedup_low"] > rows["size"].map(noise).clip(lower=1)
    best = rows.loc[rows["speedup"].idxmax()]
    small, large = (rows[rows["size"] == rows["size"].iloc[place]] for place in (0, -1))
    return Evidence(
        verdict=graded(wins),
        numbers={
            "wins": str(int(wins.sum())),
            "cases": str(len(rows)),
            "small": str(small["size"].iloc[0]),
            "large": str(large["size"].iloc[0]),
            "small_least": f"{small['speedup'].min():.2f}",
            "small_most": f"{small['speedup'].max():.2f}",
            "large_least": f"{large['speedup'].min():.2f}",
            "large_most": f"{large['speedup'].max():.2f}",
            "best": str(best["backend"]),
            "best_size": str(best["size"]),
            "best_speedup": f"{best['speedup']:.2f} ({best['speedup_low']:.2f} to {best['speedup_high']:.2f})",
            "more": f"{(small['operations'] / small['float_operations']).max():.1f}",
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
        verdict=graded(run["loss_increase_low_nats"] > LITTLE for models in found.values() for run in models.values()),
        numbers={
            f"{name}_{bits}": in_parts(found[bits][model]) for name, model in NAMED.items() for bits in (8, 4, 3, 2)
        },
    )


def calibration_is_essential(store: Store) -> Evidence:
    """Per model and purpose: does what looks at data lose less than what needs none, by more than 0.01 nats?

    Weights of 3 bits: GPTQ, and AWQ, against the better of two ways to round to nearest. Activations of 8 bits: a
    static range against one for each token. Medians of three seeds. Holds if always, does not hold if never.
    """
    grid, activations = evidence.runs(store, "grid"), evidence.runs(store, "activations")
    grid = grid[grid["symmetric"] & (grid["bits"] == 3) & (grid["group_size"] == 32)]
    plain = activations[(activations["bits"] == 32) & (activations["activation_bits"] == 8)]
    answers, numbers = [], {}
    for name, model in NAMED.items():
        nearest = min(one(grid, model=model, method=how)["loss_increase_nats"] for how in ("rtn", "mse"))
        dynamic = one(plain, model=model, activation="dynamic")
        looked = {how: seeds(grid, model=model, method=how) for how in ("gptq", "awq")}
        static = seeds(plain, model=model, activation="static", ranges="minmax")
        answers += [nearest - loss_increases.median() > LITTLE for loss_increases in looked.values()]
        answers.append(dynamic["loss_increase_nats"] - static.median() > LITTLE)
        numbers |= {f"{name}_weights": in_parts(rounded(store, 8)[model]), f"{name}_dynamic": in_parts(dynamic)}
        numbers |= {f"{name}_static": span(static), f"{name}_nearest": f"{nearest:.3f}"}
        numbers |= {f"{name}_{how}": span(loss_increases) for how, loss_increases in looked.items()}
    return Evidence(verdict=graded(answers), numbers=numbers)


def random_input_will_do(store: Store) -> Evidence:
    """Per model and recipe: is calibration on random tokens as good as on the model's own kind of text?

    Recipes: a static range for 8-bit activations, GPTQ and AWQ at 3 bits. It is as good unless all three seeds lie
    above all of the other. Holds if it always is, does not hold if it never is.
    """
    data = evidence.runs(store, "data")
    answers, numbers = [], {}
    for recipe, of in (
        ("static", data["activation"] == "static"),
        ("gptq", data["method"] == "gptq"),
        ("awq", data["method"] == "awq"),
    ):
        for name, model in NAMED.items():
            own, random = (seeds(data[of], model=model, data=kind) for kind in ("own", "random"))
            answers.append(not apart(random, own))
            numbers |= {f"{name}_{recipe}_own": span(own), f"{name}_{recipe}_random": span(random)}
    return Evidence(verdict=graded(answers), numbers=numbers | {"sequences": str(CALIBRATION_SEQUENCES)})
