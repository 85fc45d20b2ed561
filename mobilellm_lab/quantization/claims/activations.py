"""What flows through a model in few bits, activations and the cache: the rule behind each verdict."""

from mobilellm_lab.quantization.claims.stored import LITTLE, in_parts, one
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import graded

REFERENCE = ("stories-deep", "stories-wide", "text-deep", "text-wide")
HALF_A_POINT = 0.5  # of accuracy in percent


def eight_bits_of_cache(store: Store) -> Evidence:
    """The cache in 8 bits, per model: at most a third of the bytes, and no more than 0.01 nats above in any part?

    A scale for each position and head. Holds if for every model, does not hold if for none.
    """
    answers, numbers = _cache(store, bits=8, times=3)
    return Evidence(verdict=graded(answers), numbers=numbers)


def four_bits_of_cache(store: Store) -> Evidence:
    """The cache in 4 bits, per model: at most a fifth of the bytes, and no more than 0.01 nats above in any part?

    A scale for each position and head. Holds if for every model, does not hold if for none.
    """
    answers, numbers = _cache(store, bits=4, times=5)
    kept = evidence.kv_by_context(store)
    kept = kept[(kept["model"] == "text-deep") & (kept["kv_bits"] == 4)]
    kept = kept[kept["context"] == kept["context"].max()]
    position, delayed, channel = (one(kept, keys=keys) for keys in ("position", "delayed", "channel"))
    return Evidence(
        verdict=graded(answers),
        numbers=numbers
        | {"position": f"{position['loss_increase_nats']:.3f}", "channel": f"{channel['loss_increase_nats']:.3f}"}
        | {"delayed": f"{delayed['loss_increase_nats']:.3f}"}
        | {"more": f"{channel['bytes'] / position['bytes']:.1f}", "context": str(position["context"])},
    )


def _cache(store: Store, *, bits: int, times: int) -> tuple[list[bool], dict[str, str]]:
    runs, kept = evidence.runs(store, "kv"), evidence.kv_by_context(store)
    runs = runs[(runs["bits"] == 32) & (runs["kv_bits"] == bits)]
    answers, numbers, ratios = [], {}, []
    for model in REFERENCE:
        run, here = one(runs, model=model), kept[(kept["model"] == model) & (kept["keys"] == "position")]
        few, full = (one(here, kv_bits=b, context=here["context"].max())["bytes"] for b in (bits, 32))
        answers.append(bool(times * few <= full and run["loss_increase_high_nats"] <= LITTLE))
        ratios.append(full / few)
        numbers[model.replace("-", "_")] = in_parts(run)
    return answers, numbers | {"times": f"{min(ratios):.1f}"}


def eight_bits_each(store: Store) -> Evidence:
    """Weights and activations in 8 bits, per model: a file of at most a third, and less than half a point lost?

    Points of accuracy: two-hop questions on stories, the next byte on text. Weights with a scale per row, activations
    with one per token. Holds if for every model, does not hold if for none.
    """
    runs, plain = evidence.runs(store, "activations"), evidence.runs(store, "float")
    runs = runs[(runs["bits"] == 8) & (runs["activation_bits"] == 8)]
    answers, numbers = [], {}
    for model in REFERENCE:
        run, before = one(runs, model=model), one(plain, model=model)
        column = "two_hop" if model.startswith("stories") else "accuracy"
        lost = 100 * (before[column] - run[column])
        answers.append(3 * run["on_disk_bytes"] <= run["float_bytes"] and lost < HALF_A_POINT)
        numbers[model.replace("-", "_")] = f"{lost:.2f}"
    return Evidence(verdict=graded(answers), numbers=numbers)
