"""Exercise: KV cache size with global and sliding-window layers"""

from functools import partial

from mobilellm_lab import zoo
from mobilellm_lab.teaching.by_example import another, by_example


def _cache_bytes_stub(n_global, n_local, window, n_kv_heads, head_dim, context, size):
    """Bytes of the KV cache of one sequence of `context` positions."""
    return ...  # your code


def _cache_bytes_solution(n_global, n_local, window, n_kv_heads, head_dim, context, size):
    """Bytes of the KV cache of one sequence of `context` positions."""
    kept = n_global * context + n_local * min(window, context)
    values = 2 * kept * n_kv_heads * head_dim  # a key and a value
    return values * size


def _cache_bytes_alternative(n_global, n_local, window, n_kv_heads, head_dim, context, size):
    """Bytes of the KV cache of one sequence of `context` positions."""
    vector = n_kv_heads * head_dim * size
    total = 0
    for layer in range(n_global + n_local):
        first = max(0, context - window) if layer >= n_global else 0
        for _position in range(first, context):
            total += vector + vector
    return total


def _size(
    n_global, n_local, window, heads, width, context, size, *, kinds=2, local="last", everywhere=False, unit=1, head=1
):
    """The size with some steps changed: what slips of that kind give."""
    near = {"last": min(window, context), "all": context, "always": window, "none": 0}[local]
    kept = n_global * (near if everywhere else context) + n_local * near
    return kinds * kept * (heads if head else 1) * width * size / unit


_MISTAKES = {
    "keys without values": (
        partial(_size, kinds=1),
        "Your cache is half as large. It keeps two vectors for each head and position: a key and a value.",
    ),
    "no window at all": (
        partial(_size, local="all"),
        "You let the local layers keep every position. Beyond their window they forget the oldest.",
    ),
    "a window in every layer": (
        partial(_size, everywhere=True),
        "You gave the global layers a window too. They keep all `context` positions, or nothing far away could be "
        "found.",
    ),
    "the window before it is full": (
        partial(_size, local="always"),
        "In a short conversation a local layer holds fewer positions than its window: `min(window, context)`.",
    ),
    "forgets the local layers": (
        partial(_size, local="none"),
        "You counted the global layers only. Local layers keep a cache as well, of up to `window` positions.",
    ),
    "one head": (
        partial(_size, head=0),
        "You counted a single head. Each of the `n_kv_heads` keeps its own keys and values.",
    ),
    "bits for bytes": (
        partial(_size, unit=8),
        "You divided by 8, but `size` is in bytes already.",
    ),
    "mebibytes": (
        partial(_size, unit=2**20),
        "You returned MiB. Return bytes, and let whoever prints them choose the unit.",
    ),
}


def _cases():
    pro = zoo.SHAPES["MobileLLM-Pro"].config
    published = [
        (n_global, pro.n_layers - n_global, 512, pro.n_kv_heads, pro.head_dim, 8000, 1)
        for n_global in (pro.n_layers, 9)
    ]
    return [(2, 6, 128, 3, 64, 1000, 2), (3, 5, 512, 4, 32, 200, 2), (0, 7, 64, 2, 48, 4096, 0.5), *published]


def _lesson(answer, found):
    full, windowed = (size / 2**20 for size in found[-2:])
    return (
        f"At 8,000 tokens of an 8-bit cache, MobileLLM-Pro would take {full:.1f} MiB with 30 global layers. With nine "
        f"of them and windows of 512 in the others it takes {windowed:.1f} MiB. Its authors print 117 MB and 40 MB."
    )


CACHE = by_example(
    name="cache",
    title="KV cache with local layers",
    task="""
The weights take the same memory at any context; the KV cache grows with every token. In MobileLLM-Pro, *global* layers
keep the keys and values of all positions. Its *local* layers keep those of the last `window` positions only.

Write `cache_bytes(n_global, n_local, window, n_kv_heads, head_dim, context, size)`, which returns the **bytes of the
cache of one sequence of `context` positions**. For each kept position a layer keeps one key and one value in each of
its `n_kv_heads` heads. Both have `head_dim` numbers of `size` bytes.
""".strip(),
    answer="cache_bytes",
    stub=_cache_bytes_stub,
    solution=_cache_bytes_solution,
    alternative=_cache_bytes_alternative,
    mistakes=_MISTAKES,
    hints=(
        "How many positions does a global layer keep, how many a local one? And a local one while the conversation is "
        "still shorter than its window?",
        "Add up the kept positions over all layers: `n_global * context + n_local * min(window, context)`.",
        "Each kept position is `2 * n_kv_heads * head_dim` numbers, a key and a value, of `size` bytes.",
    ),
    cases=_cases,
    describe=another("size", "bytes", _cache_bytes_solution),
    lesson=_lesson,
)
