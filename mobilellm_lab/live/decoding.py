"""A model decoding for a panel: the time of each token, and a sample of its text"""

import time
from collections.abc import Iterator
from statistics import median

import torch

from mobilellm_lab.layout import contiguous_, for_decoding
from mobilellm_lab.model import Transformer, generate
from mobilellm_lab.tasks import Task

DECODE_S, DECODE_TOKENS = 0.2, 24  # what timing one model may take, and the tokens that it may write
PROMPT, WRITTEN = 8, 48  # tokens that are given before the clock starts, and that are written on text


def step_times(model: Transformer, task: Task) -> Iterator[float]:
    """Yields the ms of each token decoded behind a short prompt; the first, which reads the prompt, is left out.

    The model is laid out `for_decoding` as long as the clock runs.
    """
    prompt = task.batch(0, 1, split="validation").tokens[:, :PROMPT]
    room = min(DECODE_TOKENS, model.config.max_seq_len - prompt.shape[1])
    try:
        tokens = generate(for_decoding(model), prompt, room)
        next(tokens)
        begin = before = time.perf_counter()
        for _ in tokens:
            now = time.perf_counter()
            yield 1000 * (now - before)
            before = time.perf_counter()
            if before - begin > DECODE_S:
                return
    finally:
        contiguous_(model)


def per_s(taken_ms: list[float]) -> float | None:
    """Tokens a second of the median step; None where no step was timed."""
    return 1000 / median(taken_ms) if taken_ms else None


def text(model: Transformer, task: Task) -> Iterator[str]:
    """What the model gives on held-out input, so far: on text the likeliest tokens, else the task's answers."""
    if task.name != "text":
        yield task.show(model)
        return
    tokens = task.batch(0, 1, split="validation").tokens
    half = max(1, tokens.shape[1] // 2)
    own, start = [], task.decode(tokens[0, :half])
    for token in generate(model, tokens[:, :half], min(WRITTEN, model.config.max_seq_len - half)):
        own.append(token)
        yield f"{start}\n[it goes on]\n{task.decode(torch.cat(own))}"
