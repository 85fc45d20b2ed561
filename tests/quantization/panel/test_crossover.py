"""Chapter 3's panel of where low bits become faster: every value of every control, both buttons, Stop."""

import re
from dataclasses import replace
from functools import partial
from html import unescape

import pytest
from live.panel_harness import each_value, press, press_and_stop, shared_panel

from mobilellm_lab.live import RecipePanel
from mobilellm_lab.quantization import BACKENDS, CROSSOVER_LIVE_SIZES, CrossoverRecipe, CrossoverResult
from mobilellm_lab.quantization.panel import crossover_panel
from mobilellm_lab.quantization.panel.crossover import ALL
from mobilellm_lab.quantization.panel.crossover_jobs import Beside, Session, interval, label, point
from mobilellm_lab.quantization.study.crossover import SWIFTER

PAIRS = 6  # the fewest


START = {"size": "60k", "backend": "float32", "repeats": PAIRS}
make = partial(crossover_panel, **START)
panel = shared_panel(make)


def run(panel: RecipePanel) -> CrossoverResult:
    recipe = panel.recipe
    result = press(panel)
    assert result.recipe == recipe and panel.history[-1] is result
    assert result.comparison.a.runs == result.comparison.b.runs == recipe.repeats
    assert result.verdict in SWIFTER.values()
    low, high = result.interval
    assert 0 < low <= result.speedup <= high
    return result


@each_value(make())
def test_every_value_of_every_control_alone(panel, name, value):
    panel.controls[name].value = value
    result = run(panel)
    assert getattr(result.recipe, name) == value
    assert BACKENDS[result.recipe.backend].caption in unescape(panel.preview.value)
    assert f"× {result.speedup:.2f}" in panel.chart.value and f"× {result.speedup:.2f}" in panel.numbers.value
    assert interval(result) in panel.report.value and "In the stored sweep, on " in panel.report.value
    done, every = result.matrices
    assert (done == 0) == (result.recipe.backend == "float32") and done <= every
    if done:
        assert result.memory.bytes < result.float_memory.bytes
    else:
        assert result.memory.bytes == result.float_memory.bytes
        assert 0.2 < result.speedup < 5  # two copies of one model, however busy the machine


def test_all_sizes_are_run_and_joined():
    panel = crossover_panel(backend="torch.ao int8 dynamic", repeats=PAIRS)
    assert [result.recipe.size for result in press(panel, ALL)] == list(CROSSOVER_LIVE_SIZES)
    assert panel.history == panel.result
    (curve,) = re.findall(r'<polyline points="([^"]*)"[^>]*class="curve"', panel.chart.value)
    assert len(curve.split()) == len(CROSSOVER_LIVE_SIZES)
    assert panel.chart.value.count('class="point') == len(CROSSOVER_LIVE_SIZES)
    assert f"{len(CROSSOVER_LIVE_SIZES)} of {len(CROSSOVER_LIVE_SIZES)} sizes" in panel.status.value


@pytest.mark.parametrize("button", ["Run", ALL])
def test_stop_answers_and_keeps_what_there_is(button):
    panel = crossover_panel(size="5M", backend="float32", repeats=200)
    press_and_stop(panel, button, once=lambda: 'class="curve"' in panel.chart.value or "1 of " in panel.status.value)
    assert panel.history
    last = panel.history[-1]
    if button == "Run":
        assert 0 < last.comparison.a.runs < 200
        assert f"{last.comparison.a.runs} of 200 pairs" in panel.report.value
        assert "× float32" in panel.report.value


def test_pairs_stream_into_the_picture():
    job = Beside(Session(), replace(CrossoverRecipe(**START)))
    seen = []
    for _ in job:
        seen.append((job.chart().count('class="pair"'), len(re.findall('class="curve"', job.chart()))))
    assert [pairs for pairs, _ in seen if pairs] and seen[-1] == (PAIRS, 1)
    assert [pairs for pairs, _ in seen] == sorted(pairs for pairs, _ in seen)
    assert "no pairs yet" in Beside(Session(), CrossoverRecipe(**START)).chart()
    result = job.result()
    assert 'class="point newest"' in job.chart() and point(result)[2] == result.speedup


def test_bad_defaults_are_refused_by_name():
    with pytest.raises(ValueError, match="backend='magic'"):
        crossover_panel(backend="magic")
    with pytest.raises(ValueError, match="size='7B': choose one of 60k"):
        crossover_panel(size="7B")
    with pytest.raises(ValueError, match="repeats=2: choose 6 to 200 pairs"):
        crossover_panel(repeats=2)


def test_a_default_that_no_control_offers_is_offered():
    panel = crossover_panel(size="125M", repeats=12)
    assert panel.recipe == CrossoverRecipe(size="125M", repeats=12)


def test_a_label_tells_a_run_that_was_stopped():
    recipe = CrossoverRecipe(size="1M", repeats=20)
    assert label(recipe, taken=20) == "torch.ao int8 dynamic, 1M, 20 pairs"
    assert label(recipe, taken=7) == "torch.ao int8 dynamic, 1M, 7 of 20 pairs"
