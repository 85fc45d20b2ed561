"""GPTQ, AWQ and mixed precision at equal bits"""

from itertools import product

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED, in_parts, span
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

GRIDS = {TENSOR: "Per tensor", CHANNEL: "Per channel", 32: "In groups of 32", 16: "In groups of 16"}


def compensates(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of GPTQ lose less than RTN, even with clipping?

    Two questions: of ranges that hold every weight, and also of ranges clipped to the least squared error. Grids: a
    scale per tensor, per channel, and in groups of 32 and 16. Holds if all answers are yes, does not hold if none is.
    """
    return _against_rtn(store, "gptq")


GPTQ = Claim(
    name="gptq",
    said="At 3 bits, choosing codes so that later ones make up for the errors of earlier ones beats rounding.",
    source="GPTQ, arXiv 2210.17323",
    verdict=Verdict.HOLDS,
    flips="where the calibration data are of another kind, or the bits so many that nothing is to be gained. Part of "
    "the gain is that of clipping, which needs no data.",
    evidence=compensates,
    data=("quantization",),
)


def scales(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of AWQ lose less than RTN, even with clipping?

    Two questions: of ranges that hold every weight, and also of ranges clipped to the least squared error. Grids: a
    scale per tensor, per channel, and in groups of 32 and 16. Holds if all answers are yes, does not hold if none is.
    """
    return _against_rtn(store, "awq")


AWQ = Claim(
    name="awq",
    said="At 3 bits, protecting the weights whose inputs are large beats rounding all alike.",
    source="AWQ, arXiv 2306.00978",
    verdict=Verdict.HOLDS_WHEN,
    condition="it is compared with ranges that hold every weight.",
    flips="to *holds* with inputs that differ more in size by channel, as those of large models do.",
    evidence=scales,
    data=("quantization",),
)


def mixed_is_better(store: Store) -> Evidence:
    """Per model, at the bytes of 3 and of 4 bits everywhere: is the loss lower with bits of its own for each matrix?

    Lower means the highest of four parts of the test below the other's lowest. Bits are assigned by what each
    matrix alone costs on validation data. Holds if in every case, does not hold if in none.
    """
    frame, wins, said = evidence.mixed(store), [], {name: {} for name in NAMED}
    for name, model in NAMED.items():
        for budget in (3, 4):
            own, same = (one(frame, model=model, kind=kind, budget_bits=budget) for kind in ("mixed", "uniform"))
            wins.append(own["loss_increase_high_nats"] < same["loss_increase_low_nats"])
            said[name] |= {f"mixed_{budget}": in_parts(own), f"uniform_{budget}": in_parts(same)}
            if (name, budget) == ("text", 3):
                middle = {"mixed": own[INCREASE], "uniform": same[INCREASE]}
    return Evidence(
        verdict=graded(wins),
        line=f"At the bytes of 3 bits, text loses {middle['mixed']:.3f} nats instead of {middle['uniform']:.3f}",
        finding="Loss increase in nats, in brackets the lowest and the highest of four parts of the test. "
        + " ".join(
            f"At the bytes of {budget} bits on {name} bits by matrix lose {cost[f'mixed_{budget}']}. The same bits for "
            f"all lose {cost[f'uniform_{budget}']}."
            for budget in (3, 4)
            for name, cost in said.items()
        ),
    )


MIXED_PRECISION = Claim(
    name="mixed-precision",
    said="Bits of its own for each matrix are better than the same bits for all, at the same number of bytes.",
    source="HAWQ, arXiv 1905.03696, and common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the same bits for all lose something.",
    flips="to *does not hold* if all matrices were equally sensitive. The choice also assumes that the costs of single "
    "matrices add up.",
    evidence=mixed_is_better,
    data=("quantization",),
)


def _against_rtn(store: Store, method: str) -> Evidence:
    runs, rtn, clipped, said = evidence.runs(store, "grid"), [], [], []
    runs = runs[runs["symmetric"] & (runs["bits"] == 3)]
    for (name, model), (group_size, grid) in product(NAMED.items(), GRIDS.items()):
        arm = seeds(runs, INCREASE, model=model, method=method, group_size=group_size)
        plain, cut = (one(runs, model=model, method=m, group_size=group_size)[INCREASE] for m in ("rtn", "mse"))
        rtn.append(bool(arm.max() < plain))
        clipped.append(rtn[-1] and bool(arm.max() < cut))
        if group_size in (CHANNEL, 32):
            said.append(f"{grid} on {name} it loses {span(arm)} nats. RTN loses {plain:.3f}, clipping {cut:.3f}.")
    return Evidence(
        verdict=graded([*rtn, *clipped]),
        line=f"Better than RTN in {sum(rtn)} of {len(rtn)} cases, than clipping in {sum(clipped)}",
        finding=f"All three seeds lose less than RTN in {sum(rtn)} of {len(rtn)} cases, and less than RTN with "
        f"clipping, which needs no data, in {sum(clipped)}. {' '.join(said)}",
    )
