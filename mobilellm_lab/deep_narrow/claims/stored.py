"""Chapter 2's stored runs as its claims ask for them: the seeds of one arm, its depths and budgets, its speeds"""

import pandas as pd

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
