"""Claims of the article on the advantages of deep and narrow shapes, each with its rule"""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow.study.evidence import AT, budgets, depths, reported, speeds
from mobilellm_lab.reference import origin
from mobilellm_lab.reference.rows import seeds, spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

UNSEEN, BEYOND = "accuracy at unseen pairs", "accuracy beyond the trained length"
GUESSING = 1 / 6  # on shells


def fewer_parameters(store: Store) -> Evidence:
    """Per task: do deep models need fewer parameters, beyond the spread of the seeds?

    Shells says yes if eight layers of the smallest budget lie above one layer of the largest, and if four layers of
    twice the budget never lie above sixteen. Stories has one budget only, so it says yes already if eight layers lie
    below two in loss at equal size. Holds if both say yes, does not hold if neither does.
    """
    runs = reported(store)
    small, *_, large = budgets(runs, "shells")
    deep, wide = seeds(runs, "score", **AT, budget=small, depth=8), seeds(runs, "score", **AT, budget=large, depth=1)
    halves = [
        (seeds(runs, "score", **AT, budget=b, depth=16), seeds(runs, "score", **AT, budget=2 * b, depth=4))
        for b in budgets(runs, "shells")
        if 2 * b in budgets(runs, "shells")
    ]
    stories = [seeds(runs, "loss_nats", study="depth", task="stories", depth=n) for n in (2, 8)]
    composed = apart(deep, wide) and not any(apart(four, sixteen) for sixteen, four in halves)
    above = sum(apart(sixteen, four) for sixteen, four in halves)
    return Evidence(
        verdict=graded([composed, apart(*stories)]),
        line=f"With {large / small:.0f} times fewer parameters eight layers score {deep.median():.2f}, one layer "
        f"{wide.median():.2f}; on stories no saving shows.",
        finding=f"On the shell game eight layers of {small:,} parameters reach {spread(deep, 2)}. One layer of "
        f"{large:,} reaches {spread(wide, 2)}; in brackets the lowest and the highest of three seeds. Sixteen layers "
        "of half the size are never worse than four beyond the spread of the seeds, and better in "
        f"{above} of {len(halves)} comparisons. Stories were trained briefly. There two layers have a loss of "
        f"{spread(stories[0], 2)} nats. Eight of equal size have {spread(stories[1], 2)}.",
    )


FEWER_PARAMETERS = Claim(
    name="fewer-parameters",
    said="For the same quality, a deep and narrow network needs fewer parameters than a shallow and wide one.",
    source="the article, section 2",
    verdict=Verdict.HOLDS_WHEN,
    condition="the answer must be composed step by step.",
    flips="with the task, and with the training, since a short run compares how fast shapes start. It would hold "
    "without a condition if depth paid on language at this size too.",
    evidence=fewer_parameters,
    data=("deep_narrow",),
)


def computes_less(store: Store) -> Evidence:
    """At equal parameters: does the deepest shape need fewer FLOPs per token than the shallowest?

    Holds if it does at every budget of shells, does not hold if at none.
    """
    runs = reported(store)
    sizes = budgets(runs, "shells")
    small, large = sizes[0], sizes[-1]
    shallow, *_, deep = depths(runs, "shells", small)
    flops = {
        (budget, n): int(seeds(runs, "flops_per_token", **AT, budget=budget, depth=n).iloc[0])
        for budget in sizes
        for n in (shallow, 8, deep)
    }
    scores = [seeds(runs, "score", **AT, budget=b, depth=n) for b, n in ((small, 8), (large, shallow))]
    more = [flops[b, deep] / flops[b, shallow] - 1 for b in sizes]
    long = [footprint.flops_per_token(zoo.solve(60_000, n, vocab_size=6), context=2048) for n in (shallow, deep)]
    return Evidence(
        verdict=graded(flops[b, deep] < flops[b, shallow] for b in sizes),
        line=f"At equal parameters {deep} layers need {100 * min(more):.0f} to {100 * max(more):.0f} % more arithmetic "
        "than one.",
        finding="Every stored weight is used once for each token, so equal parameters are about equal arithmetic. "
        f"With {deep} layers instead of one it is {100 * min(more):.0f} to {100 * max(more):.0f} % *more* on the shell "
        "game, mostly by attention over its positions. At 60,000 parameters and 2,048 positions it is "
        f"{long[1] / long[0]:.1f} times as much. A layer is narrower, the model is not.",
        flips="when quality is held equal instead of size, on a task that rewards depth. One layer of "
        f"{large:,} parameters computes {flops[large, shallow] / flops[small, 8]:.1f} times as much as eight layers of "
        f"{small:,}. It scores {spread(scores[1], 2)}, and they score {spread(scores[0], 2)}.",
    )


COMPUTES_LESS = Claim(
    name="computes-less",
    said="A deep and narrow network computes less, because narrow layers mean small matrix products.",
    source="the article, section 2",
    verdict=Verdict.DOES_NOT_HOLD,
    evidence=computes_less,
    data=("deep_narrow",),
)


def answers_faster(store: Store) -> Evidence:
    """At equal parameters: does the deepest shape decode faster than the shallowest, beyond the spread of the rounds?

    Holds if at every budget its p10 of tokens per second lies above the other's p90; does not hold if at every budget
    its p90 lies below the other's p10.
    """
    table = speeds(store)
    ends = [(group.iloc[0], group.iloc[-1]) for _, group in table.groupby("budget")]
    faster = all(deep["p10"] > shallow["p90"] for shallow, deep in ends)
    slower = all(deep["p90"] < shallow["p10"] for shallow, deep in ends)
    verdict = Verdict.HOLDS if faster else Verdict.DOES_NOT_HOLD if slower else Verdict.HOLDS_WHEN
    rates = table.set_index(["budget", "depth"])
    eightfold = {b: (d, rates.loc[b, d], rates.loc[b, 8 * d]) for b, d in rates.index if (b, 8 * d) in rates.index}
    (small, few, slow_small), (large, some, slow_large) = (
        (
            shallow,
            one["p50"] / other["p50"],
            f"{one['p50'] / other['p50']:.2f} ({one['p10'] / other['p90']:.2f} to {one['p90'] / other['p10']:.2f})",
        )
        for shallow, one, other in (eightfold[min(eightfold)], eightfold[max(eightfold)])
    )
    return Evidence(
        verdict=verdict,
        line=f"Eight times the layers decode {few:.1f} times slower in the smallest model, {some:.1f} times in the "
        "largest.",
        finding="At equal parameters the deepest shape is the slower one at every budget that was timed. In the "
        f"smallest model {8 * small} layers decode {slow_small} times slower than {small}. In the largest {8 * large} "
        f"layers decode {slow_large} times slower than {large}; in brackets the ratios of the extreme deciles of the "
        f"rounds. We timed {' and '.join(origin(store).machines)}, not a phone.",
    )


ANSWERS_FASTER = Claim(
    name="answers-faster",
    said="Deep and narrow shapes make a small language model answer faster on a phone.",
    source="the article, introduction and section 8",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="if reading the weights took all of the time and the deep model had fewer of them for the same quality. The "
    "larger the model, the closer it comes to that.",
    evidence=answers_faster,
    data=("deep_narrow_cost",),
)


def takes_less_memory() -> Evidence:
    """By formula, at 125M parameters: do 30 layers store less than 12, and cache less for each token?

    Holds if both, does not hold if neither. Two shapes solved for one budget, each within 2 %, store the same.
    """
    shapes = zoo.family(125_000_000, (12, 30), vocab_size=32_000, n_heads=8, n_kv_heads=4)
    weights = [footprint.weight_bytes(config) for config in shapes.values()]
    cache = [footprint.kv_bytes_per_token(config) for config in shapes.values()]
    saves = [weights[1] < (1 - 2 * zoo.TOLERANCE) * weights[0], cache[1] < cache[0]]
    return Evidence(
        verdict=graded(saves),
        line=f"Equal parameters store the same; from 12 to 30 layers the cache grows {cache[1] / cache[0]:.1f} times.",
        finding=f"With 125M parameters 12 layers store {weights[0] / 2**20:.0f} MiB of 16-bit weights. Thirty store "
        f"{weights[1] / 2**20:.0f} MiB, the same within the 2 % of a solved shape. The KV cache grows with "
        f"depth, from {cache[0] / 1024:.1f} to {cache[1] / 1024:.1f} KiB per token, with eight heads on four key/value "
        "heads.",
    )


LESS_MEMORY = Claim(
    name="less-memory",
    said="Deep and narrow shapes take less memory.",
    source="the article, introduction",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="if fewer parameters suffice for the same quality, as in the first claim, and the conversation is short. Or "
    "if the deeper model has fewer key/value heads.",
    evidence=takes_less_memory,
)


def generalises(store: Store) -> Evidence:
    """Two tests on shells. Unseen pairs of moves: do all seeds of eight layers lie above all of one?

    Positions beyond the trained length: is any run of any depth and budget more than 0.05 above guessing? Holds if
    both say yes, does not hold if neither does.
    """
    runs = reported(store)
    unseen = {n: seeds(runs, UNSEEN, study="unseen", task="shells", depth=n) for n in (1, 8)}
    overall = {n: seeds(runs, "score", study="unseen", task="shells", depth=n) for n in (1, 8)}
    beyond = runs[(runs["study"] == "depth") & (runs["task"] == "shells")][BEYOND]
    tests = [apart(unseen[8], unseen[1]), bool(beyond.max() > GUESSING + 0.05)]
    return Evidence(
        verdict=graded(tests),
        line=f"At unseen pairs of moves one layer has {unseen[1].median():.2f}, eight have "
        f"{unseen[8].median():.2f}; longer games stay at guessing.",
        finding="We leave one in six pairs of moves out of the training data. Guessing gives an accuracy of "
        f"{GUESSING:.2f}. At these pairs one layer has {spread(unseen[1], 2)}. Eight layers have "
        f"{spread(unseen[8], 2)}. Over all positions accuracy rises more, from {overall[1].median():.2f} to "
        f"{overall[8].median():.2f}. Beyond the trained length every depth and budget guesses, at {beyond.min():.2f} "
        f"to {beyond.max():.2f}.",
    )


GENERALISES = Claim(
    name="generalises",
    said="Deep networks learn more abstract features, and so generalise better.",
    source="the article, section 2",
    verdict=Verdict.HOLDS_WHEN,
    condition="familiar moves come in new combinations, and then weakly; not when the game gets longer.",
    flips="to *holds* if some depth carried what it learned beyond the trained length. To *does not hold* if the gain "
    "at unseen pairs vanished in the spread of the seeds.",
    evidence=generalises,
    data=("deep_narrow",),
)


OWN = (FEWER_PARAMETERS, GENERALISES, COMPUTES_LESS, ANSWERS_FASTER, LESS_MEMORY)
