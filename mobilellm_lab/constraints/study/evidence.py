"""From stored measurements to one row for each decoded setting, beside its prediction"""

import pandas as pd

from mobilellm_lab import footprint
from mobilellm_lab.constraints.study.sweep import SIZES
from mobilellm_lab.sweeps import Store

SETTING = ["size", "context", "batch", "bits", "threads"]
TERMS = {"memory_ms": "reading memory", "compute_ms": "arithmetic", "dispatch_ms": "starting operations"}


def decoded(store: Store) -> pd.DataFrame:
    """A row per setting of the sweep `constraints`, smallest model first.

    Columns: those of `SETTING`; `parameters`; `read_bytes` of a step; `p10`, `p50`, `p90` and `rounds` of the measured
    tokens/s of the whole batch; `step_ms`; `predicted` tokens/s, the `TERMS` of its step, and the `bandwidth_gb_s`
    that it took.

    Raises:
        ValueError: the sweep has no rows; names the command that makes them.
    """
    if not store.rows:
        raise ValueError("no stored settings: make them with `mobilellm-lab sweep constraints`")
    rows = [
        {name: row["recipe"][name] for name in SETTING}
        | {"parameters": footprint.parameters(SIZES[row["recipe"]["size"]])}  # what was built, not what was measured
        | {name: row[name] for name in ("read_bytes", "rounds")}
        | {name: row["tokens_per_s"][name] for name in ("p10", "p50", "p90")}
        | {"step_ms": row["step_ms"]["p50"], "predicted": row["predicted"]["tokens_per_s"]}
        | {name: row["predicted"][name] for name in (*TERMS, "bandwidth_gb_s")}
        for row in store.rows.values()
    ]
    return pd.DataFrame(rows).sort_values(["parameters", *SETTING[1:]], ignore_index=True)


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The settings of one sequence with the shortest context, 32 bits and one thread, a row per size."""
    found = frame[(frame["batch"] == 1) & (frame["bits"] == 32) & (frame["threads"] == 1)]
    return found[found["context"] == found["context"].min()]
