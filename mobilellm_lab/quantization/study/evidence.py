"""Tables from stored runs, for claims, replays and the page"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pandas as pd

from mobilellm_lab import checkpoints, zoo
from mobilellm_lab.constraints import ONEPLUS_12
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.libraries.kernels import BACKENDS
from mobilellm_lab.quantization.study import sweep_qat
from mobilellm_lab.quantization.study.crossover import CROSSOVER_SIZES
from mobilellm_lab.quantization.study.fragility import arms as fragility_arms
from mobilellm_lab.quantization.study.kv_cache import contexts
from mobilellm_lab.quantization.study.mixed_precision import Mixture
from mobilellm_lab.quantization.study.paretoq import PARETOQ
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE, studies
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.reference.rows import spread as printed
from mobilellm_lab.sweeps import Store

NAMED = {"stories": "stories-deep", "text": "text-deep"}  # as the sentences call what every study measures
LITTLE = 0.01  # nats, 1 % of perplexity: a loss increase that is no more goes unnoticed
INCREASE = "loss_increase_nats"  # the column of what rounding or training costs
ARMS = ("ptq rtn", "ptq gptq", "float then rtn", "float then gptq", "qat")  # of `crossover`


def runs(store: Store, study: str) -> pd.DataFrame:
    """One row per stored run of a study: its recipe, its loss beside the float model's, its answers and its bytes.

    `loss_increase_nats` is the loss less the float model's on the same test sequences; `..._low_nats` and
    `..._high_nats` are its lowest and highest over four equal parts of them. `score` is two-hop accuracy on stories
    (higher is better) and bits per byte on text (lower is better).

    Raises:
        ValueError: no such study, or a run of it is not in the store; names it and the command that makes it.
    """
    plan = studies()
    if study not in plan:
        raise ValueError(f"study={study!r}: choose one of {', '.join(plan)}")
    return pd.DataFrame(_run(store, study, recipe) for recipe in plan[study])


def _run(store: Store, study: str, recipe: Recipe) -> dict:
    row, before = found(store, recipe), found(store, Recipe(model=recipe.model, bits=FLOAT))
    scores = row["scores"]
    return {
        "study": study,
        **asdict(recipe),
        "factor": recipe.factor if recipe.planted != "none" else 1,
        **losses(row, before),
        "perplexity": math.exp(min(row["loss_nats"], 700)),
        "score": score(row),
        **{name.replace("-", "_"): scores.get(name, math.nan) for name in ("one-hop", "two-hop")},
        **{name: scores.get(name, math.nan) for name in ("bits_per_byte", "accuracy")},
        "agreement": row["agreement"],
        "on_disk_bytes": row["bytes"]["on_disk"],
        "theory_bytes": row["bytes"]["theory"],
        "float_bytes": row["bytes"]["float"],
        "bits_per_weight": row["bits_per_weight"],
    }


def losses(row: dict, before: dict) -> dict[str, float]:
    """The loss of a row, how far it lies above that of the float model, and in the best and worst part of the test."""
    increases = [after - own for after, own in zip(row["parts"], before["parts"], strict=True)]
    return {
        "loss_nats": row["loss_nats"],
        "loss_increase_nats": row["loss_nats"] - before["loss_nats"],
        "loss_increase_low_nats": min(increases),
        "loss_increase_high_nats": max(increases),
    }


def score(row: dict) -> float:
    """Two-hop accuracy of a row on stories, bits per byte of one on text."""
    scores = row["scores"]
    return scores["two-hop"] if "two-hop" in scores else scores["bits_per_byte"]


def rounded(store: Store, bits: int) -> dict[str, pd.Series]:
    """Name in `NAMED` -> its run with weights in groups of 32 by RTN, nothing else changed."""
    plain = {"method": "rtn", "symmetric": True, "bits": bits, "group_size": 32}
    return {name: one(runs(store, "grid"), model=model, **plain) for name, model in NAMED.items()}


def advised(store: Store) -> dict[str, pd.Series]:
    """Name in `NAMED` -> its run with 4-bit weights in groups of 32 and 8-bit activations, as the chapter advises."""
    together = runs(store, "activations")
    together = together[(together["bits"] == 4) & (together["activation_bits"] == 8)]
    return {name: one(together, model=model) for name, model in NAMED.items()}


def found(store: Store, recipe: object, command: str = "mobilellm-lab sweep quantization") -> dict:
    """The row of a recipe; a ValueError names the one that is not there, and the command that makes it."""
    if recipe not in store:
        raise ValueError(f"no stored run for {recipe}: make it with `{command}`")
    return store[recipe]


def spread(frame: pd.DataFrame, by: Sequence[str], column: str = "loss_increase_nats") -> pd.DataFrame:
    """Median, lowest and highest `column` of each group, in the order of `frame`: the spread over its seeds.

    A loss increase that was measured once has the spread of that run: over the four parts of the test sequences.
    """
    groups = frame.groupby(list(by), sort=False)
    table = groups[column].agg(["median", "min", "max", "count"])
    if column == "loss_increase_nats" and "loss_increase_low_nats" in frame:
        once = table["count"] == 1
        table.loc[once, "min"] = groups["loss_increase_low_nats"].min()[once]
        table.loc[once, "max"] = groups["loss_increase_high_nats"].max()[once]
    return table.reset_index()


def kv_by_context(store: Store) -> pd.DataFrame:
    """Bytes of the KV cache of one sequence and loss over the second half of the context, by bits and length.

    `loss_increase_nats` is the loss less that of the cache in float at the same length.
    """
    rows = []
    for model in DEEP + WIDE:
        before = {row["context"]: row["loss_nats"] for row in found(store, contexts(model)[0])["contexts"]}
        for recipe in contexts(model):
            for row in found(store, recipe)["contexts"]:
                own = {"model": model, "kv_bits": recipe.kv_bits, "keys": recipe.keys} | row
                rows.append(own | {"loss_increase_nats": row["loss_nats"] - before[row["context"]]})
    return pd.DataFrame(rows)


def mixed(store: Store) -> pd.DataFrame:
    """Each matrix its own bits, or all the same, at equal bytes: loss and its loss increase over the float model's."""
    rows = []
    for model in DEEP:
        before = found(store, Recipe(model=model, bits=FLOAT))
        for made in found(store, Mixture(model=model))["made"]:
            rows.append(
                {"model": model}
                | {name: made[name] for name in ("kind", "budget_bits", "bytes")}
                | losses(made, before)
                | {"matrices": {float(bits): count for bits, count in made["matrices"].items()}}
            )
    return pd.DataFrame(rows)


def sensitivity(store: Store) -> pd.DataFrame:
    """What each matrix alone costs on a grid of a few bits: loss increase on validation sequences, and its bytes."""
    rows = []
    for model in DEEP:
        for matrix, bits, loss_increase_nats, n_bytes in found(store, Mixture(model=model))["sensitivity"]:
            part = "attention" if ".attention." in matrix else "ffn" if ".ffn." in matrix else "embedding"
            rows.append(
                {"model": model, "matrix": matrix, "part": part, "bits": bits}
                | {"loss_increase_nats": loss_increase_nats, "bytes": n_bytes}
            )
    return pd.DataFrame(rows)


def fragility(store: Store) -> pd.DataFrame:
    """Small models on the shell game, by depth at equal parameters: each seed's float and rounded loss and accuracy."""
    rows = []
    for arm in fragility_arms():
        for recipe in arm.candidates():
            found(store, recipe)
        for recipe in arm.reported(store):
            row = found(store, recipe)
            own = {"task": "shells", "depth": recipe.depth, "dim": row["shape"]["dim"], "parameters": row["parameters"]}
            own |= {"lr": recipe.lr, "seed": recipe.seed}
            own |= {"float_loss_nats": row["loss_nats"], "float_accuracy": row["accuracy"]}
            for rounded in row["rounded"]:
                rows.append(own | rounded | {"loss_increase_nats": rounded["loss_nats"] - row["loss_nats"]})
    return pd.DataFrame(rows)


def deep_and_wide(store: Store) -> pd.DataFrame:
    """The reference models of equal size, deep beside wide: loss increase by bits, group size and method.

    Columns: task, bits, group_size, method, seed, deep, wide (loss_increase_nats of each), ratio (deep / wide).
    """
    both = pd.concat([runs(store, "grid"), runs(store, "wide")], ignore_index=True)
    both = both[both["symmetric"]]
    both[["task", "shape"]] = both["model"].str.split("-", expand=True)
    keys = ["task", "bits", "group_size", "method", "seed"]
    table = both.pivot(index=keys, columns="shape", values=INCREASE).dropna().reset_index().rename_axis(columns=None)
    return table.assign(ratio=table["deep"] / table["wide"])


def qat(store: Store) -> pd.DataFrame:
    """Every reported training: its arm, bits, chosen rate and seed, and its loss beside the untrained float model's.

    Arms: "qat", "learned step", and of the model that was trained in float "float" (32 bits), "float then rtn" and
    "float then gptq" (what is left of it once it is rounded). `float_nats` is the loss of the model all start from.
    """
    rows = []
    for arm in sweep_qat.arms():
        for recipe in arm.candidates():
            found(store, recipe, sweep_qat.COMMAND)
        for recipe in arm.reported(store):
            row = found(store, recipe, sweep_qat.COMMAND)
            for name, bits, made in _made(recipe, row):
                rows.append(
                    {"model": recipe.model, "arm": name, "bits": bits, "seed": recipe.seed, "lr": recipe.lr}
                    | {"steps": row["steps"], "float_nats": row["start"]["loss_nats"], "score": score(made)}
                    | losses(made, row["start"])
                )
    return pd.DataFrame(rows)


def _made(recipe: QATRecipe, row: dict) -> Iterator[tuple[str, int | float, dict]]:
    """(arm, bits, what it gave) of one training."""
    if recipe.bits != FLOAT:
        yield "learned step" if recipe.learned_step else "qat", recipe.bits, row
        return
    yield "float", FLOAT, row
    for made in row["rounded"]:
        yield f"float then {made['method']}", made["bits"], made


def crossover(store: Store, qat_store: Store, model: str) -> pd.DataFrame:
    """Rounding after training beside QAT, by bits at groups of 32: where one breaks and one holds.

    For each of `ARMS` the median, lowest and highest loss over its seeds, as "qat median" and so on; `float_nats`, and
    `recovered`: the share of the loss increase by RTN that QAT recovers, by medians.
    """
    trained = qat(qat_store)
    trained = trained[(trained["model"] == model) & trained["arm"].isin(ARMS)]
    rounded = pd.concat([runs(store, study) for study in ("grid", "low", "wide")])
    rounded = rounded[(rounded["model"] == model) & (rounded["group_size"] == 32) & rounded["symmetric"]]
    rounded = rounded.assign(arm="ptq " + rounded["method"])
    both = pd.concat([frame[["arm", "bits", "seed", "loss_nats"]] for frame in (rounded, trained)])
    table = spread(both[both["arm"].isin(ARMS)], ["arm", "bits"], "loss_nats")
    wide = table.pivot(index="bits", columns="arm", values=["median", "min", "max"])
    wide.columns = [f"{arm} {what}" for what, arm in wide.columns]
    order = [f"{arm} {what}" for arm in ARMS for what in ("median", "min", "max")]
    wide = wide[wide["qat median"].notna()][order].sort_index(ascending=False).reset_index()
    before = found(store, Recipe(model=model, bits=FLOAT))["loss_nats"]
    gained = (wide["ptq rtn median"] - wide["qat median"]) / (wide["ptq rtn median"] - before)
    return wide.assign(float_nats=before, recovered=gained)


def speeds(store: Store) -> pd.DataFrame:
    """A row per backend and size of the sweep `quantization_speed`, in the order of `BACKENDS` and of size.

    Columns: backend, size, parameters; speedup over float32, the ends of its interval, verdict and pairs; medians of
    tokens/s and of a step; operations of a token and bytes of the file, each also of float32.
    """
    columns = ("parameters", "speedup", "speedup_low", "speedup_high", "verdict", "pairs")
    columns += ("operations", "float_operations", "file_bytes", "float_file_bytes")
    timed = [
        {name: row["recipe"][name] for name in ("backend", "size")}
        | {name: row[name] for name in columns}
        | {name: row[name]["p50"] for name in ("tokens_per_s", "step_ms", "float_step_ms")}
        for row in store.rows.values()
    ]
    order = [(backend, size) for backend in BACKENDS for size in CROSSOVER_SIZES]
    return pd.DataFrame(sorted(timed, key=lambda row: order.index((row["backend"], row["size"]))))


def span(values: pd.Series) -> str:
    """Loss increases of the seeds, or of one run and its parts: the median in nats, the lowest and the highest."""
    return printed(values, 3 if values.abs().max() >= LITTLE else 4)


def in_parts(run: pd.Series) -> str:
    """The loss increase of one run in nats, and in brackets the lowest and the highest of four parts of the test."""
    return span(run[[f"loss_increase_{part}nats" for part in ("", "low_", "high_")]].astype(float))


def paretoq() -> pd.DataFrame:
    """ParetoQ's published table, as authors print it: model, bits, accuracy (%), perplexity."""
    return pd.DataFrame(map(asdict, PARETOQ))


def weight_bytes(config: ModelConfig, grid: Grid) -> int:
    """Bytes of a model of this shape by formula: its matrices packed on this grid, its vectors in float32."""
    shapes = checkpoints.shapes(config).values()
    return sum(grid.nbytes(shape) if len(shape) == 2 else 4 * math.prod(shape) for shape in shapes)


def answers() -> dict[str, str]:
    """The numbers of the chapter's opening and its recipe, as text without a unit."""
    store, trained, speed = (open_sweep(f"quantization{name}") for name in ("", "_qat", "_speed"))
    stories, text = advised(store).values()
    right = one(runs(store, "float"), model=NAMED["text"])["accuracy"]
    three = runs(store, "grid")
    three = three[(three["bits"] == 3) & (three["group_size"] == 32) & three["symmetric"]]
    lost = {way: seeds(three, INCREASE, model=NAMED["text"], method=way).median() for way in ("rtn", "gptq")}
    lost["qat"] = seeds(qat(trained), INCREASE, model=NAMED["text"], arm="qat", bits=3).median()
    cache = runs(store, "kv")
    cache = cache[(cache["bits"] == FLOAT) & (cache["kv_bits"] == 8)]
    packed = one(speeds(speed), backend="packed 4-bit (ours)", size="125M")
    configs = {size: zoo.SHAPES[f"MobileLLM-{size}"].config for size in ("125M", "350M")}
    bytes_of = {size: weight_bytes(config, Grid(bits=4, group_size=32)) for size, config in configs.items()}
    half = 2 * sum(math.prod(shape) for shape in checkpoints.shapes(configs["125M"]).values())
    half_speed, few_speed = (row.decode_per_s for row in ONEPLUS_12)
    return {
        "quant_stories": f"{stories[INCREASE]:.3f}",  # nats that 4-bit weights with 8-bit activations cost
        "quant_text": f"{text[INCREASE]:.3f}",
        "quant_perplexity": f"{100 * math.expm1(text[INCREASE]):.1f}",  # % more
        "quant_points": f"{100 * (right - text['accuracy']):.1f}",  # of 100 next bytes, fewer right
        "quant_125m": f"{bytes_of['125M'] / 2**20:.0f}",  # MiB in 4 bits
        "quant_350m": f"{bytes_of['350M'] / 2**20:.0f}",
        "quant_smaller": f"{half / bytes_of['125M']:.2f}",  # times, beside 16 bits
        "quant_file_smaller": f"{packed['float_file_bytes'] / packed['file_bytes']:.1f}",  # times, beside float32
        "quant_rtn_3": f"{lost['rtn']:.3f}",  # nats at 3 bits on text
        "quant_gptq_3": f"{lost['gptq']:.3f}",
        "quant_qat_3": f"{lost['qat']:.3f}",
        "quant_cache": f"{cache[INCREASE].abs().max():.4f}",  # nats, 8 bits, the worst of four models
        "quant_phone": f"{few_speed / half_speed:.1f}",  # times as fast in 4 bits as in 16, published
    }
