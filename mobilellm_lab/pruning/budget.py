"""Prune to a budget: the amount at which a smaller model has the asked bytes or the asked speed, measured here"""

import math
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace

from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import Comparison, Theoretical
from mobilellm_lab.measuring.latency import Clock
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.kernels import PAIRS, in_pairs
from mobilellm_lab.pruning.sensitivity import LayerCost, allocate
from mobilellm_lab.pruning.shrinking import Structure, shrink
from mobilellm_lab.pruning.structured import BY_BLOCK, prune_structured
from mobilellm_lab.quantization.study.crossover import decode_steps

TOLERANCE = 0.05  # of the asked speedup: the whole interval must lie in it
CLOSE = 0.015  # of the asked speedup: the search ends here
ROUNDS = 7  # amounts that are measured at most
STEPS = 10  # halvings of the amount for a budget of bytes: 0.1 % of it

Smaller = Callable[[float], Transformer]  # an amount -> the smaller dense model; 0 gives back the whole one
Work = Callable[[Transformer], Callable[[], object]]  # a model -> what is timed


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One amount of the search, measured."""

    amount: float
    comparison: Comparison  # a: the dense model, b: the smaller one; milliseconds of CPU time

    @property
    def speedup(self) -> float:
        return 1 / self.comparison.ratio


@dataclass(frozen=True, eq=False, kw_only=True)
class Budgeted:
    """What the budget gave."""

    model: Transformer  # the smaller dense model
    amount: float
    bytes: Theoretical  # of its float32 weights
    speedup: int | float | None  # asked; None for a budget of bytes
    final: Trial | None  # the chosen amount, measured anew; None for a budget of bytes
    trials: tuple[Trial, ...]  # the search, in its order

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval of the measured speedup."""
        found = self.final.comparison
        return 1 / found.ratio_high, math.inf if found.ratio_low <= 0 else 1 / found.ratio_low

    @property
    def reached(self) -> bool:
        """Whether the bytes fit, or the whole interval lies within 5 % of the asked speedup."""
        if self.final is None:
            return True
        low, high = self.interval
        return (1 - TOLERANCE) * self.speedup <= low and high <= (1 + TOLERANCE) * self.speedup

    def __str__(self) -> str:
        if self.final is None:
            return f"reached: {self.bytes}, amount {self.amount:.3g}"
        low, high = self.interval
        said = "reached" if self.reached else "not reached"
        return f"{said}: {self.final.speedup:.3g}x ({low:.3g} to {high:.3g}), {self.speedup:g}x was asked"


def uniformly(model: Transformer, *, granularity: str = "neuron", **how) -> Smaller:
    """Amount -> the model without this share of each block's neurons or heads, or of the channels or layers.

    `how` are the options of `prune_structured`, importance among them. The weights lie in memory as those of `model`.
    """

    def smaller(amount: float) -> Transformer:
        return _laid_out_like(model, shrink(model, prune_structured(model, amount, granularity=granularity, **how)))

    return smaller


def by_sensitivity(model: Transformer, costs: Iterable[LayerCost], **how) -> Smaller:
    """Amount -> the model without this share of the scanned weights, taken where the loss increases least.

    `costs` are what `scan` found of neurons, of heads or of both. Amounts beyond the largest scanned ones stay there.

    Raises:
        ValueError: what `allocate` refuses.
    """
    costs = list(costs)
    kept: dict[str, list[int]] = {}
    for cost in costs:
        kept.setdefault(cost.layer, []).append(cost.kept)
    most, least = (sum(choose(own) for own in kept.values()) for choose in (max, min))
    allocate(costs, most)

    def smaller(amount: float) -> Transformer:
        amounts = allocate(costs, max(least, most - math.floor(amount * most)))
        structure = Structure.whole(model.config)
        for granularity, field in (("neuron", "neurons"), ("head", "kv_heads")):
            if own := {name: amounts[name] for name in amounts if name.endswith(BY_BLOCK[granularity])}:
                found = prune_structured(model, own, granularity=granularity, **how)
                structure = replace(structure, **{field: getattr(found, field)})
        return _laid_out_like(model, shrink(model, structure))

    return smaller


def _laid_out_like(model: Transformer, small: Transformer) -> Transformer:
    """The smaller model `for_decoding` where the other one is, so that neither is timed in a slower layout."""
    return small if all(p.is_contiguous() for p in model.parameters()) else for_decoding(small)


def prune_to(model: Transformer, smaller: Smaller, **budget) -> Budgeted:
    """The smaller model that `pruning_to` ends in, with its budget and options; `model` stays as it is."""
    search = pruning_to(model, smaller, **budget)
    while True:
        try:
            next(search)
        except StopIteration as done:
            return done.value


def pruning_to(
    model: Transformer,
    smaller: Smaller,
    *,
    bytes: int | None = None,
    speedup: int | float | None = None,
    most: float = 0.95,
    work: Work = decode_steps,
    pairs: int = PAIRS,
    seed: int = 0,
    clock: Clock = time.process_time,
) -> Generator[Trial, None, Budgeted]:
    """Yields every amount that is measured; the generator's value is the model of the amount that fits the budget.

    Give one budget: `bytes` of the float32 weights at most, or `speedup` of the work, by default a decode step, over
    `model` on this machine. Amounts go up to `most`. Time is taken to fall in a straight line with the amount: each
    measurement moves the next amount. The chosen one is measured anew, since a search ends at favourable noise. On
    a noisy machine the interval is wide, and the result says *not reached*.

    Raises:
        ValueError: both budgets or none, a speedup below 1, bytes that the largest amount does not reach, an amount
            outside (0, 1), or fewer than 6 pairs.
    """
    if (bytes is None) == (speedup is None):
        raise ValueError(f"bytes={bytes}, speedup={speedup}: give one of them as the budget")
    if not 0 < most < 1:
        raise ValueError(f"most={most}: give the largest amount to try, between 0 and 1")
    if speedup is not None and not 1 <= speedup < math.inf:
        raise ValueError(f"speedup={speedup}: give how many times as fast, 1 or more")
    least = smaller(most)  # now, so that an amount that cannot be is refused before anything is timed
    if bytes is not None:
        return _to_bytes(smaller, bytes, most, least)
    del least
    share, dense = 1 / speedup, work(model)
    trials, amount, slow, fast = [], min(most, 1 - share), (0.0, 1.0), None
    for _ in range(ROUNDS):
        found = in_pairs(dense, work(smaller(amount)), pairs=pairs, seed=seed, clock=clock)
        trials.append(Trial(amount=amount, comparison=found))
        yield trials[-1]
        if abs(found.ratio / share - 1) <= CLOSE:
            break
        if found.ratio > share:
            slow = (amount, found.ratio)
        else:
            fast = (amount, found.ratio)
        amount = _between(slow, fast, share, most)
        if amount in (trial.amount for trial in trials):
            break  # the largest amount is too slow, or no other one is left
    best = min(trials, key=lambda trial: abs(math.log(trial.comparison.ratio / share)))
    chosen = smaller(best.amount)
    found = in_pairs(dense, work(chosen), pairs=pairs, seed=seed + 1, clock=clock)
    return Budgeted(
        model=chosen,
        amount=best.amount,
        bytes=weight_bytes(chosen),
        speedup=speedup,
        final=Trial(amount=best.amount, comparison=found),
        trials=tuple(trials),
    )


def weight_bytes(model: Transformer) -> Theoretical:
    """Bytes of all weights in float32; a tied table counts once."""
    return Theoretical(bytes=4 * sum(p.numel() for p in model.parameters()))


def _between(slow: tuple[float, float], fast: tuple[float, float] | None, share: float, most: float) -> float:
    """The amount at which a straight line reaches this share of the dense time.

    It runs through the last amounts (with their share of the dense time) that were too slow and too fast; while none
    was too fast, through the dense model and the last one.
    """
    (a, above), (b, below) = slow, fast or (0.0, 1.0)
    if above == below:  # nothing was gained
        return most
    return min(most, max(0.0, a + (b - a) * (above - share) / (above - below)))


def _to_bytes(smaller: Smaller, asked: int, most: float, least: Transformer) -> Budgeted:
    """The model of the smallest amount that takes at most as many bytes, found by halving; nothing is timed."""
    low, high, chosen = 0.0, most, least
    if (fewest := weight_bytes(least).bytes) > asked:
        raise ValueError(f"bytes={asked}: {fewest} are left at the largest amount, {most:g}; give as many")
    if weight_bytes(whole := smaller(0.0)).bytes <= asked:
        high, chosen = 0.0, whole
    for _ in range(STEPS if high else 0):
        middle = (low + high) / 2
        tried = smaller(middle)
        if weight_bytes(tried).bytes <= asked:
            high, chosen = middle, tried
        else:
            low = middle
    return Budgeted(model=chosen, amount=high, bytes=weight_bytes(chosen), speedup=None, final=None, trials=())
