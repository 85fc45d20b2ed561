"""Claims about the article's five measures, each with the rule behind its verdict"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import CPU_AND_GPU
from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.measuring import accuracy_interval, pareto
from mobilellm_lab.metrics.study.evidence import PAIRS, duels
from mobilellm_lab.metrics.study.published import POWER
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

SELDOM = 0.05  # a rule with a larger share of false verdicts misleads
NEAR = 0.1  # two values within 10 % count as the same
REQUESTS = ((10, 1000), (100, 500), (500, 100), (1000, 10))  # tokens of the prompt and of the answer
BACKENDS = dict(zip(("CPU", "GPU"), CPU_AND_GPU, strict=True))  # of one phone, as published


def tokens_per_second() -> Evidence:
    """Per backend and request: does the decode rate alone give the time of the request within 10 %?

    Two published backends and four requests, from a short prompt with a long answer to the opposite. Holds if it does
    in all, does not hold if in none.
    """
    cpu, gpu = CPU_AND_GPU
    told = {
        (name, request): request[1] / row.decode_per_s / _seconds(row, *request)
        for name, row in BACKENDS.items()
        for request in REQUESTS
    }
    near = [abs(share - 1) < NEAR for share in told.values()]
    return Evidence(
        verdict=graded(near),
        line=f"The decode rate gives a request's time in {sum(near)} of {len(near)} cases; the rest is prefill",
        finding=f"A 1B model on one phone prefills {cpu.prefill_per_s:,.0f} tokens/s and decodes "
        f"{cpu.decode_per_s:.1f} on the CPU, as published for LiteRT-LM. On the GPU it prefills "
        f"{gpu.prefill_per_s:,.0f} and decodes {gpu.decode_per_s:.1f}. For an answer of 1,000 tokens to a prompt of 10 "
        f"the decode rate explains {100 * told['CPU', REQUESTS[0]]:.1f} % of the CPU's time. For an answer of 10 to a "
        f"prompt of 1,000 it explains {100 * told['CPU', REQUESTS[-1]]:.1f} %. It is within 10 % in {sum(near)} of "
        f"{len(near)} cases.",
    )


TOKENS_PER_SECOND = Claim(
    name="tokens-per-second",
    said="The speed of inference is the number of tokens handled in a second.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="it is the decode rate, and the answer is the long part.",
    flips="to *holds* if prefill cost nothing, as with a cached prompt. Report TTFT and TPOT, and the lengths of "
    "prompt and answer.",
    evidence=tokens_per_second,
)


def one_request(store: Store) -> Evidence:
    """Per true slowdown, on a quiet machine: is the verdict of one shot each false in at most 5 of 100 duels?

    False is the wrong winner, or a difference between equals. Medians over the measured series. Holds if it is so at
    every slowdown, does not hold if at none.
    """
    one, many = (
        duels(store, rule=rule, neighbour=False, repeats=PAIRS).set_index("slowdown_percent")["misleading"]
        for rule in ("one shot", "paired interval")
    )
    return Evidence(
        verdict=graded(one <= SELDOM),
        line=f"One shot each calls equal variants different in {100 * one[0]:.0f} of 100 duels, the interval in "
        f"{100 * many[0]:.0f}",
        finding=f"On a quiet machine one shot each sees a difference in {100 * one[0]:.0f} of 100 duels of equal "
        f"variants. It names the wrong winner in {100 * one[5]:.0f} at a true slowdown of 5 %. At 20 % it does so in "
        f"{100 * one[20]:.0f}. The interval of {PAIRS} pairs gives {100 * many[0]:.0f} false verdicts on equals. At "
        f"5 % it gives {100 * many[5]:.0f}. At 20 % it gives {100 * many[20]:.0f}.",
    )


LATENCY_OF_ONE = Claim(
    name="latency-of-one",
    said="Latency is the time that one request takes.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="the difference is far larger than the noise.",
    flips="to *does not hold* on a noisier machine. Latency is a distribution, so report its 50th, 95th and 99th "
    "percentile.",
    evidence=one_request,
    data=("metrics",),
)


def memory_footprint() -> Evidence:
    """MobileLLM-125M, 16 and 4 bits, 128 and 2,048 tokens: are the weights nine tenths of weights and KV cache?

    The cache has 16 bits. Holds if they are in all four cases, does not hold if in none.
    """
    config = zoo.SHAPES["MobileLLM-125M"].config
    weights = {bits: footprint.weight_bytes(config, bits_per_weight=bits) for bits in (16, 4)}
    cache = {context: context * footprint.kv_bytes_per_token(config) for context in (128, 2048)}
    share = {(b, c): weights[b] / (weights[b] + cache[c]) for b in weights for c in cache}
    return Evidence(
        verdict=graded(part >= 1 - NEAR for part in share.values()),
        line=f"After 2,048 tokens the 4-bit weights of MobileLLM-125M are {100 * share[4, 2048]:.0f} % of weights and "
        "KV cache",
        finding=f"MobileLLM-125M has {weights[16] / 2**20:.0f} MiB of weights in 16 bits. In 4 bits it has "
        f"{weights[4] / 2**20:.0f} MiB. Its KV cache, which is no part of the model, has {cache[128] / 2**20:.0f} MiB "
        f"after 128 tokens. After 2,048 tokens it has {cache[2048] / 2**20:.0f} MiB. Weights of 16 bits are then "
        f"{100 * share[16, 2048]:.0f} % of both. Weights of 4 bits are {100 * share[4, 2048]:.0f} %.",
    )


MEMORY_FOOTPRINT = Claim(
    name="memory-footprint",
    said="The memory footprint is the space that the model takes in memory.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="the conversation is short.",
    flips="with the context and the bits. The fewer bits a weight has, the sooner the cache is the larger part. "
    "Activations and the runtime come on top, and only a run shows the peak.",
    evidence=memory_footprint,
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
        line=f"A phone drew {watts:.1f} times the power of a board, and {joules:.1f} times the energy per token and "
        "parameter",
        finding=f"As reported, an iPhone 14 Pro draws {phone.power_w:.1f} W during decode, and a Raspberry Pi with an "
        f"accelerator {board.power_w:.2f} W. For a token and a billion parameters they use {phone.per_billion_j:.2f} "
        f"and {board.per_billion_j:.2f} J. That is {watts:.1f} times the power and {joules:.1f} times the energy. A "
        "battery holds energy, and a token's energy is power over tokens per second.",
    )


WATTS = Claim(
    name="power",
    said="Power, the watts while the model runs, gives its cost to the battery.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="the speeds are equal.",
    flips="where heat is the question: a phone can give off only so many watts, whatever a token costs.",
    evidence=power,
)


def accuracy() -> Evidence:
    """Half of 100, 1,000, 10,000 and 100,000 answers right: is the 95 % interval within one point on either side?

    Holds if it is at every size, does not hold if at none.
    """
    half = {n: 100 * accuracy_interval(n // 2, n).half_width for n in (100, 1000, 10_000, 100_000)}
    return Evidence(
        verdict=graded(points <= 1 for points in half.values()),
        line=f"With 1,000 questions the 95 % interval is ± {half[1000]:.2g} points wide",
        finding="Suppose that half of the answers are right. With 100 questions, the 95 % interval then has "
        f"{half[100]:.2g} points on either side. With 1,000 it has {half[1000]:.2g}. With 10,000 it has "
        f"{half[10000]:.2g}, and with ten times more {half[100000]:.2g}. The MobileLLM paper reports steps of 0.2 to "
        "1.3 points for its recipe, which is less than 1,000 questions of their own can show.",
    )


TASK_ACCURACY = Claim(
    name="task-accuracy",
    said="A model's accuracy is its performance on a given task.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="it comes with an interval, and the test set is large.",
    flips="where two models answer the *same* questions. Then only those count on which they differ, and far fewer "
    "are needed.",
    evidence=accuracy,
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
        line=f"On the shell game {min(fronts.values())} to {max(fronts.values())} depths of each budget stay on the "
        "Pareto front",
        finding=f"They show which ones are *not*. Of {depths[small]} depths with {small:,} parameters {fronts[small]} "
        f"are unbeaten in accuracy on the shell game and KV cache per token. Over {len(fronts)} budgets "
        f"{min(fronts.values())} to {max(fronts.values())} are left.",
    )


WEIGHED_TOGETHER = Claim(
    name="weighed-together",
    said="Weighed together, the measures show which strategy is the best.",
    source="the article, section 7",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="when a device sets limits. With a limit on every column but one, the best in that one is the choice.",
    evidence=together,
    data=("deep_narrow",),
)


def runtime_speed() -> Evidence:
    """Per request: is a phone's GPU as many times faster than its CPU as it is in decode, within 10 %?

    The same four requests. Holds if it is in all, does not hold if in none.
    """
    cpu, gpu = CPU_AND_GPU
    decode, prefill = gpu.decode_per_s / cpu.decode_per_s, gpu.prefill_per_s / cpu.prefill_per_s
    times = {request: _seconds(cpu, *request) / _seconds(gpu, *request) for request in REQUESTS}
    return Evidence(
        verdict=graded(abs(factor / decode - 1) < NEAR for factor in times.values()),
        line=f"A phone's GPU prefills {prefill:.1f} times as fast as its CPU and decodes {decode:.2f} times as fast",
        finding=f"On the same phone the GPU prefills {prefill:.1f} times as fast as the CPU and decodes {decode:.2f} "
        "times as fast, as published for LiteRT-LM. A request with a short prompt and a long answer gains a factor of "
        f"{times[REQUESTS[0]]:.2f}, one with a long prompt and a short answer {times[REQUESTS[-1]]:.1f}.",
    )


RUNTIME_SPEED = Claim(
    name="runtime-speed",
    said="Of two runtimes, compare the inference speed: the faster one is faster.",
    source="the article, section 6",
    verdict=Verdict.HOLDS_WHEN,
    condition="the lengths of prompt and answer are named.",
    flips="if both phases gained alike. Prefill is limited by arithmetic and decode by memory, so they rarely do.",
    evidence=runtime_speed,
)


def _seconds(row, prompt: int, answer: int) -> float:
    """Seconds of a request on one backend: prefill of the prompt, decode of the answer."""
    return prompt / row.prefill_per_s + answer / row.decode_per_s


def _kv_bytes(row) -> int:
    """Bytes of cache per token of a stored row's shape, by formula; the depth study shares no key/value heads."""
    heads = int(row["dim"] // row["head_dim"])
    shape = {name: int(row[name]) for name in ("dim", "n_layers", "hidden_dim")}
    return footprint.kv_bytes_per_token(ModelConfig(vocab_size=6, n_heads=heads, n_kv_heads=heads, **shape))


CLAIMS = (TOKENS_PER_SECOND, LATENCY_OF_ONE, MEMORY_FOOTPRINT, WATTS, TASK_ACCURACY, WEIGHED_TOGETHER)
ALSO = (RUNTIME_SPEED,)
