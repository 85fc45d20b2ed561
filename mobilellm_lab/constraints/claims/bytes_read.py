"""Claims of the MobileLLM papers on latency and memory traffic"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import IPHONE_13, fit_bandwidth, predicted_ms, pro_workload
from mobilellm_lab.constraints.claims.motivation import PAPER, SEVEN_BILLION
from mobilellm_lab.constraints.published import PRO_KV_MB
from mobilellm_lab.constraints.study.evidence import FAMILY, FOUR_BITS, decoded
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

SRAM_BYTES = 20e6  # the cache that it says an app can use
AGREES = 0.05  # a prediction within 5 % of what was printed
LARGE = 10_000_000  # parameters from which a model of ours is beyond what stays near the core


def one_block() -> Evidence:
    """By formula: does one block of each model of up to a billion parameters fit into 20 MB, in 16 bits and in 8?"""
    blocks = {}
    for name in FAMILY:
        config = zoo.SHAPES[name].config
        parts = footprint.parameters_by_part(config)
        blocks[name] = (parts["attention"] + parts["ffn"]) / config.n_layers + 2 * config.dim
    fits = {bits: [weights * bits / 8 <= SRAM_BYTES for weights in blocks.values()] for bits in (16, 8)}
    smallest, *_, largest = blocks.values()
    return Evidence(
        verdict=graded(fits[16] + fits[8]),
        finding=f"One block takes {2 * smallest / 1e6:.1f} MB in MobileLLM-125M and {2 * largest / 1e6:.1f} MB in "
        f"MobileLLM-1B, in 16 bits. A block of 16 bits fits in {sum(fits[16])} of {len(blocks)} models. One of 8 "
        f"bits fits in {sum(fits[8])}.",
        line=f"A 16-bit block takes {2 * smallest / 1e6:.1f} MB in the smallest and {2 * largest / 1e6:.1f} MB in the "
        "largest model.",
    )


ONE_BLOCK = Claim(
    name="one-block",
    said="The 20 MB of fast memory that an app can use hold about one transformer block.",
    source=PAPER.format("introduction and section on layer sharing"),
    verdict=Verdict.HOLDS_WHEN,
    condition="the model is one of the two smallest, or its weights have 8 bits.",
    flips="with narrower layers or fewer bits. Deep and narrow models have small blocks, so that running a block twice "
    "in a row is cheap.",
    evidence=one_block,
)


def time_follows_bytes() -> Evidence:
    """Fitted on the time of 30 layers alone: are the paper's other two times predicted by bytes, within 5 %?

    Holds if both are, does not hold if neither is. A block that runs twice in a row is read once.
    """
    base, *others = IPHONE_13
    speed = fit_bandwidth([(base.workload.read_bytes, base.execute_ms)])
    found = [predicted_ms(row.workload.read_bytes, bandwidth_gb_s=speed) for row in others]
    printed = [row.execute_ms for row in others]
    return Evidence(
        verdict=graded(abs(p / q - 1) < AGREES for p, q in zip(found, printed, strict=True)),
        finding=f"If reading the weights takes all of the time, the reported {base.execute_ms:.1f} ms of 30 blocks "
        f"mean {speed:.1f} GB/s. From that alone follow {found[0]:.1f} ms for the same blocks run twice, where "
        f"{printed[0]:.1f} ms were measured. For 60 blocks of their own follow {found[1]:.1f} ms, where "
        f"{printed[1]:.1f} ms were measured.",
        line=f"Bytes alone predict {found[1]:.1f} ms for twice as many blocks; {printed[1]:.1f} ms were measured.",
    )


TIME_FOLLOWS_BYTES = Claim(
    name="time-follows-bytes",
    said="Running each block twice in a row costs hardly any time on a phone; as many blocks of their own cost almost "
    "double.",
    source=PAPER.format("its profile on an iPhone 13"),
    verdict=Verdict.HOLDS,
    flips="where compute or dispatch takes the time. Then the second run costs as much as the first.",
    evidence=time_follows_bytes,
)


def fifty_against_six() -> Evidence:
    """At the bandwidth fitted on 15.6 ms: do 125M in 16 bits reach 50 tokens/s, and 7B in 4.5 bits 3 to 6?

    Holds if both, does not hold if neither.
    """
    base, *_ = IPHONE_13
    speed = fit_bandwidth([(base.workload.read_bytes, base.execute_ms)])
    small = 1000 / predicted_ms(base.workload.read_bytes, bandwidth_gb_s=speed)
    large = 1000 / predicted_ms(round(SEVEN_BILLION * FOUR_BITS / 8), bandwidth_gb_s=speed)
    return Evidence(
        verdict=graded([small >= 50, 3 <= large <= 6]),
        finding=f"At {speed:.1f} GB/s, as in the profile above, the small one decodes {small:.0f} tokens/s in 16 bits. "
        f"The large one decodes {large:.1f} with {FOUR_BITS} bits a weight, which is our assumption. The paper names "
        "neither the bits nor the phone of the large one.",
        line=f"At {speed:.1f} GB/s the small one decodes {small:.0f} tokens/s, the large one {large:.1f}.",
    )


FIFTY_AGAINST_SIX = Claim(
    name="fifty-against-six",
    said="On a phone a model of 125M parameters decodes 50 tokens/s, one of 7B decodes 3 to 6.",
    source=PAPER.format("introduction"),
    verdict=Verdict.HOLDS,
    flips="with the bandwidth of the phone: three times as much is three times both speeds.",
    evidence=fifty_against_six,
)


def moving_weights(store: Store) -> Evidence:
    """Does a batch, which reads the weights once for all its sequences, decode more tokens/s than one sequence alone?

    If arithmetic took the time, it could not. For every model of ten million parameters or more, the largest batch
    against one sequence, at the shortest context: yes if its p10 lies above the other's p90. Holds if for all models,
    does not hold if for none.
    """
    frame = decoded(store)
    frame = frame[(frame["parameters"] >= LARGE) & (frame["bits"] == 32) & (frame["threads"] == 1)]
    frame = frame[frame["context"] == frame["context"].min()]
    most = frame["batch"].max()
    pairs = [
        (one(frame, size=size, batch=1), one(frame, size=size, batch=most)) for size in frame["size"].drop_duplicates()
    ]
    gains = [many["p50"] / single["p50"] for single, many in pairs]
    return Evidence(
        verdict=graded(many["p10"] > single["p90"] for single, many in pairs),
        finding=f"A batch of {most} computes {most} times as much with weights that are read once. On one core the "
        f"{len(pairs)} larger models decode {min(gains):.1f} to {max(gains):.1f} times as many tokens/s with it as "
        "with one sequence.",
        line=f"A batch of {most} decodes {min(gains):.1f} to {max(gains):.1f} times as many tokens/s as one sequence.",
    )


MOVING_WEIGHTS = Claim(
    name="moving-weights",
    said="On a device moving the weights takes the time, not the arithmetic.",
    source=PAPER.format("section on layer sharing"),
    verdict=Verdict.HOLDS,
    flips="when the batch is large enough. Then arithmetic binds, and more sequences bring no more speed.",
    evidence=moving_weights,
    data=("constraints",),
)


def local_layers() -> Evidence:
    """By formula: are the caches, with global layers only and with nine of thirty, as printed when rounded to MiB?

    Holds if both are, does not hold if neither is.
    """
    work = [pro_workload(mixed=mixed) for mixed in (False, True)]
    sizes = [each.kv_bytes / 2**20 for each in work]
    return Evidence(
        verdict=graded(round(size) == printed for size, printed in zip(sizes, PRO_KV_MB.values(), strict=True)),
        finding=f"The cache of {work[0].context:,} tokens has 8 bits. With {work[0].config.n_layers} global layers it "
        f"takes {sizes[0]:.1f} MiB. With {work[1].window_layers} of them local it takes {sizes[1]:.1f} MiB. The "
        "authors print MB; their numbers agree if they count an MB as 2**20 bytes, which is a MiB.",
        line=f"By formula {sizes[0]:.1f} and {sizes[1]:.1f} MiB at {work[0].context:,} tokens; the authors call a MiB "
        "an MB.",
        flips=f"in short conversations: up to {work[1].window} tokens both caches are the same.",
    )


LOCAL_LAYERS = Claim(
    name="local-layers",
    said="Local attention to 512 positions in most layers shrinks the KV cache from 117 to 40 MB.",
    source="MobileLLM-Pro, model card and arXiv 2511.06719",
    verdict=Verdict.HOLDS,
    evidence=local_layers,
)


CLAIMS = (ONE_BLOCK, TIME_FOLLOWS_BYTES, MOVING_WEIGHTS, LOCAL_LAYERS)
ALSO = (FIFTY_AGAINST_SIX,)
