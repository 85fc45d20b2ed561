"""Chapter 3's checks beyond what every chapter's are held to: more right forms, more wrong ones, and the package."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from mobilellm_lab.quantization.claims import CLAIMS
from mobilellm_lab.quantization.claims.flow import _chains, _fusers
from mobilellm_lab.quantization.exercises import (
    ASSIGN,
    CLIP,
    EXERCISES,
    GROUPS,
    INT8,
    NIBBLES,
    PREDICTIONS,
    RECOVERED,
    STRAIGHT,
    STUBS,
)
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.libraries.article import FAILURES
from mobilellm_lab.quantization.packing import pack, unpack
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, in_parts, rounded, span
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one, seeds

# GROUPS: other right forms


def by_loops(weights, bits, group_size):
    out = weights.clone()
    for row in out:
        for start in range(0, len(row), group_size):
            group = row[start : start + group_size]
            scale = float(group.abs().max()) * 2 / (2**bits - 1)
            for i, value in enumerate(group.tolist()):
                code = round(value / scale) if scale else 0
                group[i] = max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, code)) * scale
    return out


def by_the_package(weights, bits, group_size):
    return Grid(bits=bits, group_size=group_size, scale_dtype="float32").fake(weights)


def by_torch(weights, bits, group_size):
    """torch's own fake quantization, group by group."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    groups = []
    for group in weights.split(group_size, dim=1):
        scale = group.abs().amax(1).div((high - low) / 2).clamp(min=1e-9)
        zero = torch.zeros(len(group), dtype=torch.int32)
        groups.append(torch.fake_quantize_per_channel_affine(group, scale, zero, 0, low, high))
    return torch.cat(groups, 1)


def in_numpy(weights, bits, group_size):
    return np.stack([by_loops(row[None], bits, group_size)[0].numpy() for row in weights])


@pytest.mark.parametrize("answer", [by_loops, by_the_package, by_torch, in_numpy])
def test_groups_takes_other_right_forms(answer):
    assert GROUPS.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group_size", [1, 7, 32, 100])
def test_the_groups_solutions_are_the_chapters_grid(which, bits, group_size):
    weights = torch.randn(9, 33, generator=torch.Generator().manual_seed(bits))
    step = Grid(bits=bits, group_size=group_size, scale_dtype="float32")
    right = step.fake(weights)
    found = getattr(GROUPS, which)(weights, bits, group_size)
    # At the very end of a group an exact half may fall either way, as it does between torch and torchao.
    same = (found - right).abs() < 1e-5
    tie = (found - weights).abs() - (right - weights).abs() < 1e-5
    assert (same | tie).all() and same.float().mean() > 0.9 or group_size == 1


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda w, bits, size: GROUPS.solution(w, bits - 1, size), "another grid"),
        (lambda w, bits, size: GROUPS.solution(w, bits, size) * 1.1, "another grid"),
        (lambda w, bits, size: GROUPS.solution(w, bits, size // 2 or 1), "another grid"),
        (lambda w, bits, size: w, "another grid"),
        (lambda w, bits, size: torch.zeros_like(w), "another grid"),
        (lambda w, bits, size: w * float("nan"), "another grid"),
        (lambda w, bits, size: GROUPS.solution(w, bits, size).T, "wrong shape"),
        (lambda w, bits, size: GROUPS.solution(w, bits, size)[:, :size], "wrong shape"),
        (lambda w, bits, size: "rounded", "not a tensor"),
        (lambda w, bits, size: w.view(-1, 7), "an exception"),
    ],
)
def test_groups_names_what_is_wrong(answer, misconception):
    assert GROUPS.check(answer).misconception == misconception


def test_a_reciprocal_instead_of_a_division_is_right():
    def rounded(weights, bits, group_size):
        groups = []
        for group in weights.split(group_size, dim=1):
            scale = (group.abs().amax(1, keepdim=True) * (2 / (2**bits - 1))).clamp(min=1e-12)
            codes = (group * (1 / scale)).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            groups.append(codes * scale)
        return torch.cat(groups, 1)

    assert GROUPS.check(rounded).kind == "right"


# NIBBLES


def by_the_chapters_packing(codes, file):
    return unpack(file(pack(codes, 4)), 4, len(codes))


def in_arithmetic(codes, file):
    """The two numbers of a byte by multiplying and dividing."""
    numbers = torch.nn.functional.pad(codes.int() + 8, (0, len(codes) % 2)).view(-1, 2)
    read = file((numbers[:, 0] + 16 * numbers[:, 1]).to(torch.uint8)).int()
    return [code - 8 for byte in read.tolist() for code in (byte % 16, byte // 16)][: len(codes)]


def by_numpy(codes, file):
    numbers = np.append(codes.numpy() + 8, [0] * (len(codes) % 2)).astype(np.uint8)
    read = file(torch.from_numpy(numbers[::2] + (numbers[1::2] << 4))).numpy()
    return np.ravel([read & 15, read >> 4], order="F")[: len(codes)].astype(int) - 8


@pytest.mark.parametrize("answer", [by_the_chapters_packing, in_arithmetic, by_numpy])
def test_nibbles_takes_other_right_forms(answer):
    assert NIBBLES.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_bytes_of_the_solutions_are_those_of_the_chapters_files(which):
    draw = torch.Generator().manual_seed(0)
    for count in (1, 2, 5, 64, 333):
        codes = torch.randint(-8, 8, (count,), generator=draw, dtype=torch.int8)
        written = []
        back = getattr(NIBBLES, which)(codes, lambda packed, written=written: written.append(packed) or packed)
        assert torch.equal(back, codes)
        assert torch.equal(written[0], pack(codes, 4))


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda codes, file: codes, "no file"),
        (lambda codes, file: [file(pack(codes, 4)), file(pack(codes, 4))][0], "no file"),
        (lambda codes, file: file(codes), "bytes with a sign"),
        (lambda codes, file: file(codes.float()), "bytes with a sign"),
        (lambda codes, file: file(codes.tolist()), "no bytes"),
        (lambda codes, file: file(codes[None].to(torch.uint8)), "no bytes"),
        (lambda codes, file: file(pack(codes, 4) + 1), "other bytes"),
        (lambda codes, file: file(pack(codes.flip(0), 4)), "other bytes"),
        (lambda codes, file: unpack(file(pack(codes, 4)), 4, len(codes)).flip(0), "other codes"),
        (lambda codes, file: file(pack(codes, 4)) and None, "an exception"),
        (lambda codes, file: [file(pack(codes, 4))] and None, "not codes"),
        (lambda codes, file: file(pack(codes, 5)), "other bytes"),
        (lambda codes, file: file(pack(codes * 2, 4)), "an exception"),
    ],
)
def test_nibbles_names_what_is_wrong(answer, misconception):
    assert NIBBLES.check(answer).misconception == misconception


# CLIP


def both_ends_searched(sample, bits):
    """Each end on its own, in a coarse grid of ranges."""
    low, high, best = sample.min(), sample.max(), (np.inf, None)
    for a in np.linspace(1, 0.1, 19):
        for b in np.linspace(1, 0.1, 19):
            ends = float(a * low), float(b * high)
            step = (ends[1] - ends[0]) / (2**bits - 1)
            codes = ((sample - ends[0]) / step).round().clamp(0, 2**bits - 1)
            error = float((ends[0] + step * codes - sample).square().mean())
            best = min(best, (error, ends))
    return best[1]


def by_counting(sample, bits):
    """Leaves out a few values, fewer the more bits there are."""
    values, out = sample.sort().values, 80 // 2**bits
    return values[out], values[-1 - out]


@pytest.mark.parametrize("answer", [both_ends_searched, by_counting])
def test_clip_takes_other_right_forms(answer):
    assert CLIP.check(answer).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda sample, bits: sample.aminmax(), "lowest and highest"),
        (lambda sample, bits: torch.quantile(sample, torch.tensor([0.1, 0.9])), "cuts off too much"),
        (
            lambda sample, bits: torch.quantile(sample, torch.tensor([0.001, 0.999])),
            "the same cut at any number of bits",
        ),
        (lambda sample, bits: (-sample.abs().max(), sample.abs().max()), "as far down as up"),
        (lambda sample, bits: (2 * sample.min(), 2 * sample.max()), "wider than the values"),
        (lambda sample, bits: (torch.quantile(sample, 0.001), sample.max()), "one end only"),
        (lambda sample, bits: (-3.0, 3.0), "as far down as up"),
        (lambda sample, bits: (-0.9, 2.9), "no better range"),
        (lambda sample, bits: (1.0, -1.0), "no range"),
        (lambda sample, bits: (0.0, 0.0), "no range"),
        (lambda sample, bits: (float("nan"), 1.0), "no range"),
        (lambda sample, bits: sample.max(), "not two numbers"),
        (lambda sample, bits: (1, 2, 3), "not two numbers"),
        (lambda sample, bits: None, "not two numbers"),
        (lambda sample, bits: sample.range(), "an exception"),
    ],
)
def test_clip_names_what_is_wrong(answer, misconception):
    assert CLIP.check(answer).misconception == misconception


# STRAIGHT


def in_two_lines(weights, scale):
    with torch.no_grad():
        change = torch.round(weights / scale) * scale - weights
    return weights + change


def by_torchs_fake_quantization(weights, scale):
    return torch.fake_quantize_per_tensor_affine(weights, scale, 0, -128, 127)


def in_codes(weights, scale):
    codes = weights / scale
    return (codes + (codes.round() - codes).detach()) * scale


@pytest.mark.parametrize("answer", [in_two_lines, by_torchs_fake_quantization, in_codes])
def test_straight_takes_other_right_forms(answer):
    assert STRAIGHT.check(answer).kind == "right"


def rounds_in_place(weights, scale):
    with torch.no_grad():
        weights.copy_((weights / scale).round() * scale)
    return weights


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (rounds_in_place, "overwrites the weights"),
        (lambda weights, scale: weights, "does not round"),
        (lambda weights, scale: weights.detach(), "does not round"),
        (lambda weights, scale: torch.round(weights / scale) * scale, "no gradient passes"),
        (lambda weights, scale: weights + torch.round(weights / scale) * scale - weights, "no gradient passes"),
        (lambda weights, scale: ((weights / scale).floor() * scale - weights).detach() + weights, "not on the grid"),
        (lambda weights, scale: STRAIGHT.solution(weights, 2 * scale), "not on the grid"),
        (lambda weights, scale: 2 * STRAIGHT.solution(weights, scale), "not on the grid"),
        (lambda weights, scale: STRAIGHT.solution(weights, scale).sum(), "not a tensor"),
        (lambda weights, scale: None, "not a tensor"),
        (lambda weights, scale: weights.ste(scale), "an exception"),
    ],
)
def test_straight_names_what_is_wrong(answer, misconception):
    assert STRAIGHT.check(answer).misconception == misconception


# STUBS


def dequantized_one_by_one(block, x):
    q, k, v = block.split(block.qkv(block.quant_b(x)))
    y = block.mix(block.dequant_b(q), block.dequant_b(k), block.dequant_b(v))
    return block.dequant_a(block.out(block.quant_a(y)))


def test_stubs_takes_another_right_form_and_says_nothing_of_deprecation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = STUBS.check(dequantized_one_by_one)
    assert outcome.kind == "right", outcome


def lost_in_the_middle(block, x):
    return block.dequant_b(block.out(block.quant_b(block.mix(*block.split(block.qkv(x))))))


def around_in_float(block, x):
    """Quantizes and dequantizes at once: the layers still get floats."""
    qkv = block.qkv(block.dequant_a(block.quant_a(x)))
    return block.out(block.dequant_b(block.quant_b(block.mix(*block.split(qkv)))))


def halves_the_output(block, x):
    return STUBS.solution(block, x) / 2


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lost_in_the_middle, "no stubs"),
        (around_in_float, "leaves int8 before the Linear"),
        (halves_the_output, "computes something else"),
        (lambda block, x: x, "computes something else"),
        (lambda block, x: x.sum(), "not a tensor"),
        (lambda block, x: None, "not a tensor"),
        (lambda block, x: block.qkv(x).split(), "an exception"),
        (lambda block, x: block.stub(x), "an exception"),
    ],
)
def test_stubs_names_what_is_wrong(answer, misconception):
    assert STUBS.check(answer).misconception == misconception


# CLIP, what it says of a range that no misconception explains


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda sample, bits: tuple(torch.quantile(sample, torch.tensor([0.01, 0.99]))),
            "Too narrow: most of that error",
        ),
        (lambda sample, bits: (0.8 * sample.min(), 0.8 * sample.max()), "Too wide: little of that error"),
        (lambda sample, bits: (sample[:3], sample[:2]), "a tuple, (tensor(["),
        (lambda sample, bits: ("a", "b"), "a tuple, ('a', 'b')"),
        (lambda sample, bits: (), "a tuple, ()"),
    ],
)
def test_clip_says_what_a_range_lacks(answer, words):
    assert words in str(CLIP.check(answer))


# ASSIGN


def by_sorting(rows, budget):
    """Every combination, the best first."""
    from itertools import product

    names = sorted({row[0] for row in rows})
    every = product(*([row for row in rows if row[0] == name] for name in names))
    for picked in sorted(every, key=lambda picked: sum(row[2] for row in picked)):
        if sum(row[3] for row in picked) <= budget:
            return [(row[0], row[1]) for row in picked]


def by_scipy(rows, budget):
    """As a linear program over zeros and ones."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    names = sorted({row[0] for row in rows})
    each = [[row[0] == name for row in rows] for name in names]
    limits = [
        LinearConstraint(np.array(each, dtype=float), 1, 1),
        LinearConstraint([row[3] for row in rows], 0, budget),
    ]
    found = milp([row[2] for row in rows], integrality=np.ones(len(rows)), bounds=Bounds(0, 1), constraints=limits)
    return {row[0]: row[1] for row, taken in zip(rows, found.x, strict=True) if taken > 0.5}


@pytest.mark.parametrize("answer", [by_sorting, by_scipy])
def test_assign_takes_other_right_forms(answer):
    assert ASSIGN.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_assignments_are_the_best_on_random_tables(which):
    draw = np.random.default_rng(4)
    for _ in range(10):
        rows = [(name, bits, float(draw.random()), int(draw.integers(10, 90))) for name in "abcd" for bits in (2, 3, 4)]
        budget = sum(max(row[3] for row in rows if row[0] == name) for name in "abcd") - 30
        loss_increase = {(row[0], row[1]): row[2] for row in rows}
        found, best = (f(rows, budget) for f in (getattr(ASSIGN, which), by_scipy))
        assert sum(loss_increase[item] for item in found.items()) == pytest.approx(
            sum(loss_increase[item] for item in best.items())
        )


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda rows, budget: {row[0]: 4 for row in rows}, "over the budget"),
        (lambda rows, budget: {row[0]: 2 for row in rows}, "the fewest bytes"),
        (lambda rows, budget: ASSIGN.solution(rows, budget - 1) if budget == 800 else {}, "not every matrix"),
        (lambda rows, budget: ASSIGN.solution(rows, budget) | {"head": 4}, "not every matrix"),
        (lambda rows, budget: {row[0]: 5 for row in rows}, "bits that were not measured"),
        (lambda rows, budget: ASSIGN.solution(rows, max(300 if len(rows) == 6 else 160, budget - 60)), "an exception"),
        (lambda rows, budget: [2, 3, 4], "not an assignment"),
        (lambda rows, budget: None, "not an assignment"),
        (lambda rows, budget: rows.sort_values("loss_increase"), "an exception"),
    ],
)
def test_assign_names_what_is_wrong(answer, misconception):
    assert ASSIGN.check(answer).misconception == misconception


# Predictions, stored rows and the words of claims


def claim(name):
    return next(one for one in CLAIMS if one.name == name)


def test_the_predictions_quote_what_was_stored():
    stored, trained = open_sweep("quantization"), open_sweep("quantization_qat")
    row = one(evidence.crossover(stored, trained, "stories-deep"), bits=1)
    assert RECOVERED.reference().median == pytest.approx(100 * row["recovered"], abs=1e-6)
    measured = open_sweep("quantization_speed")
    assert (
        INT8.reference().median == one(evidence.speeds(measured), backend="torchao int8 dynamic", size="1M")["speedup"]
    )


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: prediction.name)
def test_a_reader_can_commit_a_number_inside_the_spread_as_it_is_printed(prediction):
    stored = prediction.reference()
    near = round(round(stored.median / prediction.step) * prediction.step, 6)
    assert near in stored
    assert prediction.parse(f"{stored.median:.{prediction.digits}f}") in stored


def test_rises_are_printed_with_their_spread_and_without_a_negative_zero():
    run = pd.Series({"loss_increase_nats": 0.5031, "loss_increase_low_nats": 0.4737, "loss_increase_high_nats": 0.5579})
    assert in_parts(run) == "0.503 (0.474 to 0.558)"
    assert span(pd.Series([0.00004, -0.00002, -0.00026])) == "0.0000 (-0.0003 to 0.0000)"


def test_rounding_costs_from_the_bits_that_the_claim_names():
    found = {
        (name, bits): run["loss_increase_low_nats"] > LITTLE
        for bits in (8, 6, 4, 3, 2)
        for name, run in rounded(open_sweep("quantization"), bits).items()
    }
    least = {("stories", bits) for bits in (3, 2)} | {("text", bits) for bits in (4, 3, 2)}
    assert {case for case, lost in found.items() if lost} == least
    assert "3 or fewer on stories, 4 or fewer on text" in claim("rounding-may-cost").condition


def test_the_sample_card_quotes_the_errors_of_this_torch():
    found = claim("sample-works").derive().finding
    assert "without it `NotImplementedError: Could not run 'quantized::linear'" in found
    assert "With the embedding it raises `AssertionError: Embedding quantization is only supported" in found
    assert f"fails in {len(FAILURES)} ways" in found


def test_nothing_in_a_transformer_can_be_fused_but_a_convolution_can():
    chains = {kinds for kinds in _fusers() if len(kinds) > 1}
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.Linear(4, 4))
    assert "of a small transformer there are 0." in claim("fuse-first").derive().finding
    assert _chains(list(network), chains) >= 2  # with ReLU and without


def test_training_with_the_grid_wins_from_three_bits_down():
    runs = evidence.qat(open_sweep("quantization_qat"))
    for model in ("stories-deep", "text-deep"):
        for bits in (3, 2, 1.58, 1):
            worst = seeds(runs, INCREASE, model=model, arm="qat", bits=bits).max()
            for how in ("rtn", "gptq"):
                assert worst < seeds(runs, INCREASE, model=model, arm=f"float then {how}", bits=bits).min()
        at_8 = [seeds(runs, INCREASE, model=model, arm=arm, bits=8).median() for arm in ("qat", "float then rtn")]
        assert abs(at_8[0] - at_8[1]) < LITTLE  # nothing to win there


def test_matrices_rounded_together_lose_more_than_each_alone():
    stored = open_sweep("quantization")
    alone = evidence.sensitivity(stored).groupby(["model", "bits"])["loss_increase_nats"].sum()
    together = evidence.mixed(stored)
    for model in ("stories-deep", "text-deep"):
        for bits in (3, 2):
            all_of_them = one(together, model=model, kind="uniform", budget_bits=bits)["loss_increase_nats"]
            assert all_of_them > alone[model, bits]


def test_text_is_where_deep_is_fragile():
    pairs = evidence.deep_and_wide(open_sweep("quantization"))
    few = pairs[pairs["bits"].isin((2, 3))]
    assert (few[few["task"] == "text"]["deep"] > few[few["task"] == "text"]["wide"]).all()
    stories = few[few["task"] == "stories"]
    assert 0 < (stories["deep"] > stories["wide"]).sum() < len(stories)


# Texts


def test_the_chapter_names_its_exercises_after_what_the_reader_writes():
    assert [exercise.answer for exercise in EXERCISES] == [
        "rounded",
        "through_file",
        "chosen",
        "on_grid",
        "attend",
        "assigned",
    ]
    folder = Path(__file__).parents[3] / "mobilellm_lab" / "quantization" / "exercises"
    assert all(any(folder.glob(f"{exercise.name}*.py")) for exercise in EXERCISES)


def test_an_answer_may_be_checked_twice():
    for exercise in EXERCISES:
        assert exercise.check(exercise.solution) == exercise.check(exercise.solution)


def spoiled_weights(weights, bits, group_size):
    found = GROUPS.solution(weights, bits, group_size)
    weights.zero_()
    return found


def spoiled_codes(codes, file):
    found = NIBBLES.solution(codes, file)
    codes.zero_()
    return found


def spoiled_sample(sample, bits):
    found = CLIP.solution(sample, bits)
    sample.zero_()
    return found


def spoiled_rows(rows, budget):
    found = ASSIGN.solution(rows, budget)
    rows.clear()
    return found


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [(GROUPS, spoiled_weights), (NIBBLES, spoiled_codes), (CLIP, spoiled_sample), (ASSIGN, spoiled_rows)],
)
def test_what_an_answer_does_to_its_arguments_does_not_reach_the_check(exercise, answer):
    for _ in range(2):
        assert exercise.check(answer).kind == "right"
