"""Chapter 4's checks beyond what every chapter's are held to: more right forms, more wrong ones, and the package."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from mobilellm_lab.provenance import provenance
from mobilellm_lab.pruning import prune, select
from mobilellm_lab.pruning.exercises import (
    EXERCISES,
    FEWER_NEURONS,
    FROM_SCRATCH,
    GROWN,
    HOLD,
    MAGNITUDE,
    SPEND,
    WANDA,
    grown_example,
    predictions,
)
from mobilellm_lab.pruning.exercises.spend import AMOUNTS, MODEL, ROWS, SCAN, ZEROS, measured
from mobilellm_lab.pruning.study import recovery
from mobilellm_lab.pruning.study.speed import speed_plan
from mobilellm_lab.quantization.quantized import select as matrices_of
from mobilellm_lab.reference import load_model
from mobilellm_lab.sweeps import Store

# MAGNITUDE


def by_torch(weights, amount):
    """Row by row with torch's own method."""
    rows = []
    for row in weights:
        layer = nn.Linear(len(row), 1, bias=False)
        layer.weight.data = row[None].clone()
        rows.append(torch_prune.l1_unstructured(layer, "weight", amount).weight_mask[0])
    return torch.stack(rows)


def in_numpy(weights, amount):
    order = weights.abs().numpy().argsort(1, kind="stable").argsort(1, kind="stable")
    return order >= round(amount * weights.shape[1])


@pytest.mark.parametrize("answer", [by_torch, in_numpy, lambda w, amount: select({"w": w.abs()}, amount, "row")["w"]])
def test_magnitude_takes_other_right_forms(answer):
    assert MAGNITUDE.check(answer).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda w, amount: torch.ones_like(w), "another mask"),
        (lambda w, amount: torch.rand_like(w) > amount, "another mask"),
        (lambda w, amount: w.abs() > w.abs().quantile(amount, dim=1, keepdim=True), "another mask"),
        (lambda w, amount: w * MAGNITUDE.solution(w, amount), "not a mask"),
        (lambda w, amount: MAGNITUDE.solution(w, amount)[0], "wrong shape"),
        (lambda w, amount: "the large ones", "not a tensor"),
        (lambda w, amount: w.kthvalue(0), "an exception"),
    ],
)
def test_magnitude_names_what_is_wrong(answer, misconception):
    assert MAGNITUDE.check(answer).misconception == misconception


# WANDA


def in_loops(weights, inputs, amount):
    kept = torch.ones_like(weights)
    norms = [sum(x * x for x in column) ** 0.5 for column in inputs.T.tolist()]
    for row, marks in zip(weights.tolist(), kept, strict=True):
        scores = [abs(w) * norm for w, norm in zip(row, norms, strict=True)]
        for place in sorted(range(len(row)), key=scores.__getitem__)[: round(amount * len(row))]:
            marks[place] = 0
    return kept


def by_gram(weights, inputs, amount):
    score = weights.abs() * (inputs.T @ inputs).diagonal().sqrt()
    return select({"w": score}, amount, "row")["w"]


@pytest.mark.parametrize("answer", [in_loops, by_gram])
def test_wanda_takes_other_right_forms(answer):
    assert WANDA.check(answer).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda w, x, amount: MAGNITUDE.solution(w, amount), "magnitudes alone"),
        (lambda w, x, amount: MAGNITUDE.solution(w * x.mean(0), amount), "the mean input"),
        (lambda w, x, amount: MAGNITUDE.solution(w * x.norm(dim=0) ** 3, amount), "another mask"),
        (lambda w, x, amount: w.abs() * x.norm(dim=0), "not a mask"),
        (lambda w, x, amount: w * x.norm(dim=1), "an exception"),
    ],
)
def test_wanda_names_what_is_wrong(answer, misconception):
    assert WANDA.check(answer).misconception == misconception


# GROWN


def by_a_model(state):
    """What torch's own `remove` makes of the same tensors."""
    out = {}
    for name, value in state.items():
        if name.endswith("_orig"):
            layer = nn.Module()
            layer.weight = nn.Parameter(value)
            torch_prune.custom_from_mask(layer, "weight", state[name.replace("_orig", "_mask")])
            out[name.removesuffix("_orig")] = torch_prune.remove(layer, "weight").weight
        elif name.replace("_mask", "_orig") not in state or not name.endswith("_mask"):
            out[name] = value
    return out


def test_grown_takes_what_torch_removes():
    assert GROWN.check(by_a_model).kind == "right"


def test_the_example_has_grown():
    state = grown_example()
    assert {"up.weight_orig", "up.weight_mask", "causal_mask"} <= set(state)
    assert 1.5 < sum(v.nbytes for v in state.values()) / sum(v.nbytes for v in GROWN.solution(state).values()) < 2


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda state: {}, "entries missing"),
        (lambda state: GROWN.solution(state) | {"extra": torch.ones(1)}, "entries too many"),
        (lambda state: {name: value + 1 for name, value in GROWN.solution(state).items()}, "other values"),
        (lambda state: list(state), "not a state dict"),
        (lambda state: state["weight"], "an exception"),
    ],
)
def test_grown_names_what_is_wrong(answer, misconception):
    assert GROWN.check(answer).misconception == misconception


# HOLD


def set_to_zero_after_every_update(model, amount, train):
    """The masks as a hook on the forward pass, as `RecoveryRun(masks="weights")` has them."""
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer in linears:
        kept = MAGNITUDE.solution(layer.weight.detach().view(1, -1), amount).view_as(layer.weight)

        def zero(module, *_, kept=kept):
            module.weight.data *= kept

        layer.register_forward_pre_hook(zero)
    train(model)
    for layer in linears:
        layer(torch.zeros(1, layer.in_features))
    return model


def test_hold_takes_masks_that_are_set_before_each_pass():
    assert HOLD.check(set_to_zero_after_every_update).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda model, amount, train: HOLD.solution(model, 0.5, train), "another share of zeros"),
        (lambda model, amount, train: train(model), "not the model"),
        (lambda model, amount, train: (train(model), train(model)), "an exception"),
        (lambda model, amount, train: train(amount), "an exception"),
    ],
)
def test_hold_names_what_is_wrong(answer, misconception):
    assert HOLD.check(answer).misconception == misconception


# SPEND


def test_the_scan_is_what_is_measured():
    own = matrices_of(load_model(MODEL).model, "blocks")
    assert {name: p.numel() for name, p in own.items()} == {name: weights for name, (weights, _) in SCAN.items()}
    for matrix, place in (("blocks.0.ffn.up.weight", 3), ("blocks.2.ffn.up.weight", 3), ("blocks.0.ffn.up.weight", 2)):
        stored = SCAN[matrix][1][place]
        assert measured({matrix: AMOUNTS[place]}) == pytest.approx(stored, abs=0.002)


def test_the_sum_of_a_scan_is_less_than_what_is_measured():
    found = SPEND.solution(ROWS, ZEROS)
    assert measured(found) > 1.5 * sum(increase for matrix, _, amount, increase in ROWS if found[matrix] == amount)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda rows, zeros: dict.fromkeys(SCAN, 0.3), "too few zeros"),
        (lambda rows, zeros: {}, "too few zeros"),
        (lambda rows, zeros: dict.fromkeys(SCAN, 0.7), "loses too much"),
        (lambda rows, zeros: dict.fromkeys(SCAN, 1.0), "no share"),
        (lambda rows, zeros: {"head.weight": 0.5}, "no such matrix"),
        (lambda rows, zeros: 0.6, "not amounts"),
        (lambda rows, zeros: rows["matrix"], "an exception"),
    ],
)
def test_spend_names_what_is_wrong(answer, misconception):
    assert SPEND.check(answer).misconception == misconception


def test_the_check_prunes_as_the_chapter_does():
    model = load_model(MODEL).model
    amounts = {"blocks.0.ffn.down.weight": 0.9}
    assert prune(model, amounts).zeros_by_layer() == pytest.approx(amounts, abs=0.01)


# Predictions, on made-up rows


def test_from_scratch_pairs_the_seeds_of_both_arms_at_their_best_rates(tmp_path, monkeypatch):
    store = Store(tmp_path / "pruning_recovery.jsonl")
    answers = {"one-shot": (0.5, 0.6, 0.8), "scratch: seconds": (0.1, 0.3, 0.2)}
    for arm in recovery.arms():
        if (arm.recipe.model, arm.recipe.amount, arm.recipe.masks) == ("stories-deep", 0.8, "held"):
            for place, candidate in enumerate(arm.candidates()):  # the second rate is the best
                chosen = {"validation_loss_nats": 1.0 - place, "scores": {"two-hop": 0.9}}
                store.add(candidate, chosen | {"provenance": provenance("made up")})
            for recipe in arm.reported(store):
                own = answers.get(arm.recipe.arm, (0.9, 0.9, 0.9))[recipe.seed]
                store.add(recipe, {"scores": {"two-hop": own}, "provenance": provenance("made up")})
    monkeypatch.setattr(predictions, "open_sweep", {"pruning_recovery": store}.__getitem__)
    found = FROM_SCRATCH.reference()
    assert (found.low, found.median, found.high) == pytest.approx((0.2, 0.25, 0.5))


def test_fewer_neurons_reads_one_row(tmp_path, monkeypatch):
    assert predictions.FASTER in speed_plan()
    store = Store(tmp_path / "pruning_speed.jsonl")
    row = {"speedup": 1.2, "speedup_low": 1.1, "speedup_high": 1.3, "provenance": provenance("made up")}
    store.add(predictions.FASTER, row)
    monkeypatch.setattr(predictions, "open_sweep", {"pruning_speed": store}.__getitem__)
    found = FEWER_NEURONS.reference()
    assert (found.low, found.median, found.high) == (
        1.1,
        1.2,
        1.3,
    ) and f"{predictions.FASTER.pairs} pairs" in found.note


# Texts


def test_the_chapter_names_its_exercises_after_what_the_reader_writes():
    answers = ["kept", "wanda_kept", "repaired", "pruned_and_trained", "amounts"]
    assert [exercise.answer for exercise in EXERCISES] == answers
    folder = Path(__file__).parents[3] / "mobilellm_lab" / "pruning" / "exercises"
    assert all((folder / f"{exercise.name}.py").exists() for exercise in EXERCISES)


def spoiled_weights(weights, amount):
    found = MAGNITUDE.solution(weights, amount)
    weights.zero_()
    return found


def spoiled_state(state):
    found = {name: value.clone() for name, value in GROWN.solution(state).items()}
    state.clear()
    return found


def spoiled_rows(rows, zeros):
    found = SPEND.solution(rows, zeros)
    rows.clear()
    return found


@pytest.mark.parametrize(
    ("exercise", "answer"), [(MAGNITUDE, spoiled_weights), (GROWN, spoiled_state), (SPEND, spoiled_rows)]
)
def test_what_an_answer_does_to_its_arguments_does_not_reach_the_check(exercise, answer):
    for _ in range(2):
        assert exercise.check(answer).kind == "right"
