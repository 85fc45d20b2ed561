"""Claims about measuring one variant, each with the rule behind its verdict"""

import pandas as pd

from mobilellm_lab.charts.report import digits
from mobilellm_lab.metrics.study.evidence import pitfalls
from mobilellm_lab.metrics.study.published import EXECUTORCH
from mobilellm_lab.reference import origin
from mobilellm_lab.reference.rows import spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def file_size() -> Evidence:
    """Per published file: is the resident memory of the process that ran it within 10 % of its size?

    Holds if it is for all, does not hold if for none.
    """
    factor = [row.resident_mib / row.file_mib for row in EXECUTORCH.values()]
    large, small = EXECUTORCH["bfloat16"], EXECUTORCH["SpinQuant"]
    return Evidence(
        verdict=graded(abs(times - 1) < 0.1 for times in factor),
        line=f"On a phone the process took {min(factor):.1f} to {max(factor):.1f} times the size of its file",
        finding=f"On a OnePlus 12 the 16-bit file of Llama-3.2-1B has {large.file_mib:,} MiB, and its process "
        f"{large.resident_mib:,} MiB. The 4-bit file has {small.file_mib:,} MiB, and its process "
        f"{small.resident_mib:,} MiB. Over the published rows the process is {min(factor):.1f} to {max(factor):.1f} "
        "times as large as the file.",
    )


FILE_IS_MEMORY = Claim(
    name="file-is-memory",
    said="The size of a model's file is the memory that it needs.",
    source="common practice; the table is ExecuTorch's, https://github.com/pytorch/executorch",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="for a large model with a short context and a runtime that maps the file and keeps nothing twice.",
    evidence=file_size,
)


def first_call(store: Store) -> Evidence:
    """Per repeat: is the TTFT of a fresh process's first answer that of the later ones, within 10 %?

    Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "no_warmup")
    wrong, right, times = _spreads(found)
    return Evidence(
        verdict=graded(found["wrong"] <= 1.1 * found["right"]),
        line=f"The first TTFT of a fresh process is {digits(found['factor'].median())} times the later ones",
        finding=f"The TTFT of the first answer of a fresh process is {wrong} ms, later ones take {right} ms. That is "
        f"{times} times as long. The median is followed by the lowest and the highest repeat.",
    )


FIRST_CALL = Claim(
    name="first-call",
    said="One call tells how long the others take, since code and input are the same.",
    source="common practice",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="where start-up is the question, as in an app that answers once and closes.",
    evidence=first_call,
    data=("metrics_lies",),
)


def layer_alone(store: Store) -> Evidence:
    """Per repeat: does a layer in a loop take nine tenths of its time among all layers, or more?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "cold_cache")
    wrong, right, _ = _spreads(found)
    return Evidence(
        verdict=graded(found["wrong"] >= 0.9 * found["right"]),
        line=f"In a loop a layer takes {digits(found['wrong'].median())} us, among the others "
        f"{digits(found['right'].median())} us",
        finding=f"In a loop a layer takes {wrong} us, and {right} us in its turn among the others. In the loop its "
        "weights stay in the cache; in a model they come from memory each time.",
    )


LAYER_TIMES_LAYERS = Claim(
    name="layer-times-layers",
    said="Time one layer in a loop and multiply by the number of layers.",
    source="common practice",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="for a model that fits into the cache as a whole.",
    evidence=layer_alone,
    data=("metrics_lies",),
)


def mean_latency(store: Store) -> Evidence:
    """Per repeat: is the 99th percentile of TPOT at most twice its mean?

    Decoding beside a busy process. Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "hidden_tail")
    wrong, right, _ = _spreads(found)
    return Evidence(
        verdict=graded(found["right"] <= 2 * found["wrong"]),
        line=f"Beside a busy process the mean TPOT is {digits(found['wrong'].median())} ms and the p99 "
        f"{digits(found['right'].median())} ms",
        finding=f"Beside a busy process the mean TPOT is {wrong} ms, and its p99 {right} ms. An answer of a few "
        "hundred tokens has some of those.",
    )


MEAN_LATENCY = Claim(
    name="mean-latency",
    said="The average latency says what a user waits.",
    source="common practice; against it Dean and Barroso, https://research.google/pubs/the-tail-at-scale/",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="on a quiet machine, where the mean and the 99th percentile may be close. The percentiles show which case "
    "it is.",
    evidence=mean_latency,
    data=("metrics_lies",),
)


def more_threads(store: Store) -> Evidence:
    """Per repeat: does a token take less time with a thread for every core than with one, beside a busy process?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "wrong_threads")
    wrong, right, times = _spreads(found)
    return Evidence(
        verdict=graded(found["wrong"] < found["right"]),
        line=f"Beside a busy process a thread per core makes TPOT {times} times as long as one thread",
        finding=f"Beside a busy process TPOT is {wrong} ms with a thread for every core, and {right} ms with one "
        f"thread. That is {times} times as long, on {', '.join(origin(store).machines)}. Threads wait for each other "
        "at the end of every operation, and one of them has lost its core.",
    )


MORE_THREADS = Claim(
    name="more-threads",
    said="With a thread for every core a model runs faster.",
    source="common practice",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="where the cores are free and the products are large enough to be shared. Measure one thread and all, and "
    "write down which it was.",
    evidence=more_threads,
    data=("metrics_lies",),
)


def _spreads(found: pd.DataFrame) -> list[str]:
    """Reported number, right number and their ratio, each with its spread over the repeats."""
    return [spread(found[column], digits) for column in ("wrong", "right", "factor")]


CLAIMS = (FILE_IS_MEMORY, MEAN_LATENCY, MORE_THREADS)
ALSO = (FIRST_CALL, LAYER_TIMES_LAYERS)
