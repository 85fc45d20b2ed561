"""Pitfalls of timing: no warm-up, one shot, a warm cache, a mean that hides the tail"""

import json
import os
import subprocess
import sys
import time

import numpy as np
import torch

from mobilellm_lab import zoo
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring.generation import generation
from mobilellm_lab.measuring.latency import latency
from mobilellm_lab.measuring.neighbour import Neighbour
from mobilellm_lab.metrics.duel import DuelRecipe, DuelRun
from mobilellm_lab.metrics.pitfalls.pitfall import Pitfall
from mobilellm_lab.model import Transformer, generate

CALLS, PROMPT = 20, 64  # answers asked of a fresh process, and tokens of the question
LAYERS, SIDE = 128, 512  # matrices of a model that no core's own cache holds: 128 MiB


def small_model(seed: int) -> Transformer:
    """About a million parameters, laid out for decoding, so that a token takes less than a millisecond."""
    return for_decoding(Transformer(zoo.solve(1_000_000, 6, vocab_size=256, max_seq_len=256), seed=seed))


def first_calls(seed: int) -> None:
    """Prints the times to the first token, in ms, of the first answers that this process gives.

    In bfloat16, as models are shipped: its kernels are made when the first product asks for them.
    """
    torch.set_num_threads(1)
    model, prompt, durations = small_model(seed).bfloat16(), torch.zeros((1, PROMPT), dtype=torch.long), []
    for _ in range(CALLS):
        start = time.perf_counter()
        next(generate(model, prompt, 1))
        durations.append(1000 * (time.perf_counter() - start))
    print(json.dumps(durations))


def no_warmup(*, seed: int = 0) -> Pitfall:
    """Time to the first token of the first answer in a fresh process, and the median once it has warmed up."""
    code = f"from mobilellm_lab.metrics.pitfalls.timing import first_calls; first_calls({seed})"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = subprocess.run([sys.executable, "-c", code], env=found, capture_output=True, text=True, check=True).stdout
    durations = json.loads(output.splitlines()[-1])
    first, warm = durations[0], float(np.median(durations[CALLS // 2 :]))
    return Pitfall(
        name="no_warmup",
        title="no warm-up",
        wrong=first,
        right=warm,
        unit="ms",
        says_wrong=f"the first token of an answer takes {first:.1f} ms",
        says_right=f"it takes {warm:.1f} ms once kernels are made, memory is mapped and caches are filled",
        cure="Warm up before the clock starts, or report the first call as what it is: start-up.",
        series={"ms to the first token, answer by answer": tuple(durations)},
    )


def one_shot(*, seed: int = 0) -> Pitfall:
    """How far apart two runs of the same work are in a single pair, and in the median of forty."""
    run = DuelRun(DuelRecipe(slowdown_percent=0, repeats=40, seed=seed))
    for _ in run:
        pass
    result = run.result()
    ratios = [b / a for a, b in zip(result.a_ms, result.b_ms, strict=True)]
    single = float(np.percentile([100 * abs(ratio - 1) for ratio in ratios], 90))
    comparison = result.comparison
    half = 50 * (comparison.ratio_high - comparison.ratio_low)
    return Pitfall(
        name="one_shot",
        title="one shot",
        wrong=single,
        right=half,
        unit="% apart",
        says_wrong=f"one pair in ten of the same work says that one side is {single:.1f} % or more faster",
        says_right=f"forty pairs say {comparison.verdict}: the ratio is known to {half:.1f} %",
        cure="Repeat in pairs, take the median ratio, and print its interval.",
        series={"b / a of each pair": tuple(ratios)},
    )


def cold_cache(*, seed: int = 0) -> Pitfall:
    """One layer in a loop, and the same layer as a model meets it: after all the others."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(SIDE, SIDE, generator=generator) for _ in range(LAYERS)]
    x = torch.randn(SIDE, generator=generator)

    def alone() -> None:
        for _ in layers:
            torch.mv(layers[0], x)

    def in_turn() -> None:
        for layer in layers:
            torch.mv(layer, x)

    hot, cold = (latency(fn, warmup=1, repeats=20, min_time_s=0.1) for fn in (alone, in_turn))
    wrong, right = (1000 * measured.median_ms / LAYERS for measured in (hot, cold))
    return Pitfall(
        name="cold_cache",
        title="a layer timed by itself",
        wrong=wrong,
        right=right,
        unit="us per layer",
        says_wrong=f"a layer takes {wrong:.0f} us, so {LAYERS} of them take {LAYERS * wrong / 1000:.1f} ms",
        says_right=f"they take {LAYERS * right / 1000:.1f} ms: by its next turn a layer has left the core's cache",
        cure="Time the whole model, or read as much other memory in between as the model does.",
        series={
            "us per layer, one in a loop": tuple(1000 * ms / LAYERS for ms in hot.samples_ms),
            "us per layer, all in turn": tuple(1000 * ms / LAYERS for ms in cold.samples_ms),
        },
    )


def hidden_tail(*, seed: int = 0) -> Pitfall:
    """The mean time per token on a machine that does something else too, and the time of the slowest in a hundred."""
    with Neighbour():
        timed = generation(small_model(seed), prompt_tokens=16, new_tokens=64, repeats=5, min_time_s=1.0)
    mean, p99 = timed.tpot.mean_ms, timed.tpot.p99_ms
    return Pitfall(
        name="hidden_tail",
        title="an average that hides a tail",
        wrong=mean,
        right=p99,
        unit="ms per token",
        says_wrong=f"a token takes {mean:.2f} ms on average",
        says_right=f"half of them take less than {timed.tpot.median_ms:.2f} ms, and one in a hundred {p99:.1f} or more",
        cure="Print p50, p95 and p99: the reader waits for the slow ones.",
        series={"ms of each token": timed.tpot.samples_ms},
    )
