"""Chapter 7's predictions: how often one shot misses the winner (`SHOT`), what a second thread costs (`THREADS`)."""

from mobilellm_lab.metrics.study.evidence import duels, pitfalls
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.teaching.prediction import Measured, Prediction

SLOWDOWN_PERCENT = 5


def shot() -> Measured:
    """In which share of the duels, in percent, one shot each misses the variant that is `SLOWDOWN_PERCENT` slower."""
    store = open_sweep("metrics")
    rows = duels(store, slowdown_percent=SLOWDOWN_PERCENT, neighbour=False, rule="one shot")
    row = rows.iloc[0]  # one shot looks at the first pair only, so that the number of repeats changes nothing
    return Measured(
        median=100 * (1 - float(row["right"])),
        low=100 * (1 - float(row["right_high"])),
        high=100 * (1 - float(row["right_low"])),
        origin=str(origin(store)),
        note="three series of pairs, lowest to highest",
    )


def threads() -> Measured:
    """How many times longer a token takes with a thread for every core than with one, beside a busy neighbour."""
    store = open_sweep("metrics_lies")
    factors = pitfalls(store, "wrong_threads")["factor"]
    return Measured(
        median=float(factors.median()),
        low=float(factors.min()),
        high=float(factors.max()),
        origin=str(origin(store)),
        note=f"{len(factors)} repeats, lowest to highest",
    )


SHOT = Prediction(
    name="shot",
    question=f"On a quiet machine one variant takes {SLOWDOWN_PERCENT} % longer than the other, and that is certain. "
    "Somebody times each of them **once** and calls the shorter time the faster variant, if the two are more than 1 % "
    "apart. In which share of such comparisons is **the slower one not found out**?",
    unit="%",
    low=0,
    high=100,
    step=0.1,
    reference=shot,
    explain="One duration is the work and the noise of that moment. Both variants drew their noise once, and the "
    "difference of two draws is often larger than what is to be found. More pairs bring the median of the ratios "
    "closer to the truth, and an interval says how close.",
    digits=1,
)

THREADS = Prediction(
    name="threads",
    question="Both cores of a machine are busy with somebody else's work. A small model writes tokens with one torch "
    "thread, and then with two, one for each core. **How many times longer does a token take with two?**",
    unit="times",
    low=0.1,
    high=2000,
    step=0.1,
    reference=threads,
    explain="Two threads share each operation and wait for each other at its end. With a core for each of them that "
    "can pay. Where a neighbour holds the cores, one of them is not running while the other waits for it, thousands of "
    "times in a run.",
    digits=1,
)

PREDICTIONS = (SHOT, THREADS)
