"""Low-bit KV cache: what 8 and 4 bits save and cost"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, in_parts
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def eight_bits_of_cache(store: Store) -> Evidence:
    """The cache in 8 bits, per model: at most a third of the bytes, and no more than 0.01 nats above in any part?

    A scale for each position and head. Holds if for every model, does not hold if for none.
    """
    answers, times, cost = _cache(store, bits=8, least=3)
    return Evidence(
        verdict=graded(answers),
        line=f"At least {times:.1f} times smaller than float32, at no more than 0.01 nats in any part",
        finding=f"The cache is at least {times:.1f} times smaller than in float32. Loss increase in nats, in brackets "
        f"the lowest and the highest of four parts of the test. {_listed(cost)}",
    )


CACHE_IN_EIGHT_BITS = Claim(
    name="cache-in-eight-bits",
    said="The KV cache can have 8 bits at no loss.",
    source="the MobileLLM-Pro report, arXiv 2511.06719, which runs with such a cache",
    verdict=Verdict.HOLDS,
    flips="if keys had channels that are far larger than the rest, in a longer context than our models know.",
    evidence=eight_bits_of_cache,
    data=("quantization",),
)


def four_bits_of_cache(store: Store) -> Evidence:
    """The cache in 4 bits, per model: at most a fifth of the bytes, and no more than 0.01 nats above in any part?

    A scale for each position and head. Holds if for every model, does not hold if for none.
    """
    answers, times, cost = _cache(store, bits=4, least=5)
    kept = evidence.kv_by_context(store)
    kept = kept[(kept["model"] == "text-deep") & (kept["kv_bits"] == 4)]
    kept = kept[kept["context"] == kept["context"].max()]
    position, delayed, channel = (one(kept, keys=keys) for keys in ("position", "delayed", "channel"))
    more = channel["bytes"] / position["bytes"]
    return Evidence(
        verdict=graded(answers),
        line=f"{times:.1f} times smaller; text loses {position[INCREASE]:.3f} nats at {position['context']} tokens",
        finding=f"The cache is at least {times:.1f} times smaller than in float32. Loss increase in nats, in brackets "
        f"the lowest and the highest of four parts of the test. {_listed(cost)}",
        flips=f"where the newest keys stay in float. On text, at {position['context']} positions, that costs "
        f"{delayed[INCREASE]:.3f} nats instead of {position[INCREASE]:.3f}. With a scale per channel besides it is "
        f"{channel[INCREASE]:.3f}, in {more:.1f} times the bytes. We rotate nothing.",
    )


CACHE_IN_FOUR_BITS = Claim(
    name="cache-in-four-bits",
    said="The KV cache can have 4 bits at almost no loss.",
    source="common practice; QuaRot, arXiv 2404.00456, and SpinQuant, arXiv 2405.16406, rotate keys and values first",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model is not sensitive: on stories, not on text.",
    evidence=four_bits_of_cache,
    data=("quantization",),
)


def _listed(cost: dict[str, str]) -> str:
    return " ".join(f"`{model}` loses {by}." for model, by in cost.items())


def _cache(store: Store, *, bits: int, least: int) -> tuple[list[bool], float, dict[str, str]]:
    """Per model whether so many bits are small and good enough; how many times smaller at least; the loss increases."""
    runs, kept = evidence.runs(store, "kv"), evidence.kv_by_context(store)
    runs = runs[(runs["bits"] == 32) & (runs["kv_bits"] == bits)]
    answers, ratios, cost = [], [], {}
    for model in DEEP + WIDE:
        run, here = one(runs, model=model), kept[(kept["model"] == model) & (kept["keys"] == "position")]
        few, full = (one(here, kv_bits=b, context=here["context"].max())["bytes"] for b in (bits, 32))
        answers.append(bool(least * few <= full and run["loss_increase_high_nats"] <= LITTLE))
        ratios.append(full / few)
        cost[model] = in_parts(run)
    return answers, min(ratios), cost
