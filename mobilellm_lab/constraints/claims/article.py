"""Claims of the article on a phone's four limits, each below the rule of its verdict"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import APP_SHARE, CPU_AND_GPU, DEVICES, ONEPLUS_12, budget_of
from mobilellm_lab.constraints.study.evidence import SETTING, alone, decoded
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
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
        finding="On one phone, a Galaxy S24 Ultra, with the same 4-bit model of 1B parameters, the graphics unit "
        f"reads a prompt {prefill:.1f} times as fast as the processor and writes the answer {decode:.2f} times as "
        "fast, as its runtime's authors report. Reading takes many tokens at once and is limited by arithmetic. "
        "Writing takes one, reads every weight for it, and is limited by memory, which both share.",
    )


TOO_LITTLE_ARITHMETIC = Claim(
    name="too-little-arithmetic",
    said="A phone's processors compute far less than a server's, too little for large matrix products.",
    source="the article, section 1",
    verdict=Verdict.HOLDS_WHEN,
    condition="a prompt is read; not while the answer is written.",
    flips="with many sequences at once: a batch reads the weights once for all of them, until arithmetic binds again. "
    "A phone writes for one user.",
    evidence=arithmetic,
)


def memory() -> Evidence:
    """By formula: are the weights of a 7B model in 16, 8 and 4 bits larger than the app's share of every phone here?

    Holds if always, does not hold if never. The share is the paper's, a tenth of the memory.
    """
    phones = {name: card for name, card in DEVICES.items() if card.kind == "phone" and card.memory_gib.known}
    shares = {name: budget_of(card).memory_mib * 2**20 for name, card in phones.items()}
    large = {bits: SEVEN_BILLION * bits / 8 for bits in BIT_WIDTHS}
    small = {bits: footprint.weight_bytes(zoo.SHAPES["MobileLLM-1B"].config, bits_per_weight=bits) for bits in (16, 4)}
    fits = {bits: sum(weights <= share for share in shares.values()) for bits, weights in small.items()}
    whole = sum(card.memory_gib.value * 2**30 > large[4] for card in phones.values())
    return Evidence(
        verdict=graded(weights > share for weights in large.values() for share in shares.values()),
        finding=f"The weights of 7B parameters take {large[16] / 2**30:.1f} GiB in 16 bits and {large[4] / 2**30:.1f} "
        f"GiB in 4. A share of {100 * APP_SHARE.value:.0f} % of the memory, as the MobileLLM paper plans, is "
        f"{max(shares.values()) / 2**30:.1f} GiB at most on the {len(phones)} phones of this chapter. In 16 bits "
        f"MobileLLM-1B fits into it on {fits[16]} of them, in 4 bits on {fits[4]}.",
        flips=f"with the share. The whole memory of {whole} of these phones is larger than the 4-bit weights, as long "
        "as nothing else runs.",
    )


TOO_LITTLE_MEMORY = Claim(
    name="too-little-memory",
    said="A phone's memory cannot hold the parameters of a large model.",
    source="the article, section 1",
    verdict=Verdict.HOLDS,
    evidence=memory,
)


HEATS_AND_DRAINS = Claim(
    name="heats-and-drains",
    said="Power is limited: long inference makes a phone hot and empties its battery.",
    source="the article, section 1; measured by arXiv 2603.23640, first version",
    verdict=Verdict.ONLY_QUOTED,
    finding="In twenty runs one after another, a 1.5B model in 4 bits on an iPhone 16 Pro falls from 40.35 to 22.56 "
    "tokens/s as the phone gets hot, 44 % less, and takes 10 % of the battery. A Galaxy S24 Ultra stops in the sixth "
    "run. The second version of the report has 40.49, 23.67 and 5 %, and a phone that slows down but goes on.",
    flips="where the device draws little enough to stay cool: in the same report a Raspberry Pi 5 with an accelerator "
    "keeps its 6.9 tokens/s at 1.87 W.",
)


def answers_late() -> Evidence:
    """Published rates at which 1B models read a prompt on phones: is the first token of a long one late?

    Long is 1,000 tokens, late is after one second. Holds if always, does not hold if never.
    """
    seconds = [PROMPT / row.prefill_per_s for row in (*ONEPLUS_12, *CPU_AND_GPU)]
    late = [wait > PATIENCE_S for wait in seconds]
    return Evidence(
        verdict=graded(late),
        finding="Before the first word of an answer the whole prompt is read. At the rates that are published for "
        f"models of 1B on two phones, 1,000 tokens take {min(seconds):.1f} to {max(seconds):.1f} s, more than a "
        f"second in {sum(late)} of {len(late)} rows.",
    )


ANSWERS_LATE = Claim(
    name="answers-late",
    said="Apps must answer quickly, and a phone makes that hard.",
    source="the article, section 1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the prompt is long and the processor reads it.",
    flips="with a graphics unit, a short prompt, or one whose cache was kept from the last turn.",
    evidence=answers_late,
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
    won = [small.p10 > other.p90 for small, other in pairs]
    plain = list(alone(frame).itertuples())
    tiny, large = plain[:2], plain[-2:]
    return Evidence(
        verdict=graded(won),
        finding=f"The smaller of two neighbouring sizes decodes faster in {sum(won)} of {len(won)} pairs of stored "
        f"settings. But not in proportion: the smallest model has {tiny[1].parameters / tiny[0].parameters:,.0f} "
        f"times fewer weights than the next and is {tiny[0].p50 / tiny[1].p50:.1f} times faster, since starting its "
        f"operations takes the time. Between the two largest, {large[1].parameters / large[0].parameters:.1f} times "
        f"fewer weights give {large[0].p50 / large[1].p50:.1f} times the speed.",
    )


SMALLER_IS_FASTER = Claim(
    name="smaller-is-faster",
    said="Fewer parameters make inference faster on a small device.",
    source="the article, section 8",
    verdict=Verdict.HOLDS,
    flips="if starting operations took all of the time in both. Then the number of layers decides, not that of "
    "weights.",
    evidence=smaller_is_faster,
    data=("constraints",),
)


CLAIMS = (TOO_LITTLE_ARITHMETIC, TOO_LITTLE_MEMORY, HEATS_AND_DRAINS, ANSWERS_LATE, SMALLER_IS_FASTER)
