"""Chapter 1's stored measurements as its claims and predictions ask for them: one row per decoded setting"""

import pandas as pd

from mobilellm_lab import footprint
from mobilellm_lab.constraints.sweep import SIZES
from mobilellm_lab.sweeps import Store

SETTING = ["size", "context", "batch", "bits", "threads"]


def decoded(store: Store) -> pd.DataFrame:
    """A row per setting of the sweep `constraints`, smallest model first.

    Columns: those of `SETTING`; `parameters`; `read_bytes` of a step; `p10`, `p50`, `p90` and `rounds` of the measured
    tokens/s of the whole batch; `predicted` tokens/s; `bandwidth_gb_s` that the prediction took.
    """
    rows = [
        {name: row["recipe"][name] for name in SETTING}
        | {"parameters": footprint.parameters(SIZES[row["recipe"]["size"]])}  # what was built, not what was measured
        | {name: row[name] for name in ("read_bytes", "rounds")}
        | {name: row["tokens_per_s"][name] for name in ("p10", "p50", "p90")}
        | {"predicted": row["predicted"]["tokens_per_s"], "bandwidth_gb_s": row["predicted"]["bandwidth_gb_s"]}
        for row in store.rows.values()
    ]
    return pd.DataFrame(rows).sort_values(["parameters", *SETTING[1:]], ignore_index=True)


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The settings of one sequence with the shortest context, 32 bits and one thread, a row per size."""
    found = frame[(frame["batch"] == 1) & (frame["bits"] == 32) & (frame["threads"] == 1)]
    return found[found["context"] == found["context"].min()]


def one(frame: pd.DataFrame, **where: object) -> pd.Series:
    """The only row of `frame` with these values.

    Raises:
        ValueError: none, or several; names them.
    """
    for name, value in where.items():
        frame = frame[frame[name] == value]
    if len(frame) != 1:
        raise ValueError(f"{where}: {len(frame)} stored settings; name exactly one")
    return frame.iloc[0]
