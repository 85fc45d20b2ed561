"""Claims of the article on the four limits of a phone"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import APP_SHARE, CPU_AND_GPU, DEVICES, ONEPLUS_12, budget_of
from mobilellm_lab.constraints.study.evidence import PROMPT, SETTING, alone, decoded
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

PATIENCE_S = 1.0  # for the first token: above it a reader's flow of thought breaks, as Nielsen puts it
SEVEN_BILLION = 7_000_000_000  # the paper's example of a model that is too large
BIT_WIDTHS = (16, 8, 4)


def arithmetic() -> Evidence:
    """On one phone, with its CPU and its faster GPU: does more arithmetic bring more speed?

    Published rates of one model on a Galaxy S24 Ultra; more speed means half as much again. Holds if in both prefill
    and decode, does not hold if in neither.
    """
    cpu, gpu = CPU_AND_GPU
    prefill, decode = gpu.prefill_per_s / cpu.prefill_per_s, gpu.decode_per_s / cpu.decode_per_s
    return Evidence(
        verdict=graded([prefill > 1.5, decode > 1.5]),
        finding="The runtime's authors report a 4-bit model of 1B parameters on a Galaxy S24 Ultra. The GPU runs "
        f"prefill {prefill:.1f} times as fast as the CPU, and decode {decode:.2f} times as fast. Prefill uses each "
        "weight for many tokens and is compute-bound. Decode reads every weight for one token, from a memory that both "
        "processors share.",
        line=f"A GPU is {prefill:.1f} times as fast as the CPU in prefill, and {decode:.2f} times in decode.",
    )


TOO_LITTLE_ARITHMETIC = Claim(
    name="too-little-arithmetic",
    said="A phone's processors have too little arithmetic for large matrix products.",
    source="the article, section 1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the phase is prefill; in decode memory binds.",
    flips="in decode with a large batch, which reads the weights once for all its sequences. A phone has one user.",
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
        finding=f"In 4 bits, 7B parameters take {large[4] / 2**30:.1f} GiB. A share of "
        f"{100 * APP_SHARE.value:.0f} % of the memory is at most {max(shares.values()) / 2**30:.1f} GiB on the phones "
        f"of this chapter. In 4 bits, MobileLLM-1B fits on {fits[4]} of {len(phones)}. In 16 bits it fits on "
        f"{fits[16]}.",
        line=f"The 4-bit weights take {large[4] / 2**30:.1f} GiB; a tenth of the largest DRAM here is "
        f"{max(shares.values()) / 2**30:.1f} GiB.",
        flips=f"with the share. The whole memory of {whole} of these phones is larger than the 4-bit weights.",
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
    finding="In twenty back-to-back runs of a 4-bit 1.5B model, an iPhone 16 Pro falls from 40.35 tokens/s to 22.56 "
    "from the eighth run on. All twenty use 10 % of its battery. A Galaxy S24 Ultra stops in the sixth run. The second "
    "version of the report has 40.49 to 23.67 tokens/s and 5 %, and a Galaxy that slows down but goes on.",
    line="An iPhone falls from 40.35 to 22.56 tokens/s by the eighth of 20 runs.",
    flips="where the device draws too little power to get hot. In the same report a Raspberry Pi 5 with an accelerator "
    "keeps its 6.9 tokens/s at 1.87 W.",
)


def answers_late() -> Evidence:
    """Published prefill rates of 1B models on phones: is the first token after a long prompt late?

    Long is 1,000 tokens, late is after one second. Holds if always, does not hold if never.
    """
    seconds = [PROMPT / row.prefill_per_s for row in (*ONEPLUS_12, *CPU_AND_GPU)]
    late = [wait > PATIENCE_S for wait in seconds]
    return Evidence(
        verdict=graded(late),
        finding="Prefill of the whole prompt precedes the first token. At the published rates of 1B models on two "
        f"phones, 1,000 tokens take {min(seconds):.1f} to {max(seconds):.1f} s. It is more than a second in "
        f"{sum(late)} of {len(late)} rows.",
        line=f"A prompt of 1,000 tokens takes {min(seconds):.1f} to {max(seconds):.1f} s before the first token.",
    )


ANSWERS_LATE = Claim(
    name="answers-late",
    said="Apps must answer quickly, and a phone makes that hard.",
    source="the article, section 1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the prompt is long and runs through the CPU.",
    flips="with a GPU, a short prompt, or one whose KV cache was kept from the last turn.",
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
        f"settings, but not in proportion. The smallest model has {tiny[1].parameters / tiny[0].parameters:,.0f} "
        f"times fewer weights than the next and is {tiny[0].p50 / tiny[1].p50:.1f} times as fast, since dispatch "
        f"takes its time. Between the two largest, {large[1].parameters / large[0].parameters:.1f} times fewer weights "
        f"give {large[0].p50 / large[1].p50:.1f} times the speed.",
        line=f"Faster in {sum(won)} of {len(won)} pairs of neighbouring sizes; tiny models gain little, they wait for "
        "dispatch.",
    )


SMALLER_IS_FASTER = Claim(
    name="smaller-is-faster",
    said="Fewer parameters make inference faster on a small device.",
    source="the article, section 8",
    verdict=Verdict.HOLDS,
    flips="if dispatch took all of the time in both. Then the number of layers decides, not that of weights.",
    evidence=smaller_is_faster,
    data=("constraints",),
)


CLAIMS = (TOO_LITTLE_ARITHMETIC, TOO_LITTLE_MEMORY, ANSWERS_LATE, SMALLER_IS_FASTER)
ALSO = (HEATS_AND_DRAINS,)
