"""What the sliders of chapter 2 stand for: shapes, training, results held against formulas."""

import math
import time
from dataclasses import replace

import pytest
import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow import DEFAULTS, Recipe, Run, recipe
from mobilellm_lab.deep_narrow.recipe import LONGER
from mobilellm_lab.measuring import decode_throughput
from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import NAMES, evaluate
from mobilellm_lab.training import train, warmup_cosine

TINY = Recipe(hold="width", width=16, depth=2, steps=2)


@pytest.fixture(scope="module")
def cooked() -> Run:
    """A tiny run of two steps."""
    run = Run(TINY)
    for _ in run:
        pass
    return run


def test_every_task_has_its_defaults():
    assert set(DEFAULTS) == set(NAMES)


@pytest.mark.parametrize("task", NAMES)
def test_the_default_recipe_of_each_task_trains(task):
    run, defaults = Run(Recipe(task=task)), DEFAULTS[task]
    batch, config = run.task.batch(0, 4), run.recipe.train_config()
    assert run.model.config.max_seq_len == LONGER * run.task.seq_len
    assert (config.steps, config.batch_size, config.seconds) == (defaults.steps, defaults.batch_size, math.inf)
    assert run.model(batch.tokens).shape == (4, run.task.seq_len, run.task.vocab_size)
    step = next(iter(run))
    assert run.last is step and step.evaluation is None
    length = round(defaults.start_length * run.task.seq_len)  # the curriculum starts short
    assert step.tokens == length * defaults.batch_size and length < run.task.seq_len
    assert abs(step.loss_nats - math.log(run.task.vocab_size)) < 1.5  # a new model knows nothing


@pytest.mark.parametrize("task", NAMES)
def test_the_curriculum_starts_short_and_is_whole_before_the_end(task):
    length, defaults = Recipe(task=task).train_config().length, DEFAULTS[task]
    assert length(0.0) == defaults.start_length < 1
    assert length(defaults.full_length_at / 2) == pytest.approx((1 + defaults.start_length) / 2)
    assert length(defaults.full_length_at) == pytest.approx(1)
    assert length(1.0) == 1.0
    assert defaults.full_length_at < 1


def test_zeros_mean_the_defaults_and_numbers_themselves():
    config = Recipe(steps=7, seconds=1.5, lr=2e-3, seed=4).train_config()
    assert (config.steps, config.seconds, config.seed) == (7, 1.5, 4)
    assert [config.lr(p) for p in (0.0, 0.3, 1.0)] == [warmup_cosine(2e-3)(p) for p in (0.0, 0.3, 1.0)]
    assert Recipe().train_config().lr(0.3) == warmup_cosine(DEFAULTS["shells"].lr)(0.3)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 8, 12, 16])
@pytest.mark.parametrize("budget", [60_000, 200_000])
def test_holding_the_budget_solves_for_the_width(depth, budget):
    recipe = Recipe(depth=depth, budget=budget, width=999)
    config = recipe.model_config(recipe.make_task())
    assert config.n_layers == depth
    assert abs(footprint.parameters(config) - budget) <= zoo.TOLERANCE * budget
    assert config == zoo.solve(budget, depth, vocab_size=6, n_heads=4, n_kv_heads=4, max_seq_len=24)


@pytest.mark.parametrize(("ffn", "hidden_dim"), [("swiglu", 88), ("relu", 128)])
def test_a_free_width_is_taken_as_it_is(ffn, hidden_dim):
    recipe = Recipe(hold="width", width=32, ffn=ffn, budget=1)
    config = recipe.model_config(recipe.make_task())
    assert (config.dim, config.hidden_dim) == (32, hidden_dim)  # 8/3 and 4 times the width, in eights


@pytest.mark.parametrize(
    "changes",
    [
        {"n_heads": 2, "n_kv_heads": 1},
        {"embed_dim": 8},
        {"tie_embeddings": False},
        {"sharing": "immediate"},
        {"ffn": "relu"},
        {"depth": 3},
        {"width": 24},
    ],
    ids=str,
)
def test_every_slider_reaches_the_model_and_its_cost(changes):
    run, plain = Run(replace(TINY, **changes)), Run(TINY)
    for name, value in changes.items():
        assert getattr(run.model.config, {"depth": "n_layers", "width": "dim"}.get(name, name)) == value
    counted = sum(p.numel() for p in run.model.parameters())
    assert counted == footprint.parameters(run.model.config)
    same = "sharing" in changes  # blocks that run twice are stored once
    assert (counted == footprint.parameters(plain.model.config)) == same


def test_the_seed_is_of_weights_and_data():
    runs = [Run(replace(TINY, seed=seed)) for seed in (0, 0, 1)]
    assert torch.equal(runs[0].model.embed.weight, runs[1].model.embed.weight)
    assert not torch.equal(runs[0].model.embed.weight, runs[2].model.embed.weight)
    losses = [[step.loss_nats for step in run] for run in runs]
    assert losses[0] == losses[1]
    assert not set(losses[0]) & set(losses[2])
    assert runs[2].recipe.train_config().seed == 1


def test_a_run_is_the_training_of_its_recipe(cooked):
    model = Transformer(TINY.model_config(cooked.task), seed=0)
    *_, step = train(model, cooked.task, TINY.train_config())
    assert step.loss_nats == cooked.last.loss_nats
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), cooked.model.parameters(), strict=True))


@pytest.mark.parametrize("task", NAMES)
def test_a_watched_run_keeps_scores_of_full_length_and_trains_as_before(task):
    run, plain = Run(replace(TINY, task=task, steps=3), watch=1e-9), Run(replace(TINY, task=task, steps=3))
    assert [step.loss_nats for step in run] == [step.loss_nats for step in plain]
    assert [step.step for step, _ in run.scores] == [1, 2, 3] and plain.scores == []  # two at once, and the last
    seen, evaluation = run.held_out(), evaluate(run.task, run.model, batches=1, batch_size=recipe.WATCHED[task])
    assert run.scores[-1][1] == seen == evaluation.scores[run.task.headline]


def test_looking_takes_no_more_than_its_share_of_the_time(monkeypatch):
    monkeypatch.setattr(Run, "held_out", lambda run: time.sleep(0.05) or 0.5)
    run = Run(replace(TINY, steps=1_000_000, seconds=1.0), watch=0.1)
    for _ in run:
        pass
    assert 3 <= len(run.scores) <= 6  # two at the start, two for each second, one at the end


def test_evaluations_come_as_often_as_asked():
    due = [step.step for step in Run(replace(TINY, steps=5), eval_every=2) if step.evaluation is not None]
    assert due == [2, 4, 5]


def test_a_result_sets_formulas_and_measurements_side_by_side(cooked):
    result, config = cooked.result(), cooked.model.config
    assert result.recipe == TINY and result.config == config
    assert result.parameters == footprint.parameters(config)
    assert result.flops_per_token == footprint.flops_per_token(config, context=12)
    assert result.kv_bytes_per_token == footprint.kv_bytes_per_token(config) == 2 * 2 * 16 * 2  # k and v, layers, bytes
    assert (result.steps, result.train_s) == (2, cooked.last.elapsed_s)
    assert result.train_tokens_per_s == cooked.last.tokens / cooked.last.elapsed_s
    assert result.decode_per_s.items == 12 and result.decode_per_s.unit == "tokens"
    assert 0 < result.decode_per_s.p10_per_s <= result.decode_per_s.median_per_s <= result.decode_per_s.p90_per_s
    assert result.headline == "accuracy" and result.score == result.scores["accuracy"]


def test_it_decodes_laid_out_for_it_and_stays_as_it_was_trained(cooked, monkeypatch):
    by_rows = []

    def timed(model, *, length):
        by_rows.append(model.blocks[0].ffn.up.weight.is_contiguous())
        return decode_throughput(model, length=length)

    monkeypatch.setattr(recipe, "decode_throughput", timed)
    cooked.result()
    assert by_rows == [False] and all(p.is_contiguous() for p in cooked.model.parameters())


def test_quality_is_that_on_test_sequences_and_on_longer_ones(cooked):
    result = cooked.result(measure_decode=False)
    assert result.decode_per_s is None
    test = evaluate(cooked.task, cooked.model, split="test")
    longer = evaluate(cooked.task, cooked.model, split="test", seq_len=24, skip=12)
    assert (result.loss_nats, result.floor_nats) == (test.loss_nats, 0.0)
    assert result.scores == {**test.scores, "accuracy beyond the trained length": longer.scores["accuracy"]}
    assert result.loss_nats != evaluate(cooked.task, cooked.model).loss_nats  # validation is another matter


def test_asking_for_a_result_changes_nothing(cooked):
    before = [p.clone() for p in cooked.model.parameters()]
    first, again = (cooked.result(measure_decode=False) for _ in range(2))
    assert first == again
    assert all(torch.equal(p, q) for p, q in zip(before, cooked.model.parameters(), strict=True))


def test_a_stopped_run_has_a_result():
    run = Run(replace(TINY, steps=100))
    for step in run:
        if step.step == 3:
            break
    result = run.result(measure_decode=False)
    assert result.steps == 3 and math.isfinite(result.loss_nats)
    assert run.answers()


def test_no_step_no_result():
    with pytest.raises(ValueError, match="steps=0 done: iterate over the run before"):
        Run(TINY).result()


def test_seconds_end_the_training():
    run = Run(replace(TINY, steps=10**6, seconds=0.2))
    steps = list(run)
    assert steps[-1].elapsed_s >= 0.2 > steps[-2].elapsed_s
    assert run.result(measure_decode=False).steps == len(steps) < 10**6


def test_hold_out_reaches_the_task_and_its_scores():
    run = Run(replace(TINY, hold_out=True, steps=1))
    assert run.task.hold_out and not Run(TINY).task.hold_out
    for _ in run:
        pass
    assert "accuracy at unseen pairs" in run.result(measure_decode=False).scores


def test_answers_are_the_models_own(cooked):
    lines = cooked.answers().splitlines()
    assert lines[0] == "move  cups  model" and len(lines) == 13
    assert cooked.answers() == cooked.task.show(cooked.model)


def test_decoding_is_timed_over_the_length_asked_for(cooked):
    speed = decode_throughput(cooked.model, length=5)
    assert speed.items == 5 and speed.latency.runs >= 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "poems"}, "task='poems': choose one of shells, stories, text"),
        ({"hold": "depth"}, "hold='depth': choose one of budget, width"),
        ({"steps": -1}, "steps=-1: must be positive, or 0 for the default"),
        ({"seconds": -0.5}, "seconds=-0.5: must be positive, or 0"),
        ({"seconds": math.inf}, "seconds=inf"),
        ({"lr": math.nan}, "lr=nan: must be positive, or 0"),
        ({"lr": -1e-3}, "lr=-0.001"),
        ({"task": "text", "hold_out": True}, "hold_out=True with task='text': only shells"),
        ({"task": "stories", "hold_out": True}, "hold_out=True with task='stories': only shells"),
    ],
    ids=str,
)
def test_what_no_slider_gives_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 0}, "n_layers=0: must be at least 1"),
        ({"budget": 500}, "budget=500 parameters at n_layers=4: no width fits.*the smallest budget that does is"),
        ({"n_kv_heads": 3}, "n_kv_heads=3 does not divide n_heads=4"),
        ({"embed_dim": -2}, "embed_dim=-2"),
        ({"sharing": "all"}, "sharing='all'"),
        ({"hold": "width", "width": 0}, "dim=0: must be at least 1"),
        ({"hold": "width", "width": 33}, "n_heads=4 does not divide dim=33"),
    ],
    ids=str,
)
def test_a_shape_that_cannot_be_is_refused_before_anything_is_trained(changes, message):
    with pytest.raises(ValueError, match=message):
        Run(Recipe(**changes))
