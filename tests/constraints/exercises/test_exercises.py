"""Chapter 1's checks beyond what every chapter's are held to: more right forms, more wrong ones, and real data."""

from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from mobilellm_lab import constraints, footprint, zoo
from mobilellm_lab.constraints import LAB_MODELS, Workload
from mobilellm_lab.constraints.exercises import (
    CACHE,
    CEILING,
    DRAIN,
    EXERCISES,
    LARGER,
    PREDICTIONS,
    REACHED,
    ROOM,
    SHARE,
)
from mobilellm_lab.constraints.study.evidence import alone, decoded
from mobilellm_lab.model import KVCache, ModelConfig
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one

# CEILING: other right forms


def in_two_times(parameters, bits, kv_bytes, context, batch, gb_per_s):
    seconds_weights = parameters * bits / 8 / gb_per_s / 1e9
    seconds_cache = np.full(batch, kv_bytes * context / gb_per_s / 1e9).sum()
    return batch / (seconds_weights + seconds_cache)


def per_sequence(parameters, bits, kv_bytes, context, batch, gb_per_s):
    own = 1 / batch * parameters * bits / 8 + kv_bytes * context
    return np.float64(gb_per_s) * 10**9 / own


@pytest.mark.parametrize("answer", [in_two_times, per_sequence])
def test_ceiling_takes_other_right_forms(answer):
    assert CEILING.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
@pytest.mark.parametrize("name", ["MobileLLM-125M", "MobileLLM-1B"])
def test_ceiling_counts_the_bytes_that_the_chapter_counts(which, name):
    config = zoo.SHAPES[name].config
    workload = Workload(config=config, context=300, batch=3)
    found = getattr(CEILING, which)(
        footprint.parameters(config), 16, footprint.kv_bytes_per_token(config), 300, 3, gb_per_s=10
    )
    assert found == approx(3 * 10e9 / workload.read_bytes, rel=0.01)


def single_and_bits(parameters, bits, kv_bytes, context, batch, gb_per_s):
    return gb_per_s * 1e9 / (parameters * bits + batch * context * kv_bytes)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda p, b, kv, t, n, gb: n * gb * 1e9 / (p * b / 8), "forgets the cache"),
        (lambda p, b, kv, t, n, gb: n * gb * 1e9 / (p * b / 8 + t * kv), "one cache for the whole batch"),
        (lambda p, b, kv, t, n, gb: gb * 1e9 / (p * b / 8 + t * kv), "reads the weights for every sequence"),
        (lambda p, b, kv, t, n, gb: (p * b / 8 + n * t * kv) / gb / 1e9 / n, "seconds per token"),
        (lambda *values: 0.0, "another speed"),
        (lambda *values: float("nan"), "another speed"),
        (lambda *values: None, "not a number"),
        (lambda *values: [1, 2], "not a number"),
        (lambda p: p, "an exception"),
    ],
)  # fmt: skip
def test_ceiling_names_what_is_wrong(answer, misconception):
    assert CEILING.check(answer).misconception == misconception


def test_ceiling_tells_two_slips_apart():
    both = CEILING.check(single_and_bits)
    assert both.misconception == "bits taken for bytes" and "one token for *every* sequence" in both.message


# SHARE


def in_seconds(read_bytes, times_ms, peak_gb_s):
    seconds = np.quantile([ms * 1e-3 for ms in times_ms], 0.5)
    return np.float64(read_bytes) * 1e-7 / seconds / peak_gb_s


def by_hand(read_bytes, times_ms, peak_gb_s):
    return read_bytes * 100 / (float(np.median(times_ms)) * peak_gb_s * 1e6)


@pytest.mark.parametrize("answer", [in_seconds, by_hand])
def test_share_takes_other_right_forms(answer):
    assert SHARE.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_share_gives_what_the_chapter_says_of_published_runs(which):
    row, peak = constraints.IPHONE_13[0], constraints.DEVICES["iPhone 13"].bandwidth_gb_s.value
    found = getattr(SHARE, which)(row.workload.read_bytes, [row.execute_ms], peak)
    assert found == approx(100 * constraints.reached()[f"iPhone 13, {row.name}"])


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda read, times, peak: 100 * read / (sum(times) / len(times)) / 1e6 / peak, "the mean"),
        (lambda read, times, peak: 100 * read / min(times) / 1e6 / peak, "the fastest step"),
        (lambda read, times, peak: 100 * read / np.median(times) / 1e9 / peak, "milliseconds taken for seconds"),
        (lambda read, times, peak: read / np.median(times) / 1e6 / peak, "a fraction for a percentage"),
        (lambda read, times, peak: 100 * 1e6 * peak / read * np.median(times), "the wrong way round"),
        (lambda read, times, peak: 100 * read / max(times) / 1e6 / peak, "another percentage"),
        (lambda read, times, peak: [100 * read / t / 1e6 / peak for t in times], "not a number"),
    ],
)
def test_share_names_what_is_wrong(answer, misconception):
    assert SHARE.check(answer).misconception == misconception


# CACHE


def by_lists(n_global, n_local, window, n_kv_heads, head_dim, context, size):
    reach = np.array([context] * n_global + [np.minimum(window, context)] * n_local)
    return reach.sum() * n_kv_heads * head_dim * size * 2


def allocated(n_global, n_local, window, n_kv_heads, head_dim, context, size):
    """What this package's own cache allocates, for the layers of each kind."""
    held = 0
    for n_layers, length in ((n_global, context), (n_local, min(window, context))):
        if n_layers:
            heads = {"n_heads": n_kv_heads, "n_kv_heads": n_kv_heads, "head_dim": head_dim}
            config = ModelConfig(vocab_size=2, dim=8, n_layers=n_layers, hidden_dim=8, max_seq_len=length, **heads)
            held += KVCache(config, device="meta").kv.numel() * size
    return held


@pytest.mark.parametrize("answer", [by_lists, allocated])
def test_cache_takes_other_right_forms(answer):
    assert CACHE.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_cache_agrees_with_the_footprint_where_all_layers_are_global(which):
    for name in ("MobileLLM-125M", "Qwen3-0.6B", "MobileLLM-1B"):
        config = zoo.SHAPES[name].config
        found = getattr(CACHE, which)(config.n_layers, 0, 512, config.n_kv_heads, config.head_dim, 100, 2)
        assert found == 100 * footprint.kv_bytes_per_token(config)


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_cache_gives_what_mobilellm_pro_prints(which):
    answer = getattr(CACHE, which)
    assert answer(30, 0, 512, 4, 64, 8000, 1) / 2**20 == approx(117.2, abs=0.05)
    assert answer(9, 21, 512, 4, 64, 8000, 1) / 2**20 == approx(40.4, abs=0.05)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda g, n, w, k, d, c, s: (g * c + n * min(w, c)) * k * d * s, "keys without values"),
        (lambda g, n, w, k, d, c, s: 2 * (g * c + n * w) * k * d * s, "the window before it is full"),
        (lambda g, n, w, k, d, c, s: 2 * (g + n) * c * k * d * s, "no window at all"),
        (lambda g, n, w, k, d, c, s: 2 * (g + n) * min(c, w) * k * d * s / 2**20, "a window in every layer"),
        (lambda g, n, w, k, d, c, s: 2 * (g * c + n * min(w, c)) * d * s, "one head"),
        (lambda g, n, w, k, d, c, s: 2 * (g * c + n * max(w, c)) * k * d * s, "another size"),
        (lambda *values: "40 MB", "not a number"),
    ],
)
def test_cache_names_what_is_wrong(answer, misconception):
    assert CACHE.check(answer).misconception == misconception


# ROOM


def by_counting(parameters, bits, kv_bytes, memory_gib, share):
    bytes_left, tokens = memory_gib * share * 1024**3 - parameters / 8 * bits, 0
    while bytes_left >= kv_bytes:
        bytes_left, tokens = bytes_left - kv_bytes, tokens + 1
    return tokens


def with_numpy(parameters, bits, kv_bytes, memory_gib, share):
    room = np.floor((np.float64(memory_gib) * 2**30 * share - parameters * bits / 8) / kv_bytes)
    return int(np.clip(room, 0, None))


@pytest.mark.parametrize("answer", [by_counting, with_numpy])
def test_room_takes_other_right_forms(answer):
    assert ROOM.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_room_is_what_still_fits(which):
    config = zoo.SHAPES["MobileLLM-350M"].config
    size, kv = footprint.parameters(config), footprint.kv_bytes_per_token(config)
    tokens = getattr(ROOM, which)(size, 8, kv, 8, 0.1)
    assert size + tokens * kv <= 0.1 * 8 * 2**30 < size + (tokens + 1) * kv


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda p, b, kv, m, s: max(0, int((m * 1e9 * s - p * b / 8) // kv)), "gigabytes for gibibytes"),
        (lambda p, b, kv, m, s: max(0, int((m * 2**30 - p * b / 8) // kv)), "all of the memory"),
        (lambda p, b, kv, m, s: int((m * 2**30 * s - p * b / 8) // kv), "a negative room"),
        (lambda p, b, kv, m, s: max(0, (m * 2**30 * s - p * b / 8) / kv), "a part of a token"),
        (lambda p, b, kv, m, s: max(0, round((m * 2**30 * s - p * b / 8) / kv)), "the nearest number of tokens"),
        (lambda p, b, kv, m, s: max(0, int(s * (m * 2**30 - p * b / 8) // kv)), "a share of what is left"),
        (lambda p, b, kv, m, s: max(1, int((m * 2**30 * s - p * b / 8) // kv)), "another number of tokens"),
        (lambda p, b, kv, m, s: True if p else None, "another number of tokens"),
        (lambda p, b, kv, m, s: kv / 0, "an exception"),
    ],
)
def test_room_names_what_is_wrong(answer, misconception):
    assert ROOM.check(answer).misconception == misconception


# DRAIN


def in_kilojoules(parameters, joules_per_billion, tokens, battery_wh):
    spent_kj = joules_per_billion * (parameters / 1_000_000_000) * tokens / 1000
    return spent_kj / (3.6 * battery_wh) * 100


@pytest.mark.parametrize(
    "answer",
    [
        in_kilojoules,
        lambda p, j, n, wh: constraints.drain_percent(n, j_per_token=j * p / 1e9, battery_j=3600 * wh),
    ],
)
def test_drain_takes_other_right_forms(answer):
    assert DRAIN.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_drain_gives_the_papers_two_hours_and_not_its_percentage(which):
    drained = getattr(DRAIN, which)(7e9, 0.1, 64, 50_000 / 3600)
    assert drained == approx(0.0896)
    full_s = 100 / drained * 64 / 10  # at ten tokens per second
    assert full_s / 3600 == approx(1.98, abs=0.01)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda p, j, n, wh: 100 * p / 1e9 * j * n / wh, "watt-hours taken for joules"),
        (lambda p, j, n, wh: p / 1e9 * j * n / wh / 3600, "a fraction for a percentage"),
        (lambda p, j, n, wh: 100 * p * j * n / wh / 3600, "parameters for billions"),
        (lambda p, j, n, wh: 100 - 100 * p / 1e9 * j * n / wh / 3600, "what is left"),
        (lambda p, j, n, wh: 0.2, "another percentage"),
        (lambda p, j, n, wh: {"percent": 0.09}, "not a number"),
    ],
)
def test_drain_names_what_is_wrong(answer, misconception):
    assert DRAIN.check(answer).misconception == misconception


def test_the_chapter_names_its_exercises_after_what_the_reader_writes():
    assert [exercise.answer for exercise in EXERCISES] == [
        "tokens_per_s",
        "reached_percent",
        "cache_bytes",
        "longest_context",
        "drain_percent",
    ]
    folder = Path(__file__).parents[3] / "mobilellm_lab" / "constraints" / "exercises"
    assert all((folder / f"{exercise.name}.py").exists() for exercise in EXERCISES)


def test_an_answer_may_be_checked_twice():
    for exercise in EXERCISES:
        assert exercise.check(exercise.solution) == exercise.check(exercise.solution)


# Predictions and stored rows


def test_the_predictions_quote_what_was_stored():
    plain = alone(decoded(open_sweep("constraints"))).set_index("size")
    small, middle, large = LAB_MODELS
    assert LARGER.reference().median == approx(plain["p50"][small] / plain["p50"][middle])
    row = plain.loc[large]
    assert REACHED.reference().median == approx(100 * row["p50"] * row["read_bytes"] / (1e9 * row["bandwidth_gb_s"]))
    for ask in PREDICTIONS:
        assert ask.reference().low < ask.reference().median < ask.reference().high


def test_the_question_names_the_models_that_were_measured():
    small, middle, _ = (footprint.parameters(config) for config in LAB_MODELS.values())
    assert f"{middle / 1e6:.0f} million" in LARGER.question and f"{middle / small:.0f} times" in LARGER.question
    plain = alone(decoded(open_sweep("constraints")))
    assert set(LAB_MODELS) <= set(plain["size"])
    for name, config in LAB_MODELS.items():
        assert one(plain, size=name)["parameters"] == footprint.parameters(config)
    rows = open_sweep("constraints").rows.values()
    assert all(row["parameters"] == one(plain, size=row["recipe"]["size"])["parameters"] for row in rows)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: prediction.name)
def test_a_reader_can_commit_a_number_inside_the_spread_as_it_is_printed(prediction):
    stored = prediction.reference()
    near = round(round(stored.median / prediction.step) * prediction.step, 6)
    assert near in stored
    assert prediction.parse(f"{stored.median:.{prediction.digits}f}") in stored


def test_a_stored_setting_is_found_by_name_or_named():
    frame = decoded(open_sweep("constraints"))
    with pytest.raises(ValueError, match="no such size.*0 stored rows"):
        one(frame, size="no such size")
    with pytest.raises(ValueError, match="stored rows; name exactly one"):
        one(frame, batch=1)
