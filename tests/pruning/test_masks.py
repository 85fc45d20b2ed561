"""Masks on a copy, sparsity by both denominators, and what cannot be masked."""

import inspect

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning import PrunedModel, apply, require_dense
from mobilellm_lab.quantization import Grid, matrices, quantize

CONFIG = ModelConfig(vocab_size=11, dim=8, n_layers=2, n_heads=2, n_kv_heads=1, hidden_dim=12)
UP, DOWN = "blocks.0.ffn.up.weight", "blocks.1.ffn.down.weight"


def halves(model: Transformer, *names: str) -> dict[str, torch.Tensor]:
    """Masks without every second column."""
    masks = {name: torch.ones_like(matrices(model)[name], dtype=torch.bool) for name in names}
    for mask in masks.values():
        mask[:, ::2] = False
    return masks


def test_masked_weights_are_zero_and_all_others_as_they_were():
    model = Transformer(CONFIG)
    before, masks = fingerprint(model), halves(model, UP, DOWN)
    pruned = apply(model, masks)
    assert fingerprint(model) == before
    for name, p in pruned.model.named_parameters():
        own = model.get_parameter(name)
        assert torch.equal(p, own * masks[name] if name in masks else own)
        assert not (p.signbit() & (p == 0)).any()  # no -0, whose bytes are not those of 0
    assert fingerprint(apply(model, masks).model) == fingerprint(pruned.model)


def test_no_masks_are_the_identity():
    model = Transformer(CONFIG)
    pruned = apply(model, {})
    assert fingerprint(pruned.model) == fingerprint(model)
    assert (pruned.sparsity, pruned.of_all, pruned.zeros_by_layer()) == (0, 0, {})


@pytest.mark.parametrize("tied", [True, False])
def test_sparsity_is_counted_by_hand_and_a_tied_table_once(tied):
    model = Transformer(CONFIG.resized(tie_embeddings=tied))
    with torch.no_grad():
        model.embed.weight[0] = 0  # not masked: no pruned weight
    pruned = apply(model, halves(model, UP, DOWN))
    zeros = 24 * 8 / 2 + 8 * 12 / 2
    everything = 2 * (8 * 8 * 3 + 24 * 8 + 8 * 12 + 2 * 8) + 8 + 11 * 8 * (1 if tied else 2)
    assert pruned.sparsity == 0.5 and pruned.zeros_by_layer() == {UP: 0.5, DOWN: 0.5}
    assert pruned.of_all == pytest.approx(zeros / everything)


def test_a_masked_weight_that_grew_back_is_refused():
    model = Transformer(CONFIG)
    pruned = apply(model, halves(model, UP))
    with torch.no_grad():
        pruned.model.get_parameter(UP)[0, :3] += 1  # two of them are masked
    with pytest.raises(ValueError, match=f"{UP}: 2 masked weights are not 0.*hold the masks"):
        PrunedModel(model=pruned.model, masks=pruned.masks)


def test_masks_that_fit_no_matrix_are_refused_by_name():
    model = Transformer(CONFIG)
    for masks in (
        {"blocks.9.ffn.up.weight": torch.ones(24, 8, dtype=torch.bool)},
        {UP: torch.ones(8, 24, dtype=torch.bool)},
        {UP: torch.ones(24, 8)},
    ):
        (name,) = masks
        with pytest.raises(ValueError, match=f"mask {name} of shape .*the model needs bools"):
            apply(model, masks)


def test_what_is_not_dense_is_refused_with_the_remedy():
    model = Transformer(CONFIG)
    with pytest.raises(ValueError, match="PrunedModel: prune the dense model.*whole amount"):
        require_dense(apply(model, halves(model, UP)))
    with pytest.raises(ValueError, match="QuantizedModel: give the float model"):
        require_dense(quantize(model, Grid(bits=4, group_size=4)))
    with pytest.raises(ValueError, match="bfloat16"):
        inspect.unwrap(apply)(Transformer(CONFIG).bfloat16(), {})
    broken = Transformer(CONFIG)
    with torch.no_grad():
        broken.blocks[0].ffn.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=f"{UP} holds NaN"):
        apply(broken, {})
