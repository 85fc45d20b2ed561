"""Claims of the MobileLLM paper, checked against its steps repeated at 200k parameters"""

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow.study.evidence import AT, budgets, depths, reported
from mobilellm_lab.reference.rows import seeds, spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching import rules
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
    shells = [won for (task, _), won in wins.items() if task == "shells"]
    return Evidence(
        verdict=graded(wins.values()),
        line=f"The deepest shape wins in {sum(wins.values())} of {len(wins)} families, {sum(shells)} of them on the "
        "shell game.",
        finding=f"The deepest shape beats the shallowest beyond the spread of the seeds in {sum(shells)} of "
        f"{len(shells)} families on the shell game. Over all tasks it does in {sum(wins.values())} of {len(wins)}. The "
        "paper reports +0.9 points at 125M, without a spread.",
        flips="with the training budget. On the shell game three times the steps widen the lead of eight layers over "
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


def deep_step(store: Store) -> Evidence:
    """The step from two layers to eight at equal size, on English text: do all seeds need fewer bits per byte?

    Holds if all seeds with eight layers lie below all with two, does not hold if above.
    """
    shallow, deep = (_step(store, name) for name in ("SwiGLU", "deep and narrow"))
    tied = [
        seeds(reported(store), "score", study="depth", task="text", budget=200_000, depth=depth) for depth in (1, 2, 8)
    ]
    return Evidence(
        verdict=rules.better(shallow, deep),
        line=f"On English text two layers need {shallow.median():.2f} bits per byte and eight {deep.median():.2f}.",
        finding=f"On English text two layers need {spread(shallow, 2)} bits per byte; in brackets the lowest and the "
        f"highest of three seeds. Eight layers of equal size need {spread(deep, 2)}. Tied embeddings do not tell two "
        f"from eight either, with {tied[1].median():.2f} and {tied[2].median():.2f}. A single layer is worse and needs "
        f"{tied[0].median():.2f}. The paper reports +0.9 points at 125M.",
        smallest=_smallest(shallow, deep),
    )


DEPTH_ON_TEXT = Claim(
    name="depth-on-text",
    said="At equal size, a deep and thin language model is better than one of two wide layers.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.NOT_DISTINGUISHABLE,
    flips="with training, as on the shell game, where deeper shapes gain from more steps. We train 400 steps.",
    evidence=deep_step,
    data=("deep_narrow",),
)


FLAT_FROM_24 = Claim(
    name="flat-from-24",
    said="At 125M parameters accuracy stops rising at 24 layers: 30 layers are as good.",
    source=PAPER.format("its comparison of 19 models"),
    verdict=Verdict.ONLY_QUOTED,
    line="Both average 44.8 over eight zero-shot tasks; no spread is given.",
    finding="Both depths have an average of 44.8 over eight zero-shot tasks. No spread over seeds is given.",
    flips="if the same shapes, trained on the same tokens with several seeds, were apart. That takes a cluster.",
)


def gate(store: Store) -> Evidence:
    """Holds if all seeds with SwiGLU need fewer bits per byte than all with ReLU, does not hold if more."""
    relu, swiglu = (_step(store, name) for name in ("baseline", "SwiGLU"))
    return Evidence(
        verdict=rules.better(relu, swiglu),
        line=f"On English text ReLU needs {relu.median():.2f} bits per byte, SwiGLU {swiglu.median():.2f}, with as "
        "many weights.",
        finding=f"On English text, with 200,000 parameters in two layers, ReLU needs {spread(relu, 2)} bits per byte. "
        f"SwiGLU needs {spread(swiglu, 2)} with as many weights; in brackets the lowest and the highest of three "
        "seeds. The paper reports +1.3 points at 125M.",
        smallest=_smallest(relu, swiglu),
    )


SWIGLU = Claim(
    name="swiglu",
    said="A gated feed-forward layer (SwiGLU) is better than one with ReLU.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.HOLDS,
    flips="if the order changed with the size, the task or the length of training. We measured one of each.",
    evidence=gate,
    data=("deep_narrow",),
)


def tied(store: Store) -> Evidence:
    """Holds if all seeds with one table need fewer bits per byte than all with two, does not hold if more.

    Both have the same size: what one table saves goes into width.
    """
    two, one = (_step(store, name) for name in ("deep and narrow", "tied embeddings"))
    config = zoo.SHAPES["MobileLLM-125M"].config
    table = config.vocab_size * config.dim
    return Evidence(
        verdict=rules.better(two, one),
        line=f"At equal size, two tables need {two.median():.2f} bits per byte and one needs {one.median():.2f}.",
        finding=f"On English text at equal size, two tables need {spread(two, 2)} bits per byte. One table needs "
        f"{spread(one, 2)}, with what it saves spent on width. A second table would be "
        f"{100 * table / (footprint.parameters(config) + table):.0f} % of an untied MobileLLM-125M. The paper reports "
        "0.2 points lost for 11.8 % fewer parameters than 135M, its own untied shape.",
        smallest=_smallest(two, one),
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
    """Holds if all seeds with two key/value heads need fewer bits per byte than all with four, does not hold if more.

    Both have the same size: what fewer heads save goes into width.
    """
    steps = ("tied embeddings", "GQA")
    full, half = (_step(store, name) for name in steps)
    cache = [_step(store, name, "kv_bytes_per_token").iloc[0] for name in steps]
    return Evidence(
        verdict=rules.better(full, half),
        line=f"Four key/value heads need {full.median():.2f} bits per byte, two {half.median():.2f} with a cache "
        f"{cache[0] / cache[1]:.0f} times smaller.",
        finding=f"On English text at equal size, four key/value heads need {spread(full, 2)} bits per byte. Two need "
        f"{spread(half, 2)}, with a cache {cache[0] / cache[1]:.0f} times smaller. The paper reports +0.4 points at "
        "125M.",
        smallest=_smallest(full, half),
    )


GROUPED_QUERIES = Claim(
    name="grouped-queries",
    said="Query heads that share keys and values make a better model, if the saving is spent on width.",
    source=PAPER.format("figure 3"),
    verdict=Verdict.NOT_DISTINGUISHABLE,
    flips="if more seeds told the arms apart. Sharing a single head may turn it to *does not hold*.",
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
        verdict=rules.better(once, shared),
        line=f"Bits per byte go from {once.median():.2f} to {shared.median():.2f}, at {flops[1] / flops[0]:.1f} times "
        "the arithmetic.",
        finding="At our size and after 400 steps it costs quality. On English text blocks that run once need "
        f"{spread(once, 2)} bits per byte. Blocks that run twice need {spread(shared, 2)}. The second run takes "
        f"{flops[1] / flops[0]:.2f} times the arithmetic and {cache[1] / cache[0]:.0f} times the cache. The paper "
        "reports +1.1 points at 125M.",
        smallest=_smallest(once, shared),
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
    line="On an iPhone 13 the second run of every block adds 0.4 ms to 15.6 ms.",
    finding="In 16 bits with ExecuTorch, thirty layers take 15.6 ms, and the same layers run twice take 16.0 ms. Sixty "
    "layers of their own take 29.0 ms. By formula the arithmetic of the layers doubles in both. The time follows the "
    "bytes of the weights, 1.85 times as many for 60 layers and 1.86 times the time.",
    flips="where arithmetic or starting operations takes the time and not reading weights, as in the tiny models of "
    "this chapter.",
)


def _step(store: Store, name: str, column: str = "score") -> pd.Series:
    return seeds(reported(store), column, study=f"roadmap: {name}")


def _smallest(one: pd.Series, other: pd.Series) -> str:
    return f"{rules.smallest_gap(one, other):.2f} bits per byte"


OWN = (DEEP_BEATS_WIDE, DEPTH_ON_TEXT, SWIGLU, TIED_EMBEDDINGS, GROUPED_QUERIES, LAYERS_TWICE)
ALSO = (FLAT_FROM_24, LAYERS_TWICE_LATENCY)
