"""Exercise: choose per-matrix amounts from a sensitivity scan, judged by the loss of the pruned model"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.reference import ReferenceModel, load_model
from mobilellm_lab.tasks import evaluate
from mobilellm_lab.teaching.exercise import Exercise, Wrong

MODEL = "student-small"
AMOUNTS = (0.3, 0.5, 0.7, 0.9)
SHARE = 0.6  # of the scanned weights, to be removed
GOOD = 0.75  # of what the same amount everywhere costs: what the answer may cost

# Loss increase in nats on 64 validation sequences, one matrix pruned at each of AMOUNTS, by magnitude within its rows,
# all others dense; and its weights. tests/pruning/exercises/test_exercises.py measures some of them again.
SCAN = {
    "blocks.0.attention.qkv.weight": (4608, (0.0022, 0.0098, 0.3037, 0.4135)),
    "blocks.0.attention.out.weight": (2304, (0.0001, 0.0018, 0.0042, 0.0292)),
    "blocks.0.ffn.up.weight": (10752, (0.0005, 0.0020, 0.0525, 1.6788)),
    "blocks.0.ffn.down.weight": (5376, (-0.0004, 0.0005, 0.0058, 0.0970)),
    "blocks.1.attention.qkv.weight": (4608, (0.0002, 0.0029, 0.0411, 0.1685)),
    "blocks.1.attention.out.weight": (2304, (0.0002, 0.0013, 0.0044, 0.0232)),
    "blocks.1.ffn.up.weight": (10752, (-0.0001, -0.0003, 0.0061, 0.2635)),
    "blocks.1.ffn.down.weight": (5376, (-0.0000, 0.0002, 0.0019, 0.0139)),
    "blocks.2.attention.qkv.weight": (4608, (0.0001, 0.0006, 0.0146, 0.1485)),
    "blocks.2.attention.out.weight": (2304, (0.0002, 0.0004, 0.0014, 0.0075)),
    "blocks.2.ffn.up.weight": (10752, (0.0003, 0.0011, 0.0031, 0.0286)),
    "blocks.2.ffn.down.weight": (5376, (0.0002, 0.0004, 0.0014, 0.0107)),
    "blocks.3.attention.qkv.weight": (4608, (0.0003, 0.0014, 0.0110, 0.0634)),
    "blocks.3.attention.out.weight": (2304, (0.0001, 0.0003, 0.0016, 0.0143)),
    "blocks.3.ffn.up.weight": (10752, (-0.0000, 0.0011, 0.0067, 0.0622)),
    "blocks.3.ffn.down.weight": (5376, (0.0012, 0.0037, 0.0063, 0.0338)),
}
ROWS = [
    (matrix, weights, amount, increase)
    for matrix, (weights, increases) in SCAN.items()
    for amount, increase in zip(AMOUNTS, increases, strict=True)
]
ZEROS = round(SHARE * sum(weights for weights, _ in SCAN.values()))


def _amounts_stub(rows, zeros):
    """Amount by matrix; rows: matrix, weights, amount, loss increase."""
    return ...  # your code


def _amounts_solution(rows, zeros):
    """Amount by matrix; rows: matrix, weights, amount, loss increase."""
    for allowed in sorted(row[3] for row in rows):  # the same increase for every matrix
        amounts = {matrix: 0.0 for matrix, *_ in rows}
        sizes = {matrix: weights for matrix, weights, *_ in rows}
        for matrix, _, amount, increase in rows:
            if increase <= allowed:
                amounts[matrix] = max(amounts[matrix], amount)
        if sum(amounts[matrix] * sizes[matrix] for matrix in sizes) >= zeros:
            return amounts


def _amounts_alternative(rows, zeros):
    """Amount by matrix; rows: matrix, weights, amount, loss increase."""
    state = {row[0]: (row[1], 0.0, 0.0) for row in rows}  # weights, amount, increase
    while sum(weights * amount for weights, amount, _ in state.values()) < zeros:
        steps = []
        for matrix, weights, amount, increase in rows:
            _, now, before = state[matrix]
            if amount > now:  # loss for each weight that goes
                steps.append(((increase - before) / (weights * (amount - now)), matrix, amount, increase))
        _, matrix, amount, increase = min(steps)
        state[matrix] = (state[matrix][0], amount, increase)
    return {matrix: amount for matrix, (_, amount, _) in state.items()}


def _in_order(key: Callable[[str], object], *, enough: Callable[[dict], bool]) -> dict[str, float]:
    """The largest amount for one matrix after the other, in the order of `key`, until it is enough."""
    amounts = dict.fromkeys(SCAN, 0.0)
    for matrix in sorted(SCAN, key=key):
        if enough(amounts):
            break
        amounts[matrix] = AMOUNTS[-1]
    return amounts


def _zeros(amounts: dict[str, float]) -> float:
    return sum(amounts[matrix] * weights for matrix, (weights, _) in SCAN.items())


def _counts_matrices(rows: Sequence[tuple], zeros: int) -> dict[str, float]:
    return _in_order(lambda matrix: SCAN[matrix][0], enough=lambda a: sum(a.values()) / len(a) >= SHARE)


_MISTAKES = {
    "the same amount for all": lambda rows, zeros: dict.fromkeys(SCAN, SHARE),
    "counts matrices, not weights": _counts_matrices,
    "the largest first": lambda rows, zeros: _in_order(lambda m: -SCAN[m][0], enough=lambda a: _zeros(a) >= zeros),
    "the least sensitive to the end": lambda rows, zeros: _in_order(
        lambda m: SCAN[m][1][-1], enough=lambda a: _zeros(a) >= zeros
    ),
    "the most sensitive first": lambda rows, zeros: _in_order(
        lambda m: -SCAN[m][1][-1], enough=lambda a: _zeros(a) >= zeros
    ),
}
_WHY = {
    "the same amount for all": "You pruned every matrix alike. At 90 % one of them loses over 200 times as much as "
    "another: take from those that hardly notice.",
    "the largest first": "You emptied the largest matrices first. Size says how many weights there are to remove, not "
    "what they cost; that is in the scan.",
    "the least sensitive to the end": "You took all you could from the least sensitive matrices, and nothing from the "
    "others. The first 30 % of almost any matrix are nearly free, and the last 20 % are the dearest.",
    "the most sensitive first": "You pruned where it costs most: sort the other way round.",
}


@cache
def _model() -> ReferenceModel:
    return load_model(MODEL)


@lru_cache(maxsize=64)
def _increase(amounts: tuple[tuple[str, float], ...]) -> float:
    """Measured loss increase of the model with all its matrices pruned by these amounts."""
    model, chosen = _model().model, {matrix: amount for matrix, amount in amounts if amount}
    pruned = prune(model, chosen, importance="l1", compare="row").model if chosen else model
    losses = [evaluate(_model().task, m, batches=1).loss_nats for m in (pruned, model)]
    return losses[0] - losses[1]


def measured(amounts: dict[str, float]) -> float:
    """Loss increase in nats of `MODEL` pruned by these amounts, on the sequences of the scan."""
    return _increase(tuple(sorted(amounts.items())))


def _read(found: object) -> dict[str, float]:
    try:
        amounts = {str(matrix): float(amount) for matrix, amount in dict(found).items()}
    except (TypeError, ValueError) as error:
        raise Wrong("not amounts", f"Return a dict, matrix: amount. Yours is a {type(found).__name__}.") from error
    if unknown := set(amounts) - set(SCAN):
        raise Wrong("no such matrix", f"{sorted(unknown)[0]} is not in the rows.")
    if bad := [f"{matrix}: {amount:g}" for matrix, amount in amounts.items() if not 0 <= amount < 1]:
        raise Wrong("no share", f"{bad[0]}. An amount is a share of the matrix's weights, from 0 to below 1.")
    return dict.fromkeys(SCAN, 0.0) | amounts


def _inspect_spend(answer: Callable) -> str:
    found = _read(answer(list(ROWS), ZEROS))
    removed, total = _zeros(found), sum(weights for weights, _ in SCAN.values())
    if removed < ZEROS:
        mean = sum(found.values()) / len(found)
        if mean >= SHARE:
            raise Wrong(
                "counts matrices, not weights",
                f"The mean of your amounts is {mean:.0%}, but only {removed / total:.0%} of the *weights* go. Matrices "
                "differ in size: multiply each amount by its weights.",
            )
        raise Wrong("too few zeros", f"Yours removes {removed:,.0f} of {total:,} weights, and {ZEROS:,} must go.")
    uniform, cost = measured(dict.fromkeys(SCAN, SHARE)), measured(found)
    if cost > GOOD * uniform:
        name = next((name for name in _WHY if _read(_MISTAKES[name](ROWS, ZEROS)) == found), "loses too much")
        why = _WHY.get(name, "The scan says which matrices hardly notice how much.")
        raise Wrong(
            name,
            f"{removed / total:.0%} of the weights go, and the model pruned that way loses {cost:.3f} nats. The same "
            f"amount for all costs {uniform:.3f}, and at most {GOOD * uniform:.3f} will do. {why}",
        )
    summed = sum(increase for matrix, _, amount, increase in ROWS if found[matrix] == amount)
    return (
        f"{removed / total:.0%} of the weights go for {cost:.3f} nats; the same amount for all costs {uniform:.3f}. "
        f"The scan's increases for your choice add up to {summed:.3f}: pruned together, matrices lose more than each "
        "alone. The sum is a guess, and the measurement decides."
    )


SPEND = Exercise(
    name="spend",
    title="Spend a budget of zeros",
    task=f"""
Each matrix of a small trained model was pruned alone, by several amounts, and the loss increase was measured. `rows` is
a list of `(matrix, weights, amount, loss increase)`: a name, how many weights it has, the share of them that was
removed, and nats.

Write `amounts(rows, zeros)`, which returns a dict with an amount for each matrix. **At least `zeros` weights must go**,
{SHARE:.0%} of all; each matrix gives `amount * weights`. Then the model is pruned by your amounts and **its loss is
measured**. It may lose at most {GOOD:.0%} of what it loses with the same amount everywhere.
""".strip(),
    answer="amounts",
    stub=_amounts_stub,
    solution=_amounts_solution,
    alternative=_amounts_alternative,
    mistakes=_MISTAKES,
    hints=(
        "For each matrix the increase grows slowly and then fast. What would be fair: the same amount for all, or the "
        "same *increase* for all?",
        "Choose an increase that every matrix is allowed. Each takes its largest amount that stays within it. Count "
        "the weights that go, `amount * weights`, over all matrices.",
        "Try `allowed` in `sorted(row[3] for row in rows)`, and return the first amounts that remove at least `zeros` "
        "weights.",
    ),
    inspect=_inspect_spend,
)
