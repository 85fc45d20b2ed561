"""Shapes and types in signatures are checked while the tests run."""

import pytest
import torch
from checked import shaped

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.sweeps import Store

SIZES = {"dim": 8, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "hidden_dim": 8}


def test_a_wrong_shape_is_refused():
    model = Transformer(ModelConfig(vocab_size=8, **SIZES))
    model(torch.zeros(1, 4, dtype=torch.long))
    with pytest.raises(TypeError, match=r"(?s)tokens.*Int"):
        model(torch.zeros(1, 4, 2, dtype=torch.long))


def test_a_wrong_type_is_refused_with_and_without_shapes_beside_it():
    assert "mobilellm_lab.model" in shaped() and "mobilellm_lab.sweeps" not in shaped()
    with pytest.raises(TypeError, match="vocab_size"):
        ModelConfig(vocab_size="8", **SIZES)
    with pytest.raises(TypeError, match="path='rows.jsonl'"):
        Store("rows.jsonl")
