"""Chapter 7's stored rows as its claims ask for them: how often a rule is right, and each pitfall beside the truth"""

import pandas as pd

from mobilellm_lab.sweeps import Store

OUTCOMES = ("right", "false alarm", "missed", "wrong winner")


def duels(store: Store, **where: object) -> pd.DataFrame:
    """The rows of sweep `metrics` with these values of the recipe: its fields, each outcome's share, and the spread.

    `misleading` is the share of duels in which something false was said: a false alarm or a wrong winner. `missed` says
    nothing false.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    rows = [
        {**row["recipe"], **row["shares"], "right_low": row["right_low"], "right_high": row["right_high"]}
        for row in store.rows.values()
        if all(row["recipe"][name] == value for name, value in where.items())
    ]
    if not rows:
        raise ValueError(f"no stored duel with {where}: make it with `mobilellm-lab sweep metrics`")
    found = pd.DataFrame(rows).sort_values(["slowdown_percent", "repeats"]).reset_index(drop=True)
    return found.assign(misleading=found["false alarm"] + found["wrong winner"])


def pitfalls(store: Store, name: str) -> pd.DataFrame:
    """The repeats of one pitfall of sweep `metrics_lies`: columns wrong, right, factor.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    rows = [row for row in store.rows.values() if row["recipe"]["name"] == name]
    if not rows:
        raise ValueError(f"no stored pitfall called {name!r}: make it with `mobilellm-lab sweep metrics_lies`")
    return pd.DataFrame([{column: row[column] for column in ("wrong", "right", "factor")} for row in rows])
