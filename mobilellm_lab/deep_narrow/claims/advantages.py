"""What the article promises of deep and narrow shapes: the rule that turns runs and formulas into each verdict."""

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow.claims.stored import AT, budgets, depths, seeds, speeds
from mobilellm_lab.deep_narrow.evidence import reported
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded, spread

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
    deep, wide = seeds(runs, **AT, budget=small, depth=8), seeds(runs, **AT, budget=large, depth=1)
    halves = [
        (seeds(runs, **AT, budget=b, depth=16), seeds(runs, **AT, budget=2 * b, depth=4))
        for b in budgets(runs, "shells")
        if 2 * b in budgets(runs, "shells")
    ]
    stories = [seeds(runs, "loss_nats", task="stories", depth=n) for n in (2, 8)]
    composed = apart(deep, wide) and not any(apart(four, sixteen) for sixteen, four in halves)
    tasks = [composed, apart(*stories)]
    return Evidence(
        verdict=graded(tasks),
        numbers={
            "small": f"{small:,}",
            "large": f"{large:,}",
            "deep": spread(deep),
            "wide": spread(wide),
            "halves": str(len(halves)),
            "above": str(sum(apart(sixteen, four) for sixteen, four in halves)),
            "stories_2": spread(stories[0]),
            "stories_8": spread(stories[1]),
        },
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
    more = [flops[b, deep] / flops[b, shallow] - 1 for b in sizes]
    long = [footprint.flops_per_token(zoo.solve(60_000, n, vocab_size=6), context=2048) for n in (shallow, deep)]
    return Evidence(
        verdict=graded(flops[b, deep] < flops[b, shallow] for b in sizes),
        numbers={
            "shallow": str(shallow),
            "deep": str(deep),
            "least": f"{100 * min(more):.0f}",
            "most": f"{100 * max(more):.0f}",
            "long": f"{long[1] / long[0]:.1f}",
            "small": f"{small:,}",
            "large": f"{large:,}",
            "times": f"{flops[large, shallow] / flops[small, 8]:.1f}",
            "score_8": spread(seeds(runs, **AT, budget=small, depth=8)),
            "score_1": spread(seeds(runs, **AT, budget=large, depth=shallow)),
        },
    )


def answers_faster(store: Store) -> Evidence:
    """At equal parameters: does the deepest shape decode faster than the shallowest, beyond the spread of the rounds?

    Holds if at every budget its p10 of tokens per second lies above the other's p90; does not hold if at every budget
    its p90 lies below the other's p10.
    """
    table = speeds(store)
    ends = {budget: (list(rates.values())[0], list(rates.values())[-1]) for budget, rates in table.items()}
    faster = all(deep["p10"] > shallow["p90"] for shallow, deep in ends.values())
    slower = all(deep["p90"] < shallow["p10"] for shallow, deep in ends.values())
    verdict = Verdict.HOLDS if faster else Verdict.DOES_NOT_HOLD if slower else Verdict.HOLDS_WHEN
    eightfold = {
        budget: (d, rates[d], rates[8 * d]) for budget, rates in table.items() for d in rates if 8 * d in rates
    }
    (small, slow_small), (large, slow_large) = (
        (
            shallow,
            f"{one['p50'] / other['p50']:.2f} ({one['p10'] / other['p90']:.2f} to {one['p90'] / other['p10']:.2f})",
        )
        for shallow, one, other in (eightfold[min(eightfold)], eightfold[max(eightfold)])
    )
    return Evidence(
        verdict=verdict,
        numbers={
            "small_shallow": str(small),
            "small_deep": str(8 * small),
            "small": slow_small,
            "large_shallow": str(large),
            "large_deep": str(8 * large),
            "large": slow_large,
            "machine": " and ".join(origin(store).machines),
        },
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
        numbers={
            "weights_12": f"{weights[0] / 2**20:.0f}",
            "weights_30": f"{weights[1] / 2**20:.0f}",
            "cache_12": f"{cache[0] / 1024:.1f}",
            "cache_30": f"{cache[1] / 1024:.1f}",
        },
    )


def generalises(store: Store) -> Evidence:
    """Two tests on shells. Unseen pairs of moves: do all seeds of eight layers lie above all of one?

    Positions beyond the trained length: is any run of any depth and budget more than 0.05 above guessing? Holds if
    both say yes, does not hold if neither does.
    """
    runs = reported(store)
    unseen = {n: seeds(runs, UNSEEN, study="unseen", task="shells", depth=n) for n in (1, 2, 4, 8)}
    overall = {n: seeds(runs, study="unseen", task="shells", depth=n) for n in (1, 8)}
    beyond = runs[(runs["study"] == "depth") & (runs["task"] == "shells")][BEYOND]
    tests = [apart(unseen[8], unseen[1]), bool(beyond.max() > GUESSING + 0.05)]
    return Evidence(
        verdict=graded(tests),
        numbers={
            **{f"unseen_{n}": spread(values) for n, values in unseen.items()},
            **{f"overall_{n}": spread(values) for n, values in overall.items()},
            "guessing": f"{GUESSING:.2f}",
            "low": f"{beyond.min():.2f}",
            "high": f"{beyond.max():.2f}",
        },
    )
