"""The keys of all stored rows: as planned today, and as digests; `python tests/reference/keys.py` writes keys.json."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from mobilellm_lab import constraints, deep_narrow, metrics, quantization
from mobilellm_lab.arms import Arm
from mobilellm_lab.quantization.study import fragility, sweep_qat
from mobilellm_lab.quantization.study.sweep import plan
from mobilellm_lab.reference import SWEEPS, open_sweep
from mobilellm_lab.sweeps import Store

FILE = Path(__file__).with_name("keys.json")


def _runs(arms: list[Arm], store: Store) -> list:
    return [recipe for arm in arms for recipe in (*arm.candidates(), *arm.reported(store))]


PLANS = {  # sweep: the recipes of its rows, given its store
    "deep_narrow": lambda store: _runs(deep_narrow.arms(), store),
    "deep_narrow_cost": lambda store: deep_narrow.costs(),
    "constraints": lambda store: constraints.points(),
    "constraints_machine": lambda store: constraints.probe_plans(),
    "metrics": lambda store: metrics.recipes(),
    "metrics_lies": lambda store: metrics.pitfall_trials(),
    "quantization": lambda store: [*plan(), *_runs(fragility.arms(), store)],
    "quantization_qat": lambda store: _runs(sweep_qat.arms(), store),
    "quantization_speed": lambda store: quantization.speed_recipes(),
}


def digest(keys: Iterable[str]) -> dict:
    """How many there are, and a hash that changes with any of them."""
    keys = sorted(keys)
    return {"rows": len(keys), "sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest()}


if __name__ == "__main__":
    digests = {name: digest(open_sweep(name).rows) for name in SWEEPS}
    FILE.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
