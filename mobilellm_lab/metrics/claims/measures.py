"""The article's five measures, each held against what it leaves open: the rule behind each verdict."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import CPU_AND_GPU
from mobilellm_lab.deep_narrow.evidence import reported
from mobilellm_lab.measuring import accuracy_interval, pareto
from mobilellm_lab.metrics.claims.published import EXECUTORCH, POWER
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import graded

NEAR = 0.1  # two values within 10 % count as the same
REQUESTS = ((10, 1000), (100, 500), (500, 100), (1000, 10))  # tokens of the prompt and of the answer
BACKENDS = dict(zip(("CPU", "GPU"), CPU_AND_GPU, strict=True))  # of one phone, as published


def tokens_per_second() -> Evidence:
    """Per backend and request: does the rate of writing alone give the time of the request within 10 %?

    Two published backends, four requests from a short prompt with a long answer to the opposite. Holds if it does in
    all, does not hold if in none.
    """
    told = {
        (name, request): request[1] / row.decode_per_s / _seconds(row, *request)
        for name, row in BACKENDS.items()
        for request in REQUESTS
    }
    return Evidence(
        verdict=graded(abs(share - 1) < NEAR for share in told.values()),
        numbers={
            **{f"prefill_{name}": f"{row.prefill_per_s:,.0f}" for name, row in BACKENDS.items()},
            **{f"decode_{name}": f"{row.decode_per_s:.1f}" for name, row in BACKENDS.items()},
            "cases": str(sum(abs(share - 1) < NEAR for share in told.values())),
            "all": str(len(told)),
            "long": f"{100 * told['CPU', REQUESTS[0]]:.1f}",
            "short": f"{100 * told['CPU', REQUESTS[-1]]:.1f}",
        },
    )


def runtime_speed() -> Evidence:
    """Per request: is a phone's GPU as many times faster than its CPU as it is in writing, within 10 %?

    The same four requests. Holds if it is in all, does not hold if in none.
    """
    cpu, gpu = CPU_AND_GPU
    writing = gpu.decode_per_s / cpu.decode_per_s
    times = {request: _seconds(cpu, *request) / _seconds(gpu, *request) for request in REQUESTS}
    return Evidence(
        verdict=graded(abs(factor / writing - 1) < NEAR for factor in times.values()),
        numbers={
            "reading": f"{gpu.prefill_per_s / cpu.prefill_per_s:.1f}",
            "writing": f"{writing:.2f}",
            "answer": f"{times[REQUESTS[0]]:.2f}",
            "prompt": f"{times[REQUESTS[-1]]:.1f}",
        },
    )


def memory_footprint() -> Evidence:
    """MobileLLM-125M, weights of 16 and 4 bits, 128 and 2,048 tokens: are the weights nine tenths of what is kept?

    Kept are the weights and the KV cache of 16 bits. Holds if they are in all four, does not hold if in none.
    """
    config = zoo.SHAPES["MobileLLM-125M"].config
    weights = {bits: footprint.weight_bytes(config, bits_per_weight=bits) for bits in (16, 4)}
    cache = {context: context * footprint.kv_bytes_per_token(config) for context in (128, 2048)}
    share = {(b, c): weights[b] / (weights[b] + cache[c]) for b in weights for c in cache}
    return Evidence(
        verdict=graded(part >= 1 - NEAR for part in share.values()),
        numbers={
            **{f"weights_{bits}": f"{size / 2**20:.0f}" for bits, size in weights.items()},
            **{f"cache_{context}": f"{size / 2**20:.0f}" for context, size in cache.items()},
            "share_16": f"{100 * share[16, 2048]:.0f}",
            "share_4": f"{100 * share[4, 2048]:.0f}",
        },
    )


def file_size() -> Evidence:
    """Per published file: is the resident memory of the process that ran it within 10 % of its size?

    Holds if it is for all, does not hold if for none.
    """
    factor = {name: row.resident_mib / row.file_mib for name, row in EXECUTORCH.items()}
    return Evidence(
        verdict=graded(abs(times - 1) < NEAR for times in factor.values()),
        numbers={
            "least": f"{min(factor.values()):.2f}",
            "most": f"{max(factor.values()):.2f}",
            "small_file": f"{EXECUTORCH['SpinQuant'].file_mib:,}",
            "small_run": f"{EXECUTORCH['SpinQuant'].resident_mib:,}",
            "large_file": f"{EXECUTORCH['bfloat16'].file_mib:,}",
            "large_run": f"{EXECUTORCH['bfloat16'].resident_mib:,}",
        },
    )


def power() -> Evidence:
    """Two published devices: does the one that draws more power use more energy per token, and as many times more?

    Energy is per token and billion parameters, since the models differ. Holds if both are so, the second within 10 %;
    does not hold if neither is.
    """
    phone, board = POWER["iPhone 14 Pro"], POWER["Hailo-10H"]
    watts, joules = phone.power_w / board.power_w, phone.per_billion_j / board.per_billion_j
    return Evidence(
        verdict=graded([(watts > 1) == (joules > 1), abs(joules / watts - 1) < NEAR]),
        numbers={
            "phone_w": f"{phone.power_w:.1f}",
            "board_w": f"{board.power_w:.2f}",
            "phone_j": f"{phone.per_billion_j:.2f}",
            "board_j": f"{board.per_billion_j:.2f}",
            "watts": f"{watts:.1f}",
            "joules": f"{joules:.1f}",
        },
    )


def accuracy() -> Evidence:
    """Half of 100, 1,000, 10,000 and 100,000 answers right: is the 95 % interval within one point on either side?

    Holds if it is at every size, does not hold if at none.
    """
    half = {n: 100 * accuracy_interval(n // 2, n).half_width for n in (100, 1000, 10_000, 100_000)}
    return Evidence(
        verdict=graded(points <= 1 for points in half.values()),
        numbers={f"half_{n}": f"{points:.2g}" for n, points in half.items()},
    )


def together(store: Store) -> Evidence:
    """Per budget of the shell game: is a single depth unbeaten in accuracy and in KV cache per token?

    Accuracy is the median of three seeds, the cache follows from the shape. Holds if at every budget one depth is
    left, does not hold if at none.
    """
    runs = reported(store)
    runs = runs[(runs["study"] == "depth") & (runs["task"] == "shells")]
    fronts, depths = {}, {}
    for budget, group in runs.groupby("budget"):
        points = [
            {"score": seeds["score"].median(), "kv": _kv_bytes(seeds.iloc[0])} for _, seeds in group.groupby("depth")
        ]
        depths[budget] = len(points)
        fronts[budget] = len(pareto(points, {"score": "higher", "kv": "lower"}))
    small = min(fronts)
    return Evidence(
        verdict=graded(left == 1 for left in fronts.values()),
        numbers={
            "budgets": str(len(fronts)),
            "least": str(min(fronts.values())),
            "most": str(max(fronts.values())),
            "depths": str(depths[small]),
            "small": f"{small:,}",
            "left": str(fronts[small]),
        },
    )


def _seconds(row, prompt: int, answer: int) -> float:
    """Time of a request on one backend: the prompt is read, then the answer is written."""
    return prompt / row.prefill_per_s + answer / row.decode_per_s


def _kv_bytes(row) -> int:
    """Bytes of cache per token of a stored row's shape, by formula; the depth study shares no key/value heads."""
    heads = int(row["dim"] // row["head_dim"])
    shape = {name: int(row[name]) for name in ("dim", "n_layers", "hidden_dim")}
    return footprint.kv_bytes_per_token(ModelConfig(vocab_size=6, n_heads=heads, n_kv_heads=heads, **shape))
