"""Packed layers: the floats they stand for to the last bit, the same tokens, and no float kept."""

import pytest
import torch
import torch.nn.functional as F
from llama import model
from test_checkpoints import KINDS
from test_model import config_of, tokens_for
from torch import nn

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import in_memory
from mobilellm_lab.model import KVCache, generate
from mobilellm_lab.quantization import (
    BITS,
    CHANNEL,
    LAYERS,
    TENSOR,
    Grid,
    PackedEmbedding,
    PackedLinear,
    QTensor,
    matrices,
    packed,
)
from mobilellm_lab.quantization.layers import hollow, packed_parts
from tests.quantization.test_grid import CASES
from tests.quantization.test_quantized import quantized


def layer_of(kind, tensor: QTensor):
    layer = kind(tensor.grid, tensor.shape)
    layer.load_state_dict(packed_parts(tensor), assign=True)
    return layer


def words(ours, prompt, count: int = 6) -> list[list[int]]:
    return [step.tolist() for step in generate(ours, prompt, count)]


@pytest.mark.parametrize(("bits", "group", "symmetric"), CASES)
def test_layers_equal_torchs_with_the_dequantized_weights(bits, group, symmetric):
    grid = Grid(bits=bits, group_size=group, symmetric=symmetric)
    generator = torch.Generator().manual_seed(0)
    tensor = QTensor.of(torch.randn(37, 43, generator=generator) - 0.5, grid)
    x, tokens = torch.randn(2, 5, 43, generator=generator), torch.randint(37, (3, 4), generator=generator)
    linear, embedding, w = layer_of(PackedLinear, tensor), layer_of(PackedEmbedding, tensor), tensor.dequantize()
    assert torch.equal(linear.weight, w) and torch.equal(embedding.weight, w)
    assert torch.equal(linear(x), F.linear(x, w))
    assert torch.equal(embedding(tokens), F.embedding(tokens, w))
    assert torch.equal(embedding(tokens[0, 0]), w[tokens[0, 0]])
    back = linear.tensor()
    assert torch.equal(back.codes, tensor.codes) and torch.equal(back.scale, tensor.scale)
    assert torch.equal(back.zero, tensor.zero) and back.grid == grid
    assert in_memory(linear).bytes == tensor.nbytes == in_memory(embedding).bytes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("symmetric", [True, False])
@torch.inference_mode()
def test_a_packed_model_computes_and_generates_as_its_float_twin(kind, symmetric):
    """All matrices of every kind of model; a tied head is served by the table's own bytes."""
    q = quantized(model(config_of(**KINDS[kind])), Grid(bits=4, symmetric=symmetric))
    ours, tokens = packed(q), tokens_for(q.model.config, 3, 20)
    assert {type(m) for m in ours.modules() if isinstance(m, nn.Linear | nn.Embedding)} == set()
    expected = q.model(tokens)
    assert (ours(tokens) - expected).abs().max() < 1e-5 < 0.1 < expected.std()
    cache = KVCache(ours.config, batch_size=3)
    assert (torch.cat((ours(tokens[:, :7], cache), ours(tokens[:, 7:], cache)), 1) - expected).abs().max() < 1e-5
    assert words(ours, tokens[:, :6]) == words(q.model, tokens[:, :6])


@pytest.mark.parametrize(("bits", "group"), [*((bits, 32) for bits in BITS), (4, TENSOR), (4, CHANNEL)])
def test_a_trained_model_says_the_same_packed(bits, group, small):
    q = quantized(small.model, Grid(bits=bits, group_size=group))
    prompt = small.task.batch(0, 2, split="validation").tokens[:, :10]
    assert words(packed(q), prompt, 8) == words(q.model, prompt, 8)


@pytest.mark.parametrize("layers", LAYERS)
@torch.inference_mode()
def test_what_is_not_quantized_stays_float(layers):
    q = quantized(model(config_of(tie_embeddings=False)), Grid(), layers)
    ours = packed(q)
    assert set(matrices(ours)) == set(matrices(q.model)) - set(q.tensors)
    assert all(torch.equal(p, q.model.get_parameter(name)) for name, p in ours.named_parameters())
    for_decoding(q.model)
    assert all(value.is_contiguous() for value in packed(q).state_dict().values())
    tokens = tokens_for(ours.config, 2, 9)
    assert (ours(tokens) - q.model(tokens)).abs().max() < 1e-5
    assert words(ours, tokens) == words(q.model, tokens)


@pytest.mark.parametrize("bits", BITS)
def test_memory_is_the_packed_bytes_the_norms_and_the_positions(bits, stories):
    """And of a model whose vectors are few, really small."""
    q = quantized(stories.model, Grid(bits=bits))
    ours = packed(q)
    rest = sum(p.nbytes for p in q.model.parameters() if p.ndim == 1) + ours.cos.nbytes + ours.sin.nbytes
    assert in_memory(ours).bytes == sum(tensor.nbytes for tensor in q.tensors.values()) + rest
    assert in_memory(q.model) / in_memory(ours) > 0.78 * 32 / (bits + 0.5)
    assert all(
        value.dtype in (torch.uint8, torch.float16) for name, value in ours.state_dict().items() if "norm" not in name
    )


def test_decoding_keeps_no_float_copy():
    """The step that `generate` calls holds no float matrix: each product unpacks again."""
    q = quantized(model(config_of()), Grid())
    ours, calls = packed(q), []
    unpacked = PackedLinear.weight.fget
    watched = type("Watched", (PackedEmbedding,), {"weight": property(lambda self: calls.append(1) or unpacked(self))})
    ours.embed.__class__ = watched
    list(generate(ours, torch.zeros(1, 4, dtype=torch.long), 5))
    assert len(calls) == 5  # the tied head, once a token; looking rows up needs no whole table


@torch.inference_mode()
def test_packing_leaves_the_quantized_model_alone_and_shares_nothing():
    q = quantized(model(config_of()), Grid(symmetric=False))
    before, codes = fingerprint(q.model), {name: tensor.codes.clone() for name, tensor in q.tensors.items()}
    ours, twin = packed(q), packed(q)
    assert fingerprint(ours) == fingerprint(twin)
    for value in (*ours.parameters(), *ours.buffers()):
        value.zero_()
    assert fingerprint(q.model) == before
    assert all(torch.equal(tensor.codes, codes[name]) for name, tensor in q.tensors.items())
    assert fingerprint(twin) != fingerprint(ours)


def test_training_mode_and_random_state_are_kept():
    q = quantized(model(config_of()).train(), Grid())
    state = torch.get_rng_state()
    assert packed(q).training and not packed(quantized(model(config_of()), Grid())).training
    assert torch.equal(torch.get_rng_state(), state)


def test_a_packed_model_tells_what_it_is():
    ours = packed(quantized(model(config_of()), Grid(bits=3)))
    assert "61 x 32, Grid(bits=3, group_size=32, symmetric=True, scale_dtype='float16')" in str(ours.embed)
    made = hollow(ours.config, {name: Grid(bits=3) for name in matrices(model(config_of()))})
    assert {value.device.type for value in made.state_dict().values()} == {"meta"}
    assert {name: (v.shape, v.dtype) for name, v in made.state_dict().items()} == {
        name: (v.shape, v.dtype) for name, v in ours.state_dict().items()
    }
