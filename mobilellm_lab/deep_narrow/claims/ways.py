"""The article's ways to a deep and narrow shape, and its sample block: the rule behind each verdict."""

import math

import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow import EncoderLM, Noise, leak, train_on_noise
from mobilellm_lab.deep_narrow.claims.stored import AT, budgets, depths, seeds, speeds
from mobilellm_lab.deep_narrow.evidence import reported
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
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
        numbers={
            "pairs": str(len(change)),
            "least": f"{100 * -max(change.values()):.0f}",
            "most": f"{100 * -min(change.values()):.0f}",
            "mobile": str(zoo.SHAPES["MobileLLM-125M"].n_layers),
            "others": " or ".join(map(str, sorted(layers))),
            "r1": str(zoo.SHAPES["MobileLLM-R1-140M"].n_layers),
        },
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
        numbers={
            "flops": f"{flops[0]:,}",
            "cache": f"{cache[8] / cache[2]:.0f}",
            "weights": f"{100 * (1 - weights[2] / weights[8]):.0f}",
        },
    )


def smaller_hidden_size(runs_store: Store, cost_store: Store) -> Evidence:
    """At every depth: does the narrower model compute less and decode faster? Holds if always, for both.

    Arithmetic on shells, largest budget to smallest; speed between neighbouring budgets that share a depth (their
    tables differ as well), faster if the narrower model's p10 of tokens/s lies above the wider one's p90.
    """
    runs, table = reported(runs_store), speeds(cost_store)
    small, *_, large = budgets(runs, "shells")
    at = {
        n: [
            (seeds(runs, "flops_per_token", **AT, budget=b, depth=n).iloc[0], seeds(runs, **AT, budget=b, depth=n))
            for b in (large, small)
        ]
        for n in depths(runs, "shells", small)
    }
    cheaper = [narrow[0] < wide[0] for wide, narrow in at.values()]
    pairs = [
        (table[b][n], table[c][n])
        for b, c in zip(list(table), list(table)[1:], strict=False)
        for n in table[b]
        if n in table[c]
    ]
    faster = [narrow["p10"] > wide["p90"] for narrow, wide in pairs]
    lost = {n: 100 * (wide[1].median() - narrow[1].median()) for n, (wide, narrow) in at.items()}
    tiny, next_budget = list(table)[:2]
    return Evidence(
        verdict=graded(cheaper + faster),
        numbers={
            "small": f"{small:,}",
            "large": f"{large:,}",
            "less": f"{at[8][0][0] / at[8][1][0]:.1f}",
            "lost_1": f"{lost[1]:.1f}",
            "least": f"{min(points for n, points in lost.items() if n > 1):.1f}",
            "most": f"{max(points for n, points in lost.items() if n > 1):.1f}",
            "fraction": f"{next_budget / tiny:.0f}",
            "faster": f"{table[tiny][8]['p50'] / table[next_budget][8]['p50']:.1f}",
        },
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
    return Evidence(
        verdict=graded(share > 0.25 for share in shares.values()),
        numbers={
            "models": str(len(shares)),
            "many": str(sum(share > 0.25 for share in shares.values())),
            "mobile": f"{100 * shares['MobileLLM-125M']:.0f}",
            "mobile_1b": f"{100 * shares['MobileLLM-1B']:.0f}",
            "gemma": f"{100 * shares['Gemma 3 270M']:.0f}",
        },
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
        numbers={
            "moved": f"{moved:.1f}",
            "loss": f"{loss:.2f}",
            "floor": f"{floor:.2f}",
            "blind": f"{blind:.2f}",
        },
    )
