"""What the article says of a phone's four limits: the rule that turns formulas and measurements into each verdict."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import APP_SHARE, CPU_AND_GPU, DEVICES, ONEPLUS_12, budget_of
from mobilellm_lab.constraints.claims.stored import SETTING, alone, decoded
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import graded

PATIENCE_S = 1.0  # for the first token: above it a reader's flow of thought breaks, as Nielsen puts it
PROMPT = 1000  # tokens
SEVEN_BILLION = 7_000_000_000  # the paper's example of a model that is too large
BIT_WIDTHS = (16, 8, 4)


def arithmetic() -> Evidence:
    """On one phone, with its processor and with its faster graphics unit: does more arithmetic bring more speed?

    Published times of one model on a Galaxy S24 Ultra; more speed means half as much again. Holds if in both phases,
    reading a prompt and writing an answer, does not hold if in neither.
    """
    cpu, gpu = CPU_AND_GPU
    prefill, decode = gpu.prefill_per_s / cpu.prefill_per_s, gpu.decode_per_s / cpu.decode_per_s
    return Evidence(
        verdict=graded([prefill > 1.5, decode > 1.5]),
        numbers={"prefill": f"{prefill:.1f}", "decode": f"{decode:.2f}"},
    )


def memory() -> Evidence:
    """By formula: are the weights of a 7B model in 16, 8 and 4 bits larger than the app's share of every phone here?

    Holds if always, does not hold if never. The share is the paper's, a tenth of the memory.
    """
    phones = {name: card for name, card in DEVICES.items() if card.kind == "phone" and card.memory_gib.known}
    shares = {name: budget_of(card).memory_mib * 2**20 for name, card in phones.items()}
    large = {bits: SEVEN_BILLION * bits / 8 for bits in BIT_WIDTHS}
    small = {bits: footprint.weight_bytes(zoo.SHAPES["MobileLLM-1B"].config, bits_per_weight=bits) for bits in (16, 4)}
    return Evidence(
        verdict=graded(weights > share for weights in large.values() for share in shares.values()),
        numbers={
            "phones": str(len(phones)),
            "widest": f"{large[16] / 2**30:.1f}",
            "narrowest": f"{large[4] / 2**30:.1f}",
            "share": f"{100 * APP_SHARE.value:.0f}",
            "most": f"{max(shares.values()) / 2**30:.1f}",
            "whole": str(sum(card.memory_gib.value * 2**30 > large[4] for card in phones.values())),
            **{
                f"fit_{bits}": str(sum(weights <= share for share in shares.values()))
                for bits, weights in small.items()
            },
        },
    )


def answers_late() -> Evidence:
    """Published rates at which 1B models read a prompt on phones: is the first token of a long one late?

    Long is 1,000 tokens, late is after one second. Holds if always, does not hold if never.
    """
    rates = {row.name: row.prefill_per_s for row in (*ONEPLUS_12, *CPU_AND_GPU)}
    seconds = {name: PROMPT / rate for name, rate in rates.items()}
    return Evidence(
        verdict=graded(wait > PATIENCE_S for wait in seconds.values()),
        numbers={
            "rows": str(len(seconds)),
            "late": str(sum(wait > PATIENCE_S for wait in seconds.values())),
            "longest": f"{max(seconds.values()):.1f}",
            "shortest": f"{min(seconds.values()):.1f}",
        },
    )


def smaller_is_faster(store: Store) -> Evidence:
    """Of two neighbouring sizes in the same setting, on one thread: does the smaller decode more tokens/s?

    Yes if its p10 lies above the larger one's p90. Holds if in all pairs, does not hold if in none.
    """
    frame = decoded(store)
    pairs = []
    for _, group in frame[frame["threads"] == 1].groupby(SETTING[1:]):
        rows = list(group.itertuples())
        pairs += zip(rows, rows[1:], strict=False)
    plain = list(alone(frame).itertuples())
    tiny, large = plain[:2], plain[-2:]
    return Evidence(
        verdict=graded(small.p10 > other.p90 for small, other in pairs),
        numbers={
            "pairs": str(len(pairs)),
            "won": str(sum(small.p10 > other.p90 for small, other in pairs)),
            "tiny_weights": f"{tiny[1].parameters / tiny[0].parameters:,.0f}",
            "tiny_time": f"{tiny[0].p50 / tiny[1].p50:.1f}",
            "large_weights": f"{large[1].parameters / large[0].parameters:.1f}",
            "large_time": f"{large[0].p50 / large[1].p50:.1f}",
        },
    )
