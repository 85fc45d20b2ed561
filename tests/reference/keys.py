"""The keys of all stored rows: as planned today, and as digests; `python tests/reference/keys.py` writes keys.json."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from mobilellm_lab import cli
from mobilellm_lab.arms import Arm
from mobilellm_lab.reference import open_sweep, sweep_names
from mobilellm_lab.sweeps import Store

FILE = Path(__file__).with_name("keys.json")


def planned(name: str, store: Store) -> list:
    """The recipes of a sweep's rows, as its chapter declares it; arms have chosen their rates in the store."""
    groups = (
        (*item.candidates(), *item.reported(store)) if isinstance(item, Arm) else (item,)
        for item in cli.declared(name).plan()
    )
    return [recipe for group in groups for recipe in group]


def digest(keys: Iterable[str]) -> dict:
    """How many there are, and a hash that changes with any of them."""
    keys = sorted(keys)
    return {"rows": len(keys), "sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest()}


if __name__ == "__main__":
    digests = {name: digest(open_sweep(name).rows) for name in sweep_names()}
    FILE.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
