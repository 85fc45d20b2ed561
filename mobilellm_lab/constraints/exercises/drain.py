"""Exercise: energy of an answer as a percentage of the battery"""

from functools import partial

from mobilellm_lab.teaching.by_example import another, by_example

PAPER = (7_000_000_000, 0.1, 64, 50_000 / 3600)  # its example: 7B at 0.1 J per token and billion, 64 tokens, 50 kJ
PRINTED_PERCENT = 0.2  # what the paper says of it


def _drain_percent_stub(parameters, joules_per_billion, tokens, battery_wh):
    """Percent of a full battery that `tokens` tokens take."""
    return ...  # your code


def _drain_percent_solution(parameters, joules_per_billion, tokens, battery_wh):
    """Percent of a full battery that `tokens` tokens take."""
    per_token_j = joules_per_billion * parameters / 1e9
    battery_j = battery_wh * 3600  # a watt-hour is 3,600 watt-seconds
    return 100 * tokens * per_token_j / battery_j


def _drain_percent_alternative(parameters, joules_per_billion, tokens, battery_wh):
    """Percent of a full battery that `tokens` tokens take."""
    billions = parameters / 10**9
    spent_wh = tokens * billions * joules_per_billion / 60 / 60
    return spent_wh / battery_wh / 0.01


def _percent(parameters, per_billion, tokens, battery, *, per_wh=3600, hundred=100, billion=1e9, count=1, left=False):
    """The percentage with some steps changed: what slips of that kind give."""
    spent_j = per_billion * parameters / billion * (tokens if count else 1)
    used = hundred * spent_j / (battery * per_wh)
    return hundred - used if left else used


_MISTAKES = {
    "watt-hours taken for joules": (
        partial(_percent, per_wh=1),
        "You divided joules by watt-hours. A watt is a joule per second, so that a watt-hour is 3,600 J.",
    ),
    "an hour of sixty seconds": (
        partial(_percent, per_wh=60),
        "You took a watt-hour for 60 J. An hour has 3,600 seconds.",
    ),
    "watt-hours taken for kilojoules": (
        partial(_percent, per_wh=1000),
        "You took a watt-hour for 1,000 J. A kilojoule is that; a watt-hour is 3,600 J.",
    ),
    "a fraction for a percentage": (
        partial(_percent, hundred=1),
        "You returned a fraction. Percent is a hundred times that.",
    ),
    "parameters for billions": (
        partial(_percent, billion=1),
        "You multiplied by the parameters themselves. The energy is given for each *billion* of them: divide by 10**9.",
    ),
    "a single token": (
        partial(_percent, count=0),
        "You gave the energy of one token. There are `tokens` of them.",
    ),
    "what is left": (
        partial(_percent, left=True),
        "You returned what is left in the battery. Asked is what the tokens take.",
    ),
}


def _cases():
    return [(350_000_000, 0.1, 1000, 12.98), (1_500_000_000, 0.28, 250, 18.5), (2_000_000_000, 0.36, 50, 1.2), PAPER]


def _lesson(answer, found):
    drained = found[-1]
    return (
        f"By the paper's own rule, 64 tokens of a 7B model take {drained:.2f} % of 50 kJ, not the {PRINTED_PERCENT} % "
        f"that it prints. That takes {64 * PRINTED_PERCENT / drained:.0f} tokens. Its other figure, under two hours at "
        "ten tokens per second, is right."
    )


DRAIN = by_example(
    name="drain",
    title="Energy of an answer",
    task="""
The MobileLLM paper plans with 0.1 J for each token and billion parameters, and with a battery of 50 kJ. It says that
every 64 tokens of a 7B model take 0.2 % of the battery. Check it.

Write `drain_percent(parameters, joules_per_billion, tokens, battery_wh)`, which returns the **percentage of a full
battery that `tokens` tokens take**. A token takes `joules_per_billion` joules for each billion of the model's
`parameters`. The battery is given in watt-hours, as in data sheets.
""".strip(),
    answer="drain_percent",
    stub=_drain_percent_stub,
    solution=_drain_percent_solution,
    alternative=_drain_percent_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Bring both to the same unit first: the energy of the tokens and that of the battery.",
        "One token takes `joules_per_billion * parameters / 1e9` joules. A watt-hour is 3,600 J.",
        "`100 * tokens * per_token_j / (battery_wh * 3600)`. With 50 kJ, which is 13.9 Wh, and 64 tokens of 7B: is it "
        "0.2?",
    ),
    cases=_cases,
    describe=another("percentage", "%", _drain_percent_solution),
    lesson=_lesson,
)
