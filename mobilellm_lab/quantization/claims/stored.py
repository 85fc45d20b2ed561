"""Chapter 3's stored rows as its claims ask for them: the seeds of one arm, one run, and how they are printed"""

import pandas as pd

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.reference import MODELS
from mobilellm_lab.sweeps import Store

NAMED = {"stories": "stories-deep", "text": "text-deep"}  # as the sentences call what every study measures
LITTLE = 0.01  # nats, 1 % of perplexity: a loss increase that is no more goes unnoticed


def seeds(frame: pd.DataFrame, column: str = "loss_increase_nats", **where: object) -> pd.Series:
    """`column` over the seeds of one arm of `frame`; a single value where it has no seeds.

    Raises:
        ValueError: `where` does not name exactly one arm; names what it found.
    """
    found = frame
    for name, value in where.items():
        found = found[found[name] == value]
    if found.empty or found["seed"].duplicated().any():
        raise ValueError(f"{where}: {len(found)} stored runs, which are not the seeds of one arm; name one")
    return found[column]


def one(frame: pd.DataFrame, **where: object) -> pd.Series:
    """The only row of `frame` with these values.

    Raises:
        ValueError: none, or several; says how many.
    """
    found = frame
    for name, value in where.items():
        found = found[found[name] == value]
    if len(found) != 1:
        raise ValueError(f"{where}: {len(found)} stored rows; name exactly one")
    return found.iloc[0]


def in_parts(run: pd.Series) -> str:
    """The loss increase of one run in nats, and in brackets the lowest and the highest of four parts of the test."""
    return _bracketed(run["loss_increase_nats"], run["loss_increase_low_nats"], run["loss_increase_high_nats"])


def span(values: pd.Series) -> str:
    """Median over the seeds in nats, and in brackets the lowest and the highest."""
    return _bracketed(values.median(), values.min(), values.max())


def _bracketed(middle: float, low: float, high: float) -> str:
    places = 3 if max(abs(low), abs(high)) >= LITTLE else 4
    # Adding 0 turns a rounded -0.0 into 0.0.
    middle, low, high = (f"{round(float(value), places) + 0:.{places}f}" for value in (middle, low, high))
    return f"{middle} ({low} to {high})"


def rounded(store: Store, bits: int, group_size: int = 32) -> dict[str, pd.Series]:
    """Model -> its run with weights rounded to nearest on a symmetric grid, nothing else changed."""
    runs = evidence.runs(store, "grid")
    plain = {"method": "rtn", "symmetric": True, "bits": bits, "group_size": group_size}
    return {model: one(runs, model=model, **plain) for model in NAMED.values()}


def share_of_training(steps: int, batch_size: int, model: str) -> float:
    """So many updates of a batch as a share of the sequences that a reference model was trained on."""
    spec = MODELS[model]
    return steps * batch_size / (spec.steps * spec.batch_size)


def speeds(store: Store) -> pd.DataFrame:
    """A row per size and backend, small models first: speedup over float32 with its interval, and measured bytes.

    Columns: size, backend, parameters, speedup, speedup_low, speedup_high, pairs, operations, float_operations,
    file_bytes, float_file_bytes.
    """
    measured = ("speedup", "speedup_low", "speedup_high", "pairs", "operations", "float_operations")
    rows = [
        {name: row["recipe"][name] for name in ("size", "backend")}
        | {name: row[name] for name in ("parameters", *measured, "file_bytes", "float_file_bytes")}
        for row in store.rows.values()
    ]
    return pd.DataFrame(rows)
