"""Tables from stored runs, for claims, replays and the page"""

import math
from dataclasses import asdict

import pandas as pd

from mobilellm_lab.pruning.study.evidence_combined import combined_losses
from mobilellm_lab.pruning.study.evidence_recovery import recoveries
from mobilellm_lab.pruning.study.evidence_speed import model_speeds
from mobilellm_lab.pruning.study.recipe import SCAN_AMOUNTS, Recipe
from mobilellm_lab.pruning.study.sweep import COMMAND, studies
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED, found, losses, score
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store


def runs(store: Store, study: str) -> pd.DataFrame:
    """One row per stored run of a study: its recipe, its loss beside the dense model's, its answers, zeros and bytes.

    `loss_increase_nats` is the loss less the dense model's on the same test sequences; `..._low_nats` and
    `..._high_nats` are its lowest and highest over four equal parts of them. `score` is two-hop accuracy on stories
    (higher is better) and bits per byte on text (lower is better). `sparsity` is the share of zeros of the prunable
    weights, `of_all` that of all weights.

    Raises:
        ValueError: no such study, or a run of it is not in the store; names it and the command that makes it.
    """
    plan = studies()
    if study not in plan:
        raise ValueError(f"study={study!r}: choose one of {', '.join(plan)}")
    return pd.DataFrame(_run(store, study, recipe) for recipe in plan[study])


def _run(store: Store, study: str, recipe: Recipe) -> dict:
    row, before = (found(store, each, COMMAND) for each in (recipe, Recipe(model=recipe.model, amount=0)))
    return {
        "study": study,
        **asdict(recipe),
        **losses(row, before),
        "perplexity": math.exp(min(row["loss_nats"], 700)),
        "score": score(row),
        **{name: row[name] for name in ("agreement", "sparsity", "of_all")},
        "on_disk_bytes": row["bytes"]["on_disk"],
        "float_bytes": row["bytes"]["float"],
    }


def scans(store: Store) -> pd.DataFrame:
    """What each matrix alone costs at every amount that was scanned: loss increase on validation sequences."""
    rows = []
    for recipe in studies()["scope"]:
        if recipe.scope == "sensitivity" and recipe.granularity == "weight":
            for layer, increases in found(store, recipe, COMMAND)["scan"].items():
                own = {"model": recipe.model, "layer": layer}
                rows += [
                    own | {"amount": amount, "loss_increase_nats": nats}
                    for amount, nats in zip(SCAN_AMOUNTS, increases, strict=True)
                ]
    return pd.DataFrame(rows).drop_duplicates(["model", "layer", "amount"])


def answers() -> dict[str, str]:
    """The numbers of the chapter's opening and its recipe, as text without a unit."""
    store, trained, timed = (open_sweep(f"pruning{name}") for name in ("", "_recovery", "_speed"))
    recovered, times = recoveries(trained), model_speeds(timed)
    once = recovered[(recovered["arm"] == "one-shot") & (recovered["masks"] == "held")]
    single, neurons = (once[once["granularity"] == kind] for kind in ("weight", "neuron"))
    scope = runs(store, "scope").query("granularity == 'weight' and importance == 'l1' and amount == 0.5")
    by_scope = {how: one(scope, model=NAMED["text"], scope=how)[INCREASE] for how in ("uniform", "sensitivity")}
    fewer = one(times, size="125M", granularity="neuron", amount=0.25, work="decode")
    zeros = one(times, size="125M", granularity="dense with zeros", amount=0.5, work="decode")
    csr = one(times, size="125M", granularity="csr int32", amount=0.9, work="decode")
    together = combined_losses(store).query("budget_bits == 3.5 and not tuned and model == @NAMED['text']")
    together = together[together["order"] == "prune, quantize"]
    alone, both = (together.loc[together["bits"] == bits, INCREASE].median() for bits in (3, 4))
    return {
        "prune_uniform": f"{by_scope['uniform']:.2f}",  # nats on text by magnitude at 50 %, the same for every matrix
        "prune_sensitivity": f"{by_scope['sensitivity']:.2f}",  # amounts by sensitivity
        "prune_updates": f"{once['steps'].max()}",  # of a recovery
        "prune_left": f"{100 * seeds(single, 'left', model=NAMED['text'], amount=0.5).median():.0f}",  # % of the damage
        "prune_neurons": f"{seeds(neurons, 'damage_nats', amount=0.25).median():.4f}",  # left without a quarter
        "prune_neurons_share": f"{100 * fewer['removed']:.0f}",  # % of all weights at 125M, that quarter
        "prune_neurons_speed": f"{fewer['speedup']:.2f}",  # times as fast
        "prune_zeros_speed": f"{zeros['speedup']:.2f}",  # with half zeros in dense matrices
        "prune_csr_speed": f"{csr['speedup']:.1f}",  # with 90 % zeros as CSR
        "prune_alone": f"{alone:.3f}",  # nats on text in 3 bits
        "prune_both": f"{both:.3f}",  # of half zeros in 4 bits and as many bytes
        "prune_largest": f"{100 * single['amount'].max():.0f}",  # % at which pruning was still better than the control
    }
