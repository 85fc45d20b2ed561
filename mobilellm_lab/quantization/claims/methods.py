"""Better ways to spend the same bits, GPTQ, AWQ and bits by sensitivity: the rule behind each verdict."""

from mobilellm_lab.quantization.claims.stored import NAMED, in_parts, one, seeds, span
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import graded


def compensates(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of GPTQ lose less than rounding to nearest, even with cut ranges?

    Two questions: of ranges that hold every weight, and also of ranges cut to the least squared error. Grids: a scale
    per matrix, per row, per 32 and per 16 neighbours. Holds if all answers are yes, does not hold if none is.
    """
    return _against_nearest(store, "gptq")


def scales(store: Store) -> Evidence:
    """Per model and grid at 3 bits: do all seeds of AWQ lose less than rounding to nearest, even with cut ranges?

    Two questions: of ranges that hold every weight, and also of ranges cut to the least squared error. Grids: a scale
    per matrix, per row, per 32 and per 16 neighbours. Holds if all answers are yes, does not hold if none is.
    """
    return _against_nearest(store, "awq")


def _against_nearest(store: Store, method: str) -> Evidence:
    runs = evidence.runs(store, "grid")
    runs, wins, numbers = runs[runs["symmetric"] & (runs["bits"] == 3)], {"rtn": [], "mse": []}, {}
    for name, model in NAMED.items():
        for group_size in (TENSOR, CHANNEL, 32, 16):
            better = seeds(runs, model=model, method=method, group_size=group_size)
            nearest = {
                how: one(runs, model=model, method=how, group_size=group_size)["loss_increase_nats"] for how in wins
            }
            wins["rtn"].append(bool(better.max() < nearest["rtn"]))
            wins["mse"].append(wins["rtn"][-1] and bool(better.max() < nearest["mse"]))
            if group_size in (CHANNEL, 32):
                place = f"{name}_{'rows' if group_size == CHANNEL else 'groups'}"
                numbers |= {
                    place: span(better),
                    **{f"{place}_{how}": f"{loss_increase:.3f}" for how, loss_increase in nearest.items()},
                }
    counts = {f"wins_{how}": str(sum(won)) for how, won in wins.items()}
    return Evidence(
        verdict=graded([*wins["rtn"], *wins["mse"]]), numbers=numbers | counts | {"cases": str(len(wins["rtn"]))}
    )


def mixed_is_better(store: Store) -> Evidence:
    """Per model, at the bytes of 3 and of 4 bits everywhere: is the loss lower with bits of its own for each matrix?

    Lower means the highest of four parts of the test below the other's lowest. Bits are assigned by what each
    matrix alone costs on validation data. Holds if in every case, does not hold if in none.
    """
    frame, wins, numbers = evidence.mixed(store), [], {}
    for name, model in NAMED.items():
        for budget in (3, 4):
            own, same = (one(frame, model=model, kind=kind, budget_bits=budget) for kind in ("mixed", "uniform"))
            wins.append(own["loss_increase_high_nats"] < same["loss_increase_low_nats"])
            numbers |= {f"{name}_mixed_{budget}": in_parts(own), f"{name}_uniform_{budget}": in_parts(same)}
    return Evidence(verdict=graded(wins), numbers=numbers)
