"""Claims of the article on size, speed and accuracy, each with the rule of its verdict"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, in_parts, rounded, speeds
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

INT8 = ("torch.ao int8 dynamic", "torchao int8 dynamic", "torchao int8 weight-only")
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
    converted = min(times[name] for name in INT8[1:])
    return Evidence(
        verdict=graded(_quarter(at[name]["file_bytes"], at[name]["float_file_bytes"]) for name in INT8),
        line=f"{converted:.2f} times smaller with the embedding converted, {times[INT8[0]]:.2f} with the Linears only",
        finding=f"At the shape of MobileLLM-125M the file shrinks {converted:.2f} times where the embedding is "
        f"converted, which holds {100 * mobile['embedding'] / sum(mobile.values()):.0f} % of the model. With torch's "
        f"own dynamic quantization it shrinks {times[INT8[0]]:.2f} times, since the embedding stays in float32 and the "
        f"output layer is stored beside it. Gemma 3 270M would shrink {linears_only:.1f} times that way, by formula. "
        f"In 4 bits the file shrinks {times['packed 4-bit (ours)']:.2f} times with two weights to a byte, and "
        f"{times['torchao int4 (one per byte)']:.2f} times with one.",
    )


FOUR_TIMES_SMALLER = Claim(
    name="four-times-smaller",
    said="Integers of 8 bits in place of floats of 32 make a model four times smaller.",
    source="the article, section 3, and common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the embedding is converted too, and not only the Linears.",
    flips="to *holds* if every converter took every matrix. Look at the file, never at the number of bits.",
    evidence=smaller,
    data=("quantization_speed",),
)


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
        line=f"Faster in {int(wins.sum())} of {len(rows)} cases: three int8 backends at five sizes",
        finding=f"With three int8 backends at five sizes, decoding is faster than float32 in {int(wins.sum())} of "
        f"{len(rows)} cases. At {small['size'].iloc[0]} parameters it is {small['speedup'].min():.2f} to "
        f"{small['speedup'].max():.2f} times as fast. There a token starts up to "
        f"{(small['operations'] / small['float_operations']).max():.1f} times as many operations. At "
        f"{large['size'].iloc[0]} it is {large['speedup'].min():.2f} to {large['speedup'].max():.2f} times as fast. "
        f"The best is {best['backend']} at {best['size']}, with an interval of the pairs of {best['speedup_low']:.2f} "
        f"to {best['speedup_high']:.2f}. Measured on {', '.join(origin(store).machines)}.",
    )


INT8_IS_FASTER = Claim(
    name="int8-is-faster",
    said="Quantizing a model makes it answer faster.",
    source="the article, section 3",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model is large, and its kernel multiplies the integers themselves, with few extra operations.",
    flips="with the size of the model, and with the kernel. One that dequantizes weights for each token saves bytes on "
    "disk only, and one made for a compiler is slow without it. On a phone, Llama-3.2-1B decodes 2.6 times as fast in "
    "4 bits as in 16, as published for ExecuTorch.",
    evidence=faster,
    data=("quantization_speed",),
)


def may_cost_accuracy(store: Store) -> Evidence:
    """Per model and bits: does RTN raise the loss by over 0.01 nats in every part of the test?

    Weights in groups of 32, two models, 8, 6, 4, 3 and 2 bits, four parts. Holds if it does in all cases, does not hold
    if in none.
    """
    found = {bits: rounded(store, bits) for bits in (8, 6, 4, 3, 2)}
    stories, text = ({bits: in_parts(runs[name]) for bits, runs in found.items()} for name in NAMED)
    return Evidence(
        verdict=graded(run["loss_increase_low_nats"] > LITTLE for runs in found.values() for run in runs.values()),
        line=f"At 4 bits, RTN costs {found[4]['stories'][INCREASE]:.3f} nats on stories and "
        f"{found[4]['text'][INCREASE]:.3f} on text",
        finding="RTN in groups of 32, loss increase in nats, in brackets the lowest and the highest of four parts of "
        "the test. "
        + " ".join(f"At {bits} bits stories lose {stories[bits]}. Text loses {text[bits]}." for bits in found),
    )


ROUNDING_MAY_COST = Claim(
    name="rounding-may-cost",
    said="Quantizing after training is simple, but may cost accuracy.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the bits are few: 3 or fewer on stories, 4 or fewer on text.",
    flips="with the model. One of real text loses earlier than one of a small world.",
    evidence=may_cost_accuracy,
    data=("quantization",),
)


def _quarter(size: int, before: int) -> bool:
    return size < before and 4 * size <= 1.1 * before


CLAIMS = (FOUR_TIMES_SMALLER, INT8_IS_FASTER, ROUNDING_MAY_COST)
