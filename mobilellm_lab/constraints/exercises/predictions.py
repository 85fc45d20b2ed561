"""Chapter 1's predictions: how size slows decoding (`LARGER`), and how much of memory it uses (`REACHED`)."""

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
    """How many times fewer tokens per second `large` decodes than `small`, alone, in 32 bits, on one thread."""
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
    """Percent of the measured rate of reading that decoding `size` reaches, alone, in 32 bits, on one thread."""
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
    question=f"Two models write one token after another on one core. The large one has {WEIGHTS[MIDDLE] / 1e6:.0f} "
    f"million parameters, the small one {WEIGHTS[SMALL] / 1e3:.0f} thousand: {WEIGHTS[MIDDLE] / WEIGHTS[SMALL]:.0f} "
    "times fewer. How many times **fewer tokens per second** does the large one write?",
    unit="times",
    low=1,
    high=1000,
    step=0.5,
    reference=larger,
    explain="The small one does not spend its time on weights: there are hardly any. It spends it on starting its "
    f"operations, microseconds each, and the large one starts only {LAYERS[MIDDLE] // LAYERS[SMALL]} times as many. "
    "Only between large models does the time follow the bytes.",
    digits=1,
)

REACHED = Prediction(
    name="reached",
    question=f"A model of {WEIGHTS[LARGE] / 1e6:.0f} million 32-bit parameters reads all of them for every token. The "
    "fastest that one core can read so much was timed before: matrices of that size in all, each times one vector, and "
    "nothing else. **Which percentage of that rate does decoding reach**, with attention, norms and cache in between?",
    unit="%",
    low=1,
    high=150,
    step=0.5,
    reference=reached,
    explain="The products of one token are little more than reading: each weight is used once and not needed again. "
    "What is missing goes to starting the many small operations between them. Of a memory's peak as makers print it, "
    "published runs on phones reach about half.",
    digits=1,
)

PREDICTIONS = (LARGER, REACHED)
