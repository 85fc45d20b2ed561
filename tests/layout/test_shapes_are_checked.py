"""Shapes in signatures are checked while the tests run."""

import pytest
import torch

from mobilellm_lab.model import ModelConfig, Transformer


def test_a_wrong_shape_is_refused():
    model = Transformer(ModelConfig(vocab_size=8, dim=8, n_layers=1, n_heads=1, n_kv_heads=1, hidden_dim=8))
    model(torch.zeros(1, 4, dtype=torch.long))
    with pytest.raises(TypeError, match=r"(?s)tokens.*Int"):
        model(torch.zeros(1, 4, 2, dtype=torch.long))
