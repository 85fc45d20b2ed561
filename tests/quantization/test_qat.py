"""The straight-through estimator against torch and torchao, LSQ against its formula, and training against rounding."""

import copy
import math

import pytest
import torch
from torch import nn

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer, generate
from mobilellm_lab.quantization import (
    BITS,
    CHANNEL,
    TENSOR,
    Grid,
    QATRun,
    load_quantized,
    matrices,
    quantize,
    save_quantized,
    ste,
    torchao,
)
from mobilellm_lab.quantization.grid import SMALLEST_SCALE
from mobilellm_lab.quantization.qat import FakeQuant, gathered
from mobilellm_lab.tasks import evaluate, make
from mobilellm_lab.training import TrainConfig, TrainState, _optimizers, train


def weights(rows: int = 6, columns: int = 70) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)).requires_grad_()


def random_like(w: torch.Tensor) -> torch.Tensor:
    return torch.randn(w.shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group_size", [-1, 0, 32])
def test_forward_is_on_the_grid_and_a_gradient_passes(bits, group_size):
    w, grid = weights(), Grid(bits=bits, group_size=group_size)
    y = ste(w, grid)
    assert torch.equal(y, grid.fake(w.detach()))
    gradient = random_like(w)
    y.backward(gradient)
    passed = w.grad == gradient
    assert (passed | (w.grad == 0)).all()
    assert passed.float().mean() > 0.9  # no more than the largest weight of each group is beyond the last code
    if bits < 2:
        assert passed.all()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_gradient_is_torchs(bits, symmetric):
    w, grid = weights(), Grid(bits=bits, group_size=0, symmetric=symmetric, scale_dtype="float32")
    scale, zero = grid.fit(w.detach())
    ours, theirs = w.detach().clone().requires_grad_(), w.detach().clone().requires_grad_()
    y = ste(ours, grid)
    z = torch.fake_quantize_per_channel_affine(theirs, scale[:, 0], zero[:, 0], 0, grid.low, grid.high)
    torch.testing.assert_close(y, z)
    y.backward(random_like(w))
    z.backward(random_like(w))
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("group_size", [CHANNEL, TENSOR])
def test_the_gradients_with_a_step_of_ones_own_are_torchs(bits, group_size, symmetric):
    """`_fake_quantize_learnable_per_channel_affine` and its like for a whole tensor are torch's own LSQ."""
    grid = Grid(bits=bits, group_size=group_size, symmetric=symmetric, scale_dtype="float32")
    # Below 0, so that the zero is not: torch's kernel for a whole tensor takes a negative one for the next, backwards.
    ours, theirs = ((weights() - 0.9).detach().requires_grad_() for _ in range(2))
    start, zero = grid.fit(ours.detach(), shrink=0.5)  # so that some weights are beyond both ends
    assert (zero >= 0).all() or group_size == CHANNEL
    step, other = start.clone().requires_grad_(), start.flatten().clone().requires_grad_()
    y = ste(ours, grid, step, zero)
    if group_size == CHANNEL:
        z = torch._fake_quantize_learnable_per_channel_affine(
            theirs, other, zero.flatten().float(), 0, grid.low, grid.high, 1.0
        )
    else:
        z = torch._fake_quantize_learnable_per_tensor_affine(
            theirs, other, zero.flatten().float(), grid.low, grid.high, 1.0
        )
    torch.testing.assert_close(y, z)
    y.backward(random_like(ours))
    z.backward(random_like(ours))
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(step.grad.flatten(), other.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [2, 4])
def test_a_step_learns_by_the_papers_formula(bits):
    """LSQ's equations 1 to 3, left to autograd: clamp, round as if it were the identity, times the step."""
    grid, w = Grid(bits=bits, group_size=CHANNEL, scale_dtype="float32"), weights()
    start = grid.fit(w.detach(), shrink=0.5)[0]
    with torch.no_grad():  # between the last value and half a step beyond, the paper saturates and torch does not
        v = w / start
        v[(v.abs() > min(-grid.low, grid.high)) & (v > grid.low - 0.5) & (v < grid.high + 0.5)] = 0.3
        w.copy_(v * start)
    step, other, twin = start.clone().requires_grad_(), start.clone().requires_grad_(), w.detach().clone()
    ste(w, grid, step, torch.zeros_like(start, dtype=torch.int32)).backward(random_like(w))
    twin.requires_grad_()
    clamped = (twin / other).clamp(grid.low, grid.high)
    ((clamped + (clamped.round() - clamped).detach()) * other).backward(random_like(w))
    assert 0 < (w.grad == 0).float().mean() < 0.9
    torch.testing.assert_close(w.grad, twin.grad)
    torch.testing.assert_close(step.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_a_step_is_stored_rounded_and_not_too_small_and_goes_on_learning():
    w, grid = weights(2, 64), Grid(bits=4, group_size=32)
    rounding = FakeQuant(w.detach(), grid, learned_step=True)
    assert torch.equal(rounding.fitted(w.detach())[0], grid.fit(w, shrink=grid.search(w))[0])
    with torch.no_grad():
        rounding.log_step[0, 0], rounding.log_step[1, 1] = -99.0, math.log(0.1234567)
    scale, _ = rounding.fitted(w.detach())
    assert torch.equal(scale, scale.half().float()) and scale[0, 0] == scale.min() == SMALLEST_SCALE
    assert scale[1, 1].item() == pytest.approx(0.1234567, rel=2**-11)
    rounding(w).sum().backward()
    assert rounding.log_step.grad.flatten()[1:].ne(0).all()


def test_the_logarithm_of_a_step_has_the_papers_gradient_times_the_step():
    w = weights(2, 64)
    rounding = FakeQuant(w.detach(), Grid(bits=4, group_size=32), learned_step=True)
    rounding(w.detach()).sum().backward()
    step = rounding.log_step.detach().exp().requires_grad_()
    ste(w, rounding.grid, step, rounding.zero).sum().backward()
    torch.testing.assert_close(rounding.log_step.grad, step.grad * step.detach())


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_beyond_the_ends_the_gradient_is_what_the_loss_changes_by(bits):
    """There no rounding is passed through: the loss is differentiable, and central differences find its slope."""
    w = weights(2, 64).detach()
    rounding = FakeQuant(w, Grid(bits=bits, scale_dtype="float32"), learned_step=True)
    far, want = w.sign() * (10 + w.abs()) * 2**bits, random_like(w)

    def loss() -> torch.Tensor:
        return (rounding(far) - want).square().sum()

    loss().backward()
    for at in [(0, 0), (1, 1)]:
        ends = []
        for change in (1e-2, -1e-2):
            with torch.no_grad():
                rounding.log_step[at] += change
                ends.append(loss().item())
                rounding.log_step[at] -= change
        assert rounding.log_step.grad[at].item() == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=1e-2)


@pytest.mark.parametrize(("bits", "group_size"), [(4, 32), (8, 32), (8, CHANNEL)])
def test_torchaos_qat_prepares_and_converts_to_the_same(bits, group_size):
    """QATConfig on one Linear: the same output, the same gradient, and after conversion the same weights."""
    q = torchao().quantization
    from torchao.quantization.granularity import PerAxis, PerGroup
    from torchao.quantization.qat import QATConfig

    granularity = PerGroup(group_size) if group_size else PerAxis(0)
    base = q.IntxWeightOnlyConfig(weight_dtype=getattr(torch, f"int{bits}"), granularity=granularity)
    linear = nn.Linear(64, 6, bias=False)
    with torch.no_grad():
        linear.weight.copy_(weights(6, 64))
    box = nn.Sequential(copy.deepcopy(linear))
    q.quantize_(box, QATConfig(base, step="prepare"))
    grid, x = Grid(bits=bits, group_size=group_size, scale_dtype="float32"), random_like(torch.empty(5, 64))
    ours = linear.weight.detach().clone().requires_grad_()
    y, z = x @ ste(ours, grid).T, box(x)
    torch.testing.assert_close(y, z, rtol=1e-5, atol=1e-5)
    y.square().sum().backward()
    z.square().sum().backward()
    torch.testing.assert_close(ours.grad, box[0].weight.grad, rtol=1e-4, atol=1e-4)
    q.quantize_(box, QATConfig(base, step="convert"))
    torch.testing.assert_close(box[0].weight.dequantize(), grid.fake(linear.weight.detach()), rtol=1e-5, atol=1e-6)


def few_steps(found, bits: int | float, *, learned_step: bool = False) -> QATRun:
    options = {"learned_step": learned_step, "steps": 12, "batch_size": 8, "lr": 1e-3}
    run = QATRun(found.model, found.task, grid=Grid(bits=bits), **options)
    for _ in run:
        pass
    return run


@pytest.mark.parametrize(("bits", "learned_step"), [(2, True), (1.58, False), (1, False)])
def test_a_few_steps_win_back_most_of_what_rounding_loses(bits, learned_step, small):
    before = fingerprint(small.model)

    def loss(model) -> float:
        return evaluate(small.task, model, batches=1).loss_nats

    run = few_steps(small, bits, learned_step=learned_step)
    trained, rounded = run.result(), quantize(small.model, run.grid).model
    assert loss(trained.model) - loss(small.model) < 0.5 * (loss(rounded) - loss(small.model))
    assert fingerprint(small.model) == before
    assert set(trained.tensors) == set(matrices(small.model)) and not trained.model.training
    for name, tensor in trained.tensors.items():
        assert torch.equal(trained.model.get_parameter(name), tensor.dequantize()), name
        assert torch.equal(tensor.scale, tensor.scale.half().float()), name  # as a file stores it
    tokens = small.task.batch(0, 2, split="test").tokens
    torch.testing.assert_close(trained.model(tokens), run.trained(tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bits", [2, 8])
def test_a_learned_step_moves_in_proportion_and_no_group_dies(bits, small):
    run = QATRun(small.model, small.task, grid=Grid(bits=bits), learned_step=True, steps=20, batch_size=4)
    before = run.result().tensors
    most = math.expm1(sum(step.lr for step in run)) + 2**-10  # an update is the rate's share; rounded twice
    for name, after in run.result().tensors.items():
        change = (after.scale / before[name].scale - 1).abs()
        assert 0 < change.max() < most, name
        assert (gathered(run.grid, after.codes.abs().float()) > 0).all(), name


def test_at_eight_bits_learned_steps_are_no_worse_than_fixed_ones(small):
    """By more than training on other sequences makes a difference."""

    def loss(seed: int, *, fixed: bool) -> float:
        run = QATRun(small.model, small.task, grid=Grid(bits=8), learned_step=True, steps=12, batch_size=4, seed=seed)
        for rounding in run.trained.modules():
            if fixed and isinstance(rounding, FakeQuant):
                rounding.log_step.requires_grad_(False)
        *_, last = run
        return last.evaluation.loss_nats

    fixed = [loss(seed, fixed=True) for seed in range(3)]
    assert loss(0, fixed=False) < fixed[0] + max(fixed) - min(fixed)


def test_it_is_the_rounding_in_training_that_helps_not_the_training(small):
    """The control: as many steps on the same sequences without the grid, and rounded at the end."""
    run, without = few_steps(small, 2), copy.deepcopy(small.model)
    config = TrainConfig(optimizer="adamw", steps=12, batch_size=8, lr=1e-3, seed=run.seed)
    assert [step.step for step in train(without, small.task, config)] == list(range(1, 13))
    trained, rounded, start = (
        evaluate(small.task, model, batches=1).loss_nats
        for model in (run.result().model, quantize(without, run.grid).model, small.model)
    )
    assert trained - start < 0.5 * (rounded - start)


def tiny(*, model: dict | None = None, **options) -> QATRun:
    task = make("shells")
    shape = {"dim": 16, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24} | (model or {})
    model = Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=32, **shape))
    return QATRun(model, task, **{"grid": Grid(bits=4), "steps": 3, "batch_size": 4} | options)


def test_it_can_be_stopped_at_any_step_and_before_the_first():
    run = tiny()
    nothing = run.result()
    assert fingerprint(nothing.model) == fingerprint(quantize(run.model, Grid(bits=4)).model)
    next(iter(run))
    assert fingerprint(run.result().model) != fingerprint(nothing.model)


@pytest.mark.parametrize("learned_step", [False, True])
@pytest.mark.parametrize(
    "changes", [{}, {"tie_embeddings": False}, {"sharing": "immediate"}, {"embed_dim": 8}], ids=str
)
def test_parametrizations_leave_a_model_that_is_trained_copied_and_generates(changes, learned_step):
    run = tiny(learned_step=learned_step, model=changes)
    originals = [p for name, p in run.trained.named_parameters() if name.endswith("original")]
    assert len(originals) == len(matrices(run.model)) and all(p.ndim == 2 for p in originals)
    before = [p.detach().clone() for p in originals]
    for _ in run:
        pass
    assert all((p != old).any() for p, old in zip(originals, before, strict=True))
    for optimizer in ("adamw", "muon"):  # of every parameter exactly once, matrices as matrices
        groups = [g for o in _optimizers(run.trained, TrainConfig(optimizer=optimizer)) for g in o.param_groups]
        moved = [id(p) for group in groups for p in group["params"]]
        assert sorted(moved) == sorted(id(p) for p in run.trained.parameters())
    tokens = run.task.batch(0, 2).tokens
    result, twin = run.result().model, copy.deepcopy(run.trained)
    assert torch.equal(twin(tokens), run.trained(tokens))
    torch.testing.assert_close(result(tokens), run.trained(tokens), atol=1e-5, rtol=1e-5)
    own, theirs = (torch.stack(list(generate(m, tokens[:, :4], 6))) for m in (result, run.trained))
    assert torch.equal(own, theirs)
    assert result.config == run.model.config and type(result.blocks[0].ffn.up) is nn.Linear


@pytest.mark.parametrize("symmetric", [True, False])
def test_learned_steps_are_saved_as_they_were_trained(symmetric, tmp_path):
    run = tiny(learned_step=True, grid=Grid(bits=4, symmetric=symmetric))
    for _ in run:
        pass
    result = run.result()
    save_quantized(result, tmp_path / "packed")
    found = load_quantized(tmp_path / "packed")
    assert fingerprint(found.model) == fingerprint(result.model) != fingerprint(run.model)
    assert all(torch.equal(found.tensors[name].scale, tensor.scale) for name, tensor in result.tensors.items())


def test_a_state_of_steps_that_were_no_logarithms_is_refused_by_name(tmp_path):
    run = tiny(learned_step=True)
    TrainState().save(tmp_path / "state", run.trained)
    TrainState.load(tmp_path / "state", run.trained)
    saved = torch.load(tmp_path / "state", weights_only=True)
    saved["model"] = {name.replace("log_step", "step"): value for name, value in saved["model"].items()}
    torch.save(saved, tmp_path / "state")
    with pytest.raises(ValueError, match=r"log_step(.|\n)*delete it"):
        TrainState.load(tmp_path / "state", run.trained)


def test_seconds_end_it():
    assert [step.progress for step in tiny(steps=10**6, seconds=1e-6)] == [1.0]


def test_only_the_chosen_layers_are_trained_through_the_grid():
    assert set(tiny(layers="ffn").result().tensors) == {"blocks.0.ffn.up.weight", "blocks.0.ffn.down.weight"}


def test_the_same_twice():
    runs = [tiny(), tiny()]
    for run in runs:
        for _ in run:
            pass
    assert fingerprint(runs[0].result().model) == fingerprint(runs[1].result().model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"layers": "norms"}, "layers='norms'"),
        ({"grid": Grid(bits=1), "learned_step": True}, "learned_step=True"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        tiny(**options)


def test_a_foreign_task_and_broken_weights_are_refused_by_name():
    run = tiny()
    with pytest.raises(ValueError, match="task stories has"):
        QATRun(run.model, make("stories"), grid=Grid())
    with torch.no_grad():
        run.model.embed.weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="embed.weight.*inf"):
        QATRun(run.model, run.task, grid=Grid())
