"""A model decoding for a panel: a time for each token, no more than fit, and its text as it grows."""

import pytest

from mobilellm_lab.live import decoding
from mobilellm_lab.live.decoding import per_s, step_times, text
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import make


def model_for(task, max_seq_len: int) -> Transformer:
    shape = {"dim": 8, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "hidden_dim": 8}
    return Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=max_seq_len, **shape))


@pytest.mark.parametrize(("max_seq_len", "steps"), [(64, decoding.DECODE_TOKENS - 1), (12, 3)])
def test_every_token_behind_the_first_is_timed(monkeypatch, max_seq_len, steps):
    monkeypatch.setattr(decoding, "DECODE_S", 60)
    task = make("shells")
    model = model_for(task, max_seq_len)
    seen = [(ms, model.blocks[0].ffn.up.weight.is_contiguous()) for ms in step_times(model, task)]
    assert len(seen) == steps and min(ms for ms, _ in seen) > 0
    assert not any(by_rows for _, by_rows in seen)  # laid out for decoding as long as the clock runs
    assert all(p.is_contiguous() for p in model.parameters())


def test_timing_ends_where_it_takes_too_long(monkeypatch):
    monkeypatch.setattr(decoding, "DECODE_S", 0)
    task = make("shells")
    assert len(list(step_times(model_for(task, 64), task))) == 1


def test_tokens_a_second_are_of_the_median_step():
    assert per_s([1.0, 2.0, 100.0]) == 500 and per_s([]) is None


def test_text_grows_and_other_tasks_answer_once():
    task = make("text", seq_len=32)
    written = list(text(model_for(task, 64), task))
    assert len(written) == decoding.WRITTEN and all("[it goes on]" in one for one in written)
    shells = make("shells")
    model = model_for(shells, 64)
    assert list(text(model, shells)) == [shells.show(model)]
