"""Exercise: energy from a counter that wraps around (RAPL)"""

import numpy as np

from mobilellm_lab.teaching.by_example import another, by_example

RANGE_UJ = 2**32 * 61  # a counter of 32 bits in steps of 61 uJ; powercap names the range of each

# (readings in uJ, range in uJ): no wrap, one wrap, two wraps with a pause in which nothing was used, two readings.
_COUNTERS = (
    ([5_000_000, 9_500_000, 21_000_000, 33_250_000], RANGE_UJ),
    ([RANGE_UJ - 12_000_000, RANGE_UJ - 2_000_000, 7_000_000, 19_000_000], RANGE_UJ),
    ([60_000_000, 96_000_000, 30_000_000, 30_000_000, 88_000_000, 21_000_000], 100_000_000),
    ([1_000_000, 1_750_000], RANGE_UJ),
)


def _energy_j_stub(readings_uj, max_energy_range_uj):
    """Energy in J from the first reading to the last."""
    return ...  # your code


def _energy_j_solution(readings_uj, max_energy_range_uj):
    """Energy in J from the first reading to the last."""
    used_uj = 0
    for before, after in zip(readings_uj[:-1], readings_uj[1:], strict=True):
        used_uj += after - before
        if after < before:  # the counter started again in between
            used_uj += max_energy_range_uj
    return used_uj / 1e6


def _energy_j_alternative(readings_uj, max_energy_range_uj):
    """Energy in J from the first reading to the last."""
    steps_uj = np.diff(np.array(readings_uj, dtype=np.int64)) % max_energy_range_uj
    return steps_uj.sum() / 1e6


def _steps(readings: list[int]) -> list[int]:
    return [after - before for before, after in zip(readings[:-1], readings[1:], strict=True)]


_MISTAKES = {
    "ignores the wrap": (
        lambda readings, top: (readings[-1] - readings[0]) / 1e6,
        "You subtracted the first reading from the last. A full counter starts again at zero, and your energy turns "
        "negative or loses a whole range. Take each step between two readings.",
    ),
    "turns the sign": (
        lambda readings, top: sum(abs(step) for step in _steps(readings)) / 1e6,
        "You took each step's absolute value. After a wrap the energy used is the rest up to the range, and then the "
        "new reading.",
    ),
    "leaves the wrap out": (
        lambda readings, top: sum(step for step in _steps(readings) if step > 0) / 1e6,
        "You left out the steps in which the counter wrapped. Their energy is the step plus the range.",
    ),
    "counts from zero after the wrap": (
        lambda readings, top: (
            sum(
                after if after < before else after - before
                for before, after in zip(readings[:-1], readings[1:], strict=True)
            )
            / 1e6
        ),
        "After a wrap you counted only what came after zero. The energy from the old reading up to the range is "
        "missing.",
    ),
    "one wrap at most": (
        lambda readings, top: (readings[-1] - readings[0] + top * any(step < 0 for step in _steps(readings))) / 1e6,
        "You allowed for one wrap. The counter may wrap again and again in a long run: add the range for each.",
    ),
    "mJ, not J": (
        lambda readings, top: _energy_j_solution(readings, top) * 1e3,
        "You have mJ. The readings are in microjoules, and a million of them are one joule.",
    ),
    "microjoules, not joules": (
        lambda readings, top: _energy_j_solution(readings, top) * 1e6,
        "You returned microjoules. Divide by a million, since the name of the function says J.",
    ),
    "adds the readings": (
        lambda readings, top: sum(readings) / 1e6,
        "You added the readings. Each of them is a total since the counter was at zero; energy is the difference of "
        "two.",
    ),
}


def _lesson(answer, found):
    return (
        f"The four series hold {sum(found):,.1f} J in all. At 50 W a range of {RANGE_UJ / 1e6:,.0f} J is full after "
        f"{RANGE_UJ / 1e6 / 50 / 3600:.1f} hours. Read it more often than that, since two wraps between two readings "
        "look like one."
    )


JOULES = by_example(
    name="joules",
    title="Energy counter that wraps around",
    task="""
Many processors count their energy in microjoules (RAPL). The counter goes up to a range, and then wraps around to zero.
Write `energy_j(readings_uj, max_energy_range_uj)`: **the energy in J from the first reading to the last**.

`readings_uj` are two or more readings in the order in which they were taken, often enough that the counter wraps at
most once between two of them. It may wrap many times in all.
""".strip(),
    answer="energy_j",
    stub=_energy_j_stub,
    solution=_energy_j_solution,
    alternative=_energy_j_alternative,
    mistakes=_MISTAKES,
    hints=(
        "How can you tell from two neighbouring readings that the counter started again between them?",
        "Go through neighbouring pairs. Without a wrap a step is `after - before`; with one, the range is to be added.",
        "`(after - before) % max_energy_range_uj` is the step in both cases. Add the steps up and divide by a million.",
    ),
    cases=lambda: _COUNTERS,
    describe=another("number", "J", _energy_j_solution),
    lesson=_lesson,
)
