"""The model that is decoded for real: built in pieces, equal to a Transformer, timed with a full cache."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

from mobilellm_lab.constraints import build, decode_steps, random_model
from mobilellm_lab.decoding import decoder
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.model import KVCache, ModelConfig, Transformer

ROOT = Path(__file__).parents[2]
TINY = ModelConfig(vocab_size=50, dim=32, n_layers=3, n_heads=4, n_kv_heads=2, hidden_dim=48, max_seq_len=64)
SHAPES = [{}, {"tie_embeddings": False}, {"embed_dim": 16}, {"ffn": "relu"}, {"sharing": "immediate"}]


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_the_built_model_is_a_transformer_of_its_shape(changes):
    config = TINY.resized(**changes)
    model, plain = build(config), for_decoding(Transformer(config))
    assert [(n, p.shape, p.stride()) for n, p in model.named_parameters()] == [
        (n, p.shape, p.stride()) for n, p in plain.named_parameters()
    ]
    plain.load_state_dict(model.state_dict())
    tokens = torch.randint(50, (2, 9))
    with torch.inference_mode():
        assert torch.equal(model(tokens), plain(tokens))


def test_the_weights_are_of_the_usual_size_and_the_seeds():
    model = build(TINY)
    assert model.embed.weight.std().item() == pytest.approx(32**-0.5, rel=0.1)
    assert torch.equal(model.norm.weight, torch.ones(32))
    assert torch.equal(build(TINY).embed.weight, model.embed.weight)
    assert not torch.equal(build(TINY, seed=1).embed.weight, model.embed.weight)


def test_sixteen_bits_take_half_the_bytes():
    model = build(TINY, bits=16)
    assert {p.dtype for p in model.parameters()} == {model.cos.dtype} == {torch.bfloat16}
    assert all(p.is_contiguous() for p in model.parameters())
    assert sum(p.nbytes for p in model.parameters()) * 2 == sum(p.nbytes for p in build(TINY).parameters())


def test_building_reports_its_share_and_can_be_left():
    big = TINY.resized(vocab_size=100_000)  # more than one piece
    shares = list(random_model(big))
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 3
    drawing = random_model(big)
    next(drawing)
    drawing.close()


def test_a_step_sees_the_whole_context():
    """The steps that are timed are the model's own: the same token as `decoder` finds in the same cache."""
    model = build(TINY)
    cache = KVCache(TINY, max_len=20)
    cache.kv.normal_(generator=torch.Generator().manual_seed(0))
    cache.length, seen = 19, []
    with torch.inference_mode():
        expected = decoder(model, cache)(torch.zeros(1, 1, dtype=torch.long)).argmax().item()
    original = torch.Tensor.argmax

    def watch(logits, *args, **kwargs):
        seen.append(original(logits, *args, **kwargs))
        return seen[-1]

    torch.Tensor.argmax = watch
    try:
        next(decode_steps(model, context=20))
    finally:
        torch.Tensor.argmax = original
    assert seen[0].item() == expected


@pytest.mark.parametrize("bits", [32, 16])
@pytest.mark.parametrize("batch", [1, 3])
def test_steps_go_on_and_take_time(bits, batch):
    steps = list(islice(decode_steps(build(TINY, bits=bits), batch=batch, context=64), 5))
    assert len(steps) == 5 and all(0 < ms < 1000 for ms in steps)


def test_the_callers_modes_are_left_alone():
    steps = decode_steps(build(TINY))
    next(steps)
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build(TINY, bits=4), "bits=4: torch runs 32 and 16 here"),
        (lambda: next(decode_steps(build(TINY), context=65)), "context=65, batch=1: give 1 to 64 positions"),
        (lambda: next(decode_steps(build(TINY), context=-1)), "context=-1"),
        (lambda: next(decode_steps(build(TINY), batch=0)), "batch=0: give 1 to 64 positions and at least 1 sequence"),
    ],
    ids=["bits", "long", "negative", "batch"],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_building_loads_no_compiler():
    """A panel's first point is due within a second; torch's compiler alone takes longer to load."""
    code = (
        "import sys; from mobilellm_lab.constraints import Recipe, build; "
        "build(Recipe().model_config()); print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "False"
