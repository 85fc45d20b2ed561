"""Chapter 7's predictions: misses of one shot (`SHOT`), slowdown by a second thread (`THREADS`)"""

from mobilellm_lab.metrics.study.evidence import PAIRS, duels, pitfalls
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.teaching.prediction import Measured, Prediction

SLOWDOWN_PERCENT = 5


def shot() -> Measured:
    """Share of the duels, in percent, in which one shot each misses the variant that is `SLOWDOWN_PERCENT` slower."""
    store = open_sweep("metrics")
    rows = duels(store, slowdown_percent=SLOWDOWN_PERCENT, neighbour=False, rule="one shot", repeats=PAIRS)
    row = rows.iloc[0]  # the duels of the page's table; one shot looks at the first pair of each
    return Measured(
        median=100 * (1 - float(row["right"])),
        low=100 * (1 - float(row["right_high"])),
        high=100 * (1 - float(row["right_low"])),
        origin=str(origin(store)),
        note="three series of pairs, lowest to highest",
    )


def threads() -> Measured:
    """TPOT with a thread for every core over TPOT with one thread, beside a busy neighbour."""
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
    question=f"On a quiet machine one variant truly takes {SLOWDOWN_PERCENT} % longer than the other. Somebody times "
    "each of them **once**. If the times are more than 1 % apart, the shorter one wins. In which share of such "
    "comparisons does **the faster variant not win**?",
    unit="%",
    low=0,
    high=100,
    step=0.1,
    reference=shot,
    explain="One duration is the work plus the noise of that moment. The noise of two moments often differs by more "
    "than the work. More pairs bring the median ratio closer to the truth, and an interval says how close.",
    digits=1,
)

THREADS = Prediction(
    name="threads",
    question="Another process keeps both cores of a machine busy. A small model decodes with one torch thread, and "
    "then with two, one for each core. **How many times longer does a token take with two?**",
    unit="times",
    low=0.1,
    high=2000,
    step=0.1,
    reference=threads,
    explain="Two threads share each operation and wait for each other at its end. With a free core for each, that can "
    "pay. Beside a busy neighbour one of them is often not running while the other waits, thousands of times in a run.",
    digits=1,
)

PREDICTIONS = (SHOT, THREADS)
