"""Exercise: share of the peak bandwidth that a run reaches"""

from functools import partial
from statistics import fmean, median

from mobilellm_lab.constraints import DEVICES, IPHONE_13, ONEPLUS_12
from mobilellm_lab.teaching.by_example import another, by_example


def _reached_percent_stub(read_bytes, times_ms, peak_gb_s):
    """Percent of the peak bandwidth that the median step reaches."""
    return ...  # your code


def _reached_percent_solution(read_bytes, times_ms, peak_gb_s):
    """Percent of the peak bandwidth that the median step reaches."""
    from statistics import median

    step_s = median(times_ms) / 1000
    reached_gb_s = read_bytes / step_s / 1e9
    return 100 * reached_gb_s / peak_gb_s


def _reached_percent_alternative(read_bytes, times_ms, peak_gb_s):
    """Percent of the peak bandwidth that the median step reaches."""
    ordered = sorted(times_ms)
    middle = len(ordered) // 2
    twice_ms = ordered[middle] + ordered[-1 - middle]  # of an odd number the same one twice
    shortest_ms = read_bytes / peak_gb_s / 1e6  # a GB/s is 10**6 bytes per ms
    return 200 * shortest_ms / twice_ms


def _percent(
    read, times, peak, *, middle=median, per_s=1000, giga=1e9, bits=1, hundred=100, inverse=False
):  # fmt: skip
    """The percentage with some steps changed: what slips of that kind give."""
    reached = bits * read / (middle(times) / per_s) / giga
    share = reached / peak
    return hundred / share if inverse else hundred * share


_MISTAKES = {
    "the mean": (
        partial(_percent, middle=fmean),
        "You took the mean of the times. One step that the system interrupted moves it; the median stays.",
    ),
    "the fastest step": (
        partial(_percent, middle=min),
        "You took the fastest step. A single lucky one is not what the run reaches: take the median.",
    ),
    "the first step": (
        partial(_percent, middle=lambda times: times[0]),
        "You took the first step only. It may have waited for caches to fill: take the median of all.",
    ),
    "milliseconds taken for seconds": (
        partial(_percent, per_s=1),
        "You divided by milliseconds. Bandwidth is per second: a thousand of them.",
    ),
    "gibibytes for gigabytes": (
        partial(_percent, giga=2**30),
        "You took a gigabyte for 2**30 bytes. Bandwidth is given in GB/s, and GB is 10**9 bytes.",
    ),
    "bytes taken for bits": (
        partial(_percent, bits=8),
        "You counted bits. The peak is given in GB/s, gigabytes per second.",
    ),
    "a fraction for a percentage": (
        partial(_percent, hundred=1),
        "You returned a fraction. Percent is a hundred times that.",
    ),
    "the wrong way round": (
        partial(_percent, inverse=True),
        "You divided the peak by what was reached. A share of the peak is below 100 %.",
    ),
}


def _cases():
    profile, (wide, _) = IPHONE_13[0], ONEPLUS_12
    return [
        (300_000_000, [24.0, 12.5, 12.0, 13.0, 12.2], 51.2),
        (1_000_000_000, [21.0, 20.0, 45.0, 20.5], 76.8),
        (profile.workload.read_bytes, [profile.execute_ms], DEVICES["iPhone 13"].bandwidth_gb_s.value),
        (wide.workload.read_bytes, [1000 / wide.decode_per_s], DEVICES[wide.device].bandwidth_gb_s.value),
    ]


def _lesson(answer, found):
    return (
        f"MobileLLM-125M on an iPhone 13 reaches {found[-2]:.0f} % of the peak on its card, Llama-3.2-1B on a "
        f"{ONEPLUS_12[0].device} {found[-1]:.0f} %, both in 16 bits. About half is what to plan with."
    )


SHARE = by_example(
    name="share",
    title="Share of the peak bandwidth",
    task="""
A data sheet states a bandwidth, and a run gives milliseconds. Which share of the peak did the run reach?

Write `reached_percent(read_bytes, times_ms, peak_gb_s)`, which returns the **percentage of the peak bandwidth that the
median step reaches**. Each step reads `read_bytes` bytes from memory. `times_ms` is a list of measured steps in
milliseconds, some of them disturbed, and the peak is `peak_gb_s` GB/s.
""".strip(),
    answer="reached_percent",
    stub=_reached_percent_stub,
    solution=_reached_percent_solution,
    alternative=_reached_percent_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Which one number stands for the times, if one step of five was interrupted?",
        "Bytes per second are `read_bytes / (step_ms / 1000)`. A GB is 10**9 bytes.",
        "`100 * read_bytes / (step_ms / 1000) / 1e9 / peak_gb_s`, with the median of `times_ms` as `step_ms`.",
    ),
    cases=_cases,
    describe=another("percentage", "%", _reached_percent_solution),
    lesson=_lesson,
)
