"""Chapter 3's panel: every value of every control, joint settings, and both buttons, each with an eye on its result."""

import math
import re
import shutil
import time
from dataclasses import replace
from random import Random

import pytest
from live.panel_harness import choices, press, press_and_stop, shared_panel, turn

from mobilellm_lab import checkpoints
from mobilellm_lab.deep_narrow.panel import deep_narrow_panel
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.own_models import VARIABLE, own_models
from mobilellm_lab.quantization.grid import TENSOR
from mobilellm_lab.quantization.panel import quantization_panel
from mobilellm_lab.quantization.panel.controls import NAMES, TRAIN, Quantization
from mobilellm_lab.quantization.panel.jobs import Rounding, Training, settling
from mobilellm_lab.quantization.panel.labels import grid_words, label, short, trained_label
from mobilellm_lab.quantization.panel.shown import QuantizedEntry
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store

OWN = FOLDER / "student-tiny"  # small, so that a run takes a tenth of a second
WIDGETS_ONLY = ("seconds", "learned_step", "matrix", "tokens", "model")  # looked at in tests of their own


def make(**options) -> Quantization:
    """A panel that starts with the small model at 4 bits, and trains for a third of a second."""
    return quantization_panel(checkpoint=OWN, **{"bits": 4, "seconds": 0.3} | options)


panel = shared_panel(make)


def run(panel: Quantization) -> QuantizedEntry:
    """The result of pressing Run, once it is known to fit what the panel promised."""
    preview, recipe = panel.preview.value, panel.recipe
    entry = press(panel)
    assert entry is panel.history[-1] and entry.model == recipe.model
    assert math.isfinite(entry.evaluation.loss_nats) and 0 <= entry.evaluation.agreement <= 1
    if not recipe.rotate:  # whose output layer becomes a matrix of its own
        kib = re.search(r"([\d.,]+) KiB by formula", preview)[1]
        assert float(kib.replace(",", "")) == pytest.approx(entry.theory.bytes / 1024, rel=0.01)
    assert entry.theory.bytes < entry.on_disk.bytes
    assert entry.per_s > 0 and entry.float_per_s > 0
    for number in (
        f"{entry.evaluation.perplexity:.3g}",
        f"{entry.loss_increase_nats:+.4f} over float",
        "unpacked at every use",
    ):
        assert number in panel.numbers.value
    assert panel.chart.value.count('class="curve"') == 2  # rounded and float
    return entry


@pytest.fixture(scope="module")
def base() -> QuantizedEntry:
    return run(make())


def turns(panel: Quantization) -> list[tuple]:
    """Every value of every control but where it stands, which `base` and all the others run; where it counts, too."""
    return [
        (name, value)
        for name, control in panel.controls.items()
        if name not in WIDGETS_ONLY
        for value in choices(panel, name)
        if value != control.value or name in ("activation", "ranges", "data")
    ]


def test_the_same_recipe_gives_the_same_to_the_last_bit(panel, base):
    entry = run(panel)
    assert all(getattr(entry, name) == getattr(base, name) for name in ("evaluation", "on_disk", "theory"))


@pytest.mark.parametrize(("name", "value"), turns(make()), ids=str)
def test_every_value_of_every_control_alone(panel, base, name, value):
    panel.controls[name].value = value
    if name in ("activation", "ranges", "data"):  # they count where activations are rounded, from data
        panel.controls["activation_bits"].value = 8
        panel.controls["activation"].value = value if name == "activation" else "static"
    entry, recipe = run(panel), panel.recipe
    size, usual_size = entry.theory.bytes, base.theory.bytes
    if name in ("activation", "ranges", "data"):
        assert getattr(recipe, name) == value and size == usual_size
        assert abs(entry.loss_increase_nats) < 0.2  # eight bits hurt little, whatever was seen before
        assert f"activations 8 bits {'dynamic' if value == 'dynamic' else 'static'}" in entry.label
    elif name == "bits":
        assert (size - usual_size) * (value - 4) > 0
        assert entry.bits_per_weight == pytest.approx(value if value == FLOAT else value + 0.55, abs=0.2)
        assert (entry.loss_increase_nats < base.loss_increase_nats) == (value > 4)
    elif name == "group_size":
        assert (size - usual_size) * (recipe.group_size - 32) <= 0 or value <= 0
        assert entry.loss_increase_nats != base.loss_increase_nats
        assert entry.bits_per_weight < base.bits_per_weight or 0 < value < 32
    elif name == "symmetric":
        assert size > usual_size and "affine" in entry.label  # zeros take room
    elif name == "method":
        assert size == usual_size and entry.loss_increase_nats != base.loss_increase_nats
        assert entry.loss_increase_nats < base.loss_increase_nats + 0.01  # none is much worse than to nearest
    elif name == "layers":
        assert usual_size < size < panel.session.start(recipe.model, 8192).on_disk.bytes
        assert f"{value} only" in entry.label and entry.loss_increase_nats < base.loss_increase_nats
    elif name == "activation_bits":
        assert size == usual_size and (entry.loss_increase_nats > base.loss_increase_nats + 0.01) == (value == 4)
    elif name == "kv_bits":
        assert (
            size == usual_size
            and entry.loss_increase_nats != base.loss_increase_nats
            and f"cache {value} bits" in entry.label
        )
    elif name == "planted":
        assert f"outliers in {value}" in entry.label
        # Whole rows that are larger have scales of their own, so that nothing changes; one for the matrix is spoilt.
        assert (entry.evaluation == base.evaluation) == (value == "weights")
        panel.controls["group_size"].value = TENSOR
        spoilt = run(panel).loss_increase_nats
        panel.controls["planted"].value = "none"
        assert spoilt > run(panel).loss_increase_nats + 0.1
    else:
        assert name == "rotate" and entry.loss_increase_nats != base.loss_increase_nats and "rotated" in entry.label
        assert size > usual_size  # the tied table has become two


@pytest.mark.parametrize("number", range(6))
def test_joint_settings(panel, number):
    turn(panel, Random(number), but=WIDGETS_ONLY)
    if panel.buttons["Run"].disabled:
        assert "symmetric=False" in panel.preview.value
        panel.controls["symmetric"].value = True
    entry = run(panel)
    assert panel.report.value.index(entry.label) > 0


@pytest.mark.parametrize("model", NAMES)
def test_every_model_is_rounded_and_answers(panel, model):
    panel.controls["bits"].value = 3
    panel.controls["model"].value = model
    entry = run(panel)
    assert entry.evaluation.loss_nats > panel.session.start(model, 8192).eval_set.float_evaluation.loss_nats - 0.01
    names = choices(panel, "matrix")
    assert "embed.weight" in names and all(
        name in panel.session.start(model, 8192).model.state_dict() for name in names
    )
    assert ("two hop" in panel.numbers.value.lower().replace("-", " ")) == ("stories" in model)
    assert ("Bits per byte" in panel.numbers.value) == ("text" in model)
    assert "What the rounded model writes" in panel.report.value


@pytest.mark.parametrize("method", ["mse", "gptq", "awq"])  # "rtn" is "mse" without its search
def test_no_step_of_a_large_model_keeps_the_stop_button_waiting(panel, method):
    recipe = replace(panel.recipe, model="stories-deep", bits=3, method=method)
    job = Rounding(panel.session, recipe, tokens=2048, matrix="embed.weight")  # one batch, as long as any other
    longest, before = 0.0, time.thread_time()
    for _ in job:
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
        if method != "gptq" and job.phase == "evaluating":  # what follows is the same for all
            break
    assert longest < 1.5  # ten times the stated 0.15 s


@pytest.mark.parametrize("tokens", choices(make(), "tokens"))
def test_more_test_tokens_are_more_sequences(panel, tokens):
    panel.controls["tokens"].value = tokens
    job = panel.actions["Run"](panel.values)
    eval_set = job.start.eval_set
    assert len(eval_set.batches) * eval_set.batch_size * 64 == tokens
    assert f"0 of {tokens // 64:,} test sequences" in job.status()


def test_a_run_is_over_when_every_test_sequence_was_seen(panel):
    panel.controls["tokens"].value = 32_768
    entry = run(panel)
    assert len(entry.evaluation.losses) == len(panel.session.start(entry.model, 32_768).eval_set.batches)
    assert "512 of 512 test sequences" in panel.status.value


def test_the_control_that_does_not_count_is_hidden(panel):
    def shown(name: str) -> bool:
        return panel.controls[name].layout.display == ""

    assert shown("group_size") and shown("method") and not shown("activation") and not shown("data")
    panel.controls["method"].value = "gptq"
    assert shown("data")
    panel.controls["activation_bits"].value = 8
    assert shown("activation") and not shown("ranges")
    panel.controls["activation"].value = "static"
    assert shown("ranges")
    panel.controls["bits"].value = FLOAT
    assert not shown("group_size") and not shown("method") and not shown("layers") and shown("data")


def test_an_impossible_grid_says_so_in_words_and_cannot_be_run(panel):
    panel.controls["symmetric"].value = False
    panel.controls["bits"].value = 1.58
    assert "symmetric=False" in panel.preview.value and "give 2 bits or more" in panel.preview.value
    assert panel.buttons["Run"].disabled and panel.buttons[TRAIN].disabled
    panel.controls["bits"].value = 2
    assert not panel.buttons["Run"].disabled


def test_every_matrix_can_be_looked_at_without_another_run(panel):
    run(panel)
    before, pictures = len(panel.history), set()
    for name in choices(panel, "matrix"):
        panel.controls["matrix"].value = name
        assert f"weights of {name.removesuffix('.weight')} before and after rounding" in panel.report.value
        pictures.add(panel.report.value)
    assert len(pictures) == len(choices(panel, "matrix")) and len(panel.history) == before


def test_runs_are_compared_with_each_other_and_with_the_stored_ones(tmp_path):
    store = Store(tmp_path / "rows.jsonl")
    for bits, loss_nats in ((FLOAT, 1.0), (4, 1.1)):
        recipe = Recipe(model=OWN.name, bits=bits)
        store.add(recipe, {"loss_nats": loss_nats, "bytes": {"on_disk": 10_000 * bits}})
    panel = make(store=store)
    run(panel)
    panel.controls["bits"].value = 2
    run(panel)
    report = panel.report.value
    assert "2. 2 bits, RTN" in report  # beside the newest point
    assert report.count('class="stored"') == 1 and report.count('class="point') == 2
    assert report.rindex(f"2. {OWN.name}, 2 bits") < report.rindex(f"1. {OWN.name}, 4 bits")


def test_training_with_the_grid_wins_back_what_rounding_loses():
    panel = make(bits=2, group_size=TENSOR, seconds=1.5)
    entry = press(panel, TRAIN)
    assert entry is panel.history[-1] and "2 bits, a scale a matrix, trained 1.5 s" in entry.label
    assert "Taken back" in panel.numbers.value and "nats that rounding costs" in panel.numbers.value
    assert panel.chart.value.count('class="curve"') == 1 and "seconds of training" in panel.chart.value
    rounded = run(panel)
    assert entry.loss_increase_nats < rounded.loss_increase_nats
    assert entry.theory == rounded.theory


def test_the_panel_opens_where_rounding_hurts_and_its_slider_runs_upward():
    panel = quantization_panel(checkpoint=OWN)
    assert panel.values["bits"] == 2
    bits = choices(panel, "bits")
    assert bits == sorted(bits) and bits[-1] == FLOAT


def test_the_learning_rate_follows_the_bits(panel):
    """The more bits, the less has to change."""
    rates = []
    for bits in (1, 2, 3, 6, 8):
        panel.controls["model"].value, panel.controls["bits"].value = "stories-deep", bits
        job = panel.actions[TRAIN](panel.values)
        rates.append(job.recipe.lr)
    assert rates == sorted(rates, reverse=True) and rates[0] >= 10 * rates[-1]
    next(iter(job))
    assert f"learning rate {rates[-1]:g}" in job.status()


@pytest.mark.parametrize(
    ("rounded", "trained", "said"),
    [
        ((1.1, 1.2, 1.3), (1.05, 1.15, 1.25), "50 %"),
        ((1.001, 1.0995, 1.2), (1.01, 1.11, 1.21), "too little to tell"),  # -2000 % of nothing
        ((1.1, 1.2, 1.3), (1.2, 1.3, 1.4), "nothing"),
        ((1.1,), (1.05,), "too little to tell"),  # of one batch
    ],
)
def test_what_training_takes_back_is_a_share_only_above_the_noise(panel, monkeypatch, rounded, trained, said):
    job = panel.actions[TRAIN](panel.values)
    losses = ((1.0, 1.1, 1.2), rounded, trained)
    whole, *others = (EvalResult(loss_nats=1.0, losses=each, agreement=1.0) for each in losses)
    monkeypatch.setattr(job.start.eval_set, "float_evaluation", whole)
    job.rounded, job.shown.evaluation = others
    ((name, value, note),) = job._gain()
    assert (name, value) == ("Taken back", said)
    assert "nats" in note and ("noise" in note) == (said == "too little to tell")


@pytest.mark.parametrize("learned", [False, True])
def test_scales_can_be_learned_too(panel, learned):
    panel.controls["bits"].value = 3
    panel.controls["learned_step"].value = learned
    press(panel, TRAIN)
    assert ("learned steps" in panel.result.label) == learned
    assert math.isfinite(panel.result.evaluation.loss_nats)


@pytest.mark.parametrize("seconds", choices(make(), "seconds"))
def test_every_length_of_training_reaches_its_job(panel, seconds, monkeypatch):
    panel.controls["seconds"].value = seconds
    monkeypatch.setattr(Training, "__iter__", lambda self: iter(()))
    job = panel.actions[TRAIN](panel.values)
    assert job.recipe.seconds == seconds == job.run.config.seconds
    assert job.recipe.batch_size * 64 == 512 and job.recipe.grid == panel.recipe.grid


def test_a_float_model_has_no_grid_to_train_with():
    panel = make(bits=FLOAT)
    with pytest.raises(ValueError, match="bits=32: there is no grid to train with"):
        press(panel, TRAIN)
    assert "there is no grid to train with" in panel.status.value


@pytest.mark.parametrize(("button", "phase"), [("Run", "evaluating"), (TRAIN, "training"), (TRAIN, "evaluating")])
def test_stop_answers_and_keeps_what_there_is(panel, button, phase):
    panel.controls["tokens"].value = 131_072
    panel.controls["seconds"].value = 60 if phase == "training" else 0.3
    press_and_stop(panel, button, once=lambda: panel.bar.value > 0.02 and f"{phase} ·" in panel.status.value)
    assert panel.history == [panel.result] and math.isfinite(panel.result.loss_increase_nats)
    assert 0 < len(panel.result.evaluation.losses) < len(panel.session.start(OWN.name, 131_072).eval_set.batches)
    assert panel.result.per_s is None


def test_a_run_that_is_stopped_before_it_was_evaluated_leaves_no_trace():
    panel = make()
    job = panel.actions["Run"](panel.values)
    next(iter(job))
    assert job.result() is None and panel.history == []
    assert "0 of" in job.status() and "…" in job.numbers()


def test_a_readers_own_checkpoint_stands_beside_the_reference_models(tmp_path):
    panel = make()
    assert choices(panel, "model") == [*NAMES, OWN.name] and panel.controls["model"].value == OWN.name
    shutil.copytree(OWN, tmp_path / "stories-deep")
    before = checkpoints.load(tmp_path / "stories-deep").fingerprint
    panel = quantization_panel(checkpoint=tmp_path / "stories-deep", bits=2)
    assert panel.recipe.model == "stories-deep (yours)" in choices(panel, "model")
    run(panel)
    assert checkpoints.load(tmp_path / "stories-deep").fingerprint == before
    panel.controls["model"].value = "stories-deep"
    assert "1,110,816 parameters" in panel.preview.value


def test_a_model_kept_in_chapter_2_is_offered_and_quantized(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    trained = deep_narrow_panel(depth=2, budget=30_000, steps=30)
    press(trained)
    trained.keep_button.click()
    (name,) = own_models()
    panel = quantization_panel(bits=2, tokens=2048, seconds=0.5)
    assert choices(panel, "model") == [*NAMES, name]
    panel.controls["model"].value = name
    assert choices(panel, "matrix") == list(matrices(trained.job.run.model))
    entry = run(panel)
    assert entry.label == f"{name}, 2 bits, groups of 32, RTN" and entry.loss_increase_nats != 0
    assert press(panel, TRAIN).model == name


def test_a_damaged_model_says_so_where_it_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    shutil.copytree(OWN, tmp_path / "damaged")
    (tmp_path / "damaged" / checkpoints.WEIGHTS).write_bytes(b"")
    panel = quantization_panel()
    panel.controls["model"].value = "damaged"
    assert "is damaged or cut short" in panel.preview.value and panel.buttons["Run"].disabled
    panel.controls["model"].value = NAMES[0]
    assert not panel.buttons["Run"].disabled


def test_what_cannot_be_started_from_is_refused_by_name(tmp_path):
    found = checkpoints.load(OWN)
    checkpoints.save(found.model, tmp_path / "nameless")
    with pytest.raises(ValueError, match="nameless: the checkpoint names no task"):
        quantization_panel(checkpoint=tmp_path / "nameless")
    with pytest.raises(ValueError, match="config.json is missing"):
        quantization_panel(checkpoint=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="model='gpt': choose one of stories-deep"):
        quantization_panel(model="gpt")
    with pytest.raises(ValueError, match="method='obq'"):
        quantization_panel(method="obq")


def test_a_default_that_no_control_offers_is_offered():
    panel = make(group_size=24, tokens=1024, seconds=3)
    assert panel.recipe.group_size == 24 and panel.values["tokens"] == 1024 and panel.values["seconds"] == 3


def test_labels_name_what_is_unusual():
    assert label(Recipe()) == "stories-deep, 4 bits, groups of 32, RTN"
    unusual = Recipe(bits=FLOAT, activation_bits=8, activation="static", ranges="mse", data="random", kv_bits=4)
    assert label(unusual) == (
        "stories-deep, float weights, activations 8 bits static mse, calibrated on random, cache 4 bits"
    )
    more = Recipe(bits=1, group_size=0, method="gptq", layers="ffn", planted="weights", rotate=True)
    assert label(more) == "stories-deep, 1 bit, a scale a row, GPTQ, ffn only, outliers in weights, rotated"
    assert grid_words(Recipe(bits=1.58, group_size=-1)) == "1.58 bits, a scale a matrix"
    assert [short(recipe) for recipe in (Recipe(bits=FLOAT), Recipe(bits=1, method="awq"), QATRecipe(bits=1.58))] == [
        "float",
        "1 bit, AWQ",
        "1.58 bits, trained",
    ]
    trained = QATRecipe(bits=2, symmetric=False, seconds=5, learned_step=True)
    assert trained_label(trained) == "stories-deep, 2 bits, groups of 32, affine, trained 5 s, learned steps"


def test_perplexity_settles_over_the_sequences():
    evaluation = EvalResult(loss_nats=math.log(2), losses=(0.0, math.log(4)), agreement=1.0)
    assert settling(evaluation, 16) == [(16, pytest.approx(1.0)), (32, pytest.approx(2.0))]
    assert settling(None, 16) == []
    assert settling(EvalResult(loss_nats=1e9, losses=(1e9,), agreement=0.0), 16)[0][1] < 1e9
