"""Chapter 7's panel: every value of every control, both buttons, and a neighbour that is surely gone afterwards."""

from functools import partial

import psutil
import pytest
from live.panel_harness import choices, each_value, press, press_and_stop, shared_panel, until

from mobilellm_lab.live import RecipePanel
from mobilellm_lab.metrics.duel import OUTCOMES, RULES, VERDICTS, DuelRecipe, DuelResult, outcome
from mobilellm_lab.metrics.panel import metrics_panel
from mobilellm_lab.metrics.panel.controls import SERIES, stored
from mobilellm_lab.metrics.panel.jobs import DUELS, label
from mobilellm_lab.reference import open_sweep

PAIRS = 6  # the fewest with an interval


make = partial(metrics_panel, repeats=PAIRS)
panel = shared_panel(make)


def busy_processes() -> list[psutil.Process]:
    """Neighbours that this process has started and that still live."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(part.endswith("_busy.py") for part in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def run(panel: RecipePanel) -> DuelResult:
    """The result of pressing Run, once it is known to fit what the panel promised."""
    recipe = panel.recipe
    result = press(panel)
    assert result.recipe == recipe
    assert len(result.a_ms) == len(result.b_ms) == recipe.repeats
    assert min(result.a_ms + result.b_ms) > 0
    assert result.verdict in VERDICTS and result.outcome in OUTCOMES
    assert result.truth == recipe.truth and result.outcome == outcome(result.verdict, recipe.truth)
    assert panel.history[-1] is result
    return result


@each_value(make())
def test_every_value_of_every_control_alone(panel, name, value):
    panel.controls[name].value = value
    result = run(panel)
    assert getattr(result.recipe, name) == value
    assert not busy_processes()
    chart, preview = panel.chart.value, panel.preview.value
    drawn = chart.count('class="pair"') + chart.count('class="beyond"')
    assert drawn == result.recipe.repeats  # each pair is in the picture, however far off
    assert f"truth {1 + result.recipe.slowdown_percent / 100:.4g}" in chart
    assert f"after {result.recipe.warmup} for warm-up" in preview
    assert ("beside a busy process" in preview) == result.recipe.neighbour
    assert result.recipe.truth in preview
    if result.recipe.slowdown_percent:
        assert f"{result.recipe.slowdown_percent} % more work than a" in preview
    if name == "slowdown_percent" and value == 50:
        assert sorted(result.b_ms)[0] > 1.1 * sorted(result.a_ms)[0]  # the extra work is real
    if name == "repeats" and value == 1:
        assert "too few pairs to tell" in panel.numbers.value


def test_every_rule_is_offered_and_the_choice_reaches_the_judge(panel):
    assert choices(panel, "rule") == list(RULES)
    for rule in RULES:
        panel.controls["rule"].value = rule
        assert f"{rule}: " in str(run(panel))
        assert f"{rule}: " in panel.status.value


def test_the_numbers_say_the_verdict_the_truth_and_how_often_the_verdict_changed(panel):
    result = run(panel)
    assert result.verdict in panel.numbers.value and result.truth in panel.numbers.value
    assert f"{result.comparison.ratio:.3f}" in panel.numbers.value
    assert "changed " in panel.numbers.value
    assert f"truth: {result.truth}" in panel.status.value


def test_duels_of_the_same_setting_are_counted_together():
    panel = metrics_panel(
        repeats=PAIRS, slowdown_percent=50, rule="medians", reference=lambda recipe: "elsewhere: 7 of 9"
    )
    outcomes = [run(panel).outcome for _ in range(2)]
    assert "In this setting, 2 duels here: " in panel.report.value
    assert f"{outcomes.count(outcomes[0])} {outcomes[0]}" in panel.report.value
    assert "elsewhere: 7 of 9" in panel.report.value
    panel.controls["slowdown_percent"].value = 0
    run(panel)
    assert "In this setting, 1 duel here: " in panel.report.value
    assert panel.report.value.index("3. b 0 % slower") < panel.report.value.index("1. b 50 % slower")  # newest first


def test_ten_duels_are_ten_duels(panel):
    before = len(panel.history)
    results = press(panel, SERIES)
    assert len(results) == DUELS == len(panel.history) - before
    assert [result.recipe.seed for result in results] == list(range(DUELS))  # each in an order of its own
    right = sum(result.outcome == "right" for result in results)
    assert f"{right} right" in panel.status.value and f"{right} of {DUELS}" in panel.numbers.value
    assert panel.chart.value.count('class="duel"') == DUELS


@pytest.mark.parametrize("button", ["Run", SERIES])
def test_stop_answers_keeps_what_there_is_and_ends_the_neighbour(button):
    panel = metrics_panel(repeats=200, neighbour=True)

    def measuring() -> bool:
        return panel.bar.value > 0 and len(busy_processes()) == 1

    press_and_stop(panel, button, once=measuring)
    assert not busy_processes()
    if button == "Run":
        assert 0 < len(panel.result.a_ms) < 200
        assert panel.history == [panel.result]
        assert f"{len(panel.result.a_ms)} of 200 pairs" in panel.report.value  # and is not counted as a whole duel
        assert "In this setting" not in panel.report.value
    else:
        assert len(panel.result) < DUELS


def test_a_new_run_ends_the_neighbour_of_the_one_before():
    panel = metrics_panel(repeats=200, neighbour=True)
    panel.run()
    until(lambda: panel.bar.value > 0)
    panel.controls["neighbour"].value = False
    panel.controls["repeats"].value = 6
    assert not press(panel).recipe.neighbour and not busy_processes()


def test_bad_defaults_are_refused_by_name():
    with pytest.raises(ValueError, match="rule='luck': choose one of one shot"):
        metrics_panel(rule="luck")
    with pytest.raises(ValueError, match="repeats=0: choose a whole number from 1 to 200"):
        metrics_panel(repeats=0)


def test_a_default_that_no_control_offers_is_offered():
    panel = metrics_panel(slowdown_percent=7, repeats=12)
    assert panel.recipe == DuelRecipe(slowdown_percent=7, repeats=12)


def test_the_stored_sweep_is_asked_and_says_nothing_of_what_it_did_not_measure():
    store = open_sweep("metrics")
    row = next(iter(store.rows.values()))
    measured = {name: row["recipe"][name] for name in ("slowdown_percent", "repeats", "neighbour", "rule")}
    assert f"right in {row['shares']['right']:.0%} of the duels" in stored(store, DuelRecipe(**measured))
    assert stored(store, DuelRecipe(slowdown_percent=77)) == ""


def test_a_label_names_what_is_unusual():
    assert label(DuelRecipe(), taken=20) == "b 5 % slower, 20 pairs, paired interval"
    assert label(DuelRecipe(), taken=7) == "b 5 % slower, 7 of 20 pairs, paired interval"
    unusual = label(DuelRecipe(repeats=1, warmup=0, neighbour=True), taken=1)
    assert unusual == "b 5 % slower, 1 pair, paired interval, warm-up 0, busy neighbour"
