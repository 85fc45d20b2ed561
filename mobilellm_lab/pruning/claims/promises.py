"""Promises of the article on size and speed, each with the rule of its verdict"""

import math

from mobilellm_lab.pruning.libraries.torch_prune import file_bytes
from mobilellm_lab.pruning.study import evidence, evidence_speed
from mobilellm_lab.quantization.study.evidence import NAMED
from mobilellm_lab.reference import load_model, origin
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

WORDS = {  # granularities as a sentence begins with them
    "neuron": "Fewer neurons",
    "head": "Fewer heads",
    "width": "Fewer channels",
    "layer": "Fewer layers",
    "dense with zeros": "Zeros in dense matrices",
    "csr int32": "CSR with int32 indices",
    "csr int64": "CSR with int64 indices",
}
HALF = 0.5  # of the weights of a product
NEAR = 1.1  # times the bytes that an amount promises


def smaller(store: Store) -> Evidence:
    """Per model at 50 %: is the written file half of the dense one, within 10 %: with a bitmap, and by PyTorch?

    PyTorch's own file is that of `torch.save` after `prune.remove`. Holds if it is in every case, does not hold if in
    none.
    """
    grid = evidence.runs(store, "grid")
    kept, of_all = {}, {}
    for name, model in NAMED.items():
        row = one(grid, model=model, amount=0.5, importance="l1", compare="row")
        kept[name] = (row["on_disk_bytes"], row["float_bytes"])
        of_all[name] = 100 * row["of_all"]
    torch_files = file_bytes(load_model(NAMED["stories"]).model)
    halves = [2 * size <= NEAR * dense for size, dense in kept.values()]
    halves += [2 * torch_files["removed"] <= NEAR * torch_files["dense"]]
    share = {name: 100 * size / dense for name, (size, dense) in kept.items()}
    return Evidence(
        verdict=graded(halves),
        line=f"With a bitmap {share['stories']:.0f} and {share['text']:.0f} % of the bytes are left; by PyTorch, all",
        finding=f"Half of the blocks' weights are {of_all['stories']:.0f} % of all weights on stories and "
        f"{of_all['text']:.0f} % on text. Stored as values with a bitmap, {share['stories']:.1f} and "
        f"{share['text']:.1f} % of the dense file are left. PyTorch's file is "
        f"{torch_files['masked'] / torch_files['dense']:.2f} times the dense one while the masks are in place. After "
        f"`remove` it is {torch_files['removed'] / torch_files['dense']:.2f} times as large.",
    )


SMALLER = Claim(
    name="smaller",
    said="Removing half of the weights halves the file.",
    source="the article, section 3.2, which promises fewer parameters",
    verdict=Verdict.HOLDS_WHEN,
    condition="the file has only the values that are kept, with a bit for each place, and the table is small.",
    flips="with the format. Removing neurons, heads or layers leaves a smaller dense model, whose file shrinks in any.",
    evidence=smaller,
    data=("pruning",),
)


def faster(store: Store) -> Evidence:
    """Per granularity, amount, size and work: does the whole interval of the speedup over dense lie above 1?

    Zeros in a dense matrix, CSR, and smaller dense models. Holds if it does in every case, does not hold if in none.
    """
    rows = evidence_speed.model_speeds(store)
    wins = (rows["speedup_low"] > 1).groupby(rows["granularity"], sort=False).agg(["sum", "count"])
    neurons = one(rows, size="125M", granularity="neuron", amount=0.25, work="decode")
    zeros = rows[(rows["granularity"] == "dense with zeros") & (rows["size"] == "125M")]["speedup"]
    return Evidence(
        verdict=graded(rows["speedup_low"] > 1),
        line=f"A quarter fewer FFN neurons: {neurons['speedup']:.2f} times as fast; zeros: {zeros.median():.2f}",
        finding=" ".join(
            f"{WORDS[kind]} make it faster, beyond the noise, in {own['sum']} of {own['count']} cases."
            for kind, own in wins.iterrows()
        )
        + f" At the shape of MobileLLM-125M, a quarter fewer neurons decode {neurons['speedup']:.2f} times as fast "
        f"({neurons['speedup_low']:.2f} to {neurons['speedup_high']:.2f}). Zeros in dense matrices give "
        f"{zeros.min():.2f} to {zeros.max():.2f}. Measured on {', '.join(origin(store).machines)}.",
    )


FASTER = Claim(
    name="faster",
    said="Pruning reduces computation and makes inference faster.",
    source="the article, sections 3.2 and 3.3",
    verdict=Verdict.HOLDS_WHEN,
    condition="whole parts go, so that smaller dense matrices are left, or so few weights stay that CSR pays.",
    flips="with the size of the model. In a small one, starting operations takes the time, and only layers save those.",
    evidence=faster,
    data=("pruning_speed",),
)


def csr_from_half(store: Store) -> Evidence:
    """Per product and whole model at 50 % zeros: does the whole interval of CSR's speedup over dense lie above 1?

    CPU times, by shape or size, index type and work. Holds if it is in every case, does not hold if in none.
    """
    half = [row for row in store.rows.values() if _in_csr(row["recipe"]) == HALF]
    wins = [row["speedup_low"] > 1 for row in half]
    whole = one(evidence_speed.model_speeds(store), size="125M", granularity="csr int32", amount=HALF, work="decode")
    pays = evidence_speed.csr_crossovers(store).query("format == 'csr int32' and batch == 1")
    said = [
        f"At {row.shape} it wins {'nowhere' if math.isnan(row.sparsity) else f'from {100 * row.sparsity:.0f} % on'}."
        for row in pays.itertuples()
    ]
    return Evidence(
        verdict=graded(wins),
        line=f"At half zeros CSR is faster in {sum(wins)} of {len(wins)} cases",
        finding=f"At half zeros CSR is faster in {sum(wins)} of {len(wins)} cases. A whole model of 125M with int32 "
        f"indices decodes {whole['speedup']:.2f} times as fast ({whole['speedup_low']:.2f} to "
        f"{whole['speedup_high']:.2f}). Single products with one input need more. {' '.join(said)}",
    )


CSR = Claim(
    name="csr",
    said="A sparse format is faster as soon as half of the weights are zeros.",
    source="common belief",
    verdict=Verdict.HOLDS_WHEN,
    condition="a large model decodes token by token with int32 indices, and its weights do not fit into a cache.",
    flips="with the share of zeros and the size of the matrix, as the finding says. In a small matrix it never pays.",
    evidence=csr_from_half,
    data=("pruning_speed",),
)


def _in_csr(recipe: dict) -> float | None:
    """Share of zeros of a product or a model in CSR; None for what is stored otherwise."""
    if "sparsity" in recipe:
        return recipe["sparsity"]
    return recipe["amount"] if recipe["granularity"].startswith("csr") else None
