"""Exercise: 95th percentile of the time per output token, from arrival times"""

from functools import partial

import numpy as np

from mobilellm_lab.teaching.by_example import another, by_example, close

# (sent, arrivals): three tokens, a steady stream with two hitches, and a long answer with a tail.
_REQUESTS = (
    (50.0, [250.0, 262.0, 290.0]),
    (1000.0, [1420.0 + 20.0 * i + 90.0 * ((i > 11) + (i > 18)) for i in range(24)]),
    (0.0, [310.0 + 8.0 * i + 35.0 * (i // 13) + 3.0 * (i % 4) for i in range(120)]),
)


def _p95_tpot_ms_stub(sent_ms, arrivals_ms):
    """95th percentile of the times between output tokens, in ms."""
    return ...  # your code


def _p95_tpot_ms_solution(sent_ms, arrivals_ms):
    """95th percentile of the times between output tokens, in ms."""
    return np.percentile(np.diff(arrivals_ms), 95)


def _p95_tpot_ms_alternative(sent_ms, arrivals_ms):
    """95th percentile of the times between output tokens, in ms."""
    gaps = sorted(b - a for a, b in zip(arrivals_ms[:-1], arrivals_ms[1:], strict=True))
    place = 0.95 * (len(gaps) - 1)  # between two gaps
    below = int(place)
    above = min(below + 1, len(gaps) - 1)
    return gaps[below] + (place - below) * (gaps[above] - gaps[below])


_MISTAKES = {
    "counts the first token": (
        lambda sent, arrivals: np.percentile(np.diff([sent, *arrivals]), 95),
        "You counted the wait for the first token. It is the TTFT, mostly prefill, and grows with the prompt. The time "
        "per output token starts at the first token.",
    ),
    "the mean": (
        lambda sent, arrivals: np.mean(np.diff(arrivals)),
        "You took the mean. It spreads two gaps of 110 ms over two dozen gaps of 20 ms, and no gap is near it. "
        "Take the percentile of the gaps.",
    ),
    "the mean, with the first token": (
        lambda sent, arrivals: (arrivals[-1] - sent) / len(arrivals),
        "You divided the whole time by the tokens. That mixes the TTFT into every token, and changes with the length "
        "of the answer.",
    ),
    "the median": (
        lambda sent, arrivals: np.median(np.diff(arrivals)),
        "You took the median. Half of the gaps are longer; the 95th percentile says how long the slow ones are.",
    ),
    "the fast end": (
        lambda sent, arrivals: np.percentile(np.diff(arrivals), 5),
        "You took the 5th percentile. Only 5 in 100 gaps are shorter; the 95th percentile is among the long ones.",
    ),
    "the longest gap": (
        lambda sent, arrivals: np.max(np.diff(arrivals)),
        "You took the longest gap. A maximum grows with the length of the answer; a percentile does not.",
    ),
    "arrivals, not gaps": (
        lambda sent, arrivals: np.percentile(arrivals, 95),
        "You took a percentile of the arrival times themselves. Subtract each arrival from the next one first.",
    ),
    "seconds": (
        lambda sent, arrivals: np.percentile(np.diff(arrivals), 95) / 1000,
        "You returned seconds. The arrivals are in ms, and so is the name of the function.",
    ),
    "a rate": (
        lambda sent, arrivals: 1000 / np.percentile(np.diff(arrivals), 95),
        "You returned tokens per second. Return the time of a token, in ms; lower is better.",
    ),
}


def _lesson(answer, found):
    sent, arrivals = _REQUESTS[1]
    gaps = np.diff(arrivals)
    return (
        f"In the stream with two long gaps the mean is {gaps.mean():.1f} ms, the 95th percentile {found[1]:.1f} ms and "
        f"the maximum {gaps.max():.0f} ms. The TTFT is {arrivals[0] - sent:.0f} ms. Report the TTFT and percentiles of "
        "the gaps, not one mean."
    )


TPOT = by_example(
    name="tpot",
    title="95th percentile of the time per output token",
    task="""
A request was sent at `sent_ms`. Its tokens arrived at `arrivals_ms`, a list of at least two times in ascending order,
on the same clock in ms. Write `p95_tpot_ms(sent_ms, arrivals_ms)`: the **95th percentile of the time per output token**
(TPOT), which 95 in 100 gaps between two tokens do not exceed.

Percentiles are NumPy's, linear between two values. The wait for the first token is the TTFT, and no part of it.
""".strip(),
    answer="p95_tpot_ms",
    stub=_p95_tpot_ms_stub,
    solution=_p95_tpot_ms_solution,
    alternative=_p95_tpot_ms_alternative,
    mistakes=_MISTAKES,
    hints=(
        "With five tokens, how many gaps are there between two tokens? Is the request one of their ends?",
        "`np.diff(arrivals_ms)` gives the gaps between neighbours.",
        "`np.percentile(gaps, 95)` is the value that 95 in 100 of the gaps do not exceed.",
    ),
    cases=lambda: _REQUESTS,
    describe=another("number", "ms", _p95_tpot_ms_solution),
    lesson=_lesson,
    same=partial(close, atol=0.01),  # ms
)
