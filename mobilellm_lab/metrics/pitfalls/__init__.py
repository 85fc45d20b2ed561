"""Pitfalls of measuring, each a live demonstration that returns the wrong and the right number."""

from collections.abc import Callable

from mobilellm_lab.metrics.pitfalls.machine import busy_neighbour, wrong_threads
from mobilellm_lab.metrics.pitfalls.pitfall import Pitfall
from mobilellm_lab.metrics.pitfalls.quality import no_interval, tokenizers
from mobilellm_lab.metrics.pitfalls.timing import cold_cache, hidden_tail, no_warmup, one_shot

PITFALLS: dict[str, Callable[..., Pitfall]] = {
    "no_warmup": no_warmup,
    "one_shot": one_shot,
    "busy_neighbour": busy_neighbour,
    "wrong_threads": wrong_threads,
    "cold_cache": cold_cache,
    "hidden_tail": hidden_tail,
    "tokenizers": tokenizers,
    "no_interval": no_interval,
}

__all__ = [
    "PITFALLS",
    "Pitfall",
    "busy_neighbour",
    "cold_cache",
    "hidden_tail",
    "no_interval",
    "no_warmup",
    "one_shot",
    "tokenizers",
    "wrong_threads",
]
