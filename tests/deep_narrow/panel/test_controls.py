"""Chapter 2's panel: every value of every control, joint settings, and both buttons, each with an eye on its result."""

import math
import multiprocessing
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from live.panel_harness import HANG_S, choices, each_value, press, press_and_stop, shared_panel, turn, until

from mobilellm_lab import checkpoints, footprint
from mobilellm_lab.deep_narrow import Recipe, Result, Run
from mobilellm_lab.deep_narrow.family import WORKERS, Report
from mobilellm_lab.deep_narrow.panel import deep_narrow_panel, jobs
from mobilellm_lab.deep_narrow.panel.controls import FIVE, DeepNarrow
from mobilellm_lab.deep_narrow.panel.jobs import NO_LAYERS, Family, Session, file_name, guessing
from mobilellm_lab.own_models import VARIABLE, own_models
from mobilellm_lab.tasks import NAMES
from mobilellm_lab.workers import WorkerLostError

STEPS = 2  # the fewest that draw a curve


make = partial(deep_narrow_panel, steps=STEPS)
panel = shared_panel(make)


def run(panel: DeepNarrow) -> Result:
    """The result of pressing Run, once it is known to fit what the panel promised."""
    preview, recipe = panel.preview.value, panel.recipe
    result = press(panel)
    assert result.recipe == recipe
    assert f"{result.parameters:,} parameters" in preview
    if recipe.hold == "budget":
        assert result.parameters == pytest.approx(recipe.budget, rel=0.02)
    else:
        assert result.config.dim == recipe.width
    assert result.parameters == footprint.parameters(result.config)
    assert result.config.n_layers == recipe.depth
    assert math.isfinite(result.loss_nats)
    assert result.steps == STEPS
    assert result.decode_per_s.median_per_s > 0
    assert panel.history[-1] is result
    return result


@pytest.fixture(scope="module")
def base() -> Result:
    return run(make())


@each_value(make(), but=["limit"])
def test_every_value_of_every_control_alone(panel, base, name, value):
    panel.controls[name].value = value
    if name == "width":
        panel.controls["hold"].value = "width"
    result, before = run(panel), base.config
    config = result.config
    cost = (result.parameters, result.flops_per_token, result.kv_bytes_per_token)
    usual = (base.parameters, base.flops_per_token, base.kv_bytes_per_token)
    if name != "width" and result.recipe == base.recipe:
        assert cost == usual
        assert result.loss_nats == base.loss_nats  # the same recipe, to the last bit
    elif name == "depth":
        assert (config.dim - before.dim) * (value - before.n_layers) <= 0  # deeper is not wider
        assert result.loss_nats != base.loss_nats
    elif name == "budget":
        assert (config.dim - before.dim) * (value - base.recipe.budget) > 0
    elif name in ("hold", "width"):
        assert config.dim == (value if name == "width" else base.recipe.width)
    elif name == "n_heads":
        assert config.n_heads == config.n_kv_heads == value  # multi-head stays multi-head
    elif name == "n_kv_heads":
        assert result.kv_bytes_per_token / config.head_dim == pytest.approx(
            usual[2] / before.head_dim * value / before.n_kv_heads
        )
    elif name == "sharing":
        assert result.parameters == base.parameters
        assert result.kv_bytes_per_token == 2 * base.kv_bytes_per_token
        assert 1.9 * base.flops_per_token < result.flops_per_token < 2 * base.flops_per_token
    elif name == "tie_embeddings":
        assert not config.tie_embeddings
        embedding = footprint.parameters_by_part(config)["embedding"]
        assert embedding == 2 * config.vocab_size * config.dim
    elif name == "embed_dim":
        assert config.embed_dim == value
        if value != config.dim:
            part = footprint.parameters_by_part(config)["embedding"]
            assert part == value * (config.vocab_size + 2 * config.dim)
    elif name == "ffn":
        assert config.ffn == "relu"
        assert config.hidden_dim > before.hidden_dim  # two matrices instead of three leave room
    elif name == "task":
        assert result.config.vocab_size != before.vocab_size
        assert panel.recipe.task == value
    else:  # learning rate and seed: the same shape, other numbers
        assert name in ("lr", "seed")
        assert cost == usual
        assert (result.loss_nats == base.loss_nats) == (value == base.recipe.defaults.lr)


def test_every_limit_is_a_recipe_and_the_clock_stops_a_run():
    panel = deep_narrow_panel()
    limits = choices(panel, "limit")
    assert len(limits) == 9
    for limit in limits:
        panel.controls["limit"].value = limit
        assert (panel.recipe.steps, panel.recipe.seconds) == limit
    panel = deep_narrow_panel(depth=1, budget=30_000, seconds=0.4)
    result = press(panel)
    assert 0.4 <= result.train_s
    assert result.steps > STEPS
    assert "seconds of training" in panel.chart.value


@pytest.mark.parametrize("number", range(12))
def test_joint_settings(panel, number):
    draw = Random(number)
    turn(panel, draw, but=["limit"])
    panel.controls["depth"].value = draw.choice([1, 2, 3])  # time: the big ones are tested alone
    panel.controls["budget"].value = draw.choice([30_000, 60_000, 100_000])
    panel.controls["width"].value = draw.choice([16, 32, 48])
    result = run(panel)
    assert result.config.n_heads % result.config.n_kv_heads == 0
    assert result.kv_bytes_per_token == footprint.kv_bytes_per_token(result.config)
    assert result.scores[result.headline] >= 0


def test_an_impossible_budget_says_so_in_words_and_cannot_be_run():
    panel = deep_narrow_panel(task="text", budget=100_000, depth=16)
    assert not panel.buttons["Run"].disabled
    panel = deep_narrow_panel(budget=5_000, depth=2)
    panel.controls["depth"].value = 16
    assert "budget=5000" in panel.preview.value
    assert "smallest budget that does" in panel.preview.value
    assert panel.buttons["Run"].disabled
    assert panel.buttons[FIVE].disabled
    panel.controls["depth"].value = 2
    assert not panel.buttons["Run"].disabled


def test_the_control_that_does_not_count_is_hidden_and_kv_heads_follow_heads(panel):
    assert panel.controls["width"].layout.display == "none"
    panel.controls["hold"].value = "width"
    assert panel.controls["budget"].layout.display == "none"
    assert panel.controls["width"].layout.display == ""
    panel.controls["n_heads"].value = 8
    panel.controls["n_kv_heads"].value = 2
    panel.controls["n_heads"].value = 4
    assert choices(panel, "n_kv_heads") == [1, 2, 4]
    assert panel.controls["n_kv_heads"].value == 2  # grouped stays grouped
    panel.controls["n_heads"].value = 1
    assert choices(panel, "n_kv_heads") == [1]


def test_the_held_out_score_is_drawn_first_from_0_to_1_and_the_loss_second():
    """The loss rises while the sequences grow; the score at full length says what was learned."""
    panel = make()
    run(panel)
    score, loss = panel.chart.value.split("</svg>")[:2]
    assert "accuracy on held-out sequences, full length" in score and "guessing 0.167" in score
    assert ">1</text>" in score and ">0</text>" in score
    assert "training loss (nats)" in loss and "best possible 0" in loss
    assert "(guessing 0.167)" in panel.status.value


@pytest.mark.parametrize("task", NAMES)
def test_guessing_stands_beside_every_score(task):
    panel = make(task=task, depth=1)
    result = run(panel)
    assert all(f"on test; guessing {guessing(task, name):.3g}" in panel.numbers.value for name in result.scores)
    assert "guessing" in panel.chart.value.split("</svg>")[0]
    assert "guessing" in panel.report.value.split("</svg>")[0]  # in the picture of quality by depth
    assert f"<td>{guessing(task, result.headline):.3g}</td>" in panel.report.value


def test_a_guess_is_one_of_the_possible_answers():
    tasks = {name: Recipe(task=name).make_task() for name in NAMES}
    assert guessing("shells", "accuracy") == 1 / tasks["shells"].vocab_size
    assert guessing("stories", "two-hop") == 1 / tasks["stories"].rooms
    assert guessing("text", "accuracy") == 1 / tasks["text"].vocab_size
    assert guessing("text", "bits_per_byte") == math.log2(tasks["text"].vocab_size)


def test_a_run_shows_its_numbers_answers_point_and_history():
    panel = make(reference=lambda recipe: [(1, 0.2), (4, 0.3), (4, 0.5)])
    result = run(panel)
    assert f"{result.parameters:,}" in panel.numbers.value
    assert "tokens/s (p10" in panel.numbers.value
    assert "best possible 0" in panel.numbers.value
    assert "move  cups  model" in panel.report.value
    assert f"depth 4: {result.score:.3f}" in panel.report.value
    assert "<polygon" in panel.report.value
    panel.controls["depth"].value = 2
    run(panel)
    assert panel.report.value.index("2. shells, depth 2") < panel.report.value.index("1. shells, depth 4")
    assert "1. depth 4" in panel.chart.value  # the curve before stays, for comparison
    assert panel.chart.value.count('class="curve"') == 4  # score and loss of both


def test_only_runs_of_the_same_task_and_size_share_a_plot():
    panel = make(depth=2, budget=30_000)
    run(panel)
    panel.controls["task"].value = "stories"
    run(panel)
    assert panel.report.value.count('class="point') == 1


def test_without_a_reference_of_ones_own_the_repositorys_sweep_is_asked():
    panel = deep_narrow_panel()
    rows = panel.session.reference(panel.recipe)
    assert all(1 <= depth <= 32 and 0 <= score <= 1 for depth, score, *_ in rows)


def test_a_stopped_run_keeps_what_it_had():
    panel = make(depth=1, budget=30_000, steps=100_000)
    press_and_stop(panel, once=lambda: panel.bar.value > 0)
    result = panel.result
    assert 0 < result.steps < 100_000
    assert math.isfinite(result.loss_nats)
    assert "stopped" in panel.status.value
    assert len(panel.history) == 1


def test_a_trained_model_is_kept_and_found_in_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    panel = make(budget=30_000, hold_out=True)
    assert panel.keep_button.disabled
    names = ["shells-depth-4-30k-2-steps", "shells-depth-4-30k-2-steps-2"]
    for name in names:
        run(panel)
        assert not panel.keep_button.disabled
        panel.keep_button.click()
        assert str(tmp_path / name) in panel.kept.value and panel.keep_button.disabled
    assert list(own_models()) == names[::-1]
    found = checkpoints.load(tmp_path / names[0])
    assert found.fingerprint == checkpoints.fingerprint(panel.job.run.model)  # the same recipe, twice
    assert found.task == {"name": "shells", "options": {"hold_out": True}}


def test_a_folder_that_cannot_be_written_is_said_and_the_model_can_still_be_kept(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    panel = make(budget=30_000, task="text")
    run(panel)
    panel.keep_button.click()
    assert "Cannot keep the model in" in panel.kept.value and 'role="alert"' in panel.kept.value
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models"))
    panel.keep_button.click()
    (place,) = own_models().values()
    assert len(checkpoints.load(place).vocabulary) == panel.result.config.vocab_size


def test_only_a_finished_run_of_one_model_can_be_kept():
    panel = make(budget=30_000, steps=100_000)
    press_and_stop(panel, once=lambda: panel.bar.value > 0)
    assert not panel.keep_button.disabled
    panel.run()
    until(lambda: panel.bar.value > 0)
    assert panel.keep_button.disabled and panel.running
    panel.stop()
    assert panel.wait(HANG_S)
    press_and_stop(panel, FIVE, once=lambda: "waits" in panel.status.value)
    assert panel.keep_button.disabled


def test_a_long_number_makes_no_hole_in_a_name():
    assert file_name(Recipe(budget=1_000_000, n_kv_heads=2)) == "shells-depth-4-1000k-4-2-heads"


def test_five_depths_train_in_processes_and_leave_none_behind():
    panel = make(budget=30_000, n_heads=2, n_kv_heads=2)
    before = set(multiprocessing.active_children())
    results = press(panel, FIVE)
    assert [r.recipe.depth for r in results] == [1, 2, 4, 8, 12]
    assert all(r.recipe == replace(panel.recipe, depth=r.recipe.depth) for r in results)
    assert all(r.parameters == pytest.approx(30_000, rel=0.02) for r in results)
    assert sorted(panel.history, key=lambda r: r.recipe.depth) == results
    assert panel.report.value.count('class="point') == 5
    assert panel.chart.value.count("</svg>") == 2 and "guessing" in panel.chart.value
    until(lambda: not set(multiprocessing.active_children()) - before)


def test_stop_ends_the_processes():
    panel = make(budget=30_000, steps=100_000)
    before = set(multiprocessing.active_children())

    def children() -> set:
        return set(multiprocessing.active_children()) - before

    press_and_stop(panel, FIVE, once=lambda: children() and "waits" in panel.status.value)
    assert panel.result == []
    assert "depth 12 not finished" in panel.status.value
    until(lambda: not children())


def news(recipe: Recipe, progress: float, elapsed_s: float, result: Result | None = None) -> Report:
    return Report(
        recipe=recipe, step=1, loss_nats=1.0, score=0.5, progress=progress, elapsed_s=elapsed_s, result=result
    )


def test_shallow_depths_start_first_and_finished_ones_are_kept_when_stopped(monkeypatch):
    asked, finished = [], Run(Recipe(depth=1, steps=1, hold="width", width=16))
    for _ in finished:
        pass
    result = finished.result()

    def train(recipes):
        asked.extend(recipes)
        while True:
            yield [news(recipes[0], 1.0, 2.0, result), news(recipes[1], 0.5, 2.0)]

    monkeypatch.setattr(jobs, "train_family", train)
    panel = make(budget=30_000)
    press_and_stop(panel, FIVE, once=lambda: "left" in panel.status.value)
    assert [recipe.depth for recipe in asked] == [1, 2, 4, 8, 12]
    assert panel.result == panel.history == [result]
    assert f"depth 1 {0.5:.3f} · depth 2 not finished" in panel.status.value


def test_the_time_left_follows_from_the_first_steps():
    """Two workers; half of the progress is less than half of the work, as the sequences grow."""
    family = Family(Session(lambda recipe: []), Recipe(budget=30_000))
    assert family.left_s() == 0 and "left" not in family.status()
    for recipe in family.recipes[:2]:
        family.newest[recipe] = news(recipe, 0.5, 10.0)
    done, whole = 0.5 * (0.2 + 0.7) / 2, 0.8 * (0.2 + 1) / 2 + 0.2  # under the curriculum: 0.2 to 1 at 0.8 of the run
    whole_s = 10 * whole / done
    assert family._whole_s(family.newest[family.recipes[0]]) == pytest.approx(whole_s, rel=0.05)
    waiting = [whole_s / (2 + NO_LAYERS) * (depth + NO_LAYERS) for depth in (4, 8, 12)]
    alone = whole_s - 10 + waiting[0] + waiting[2]  # the worker that takes depths 4 and 12
    if WORKERS == 2:
        assert family.left_s() == pytest.approx(max(alone, whole_s - 10 + waiting[1]), rel=0.05)
    assert "s left" in family.status()


def test_a_lost_worker_is_named_with_the_depths_that_it_leaves(monkeypatch):
    def train(recipes):
        yield [news(recipes[0], 0.5, 1.0)]
        raise WorkerLostError("a worker process was killed, most likely because memory ran out: do less")

    monkeypatch.setattr(jobs, "train_family", train)
    panel = make(budget=30_000)
    panel.run(FIVE)
    with pytest.raises(WorkerLostError, match="memory"):
        panel.result  # noqa: B018
    assert "Not trained: depth 1, 2, 4, 8, 12; what was finished is kept" in panel.status.value
    assert 'role="alert"' in panel.status.value
