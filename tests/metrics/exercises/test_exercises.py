"""Chapter 7's checks beyond what every chapter's are held to: more right forms, more wrong ones, and real data."""

from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mobilellm_lab.measuring import bootstrap_interval, counter_difference_uj, pareto
from mobilellm_lab.metrics import OUTCOMES
from mobilellm_lab.metrics.exercises import BITS, BOOTSTRAP, EXERCISES, FRONT, JOULES, SHOT, THREADS, TPOT
from mobilellm_lab.metrics.study.evidence import PAIRS, duels, pitfalls, verdicts_of_100
from mobilellm_lab.reference import open_sweep

# TPOT: other right forms


def quantile_gaps(sent_ms, arrivals_ms):
    arrivals = np.array(arrivals_ms)
    return np.quantile(arrivals[1:] - arrivals[:-1], 0.95)


def pandas_gaps(sent_ms, arrivals_ms):
    return pd.Series(arrivals_ms).diff().quantile(0.95)


def scipy_gaps(sent_ms, arrivals_ms):
    return stats.scoreatpercentile(np.ediff1d(arrivals_ms), 95)


@pytest.mark.parametrize("answer", [quantile_gaps, pandas_gaps, scipy_gaps])
def test_tpot_takes_other_right_forms(answer):
    assert TPOT.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_tpots_solutions_are_numpys_percentile_of_any_stream(which):
    answer, draw = getattr(TPOT, which), np.random.default_rng(5)
    for count in (1, 2, 7, 100):
        gaps = draw.gamma(2.0, 6.0, count)
        arrivals = list(accumulate(gaps, initial=300.0))
        assert answer(0.0, arrivals) == pytest.approx(np.percentile(gaps, 95))


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda sent, arrivals: np.percentile(np.diff([sent] + arrivals), 95), "counts the first token"),
        (lambda sent, arrivals: (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1), "the mean"),
        (lambda sent, arrivals: np.diff(arrivals).max(), "the longest gap"),
        (lambda sent, arrivals: np.diff(arrivals)[-1], "another number"),
        (lambda sent, arrivals: np.percentile(np.diff(arrivals), 95, method="lower"), "another number"),
        (lambda sent, arrivals: np.percentile(np.diff(arrivals), [50, 95]), "not a number"),
        (lambda sent, arrivals: None, "not a number"),
        (lambda sent, arrivals: float("nan"), "another number"),
        (lambda sent, arrivals: arrivals.diff(), "an exception"),
    ],
)
def test_tpot_names_what_is_wrong(answer, misconception):
    assert TPOT.check(answer).misconception == misconception


# BITS


def weighted(losses_nats, token_bytes):
    """The mean of each token's bits per byte, weighted by its bytes."""
    return np.average(np.divide(losses_nats, token_bytes), weights=token_bytes) / np.log(2)


def from_perplexity(losses_nats, token_bytes):
    perplexity = np.exp(np.mean(losses_nats))
    return np.log2(perplexity) * len(losses_nats) / sum(token_bytes)


@pytest.mark.parametrize("answer", [weighted, from_perplexity])
def test_bits_takes_other_right_forms(answer):
    assert BITS.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_guessing_a_byte_costs_eight_bits_however_the_text_is_cut(which):
    answer = getattr(BITS, which)
    assert answer([np.log(256)] * 10, [1] * 10) == pytest.approx(8)
    assert answer([5 * np.log(256)] * 2, [5] * 2) == pytest.approx(8)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda losses, sizes: np.mean(losses) / np.mean(sizes), "nats, not bits"),
        (lambda losses, sizes: np.mean(losses) / np.log(2), "per token"),
        (lambda losses, sizes: np.exp(np.mean(losses)), "perplexity"),
        (lambda losses, sizes: np.mean(np.divide(losses, sizes)) / np.log(2), "a mean of ratios"),
        (lambda losses, sizes: 2 ** (np.mean(losses) / np.log(2)), "perplexity"),
        (lambda losses, sizes: np.sum(losses) / np.log(2), "another number"),
        (lambda losses, sizes: np.divide(losses, sizes), "not a number"),
        (lambda losses, sizes: "two", "not a number"),
        (lambda losses, sizes: losses / sizes, "an exception"),
    ],
)
def test_bits_names_what_is_wrong(answer, misconception):
    assert BITS.check(answer).misconception == misconception


# BOOTSTRAP


def by_choice(right, seed):
    rng = np.random.default_rng(seed)
    means = [rng.choice(right, len(right)).mean() for _ in range(2000)]
    return tuple(np.percentile(means, [2.5, 97.5]))


def by_the_course(right, seed):
    found = bootstrap_interval(right, seed=seed)
    return found.low, found.high


def by_scipy(right, seed):
    found = stats.bootstrap((right,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed))
    return [found.confidence_interval.low, found.confidence_interval.high]


def by_normal(right, seed):
    """The central limit theorem instead of draws: not a bootstrap, but the same interval at these sizes."""
    half = 1.96 * np.std(right) / len(right) ** 0.5
    return np.mean(right) - half, np.mean(right) + half


@pytest.mark.parametrize("answer", [by_choice, by_the_course, by_scipy, by_normal])
def test_bootstrap_takes_other_right_forms(answer):
    assert BOOTSTRAP.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_bootstraps_solutions_are_right_for_other_seeds_and_hold_the_truth(which):
    """The check must not depend on the luck of one seed; and 95 % is what the word says."""
    answer, draw = getattr(BOOTSTRAP, which), np.random.default_rng(11)
    for shift in (2, 3, 4):
        assert BOOTSTRAP.check(lambda right, seed, shift=shift: answer(right, seed + shift)).kind == "right"
    held = 0
    for trial in range(100):
        low, high = answer((draw.random(150) < 0.7).astype(float), trial)
        held += low <= 0.7 <= high
    assert 84 <= held <= 99  # 95 expected; five standard deviations are 11


def not_seeded(right, seed):
    places = np.random.default_rng().integers(0, len(right), (2000, len(right)))
    return np.quantile(right[places].mean(axis=1), [0.025, 0.975])


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (not_seeded, "not repeatable"),
        (lambda right, seed: (right.mean(), right.mean()), "draws without replacement"),
        (lambda right, seed: (0.0, 1.0), "draws one answer"),
        (lambda right, seed: (right.mean() - right.std(), right.mean() + right.std()), "another interval"),
        (lambda right, seed: (right.mean() - stats.sem(right), right.mean() + stats.sem(right)), "one standard error"),
        (lambda right, seed: BOOTSTRAP.solution(right, seed)[::-1], "another interval"),
        (lambda right, seed: BOOTSTRAP.solution(right, seed) * 100, "another interval"),
        (lambda right, seed: right.mean(), "not two numbers"),
        (lambda right, seed: (0.1, 0.2, 0.3), "not two numbers"),
        (lambda right, seed: ("low", "high"), "not two numbers"),
        (lambda right, seed: None, "not two numbers"),
        (lambda right, seed: right.resample(), "an exception"),
    ],
)
def test_bootstrap_names_what_is_wrong(answer, misconception):
    assert BOOTSTRAP.check(answer).misconception == misconception


# FRONT


def by_the_package(points):
    named = [{"ms": ms, "accuracy": accuracy} for ms, accuracy in points]
    return pareto(named, {"ms": "lower", "accuracy": "higher"})


def as_a_set(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and (a[0] < b[0] or a[1] > b[1])

    return {i for i, point in enumerate(points) if not any(beats(other, point) for other in points)}


def by_distinct_points(points):
    best = {}
    for ms, accuracy in sorted(set(points), key=lambda p: (p[0], -p[1])):
        if accuracy > max(best.values(), default=-1):
            best[ms] = accuracy
    return tuple(i for i, point in reversed(list(enumerate(points))) if tuple(point) in best.items())


@pytest.mark.parametrize("answer", [by_the_package, as_a_set, by_distinct_points])
def test_front_takes_other_right_forms(answer):
    assert FRONT.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_fronts_solutions_agree_with_the_package_on_random_boards(which):
    answer, draw = getattr(FRONT, which), np.random.default_rng(3)
    for _ in range(30):
        points = [(float(ms), float(accuracy)) for ms, accuracy in draw.integers(0, 5, (12, 2))]  # many ties
        assert [int(place) for place in answer(points)] == by_the_package(points)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda points: [p for i, p in enumerate(points) if i in FRONT.solution(points)], "points, not places"),
        (lambda points: np.array(points)[FRONT.solution(points)], "points, not places"),
        (lambda points: np.isin(range(len(points)), FRONT.solution(points)), "a mask, not places"),
        (lambda points: [i in FRONT.solution(points) for i in range(len(points))], "a mask, not places"),
        (lambda points: range(len(points)), "keeps everything"),
        (lambda points: [], "other places"),
        (lambda points: [i + 1 for i in FRONT.solution(points)], "other places"),
        (lambda points: FRONT.solution(points)[:1], "other places"),
        (lambda points: 0, "not places"),
        (lambda points: None, "not places"),
        (lambda points: points.ms, "an exception"),
    ],
)
def test_front_names_what_is_wrong(answer, misconception):
    assert FRONT.check(answer).misconception == misconception


# JOULES


def by_the_chapters_counter(readings_uj, max_energy_range_uj):
    pairs = zip(readings_uj[:-1], readings_uj[1:], strict=True)
    return sum(counter_difference_uj(a, b, max_range_uj=max_energy_range_uj) for a, b in pairs) / 1e6


def unwrapped(readings_uj, max_energy_range_uj):
    """NumPy's own, made for angles: it takes a jump of more than half the period for a wrap, so the period is told."""
    wraps = np.cumsum(np.diff(readings_uj, prepend=readings_uj[0]) < 0)
    total = np.array(readings_uj) + wraps * max_energy_range_uj
    return 1e-6 * (total[-1] - total[0])


@pytest.mark.parametrize("answer", [by_the_chapters_counter, unwrapped])
def test_joules_takes_other_right_forms(answer):
    assert JOULES.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_joules_solutions_follow_a_counter_through_many_wraps(which):
    draw, top = np.random.default_rng(1), 1_000_000
    used = draw.integers(0, top, 50)
    readings = [int(value) % top for value in accumulate(used, initial=123_456)]
    assert getattr(JOULES, which)(readings, top) == pytest.approx(used.sum() / 1e6)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda readings, top: (readings[-1] - readings[0]) / 1e6, "ignores the wrap"),
        (lambda readings, top: ((readings[-1] - readings[0]) % top) / 1e6, "one wrap at most"),
        (lambda readings, top: np.abs(np.diff(readings)).sum() / 1e6, "turns the sign"),
        (lambda readings, top: JOULES.solution(readings, top) * 1e6, "microjoules, not joules"),
        (lambda readings, top: JOULES.solution(readings, top) * 1e3, "mJ, not J"),
        (lambda readings, top: JOULES.solution(readings, top) / 3600, "another number"),
        (lambda readings, top: np.diff(readings), "not a number"),
        (lambda readings, top: None, "not a number"),
        (lambda readings, top: readings - top, "an exception"),
    ],
)
def test_joules_names_what_is_wrong(answer, misconception):
    assert JOULES.check(answer).misconception == misconception


# Predictions and stored rows


def test_the_predictions_quote_what_was_stored():
    table = verdicts_of_100(open_sweep("metrics"), pairs=PAIRS, slowdown_percent=5).set_index("rule")
    assert 100 - round(SHOT.reference().median) == table.loc["one shot", "right, b 5 % slower"]
    assert THREADS.reference().median == pytest.approx(
        pitfalls(open_sweep("metrics_lies"), "wrong_threads")["factor"].median()
    )


@pytest.mark.parametrize("prediction", [SHOT, THREADS], ids=lambda prediction: prediction.name)
def test_a_reader_can_commit_a_number_inside_the_spread_as_it_is_printed(prediction):
    stored = prediction.reference()
    near = round(round(stored.median / prediction.step) * prediction.step, 6)
    assert near in stored
    assert prediction.parse(f"{stored.median:.{prediction.digits}f}") in stored


def test_a_stored_duel_is_one_row_of_shares():
    frame = duels(open_sweep("metrics"), rule="paired interval", neighbour=False)
    assert (frame[list(OUTCOMES)].sum(axis=1) - 1).abs().max() < 0.1  # medians of shares need not add up exactly
    assert not frame.duplicated(["slowdown_percent", "repeats"]).any()


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: duels(open_sweep("metrics"), rule="a hunch"), "no stored duel with {'rule': 'a hunch'}"),
        (lambda: pitfalls(open_sweep("metrics_lies"), "white"), "no stored pitfall called 'white'"),
    ],
)
def test_what_was_not_measured_is_named(read, words):
    with pytest.raises(ValueError, match="make it with `mobilellm-lab sweep metrics") as raised:
        read()
    assert words in str(raised.value)


# Texts


def test_the_chapter_names_its_exercises_after_what_the_reader_writes():
    assert [exercise.answer for exercise in EXERCISES] == [
        "p95_tpot_ms",
        "bits_per_byte",
        "interval",
        "front",
        "energy_j",
    ]
    folder = Path(__file__).parents[3] / "mobilellm_lab" / "metrics" / "exercises"
    assert all((folder / f"{exercise.name}.py").exists() for exercise in EXERCISES)


def test_an_answer_may_be_checked_twice():
    for exercise in EXERCISES:
        assert exercise.check(exercise.solution) == exercise.check(exercise.solution)


def spoiled_stream(sent_ms, arrivals_ms):
    found = TPOT.solution(sent_ms, arrivals_ms)
    arrivals_ms.clear()
    return found


def spoiled_answers(right, seed):
    found = BOOTSTRAP.solution(right, seed)
    right[:] = 0
    return found


def spoiled_points(points):
    found = FRONT.solution(points)
    points.reverse()
    return found


def spoiled_readings(readings_uj, max_energy_range_uj):
    found = JOULES.solution(readings_uj, max_energy_range_uj)
    readings_uj[:] = [0, 0]
    return found


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (TPOT, spoiled_stream),
        (BOOTSTRAP, spoiled_answers),
        (FRONT, spoiled_points),
        (JOULES, spoiled_readings),
    ],
)
def test_what_an_answer_does_to_its_arguments_does_not_reach_the_check(exercise, answer):
    for _ in range(2):
        assert exercise.check(answer).kind == "right"
