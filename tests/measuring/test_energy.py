"""Energy: RAPL and battery trees made by the test, wrap-around included; the estimate by hand."""

import pytest

from mobilellm_lab import footprint, zoo
from mobilellm_lab.measuring import (
    Battery,
    EnergyEstimate,
    EnergyUnavailable,
    MeasuredEnergy,
    Rapl,
    counter_difference_uj,
    decode_traffic,
    energy,
    estimate_energy,
    estimate_token_energy,
    measure_energy,
)

RANGE_UJ = 262_143_328_850  # of a real package


class Powercap:
    """A tree as Linux shows it, with counters that the test turns."""

    def __init__(self, root, **domains):
        self.root = root
        root.mkdir()
        for folder, (name, start_uj) in domains.items():
            self.folder(folder).mkdir()
            (self.folder(folder) / "name").write_text(f"{name}\n")
            (self.folder(folder) / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.set(folder, start_uj)

    def folder(self, key):
        return self.root / key.replace("__", ":").replace("_", "-")

    def set(self, key, value_uj):
        (self.folder(key) / "energy_uj").write_text(f"{value_uj}\n")


@pytest.fixture
def tree(tmp_path):
    """Two packages with their parts, the whole board, and the first package once more by another way."""
    return Powercap(
        tmp_path / "powercap",
        intel_rapl__0=("package-0", 1_000_000),
        intel_rapl__0__0=("core", 500_000),
        intel_rapl__0__1=("uncore", 100_000),
        intel_rapl__1=("package-1", RANGE_UJ - 2_000_000),
        intel_rapl__1__0=("dram", 0),
        intel_rapl__2=("psys", 9_000_000),
        intel_rapl_mmio__0=("package-0", 1_000_000),
    )


def battery_tree(root, *, status="Discharging", kind="Battery", name="BAT0", **values):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "status").write_text(f"{status}\n")
    for file, value in values.items():
        (folder / file).write_text(f"{value}\n")
    return folder


def test_packages_are_added_and_their_parts_are_not(tree):
    meter = Rapl(tree.root)
    assert meter.domains == ["package-0", "package-1"]
    tree.set("intel_rapl__0", 4_000_000)  # 3 J
    tree.set("intel_rapl__0__0", 3_000_000)  # of which core 2.5 J
    tree.set("intel_rapl__1", RANGE_UJ - 1_000_000)  # 1 J
    tree.set("intel_rapl__2", 20_000_000)  # the board 11 J
    tree.set("intel_rapl_mmio__0", 4_000_000)
    assert meter.read_j() == pytest.approx(4)


def test_a_counter_that_starts_anew_is_understood(tree):
    meter = Rapl(tree.root)
    tree.set("intel_rapl__1", 500_000 - 1)  # 2 J to the end, then 0.5 J
    assert meter.read_j() == pytest.approx(2.5)
    tree.set("intel_rapl__1", 1_500_000 - 1)
    assert meter.read_j() == pytest.approx(3.5)


def test_several_turns_add_up_if_each_is_seen(tree):
    meter = Rapl(tree.root)
    for _ in range(3):
        tree.set("intel_rapl__0", RANGE_UJ)
        meter.read_j()
        tree.set("intel_rapl__0", 0)
        found = meter.read_j()
    assert found == pytest.approx((3 * (RANGE_UJ + 1) - 1_000_000) / 1e6)


@pytest.mark.parametrize(
    "before, after, gained", [(10, 25, 15), (7, 7, 0), (95, 4, 10), (100, 0, 1), (0, 100, 100), (1, 0, 100)]
)
def test_the_difference_by_hand(before, after, gained):
    """A counter of 0 .. 100 has 101 values."""
    assert counter_difference_uj(before, after, max_range_uj=100) == gained


def test_a_reading_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"after=101: outside of the counter's range 0\.\.100"):
        counter_difference_uj(3, 101, max_range_uj=100)


def test_no_tree_no_package_and_no_permission_are_named(tmp_path, tree, monkeypatch):
    with pytest.raises(EnergyUnavailable, match="does not exist: RAPL needs Linux"):
        Rapl(tmp_path / "nothing")
    empty = Powercap(tmp_path / "empty", intel_rapl__0=("psys", 0))
    with pytest.raises(EnergyUnavailable, match="names no processor package"):
        Rapl(empty.root)
    counter = tree.folder("intel_rapl__0") / "energy_uj"
    read_text = type(counter).read_text

    def guarded(path, *arguments, **options):  # a mode of 0400 would not stop a test that runs as root
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *arguments, **options)

    monkeypatch.setattr(type(counter), "read_text", guarded)
    with pytest.raises(EnergyUnavailable, match=r"energy_uj may be read by the administrator only: sudo chmod a\+r"):
        Rapl(tree.root)


def test_a_battery_in_watt_hours(tmp_path):
    folder = battery_tree(tmp_path, energy_now=50_000_000)
    battery_tree(tmp_path, name="AC", kind="Mains", status="")
    battery_tree(tmp_path, name="mouse", scope="Device", energy_now=1)
    meter = Battery(tmp_path)
    assert meter.names == ["BAT0"]
    (folder / "energy_now").write_text("49990000\n")  # 10 mWh
    assert meter.read_j() == pytest.approx(36)


def test_a_battery_in_ampere_hours(tmp_path):
    folder = battery_tree(tmp_path, charge_now=4_000_000, voltage_now=12_000_000)
    meter = Battery(tmp_path)
    (folder / "charge_now").write_text("3999000\n")  # 1 mAh at 12 V: 12 mWh
    assert meter.read_j() == pytest.approx(43.2)


def test_two_batteries_of_which_one_rests(tmp_path):
    battery_tree(tmp_path, name="BAT0", energy_now=1_000_000)
    battery_tree(tmp_path, name="BAT1", status="Not charging", energy_now=2_000_000)
    assert Battery(tmp_path).names == ["BAT0", "BAT1"]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"kind": "Mains"}, "has no battery: measure on a laptop"),
        ({"status": "Charging", "energy_now": 5}, "BAT0 is Charging: unplug the charger"),
        ({"status": "Full", "energy_now": 5}, "BAT0 is Full: unplug the charger"),
        ({"charge_now": 5}, "neither energy_now nor charge_now and voltage_now"),
    ],
)
def test_a_battery_that_tells_nothing_is_named(tmp_path, values, message):
    battery_tree(tmp_path, **values)
    with pytest.raises(EnergyUnavailable, match=message):
        Battery(tmp_path)


def test_a_charger_that_is_plugged_in_while_measuring_is_noticed(tmp_path):
    folder = battery_tree(tmp_path, energy_now=5_000_000)
    meter = Battery(tmp_path)
    (folder / "status").write_text("Charging\n")
    with pytest.raises(EnergyUnavailable, match="unplug the charger"):
        meter.read_j()


def test_a_job_is_measured_by_rapl(tree, tmp_path):
    clock = iter([10.0, 12.0])
    found = measure_energy(
        lambda: tree.set("intel_rapl__0", 31_000_000),
        powercap=tree.root,
        power_supply=tmp_path,
        clock=lambda: next(clock),
    )
    assert found == MeasuredEnergy(energy_j=30.0, duration_s=2.0, source="RAPL package-0 + package-1")
    assert found.watts == 15 and found.per(60) == 0.5
    assert str(found) == "30 J measured (RAPL package-0 + package-1, 15 W over 2 s)"


def test_by_the_battery_where_there_is_no_rapl(tmp_path):
    folder = battery_tree(tmp_path / "supply", energy_now=5_000_000)
    found = measure_energy(
        lambda: (folder / "energy_now").write_text("4900000\n"),
        powercap=tmp_path / "nothing",
        power_supply=tmp_path / "supply",
    )
    assert found.energy_j == pytest.approx(360) and found.source == "battery BAT0"


def test_neither_is_named_with_both_reasons(tmp_path):
    with pytest.raises(EnergyUnavailable, match=r"(?s)RAPL needs Linux.*has no battery"):
        measure_energy(int, powercap=tmp_path / "nothing", power_supply=tmp_path)


def test_a_counter_that_stood_still_is_no_zero(tree, tmp_path):
    with pytest.raises(EnergyUnavailable, match="did not move in"):
        measure_energy(int, powercap=tree.root, power_supply=tmp_path)


def test_the_estimate_by_hand():
    """A gigabyte from DRAM at 160 pJ a byte, a billion operations at 0.9 pJ, a megabyte from SRAM at 1.25 pJ."""
    found = estimate_energy(dram_bytes=1e9, operations=1e9, sram_bytes=1e6)
    assert found.estimated_energy_j == pytest.approx(0.16 + 0.9e-3 + 1.25e-6, rel=1e-12)
    assert "45 nm" in found.model and "an estimate" in str(found)
    assert estimate_energy(dram_bytes=0).estimated_energy_j == 0


def test_the_known_sum_of_the_literature():
    """A billion weights of 32 bits twenty times a second: 12.8 W from DRAM alone. Source: Han et al. 2015."""
    assert 20 * estimate_energy(dram_bytes=4e9).estimated_energy_j == pytest.approx(12.8)


def test_a_token_reads_each_weight_that_it_uses_once():
    config = zoo.SHAPES["MobileLLM-125M"].config
    traffic = decode_traffic(config, context=100)
    assert traffic["dram_bytes"] == 2 * 124_635_456 + 100 * 23_040
    untied = zoo.solve(200_000, 2, vocab_size=512, tie_embeddings=False)
    all_weights = footprint.weight_bytes(untied, bits_per_weight=16)
    unused_rows = 2 * 511 * untied.embed_dim
    kv = footprint.kv_bytes_per_token(untied)
    assert decode_traffic(untied, context=1)["dram_bytes"] == all_weights - unused_rows + kv


def test_fewer_bits_and_a_shorter_context_cost_less():
    config = zoo.SHAPES["MobileLLM-125M"].config

    def joules(**options):
        return estimate_token_energy(config, **{"context": 1024, **options}).estimated_energy_j

    assert joules(bits_per_weight=4) < joules(bits_per_weight=8) < joules()
    assert joules(context=16) < joules() and joules(bits_per_value=8) < joules()


def test_what_cannot_be_measured_is_an_estimate_that_says_why(tmp_path):
    ran = []
    found = energy(
        lambda: ran.append(1), dram_bytes=1e9, operations=0, powercap=tmp_path / "nothing", power_supply=tmp_path
    )
    assert isinstance(found, EnergyEstimate) and found.estimated_energy_j == pytest.approx(0.16)
    assert "RAPL needs Linux" in found.because and "no battery" in found.because and not ran


def test_what_can_be_measured_is_measured(tree, tmp_path):
    found = energy(
        lambda: tree.set("intel_rapl__0", 2_000_000),
        dram_bytes=1e9,
        operations=0,
        powercap=tree.root,
        power_supply=tmp_path,
    )
    assert isinstance(found, MeasuredEnergy) and found.energy_j == pytest.approx(1)


def test_an_estimate_cannot_be_taken_for_a_measurement():
    measured, estimated = (set(kind.__dataclass_fields__) for kind in (MeasuredEnergy, EnergyEstimate))
    assert not measured & estimated


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="dram_bytes=-1"):
        estimate_energy(dram_bytes=-1)
    with pytest.raises(ValueError, match="operations=-2"):
        estimate_energy(dram_bytes=0, operations=-2)
    with pytest.raises(ValueError, match="count=0"):
        estimate_energy(dram_bytes=1).per(0)
    with pytest.raises(ValueError, match="context=-1"):
        estimate_token_energy(zoo.SHAPES["MobileLLM-125M"].config, context=-1)
