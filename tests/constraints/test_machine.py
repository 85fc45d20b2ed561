"""The rates between probes, what a prediction lacks, and this machine as a card."""

from dataclasses import asdict, replace

import pytest
from pretended import made

from mobilellm_lab.constraints import (
    Machine,
    ProbePlan,
    budget_of,
    cores,
    full_plan,
    lab_plan,
    measure_machine,
    this_machine,
)
from mobilellm_lab.constraints.machine import MANY_ROWS

PLAN = tuple(ProbePlan(name=name, working_set_mib=2) for name in ("read", "copy", "dispatch")) + (
    ProbePlan(name="matmul", rows=MANY_ROWS),
)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return measure_machine(PLAN)


def test_between_two_probes_rates_lie_on_a_line():
    machine = Machine(probes=(made("read", 128, 10), made("read", 2, 30)))
    assert machine.bandwidth_gb_s(2) == 30 and machine.bandwidth_gb_s(128) == 10
    assert machine.bandwidth_gb_s(16) == pytest.approx(20)  # half-way from 2 to 128 by factors
    assert machine.bandwidth_gb_s(0.1) == 30 and machine.bandwidth_gb_s(10_000) == 10  # beyond them the last
    assert [p.working_set_mib for p in machine.find("read")] == [2, 128]


def test_products_lie_between_rows_and_sizes():
    probes = [made("matmul", size, rate, rows=rows) for size, rows, rate in ((8, 4, 40), (8, 16, 90), (128, 4, 10))]
    machine = Machine(probes=(*probes, made("matmul", 128, 40, rows=16), made("matmul", 8, 200, rows=MANY_ROWS)))
    assert machine.matmul_gflop_s(rows=4) == pytest.approx(40)
    assert machine.matmul_gflop_s(rows=8) == pytest.approx(60)  # the geometric middle
    assert machine.matmul_gflop_s(rows=4, working_set_mib=32) == pytest.approx(20)
    assert machine.matmul_gflop_s() == pytest.approx(200)
    assert machine.matmul_gflop_s(rows=16, working_set_mib=8) == pytest.approx(90)  # not mixed with the many rows


def test_what_is_lacking_is_said():
    machine = Machine(probes=(made("read", 8, 10), made("dispatch", 8, 2)))
    assert machine.lacks(threads=1, bits=32, rows=1) == ""
    assert machine.lacks(threads=1, bits=32, rows=4) == "'matmul' at threads=1, bits=32, rows=4"
    assert machine.lacks(threads=2, bits=32, rows=1) == "'read' at threads=2, bits=32"
    with pytest.raises(ValueError, match="no probe 'read' at threads=2, bits=32: measure it with measure_machine"):
        machine.bandwidth_gb_s(8, threads=2)


def test_rows_of_the_stored_sweep_become_the_machine_again(machine):
    busy = Machine(probes=(*machine.probes, replace(made("read", 512, 9), settled=False)))
    rows = []
    for probe in busy.probes:
        row = asdict(probe)
        recipe = {name: row.pop(name) for name in ("name", "threads", "working_set_mib", "bits", "rows")}
        rows.append({"recipe": recipe, **row, "provenance": {}})
    assert Machine.of_rows(rows) == busy
    del rows[-1]["settled"]  # as in rows of before
    assert Machine.of_rows(rows).probes[-1].settled


def test_this_machine_is_a_card_of_measurements(machine):
    device = this_machine(machine)
    assert device.kind == "machine" and device.chip
    assert device.bandwidth_gb_s.value == machine.find("read")[-1].best
    assert {v.mark for v in device.values().values()} == {"measured", "unknown"}
    assert budget_of(device).memory_mib == pytest.approx(0.1 * 1024 * device.memory_gib.value)


def test_the_card_of_a_busy_machine_says_so():
    quiet = (made("read", 512, 9), made("matmul", 8, 50, rows=MANY_ROWS))
    assert "busy" not in this_machine(Machine(probes=quiet)).bandwidth_gb_s.source
    unsettled = replace(made("read", 512, 0.08), p90=8.2, settled=False)
    bandwidth = this_machine(Machine(probes=(unsettled, quiet[1]))).bandwidth_gb_s
    assert bandwidth.value == 8.2
    assert bandwidth.source.endswith("the machine was busy: fastest tenth of the samples")


def test_the_plans_measure_what_predictions_need():
    for plan in (lab_plan(), full_plan()):
        assert len(set(plan)) == len(plan)
        pretended = Machine(
            probes=tuple(made(p.name, p.working_set_mib, 1, rows=p.rows, threads=p.threads, bits=p.bits) for p in plan)
        )
        for bits in (32, 16):
            assert pretended.lacks(threads=1, bits=bits, rows=8) == ""
        assert pretended.lacks(threads=cores(), bits=32, rows=1) == ""
        assert max(p.working_set_mib for p in plan if p.name == "read") >= 256  # far beyond the caches of two cores
    assert {p.name for p in full_plan()} == {"read", "copy", "matmul", "dispatch"}


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="working_set_mib=0: must be a positive number"):
        Machine(probes=(made("read", 8, 1),)).bandwidth_gb_s(0)
    with pytest.raises(ValueError, match="no probe 'matmul' for rows=1024: measure one with ProbePlan"):
        Machine(probes=(made("matmul", 8, 1, rows=4),)).matmul_gflop_s()
