"""Exercise: assign bits to matrices under a budget of bytes"""

from collections.abc import Callable, Sequence

from mobilellm_lab.teaching.by_example import by_example, equal
from mobilellm_lab.teaching.exercise import Wrong

# (matrix, bits, loss increase in nats, bytes) and budgets in bytes. In the first table the largest matrix is the
# least sensitive; in the second the steps by the best ratio end in a dead end; in the third more bits do harm. No two
# assignments that fit are equally good.
_TABLES = (
    (
        (
            ("embed", 2, 0.020, 260),
            ("embed", 3, 0.006, 380),
            ("embed", 4, 0.001, 500),
            ("down", 2, 0.310, 110),
            ("down", 3, 0.060, 150),
            ("down", 4, 0.012, 190),
            ("out", 2, 0.090, 60),
            ("out", 3, 0.030, 85),
            ("out", 4, 0.005, 110),
        ),
        (455, 500, 600, 800),
    ),
    (
        (
            ("a", 2, 0.50, 100),
            ("a", 4, 0.10, 200),
            ("b", 2, 0.40, 100),
            ("b", 4, 0.16, 150),
            ("c", 2, 0.30, 100),
            ("c", 4, 0.05, 160),
        ),
        (300, 400, 410, 510),
    ),
    (
        (
            ("up", 2, 0.08, 90),
            ("up", 3, 0.03, 130),
            ("up", 4, 0.035, 170),
            ("qkv", 2, 0.06, 70),
            ("qkv", 3, 0.02, 100),
            ("qkv", 4, 0.01, 130),
        ),
        (160, 230, 1000),
    ),
)
_CASES = [(list(rows), budget) for rows, budgets in _TABLES for budget in budgets]


def _assigned_stub(rows, budget):
    """Bits of each matrix: {matrix: bits}; rows: matrix, bits, loss increase, bytes."""
    return ...  # your code


def _assigned_solution(rows, budget):
    """Bits of each matrix: {matrix: bits}; rows: matrix, bits, loss increase, bytes."""
    combinations = [[]]  # of rows, one for each matrix
    for matrix in {row[0]: None for row in rows}:
        of_it = [row for row in rows if row[0] == matrix]
        combinations = [picked + [row] for picked in combinations for row in of_it]
    fitting = [picked for picked in combinations if sum(row[3] for row in picked) <= budget]
    best = min(fitting, key=lambda picked: sum(row[2] for row in picked))
    return {matrix: bits for matrix, bits, *_ in best}


def _assigned_alternative(rows, budget):
    """Bits of each matrix: {matrix: bits}; rows: matrix, bits, loss increase, bytes."""
    best = {0: (0.0, {})}  # bytes used so far -> (loss increase, bits)
    for matrix in dict.fromkeys(row[0] for row in rows):
        longer = {}
        for used, (loss_increase, bits) in best.items():
            for _, b, more, size in (row for row in rows if row[0] == matrix):
                candidate = (loss_increase + more, bits | {matrix: b})
                if used + size <= budget:
                    old = longer.get(used + size, candidate)
                    longer[used + size] = min(old, candidate, key=lambda c: c[0])
        best = longer
    return min(best.values(), key=lambda c: c[0])[1]


def _choices(rows: Sequence[tuple]) -> dict[str, dict[int, tuple[float, int]]]:
    """Matrix -> bits -> (loss increase, bytes)."""
    found: dict[str, dict[int, tuple[float, int]]] = {}
    for matrix, bits, loss_increase, size in rows:
        found.setdefault(matrix, {})[bits] = (loss_increase, size)
    return found


def _cost(rows: Sequence[tuple], bits: dict[str, int]) -> tuple[float, int]:
    """(loss increase, bytes) of an assignment."""
    picked = [_choices(rows)[matrix][b] for matrix, b in bits.items()]
    return sum(loss_increase for loss_increase, _ in picked), sum(size for _, size in picked)


def _uniform(rows: Sequence[tuple], budget: int) -> dict[str, int]:
    choices = _choices(rows)
    each = [{matrix: b for matrix in choices} for b in next(iter(choices.values()))]
    fitting = [bits for bits in each if _cost(rows, bits)[1] <= budget]
    return min(fitting, key=lambda bits: _cost(rows, bits)[0])


def _upgrade(worth: Callable[[float, int], float]) -> Callable:
    """Starts with the fewest bits and takes the upgrade that is worth most, as long as one fits."""

    def assigned(rows, budget):
        choices = _choices(rows)
        bits = {matrix: min(each) for matrix, each in choices.items()}
        while True:
            loss_increase, used = _cost(rows, bits)
            steps = [bits | {matrix: b} for matrix, each in choices.items() for b in each if b > bits[matrix]]
            gains = [
                (worth(loss_increase - r, size - used), step)
                for step in steps
                for r, size in [_cost(rows, step)]
                if size <= budget and r < loss_increase
            ]
            if not gains:
                return bits
            bits = max(gains, key=lambda gain: gain[0])[1]

    return assigned


def _largest_first(rows: Sequence[tuple], budget: int) -> dict[str, int]:
    """Takes bits from the largest matrices first, whatever that costs."""
    choices = _choices(rows)
    bits = {matrix: max(each) for matrix, each in choices.items()}
    for matrix in sorted(choices, key=lambda m: -choices[m][bits[m]][1]):
        for b in sorted(choices[matrix], reverse=True):
            if _cost(rows, bits)[1] > budget:
                bits[matrix] = b
    return bits


_MISTAKES = {
    "the same bits for all": (
        _uniform,
        "You gave every matrix the same number of bits. Some lose far more than others: take from those that hardly "
        "notice, and give to the rest.",
    ),
    "ignores the bytes of a step": (
        _upgrade(lambda gain, size: gain),
        "You upgraded where the loss falls most, whatever it costs in bytes. One large matrix can eat the budget of "
        "three small ones that would have gained more together.",
    ),
    "greedy": (
        _upgrade(lambda gain, size: gain / size),
        "You took, step by step, the upgrade with the most gain per byte. That is good and seldom the best: what is "
        "left at the end may be too little for any step. So few matrices can be tried in all combinations.",
    ),
    "the largest pay first": (
        _largest_first,
        "You took bits from the largest matrices first. Size says what there is to save, not what it costs: the table "
        "says that.",
    ),
    "the fewest bytes": (
        lambda rows, budget: {matrix: min(each) for matrix, each in _choices(rows).items()},
        "You took the fewest bits everywhere. The budget is there to be used: any assignment that fits will do, and "
        "the smallest loss is wanted.",
    ),
    "over the budget": (
        lambda rows, budget: {matrix: max(each) for matrix, each in _choices(rows).items()},
        "Your assignment needs more bytes than the budget has. It must fit, however little is lost.",
    ),
}


def _bits(assigned, rows, budget):
    choices = _choices(rows)
    try:
        bits = {str(matrix): int(b) for matrix, b in dict(assigned).items()}
    except (TypeError, ValueError) as error:
        raise Wrong(
            "not an assignment", f"Return a dict, matrix: bits. Yours is a {type(assigned).__name__}."
        ) from error
    if set(bits) != set(choices):
        raise Wrong("not every matrix", f"Give bits to {sorted(choices)}, each once. You gave them to {sorted(bits)}.")
    if unknown := {matrix: b for matrix, b in bits.items() if b not in choices[matrix]}:
        raise Wrong("bits that were not measured", f"{unknown}: choose from the rows of the table.")
    return bits


def _describe(found, best, rows, budget):
    (loss_increase, size), (least, _) = _cost(rows, found), _cost(rows, best)
    if size > budget:
        return Wrong("over the budget", f"With a budget of {budget} bytes yours needs {size}: {found}.")
    return Wrong(
        "not the best",
        f"With {budget} bytes you lose {loss_increase:.3f} nats by {found}; {least:.3f} nats are possible, by {best}.",
    )


def _lesson(answer, found):
    rows, budget = _CASES[1]
    mixed, uniform = (_cost(rows, bits)[0] for bits in (found[1], _uniform(rows, budget)))
    return (
        f"{len(found)} budgets, and nothing that fits loses less. In the first table {budget} bytes cost "
        f"{mixed:.3f} nats where the same bits for all cost {uniform:.3f}. The sum is a guess: each increase was "
        "measured with all other matrices in float, so the real loss has to be measured again."
    )


ASSIGN = by_example(
    name="assign",
    title="Spend a budget of bytes",
    task="""
Each matrix of a model was quantized alone, at several numbers of bits, and the loss increase was measured. `rows` is
a list of `(matrix, bits, loss increase, bytes)`: a name, the bits, nats, and the bytes of the packed matrix.

Write `assigned(rows, budget)`, which returns a dict with **the bits of every matrix**. All bytes together must be **no
more than `budget`**, and the sum of the increases **as small as possible**. Some assignment always fits. There are few
enough matrices to try every combination.
""".strip(),
    answer="assigned",
    stub=_assigned_stub,
    solution=_assigned_solution,
    alternative=_assigned_alternative,
    mistakes=_MISTAKES,
    hints=(
        "For each matrix one row is to be picked. How many combinations are there with three matrices and three rows "
        "each?",
        "Grow the combinations matrix by matrix: start with `[[]]`, and replace every combination by one for each row "
        "of the next matrix. `itertools.product` does the same.",
        "Of the combinations whose bytes, `sum(row[3] for row in picked)`, fit into the budget, take the one with the "
        "smallest `sum(row[2] for row in picked)`, and return `{matrix: bits}` of it.",
    ),
    cases=lambda: _CASES,
    describe=_describe,
    lesson=_lesson,
    read=_bits,
    same=equal,
)
