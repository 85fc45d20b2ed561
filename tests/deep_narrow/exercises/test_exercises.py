"""Chapter 2's checks beyond what every chapter's are held to: more right forms, more wrong ones, and real data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow import EncoderLM, Noise
from mobilellm_lab.deep_narrow import leak as chapter_leak
from mobilellm_lab.deep_narrow.exercises import CHOOSE, COST, COUNT, EXERCISES, LEAK, MASK, QUALITY
from mobilellm_lab.deep_narrow.exercises.choose import measured
from mobilellm_lab.deep_narrow.exercises.predictions import NARROW, WIDE, quality
from mobilellm_lab.deep_narrow.study.evidence import speeds
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.reference import open_sweep

SHAPE = {"vocab_size": 16, "dim": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 32, "max_seq_len": 16}


# LEAK: other right forms


def numpy_leak(model, tokens):
    other = torch.from_numpy(np.concatenate((tokens[:, :-1], (tokens[:, -1:] + 3) % model.config.vocab_size), 1))
    change = model(tokens).detach().numpy() - model(other).detach().numpy()
    return np.abs(change[:, :-1]).max()


def middle_leak(model, tokens):
    """Changes every token of the later half."""
    half = tokens.shape[1] // 2
    changed = torch.cat((tokens[:, :half], (tokens[:, half:] + 1) % model.config.vocab_size), 1)
    return (model(tokens=tokens) - model(tokens=changed))[:, :half].abs().amax()


def prefix_leak(model, tokens):
    """Leaves the later tokens out."""
    whole = model(tokens)
    gaps = [(whole[:, :t] - model(tokens[:, :t])).abs().max() for t in range(1, tokens.shape[1])]
    return torch.stack(gaps).max().item()


def no_last_slice(model, tokens):
    """Restores the caller's tokens after use, and takes the largest by hand."""
    before = model(tokens).tolist()
    kept = tokens[0, -1].item()
    tokens[0, -1] = (kept + 1) % model.config.vocab_size
    after = model(tokens).tolist()
    tokens[0, -1] = kept
    return max(
        abs(a - b) for x, y in zip(before[0][:-1], after[0][:-1], strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("answer", [numpy_leak, middle_leak, prefix_leak, no_last_slice, chapter_leak])
def test_leak_takes_other_right_forms(answer):
    assert LEAK.check(answer).kind == "right"


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_the_leaks_solutions_tell_honest_models_from_cheats_at_another_shape(which):
    answer, tokens = getattr(LEAK, which), Noise().batch(3, 1).tokens
    config = ModelConfig(**SHAPE)
    assert answer(Transformer(config), tokens) == 0
    for positions in (False, True):
        assert answer(EncoderLM(config, causal=True, positions=positions), tokens) == 0
        assert answer(EncoderLM(config, causal=False, positions=positions), tokens) > 1e-3


def total(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].abs().sum()


def last_logits(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, -1].abs().max()


def middle_changed_and_all_compared(model, tokens):
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].abs().max()


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (total, "not the largest change"),
        (last_logits, "counts the changed position"),
        (middle_changed_and_all_compared, "counts the changed position"),
        (lambda model, tokens: 0.0, "finds no leak"),
        (lambda model, tokens: 1.0, "counts the changed position"),
        (lambda model, tokens: model(tokens), "not a number"),
        (lambda model, tokens: None, "not a number"),
        (lambda model, tokens: float("nan"), "not a number"),
        (lambda model, tokens: model(tokens) / 0 if tokens is None else tokens.missing, "an exception"),
    ],
)
def test_leak_names_what_is_wrong(answer, misconception):
    assert LEAK.check(answer).misconception == misconception


def with_constant(position: int | slice, token: int):
    """A leak that writes the same token there, whatever stood there before."""

    def leak(model, tokens):
        changed = tokens.clone()
        changed[:, position] = token
        first = range(tokens.shape[1])[position] if isinstance(position, int) else position.start
        return (model(tokens) - model(changed))[:, :first].abs().max().item()

    return leak


@pytest.mark.parametrize("position", [-1, 4, slice(3, None)], ids=str)
def test_leak_refuses_every_constant_token_by_its_name(position):
    """Also the one that stands in the noise already, which is no comparison of the same input twice."""
    for token in range(16):
        outcome = LEAK.check(with_constant(position, token))
        assert outcome.misconception == "a constant that changes nothing"
        assert f"on a text of token {token} alone" in outcome.message


# MASK


def numpy_masked(scores):
    scores = scores.numpy()
    T = scores.shape[-1]
    hidden = np.where(np.tri(T, dtype=bool), scores, -np.inf)
    powers = np.exp(hidden - hidden.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def added_masked(scores):
    return torch.softmax(scores + torch.full(scores.shape[-2:], float("-inf")).triu(1), dim=-1)


def shared_out_again(scores):
    weights = scores.softmax(-1).tril()
    return weights / weights.sum(-1, keepdim=True)


def einsum_masked(scores):
    powers = scores.exp().tril()
    return torch.einsum("hts,ht->hts", powers, 1 / powers.sum(-1))


def library_masked(scores):
    """The weights that torch's own attention gives: those with which it mixes unit vectors."""
    heads, T, _ = scores.shape
    unit = torch.eye(T).expand(heads, T, T)
    query = scores * T**0.5
    return torch.nn.functional.scaled_dot_product_attention(query, unit, unit, is_causal=True)


def in_place_masked(scores):
    scores[:, torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)] = -1e9
    return scores.softmax(-1)


@pytest.mark.parametrize(
    "answer", [numpy_masked, added_masked, shared_out_again, einsum_masked, library_masked, in_place_masked]
)
def test_mask_takes_other_right_forms(answer):
    assert MASK.check(answer).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda s: s.softmax(-1).tril(), "masks after the softmax"),
        (lambda s: s.softmax(-1) * torch.ones_like(s).tril(), "masks after the softmax"),
        (lambda s: s.tril().softmax(-1), "zero instead of minus infinity"),
        (lambda s: s.masked_fill(torch.ones_like(s).tril(-1).bool(), -torch.inf).softmax(-1), "hides the past"),
        (lambda s: s.masked_fill(torch.ones_like(s).tril(-1).bool(), -1e9).softmax(-1), "hides the past"),
        (lambda s: s.masked_fill(torch.ones_like(s).triu().bool(), -torch.inf).softmax(-1), "hides its own position"),
        (lambda s: s.masked_fill(torch.ones_like(s).triu(1).bool(), -torch.inf).softmax(1), "softmax over the queries"),
        (
            lambda s: s.masked_fill(torch.ones_like(s).triu(2).bool(), -torch.inf).softmax(-1),
            "the future keeps some weight",
        ),
        (lambda s: s.masked_fill(torch.ones_like(s).triu(1).bool(), -5).softmax(-1), "the future keeps some weight"),
        (lambda s: s + torch.inf * torch.ones_like(s).tril(), "not a number"),
        (lambda s: s.tril().clamp(min=0), "rows do not add up to 1"),
        (lambda s: torch.ones_like(s).tril() / torch.ones_like(s).tril().sum(-1, keepdim=True), "other weights"),
        (lambda s: s.exp().tril() / s.exp().sum(-1, keepdim=True), "masks after the softmax"),
        (lambda s: s[0], "wrong shape"),
        (lambda s: s.mean(-1), "wrong shape"),
        (lambda s: None, "not a tensor"),
        (lambda s: "weights", "not a tensor"),
    ],
)
def test_mask_names_what_is_wrong(answer, misconception):
    assert MASK.check(answer).misconception == misconception


def test_mask_says_what_the_repair_does_to_the_leak():
    message = MASK.check(MASK.solution).message
    assert message.endswith("to 0."), message
    assert float(message.split("from ")[1].split(" to ")[0]) > 0.01


# COUNT


@pytest.mark.parametrize("which", ["solution", "alternative"])
def test_count_gives_the_published_counts(which):
    """Every shape of the zoo that is this block: to the last weight as recounted, to 2 % as printed."""
    shapes = [
        shape
        for shape in zoo.SHAPES.values()
        if shape.extra == 0 and shape.tie_embeddings and shape.n_heads * shape.head_dim == shape.dim
    ]
    assert len(shapes) > 8
    for s in shapes:
        count = getattr(COUNT, which)(s.n_layers, s.dim, s.hidden_dim, s.n_heads, s.n_kv_heads, s.vocab_size)
        assert count == s.weights
        assert s.published is None or count == pytest.approx(s.published, rel=0.01)


def by_lists(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    kv = dim / n_heads * n_kv_heads  # a float
    shapes = [(vocab_size, dim), (dim,)]
    shapes += n_layers * [(dim, dim), (dim, kv), (dim, kv), (dim, dim), (dim,), (dim,), *3 * [(dim, hidden_dim)]]
    return np.sum([np.prod(shape) for shape in shapes])


def by_footprint(L, D, F, H, K, V):
    return footprint.parameters(ModelConfig(n_layers=L, dim=D, hidden_dim=F, n_heads=H, n_kv_heads=K, vocab_size=V))


@pytest.mark.parametrize("answer", [by_lists, by_footprint])
def test_count_takes_other_right_forms(answer):
    assert COUNT.check(answer).kind == "right"


def untied_and_ungrouped(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    return 2 * vocab_size * dim + n_layers * (4 * dim**2 + 3 * dim * hidden_dim + 2 * dim) + dim


def vanilla_without_norms(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    attention = 2 * dim**2 + 2 * dim * n_kv_heads * dim // n_heads
    return vocab_size * dim + n_layers * (attention + 2 * dim * hidden_dim)


def with_biases(*sizes):
    return COUNT.solution(*sizes) + sizes[0] * sizes[1]


def test_count_tells_two_slips_apart():
    both = COUNT.check(untied_and_ungrouped)
    assert both.misconception == "counts a second table" and "keys and values as dim x dim" in both.message
    both = COUNT.check(vanilla_without_norms)
    assert both.misconception == "two feed-forward matrices" and "norms are missing" in both.message


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (with_biases, "another count"),
        (lambda *sizes: 0, "another count"),
        (lambda *sizes: float("nan"), "another count"),
        (lambda *sizes: [1, 2], "not a number"),
        (lambda *sizes: None, "not a number"),
    ],
)
def test_count_names_what_is_wrong(answer, misconception):
    assert COUNT.check(answer).misconception == misconception


def test_an_unknown_slip_is_answered_with_both_counts():
    message = COUNT.check(with_biases).message
    tiny = COUNT.solution(3, 24, 40, 6, 2, 11)
    assert "n_layers=3, dim=24" in message and f"{tiny:,}" in message and f"{tiny + 72:,}" in message


# CHOOSE


def pivoted(rows, min_tokens_per_s):
    table = rows.pivot(index="depth", columns="seed", values="score").median(axis=1)
    speed = rows.drop_duplicates("depth").set_index("depth")["tokens_per_s"]
    return table[speed >= min_tokens_per_s].idxmax()


def with_numpy(rows, min_tokens_per_s):
    depths = np.unique(rows["depth"][rows["tokens_per_s"] >= min_tokens_per_s])
    return depths[np.argmax([np.median(rows["score"][rows["depth"] == depth]) for depth in depths])]


def by_sorting(rows, min_tokens_per_s):
    summary = rows.groupby("depth", as_index=False).median()
    summary = summary.query("tokens_per_s >= @min_tokens_per_s").sort_values("score")
    return summary["depth"].iloc[-1]


@pytest.mark.parametrize("answer", [pivoted, with_numpy, by_sorting])
def test_choose_takes_other_right_forms(answer):
    assert CHOOSE.check(answer).kind == "right"


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (lambda rows, limit: rows.loc[rows["score"].idxmax(), "depth"], "another depth"),  # no limit and a single seed
        (
            lambda rows, limit: rows[rows["tokens_per_s"] > limit].groupby("depth")["score"].median().idxmax(),
            "strictly faster",
        ),
        (lambda rows, limit: rows.groupby("depth")["score"].median().idxmax(), "ignores the speed"),
        (lambda rows, limit: rows.sort_values("tokens_per_s")["depth"].iloc[-1], "the fastest"),
        (
            lambda rows, limit: rows[rows["tokens_per_s"] >= limit].sort_values("score")["depth"].iloc[-1],
            "the best single seed",
        ),
        (lambda rows, limit: rows["depth"], "not a number"),
        (lambda rows, limit: None, "not a number"),
        (lambda rows, limit: "four", "not a number"),
        (lambda rows, limit: rows["speed"], "an exception"),
    ],
)
def test_choose_names_what_is_wrong(answer, misconception):
    assert CHOOSE.check(answer).misconception == misconception


def test_the_measured_table_is_what_was_stored():
    rows = measured()
    assert list(rows.columns) == ["depth", "seed", "score", "tokens_per_s"]
    assert sorted(rows["depth"].unique()) == [1, 2, 4, 8] and (rows.groupby("depth")["seed"].nunique() == 3).all()
    assert (rows.groupby("depth")["tokens_per_s"].nunique() == 1).all()
    for depth in (1, 4):
        assert rows[rows["depth"] == depth]["score"].median() == pytest.approx(quality(depth, 60_000).median)


# Predictions and texts


def test_the_predictions_quote_what_was_stored():
    assert f"{quality(*WIDE).median:.2f}" in QUALITY.question
    assert QUALITY.reference() == quality(*NARROW)
    rates = speeds(open_sweep("deep_narrow_cost")).query("budget == 10_000_000").set_index("depth")
    stored = COST.reference()
    assert stored.median == pytest.approx(rates.loc[2, "p50"] / rates.loc[32, "p50"])
    assert stored.low < stored.median < stored.high


def test_the_small_deep_model_beats_the_large_shallow_one_and_the_deep_one_is_slower():
    """What the two explanations take for granted."""
    assert QUALITY.reference().low > quality(*WIDE).high and NARROW[1] < WIDE[1]
    assert 1 < COST.reference().low and COST.reference().high < 32 / 2


@pytest.mark.parametrize("prediction", [COST, QUALITY], ids=lambda prediction: prediction.name)
def test_a_reader_can_commit_a_number_inside_the_spread_as_it_is_printed(prediction):
    stored = prediction.reference()
    near = round(round(stored.median / prediction.step) * prediction.step, 6)
    assert near in stored
    assert prediction.parse(f"{stored.median:.{prediction.digits}f}") in stored


def test_the_chapter_names_its_exercises_after_what_the_reader_writes():
    assert [exercise.answer for exercise in EXERCISES] == ["leak", "masked", "parameters", "choose"]
    folder = Path(__file__).parents[3] / "mobilellm_lab" / "deep_narrow" / "exercises"
    assert all((folder / f"{exercise.name}.py").exists() for exercise in EXERCISES)


def test_an_answer_may_be_checked_twice():
    for exercise in EXERCISES:
        assert exercise.check(exercise.solution) == exercise.check(exercise.solution)


def test_a_learners_frame_is_not_shared():
    def spoil(rows, min_tokens_per_s):
        best = CHOOSE.solution(rows, min_tokens_per_s)
        rows["score"] = 0.0
        return best

    assert isinstance(measured(), pd.DataFrame)
    assert CHOOSE.check(spoil).kind == "right"
