"""TTFT and TPOT with percentiles, prefill and decode speed"""

import time
from dataclasses import dataclass

import torch

from mobilellm_lab.measuring.latency import Clock, Latency, Throughput, throughput
from mobilellm_lab.measuring.load import settled
from mobilellm_lab.model import Transformer, generate


@dataclass(frozen=True, kw_only=True)
class Generation:
    """TTFT and TPOT of cached greedy decoding, with prefill and decode speed."""

    prompt_tokens: int  # prefilled before the first new token
    new_tokens: int  # generated in one run, the first one included
    ttft: Latency  # time to the first token, one sample per run: prefill and the choice of one token
    tpot: Latency  # time per output token after the first, one sample per token, all runs in order
    decode: Latency  # all tokens after the first, one sample per run

    @property
    def prefill_per_s(self) -> Throughput:
        """Prompt tokens per second until the first token is there."""
        return Throughput(latency=self.ttft, items=self.prompt_tokens, unit="tokens")

    @property
    def decode_per_s(self) -> Throughput:
        """Tokens per second after the first."""
        return Throughput(latency=self.decode, items=self.new_tokens - 1, unit="tokens")

    def __str__(self) -> str:
        token = self.tpot
        return (
            f"first token after {self.ttft.median_ms:.3g} ms ({self.prompt_tokens} in the prompt), then "
            f"{token.median_ms:.3g} ms each (p95 {token.p95_ms:.3g}, p99 {token.p99_ms:.3g}, {token.runs} tokens)"
        )


def generation(
    model: Transformer,
    *,
    prompt_tokens: int = 32,
    new_tokens: int = 32,
    warmup: int = 1,
    repeats: int = 5,
    min_time_s: float = 0.2,
    limit_s: float = 0.0,
    clock: Clock = time.perf_counter,
) -> Generation:
    """TTFT and TPOT in ms of cached greedy decoding at batch 1, over at least `repeats` runs.

    Runs repeat until they add up to `min_time_s`, and on a busy machine up to `limit_s` until they settle. Every token
    is timed by itself, so the percentiles of `tpot` show a slow one; the first token of a run counts as `ttft` only.
    The prompt repeats token 0, since speed does not depend on the text. On an accelerator each token is synchronised.

    Raises:
        ValueError: fewer than 1 prompt token, 2 new tokens or 1 repeat, a negative warm-up or time, or more tokens
            than the model has positions.
    """
    if prompt_tokens < 1 or new_tokens < 2:
        raise ValueError(
            f"prompt_tokens={prompt_tokens}, new_tokens={new_tokens}: give at least 1 prompt token and 2 new ones, "
            "since the first new token belongs to the prefill"
        )
    if prompt_tokens + new_tokens > model.config.max_seq_len:
        raise ValueError(
            f"prompt_tokens={prompt_tokens} + new_tokens={new_tokens} do not fit in max_seq_len="
            f"{model.config.max_seq_len}: ask for fewer"
        )
    if warmup < 0 or repeats < 1 or min_time_s < 0:
        raise ValueError(
            f"warmup={warmup}, repeats={repeats}, min_time_s={min_time_s}: give at least 1 repeat, nothing negative"
        )
    device = model.embed.weight.device
    prompt = torch.zeros((1, prompt_tokens), dtype=torch.long, device=device)

    def run() -> list[float]:
        """The clock at the start and after each token."""
        stamps = [clock()]
        for token in generate(model, prompt, new_tokens):
            token.item()  # an accelerator answers only when the token is really there
            stamps.append(clock())
        return stamps

    for _ in range(warmup):
        run()
    first_ms, token_ms, rest_ms, total_s = [], [], [], 0.0
    while len(first_ms) < repeats or total_s < min_time_s or (total_s < limit_s and not settled(rest_ms)):
        stamps = run()
        total_s += stamps[-1] - stamps[0]
        first_ms.append(1000 * (stamps[1] - stamps[0]))
        rest_ms.append(1000 * (stamps[-1] - stamps[1]))
        token_ms += [1000 * (after - before) for before, after in zip(stamps[1:], stamps[2:], strict=False)]
    ttft, tpot, decode = (
        Latency(samples_ms=tuple(samples), warmup=warmup, device=device.type)
        for samples in (first_ms, token_ms, rest_ms)
    )
    return Generation(prompt_tokens=prompt_tokens, new_tokens=new_tokens, ttft=ttft, tpot=tpot, decode=decode)


def decode_throughput(
    model: Transformer, *, length: int, warmup: int = 1, repeats: int = 5, min_time_s: float = 0.1
) -> Throughput:
    """Tokens per second of cached greedy decoding: one sequence of `length` tokens after a prompt of one."""
    prompt = torch.zeros((1, 1), dtype=torch.long, device=model.embed.weight.device)

    def decode() -> None:
        for _ in generate(model, prompt, length):
            pass

    return throughput(decode, items=length, unit="tokens", warmup=warmup, repeats=repeats, min_time_s=min_time_s)
