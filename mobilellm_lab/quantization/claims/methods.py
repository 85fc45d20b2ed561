"""Better ways to spend the same bits, GPTQ, AWQ and bits by sensitivity: the rule behind each verdict."""

from itertools import product

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED, in_parts, span
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

GRIDS = {TENSOR: "matrix", CHANNEL: "rows", 32: "groups", 16: "small groups"}  # group size -> what has a scale


def compensates(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of GPTQ lose less than rounding to nearest, even with cut ranges?

    Two questions: of ranges that hold every weight, and also of ranges cut to the least squared error. Grids: a scale
    per matrix, per row, per 32 and per 16 neighbours. Holds if all answers are yes, does not hold if none is.
    """
    return _against_nearest(store, "gptq", less="and less than rounding with cut ranges")


GPTQ = Claim(
    name="gptq",
    said="At 3 bits, choosing codes so that later ones make up for the errors of earlier ones beats rounding.",
    source="GPTQ, arXiv 2210.17323",
    verdict=Verdict.HOLDS,
    flips="where the calibration data are of another kind, or the bits so many that nothing is to be gained. Part of "
    "the gain comes from cutting the ranges, which needs no data.",
    evidence=compensates,
    data=("quantization",),
)


def scales(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of AWQ lose less than rounding to nearest, even with cut ranges?

    Two questions: of ranges that hold every weight, and also of ranges cut to the least squared error. Grids: a scale
    per matrix, per row, per 32 and per 16 neighbours. Holds if all answers are yes, does not hold if none is.
    """
    return _against_nearest(store, "awq", less="but less than rounding with cut ranges, which needs no data,")


AWQ = Claim(
    name="awq",
    said="At 3 bits, protecting the weights whose inputs are large beats rounding all alike.",
    source="AWQ, arXiv 2306.00978",
    verdict=Verdict.HOLDS_WHEN,
    condition="it is compared with ranges that hold every weight.",
    flips="to *holds* with inputs that differ more in size from channel to channel, as those of large models do.",
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
    stories, text = said.values()
    return Evidence(
        verdict=graded(wins),
        finding=f"At the bytes of 3 bits everywhere the loss is {stories['mixed_3']} nats above float instead of "
        f"{stories['uniform_3']} on stories, and {text['mixed_3']} instead of {text['uniform_3']} on text; at those "
        f"of 4 bits {stories['mixed_4']} instead of {stories['uniform_4']}, and {text['mixed_4']} instead of "
        f"{text['uniform_4']}. In brackets the lowest and the highest of four parts of the test.",
    )


MIXED_PRECISION = Claim(
    name="mixed-precision",
    said="Bits of its own for each matrix are better than the same bits for all, at the same number of bytes.",
    source="HAWQ, arXiv 1905.03696, and common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the same bits for all lose something.",
    flips="to *does not hold* if all matrices were equally sensitive, or if the loss of many together were far from "
    "the sum of what each costs alone, on which the choice is made.",
    evidence=mixed_is_better,
    data=("quantization",),
)


def _against_nearest(store: Store, method: str, *, less: str) -> Evidence:
    runs, rtn, mse, said = evidence.runs(store, "grid"), [], [], {name: {} for name in NAMED}
    runs = runs[runs["symmetric"] & (runs["bits"] == 3)]
    for (name, model), (group_size, grid) in product(NAMED.items(), GRIDS.items()):
        better = seeds(runs, INCREASE, model=model, method=method, group_size=group_size)
        plain, cut = (one(runs, model=model, method=m, group_size=group_size)[INCREASE] for m in ("rtn", "mse"))
        rtn.append(bool(better.max() < plain))
        mse.append(rtn[-1] and bool(better.max() < cut))
        said[name] |= {grid: span(better), f"{grid}_rtn": f"{plain:.3f}", f"{grid}_mse": f"{cut:.3f}"}
    stories, text = said.values()
    return Evidence(
        verdict=graded([*rtn, *mse]),
        finding=f"All three seeds lose less than plain rounding in {sum(rtn)} of {len(rtn)} cases, {less} in "
        f"{sum(mse)}. With a scale per row {stories['rows']} nats on stories, where plain rounding loses "
        f"{stories['rows_rtn']} and cut ranges {stories['rows_mse']}; {text['rows']} on text, against "
        f"{text['rows_rtn']} and {text['rows_mse']}. In groups of 32 {stories['groups']} against "
        f"{stories['groups_rtn']} and {stories['groups_mse']}, and {text['groups']} against {text['groups_rtn']} and "
        f"{text['groups_mse']}.",
    )


CLAIMS = (GPTQ, AWQ, MIXED_PRECISION)
