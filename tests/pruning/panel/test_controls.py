"""Chapter 4's panel: every value of every control, joint settings, and each button, with an eye on its result."""

import math
import re
import shutil
import time
from dataclasses import replace
from random import Random

import pytest
from live.panel_harness import choices, press, press_and_stop, shared_panel, turn

from mobilellm_lab import checkpoints
from mobilellm_lab.charts.report import digits
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.pruning.panel import pruning_panel
from mobilellm_lab.pruning.panel.controls import GROUPS, NAMES, OPENS_AT, RECOVER, SHRINK, PruningPanel
from mobilellm_lab.pruning.panel.jobs import Pruning, Recovering, damage_left
from mobilellm_lab.pruning.panel.labels import label, ranked, removed, short
from mobilellm_lab.pruning.panel.shown import PrunedEntry
from mobilellm_lab.pruning.panel.twin import PAIRS, Shrinking
from mobilellm_lab.pruning.study.recipe import FLOAT, GRANULARITIES, SINGLE, Recipe, plain
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store

OWN = FOLDER / "student-tiny"  # two small layers, so that a run takes a tenth of a second
WIDGETS_ONLY = ("seconds", "tokens", "model")  # looked at in tests of their own
STORED = Store(FOLDER / "no such file.jsonl")


def make(**options) -> PruningPanel:
    """A panel that starts with the small model, and recovers for a third of a second."""
    return pruning_panel(checkpoint=OWN, **{"seconds": 0.3, "store": STORED} | options)


panel = shared_panel(make)


def run(panel: PruningPanel) -> PrunedEntry:
    """The result of pressing Run, once it is known to fit what the panel promised."""
    preview, recipe = panel.preview.value, panel.recipe
    entry = press(panel)
    assert entry is panel.history[-1] and entry.model == recipe.model
    assert math.isfinite(entry.evaluation.loss_nats) and 0 <= entry.evaluation.agreement <= 1
    kib = re.search(r"(?:bitmap|packed|smaller model) ([\d.,]+)", preview)[1]
    if recipe.amount and recipe.scope != "sensitivity":
        assert float(kib.replace(",", "")) == pytest.approx(entry.theory.bytes / 1024, rel=0.05)
    assert entry.theory.bytes < entry.on_disk.bytes and entry.per_s > 0 and entry.float_per_s > 0
    assert f"{entry.loss_increase_nats:+.4f} nats over dense" in panel.numbers.value
    assert panel.chart.value.count('class="curve"') == 2  # pruned and dense
    assert "zeros of each matrix" in panel.report.value and "What the pruned model writes" in panel.report.value
    return entry


@pytest.fixture(scope="module")
def base() -> PrunedEntry:
    return run(make())


def turns(panel: PruningPanel) -> list[tuple]:
    """Every value of every control but where it stands, which `base` and all the others run."""
    return [
        (name, value)
        for name, control in panel.controls.items()
        if name not in WIDGETS_ONLY
        for value in choices(panel, name)
        if value != control.value
    ]


def test_it_opens_where_pruning_hurts(base):
    panel = make()
    assert panel.values["amount"] == OPENS_AT == 0.7 and base.loss_increase_nats > 0.1
    amounts = choices(panel, "amount")
    assert amounts == sorted(amounts) and amounts[0] == 0


def test_the_same_recipe_gives_the_same_to_the_last_bit(panel, base):
    entry = run(panel)
    assert all(getattr(entry, name) == getattr(base, name) for name in ("evaluation", "on_disk", "theory", "sparsity"))


@pytest.mark.parametrize(("name", "value"), turns(make()), ids=str)
def test_every_value_of_every_control_alone(panel, base, name, value):
    if name in ("data", "sequences"):
        panel.controls["importance"].value = "wanda"
    if name == "choice":
        panel.controls["granularity"].value, panel.controls["amount"].value = "layer", 0.5
    if name == "granularity" and value not in SINGLE:
        panel.controls["amount"].value = 0.5  # of two heads, one
    panel.controls[name].value = value
    entry, recipe = run(panel), panel.recipe
    assert getattr(recipe, name) == value
    if name == "amount":
        assert (entry.loss_increase_nats > base.loss_increase_nats) == (value > OPENS_AT)
        assert entry.sparsity == pytest.approx(value, abs=0.02)
        assert (entry.loss_increase_nats == 0) == (value == 0)
    elif name == "granularity":
        dense = panel.session.start(recipe.model, 4096).on_disk.bytes
        assert entry.on_disk.bytes < dense and removed(recipe) in entry.label
    elif name == "layers":
        assert f"in {value}" in entry.label and entry.evaluation != base.evaluation
    elif name == "bits":
        assert entry.on_disk.bytes < base.on_disk.bytes and entry.sparsity >= base.sparsity
        assert f"{value} bits" in entry.label
    elif name in ("data", "sequences"):
        assert entry.sparsity == base.sparsity and panel.controls[name].layout.display == ""
    elif name == "importance":
        assert (entry.evaluation == base.evaluation) == (value == "l2")  # which ranks single weights as l1 does
    elif name == "choice":
        assert entry.sparsity == pytest.approx(0.5)
    else:
        assert name in ("compare", "scope") and entry.evaluation != base.evaluation
        assert entry.sparsity == pytest.approx(base.sparsity, abs=0.02)


@pytest.mark.parametrize("number", range(8))
def test_joint_settings(panel, number):
    turn(panel, Random(number), but=WIDGETS_ONLY)
    if panel.buttons["Run"].disabled:
        assert "Not possible" in panel.preview.value
        for name in ("importance", "scope", "amount"):
            panel.controls[name].value = {"importance": "l1", "scope": "uniform", "amount": 0.5}[name]
    entry = run(panel)
    assert panel.report.value.index(entry.label) > 0


@pytest.mark.parametrize("model", NAMES)
def test_every_model_is_pruned_and_answers(model):
    panel = make(tokens=2048)
    panel.controls["model"].value = model
    entry = run(panel)
    assert entry.loss_increase_nats > 0
    assert ("Two-hop" in panel.numbers.value) == ("stories" in model)
    assert ("Bits per byte" in panel.numbers.value) == ("text" in model)


def test_a_control_that_does_not_count_is_hidden_and_as_if_at_its_default(panel):
    def shown(name: str) -> bool:
        return panel.controls[name].layout.display == ""

    assert shown("compare") and shown("scope") and not shown("data") and not shown("choice")
    panel.controls["importance"].value = "wanda"
    assert shown("data") and shown("sequences")
    panel.controls["granularity"].value = "2:4"
    assert not shown("amount") and not shown("compare") and panel.recipe.amount == 0.5
    panel.controls["granularity"].value = "layer"
    assert (
        shown("choice")
        and not shown("importance")
        and panel.recipe == plain({"model": OWN.name, "granularity": "layer", "amount": OPENS_AT})
    )
    panel.controls["amount"].value = 0
    assert not shown("choice") and panel.recipe == Recipe(model=OWN.name, amount=0)


def test_what_cannot_be_says_so_in_words_and_cannot_be_run(panel):
    panel.controls["importance"].value = "sparsegpt"
    panel.controls["granularity"].value = "neuron"
    assert "it updates single weights" in panel.preview.value
    assert all(button.disabled for button in panel.buttons.values())
    panel.controls["importance"].value = "l1"
    assert not panel.buttons["Run"].disabled


def test_an_amount_that_leaves_nothing_is_refused_before_the_run(panel):
    panel.controls["granularity"].value, panel.controls["amount"].value = "head", 0.95
    assert "Not possible" in panel.preview.value and "removes all 2" in panel.preview.value


def test_more_test_tokens_are_more_sequences(panel):
    for tokens in choices(panel, "tokens"):
        panel.controls["tokens"].value = tokens
        job = panel.actions["Run"](panel.values)
        assert len(job.start.eval_set.batches) * job.start.eval_set.batch_size * 64 == tokens
        assert f"0 of {tokens // 64:,} test sequences" in job.status()


@pytest.mark.parametrize("granularity", ["weight", "neuron"])
def test_recovery_takes_back_what_pruning_costs(granularity):
    panel = make(amount=0.75, granularity=granularity, seconds=0.8)
    entry = press(panel, RECOVER)
    assert entry is panel.history[-1] and re.search(r"recovered \d\.\d s", entry.label)
    assert "Damage left" in panel.numbers.value and "seconds of training" in panel.chart.value
    pruned = run(panel)
    assert entry.loss_increase_nats < pruned.loss_increase_nats
    assert entry.theory == pruned.theory and entry.sparsity == pytest.approx(pruned.sparsity)  # no zero grew back


@pytest.mark.parametrize(("lost_nats", "rate"), [(-0.01, 5e-4), (0.2, 1e-3), (3.0, 2e-3)])
def test_the_learning_rate_follows_the_damage(panel, monkeypatch, lost_nats, rate):
    job = panel.actions[RECOVER](panel.values)
    dense, pruned = (EvalResult(loss_nats=1.0 + lost, losses=(), agreement=1.0) for lost in (0.0, lost_nats))
    monkeypatch.setattr(job.start.eval_set, "float_evaluation", dense)
    job.run.evaluation = pruned
    assert job.rate() == rate


def test_a_recovered_model_is_rounded_at_last():
    panel = make(bits=4)
    entry = press(panel, RECOVER)
    assert "4 bits, recovered" in entry.label and entry.sparsity >= 0.7
    assert entry.on_disk.bytes < panel.session.start(OWN.name, 4096).on_disk.bytes / 4


@pytest.mark.parametrize("seconds", choices(make(), "seconds"))
def test_every_length_of_recovery_reaches_its_job(panel, seconds, monkeypatch):
    panel.controls["seconds"].value = seconds
    monkeypatch.setattr(Recovering, "__iter__", lambda self: iter(()))
    job = panel.actions[RECOVER](panel.values)
    assert job.seconds == seconds and job.recipe == panel.recipe


@pytest.mark.parametrize(
    ("pruned", "recovered", "said"),
    [
        ((1.1, 1.2, 1.3), (1.05, 1.15, 1.25), "50 %"),
        ((1.001, 1.0995, 1.2), (1.01, 1.11, 1.21), "too little to tell"),  # a share of nothing
        ((1.1,), (1.05,), "too little to tell"),  # of one batch
    ],
)
def test_damage_left_is_a_share_only_above_the_noise(pruned, recovered, said):
    losses = ((1.0, 1.1, 1.2), pruned, recovered)
    name, value, note = damage_left(*(EvalResult(loss_nats=1.0, losses=each, agreement=1.0) for each in losses))
    assert (name, value) == ("Damage left", said) and "nats" in note


def test_nothing_pruned_cannot_recover(panel):
    panel.controls["amount"].value = 0
    with pytest.raises(ValueError, match="amount=0: nothing is pruned that could recover"):
        press(panel, RECOVER)
    assert "nothing is pruned" in panel.status.value


@pytest.mark.parametrize("granularity", ["neuron", "head", "width", "layer"])
def test_a_smaller_model_equals_its_twin_and_is_timed_in_pairs(granularity):
    panel = make(granularity=granularity, amount=0.5)
    entry = press(panel, SHRINK)
    job = panel.job
    assert entry.label.endswith(", smaller") and job.difference < 1e-4
    assert len(job.dense_ms) == len(job.small_ms) == PAIRS
    assert job.speedup.ratio > 0.2 and f"{job.speedup.ratio:.2f} × dense" in panel.numbers.value
    assert panel.chart.value.count('class="curve"') == 2 and "pairs" in panel.chart.value


def test_speed_is_the_dense_time_over_the_smaller_ones(panel):
    """By a clock that runs three units in a sample of the dense model and two in one of the smaller."""
    recipe = replace(panel.recipe, granularity="neuron", amount=0.5)
    now = [0.0]
    job = Shrinking(panel.session, recipe, tokens=4096, clock=lambda: now[0])

    def sample(steps):
        begin = job.clock()
        next(steps)
        now[0] += 3.0 if steps is job.steps[0] else 2.0
        return job.clock() - begin

    job._sample = sample
    for _ in job:
        pass
    assert job.speedup.ratio == pytest.approx(1.5) and job.speedup.verdict == "a is faster"


@pytest.mark.parametrize("granularity", SINGLE)
def test_zeros_make_no_smaller_matrix(panel, granularity):
    panel.controls["granularity"].value = granularity
    with pytest.raises(ValueError, match="zeros in a matrix leave its shape"):
        press(panel, SHRINK)


@pytest.mark.parametrize(("button", "phase"), [("Run", "evaluating"), (RECOVER, "recovering"), (RECOVER, "evaluating")])
def test_stop_answers_and_keeps_what_there_is(panel, button, phase):
    panel.controls["tokens"].value = 131_072 if button == "Run" else 32_768
    panel.controls["seconds"].value = 60 if phase == "recovering" else 0.3
    started = 0.36 if button == "Run" else 0.2  # where the first batch of the pruned model is evaluated
    press_and_stop(panel, button, once=lambda: f"{phase} ·" in panel.status.value and panel.bar.value > started)
    assert panel.history == [panel.result] and math.isfinite(panel.result.loss_increase_nats)
    assert panel.result.per_s is None


def test_a_run_that_is_stopped_before_it_was_evaluated_leaves_no_trace():
    panel = make()
    job = panel.actions["Run"](panel.values)
    next(iter(job))
    assert job.result() is None and panel.history == []
    assert "0 of" in job.status() and "…" in job.numbers()


@pytest.mark.parametrize("importance", ["l1", "taylor", "wanda", "sparsegpt"])
def test_no_step_of_a_large_model_keeps_the_stop_button_waiting(panel, importance):
    recipe = plain({"model": "stories-deep", "amount": 0.7, "importance": importance})
    job = Pruning(panel.session, recipe, tokens=2048)  # one batch, as long as any other
    longest, before = 0.0, time.thread_time()
    for _ in job:
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
        if job.phase == "evaluating":  # what follows is the same for all
            break
    assert longest < 3  # ten times the stated 0.3 s


def test_a_readers_own_checkpoint_stands_beside_the_reference_models(tmp_path):
    panel = make()
    assert choices(panel, "model") == [*NAMES, OWN.name] and panel.controls["model"].value == OWN.name
    shutil.copytree(OWN, tmp_path / "stories-deep")
    before = checkpoints.load(tmp_path / "stories-deep").fingerprint
    panel = pruning_panel(checkpoint=tmp_path / "stories-deep", store=STORED)
    assert panel.recipe.model == "stories-deep (yours)" in choices(panel, "model")
    run(panel)
    assert checkpoints.load(tmp_path / "stories-deep").fingerprint == before


def test_what_cannot_be_started_from_is_refused_by_name(tmp_path):
    found = checkpoints.load(OWN)
    checkpoints.save(found.model, tmp_path / "nameless")
    with pytest.raises(ValueError, match="nameless: the checkpoint names no task"):
        pruning_panel(checkpoint=tmp_path / "nameless", store=STORED)
    with pytest.raises(ValueError, match="model='gpt': choose one of stories-deep"):
        pruning_panel(model="gpt", store=STORED)
    with pytest.raises(ValueError, match="importance='obd'"):
        pruning_panel(importance="obd", store=STORED)


def test_a_default_that_no_control_offers_is_offered():
    panel = make(amount=0.33, tokens=1024, seconds=3)
    assert panel.recipe.amount == 0.33 and panel.values["tokens"] == 1024 and panel.values["seconds"] == 3


def test_labels_name_what_is_unusual():
    assert label(Recipe(amount=0)) == "stories-deep, not pruned"
    assert label(Recipe(amount=0.7)) == "stories-deep, 70 % of the single weights, magnitude (L1), per output row"
    unusual = Recipe(importance="wanda", scope="global", data="random", sequences=1, bits=4)
    assert label(unusual) == (
        "stories-deep, 50 % of the single weights, Wanda, global, calibrated on random tokens, 1 sequence, 4 bits"
    )
    assert label(Recipe(granularity="2:4", layers="ffn")) == "stories-deep, 2:4 pattern, magnitude (L1), in ffn"
    assert ranked(Recipe(granularity="layer", choice="last")) == "the last" and FLOAT == Recipe().bits


def test_a_point_of_a_picture_has_a_short_label():
    assert [short(Recipe(granularity=each)) for each in GRANULARITIES] == [
        *("50 % weights", "2:4", "50 % neurons", "50 % heads", "50 % channels", "50 % layers")
    ]
    assert short(Recipe(amount=0)) == "not pruned"


def test_an_unpruned_model_is_rounded_too(panel):
    panel.controls["amount"].value, panel.controls["bits"].value = 0, 4
    entry = run(panel)
    dense = panel.session.start(OWN.name, 4096)
    assert entry.theory.bytes < sum(p.nbytes for p in dense.model.parameters()) / 4 and entry.loss_increase_nats != 0
    assert f"packed {digits(entry.theory.bytes / 1024)} KiB" in panel.preview.value


def test_bytes_by_formula_have_their_unit_beside_what_is_stored(panel):
    entry = run(panel)
    assert f"<b>{digits(entry.theory.bytes / 1024)} KiB</b>" in panel.numbers.value
    assert "csr int32" in panel.numbers.value.split("By formula")[1]


def test_no_heading_stands_over_nothing(panel):
    def headings() -> list[str]:
        return [heading for heading, widget in panel.headings.items() if widget.layout.display == ""]

    assert headings() == ["Model", "Removed", "Chosen by", "Afterwards"]
    panel.controls["importance"].value = "wanda"
    assert headings() == list(GROUPS)
    panel.controls["amount"].value = 0
    assert headings() == ["Model", "Removed", "Afterwards"]
