"""Predictions of chapter 1: decode speed against model size (`LARGER`), share of the bandwidth (`REACHED`)"""

from mobilellm_lab import footprint
from mobilellm_lab.constraints import LAB_MODELS
from mobilellm_lab.constraints.study.evidence import alone, decoded
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.reference.rows import one
from mobilellm_lab.teaching.prediction import Measured, Prediction

SMALL, MIDDLE, LARGE = LAB_MODELS
WEIGHTS = {name: footprint.parameters(config) for name, config in LAB_MODELS.items()}
LAYERS = {name: config.n_layers for name, config in LAB_MODELS.items()}


def larger(small: str = SMALL, large: str = MIDDLE) -> Measured:
    """Ratio of the tokens/s of `small` to those of `large`, one sequence, 32 bits, one thread."""
    store = open_sweep("constraints")
    plain = alone(decoded(store))
    fast, slow = one(plain, size=small), one(plain, size=large)
    return Measured(
        median=float(fast["p50"] / slow["p50"]),
        low=float(fast["p10"] / slow["p90"]),
        high=float(fast["p90"] / slow["p10"]),
        origin=str(origin(store)),
        note=f"{slow['rounds']} rounds: tenth to ninetieth percentile of one over the other's",
    )


def reached(size: str = LARGE) -> Measured:
    """Percent of the probed read rate that decode of `size` reaches, one sequence, 32 bits, one thread."""
    store = open_sweep("constraints")
    row = one(alone(decoded(store)), size=size)
    peak = 1e9 * row["bandwidth_gb_s"]
    share = {name: float(100 * row["read_bytes"] * row[name] / peak) for name in ("p10", "p50", "p90")}
    return Measured(
        median=share["p50"],
        low=share["p10"],
        high=share["p90"],
        origin=str(origin(store)),
        note=f"{row['rounds']} rounds, tenth to ninetieth percentile, of the median rate of reading",
    )


LARGER = Prediction(
    name="larger",
    question=f"Two models decode one sequence on one core. The large one has {WEIGHTS[MIDDLE] / 1e6:.0f} million "
    f"parameters, the small one {WEIGHTS[SMALL] / 1e3:.0f} thousand, {WEIGHTS[MIDDLE] / WEIGHTS[SMALL]:.0f} times "
    "fewer. How many times **fewer tokens per second** does the large one decode?",
    unit="times",
    low=1,
    high=1000,
    step=0.5,
    reference=larger,
    explain="The small one has hardly any weights to read. Its time is dispatch overhead, microseconds for each "
    f"operation, and the large one starts only {LAYERS[MIDDLE] // LAYERS[SMALL]} times as many. Only between large "
    "models does the time follow the bytes.",
    digits=1,
)

REACHED = Prediction(
    name="reached",
    question=f"A model of {WEIGHTS[LARGE] / 1e6:.0f} million 32-bit parameters reads all of them in every decode step. "
    "A probe measured how fast one core reads that many bytes: matrices times one vector each, and nothing else. "
    "**Which percentage of the probe's rate does decode reach**, with attention, norms and cache in between?",
    unit="%",
    low=1,
    high=150,
    step=0.5,
    reference=reached,
    explain="The matrix products of one token are little more than reading, since each weight is used once. The rest "
    "is dispatch overhead of the many small operations between them. Half, as on phones, is a share of the peak that "
    "makers print, not of a measured rate.",
    digits=1,
)

PREDICTIONS = (LARGER, REACHED)
