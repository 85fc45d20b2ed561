"""From stored duels and pitfalls to tables: how often a rule is right, and each pitfall beside the truth"""

import pandas as pd

from mobilellm_lab.metrics.duel import RULES
from mobilellm_lab.sweeps import Store


def duels(store: Store, **where: object) -> pd.DataFrame:
    """The rows of sweep `metrics` with these values of the recipe: its fields, each outcome's share, and the spread.

    `right_low` and `right_high` are the lowest and the highest share of right verdicts among the measured series.
    `misleading` is the share of duels in which something false was said: a false alarm or a wrong winner. `missed` says
    nothing false. Rows stand in the order of `RULES`.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    rows = [
        row["recipe"] | row["shares"] | {name: row[name] for name in ("right_low", "right_high", "windows")}
        for row in store.rows.values()
        if all(row["recipe"][name] == value for name, value in where.items())
    ]
    if not rows:
        raise ValueError(f"no stored duel with {where}: make it with `mobilellm-lab sweep metrics`")
    rows.sort(key=lambda row: (RULES.index(row["rule"]), row["neighbour"], row["repeats"], row["slowdown_percent"]))
    found = pd.DataFrame(rows)
    return found.assign(misleading=found["false alarm"] + found["wrong winner"])


def pitfalls(store: Store, name: str | None = None) -> pd.DataFrame:
    """The repeats of one pitfall of sweep `metrics_lies`, or of all: what was said, what is right, and the cure.

    Columns: pitfall (its name), repeat, title, wrong, right, unit, factor, says_wrong, says_right, cure.

    Raises:
        ValueError: there is no such row; names the command that makes it.
    """
    columns = ("title", "wrong", "right", "unit", "factor", "says_wrong", "says_right", "cure")
    rows = [
        {"pitfall": row["recipe"]["name"], "repeat": row["recipe"]["repeat"]} | {key: row[key] for key in columns}
        for row in store.rows.values()
        if name in (None, row["recipe"]["name"])
    ]
    if not rows:
        raise ValueError(f"no stored pitfall called {name!r}: make it with `mobilellm-lab sweep metrics_lies`")
    return pd.DataFrame(rows)
