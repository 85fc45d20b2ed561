"""Claims of the article on how to get a deep and narrow shape, and on its sample block"""

import math
from itertools import pairwise

import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow import EncoderLM, Noise, leak, train_on_noise
from mobilellm_lab.deep_narrow.study.evidence import AT, budgets, depths, reported, speeds
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def fewer_blocks(store: Store) -> Evidence:
    """On shells, among shapes of the same width and feed-forward width: does half the blocks score a higher median?

    Only the number of blocks, and with it the size, differs within a pair. Holds if it does in every pair, does not
    hold if in none.
    """
    runs = reported(store)
    shells = runs[(runs["study"] == "depth") & (runs["task"] == "shells")]
    arms = shells.groupby(["dim", "hidden_dim", "depth"])["score"].median()
    change = {
        (dim, hidden_dim, depth): half - arms[dim, hidden_dim, 2 * depth]
        for (dim, hidden_dim, depth), half in arms.items()
        if (dim, hidden_dim, 2 * depth) in arms
    }
    layers = {
        shape.n_layers for name, shape in zoo.SHAPES.items() if name in ("OPT-125M", "GPT-2 small", "Pythia-160M")
    }
    return Evidence(
        verdict=graded(gain > 0 for gain in change.values()),
        line=f"In {len(change)} pairs of equal layers, half as many lose {100 * -max(change.values()):.0f} to "
        f"{100 * -min(change.values()):.0f} points of accuracy.",
        finding=f"Fewer blocks is the opposite of deep. MobileLLM-125M has {zoo.SHAPES['MobileLLM-125M'].n_layers} "
        f"where models of its size had {' or '.join(map(str, sorted(layers)))}. We compare {len(change)} pairs whose "
        f"layers have the same shape. Half as many layers lose {100 * -max(change.values()):.0f} to "
        f"{100 * -min(change.values()):.0f} points of accuracy on the shell game. They nearly halve the arithmetic, "
        "and the article itself warns of the loss.",
        flips="when latency binds and not the number of parameters. Meta's later MobileLLM-R1-140M has "
        f"{zoo.SHAPES['MobileLLM-R1-140M'].n_layers} blocks; its paper gives no reason.",
    )


FEWER_BLOCKS = Claim(
    name="fewer-blocks",
    said="To get a deep and narrow model, use fewer transformer blocks.",
    source="the article, section 2.1",
    verdict=Verdict.DOES_NOT_HOLD,
    evidence=fewer_blocks,
    data=("deep_narrow",),
)


def fewer_heads() -> Evidence:
    """By formula, at one width: holds if every halving of the heads lowers the FLOPs, does not hold if none does."""
    shape = {"vocab_size": 256, "dim": 128, "n_layers": 4, "hidden_dim": 352}
    flops = [
        footprint.flops_per_token(ModelConfig(n_heads=n, n_kv_heads=n, **shape), context=128) for n in (16, 8, 4, 2)
    ]
    cache = {n: footprint.kv_bytes_per_token(ModelConfig(n_heads=8, n_kv_heads=n, **shape)) for n in (8, 2)}
    weights = {n: footprint.parameters(ModelConfig(n_heads=8, n_kv_heads=n, **shape)) for n in (8, 2)}
    return Evidence(
        verdict=graded(b < a for a, b in zip(flops, flops[1:], strict=False)),
        line="At one width, any number of query heads needs the same arithmetic and stores the same weights.",
        finding="At a given width the heads divide the same matrices among themselves. A model of width 128 and four "
        f"layers does {flops[0]:,} FLOPs per token at 128 positions, with two to sixteen heads alike.",
        flips=f"for key/value heads: two instead of eight make the cache {cache[8] / cache[2]:.0f} times smaller and "
        f"save {100 * (1 - weights[2] / weights[8]):.0f} % of that model's weights. Or if the width of a head is "
        "fixed, so that attention itself gets narrower.",
    )


FEWER_HEADS = Claim(
    name="fewer-heads",
    said="Fewer attention heads make a block cheaper to compute.",
    source="the article, section 2.1",
    verdict=Verdict.DOES_NOT_HOLD,
    evidence=fewer_heads,
)


def smaller_hidden_size(runs_store: Store, cost_store: Store) -> Evidence:
    """At every depth: does the narrower model compute less and decode faster? Holds if always, for both.

    Arithmetic on shells, largest budget to smallest; speed between neighbouring budgets that share a depth (their
    tables differ as well), faster if the narrower model's p10 of tokens/s lies above the wider one's p90.
    """
    runs, rates = reported(runs_store), speeds(cost_store).set_index(["budget", "depth"])
    small, *_, large = budgets(runs, "shells")
    layers = depths(runs, "shells", small)
    flops, score = (
        {n: [seeds(runs, column, **AT, budget=b, depth=n).median() for b in (large, small)] for n in layers}
        for column in ("flops_per_token", "score")
    )
    cheaper = [narrow < wide for wide, narrow in flops.values()]
    sizes = rates.index.unique("budget")
    faster = [
        rates.loc[narrow, n]["p10"] > rates.loc[wide, n]["p90"]
        for narrow, wide in pairwise(sizes)
        for n in rates.loc[narrow].index.intersection(rates.loc[wide].index)
    ]
    lost = {n: 100 * (wide - narrow) for n, (wide, narrow) in score.items()}
    speed = rates.loc[sizes[0], 8]["p50"] / rates.loc[sizes[1], 8]["p50"]
    more = [points for n, points in lost.items() if n > 1]
    return Evidence(
        verdict=graded(cheaper + faster),
        line="Narrower computes less and decodes faster at every depth; with two layers or more it loses "
        f"{min(more):.1f} to {max(more):.1f} points.",
        finding="At every depth the narrower model computes less and decodes faster. The speed follows only in part. "
        f"Eight layers with {sizes[1] / sizes[0]:.0f} times fewer weights decode {speed:.1f} times faster, where "
        f"starting operations takes the time. On the shell game we go from {large:,} to {small:,} parameters. That "
        f"costs {min(more):.1f} to {max(more):.1f} points of accuracy with two layers or more. One layer, which had no "
        f"use for the width, loses {lost[1]:.1f}.",
    )


SMALLER_HIDDEN_SIZE = Claim(
    name="smaller-hidden-size",
    said="A smaller hidden size is the key to narrow: matrix products shrink, and inference gets faster.",
    source="the article, section 2.1",
    verdict=Verdict.HOLDS,
    flips="if narrowing stopped paying in time: in the smallest models most of the time is the number of operations, "
    "which width does not change.",
    evidence=smaller_hidden_size,
    data=("deep_narrow", "deep_narrow_cost"),
)


def smaller_embeddings() -> Evidence:
    """By formula: does the table hold more than a quarter of the parameters of a published model?

    Holds if in all of the zoo that our block can build, does not hold if in none.
    """
    shares = {}
    for name, shape in zoo.SHAPES.items():
        if shape.config is not None:
            parts = footprint.parameters_by_part(shape.config)
            shares[name] = parts["embedding"] / sum(parts.values())
    many = [share > 0.25 for share in shares.values()]
    return Evidence(
        verdict=graded(many),
        line=f"The table is {100 * shares['MobileLLM-125M']:.0f} % of MobileLLM-125M and "
        f"{100 * shares['MobileLLM-1B']:.0f} % of MobileLLM-1B, both tied.",
        finding=f"The table, stored once, is {100 * shares['MobileLLM-125M']:.0f} % of MobileLLM-125M and "
        f"{100 * shares['Gemma 3 270M']:.0f} % of Gemma 3 270M. Stored once or twice, it is more than a quarter in "
        f"{sum(many)} of {len(many)} published models. As the output layer it is multiplied once per token; a lookup "
        "is free.",
    )


SMALLER_EMBEDDINGS = Claim(
    name="smaller-embeddings",
    said="A smaller embedding lowers the number of parameters and the arithmetic.",
    source="the article, section 2.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the vocabulary is large for the body.",
    flips="with the size of the body: the larger it is, the less there is to save in the table.",
    evidence=smaller_embeddings,
)


def sample_block() -> Evidence:
    """Fifty updates of one such block on tokens that nothing predicts: is it a language model, blind to later tokens?

    Three signs: no earlier prediction moves when the last token changes; the loss is not below ln 16; shown only the
    past, it is not above by more than 0.05. Holds if all three are seen, does not hold if none is.
    """
    noise = Noise()
    shape = ModelConfig(vocab_size=16, dim=32, n_layers=1, n_heads=4, n_kv_heads=4, hidden_dim=64, max_seq_len=16)
    model = EncoderLM(shape, causal=False, positions=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more wait for each other: on a busy machine a second becomes minutes
    try:
        *_, last = train_on_noise(model, noise, steps=50)
    finally:
        torch.set_num_threads(threads)
    moved = leak(model, noise.batch(0, 1).tokens)
    loss, blind = last.evaluation.loss_nats, last.evaluation.scores["loss without the future, nats"]
    floor = math.log(noise.vocab_size)
    signs = [moved == 0, loss >= floor, blind <= floor + 0.05]
    return Evidence(
        verdict=graded(signs),
        line=f"It has no causal mask; on random tokens it reaches {loss:.2f} nats where {floor:.2f} is the best "
        "possible.",
        finding="Smaller sizes are cheaper, but the block is no language model. It has no causal mask, so every "
        "position sees the answer, and no positions, so none knows where it is. Trained on random tokens, one such "
        f"block reaches {loss:.2f} nats where {floor:.2f} is the best possible. Shown only the past, as when it "
        f"generates, it needs {blind:.2f}. A change of the last token moves earlier logits by up to {moved:.1f}.",
    )


SAMPLE_BLOCK = Claim(
    name="sample-block",
    said="The sample transformer block, with smaller sizes, makes a cheaper language model.",
    source="the article, section 2.2",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with a causal mask and positions, or where the whole input is known, as in a classifier.",
    evidence=sample_block,
)


OWN = (SAMPLE_BLOCK,)
ALSO = (FEWER_BLOCKS, FEWER_HEADS, SMALLER_HIDDEN_SIZE, SMALLER_EMBEDDINGS)
