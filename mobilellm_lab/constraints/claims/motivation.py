"""Claims of the MobileLLM paper on memory and energy"""

from mobilellm_lab.constraints import (
    ENERGY_ROWS,
    PAPER_J_PER_TOKEN_PER_BILLION,
    drain_percent,
    hours,
    paper_j_per_token,
)
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

PAPER = "the MobileLLM paper, {}, arXiv 2402.14905"
SEVEN_BILLION, SMALL = 7_000_000_000, 350_000_000  # the paper's examples
TALK_PER_S = 10  # tokens per second of a conversation, its assumption
PRINTED_PERCENT, TOKENS = 0.2, 64  # what it says these tokens of the large one drain


A_TENTH_OF_MEMORY = Claim(
    name="a-tenth-of-memory",
    said="An app on a phone should take less than a tenth of its DRAM.",
    source=PAPER.format("introduction"),
    verdict=Verdict.ONLY_QUOTED,
    finding="A rule of thumb without a measurement. It leaves 0.6 GB on an iPhone 15 and 1.2 GB on a Pixel 8 Pro. The "
    "budget lines of this course use it.",
    line="A rule of thumb without a measurement; the budgets of this course use it.",
    flips="with the limit of the phone's system. It differs by system and model, and an app can query it.",
)


def under_two_hours() -> Evidence:
    """By the paper's formula: does 50 kJ last a 7B model for less than two hours at ten tokens per second?"""
    per_token = paper_j_per_token(SEVEN_BILLION)
    lasts = hours(TALK_PER_S, j_per_token=per_token)
    reported = [hours(TALK_PER_S, j_per_token=7 * row.j_per_token_per_billion) for row in ENERGY_ROWS]
    return Evidence(
        verdict=Verdict.HOLDS if lasts < 2 else Verdict.DOES_NOT_HOLD,
        finding=f"At 0.1 J for each token and billion parameters, {per_token:.1f} J a token, it is {lasts:.2f} hours, "
        "if nothing else draws current.",
        line=f"{lasts:.2f} hours by the paper's rule, if nothing else draws current.",
        flips=f"with the energy per token. The measured values that we found would give {min(reported):.1f} to "
        f"{max(reported):.1f} hours.",
    )


UNDER_TWO_HOURS = Claim(
    name="under-two-hours",
    said="A full phone of 50 kJ talks for less than two hours with a 7B model, at ten tokens per second.",
    source=PAPER.format("introduction"),
    verdict=Verdict.HOLDS,
    evidence=under_two_hours,
)


def a_fifth_of_a_percent() -> Evidence:
    """By the paper's own numbers: do 64 tokens of a 7B model drain 0.2 % of 50 kJ, within a tenth of that?"""
    drained = drain_percent(TOKENS, j_per_token=paper_j_per_token(SEVEN_BILLION))
    return Evidence(
        verdict=Verdict.HOLDS if abs(drained / PRINTED_PERCENT - 1) < 0.1 else Verdict.DOES_NOT_HOLD,
        finding=f"By the paper's own numbers 64 tokens take {TOKENS * paper_j_per_token(SEVEN_BILLION):.1f} J. Of "
        f"50 kJ that is {drained:.2f} %. The two hours beside it are right. One of the exercises finds the slip.",
        line=f"{drained:.2f} % by the paper's own numbers.",
        flips=f"with {TOKENS * PRINTED_PERCENT / drained:.0f} tokens instead of 64, or with more than twice the "
        "energy per token.",
    )


A_FIFTH_OF_A_PERCENT = Claim(
    name="a-fifth-of-a-percent",
    said="Every 64 tokens of a 7B model drain 0.2 % of that battery.",
    source=PAPER.format("introduction"),
    verdict=Verdict.DOES_NOT_HOLD,
    evidence=a_fifth_of_a_percent,
)


def a_day() -> Evidence:
    """By the paper's formula: does 50 kJ last a 350M model for 24 hours at ten tokens per second?"""
    per_token = paper_j_per_token(SMALL)
    lasts = hours(TALK_PER_S, j_per_token=per_token)
    highest = max(row.j_per_token_per_billion for row in ENERGY_ROWS)
    return Evidence(
        verdict=Verdict.HOLDS if lasts >= 24 else Verdict.DOES_NOT_HOLD,
        finding=f"At {per_token:.3f} J a token and ten tokens per second 50 kJ last {lasts:.0f} hours, if nothing "
        "else draws current.",
        line=f"{lasts:.0f} hours by the paper's rule, if nothing else draws current.",
        flips=f"with the energy per token. At the highest measured value that we found, {highest:.2f} J per billion "
        f"parameters, it is {hours(TALK_PER_S, j_per_token=highest * SMALL / 1e9):.0f} hours.",
    )


A_DAY = Claim(
    name="a-day",
    said="A 350M model in 8 bits can talk for a whole day on one charge.",
    source=PAPER.format("introduction"),
    verdict=Verdict.HOLDS,
    evidence=a_day,
)


def a_tenth_of_a_joule() -> Evidence:
    """Measurements by others: does a token take 0.1 J or less for each billion parameters?

    Holds if in every row, within a tenth; does not hold if in none.
    """
    rows = [row.j_per_token_per_billion for row in ENERGY_ROWS]
    low = [value <= 1.1 * PAPER_J_PER_TOKEN_PER_BILLION for value in rows]
    return Evidence(
        verdict=graded(low),
        finding=f"Of {len(rows)} published measurements on phones with 4-bit weights, {sum(low)} are that low. They "
        f"range from {min(rows):.2f} to {max(rows):.2f} J for each token and billion parameters. Some are of a whole "
        "phone, others of its chip.",
        line=f"Measured on phones: {min(rows):.2f} to {max(rows):.2f} J, in {len(rows)} published runs.",
    )


A_TENTH_OF_A_JOULE = Claim(
    name="a-tenth-of-a-joule",
    said="A token takes about 0.1 J for each billion parameters.",
    source=PAPER.format("introduction"),
    verdict=Verdict.HOLDS_WHEN,
    condition="the runtime is among the most efficient that were measured.",
    flips="to *holds* if all runtimes were as efficient, and to *does not hold* if none was.",
    evidence=a_tenth_of_a_joule,
)


CLAIMS = (UNDER_TWO_HOURS, A_FIFTH_OF_A_PERCENT, A_TENTH_OF_A_JOULE)
ALSO = (A_TENTH_OF_MEMORY, A_DAY)
