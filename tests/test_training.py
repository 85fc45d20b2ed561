"""Training against plain loops written with torch alone; what a step reports, and what is refused."""

import math
import time
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import IGNORE, Batch, Evaluation, evaluate, make
from mobilellm_lab.tasks.shells import Shells
from mobilellm_lab.training import TrainConfig, TrainState, constant, train, warmup_cosine

TASK = Shells(seq_len=6)
QUICK = TrainConfig(steps=6, batch_size=8, lr=5e-3)


def small_model(*, vocab_size=TASK.vocab_size, max_seq_len=12, seed=0) -> Transformer:
    shape = {"dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 40}
    return Transformer(ModelConfig(vocab_size=vocab_size, max_seq_len=max_seq_len, **shape), seed=seed)


def trained(config=QUICK, task=TASK, *, seed=0):
    """(model, steps) after the whole run."""
    ours = small_model(vocab_size=task.vocab_size, max_seq_len=max(12, task.seq_len), seed=seed)
    return ours, list(train(ours, task, config))


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Watched:
    """Shells whose batches are written down, some of whose targets ask nothing, and whose evaluation may be slow."""

    seen: list
    ignored: int = 0  # first positions of each sequence that ask nothing
    sleep_s: float = 0.0
    vocab_size: int = TASK.vocab_size
    seq_len: int = TASK.seq_len
    name: str = "watched"
    headline: str = "accuracy"

    def batch(self, index, batch_size, *, split="train", seed=0, seq_len=None):
        batch = TASK.batch(index, batch_size, split=split, seed=seed, seq_len=seq_len)
        batch.targets[:, : self.ignored] = IGNORE
        self.seen.append((index, batch_size, split, seed, seq_len))
        return Batch(batch.tokens, batch.targets)

    def evaluate(self, model, *, split="validation", batches=1, batch_size=8):
        time.sleep(self.sleep_s)
        yield Evaluation(loss_nats=1.0)

    def show(self, model):
        return ""


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_same_config_gives_the_same_run_bit_for_bit(optimizer):
    config = replace(QUICK, optimizer=optimizer)
    (a, first), (b, second) = trained(config), trained(config)
    assert [s.loss_nats for s in first] == [s.loss_nats for s in second]
    assert [s.grad_norm for s in first] == [s.grad_norm for s in second]
    assert same(weights(a), weights(b))
    assert first[-1].evaluation == second[-1].evaluation


def test_another_seed_is_another_run():
    losses = [[s.loss_nats for s in trained(replace(QUICK, seed=seed))[1]] for seed in (0, 1)]
    assert not set(losses[0]) & set(losses[1])


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    trained()
    assert torch.equal(before, torch.get_rng_state())


def reference_run(config, rates, *, lengths, decay=0.0):
    """The AdamW run again, with nothing of the loop's own: weights before each update, losses and gradient norms."""
    ours = small_model()
    matrices = [p for name, p in ours.named_parameters() if name.startswith("blocks") and p.ndim == 2]
    others = [p for name, p in ours.named_parameters() if not (name.startswith("blocks") and p.ndim == 2)]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95))
    losses, norms = [], []
    for i, (rate, length) in enumerate(zip(rates, lengths, strict=True)):
        batch = TASK.batch(i, config.batch_size, seed=config.seed, seq_len=length)
        logits = ours(batch.tokens)
        loss = -logits.log_softmax(-1).gather(-1, batch.targets[..., None]).mean()
        gradients = torch.autograd.grad(loss, list(ours.parameters()))
        norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
        for p, g in zip(ours.parameters(), gradients, strict=True):
            p.grad = g * min(1.0, config.clip / norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm)
    return weights(ours), losses, norms


@pytest.mark.parametrize(
    "changes",
    [{}, {"weight_decay": 0.3}, {"clip": 0.01}, {"clip": 1e9}, {"seed": 7}, {"batch_size": 3}],
    ids=str,
)
def test_adamw_equals_a_loop_written_by_hand(changes):
    config = replace(QUICK, optimizer="adamw", lr=lambda progress: 0.01 * (1 - progress), **changes)
    ours, steps = trained(config)
    rates = [0.01 * (1 - i / 6) for i in range(6)]
    expected, losses, norms = reference_run(config, rates, lengths=[6] * 6, decay=config.weight_decay)
    assert [s.loss_nats for s in steps] == pytest.approx(losses, rel=1e-5)
    assert [s.grad_norm for s in steps] == pytest.approx(norms, rel=1e-4)
    assert [s.lr for s in steps] == pytest.approx(rates)
    for p, q in zip(weights(ours), expected, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)
    assert max((p - q).abs().max() for p, q in zip(expected, weights(small_model()), strict=True)) > 0.01


def test_the_norm_is_reported_before_it_is_cut():
    """AdamW forgets the size of a gradient but not of epsilon: cut to 1e-12, hardly anything moves."""
    start = weights(small_model())
    rate = constant(0.01)
    (free, (loose,)), (cut, (tight,)) = (
        trained(replace(QUICK, steps=1, optimizer="adamw", lr=rate, clip=clip)) for clip in (1e9, 1e-12)
    )
    assert loose.grad_norm == tight.grad_norm > 0.1
    moved = [max((p - q).abs().max() for p, q in zip(weights(m), start, strict=True)) for m in (free, cut)]
    assert moved[0] == pytest.approx(0.01, rel=1e-2)
    assert moved[1] < 0.01 * 1e-12 / 1e-8


def test_targets_that_ask_nothing_do_not_count():
    (step,) = train(small_model(), Watched([], ignored=4), replace(QUICK, steps=1))
    batch = TASK.batch(0, 8)
    logits = small_model()(batch.tokens)[:, 4:].flatten(0, 1)
    assert step.loss_nats == pytest.approx(F.cross_entropy(logits, batch.targets[:, 4:].flatten()).item(), rel=1e-6)
    assert step.tokens == 8 * 6


def test_muon_gets_the_matrices_of_the_blocks_and_nothing_else(monkeypatch):
    given = {}
    kind = torch.optim.Muon

    def build(parameters, **options):
        given["Muon"] = list(parameters)
        return kind(given["Muon"], **options)

    monkeypatch.setattr(torch.optim, "Muon", build)
    ours, _ = trained(replace(QUICK, steps=1))
    named = {id(p): name for name, p in ours.named_parameters()}
    matrices = {n for n in named.values() if n.startswith("blocks") and "norm" not in n}
    assert {named[id(p)] for p in given["Muon"]} == matrices
    assert len(matrices) == 2 * 4
    start = small_model().state_dict()
    assert all(not torch.equal(value, start[name]) for name, value in ours.state_dict().items())  # AdamW moves the rest


def test_one_step_of_muon_turns_a_gradient_into_a_nearly_orthogonal_update():
    """AdamW's first update has all entries of one size; Muon's has all singular values of one size instead."""
    start, rate = small_model(), constant(0.01)
    steps = {}
    for optimizer in ("muon", "adamw"):
        ours, _ = trained(replace(QUICK, steps=1, lr=rate, optimizer=optimizer))
        update = (ours.blocks[0].ffn.down.weight - start.blocks[0].ffn.down.weight).detach()
        values = torch.linalg.svdvals(update)
        steps[optimizer] = (values.min() / values.max()).item()
        embedding = (ours.embed.weight - start.embed.weight).abs()
        assert embedding.max().item() == pytest.approx(0.01, rel=1e-2)  # AdamW in both
    assert steps["muon"] > 0.4
    assert steps["adamw"] < 0.2


@pytest.mark.parametrize(("optimizer", "lr"), [("muon", 0.02), ("adamw", 5e-3)])
def test_the_loss_falls_on_shells(optimizer, lr):
    _, steps = trained(TrainConfig(steps=60, batch_size=32, lr=lr, optimizer=optimizer))
    assert steps[0].loss_nats > 1.6  # guessing is ln 6 = 1.79
    assert steps[-1].loss_nats < 1.55
    assert steps[-1].evaluation.loss_nats < 1.55
    assert steps[-1].evaluation.scores["accuracy"] > 0.35  # guessing is 0.17


def test_a_stopped_run_leaves_a_model_that_works_and_equals_the_start_of_a_whole_one():
    whole = small_model()
    snapshots = [weights(whole) for _ in train(whole, TASK, QUICK)]
    for stop in (1, 4):
        ours = small_model()
        run = train(ours, TASK, QUICK)
        for _ in range(stop):
            step = next(run)
        run.close()
        assert step.step == stop and step.evaluation is None
        assert same(weights(ours), snapshots[stop - 1])
        assert math.isfinite(evaluate(TASK, ours).loss_nats)
        assert TASK.show(ours)


def test_steps_count_up_and_the_last_one_is_evaluated():
    _, steps = trained()
    assert [s.step for s in steps] == [1, 2, 3, 4, 5, 6]
    assert [s.tokens for s in steps] == [48 * n for n in range(1, 7)]
    assert [s.progress for s in steps] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 1])
    assert [s.evaluation is not None for s in steps] == [False] * 5 + [True]
    elapsed = [s.elapsed_s for s in steps]
    assert 0 < elapsed[0] and elapsed == sorted(elapsed)
    assert all(s.tokens_per_s == s.tokens / s.elapsed_s for s in steps)


def test_the_evaluation_is_of_the_model_after_the_step():
    ours, steps = trained(replace(QUICK, eval_every=3))
    assert steps[-1].evaluation == evaluate(TASK, ours)
    assert steps[2].evaluation != steps[-1].evaluation


@pytest.mark.parametrize(("every", "due"), [(0, [6]), (1, [1, 2, 3, 4, 5, 6]), (4, [4, 6]), (3, [3, 6]), (9, [6])])
def test_eval_every(every, due):
    _, steps = trained(replace(QUICK, eval_every=every))
    assert [s.step for s in steps if s.evaluation is not None] == due


def test_seconds_end_the_run_and_drive_the_schedule():
    ours, seen = small_model(), []
    config = TrainConfig(steps=10**9, seconds=0.3, batch_size=8, lr=lambda progress: seen.append(progress) or 1e-3)
    steps = list(train(ours, Watched([]), config))
    assert steps[-1].elapsed_s >= 0.3 > steps[-2].elapsed_s
    assert steps[-1].progress == 1.0 and steps[-1].evaluation is not None
    assert seen == pytest.approx([0.0] + [s.elapsed_s / 0.3 for s in steps[:-1]])


def test_evaluating_takes_no_training_time():
    start = time.perf_counter()
    *_, last = train(small_model(), Watched([], sleep_s=0.1), replace(QUICK, eval_every=1))
    whole = time.perf_counter() - start
    assert whole > 0.6
    assert last.elapsed_s < whole - 0.59


def test_the_curriculum_sets_the_length_of_every_batch():
    seen = []
    length = lambda progress: 0.01 if progress < 0.2 else 0.5 if progress < 0.6 else 7.0  # noqa: E731
    steps = list(train(small_model(), Watched(seen), replace(QUICK, length=length, seed=5)))
    assert [seq_len for *_, seq_len in seen] == [1, 1, 3, 3, 6, 6]  # never less than a token, never more than all
    assert [s.tokens for s in steps] == [8, 16, 40, 64, 112, 160]
    assert [(i, size, split, seed) for i, size, split, seed, _ in seen] == [(i, 8, "train", 5) for i in range(6)]


def test_warmup_cosine_by_hand():
    rate = warmup_cosine(0.4, warmup=0.2, floor=0.1)
    assert rate(0.0) == pytest.approx(0.4 * 0.02)  # the first update must move
    assert rate(0.05) == pytest.approx(0.1)
    assert rate(0.1) == pytest.approx(0.2)
    assert rate(0.2) == pytest.approx(0.4)
    assert rate(0.6) == pytest.approx((0.4 + 0.04) / 2)  # half-way down
    assert rate(0.4) == pytest.approx(0.04 + 0.36 * (1 + math.sqrt(0.5)) / 2)
    assert rate(1.0) == pytest.approx(0.04)
    assert warmup_cosine(1.0, warmup=0.0, floor=0.0)(0.0) == 1.0


def test_a_number_means_warmup_cosine_and_a_callable_is_used_as_it_is():
    _, steps = trained(replace(QUICK, lr=0.01))
    assert [s.lr for s in steps] == [warmup_cosine(0.01)(i / 6) for i in range(6)]
    _, steps = trained(replace(QUICK, lr=constant(3e-3)))
    assert [s.lr for s in steps] == [3e-3] * 6


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_loss_that_is_not_finite_stops_the_run_with_its_step_and_rate(optimizer):
    ours, done = small_model(), []
    with pytest.raises(
        ValueError, match=r"(loss_nats|grad_norm)=\w+ at step \d with lr=1e\+30: start over with a lower"
    ) as error:
        for step in train(ours, TASK, replace(QUICK, lr=constant(1e30), optimizer=optimizer)):
            done.append(step)
    assert 1 <= len(done) < 6
    assert f"at step {len(done) + 1} " in str(error.value)


def test_what_does_not_fit_the_model_is_refused_before_a_batch_is_made():
    seen = []
    with pytest.raises(ValueError, match=r"vocab_size=7: task watched has 6 tokens"):
        next(train(small_model(vocab_size=7), Watched(seen), QUICK))
    with pytest.raises(ValueError, match=r"max_seq_len=5: task watched has 6 positions"):
        next(train(small_model(max_seq_len=5), Watched(seen), QUICK))
    assert seen == []
    next(train(small_model(max_seq_len=6), Watched(seen), QUICK))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"batch_size": -2}, "batch_size=-2: must be at least 1"),
        ({"seconds": 0.0}, "seconds=0.0: must be positive"),
        ({"seconds": math.nan}, "seconds=nan"),
        ({"optimizer": "sgd"}, "optimizer='sgd': choose muon or adamw"),
        ({"lr": 0.0}, "lr=0.0: must be a positive number, or a schedule"),
        ({"lr": -1e-3}, "lr=-0.001"),
        ({"lr": math.inf}, "lr=inf"),
        ({"lr": math.nan}, "lr=nan"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1.*cannot be negative"),
        ({"weight_decay": math.nan}, "weight_decay=nan"),
        ({"clip": 0.0}, "clip=0.0.*clip must be positive"),
        ({"clip": math.nan}, "clip=nan"),
        ({"eval_every": -1}, "eval_every=-1"),
        ({"device": "tpu"}, "device='tpu': choose cpu, cuda or mps"),
    ],
    ids=str,
)
def test_a_config_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(QUICK, **changes)


@pytest.mark.parametrize(("name", "options"), [("shells", {}), ("stories", {}), ("text", {"seq_len": 128})])
def test_making_a_batch_costs_little_beside_a_step(name, options):
    """Stated: below 5 %. Held here to 50 %, the middle of many ratios within one process, since machines are shared."""
    task, size = make(name, **options), {"shells": 64, "stories": 32, "text": 8}[name]
    shape = {"dim": 48, "n_layers": 4, "n_heads": 4, "n_kv_heads": 4, "hidden_dim": 128}  # about 100k parameters
    ours = Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=task.seq_len, **shape))
    run = train(ours, task, TrainConfig(steps=100, batch_size=size, lr=1e-3, optimizer="adamw"))
    next(run)  # the text is read, the first block is made
    batch_s = step_s = 0.0
    for i in range(1, 9):
        start = time.process_time()
        task.batch(10**6 + i, size)  # elsewhere, so that the step finds nothing ready
        between = time.process_time()
        next(run)
        batch_s, step_s = batch_s + between - start, step_s + time.process_time() - between
    assert batch_s < 0.5 * step_s


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_run_that_was_saved_goes_on_bit_for_bit(tmp_path, optimizer):
    config = replace(QUICK, optimizer=optimizer)
    whole, steps = trained(config)
    ours, state = small_model(), TrainState()
    run = train(ours, TASK, config, state=state)
    first = [next(run) for _ in range(3)]
    state.save(tmp_path / "run.pt", ours)
    next(run)  # what happened after the last save is made again
    other = small_model(seed=1)
    rest = list(train(other, TASK, config, state=TrainState.load(tmp_path / "run.pt", other)))
    assert [(s.step, s.loss_nats, s.tokens) for s in first + rest] == [(s.step, s.loss_nats, s.tokens) for s in steps]
    assert rest[0].elapsed_s > first[-1].elapsed_s
    assert same(weights(other), weights(whole))


def test_a_damaged_or_foreign_state_is_refused_by_name(tmp_path):
    path, ours, state = tmp_path / "run.pt", small_model(), TrainState()
    next(train(ours, TASK, QUICK, state=state))
    state.save(path, ours)
    with pytest.raises(ValueError, match=r"embed.weight is .*, the model's is .*delete it"):
        TrainState.load(path, small_model(vocab_size=9))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="Cannot resume from .*run.pt"):
        TrainState.load(path, ours)


def test_no_flipped_bit_changes_what_is_loaded(tmp_path):
    path, ours, state = tmp_path / "run.pt", small_model(), TrainState()
    next(train(ours, TASK, QUICK, state=state))
    state.save(path, ours)
    whole, refused = path.read_bytes(), 0
    for place in range(11, 8 * len(whole), 8 * len(whole) // 150):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            loaded = TrainState.load(path, other := small_model(seed=1))
        except ValueError as error:
            assert "Cannot resume from" in str(error)
            refused += 1
        else:  # between two entries of the archive
            assert same(weights(other), weights(ours))
            assert (loaded.step, loaded.tokens, loaded.elapsed_s) == (state.step, state.tokens, state.elapsed_s)
    assert refused > 100


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved["counts"].update(step=-1),
        lambda saved: saved["counts"].update(step="three"),
        lambda saved: saved["counts"].update(elapsed_s=math.nan),
        lambda saved: saved["model"].update(dict.fromkeys(saved["model"], torch.zeros(1))),
        lambda saved: saved["model"].update({name: value.half() for name, value in saved["model"].items()}),
        lambda saved: saved.pop("optimizers"),
    ],
    ids=["negative", "text", "no number", "shapes", "types", "no moments"],
)
def test_a_state_with_wrong_contents_is_refused(tmp_path, change):
    path, ours, state = tmp_path / "run.pt", small_model(), TrainState()
    next(train(ours, TASK, QUICK, state=state))
    state.save(path, ours)
    saved = torch.load(path, weights_only=True)
    change(saved)
    torch.save(saved, path)
    with pytest.raises(ValueError, match="Cannot resume from .*run.pt"):
        TrainState.load(path, small_model())


def test_moments_of_another_model_are_refused(tmp_path):
    ours, state = small_model(), TrainState()
    next(train(ours, TASK, QUICK, state=state))
    muon, adamw = (optimizer.state_dict() for optimizer in state.optimizers)
    state.moments = [muon, {"moments": [torch.zeros(1) for _ in adamw["moments"]]}]
    with pytest.raises(ValueError, match="moments are of another model"):
        next(train(ours, TASK, QUICK, state=state))


def test_the_moments_of_a_weight_are_what_its_next_update_reads():
    ours, state = small_model(), TrainState()
    assert state.moments_of(ours.embed.weight) == ()
    run = train(ours, TASK, replace(QUICK, optimizer="adamw", weight_decay=0.0), state=state)
    next(run)
    for p in ours.parameters():
        first, second = state.moments_of(p)
        torch.testing.assert_close((first, second), (0.1 * p.grad, 0.05 * p.grad**2))  # beta1 = 0.9, beta2 = 0.95
    w = ours.blocks[0].ffn.down.weight
    w.register_hook(torch.zeros_like)
    for moment in state.moments_of(w):
        moment.zero_()
    before = w.detach().clone()
    next(run)
    assert torch.equal(w, before)


def test_muon_has_no_such_moments():
    ours, state = small_model(), TrainState()
    next(train(ours, TASK, replace(QUICK, optimizer="muon"), state=state))
    assert state.moments_of(ours.blocks[0].ffn.down.weight) == () and len(state.moments_of(ours.embed.weight)) == 2
