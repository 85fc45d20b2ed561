"""Deep and narrow against shallow and wide, when both are rounded: the rule behind the verdict."""

from mobilellm_lab.quantization.claims.stored import LITTLE, one, seeds, span
from mobilellm_lab.quantization.grid import CHANNEL
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.reference import MODELS
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import apart, graded


def deep_is_fragile(store: Store, qat_store: Store) -> Evidence:
    """At equal parameters: rounded, does the deep model's loss rise, and more than the wide one's?

    By over 0.01 nats. Pairs of reference models at 3 and 2 bits, rounded to nearest, a scale per row and per 32, and
    trained with the grid at 2; and on the shell game eight layers against two. Where there are seeds, all are apart.
    Holds if in every case, does not hold if in none.
    """
    pairs, shells, trained = evidence.deep_and_wide(store), evidence.fragility(store), evidence.qat(qat_store)
    wins, numbers = {}, {}
    for task in ("stories", "text"):
        for bits in (3, 2):
            for group_size in (CHANNEL, 32):
                row = one(pairs, task=task, bits=bits, group_size=group_size, method="rtn")
                wins[task, bits, group_size] = bool(row["deep"] > max(row["wide"], LITTLE))
            numbers |= {f"{task}_deep_{bits}": f"{row['deep']:.3f}", f"{task}_wide_{bits}": f"{row['wide']:.3f}"}
        deep, wide = (seeds(trained, model=f"{task}-{shape}", arm="qat", bits=2) for shape in ("deep", "wide"))
        wins[task, 2, "trained"] = apart(deep, wide) and bool(deep.min() > LITTLE)
        numbers |= {f"{task}_deep_trained": span(deep), f"{task}_wide_trained": span(wide)}
    for bits in (3, 2):
        deep, shallow = (seeds(shells, depth=depth, bits=bits, group_size=32) for depth in (8, 2))
        wins["shells", bits, 32] = apart(deep, shallow) and bool(deep.min() > LITTLE)
        numbers |= {f"shells_deep_{bits}": span(deep), f"shells_wide_{bits}": span(shallow)}
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers
        | {"wins": str(sum(wins.values())), "cases": str(len(wins))}
        | {"deep": str(MODELS["stories-deep"].n_layers), "wide": str(MODELS["stories-wide"].n_layers)},
    )
