"""Exercise: choose the range of an activation from a sample with outliers"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mobilellm_lab.teaching.by_example import pair
from mobilellm_lab.teaching.exercise import Exercise, Wrong

N, OUTLIERS = 8000, 3  # values of a sample, and how many of them lie far out, where any do
PAIRS = 3  # of a sample to choose from and another one to evaluate on

# kind of values -> (bits, largest error allowed, as a multiple of what the lowest and the highest value give)
BOTH, ABOVE, PLAIN, EVEN, FINE = "outliers on both sides", "outliers above", "no outliers", "evenly spread", "8 bits"
_LIMITS = {BOTH: (4, 0.4), ABOVE: (4, 0.8), PLAIN: (4, 1.1), EVEN: (8, 1.2), FINE: (8, 1.4)}


def _chosen_stub(sample, bits):
    """Range (low, high) of a grid for values like these; (n,)."""
    return ...  # your code


def _chosen_solution(sample, bits):
    """Range (low, high) of a grid for values like these; (n,)."""
    best, least = None, float("inf")
    for part in torch.linspace(1, 0.02, 99):
        low, high = part * sample.min(), part * sample.max()
        step = (high - low) / (2**bits - 1)
        codes = ((sample - low) / step).round().clamp(0, 2**bits - 1)
        error = (low + step * codes - sample).square().mean()
        if error < least:
            best, least = (low, high), error
    return best


def _chosen_alternative(sample, bits):
    """Range (low, high) of a grid for values like these; (n,)."""
    cut = 0.01 / 2**bits  # share of the values beyond each end
    low, high = torch.quantile(sample, torch.tensor([cut, 1 - cut]))
    return low, high


def _quantiles(cut: float) -> Callable:
    return lambda sample, bits: tuple(torch.quantile(sample, torch.tensor([cut, 1 - cut])))


def _magnitude(sample: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    largest = torch.quantile(sample.abs(), 1 - 0.02 / 2**bits)
    return -largest, largest


# These have the misconceptions that the inspection looks for; it does not need the very same numbers.
_MISTAKES = {
    "lowest and highest": lambda sample, bits: (sample.min(), sample.max()),
    "one end only": lambda sample, bits: (sample.min(), torch.quantile(sample, 1 - 0.02 / 2**bits)),
    "cuts off too much": _quantiles(0.05),
    "the same cut at any number of bits": _quantiles(0.002),
    "as far down as up": _magnitude,
    "wider than the values": lambda sample, bits: (
        sample.mean() - 6 * sample.std(),
        sample.mean() + 6 * sample.std(),
    ),
}


def _draw(kind: str, seed: int) -> Tensor:
    """Values of this kind, (N,). "outliers above" look like what a SiLU lets through."""
    generator = torch.Generator().manual_seed(seed)
    if kind == EVEN:
        return 4 * torch.rand(N, generator=generator) - 1
    values = torch.randn(N, generator=generator)
    places, far = torch.randperm(N, generator=generator)[:OUTLIERS], 2 * torch.rand(OUTLIERS, generator=generator)
    if kind == BOTH:
        values[places] = (9 + far) * torch.tensor([1.0, -1.0, 1.0])
    elif kind == ABOVE:
        values = torch.nn.functional.silu(1.5 * values)
        values[places] = 12 + far
    elif kind == PLAIN:
        values = values.clamp(-3.2, 3.2)
    return values


def _error(values: Tensor, ends: tuple[float, float], bits: int) -> float:
    """Mean squared distance of the values from a grid with these ends."""
    low, high = ends
    step = (high - low) / (2**bits - 1)
    codes = ((values - low) / step).round().clamp(0, 2**bits - 1)
    return float((low + step * codes - values).square().mean())


def _range(ends: object) -> tuple[float, float]:
    low, high = pair(ends)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Wrong("no range", f"Your range goes from {low:.3g} to {high:.3g}; it has to go up.")
    return low, high


def _inspect_clip(answer: Callable) -> str:
    pairs = {kind: [(_draw(kind, 2 * i), _draw(kind, 2 * i + 1)) for i in range(PAIRS)] for kind in _LIMITS}
    chosen = {
        kind: [_range(answer(seen.clone(), _LIMITS[kind][0])) for seen, _ in each] for kind, each in pairs.items()
    }
    extremes = {kind: [_range((seen.min(), seen.max())) for seen, _ in each] for kind, each in pairs.items()}
    ratio = {
        kind: sum(_error(new, ends, _LIMITS[kind][0]) for (_, new), ends in zip(each, chosen[kind], strict=True))
        / sum(_error(new, ends, _LIMITS[kind][0]) for (_, new), ends in zip(each, extremes[kind], strict=True))
        for kind, each in pairs.items()
    }
    failed = [kind for kind, (_, limit) in _LIMITS.items() if not ratio[kind] <= limit]
    if not failed:
        return (
            f"With outliers on both sides your error is {ratio[BOTH]:.2f} of what lowest and highest value give, with "
            f"outliers above {ratio[ABOVE]:.2f}, and without outliers, in 8 bits, {ratio[FINE]:.2f}. This is the "
            "error of the values. Whether the model misses what was cut off, only its loss can tell."
        )
    raise _why_worse(failed, ratio, pairs, chosen, extremes, answer)


def _why_worse(failed: list[str], ratio: dict, pairs: dict, chosen: dict, extremes: dict, answer: Callable) -> Wrong:
    """The mistake that these ranges show."""
    if all(_near(a, b) for kind in _LIMITS for a, b in zip(chosen[kind], extremes[kind], strict=True)):
        return Wrong(
            "lowest and highest",
            f"Your range holds every value of the sample, as min-max does. With {OUTLIERS} outliers among {N:,} values "
            "nearly all of the grid is spent between the outliers and the rest, where nothing is.",
        )
    shares = [
        float(((seen < low) | (seen > high)).float().mean())
        for kind in _LIMITS
        for (seen, _), (low, high) in zip(pairs[kind], chosen[kind], strict=True)
    ]
    if min(shares) > 0.02:
        return Wrong(
            "cuts off too much",
            f"At least {100 * min(shares):.0f} % of the values lie outside your range, in every sample. Each of them "
            "is moved to its end, and soon that error is larger than what the finer step saves.",
        )
    if all(abs(low + high) < 0.02 * high for low, high in chosen[EVEN]):
        low, high = extremes[EVEN][0]
        return Wrong(
            "as far down as up",
            f"Your range reaches as far down as up. Where the values go from {low:.2f} to {high:.2f}, the codes below "
            f"{low:.2f} are never used. An activation's range has two ends of its own.",
        )
    if all(low < a and high > b for (low, high), (a, b) in zip(chosen[EVEN], extremes[EVEN], strict=True)):
        low, high = chosen[EVEN][0]
        return Wrong(
            "wider than the values",
            f"Your range goes from {low:.2f} to {high:.2f} where the values end at {extremes[EVEN][0][0]:.2f} and "
            f"{extremes[EVEN][0][1]:.2f}: codes out there are never used. Mean and deviation say nothing about where "
            "values end.",
        )
    if BOTH in failed and any(
        abs(got - end) < 0.02
        for ends, most in zip(chosen[BOTH], extremes[BOTH], strict=True)
        for got, end in zip(ends, most, strict=True)
    ):
        return Wrong(
            "one end only",
            "One end of your range is still the outermost value of the sample. Outliers come on both sides: choose "
            "both ends.",
        )
    seen = pairs[FINE][0][0]
    if (
        FINE in failed
        and set(failed) <= {EVEN, FINE}
        and _near(_range(answer(seen.clone(), 4)), _range(answer(seen.clone(), 8)))
    ):
        return Wrong(
            "the same cut at any number of bits",
            f"In 4 bits your range is good, in 8 bits its error is {ratio[FINE]:.1f} times that of min-max. The more "
            "values a grid has, the less a finer step saves, and the less may be cut off: `bits` has to matter.",
        )
    bits, limit = _LIMITS[failed[0]]
    (_, new), (low, high) = pairs[failed[0]][0], chosen[failed[0]][0]
    beyond = float((new - new.clamp(low, high)).square().mean()) / _error(new, (low, high), bits)
    why = "Too narrow: most of that error" if beyond > 0.5 else "Too wide: little of that error"
    return Wrong(
        "no better range",
        f"Values of the kind '{failed[0]}', {bits} bits: on new ones your range has {ratio[failed[0]]:.2f} times the "
        f"error of min-max, and at most {limit:g} will do. {why} comes from values outside.",
    )


def _near(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return all(abs(x - y) < 1e-3 * (b[1] - b[0]) for x, y in zip(a, b, strict=True))


CLIP = Exercise(
    name="clip",
    title="A range that outliers do not rule",
    task="""
Activations are not known in advance, so a static quantizer looks at a **sample** of them, and then keeps a range for
all that follow. Write `chosen(sample, bits)`: `(low, high)` for a grid of `2**bits` values, evenly spaced from low to
high, both included. `sample` is a tensor (n,). A value outside the range is moved to its end.

We evaluate your range on *new* values of the same kind, by the mean squared error. With a few outliers far out, it has
to be **clearly better than the lowest and the highest value of the sample**. Without outliers, it must not be much
worse. Think of 4 bits and of 8.
""".strip(),
    answer="chosen",
    stub=_chosen_stub,
    solution=_chosen_solution,
    alternative=_chosen_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Two errors work against each other: values that are cut off, and the step between two values of the grid. "
        "What does each of them do as the range shrinks?",
        "You have the sample: try ranges, round the sample to each, and keep the one with the smallest mean squared "
        "error. Or let a small share of the values lie outside, smaller the more bits there are.",
        "For `part` in `torch.linspace(1, 0.02, 99)` take `low, high = part * sample.min(), part * sample.max()` and "
        "`step = (high - low) / (2**bits - 1)`; the codes are `((sample - low) / step).round()`, clamped to 0 and "
        "`2**bits - 1`, and the rounded values `low + step * codes`.",
    ),
    inspect=_inspect_clip,
)
