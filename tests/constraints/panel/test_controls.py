"""Chapter 1's panel: every value of every control, joint settings, and both buttons, each with an eye on its result."""

from itertools import count
from random import Random
from types import SimpleNamespace

import pytest
from live.panel_harness import choices, each_value, press, press_and_stop, shared_panel, turn

from mobilellm_lab.constraints import BITS, DEVICES, MODELS, Machine, Probe, Recipe, Result, cores, lab_plan
from mobilellm_lab.constraints.panel import constraints_panel, jobs
from mobilellm_lab.constraints.panel.controls import MEASURE, Constraints
from mobilellm_lab.constraints.panel.jobs import Session, label, seldom
from mobilellm_lab.measuring import Latency

TOKENS = 3
SMALL = {"depth": 2, "width": 64, "tokens": TOKENS}


def probe(name: str, unit: str, median: float, *, threads: int = 1, bits: int = 32, rows: int = 1, mib: int = 8):
    spread = dict(median=median, p10=median, p90=median, runs=5, unit=unit)
    return Probe(name=name, threads=threads, bits=bits, rows=rows, working_set_mib=mib, **spread)


# A machine with round numbers: 10 GB/s, 100 GFLOP/s, 2 us per operation.
KNOWN = Machine(
    probes=tuple(
        probe(name, unit, median, threads=threads, bits=bits, rows=rows)
        for threads in sorted({1, cores()})
        for bits in (32, 16)
        for name, unit, median, rows in (
            ("read", "GB/s", 10.0, 1),
            ("matmul", "GFLOP/s", 100.0, 4),
            ("dispatch", "us", 2.0, 1),
        )
    )
)


def make(**defaults) -> Constraints:
    return constraints_panel(machine=KNOWN, **SMALL | defaults)


panel = shared_panel(make)


def run(panel: Constraints) -> Result:
    """The result of pressing Run, once it is known to fit what the panel promised."""
    preview, recipe = panel.preview.value, panel.recipe
    result = press(panel)
    assert result.recipe == recipe
    assert f"{result.fit.workload.parameters:,} parameters" in preview
    assert result.fit.device.name == recipe.device
    if recipe.runs_here:
        assert isinstance(result.step, Latency) and result.step.runs == recipe.tokens
        assert result.tokens_per_s == pytest.approx(1000 * recipe.batch / result.step.median_ms)
        assert result.predicted.tokens_per_s > 0
        assert "On this machine" in panel.numbers.value and "predicted here" in panel.chart.value
    else:
        assert result.step is result.predicted is None
        assert "not run" in panel.numbers.value
    assert panel.history[-1] is result
    assert panel.report.value.count("<tr") == 1 + len(panel.history)
    return result


@pytest.fixture(scope="module")
def base() -> Result:
    return run(make())


@each_value(make(), but=["tokens"])
def test_every_value_of_every_control_alone(panel, base, name, value):
    panel.controls[name].value = value
    if name == "model" and value != "own":
        panel.controls["bits"].value = 4  # by formula: the largest of them would take minutes to draw
    result, work, before = run(panel), None, base.fit.workload
    work = result.fit.workload
    if result.recipe == base.recipe:
        assert (result.fit, result.decode, result.endurance) == (base.fit, base.decode, base.endurance)
    elif name in ("depth", "width"):
        assert getattr(result.config, {"depth": "n_layers", "width": "dim"}[name]) == value
        assert (work.parameters - before.parameters) * (value - getattr(base.recipe, name)) > 0
    elif name == "model":
        assert work.parameters > 50_000_000
        assert result.config.dim >= 512 and panel.controls["depth"].layout.display == "none"
    elif name == "bits":
        assert work.weight_bytes == pytest.approx(before.weight_bytes * value / 32)
        assert result.recipe.runs_here == (value >= 16)
    elif name == "context":
        assert work.kv_bytes == pytest.approx(before.kv_bytes * value / base.recipe.context)
        assert work.parameters == before.parameters
    elif name == "batch":
        assert result.decode.tokens == value
        assert work.kv_bytes == value * before.kv_bytes and work.weight_bytes == before.weight_bytes
    elif name == "device":
        assert result.fit.total_mib == base.fit.total_mib
        assert (result.fit.budget_mib is None) == (not DEVICES[value].memory_gib.known)
        assert (result.decode.tokens_per_s is None) == (not DEVICES[value].bandwidth_gb_s.known)
        assert result.predicted == base.predicted  # another card is not another machine
    else:
        assert name == "threads"
        assert result.step.threads == value


def test_every_number_of_tokens_is_a_recipe():
    panel = make()
    for value in choices(panel, "tokens"):
        panel.controls["tokens"].value = value
        assert panel.recipe.tokens == value
    assert len(choices(panel, "tokens")) == 4  # three, and the three tokens of these tests


def test_the_controls_offer_every_model_card_and_number_of_bits():
    panel = constraints_panel()
    assert set(choices(panel, "model")) == set(MODELS)
    assert choices(panel, "device") == list(DEVICES)
    assert choices(panel, "bits") == list(BITS)
    assert choices(panel, "threads") == sorted({1, cores()})


@pytest.mark.parametrize("number", range(12))
def test_joint_settings(panel, number):
    draw = Random(number)
    turn(panel, draw, but=["model", "tokens"])
    panel.controls["depth"].value = draw.choice([1, 2, 3])  # time: the big ones are tested alone
    panel.controls["width"].value = draw.choice([64, 128, 192])
    panel.controls["context"].value = draw.choice([16, 128, 2048])
    result = run(panel)
    roof = result.decode.tokens_per_s
    assert ("unknown" in panel.preview.value) == (roof is None or result.fit.fits is None)
    if roof is not None:
        assert 1000 * result.recipe.batch / result.decode.time_ms == pytest.approx(roof)


def test_a_known_machine_is_what_predictions_come_from(base):
    parts = base.predicted
    assert parts.memory_ms == pytest.approx(1e-6 * parts.read_bytes / 10)
    assert parts.dispatch_ms == pytest.approx(2e-3 * parts.torch_operations)


def test_a_machine_that_nobody_measured_is_measured_by_the_first_run():
    panel = constraints_panel(**SMALL)
    assert panel.machine is None
    result = run(panel)
    assert {p.name for p in panel.machine.probes} == {"read", "dispatch"}
    assert result.predicted.dispatch_ms == pytest.approx(
        1e-3 * result.predicted.torch_operations * panel.machine.dispatch_us()
    )
    before = panel.machine
    run(panel)
    assert panel.machine is before  # once is enough
    panel.controls["batch"].value = 8
    run(panel)  # arithmetic counts now
    assert {p.name for p in panel.machine.probes} == {"read", "dispatch", "matmul"}


def test_only_what_is_missing_is_measured():
    session = Session(machine=KNOWN)
    assert session.missing(Recipe()) == ()
    assert Session().missing(Recipe(bits=4)) == ()  # not run here
    session = Session(machine=Machine(probes=(probe("read", "GB/s", 10.0),)))
    small, large = Recipe(depth=1, width=64), Recipe(model="MobileLLM-125M", batch=4)
    assert [plan.working_set_mib for plan in session.missing(small) if plan.name == "read"] == [2]
    plan = [(plan.name, plan.working_set_mib, plan.rows) for plan in session.missing(large)]
    assert plan == [("read", 256, 1), ("matmul", 256, 4), ("dispatch", 8, 1)]
    newer = probe("read", "GB/s", 20.0)
    assert session.learn([newer, probe("dispatch", "us", 2.0)]).probes == (newer, probe("dispatch", "us", 2.0))


def test_of_many_small_steps_a_few_are_passed_on(monkeypatch):
    seconds = count(step=0.001)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    assert 0 < len(list(seldom([0.5] * 1000))) <= 100  # one every 10 ms
    assert list(seldom([])) == []


def test_measuring_this_machine_shows_every_probe_and_later_runs_use_them():
    panel = make()
    machine = press(panel, MEASURE)
    found = [(p.name, p.threads, p.working_set_mib, p.bits, p.rows) for p in machine.probes]
    plan = [(p.name, p.threads, p.working_set_mib, p.bits, p.rows) for p in lab_plan()]
    assert set(plan) <= set(found)  # KNOWN's other probes stay
    assert f"{len(plan)} of {len(plan)} probes" in panel.status.value
    assert panel.chart.value.count('class="curve"') >= 2  # read and copy
    assert panel.machine is machine
    assert run(panel).predicted.bandwidth_gb_s == pytest.approx(
        machine.bandwidth_gb_s(panel.recipe.workload().read_bytes / 2**20)
    )


def test_a_stopped_run_keeps_what_it_had():
    panel = make(tokens=100_000)
    press_and_stop(panel, once=lambda: 'class="curve"' in panel.chart.value)
    assert 0 < panel.result.step.runs < 100_000
    assert len(panel.history) == 1


def test_a_large_model_stops_while_it_is_built():
    panel = make(model="MobileLLM-1B", bits=16)
    press_and_stop(panel, once=lambda: panel.bar.value > 0)
    assert panel.status.value.endswith(">stopped · building</div>")
    assert panel.result is None
    assert panel.history == []


def test_a_model_larger_than_memory_is_refused_with_the_sum(monkeypatch):
    import psutil

    free = psutil.virtual_memory()._replace(available=2 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    panel = make()
    panel.controls["model"].value = "MobileLLM-1.5B"
    assert "MobileLLM-1.5B at 32 bits does not fit into this machine" in panel.preview.value
    assert panel.buttons["Run"].disabled
    panel.controls["bits"].value = 4  # a formula needs no memory
    assert not panel.buttons["Run"].disabled
    assert "4 bits are predicted, not run here" in panel.preview.value


def test_depth_and_width_are_shown_where_they_count(panel):
    assert panel.controls["depth"].layout.display == ""
    panel.controls["model"].value = "MobileLLM-125M"
    assert panel.controls["depth"].layout.display == panel.controls["width"].layout.display == "none"


def test_runs_are_kept_the_newest_first():
    panel = make()
    run(panel)
    panel.controls["device"].value = "Raspberry Pi 5"
    run(panel)
    html = panel.report.value
    assert html.index("2. 2 × 64, 32 bits, context 128, Raspberry Pi 5") < html.index("1. 2 × 64, 32 bits")
    assert label(Recipe(model="MobileLLM-1B", batch=2, bits=4)) == (
        "MobileLLM-1B, 4 bits, context 128, iPhone 13, batch 2"
    )


def test_bad_defaults_are_refused():
    with pytest.raises(ValueError, match="model='LLaMA': choose one of own"):
        constraints_panel(model="LLaMA")
