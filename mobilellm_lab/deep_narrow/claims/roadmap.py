"""The steps of the MobileLLM paper, held against ours at 200k parameters: the rule behind each verdict."""

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow.claims.stored import AT, budgets, depths, seeds
from mobilellm_lab.deep_narrow.evidence import reported
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded, spread


def deep_beats_wide(store: Store) -> Evidence:
    """In each family of equal size: do all seeds of the deepest shape have a lower loss than all of the shallowest?

    The families: shells at each budget, text at two budgets, stories. Holds if in all, does not hold if in none.
    """
    runs = reported(store)
    wins = {}
    for task in ("shells", "text", "stories"):
        for budget in budgets(runs, task):
            shallow, *_, deep = depths(runs, task, budget)
            ends = [seeds(runs, "loss_nats", study="depth", task=task, budget=budget, depth=n) for n in (shallow, deep)]
            wins[task, budget] = apart(*ends)
    longer = {n: seeds(runs, study="longer", task="shells", depth=n).median() for n in (1, 8)}
    short = {n: seeds(runs, **AT, budget=60_000, depth=n).median() for n in (1, 8)}
    text = {n: seeds(runs, task="text", budget=200_000, depth=n) for n in (1, 2, 4, 8)}
    return Evidence(
        verdict=graded(wins.values()),
        numbers={
            "wins": str(sum(wins.values())),
            "families": str(len(wins)),
            "shells": f"{sum(won for (task, _), won in wins.items() if task == 'shells')} of "
            f"{sum(task == 'shells' for task, _ in wins)}",
            **{f"text_{n}": spread(bits) for n, bits in text.items()},
            "compared": _compared(text[2], text[8]),
            "gap_short": f"{short[8] - short[1]:.2f}",
            "gap_long": f"{longer[8] - longer[1]:.2f}",
        },
    )


def gate(store: Store) -> Evidence:
    """Holds if all seeds with SwiGLU need fewer bits per byte than all with ReLU, does not hold if more."""
    relu, swiglu = (_bits(store, name) for name in ("baseline", "SwiGLU"))
    return Evidence(verdict=_better(relu, swiglu), numbers={"relu": spread(relu), "swiglu": spread(swiglu)})


def tied(store: Store) -> Evidence:
    """Holds unless all seeds with one table need more bits per byte than all with two, at equal size."""
    two, one = (_bits(store, name) for name in ("deep and narrow", "tied embeddings"))
    config = zoo.SHAPES["MobileLLM-125M"].config
    table = config.vocab_size * config.dim
    return Evidence(
        verdict=Verdict.DOES_NOT_HOLD if apart(one, two) else Verdict.HOLDS,
        numbers={
            "two": spread(two),
            "one": spread(one),
            "compared": _compared(two, one),
            "share": f"{100 * table / (footprint.parameters(config) + table):.0f}",
        },
    )


def grouped(store: Store) -> Evidence:
    """Holds if the cache shrinks, unless all seeds with GQA need more bits per byte than all without, at equal size."""
    runs = reported(store)
    full, half = (_bits(store, name) for name in ("tied embeddings", "GQA"))
    cache = [
        int(runs[runs["study"] == f"roadmap: {name}"]["kv_bytes_per_token"].iloc[0])
        for name in ("tied embeddings", "GQA")
    ]
    return Evidence(
        verdict=Verdict.HOLDS if cache[1] < cache[0] and not apart(half, full) else Verdict.DOES_NOT_HOLD,
        numbers={
            "full": spread(full),
            "half": spread(half),
            "compared": _compared(full, half),
            "cache": f"{cache[0] / cache[1]:.0f}",
        },
    )


def twice(store: Store) -> Evidence:
    """Holds if all seeds with every block run twice need fewer bits per byte than all others, does not hold if more."""
    once, shared = (_bits(store, name) for name in ("GQA", "layer sharing"))
    runs = reported(store)
    flops, cache = (
        [int(runs[runs["study"] == f"roadmap: {name}"][column].iloc[0]) for name in ("GQA", "layer sharing")]
        for column in ("flops_per_token", "kv_bytes_per_token")
    )
    return Evidence(
        verdict=_better(once, shared),
        numbers={
            "once": spread(once),
            "shared": spread(shared),
            "flops": f"{flops[1] / flops[0]:.2f}",
            "cache": f"{cache[1] / cache[0]:.0f}",
        },
    )


def _bits(store: Store, step: str) -> pd.Series:
    return seeds(reported(store), study=f"roadmap: {step}")


def _better(before: pd.Series, after: pd.Series) -> Verdict:
    """Holds if `after` needs fewer bits beyond the spread of the seeds, does not hold if more; else in between."""
    return (
        Verdict.HOLDS if apart(before, after) else Verdict.DOES_NOT_HOLD if apart(after, before) else Verdict.HOLDS_WHEN
    )


def _compared(before: pd.Series, after: pd.Series) -> str:
    """How the bits `after` compare with those `before`, in words."""
    if apart(before, after):
        return "lower beyond the spread of the seeds"
    return "higher beyond the spread of the seeds" if apart(after, before) else "not distinguishable"
