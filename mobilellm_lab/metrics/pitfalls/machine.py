"""Pitfalls of the machine: a busy neighbour, and more threads than free cores"""

import os
import time

import torch

from mobilellm_lab.measuring.generation import generation
from mobilellm_lab.measuring.neighbour import Neighbour
from mobilellm_lab.metrics.pitfalls.pitfall import Pitfall
from mobilellm_lab.metrics.pitfalls.timing import small_model
from mobilellm_lab.model import Transformer, generate

PATIENCE_S = 2.0  # a fight over cores may last; it is watched for so long
TOKENS = 48  # in one run


def busy_neighbour(*, seed: int = 0) -> Pitfall:
    """Decoding while another process keeps the cores busy, and alone."""
    model, options = small_model(seed), {"prompt_tokens": 16, "new_tokens": TOKENS, "repeats": 7, "min_time_s": 0.5}
    with Neighbour():
        beside = generation(model, **options)
    alone = generation(model, **options)
    wrong, right = beside.decode_per_s.median_per_s, alone.decode_per_s.median_per_s
    return Pitfall(
        name="busy_neighbour",
        title="a busy neighbour",
        wrong=wrong,
        right=right,
        unit="tokens/s",
        says_wrong=f"the model decodes {wrong:.0f} tokens/s",
        says_right=f"it decodes {right:.0f} tokens/s when it has a core to itself",
        cure="Look at the load before, measure both sides in turn, and write the load into the record.",
        series={
            "tokens/s beside a busy process": tuple(1000 * (TOKENS - 1) / ms for ms in beside.decode.samples_ms),
            "tokens/s alone": tuple(1000 * (TOKENS - 1) / ms for ms in alone.decode.samples_ms),
        },
    )


def wrong_threads(*, seed: int = 0) -> Pitfall:
    """A thread for every core while another process wants them too, and one thread beside the same process.

    Threads of one product wait for each other in a spinning loop: one that lost its core keeps all of them waiting.
    """
    model, threads_before = small_model(seed), torch.get_num_threads()
    many = max(2, os.cpu_count() or 2)
    with Neighbour():
        try:
            torch.set_num_threads(many)
            with_many = _token_ms(model)
            torch.set_num_threads(1)
            with_one = _token_ms(model)
        finally:
            torch.set_num_threads(threads_before)
    wrong, right = (sum(samples) / len(samples) for samples in (with_many, with_one))
    return Pitfall(
        name="wrong_threads",
        title="too many threads",
        wrong=wrong,
        right=right,
        unit="ms per token",
        says_wrong=f"a token takes {wrong:,.2f} ms with {many} threads",
        says_right=f"it takes {right:,.2f} ms with one, beside the same busy process",
        cure="Write the thread count into the record, try one thread, and leave a core to the rest of the machine.",
        series={f"ms of each token, {many} threads": with_many, "ms of each token, one thread": with_one},
    )


def _token_ms(model: Transformer) -> tuple[float, ...]:
    """Milliseconds of each token after the first run's, until there are four runs of them or patience ends."""
    samples, prompt = [], torch.zeros((1, 16), dtype=torch.long)
    deadline = time.perf_counter() + PATIENCE_S
    for _ in range(4):
        last = None
        for _ in generate(model, prompt, TOKENS):
            now = time.perf_counter()
            if last is not None:  # the first token is the prompt's
                samples.append(1000 * (now - last))
            last = now
            if samples and now > deadline:
                return tuple(samples)
    return tuple(samples)
