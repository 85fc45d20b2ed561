"""Why small models, as the MobileLLM papers put it: the rule behind each verdict on memory, energy and time."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import (
    ENERGY_ROWS,
    IPHONE_13,
    PAPER_J_PER_TOKEN_PER_BILLION,
    drain_percent,
    fit_bandwidth,
    hours,
    paper_j_per_token,
    predicted_ms,
    pro_workload,
)
from mobilellm_lab.constraints.claims.stored import decoded, one
from mobilellm_lab.constraints.published import PRO_KV_MB
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

SEVEN_BILLION, SMALL = 7_000_000_000, 350_000_000  # the paper's examples
TALK_PER_S = 10  # tokens per second of a conversation, its assumption
PRINTED_PERCENT, TOKENS = 0.2, 64  # what it says these tokens of the large one drain
SRAM_BYTES = 20e6  # the cache that it says an app can use
AGREES = 0.05  # a prediction within 5 % of what was printed
FOUR_BITS = 4.5  # a weight in 4 bits, with a 16-bit scale for each group of 32
LARGE = 10_000_000  # parameters from which a model of ours is beyond what stays near the core
FAMILY = ("MobileLLM-125M", "MobileLLM-350M", "MobileLLM-600M", "MobileLLM-1B")


def under_two_hours() -> Evidence:
    """By the paper's formula: does 50 kJ last a 7B model for less than two hours at ten tokens per second?"""
    per_token = paper_j_per_token(SEVEN_BILLION)
    lasts = hours(TALK_PER_S, j_per_token=per_token)
    reported = [hours(TALK_PER_S, j_per_token=7 * row.j_per_token_per_billion) for row in ENERGY_ROWS]
    return Evidence(
        verdict=Verdict.HOLDS if lasts < 2 else Verdict.DOES_NOT_HOLD,
        numbers={
            "joules": f"{per_token:.1f}",
            "hours": f"{lasts:.2f}",
            "least": f"{min(reported):.1f}",
            "most": f"{max(reported):.1f}",
        },
    )


def a_fifth_of_a_percent() -> Evidence:
    """By the paper's own numbers: do 64 tokens of a 7B model drain 0.2 % of 50 kJ, within a tenth of that?"""
    drained = drain_percent(TOKENS, j_per_token=paper_j_per_token(SEVEN_BILLION))
    return Evidence(
        verdict=Verdict.HOLDS if abs(drained / PRINTED_PERCENT - 1) < 0.1 else Verdict.DOES_NOT_HOLD,
        numbers={
            "drained": f"{drained:.2f}",
            "spent": f"{TOKENS * paper_j_per_token(SEVEN_BILLION):.1f}",
            "tokens": f"{TOKENS * PRINTED_PERCENT / drained:.0f}",
        },
    )


def a_day() -> Evidence:
    """By the paper's formula: does 50 kJ last a 350M model for 24 hours at ten tokens per second?"""
    per_token = paper_j_per_token(SMALL)
    lasts = hours(TALK_PER_S, j_per_token=per_token)
    highest = max(row.j_per_token_per_billion for row in ENERGY_ROWS)
    return Evidence(
        verdict=Verdict.HOLDS if lasts >= 24 else Verdict.DOES_NOT_HOLD,
        numbers={
            "joules": f"{per_token:.3f}",
            "hours": f"{lasts:.0f}",
            "highest": f"{highest:.2f}",
            "worst": f"{hours(TALK_PER_S, j_per_token=highest * SMALL / 1e9):.0f}",
        },
    )


def a_tenth_of_a_joule() -> Evidence:
    """Measurements by others: does a token take 0.1 J or less for each billion parameters?

    Holds if in every row, within a tenth; does not hold if in none.
    """
    rows = {row.name: row.j_per_token_per_billion for row in ENERGY_ROWS}
    low = [value <= 1.1 * PAPER_J_PER_TOKEN_PER_BILLION for value in rows.values()]
    return Evidence(
        verdict=graded(low),
        numbers={
            "rows": str(len(rows)),
            "low": str(sum(low)),
            "least": f"{min(rows.values()):.2f}",
            "most": f"{max(rows.values()):.2f}",
        },
    )


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
        numbers={
            "smallest": f"{2 * smallest / 1e6:.1f}",
            "largest": f"{2 * largest / 1e6:.1f}",
            "fit_16": str(sum(fits[16])),
            "fit_8": str(sum(fits[8])),
            "models": str(len(blocks)),
        },
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
        numbers={
            "base": f"{base.execute_ms:.1f}",
            "speed": f"{speed:.1f}",
            "twice": f"{found[0]:.1f}",
            "twice_printed": f"{printed[0]:.1f}",
            "sixty": f"{found[1]:.1f}",
            "sixty_printed": f"{printed[1]:.1f}",
        },
    )


def fifty_against_six() -> Evidence:
    """At the rate of reading fitted on 15.6 ms: do 125M in 16 bits reach 50 tokens/s, and 7B in 4.5 bits 3 to 6?

    Holds if both, does not hold if neither.
    """
    base, *_ = IPHONE_13
    speed = fit_bandwidth([(base.workload.read_bytes, base.execute_ms)])
    small = 1000 / predicted_ms(base.workload.read_bytes, bandwidth_gb_s=speed)
    large = 1000 / predicted_ms(round(SEVEN_BILLION * FOUR_BITS / 8), bandwidth_gb_s=speed)
    return Evidence(
        verdict=graded([small >= 50, 3 <= large <= 6]),
        numbers={
            "speed": f"{speed:.1f}",
            "small": f"{small:.0f}",
            "large": f"{large:.1f}",
            "bits": f"{FOUR_BITS}",
        },
    )


def local_layers() -> Evidence:
    """By formula: are the caches, with global layers only and with nine of thirty, as printed when rounded to MiB?

    Holds if both are, does not hold if neither is.
    """
    work = [pro_workload(mixed=mixed) for mixed in (False, True)]
    sizes = [each.kv_bytes / 2**20 for each in work]
    return Evidence(
        verdict=graded(round(size) == printed for size, printed in zip(sizes, PRO_KV_MB.values(), strict=True)),
        numbers={
            "full": f"{sizes[0]:.1f}",
            "mixed": f"{sizes[1]:.1f}",
            "context": f"{work[0].context:,}",
            "layers": str(work[0].config.n_layers),
            "local": str(work[1].window_layers),
            "window": str(work[1].window),
        },
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
        numbers={
            "batch": str(most),
            "models": str(len(pairs)),
            "least": f"{min(gains):.1f}",
            "most": f"{max(gains):.1f}",
        },
    )
