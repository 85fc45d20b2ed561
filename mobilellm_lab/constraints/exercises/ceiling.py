"""Exercise: bandwidth-bound decode speed of a batch"""

from functools import partial

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import IPHONE_13, fit_bandwidth
from mobilellm_lab.teaching.by_example import another, by_example


def _tokens_per_s_stub(parameters, bits, kv_bytes, context, batch, gb_per_s):
    """Most tokens/s of the whole batch when memory bandwidth binds."""
    return ...  # your code


def _tokens_per_s_solution(parameters, bits, kv_bytes, context, batch, gb_per_s):
    """Most tokens/s of the whole batch when memory bandwidth binds."""
    weights = parameters * bits / 8  # once for all
    cache = batch * context * kv_bytes  # each its own
    step_s = (weights + cache) / (gb_per_s * 1e9)
    return batch / step_s


def _tokens_per_s_alternative(parameters, bits, kv_bytes, context, batch, gb_per_s):
    """Most tokens/s of the whole batch when memory bandwidth binds."""
    shared = parameters * bits / batch
    own = 8 * context * kv_bytes
    return 8e9 * gb_per_s / (shared + own)  # bits per second over bits per token


def _rate(
    parameters, bits, kv, context, batch, bandwidth, *,
    per_byte=8, giga=1e9, weights_for="all", cache=1, caches="each", all_tokens=True, inverse=False,
):  # fmt: skip
    """The rate with some steps changed: what slips of that kind give."""
    read = parameters * bits / per_byte * (1 if weights_for == "all" else batch)
    read += cache * kv * (context if caches != "last" else 1) * (1 if caches == "one" else batch)
    rate = (batch if all_tokens else 1) * bandwidth * giga / read
    return 1 / rate if inverse else rate


_MISTAKES = {
    "bits taken for bytes": (
        partial(_rate, per_byte=1),
        "You read as many bytes as there are bits. Eight bits are one byte: divide by 8.",
    ),
    "forgets the cache": (
        partial(_rate, cache=0),
        "Your speed does not fall with the context. Each new token reads the keys and values of all positions before "
        "it, from the KV cache.",
    ),
    "gibibytes for gigabytes": (
        partial(_rate, giga=2**30),
        "You took a gigabyte for 2**30 bytes. Bandwidth is given in GB/s, and GB is 10**9 bytes; 2**30 is a GiB, 7 % "
        "more.",
    ),
    "no gigabytes at all": (
        partial(_rate, giga=1),
        "You divided gigabytes per second by bytes. One GB is 10**9 bytes.",
    ),
    "reads the weights for every sequence": (
        partial(_rate, weights_for="each"),
        "You read the weights once for every sequence. A batch shares them: what was read once is used for all. That "
        "is what batches are for.",
    ),
    "one cache for the whole batch": (
        partial(_rate, caches="one"),
        "You read a single cache. The weights are shared, the cache is not: every sequence has its own past.",
    ),
    "reads the newest position only": (
        partial(_rate, caches="last"),
        "You read the cache of one position. A new token attends to all `context` of them.",
    ),
    "counts one sequence's tokens": (
        partial(_rate, all_tokens=False),
        "You gave the speed of one sequence. Each step gives one token for *every* sequence of the batch.",
    ),
    "seconds per token": (
        partial(_rate, inverse=True),
        "You returned the time of a token. Tokens per second is its inverse.",
    ),
}


def _cases():
    model = zoo.SHAPES["MobileLLM-125M"].config
    return [
        (120_000_000, 16, 24_000, 1000, 1, 20),
        (1_000_000_000, 4.5, 64_000, 4096, 1, 60.5),
        (300_000_000, 8, 40_000, 512, 8, 34.1),
        (footprint.parameters(model), 16, footprint.kv_bytes_per_token(model), 2048, 4, 51.2),
    ]


def _lesson(answer, found):
    model = zoo.SHAPES["MobileLLM-125M"].config
    size, kv = footprint.parameters(model), footprint.kv_bytes_per_token(model)
    seen = fit_bandwidth((row.workload.read_bytes, row.execute_ms) for row in IPHONE_13)
    alone, at_2048, eight = (
        _rate(size, 16, kv, context, batch, seen) for context, batch in ((1, 1), (2048, 1), (2048, 8))
    )
    return (
        f"The MobileLLM paper's times on an iPhone 13 imply {seen:.0f} GB/s. At that rate its 125M model in 16 bits "
        f"decodes at most {alone:.0f} tokens/s, and {at_2048:.0f} with 2,048 positions in its cache. Eight such "
        f"sequences together get {eight:.0f}, not eight times as many: they share the weights, and each has its own "
        "cache."
    )


CEILING = by_example(
    name="ceiling",
    title="Bandwidth-bound decode speed",
    task="""
How fast can a model decode, at best? Each step reads every weight from memory once for the whole batch. For each
sequence it also reads the keys and values of its `context` positions. The arithmetic takes less time, so the bytes set
the limit.

Write `tokens_per_s(parameters, bits, kv_bytes, context, batch, gb_per_s)`, which returns the **most tokens per second
of the whole batch** at a bandwidth of `gb_per_s` GB/s. A weight has `bits` bits, and one position of one sequence takes
`kv_bytes` bytes of cache. A step gives one token to each sequence.
""".strip(),
    answer="tokens_per_s",
    stub=_tokens_per_s_stub,
    solution=_tokens_per_s_solution,
    alternative=_tokens_per_s_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Count the bytes of one step first. What does the batch share, and what does each sequence have of its own?",
        "The weights are `parameters * bits / 8` bytes, once. The caches are `context * kv_bytes` bytes for each "
        "sequence. One GB is 10**9 bytes.",
        "A step takes `(weights + batch * context * kv_bytes) / (gb_per_s * 1e9)` seconds and gives `batch` tokens.",
    ),
    cases=_cases,
    describe=another("speed", "tokens/s", _tokens_per_s_solution),
    lesson=_lesson,
)
