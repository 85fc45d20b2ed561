"""Recovery tables: every reported run beside its dense arm, and the amount from which pruning no longer pays."""

from dataclasses import replace

import pytest

from mobilellm_lab.arms import SEEDS
from mobilellm_lab.pruning.study.evidence_recovery import no_longer_pays, recoveries
from mobilellm_lab.pruning.study.recovery import RecoveryRecipe, arms
from mobilellm_lab.sweeps import Store, key

BEST = 1.0  # validation loss at the first rate of an arm; others are worse
GAINED = 0.05  # nats that the dense model gains from more training


def loss_nats(recipe: RecoveryRecipe) -> float:
    """Pruning leaves a tenth of the square of the amount; a small model is the same whatever it stands beside."""
    if recipe.arm.startswith("scratch"):
        return 1.06 + recipe.seed / 1000
    return 1.0 - GAINED * (recipe.amount == 0) + 0.1 * recipe.amount**2 + recipe.seed / 1000


def row(recipe: RecoveryRecipe, rate: int) -> dict:
    found = {"loss_nats": loss_nats(recipe), "scores": {"bits_per_byte": 1.5}, "start": {"loss_nats": 1.0}}
    found |= {"before": None, "validation_loss_nats": BEST + rate, "steps": 40, "zeros": recipe.amount}
    if recipe.amount and recipe.arm == "one-shot":
        found["before"] = {"loss_nats": 1.0 + recipe.amount}
    return found | {"parameters": 10, "train_s": 1.0}


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "pruning_recovery.jsonl")
    for arm in arms():
        for rate, lr in enumerate(arm.rates):
            for recipe in (*arm.candidates(), *(replace(arm.recipe, lr=lr, seed=seed) for seed in SEEDS)):
                own = replace(recipe, lr=lr) if recipe.seed in SEEDS else recipe
                made.rows[key(own)] = row(own, arm.rates.index(own.lr) if own.seed not in SEEDS else rate)
    return made


def test_every_arm_is_there_with_its_seeds_at_its_best_rate(store):
    found = recoveries(store)
    assert len(found) == len(arms()) * len(SEEDS)
    assert {(arm.recipe.model, arm.recipe.arm, arm.rates[0]) for arm in arms()} == set(
        zip(found["model"], found["arm"], found["lr"], strict=True)
    )


def test_damage_is_counted_from_the_dense_model_with_the_same_training(store):
    found = recoveries(store)
    once = found[(found["arm"] == "one-shot") & (found["amount"] == 0.5) & (found["model"] == "text-deep")]
    assert once["damage_nats"].tolist() == pytest.approx([GAINED + 0.025] * 3)
    assert once["cost_nats"].tolist() == pytest.approx([0.5] * 3)
    assert once["left"].tolist() == pytest.approx([0.15] * 3)
    assert (found.loc[found["amount"] == 0, "damage_nats"] == 0).all()
    twins = found[found["arm"] == "scratch: seconds"]  # of them, the pruning beside them cost that
    assert twins["cost_nats"].tolist() == pytest.approx(twins["amount"].tolist())


def test_pruning_pays_until_the_small_model_is_better(store):
    found = recoveries(store)
    assert no_longer_pays(found, "text-deep") == 0.8  # 1.064 against 1.06; at 0.7 it is 1.049
    better = found.assign(loss_nats=found["loss_nats"] + 9 * found["arm"].str.startswith("scratch"))
    assert no_longer_pays(better, "text-deep") is None


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no stored run for RecoveryRecipe\(.*`mobilellm-lab sweep pruning_recovery`"):
        recoveries(Store(tmp_path / "none.jsonl"))
