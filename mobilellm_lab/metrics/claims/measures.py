"""The article's five measures, each held against what it leaves open: the rule behind each verdict."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import CPU_AND_GPU
from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.measuring import accuracy_interval, pareto
from mobilellm_lab.metrics.claims.published import POWER
from mobilellm_lab.metrics.study.evidence import duels
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

PAIRS = 40  # of the interval that one shot is held against
SELDOM = 0.05  # a rule that says something false in more duels than this misleads
NEAR = 0.1  # two values within 10 % count as the same
REQUESTS = ((10, 1000), (100, 500), (500, 100), (1000, 10))  # tokens of the prompt and of the answer
BACKENDS = dict(zip(("CPU", "GPU"), CPU_AND_GPU, strict=True))  # of one phone, as published


def tokens_per_second() -> Evidence:
    """Per backend and request: does the rate of writing alone give the time of the request within 10 %?

    Two published backends, four requests from a short prompt with a long answer to the opposite. Holds if it does in
    all, does not hold if in none.
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
        finding=f"A 1B model on one phone reads {cpu.prefill_per_s:,.0f} tokens/s and writes {cpu.decode_per_s:.1f} "
        f"on the CPU, {gpu.prefill_per_s:,.0f} and {gpu.decode_per_s:.1f} on the GPU, as published for LiteRT-LM. For "
        f"1,000 tokens after a prompt of 10 the rate of writing explains {100 * told['CPU', REQUESTS[0]]:.1f} % of "
        f"the CPU's time; for 10 tokens after a prompt of 1,000 it explains {100 * told['CPU', REQUESTS[-1]]:.1f} %. "
        f"It is within 10 % in {sum(near)} of {len(near)} cases.",
    )


TOKENS_PER_SECOND = Claim(
    name="tokens-per-second",
    said="The speed of inference is the number of tokens handled in a second.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="it is said which tokens, read or written, and the answer is the long part.",
    flips="to *holds* if reading cost nothing, as with a cached prompt. Report TTFT and time per output token, and "
    "the lengths of prompt and answer.",
    evidence=tokens_per_second,
)


def one_request(store: Store) -> Evidence:
    """Per true slowdown, on a quiet machine: does one shot each say something false in at most 5 of 100 duels?

    False is another winner, or a difference that is not there. Medians over the measured series. Holds if it does so
    at every slowdown, does not hold if at none.
    """
    one, many = (
        duels(store, rule=rule, neighbour=False, repeats=PAIRS).set_index("slowdown_percent")["misleading"]
        for rule in ("one shot", "paired interval")
    )
    return Evidence(
        verdict=graded(one <= SELDOM),
        finding="On a quiet machine one shot each says something false, a difference that is not there or the wrong "
        f"winner, in {100 * one[0]:.0f} of 100 duels of equal variants, in {100 * one[5]:.0f} at a true slowdown of 5 "
        f"% and in {100 * one[20]:.0f} at 20 %. The interval of {PAIRS} pairs does so in {100 * many[0]:.0f}, "
        f"{100 * many[5]:.0f} and {100 * many[20]:.0f}.",
    )


LATENCY_OF_ONE = Claim(
    name="latency-of-one",
    said="Latency is the time that one request takes.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="what is to be seen is far larger than the noise.",
    flips="to *does not hold* on a noisier machine. Latency is a distribution: report its median and its 95th and "
    "99th percentile.",
    evidence=one_request,
    data=("metrics",),
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
        finding=f"MobileLLM-125M has {weights[16] / 2**20:.0f} MiB of weights in 16 bits and {weights[4] / 2**20:.0f} "
        f"MiB in 4. Its KV cache, which is no part of the model, has {cache[128] / 2**20:.0f} MiB after 128 tokens "
        f"and {cache[2048] / 2**20:.0f} MiB after 2,048: there the weights are {100 * share[16, 2048]:.0f} % of both "
        f"in 16 bits, and {100 * share[4, 2048]:.0f} % in 4.",
    )


MEMORY_FOOTPRINT = Claim(
    name="memory-footprint",
    said="The memory footprint is the space that the model takes in memory.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="the conversation is short.",
    flips="with the context and with the bits: the fewer bits a weight has, the sooner the cache is the larger part. "
    "Activations and the runtime come on top; only a run shows the peak.",
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
        finding=f"As reported, an iPhone 14 Pro draws {phone.power_w:.1f} W and a Raspberry Pi with an accelerator "
        f"{board.power_w:.2f} W while they write: {watts:.1f} times as much. For a token and a billion parameters "
        f"they use {phone.per_billion_j:.2f} and {board.per_billion_j:.2f} J: {joules:.1f} times as much. What a "
        "battery holds is energy, power divided by tokens per second.",
    )


WATTS = Claim(
    name="power",
    said="Power, the watts while the model runs, tells what it costs the battery.",
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
        finding=f"Where half of the answers are right, the 95 % interval is {half[100]:.2g} points on either side "
        f"with 100 questions, {half[1000]:.2g} with 1,000, {half[10000]:.2g} with 10,000 and {half[100000]:.2g} with "
        "100,000. Steps of 0.2 to 1.3 points, as the MobileLLM paper reports them for its recipe, are smaller than "
        "the first two.",
    )


TASK_ACCURACY = Claim(
    name="task-accuracy",
    said="A model's accuracy is its performance on a given task.",
    source="the article, section 7",
    verdict=Verdict.HOLDS_WHEN,
    condition="it comes with an interval, and the test set is large.",
    flips="where two models answer the *same* questions: then only those count on which they differ, and far fewer "
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
        finding=f"They show which ones are *not*. Of {depths[small]} depths with {small:,} parameters {fronts[small]} "
        f"are unbeaten in accuracy on the shell game and KV cache per token; over {len(fronts)} budgets "
        f"{min(fronts.values())} to {max(fronts.values())} are left.",
    )


WEIGHED_TOGETHER = Claim(
    name="weighed-together",
    said="Weighed together, the measures show which strategy is the best.",
    source="the article, section 7",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="when a device sets limits: with a limit on every column but one, the best in that one is the choice.",
    evidence=together,
    data=("deep_narrow",),
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
        finding=f"On the same phone the GPU reads {gpu.prefill_per_s / cpu.prefill_per_s:.1f} times as fast as the "
        f"CPU and writes {writing:.2f} times as fast, as published for LiteRT-LM. A request with a short prompt and a "
        f"long answer gains a factor of {times[REQUESTS[0]]:.2f}, one with a long prompt and a short answer "
        f"{times[REQUESTS[-1]]:.1f}.",
    )


RUNTIME_SPEED = Claim(
    name="runtime-speed",
    said="Of two runtimes, compare the inference speed: the faster one is faster.",
    source="the article, section 6",
    verdict=Verdict.HOLDS_WHEN,
    condition="the request is named: how long the prompt is, and how long the answer.",
    flips="if both phases gained alike. Reading is limited by arithmetic and writing by memory, so they rarely do.",
    evidence=runtime_speed,
)


def _seconds(row, prompt: int, answer: int) -> float:
    """Time of a request on one backend: the prompt is read, then the answer is written."""
    return prompt / row.prefill_per_s + answer / row.decode_per_s


def _kv_bytes(row) -> int:
    """Bytes of cache per token of a stored row's shape, by formula; the depth study shares no key/value heads."""
    heads = int(row["dim"] // row["head_dim"])
    shape = {name: int(row[name]) for name in ("dim", "n_layers", "hidden_dim")}
    return footprint.kv_bytes_per_token(ModelConfig(vocab_size=6, n_heads=heads, n_kv_heads=heads, **shape))


CLAIMS = (TOKENS_PER_SECOND, LATENCY_OF_ONE, MEMORY_FOOTPRINT, WATTS, TASK_ACCURACY, WEIGHED_TOGETHER, RUNTIME_SPEED)
