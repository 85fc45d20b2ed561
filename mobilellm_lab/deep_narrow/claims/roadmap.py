"""The steps of the MobileLLM paper, held against ours at 200k parameters: the rule behind each verdict."""

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow.study.evidence import AT, budgets, depths, reported
from mobilellm_lab.reference.rows import seeds, spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

PAPER = "the MobileLLM paper, {}, arXiv 2402.14905"


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
    longer = {n: seeds(runs, "score", study="longer", task="shells", depth=n).median() for n in (1, 8)}
    short = {n: seeds(runs, "score", **AT, budget=60_000, depth=n).median() for n in (1, 8)}
    text = {n: seeds(runs, "score", study="depth", task="text", budget=200_000, depth=n) for n in (1, 2, 4, 8)}
    shells = [won for (task, _), won in wins.items() if task == "shells"]
    return Evidence(
        verdict=graded(wins.values()),
        finding=f"The deepest shape beats the shallowest beyond the spread of the seeds in {sum(shells)} of "
        f"{len(shells)} families on the shell game, and in {sum(wins.values())} of {len(wins)} over all tasks. On "
        f"English text at 200,000 parameters 1, 2, 4 and 8 layers need {spread(text[1], 2)}, {spread(text[2], 2)}, "
        f"{spread(text[4], 2)} and {spread(text[8], 2)} bits per byte; eight against two: "
        f"{_compared(text[2], text[8])}. The paper reports +0.9 points at 125M, without a spread.",
        flips="with the training budget: on the shell game three times the steps widen the lead of eight layers over "
        f"one from {short[8] - short[1]:.2f} to {longer[8] - longer[1]:.2f}. Our language models are small and "
        "trained briefly; the paper's see 0.25T tokens.",
    )


DEEP_BEATS_WIDE = Claim(
    name="deep-beats-wide",
    said="Among models of equal size, the deep and thin ones are more accurate than the shallow and wide ones.",
    source=PAPER.format("figure 3 and its comparison of 19 models"),
    verdict=Verdict.HOLDS_WHEN,
    condition="the answer must be composed step by step; on language, here, only against a single layer.",
    evidence=deep_beats_wide,
    data=("deep_narrow",),
)


FLAT_FROM_24 = Claim(
    name="flat-from-24",
    said="At 125M parameters accuracy stops rising at 24 layers: 30 layers are as good.",
    source=PAPER.format("its comparison of 19 models"),
    verdict=Verdict.ONLY_QUOTED,
    finding="Both depths have an average of 44.8 over eight zero-shot tasks. No spread over seeds is given.",
    flips="if the same shapes, trained on the same tokens with several seeds, were apart. That takes a cluster.",
)


def gate(store: Store) -> Evidence:
    """Holds if all seeds with SwiGLU need fewer bits per byte than all with ReLU, does not hold if more."""
    relu, swiglu = (_step(store, name) for name in ("baseline", "SwiGLU"))
    return Evidence(
        verdict=_better(relu, swiglu),
        finding=f"On English text at 200,000 parameters and two layers, bits per byte go from {spread(relu, 2)} with "
        f"ReLU to {spread(swiglu, 2)} with SwiGLU at the same number of weights; in brackets the lowest and the "
        "highest of three seeds. The paper reports +1.3 points at 125M.",
    )


SWIGLU = Claim(
    name="swiglu",
    said="A gated feed-forward layer (SwiGLU) is better than one with ReLU.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.HOLDS,
    flips="if the order changed with the size, the task or the length of training: we measured one of each.",
    evidence=gate,
    data=("deep_narrow",),
)


def tied(store: Store) -> Evidence:
    """Holds unless all seeds with one table need more bits per byte than all with two, at equal size."""
    two, one = (_step(store, name) for name in ("deep and narrow", "tied embeddings"))
    config = zoo.SHAPES["MobileLLM-125M"].config
    table = config.vocab_size * config.dim
    return Evidence(
        verdict=Verdict.DOES_NOT_HOLD if apart(one, two) else Verdict.HOLDS,
        finding="At equal size, the saved table spent on width, bits per byte on English text go from "
        f"{spread(two, 2)} with two tables to {spread(one, 2)} with one: {_compared(two, one)}. A second table would "
        f"be {100 * table / (footprint.parameters(config) + table):.0f} % of an untied MobileLLM-125M. The paper "
        "reports 0.2 points lost for 11.8 % fewer parameters.",
    )


TIED_EMBEDDINGS = Claim(
    name="tied-embeddings",
    said="One table for input and output saves weights at almost no loss, and they are better spent elsewhere.",
    source=PAPER.format("figure 3 and section 2.2.3"),
    verdict=Verdict.HOLDS,
    flips="in a large body: there the table is a small part, and what it saves hardly matters.",
    evidence=tied,
    data=("deep_narrow",),
)


def grouped(store: Store) -> Evidence:
    """Holds if the cache shrinks, unless all seeds with GQA need more bits per byte than all without, at equal size."""
    steps = ("tied embeddings", "GQA")
    full, half = (_step(store, name) for name in steps)
    cache = [_step(store, name, "kv_bytes_per_token").iloc[0] for name in steps]
    return Evidence(
        verdict=Verdict.HOLDS if cache[1] < cache[0] and not apart(half, full) else Verdict.DOES_NOT_HOLD,
        finding=f"At equal size, bits per byte on English text are {spread(full, 2)} with four key/value heads and "
        f"{spread(half, 2)} with two: {_compared(full, half)}, with a cache {cache[0] / cache[1]:.0f} times smaller. "
        "Three seeds would not show a small loss. The paper reports +0.4 points at 125M.",
    )


GROUPED_QUERIES = Claim(
    name="grouped-queries",
    said="Query heads can share keys and values at no loss of quality, if the saving is spent on width.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.HOLDS,
    flips="if the loss of sharing grew beyond what the extra width gives back, as it may with a single key/value head "
    "or a long context.",
    evidence=grouped,
    data=("deep_narrow",),
)


def twice(store: Store) -> Evidence:
    """Holds if all seeds with every block run twice need fewer bits per byte than all others, does not hold if more."""
    steps = ("GQA", "layer sharing")
    once, shared = (_step(store, name) for name in steps)
    flops = [_step(store, name, "flops_per_token").iloc[0] for name in steps]
    cache = [_step(store, name, "kv_bytes_per_token").iloc[0] for name in steps]
    return Evidence(
        verdict=_better(once, shared),
        finding="At our size and after 400 steps it costs quality: bits per byte on English text go from "
        f"{spread(once, 2)} to {spread(shared, 2)}, with {flops[1] / flops[0]:.2f} times the arithmetic and "
        f"{cache[1] / cache[0]:.0f} times the cache. The paper reports +1.1 points at 125M.",
    )


LAYERS_TWICE = Claim(
    name="layers-twice",
    said="Running every block twice in a row raises accuracy without storing one more weight.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with enough training to use the second pass; the paper trains on 0.25T tokens. We have not measured where.",
    evidence=twice,
    data=("deep_narrow",),
)


LAYERS_TWICE_LATENCY = Claim(
    name="layers-twice-latency",
    said="Running every block twice costs almost no time on a phone, because its weights are read once.",
    source=PAPER.format("its profile on an iPhone 13"),
    verdict=Verdict.ONLY_QUOTED,
    finding="30 layers take 15.6 ms, the same 30 run twice 16.0 ms, 60 layers of their own 29.0 ms, in 16 bits with "
    "ExecuTorch. By formula the arithmetic of the layers doubles in both: what the time follows is the bytes of the "
    "weights, 1.85 times as many for 60 layers, 1.86 times the time.",
    flips="where arithmetic or starting operations takes the time and not reading weights, as in the tiny models of "
    "this chapter.",
)


def _step(store: Store, name: str, column: str = "score") -> pd.Series:
    return seeds(reported(store), column, study=f"roadmap: {name}")


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


CLAIMS = (DEEP_BEATS_WIDE, FLAT_FROM_24, SWIGLU, TIED_EMBEDDINGS, GROUPED_QUERIES, LAYERS_TWICE, LAYERS_TWICE_LATENCY)
