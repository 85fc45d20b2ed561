"""The numbers of README's first screen are those of the stored rows."""

from pathlib import Path

import pytest

from mobilellm_lab import constraints
from mobilellm_lab.deep_narrow.study.evidence import answers
from mobilellm_lab.deep_narrow.study.evidence import speeds as by_depth
from mobilellm_lab.quantization.study.evidence import runs, speeds
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one

README = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())


def test_the_published_checks_are_as_good_as_it_says():
    checks, reached = constraints.checks(), constraints.reached().values()
    assert len(checks) == 8 and "Eight published numbers" in README
    assert max(abs(check.error) for check in checks) < 0.05 and "within 5 %" in README
    assert 0.45 < min(reached) and max(reached) < 0.65 and "about half of its memory's bandwidth" in README


def test_four_bits_cost_what_it_says():
    found = runs(open_sweep("quantization"), "activations").query("bits == 4 and activation_bits == 8")
    lost = dict(zip(found["model"], found["loss_increase_nats"], strict=True))
    assert f"cost {lost['stories-deep']:.3f} nats on our stories and {lost['text-deep']:.3f} on English text" in README
    packed = one(speeds(open_sweep("quantization_speed")), backend="packed 4-bit (ours)", size="125M")
    assert f"becomes {packed['float_file_bytes'] / packed['file_bytes']:.1f} times smaller than float32" in README


@pytest.mark.parametrize(
    ("budget", "deep", "shallow", "form"),
    [
        (125_000_000, 30, 12, lambda slow: f"30 layers decode {100 * (1 - 1 / slow):.0f} % slower than 12"),
        (60_000, 8, 1, lambda slow: f"eight layers take {slow:.1f} times as long as one"),
    ],
)
def test_depth_costs_what_it_says(budget, deep, shallow, form):
    rows = by_depth(open_sweep("deep_narrow_cost"))
    slow, fast = (one(rows, budget=budget, depth=depth)["p50"] for depth in (deep, shallow))
    assert form(fast / slow) in README


def test_depth_buys_what_the_paper_reports_and_costs_a_phone_little():
    known = answers()
    assert f"{known['deep_paper_points']} points more accuracy with 30 layers than with 12" in README
    assert f"costs a phone at most {known['deep_phone_slower']} % of its speed" in README


def test_forty_lines_are_read_before_the_tree():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    first = text.split("## What is where")[0]
    assert len(first.splitlines()) <= 42
    assert "Three of its results" in first and first.count("\n- **") == 3  # a merge once left two of one
