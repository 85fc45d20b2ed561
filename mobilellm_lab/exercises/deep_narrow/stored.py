"""Chapter 2's stored runs as its claims ask for them: the seeds of one arm, and whether two arms are apart."""

from collections.abc import Iterable

import pandas as pd

from mobilellm_lab.exercises.claim import Verdict
from mobilellm_lab.sweeps import Store

AT = {"task": "shells", "steps": 500}  # the runs of the depth study


def seeds(runs: pd.DataFrame, column: str = "score", *, study: str = "depth", **where: object) -> pd.Series:
    """`column` over the seeds of one arm of `runs` (see `deep_narrow.evidence.reported`).

    Raises:
        ValueError: `where` does not name exactly one arm; names what it found.
    """
    frame = runs[runs["study"] == study]
    for name, value in where.items():
        frame = frame[frame[name] == value]
    if frame.empty or frame["seed"].duplicated().any():
        raise ValueError(f"study={study!r}, {where}: {len(frame)} runs, which are not the seeds of one arm; name one")
    return frame[column]


def apart(high: pd.Series, low: pd.Series) -> bool:
    """Whether the lowest seed of `high` lies above the highest of `low`."""
    return bool(high.min() > low.max())


def spread(values: pd.Series) -> str:
    """Median over the seeds, and in brackets the lowest and the highest: "0.50 (0.47 to 0.51)"."""
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


def graded(answers: Iterable[object]) -> Verdict:
    """HOLDS if every answer is yes, DOES_NOT_HOLD if none is, HOLDS_WHEN in between."""
    answers = [bool(answer) for answer in answers]
    return Verdict.HOLDS if all(answers) else Verdict.HOLDS_WHEN if any(answers) else Verdict.DOES_NOT_HOLD


def budgets(runs: pd.DataFrame, task: str) -> list[int]:
    """The parameter budgets of the task's depth study, ascending."""
    return sorted(runs[(runs["study"] == "depth") & (runs["task"] == task)]["budget"].unique().tolist())


def depths(runs: pd.DataFrame, task: str, budget: int) -> list[int]:
    """The depths of the task's depth study at this budget, ascending."""
    of = (runs["study"] == "depth") & (runs["task"] == task) & (runs["budget"] == budget)
    return sorted(runs[of]["depth"].unique().tolist())


def speeds(store: Store) -> dict[int, dict[int, dict[str, float]]]:
    """Budget -> depth -> decoded tokens/s ("p10", "p50", "p90"), from the stored costs."""
    table = {}
    for row in store.rows.values():
        table.setdefault(row["recipe"]["budget"], {})[row["shape"]["n_layers"]] = row["tokens_per_s"]
    return {budget: dict(sorted(by_depth.items())) for budget, by_depth in sorted(table.items())}
