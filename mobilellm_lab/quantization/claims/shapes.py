"""Deep and narrow against shallow and wide, both rounded"""

from mobilellm_lab.quantization.grid import CHANNEL
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, span
from mobilellm_lab.reference import MODELS
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded


def deep_is_fragile(store: Store, qat_store: Store) -> Evidence:
    """At equal parameters: does the deep model lose over 0.01 nats by rounding, and more than the wide one?

    Pairs of reference models at 3 and 2 bits by RTN, per channel and in groups of 32, and by QAT at 2; on the shell
    game, eight layers against two. Where there are seeds, all are apart.
    Holds if in every case, does not hold if in none.
    """
    pairs, games, trained = evidence.deep_and_wide(store), evidence.fragility(store), evidence.qat(qat_store)
    wins, said = [], {"stories": {}, "text": {}, "shells": {}}
    for task in ("stories", "text"):
        for bits in (3, 2):
            for group_size in (CHANNEL, 32):
                row = one(pairs, task=task, bits=bits, group_size=group_size, method="rtn")
                wins.append(bool(row["deep"] > max(row["wide"], LITTLE)))
            said[task] |= {f"deep_{bits}": f"{row['deep']:.3f}", f"wide_{bits}": f"{row['wide']:.3f}"}
        deep, wide = (seeds(trained, INCREASE, model=m, arm="qat", bits=2) for m in (f"{task}-deep", f"{task}-wide"))
        wins.append(apart(deep, wide) and bool(deep.min() > LITTLE))
        said[task] |= {"deep_trained": span(deep), "wide_trained": span(wide)}
    for bits in (3, 2):
        deep, shallow = (seeds(games, INCREASE, depth=depth, bits=bits, group_size=32) for depth in (8, 2))
        wins.append(apart(deep, shallow) and bool(deep.min() > LITTLE))
        said["shells"] |= {f"deep_{bits}": span(deep), f"wide_{bits}": span(shallow)}
    shells = said.pop("shells")
    deep_layers, wide_layers = (MODELS[f"stories-{shape}"].n_layers for shape in ("deep", "wide"))
    return Evidence(
        verdict=graded(wins),
        line=f"The deep model loses more in {sum(wins)} of {len(wins)} cases",
        finding=f"The deep model has {deep_layers} layers and the wide one of equal size {wide_layers}. The deep one "
        f"loses more in {sum(wins)} of {len(wins)} cases. Loss increase in nats, in groups of 32. "
        + " ".join(
            f"At {bits} bits on {task} the deep one loses {lost[f'deep_{bits}']}, the wide one {lost[f'wide_{bits}']}."
            for bits in (3, 2)
            for task, lost in said.items()
        )
        + " "
        + " ".join(
            f"By QAT at 2 bits on {task} the deep one loses {lost['deep_trained']}. The wide one loses "
            f"{lost['wide_trained']}."
            for task, lost in said.items()
        )
        + " Each of them started from one training. "
        + " ".join(
            f"On the shell game at {bits} bits eight layers lose {shells[f'deep_{bits}']}. Two lose "
            f"{shells[f'wide_{bits}']}."
            for bits in (3, 2)
        )
        + " There, three trainings of one shape differ more than the two shapes.",
    )


DEEP_IS_FRAGILE = Claim(
    name="deep-is-fragile",
    said="A deep and narrow model suffers more from quantization than a shallow and wide one.",
    source="common belief: errors add up from layer to layer",
    verdict=Verdict.HOLDS_WHEN,
    condition="the task is text, or the bits are 2; on stories at 3 bits and on the shell game it cannot be told.",
    flips="with more trainings of each shape, which would tell luck from shape. Errors do add up: at 3 bits and at 2, "
    "all matrices together lose more than the sum of each alone. But a deep model has no more weights than a wide one.",
    evidence=deep_is_fragile,
    data=("quantization", "quantization_qat"),
)
