"""Chapter 7's tables and answers, from stored duels, stored pitfalls and published sizes"""

from itertools import count

import pandas as pd

from mobilellm_lab import zoo
from mobilellm_lab.constraints import CPU_AND_GPU, ONEPLUS_12
from mobilellm_lab.measuring import accuracy_interval, theoretical_weights
from mobilellm_lab.metrics.duel import RULES
from mobilellm_lab.metrics.study.published import EXECUTORCH
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

PAIRS = 40  # of the duels that the page's table, a claim and the prediction show
SEEN = 0.9  # share of right verdicts from which on a slowdown counts as seen


def duels(store: Store, **where: object) -> pd.DataFrame:
    """The rows of sweep `metrics` with these values of the recipe: its fields, each outcome's share, and the spread.

    `right_low` and `right_high` are the lowest and the highest share of right verdicts among the measured series.
    `misleading` is the share of duels with a false verdict: a false alarm or a wrong winner. `missed` is no false
    verdict. Rows are in the order of `RULES`.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    rows = [
        row["recipe"] | row["shares"] | {name: row[name] for name in ("right_low", "right_high", "windows")}
        for row in store.rows.values()
        if all(row["recipe"][name] == value for name, value in where.items())
    ]
    if not rows:
        raise ValueError(f"no stored duel with {where}: make it with `mobilellm-lab sweep metrics`")
    rows.sort(key=lambda row: (RULES.index(row["rule"]), row["neighbour"], row["repeats"], row["slowdown_percent"]))
    found = pd.DataFrame(rows)
    return found.assign(misleading=found["false alarm"] + found["wrong winner"])


def verdicts_of_100(store: Store, *, pairs: int, slowdown_percent: int) -> pd.DataFrame:
    """Of 100 duels with so many pairs, per rule: false alarms between equals, then right and wrong verdicts.

    The right and wrong ones are about a `slowdown_percent`, on a quiet machine and beside a busy neighbour.
    """
    columns = {
        "false alarms, b equal": (0, False, "misleading"),
        f"right, b {slowdown_percent} % slower": (slowdown_percent, False, "right"),
        "wrong winner": (slowdown_percent, False, "misleading"),
        "right, busy": (slowdown_percent, True, "right"),
        "wrong winner, busy": (slowdown_percent, True, "misleading"),
    }
    found = {
        title: duels(store, slowdown_percent=slower, repeats=pairs, neighbour=neighbour)[column]
        .mul(100)
        .round()
        .astype(int)
        for title, (slower, neighbour, column) in columns.items()
    }
    return pd.DataFrame({"rule": RULES, **{title: list(values) for title, values in found.items()}})


def pairs_needed(store: Store, *, slowdown_percent: int, neighbour: bool = False) -> int:
    """The fewest measured pairs with which the paired interval sees this slowdown in `SEEN` of the duels.

    Raises:
        ValueError: no measured number of pairs does.
    """
    found = duels(store, rule="paired interval", slowdown_percent=slowdown_percent, neighbour=neighbour)
    enough = found[found["right"] >= SEEN]["repeats"]
    if enough.empty:
        raise ValueError(f"slowdown_percent={slowdown_percent}: no stored number of pairs sees it; measure more pairs")
    return int(enough.min())


def questions_needed(*, points: int | float, accuracy: float) -> int:
    """The fewest questions whose 95 % interval is at most `points` wide on either side, at this accuracy (0 to 1)."""
    return next(n for n in count(1) if 100 * accuracy_interval(round(accuracy * n), n).half_width <= points)


def pitfalls(store: Store, name: str | None = None) -> pd.DataFrame:
    """The repeats of one pitfall of sweep `metrics_lies`, or of all: the reported number, the right one, the cure.

    Columns: pitfall (its name), repeat, title, wrong, right, unit, factor, says_wrong, says_right, cure.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    columns = ("title", "wrong", "right", "unit", "factor", "says_wrong", "says_right", "cure")
    rows = [
        {"pitfall": row["recipe"]["name"], "repeat": row["recipe"]["repeat"]} | {key: row[key] for key in columns}
        for row in store.rows.values()
        if name in (None, row["recipe"]["name"])
    ]
    if not rows:
        raise ValueError(f"no stored pitfall called {name!r}: make it with `mobilellm-lab sweep metrics_lies`")
    return pd.DataFrame(rows)


def phone_sizes() -> pd.DataFrame:
    """Llama-3.2-1B in 16 and 4 bits on a OnePlus 12: MiB by formula, on disk and in memory, and decode speed.

    The formula counts the weights; the rest is published (`EXECUTORCH`, `ONEPLUS_12`). The last row is the factor
    between the two.
    """
    config = zoo.SHAPES["Llama-3.2-1B"].config
    formula = [theoretical_weights(config, bits_per_weight=bits).mib for bits in (16, 4)]
    runs = [EXECUTORCH["bfloat16"], EXECUTORCH["SpinQuant"]]
    columns = {
        "theoretical, MiB": formula,
        "on disk, MiB": [run.file_mib for run in runs],
        "in memory, MiB": [run.resident_mib for run in runs],
        "decode, tokens/s": [row.decode_per_s for row in ONEPLUS_12],
    }

    def shown(large: int | float, small: int | float) -> list[str]:
        return [f"{v:,.0f}" if v >= 100 else f"{v:.1f}" for v in (large, small)] + [
            f"{max(large, small) / min(large, small):.1f} times"
        ]

    return pd.DataFrame(
        {"weights": ["16 bits", "4 bits", "gain"], **{title: shown(*values) for title, values in columns.items()}}
    )


def answers() -> dict[str, str]:
    """The numbers of the opening and the recipe box, as text without unit, from stored or published rows."""
    store, lies = open_sweep("metrics"), open_sweep("metrics_lies")
    cpu, gpu = CPU_AND_GPU
    small, llama = EXECUTORCH["SpinQuant"], zoo.SHAPES["Llama-3.2-1B"].config
    perplexity = pitfalls(lies, "tokenizers")["wrong"].median()
    return {
        "metrics_gpu_prefill": f"{gpu.prefill_per_s / cpu.prefill_per_s:.1f}",
        "metrics_gpu_decode": f"{gpu.decode_per_s / cpu.decode_per_s:.2f}",
        "metrics_memory": f"{max(run.resident_mib / run.file_mib for run in EXECUTORCH.values()):.1f}",
        "metrics_formula": f"{theoretical_weights(llama, bits_per_weight=4).mib:,.0f}",  # MiB, Llama-3.2-1B
        "metrics_scales": f"{theoretical_weights(llama, bits_per_weight=4 + 16 / 32).mib:,.0f}",
        "metrics_file": f"{small.file_mib:,}",
        "metrics_pairs": str(PAIRS),
        "metrics_pairs_5": str(pairs_needed(store, slowdown_percent=5)),
        "metrics_pairs_10": str(pairs_needed(store, slowdown_percent=10)),
        "metrics_pairs_10_busy": str(pairs_needed(store, slowdown_percent=10, neighbour=True)),
        "metrics_perplexity": f"{perplexity:.0f}",
        "metrics_questions": f"{questions_needed(points=1, accuracy=0.7):,}",
    }
