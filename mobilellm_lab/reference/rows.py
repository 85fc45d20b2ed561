"""Selection of rows of a table, and their spread as text"""

from collections.abc import Callable

import pandas as pd


def one(frame: pd.DataFrame, **where: object) -> pd.Series:
    """The only row of `frame` with these values.

    Raises:
        ValueError: none, or several; says how many.
    """
    found = _with(frame, where)
    if len(found) != 1:
        raise ValueError(f"{where}: {len(found)} stored rows; name exactly one")
    return found.iloc[0]


def seeds(frame: pd.DataFrame, column: str, **where: object) -> pd.Series:
    """`column` over the seeds of one arm; a single value where it has no seeds.

    Raises:
        ValueError: `where` does not name exactly one arm; says what it found.
    """
    found = _with(frame, where)
    if found.empty or found["seed"].duplicated().any():
        raise ValueError(f"{where}: {len(found)} stored runs, which are not the seeds of one arm; name one")
    return found[column]


def spread(values: pd.Series, digits: int | Callable[[float], str]) -> str:
    """Median, and in brackets the lowest and the highest: "0.50 (0.47 to 0.51)"; `digits` are decimals, or prints."""
    shown = digits if callable(digits) else lambda value: f"{round(float(value), digits) + 0:.{digits}f}"  # +0: no -0.0
    return f"{shown(values.median())} ({shown(values.min())} to {shown(values.max())})"


def _with(frame: pd.DataFrame, where: dict[str, object]) -> pd.DataFrame:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame
