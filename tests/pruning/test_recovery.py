"""Recovery: masked weights and moments at zero, what happens where they are not, and what training gives back."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.pruning.recovery import HOLDS, Gradual, RecoveryRun
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization import Grid, QATRun, calibrate, calibration_data
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import evaluate, make
from mobilellm_lab.training import TrainConfig, TrainState, train

TASK = make("shells")
SHAPE = {"dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
MODEL = Transformer(ModelConfig(vocab_size=TASK.vocab_size, max_seq_len=32, **SHAPE))


def masks(model: Transformer, amount: float) -> dict:
    return prune(model, amount).masks


def gradual(**changes) -> Gradual:
    return Gradual(**{"amount": 0.6, "masks": masks, "every": 1} | changes)


def tiny(start=None, **options) -> RecoveryRun:
    return RecoveryRun(start or prune(MODEL, 0.5), TASK, **{"steps": 6, "batch_size": 4, "lr": 1e-2} | options)


def finished(run: RecoveryRun) -> RecoveryRun:
    for _ in run:
        pass
    return run


def masked(run: RecoveryRun) -> torch.Tensor:
    """The weights below the masks of the start."""
    own = matrices(run.trained)
    return torch.cat([own[name].detach()[~mask] for name, mask in run.start.masks.items()])


def test_held_masks_keep_weights_and_moments_at_zero_after_every_step(monkeypatch):
    states = []
    monkeypatch.setattr("mobilellm_lab.pruning.recovery.TrainState", lambda: states.append(TrainState()) or states[-1])
    run, moved = tiny(), 0
    for _ in run:
        assert not masked(run).any()
        for name, mask in run.start.masks.items():
            for moment in states[0].moments_of(matrices(run.trained)[name]):
                assert not moment[~mask].any() and moment[mask].any()
                moved += 1
    assert moved == 6 * 8 * 2  # steps, matrices, moments
    result = run.result()
    assert result.masks.keys() == run.start.masks.keys() and result.sparsity == run.start.sparsity == 0.5
    assert fingerprint(result.model) != fingerprint(run.start.model)


def test_held_masks_are_what_torchs_hooks_and_torchs_adamw_make_of_it():
    """torch.nn.utils.prune masks by `w_orig * mask`, whose gradient is masked; its AdamW moves `w_orig`."""
    from torch.nn.utils.prune import custom_from_mask

    run, twin = tiny(steps=4), copy.deepcopy(MODEL).train()
    schedule = TrainConfig(lr=1e-2).lr
    for name, mask in run.start.masks.items():
        custom_from_mask(twin.get_submodule(name.removesuffix(".weight")), "weight", mask)
    adam = torch.optim.AdamW(twin.parameters(), betas=(0.9, 0.95), weight_decay=0)
    for i in range(4):
        batch = TASK.batch(i, 4, seed=0)
        loss = torch.nn.functional.cross_entropy(twin(batch.tokens).flatten(0, 1), batch.targets.flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        adam.param_groups[0]["lr"] = schedule(i / 4)
        adam.step()
    result = finished(run).result().model
    tokens = TASK.batch(0, 4, split="test").tokens
    torch.testing.assert_close(result(tokens), twin(tokens), atol=1e-4, rtol=1e-4)


def test_where_nothing_is_held_the_zeros_grow_back():
    run = finished(tiny(masks="none"))
    assert (masked(run) != 0).double().mean() > 0.99
    result = run.result()
    assert result.masks == {} and result.sparsity == 0


def test_weights_set_to_zero_without_their_moments_move_as_soon_as_they_may(monkeypatch):
    states = []
    monkeypatch.setattr("mobilellm_lab.pruning.recovery.TrainState", lambda: states.append(TrainState()) or states[-1])
    run = finished(tiny(masks="weights"))
    result = run.result()
    assert result.sparsity == 0.5 and not masked(run).any()
    state = states[0]
    for p in run.trained.parameters():
        p.grad = torch.zeros_like(p)
    state.optimizers[0].step()  # an update without any gradient
    assert (masked(run) != 0).double().mean() > 0.99
    held = finished(tiny())
    for p in held.trained.parameters():
        p.grad = torch.zeros_like(p)
    states[-1].optimizers[0].step()
    assert not masked(held).any()


def test_gradients_of_masked_weights_shorten_the_others_by_clipping_and_by_nothing_else():
    for clip, same in ((math.inf, True), (0.1, False)):
        both = []
        for how in ("held", "weights"):
            run = tiny(masks=how)
            run.config = replace(run.config, clip=clip)
            both.append(fingerprint(finished(run).result().model))
        assert (both[0] == both[1]) is same


def test_the_dense_arm_is_plain_training():
    twin = copy.deepcopy(MODEL)
    *_, last = train(twin, TASK, TrainConfig(steps=6, batch_size=4, lr=1e-2, optimizer="adamw"))
    run = tiny(MODEL)
    *_, own = run
    assert own.evaluation == last.evaluation
    assert run.result().masks == {} and fingerprint(run.result().model) == fingerprint(twin)


def test_the_amount_rises_by_the_papers_cubic():
    """Equation 1 of arXiv 1710.01878 from s_i = 0, worked by hand: a half of the way is seven eighths of the amount."""
    schedule = gradual(amount=0.8, share=0.5)
    rise = [schedule.amount_at(progress) for progress in (0, 0.125, 0.25, 0.5, 0.75, 1)]
    assert rise == pytest.approx([0, 0.4625, 0.7, 0.8, 0.8, 0.8])


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_gradual_masks_only_grow_and_end_at_the_amount_with_an_update_left(every, share):
    run, before, seen = tiny(MODEL, gradual=gradual(every=every, share=share), steps=8), {}, []
    for step in run:
        now = run.result()
        for name, mask in before.items():
            assert not (now.masks[name] & ~mask).any()
        before = now.masks
        seen.append(now.sparsity)
        at = step.step / 8
        if step.step % every == 0:
            assert now.sparsity == pytest.approx(run.gradual.amount_at(at), abs=0.05)
    assert seen == sorted(seen) and seen[-1] == seen[-2] == prune(MODEL, 0.6).sparsity


@pytest.mark.parametrize("forget", [True, False])
def test_a_new_mask_needs_the_moments_at_zero(monkeypatch, forget):
    """Otherwise the running mean of earlier gradients moves a weight that has been set to 0."""
    if not forget:
        monkeypatch.setattr(RecoveryRun, "_forget", lambda self, state: None)
    run, nonzero = tiny(MODEL, gradual=gradual()), 0
    for _ in run:
        own = matrices(run.trained)
        nonzero += sum(own[name].detach()[~mask].count_nonzero().item() for name, mask in run.holding.items())
    assert (nonzero == 0) is forget


def test_a_run_can_be_stopped_at_any_step_and_before_the_first():
    for how in HOLDS:
        run = tiny(masks=how)
        assert fingerprint(run.result().model) == fingerprint(run.start.model)
        next(iter(run))
        assert fingerprint(run.result().model) != fingerprint(run.start.model)
    run = tiny(MODEL, gradual=gradual())
    assert run.result().sparsity == 0
    next(iter(run))
    assert 0 < run.result().sparsity < 0.6


@pytest.mark.parametrize("changes", [{"tie_embeddings": False}, {"sharing": "immediate"}, {"embed_dim": 8}], ids=str)
@pytest.mark.parametrize("how", HOLDS)
def test_every_kind_of_model_is_trained_under_every_hold(changes, how):
    config = replace(MODEL.config, **changes)
    start = prune(Transformer(config), 0.5, layers="all")
    run = finished(tiny(start, masks=how))
    result = run.result()
    assert result.sparsity == (0 if how == "none" else start.sparsity) and result.model.config == config
    assert not result.model.training and all(p.requires_grad for p in result.model.parameters())
    tokens = TASK.batch(0, 2).tokens
    torch.testing.assert_close(result.model(tokens), run.trained(tokens), atol=1e-5, rtol=1e-5)


def test_the_input_is_untouched_and_the_same_comes_twice():
    start = prune(MODEL, 0.5)
    before = fingerprint(start.model), fingerprint(MODEL)
    results = [finished(tiny(start)).result() for _ in range(2)]
    graduals = [finished(tiny(MODEL, gradual=gradual())).result() for _ in range(2)]
    assert (fingerprint(start.model), fingerprint(MODEL)) == before
    for one, other in (results, graduals):
        assert fingerprint(one.model) == fingerprint(other.model)


def test_a_result_is_no_part_of_the_run():
    run = tiny()
    steps = iter(run)
    next(steps)
    result = run.result()
    before = fingerprint(result.model)
    next(steps)
    assert fingerprint(result.model) == before


@pytest.fixture(scope="module")
def small():
    return load_model("student-small")


def test_a_few_updates_win_back_most_of_what_pruning_loses(small):
    """Beside the dense model with the same training, which is what a recovery can hope for."""
    calibration = calibrate(small.model, calibration_data(small.task))
    pruned = prune(small.model, 0.6, importance="wanda", calibration=calibration)
    options = {"steps": 20, "batch_size": 8, "lr": 2e-3}

    def loss(model) -> float:
        return evaluate(small.task, model, batches=1).loss_nats

    recovered = finished(RecoveryRun(pruned, small.task, **options)).result()
    dense = finished(RecoveryRun(small.model, small.task, **options | {"lr": 1e-4})).result()
    assert recovered.sparsity == pruned.sparsity
    assert loss(recovered.model) - loss(dense.model) < 0.5 * (loss(pruned.model) - loss(small.model))


def test_seconds_end_it_and_new_masks_take_from_them():
    assert [step.progress for step in tiny(steps=10**6, seconds=1e-6)] == [1.0]
    slow = gradual(masks=lambda model, amount: [masks(model, amount) for _ in range(20)][0])
    begin, *_, last = tiny(MODEL, gradual=slow, steps=10**6, seconds=0.5)
    assert last.progress == 1 and last.step < 10**3 and begin.step == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"masks": "helt"}, "masks='helt': did you mean held"),
        ({"gradual": gradual()}, "gradual with a PrunedModel"),
        ({"start": MODEL, "gradual": gradual(), "masks": "none"}, "masks='none' with gradual"),
        ({"start": MODEL, "gradual": gradual(share=0.9)}, "share=0.9 of steps=6"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        tiny(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"amount": 1.0}, "amount=1.0"), ({"share": 0}, "share=0"), ({"share": 1}, "share=1"), ({"every": 0}, "every=0")],
)
def test_a_schedule_that_is_none_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        gradual(**options)


def test_a_foreign_task_and_broken_weights_are_refused_by_name():
    with pytest.raises(ValueError, match="task stories has"):
        RecoveryRun(MODEL, make("stories"))
    broken = copy.deepcopy(MODEL)
    with torch.no_grad():
        broken.embed.weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="embed.weight holds NaN or inf"):
        tiny(broken)


def test_masks_and_grids_can_be_trained_after_each_other():
    """A recovered model is a float model: chapter 3 takes it from there."""
    recovered = finished(tiny()).result()
    assert isinstance(recovered, PrunedModel)
    rounded = QATRun(recovered.model, TASK, grid=Grid(bits=4), steps=1, batch_size=2).result()
    assert rounded.model.config == MODEL.config
