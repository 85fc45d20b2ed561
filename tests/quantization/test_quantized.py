"""Which matrices a part of the model has, and a quantized copy that leaves its original alone."""

import pytest
import torch
from llama import model
from test_checkpoints import KINDS
from test_model import config_of, tokens_for

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.footprint import parameters_by_part
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.quantization import LAYERS, Grid, QTensor, QuantizedModel, matrices, select


def quantized(ours, grid: Grid, layers: str = "all") -> QuantizedModel:
    """Rounded to nearest."""
    return QuantizedModel.of(ours, {name: QTensor.of(p.detach(), grid) for name, p in select(ours, layers).items()})


@pytest.mark.parametrize("kind", KINDS)
def test_parts_hold_the_weights_that_footprint_counts(kind):
    ours = model(config_of(**KINDS[kind]))
    parts = parameters_by_part(ours.config)
    counted = {layers: sum(p.numel() for p in select(ours, layers).values()) for layers in LAYERS}
    assert {part: counted[part] for part in ("embedding", "attention", "ffn")} == {
        part: parts[part] for part in ("embedding", "attention", "ffn")
    }
    assert counted["blocks"] == parts["attention"] + parts["ffn"]
    assert counted["all"] == sum(parts.values()) - parts["norms"]
    assert select(ours) == matrices(ours)
    assert all(torch.equal(p, ours.state_dict()[name]) for name, p in matrices(ours).items())


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="layers='head': choose one of all, blocks, attention, ffn, embedding"):
        select(model(config_of()), "head")


@pytest.mark.parametrize("layers", LAYERS)
@torch.inference_mode()
def test_the_copy_lies_on_the_grid_and_the_original_stays(layers):
    ours, grid = for_decoding(model(config_of())), Grid(bits=3)
    before, chosen = fingerprint(ours), set(select(ours, layers))
    q = quantized(ours, grid, layers)
    assert set(q.tensors) == chosen and fingerprint(ours) == before
    for name, p in q.model.named_parameters():
        assert torch.equal(p, q.tensors[name].dequantize() if name in chosen else ours.get_parameter(name))
        assert p.data_ptr() != ours.get_parameter(name).data_ptr() and p.dtype == torch.float32
        assert p.is_contiguous()
    assert (q.model.config, q.model.training) == (ours.config, ours.training)
    tokens = tokens_for(ours.config, 2, 9)
    assert not torch.equal(q.model(tokens), ours(tokens))


@torch.inference_mode()
def test_nothing_selected_is_the_model_itself_and_more_bits_come_closer():
    ours = model(config_of())
    tokens = tokens_for(ours.config, 4, 20)
    same = QuantizedModel.of(ours, {})
    assert torch.equal(same.model(tokens), ours(tokens))
    off = [(quantized(ours, Grid(bits=bits)).model(tokens) - ours(tokens)).square().mean() for bits in range(2, 9)]
    assert off == sorted(off, reverse=True) and off[-1] < 1e-3 * ours(tokens).square().mean()


def test_tensors_of_another_model_are_refused():
    ours, grid = model(config_of()), Grid()
    tensor = QTensor.of(torch.ones(61, 32), grid)
    for name, message in (("embedding", "has none there"), ("norm.weight", "has none there")):
        with pytest.raises(ValueError, match=rf"tensor {name} of shape \(61, 32\): the model {message}"):
            QuantizedModel.of(ours, {name: tensor})
        with pytest.raises(ValueError, match=rf"tensor {name} of shape"):
            QuantizedModel(model=ours, tensors={name: tensor})
    with pytest.raises(ValueError, match=r"tensor embed.weight of shape \(61, 31\): the model has \(61, 32\)"):
        QuantizedModel.of(ours, {"embed.weight": QTensor.of(torch.ones(61, 31), grid)})
