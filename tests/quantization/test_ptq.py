"""Rounding after training: the four methods, what they leave alone, and who is better at three bits."""

import copy
import inspect

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import (
    CHANNEL,
    LAYERS,
    METHODS,
    Grid,
    QATRun,
    QTensor,
    QuantizedModel,
    calibrate,
    calibration_data,
    find_backend,
    load_quantized,
    matrices,
    packed,
    quantize,
    quantize_static,
    save_quantized,
    select,
    sensitivity,
)
from mobilellm_lab.quantization.gptq import gptq
from mobilellm_lab.quantization.ptq import CALIBRATED, quantizing
from mobilellm_lab.tasks import evaluate


def loss(found, model) -> float:
    return evaluate(found.task, model, batches=1, batch_size=16).loss_nats


@pytest.fixture(scope="module")
def rounded(seen_small) -> dict[str, QuantizedModel]:
    """A trained model at three bits by each method."""
    found, calibration = seen_small
    return {method: quantize(found.model, Grid(bits=3), method=method, calibration=calibration) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_lies_on_its_grids(seen_small, rounded, method):
    (found, _), q = seen_small, rounded[method]
    assert set(q.tensors) == set(matrices(found.model))
    for name, tensor in q.tensors.items():
        assert torch.equal(tensor.dequantize(), q.model.get_parameter(name))


@pytest.mark.parametrize("layers", LAYERS)
def test_only_the_chosen_layers_are_rounded(seen_small, layers):
    found, _ = seen_small
    q = quantize(found.model, Grid(bits=4), layers=layers)
    assert set(q.tensors) == set(select(found.model, layers))
    same = {n for n, p in matrices(found.model).items() if torch.equal(p, q.model.get_parameter(n))}
    assert same == set(matrices(found.model)) - set(q.tensors)


def test_a_dict_gives_each_matrix_its_own_grid(seen_small):
    found, _ = seen_small
    chosen = {"blocks.0.ffn.up.weight": Grid(bits=2), "blocks.1.ffn.down.weight": Grid(bits=8)}
    assert {name: t.grid for name, t in quantize(found.model, chosen).tensors.items()} == chosen


def left_by(found, calibration, group_size: int, methods=METHODS) -> dict[str, float]:
    """The share of what rounding to nearest loses at three bits that each method loses as well, in the first blocks."""
    first = [name for name in matrices(found.model) if name.startswith(tuple(f"blocks.{i}." for i in range(4)))]
    grids, start = dict.fromkeys(first, Grid(bits=3, group_size=group_size)), loss(found, found.model)
    added = {
        method: loss(found, quantize(found.model, grids, method=method, calibration=calibration).model) - start
        for method in {"rtn", *methods}
    }
    return {method: loss_increase / added["rtn"] for method, loss_increase in added.items()}


@pytest.mark.parametrize("group_size", [CHANNEL, 32])
def test_error_compensation_and_activation_awareness_beat_nearest_at_three_bits(seen_text, group_size):
    """Clearly: at least a quarter of what rounding to nearest loses is won back."""
    left = left_by(*seen_text, group_size)
    assert max(left[method] for method in CALIBRATED) < 0.75
    assert left["gptq"] < 0.9 * left["mse"]  # which has the scales of least error, too: compensation alone counts


def test_they_do_on_another_calibration_set_too(small):
    left = left_by(small, calibrate(small.model, calibration_data(small.task, seed=1)), CHANNEL, CALIBRATED)
    assert max(left[method] for method in CALIBRATED) < 0.75


def test_each_method_is_its_rounding_of_each_matrix(seen_small, rounded):
    found, calibration = seen_small
    grid, seen = Grid(bits=3), calibration.inputs
    for name, w in matrices(found.model).items():
        w = w.detach()
        best = QTensor.of(w, grid, shrink=grid.search(w))
        expected = {"rtn": QTensor.of(w, grid), "mse": best, "gptq": best, "awq": best}
        if name != "embed.weight":
            expected["gptq"] = gptq(w, seen[name.removesuffix(".weight")].gram, grid)
            del expected["awq"]  # of other weights; tests/quantization/test_awq.py
        for method, tensor in expected.items():
            assert torch.equal(rounded[method].tensors[name].codes, tensor.codes)
            assert torch.equal(rounded[method].tensors[name].scale, tensor.scale)


def test_step_by_step_yields_every_matrix_ends_in_the_same_and_leaves_the_model(seen_small, rounded):
    found, calibration = seen_small
    before = fingerprint(found.model)
    for method in METHODS:
        steps, names = quantizing(found.model, Grid(bits=3), method=method, calibration=calibration), []
        while True:
            try:
                names.append(next(steps))
            except StopIteration as end:
                q = end.value
                break
        assert [name for name in names if name.endswith("weight")] == list(matrices(found.model))
        assert fingerprint(q.model) == fingerprint(rounded[method].model)
        assert fingerprint(found.model) == before


def test_fewer_bits_lose_more_and_eight_lose_nothing(text):
    start = loss(text, text.model)
    loss_increases = [loss(text, quantize(text.model, Grid(bits=b)).model) - start for b in (8, 4, 3, 2)]
    assert loss_increases == sorted(loss_increases)
    assert abs(loss_increases[0]) < 0.005 and loss_increases[-1] > 1


def test_what_cannot_be_quantized_is_refused_by_name(seen_small):
    found, calibration = seen_small
    with pytest.raises(ValueError, match="method='best'"):
        quantize(found.model, Grid(), method="best")
    with pytest.raises(ValueError, match="layers='norms'"):
        quantize(found.model, Grid(), layers="norms")
    with pytest.raises(ValueError, match="gptq.*calibrat"):
        quantize(found.model, Grid(), method="gptq")
    with pytest.raises(ValueError, match="no.such.weight"):
        quantize(found.model, {"no.such.weight": Grid()})
    other = Transformer(ModelConfig(vocab_size=16, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32))
    with pytest.raises(ValueError, match="another model"):
        quantize(other, Grid(), method="awq", calibration=calibration)
    with torch.no_grad():
        other.blocks[0].ffn.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="blocks.0.ffn.up.weight.*NaN"):
        quantize(other, Grid())


def test_what_is_no_float_model_is_refused_by_name(seen_small):
    found, _ = seen_small
    q, unchecked = quantize(found.model, Grid(bits=4)), inspect.unwrap(quantizing)  # types are checked in tests only
    for arguments, words in (
        ((packed(q), Grid(bits=2)), "embed.weight is packed or converted already: give the float model"),
        ((find_backend("torch.ao int8 dynamic").prepare(found.model), Grid()), "packed or converted already"),
        ((q, Grid()), "model is a QuantizedModel: give the float model"),
        ((torch.nn.Linear(2, 2), Grid()), "model is a Linear: give a Transformer"),
        ((found.model, 4), r"grid=4: give a Grid, such as Grid\(bits=4\)"),
        ((found.model, {"embed.weight": 4}), "grid=4: give a Grid"),
    ):
        with pytest.raises(ValueError, match=words):
            next(unchecked(*arguments))
    with pytest.raises(ValueError, match="q is a Transformer: give what quantize"):
        inspect.unwrap(packed)(found.model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_of_another_type_is_refused_wherever_it_would_be_rounded(dtype, small, tmp_path):
    """Its weights cannot hold what the codes stand for; cast to float32 they can."""
    model, batch = copy.deepcopy(small.model).to(dtype), small.task.batch(0, 2)
    for call in (
        lambda: quantize(model, Grid(bits=4)),
        lambda: QATRun(model, small.task, Grid(bits=4), steps=1),
        lambda: list(sensitivity(model, small.task, [Grid(bits=4)])),
        lambda: quantize_static(model, [batch]),
        lambda: find_backend("torch.ao int8 dynamic").prepare(model),
    ):
        with pytest.raises(ValueError, match=f"(embed.weight is|not) {dtype}|give a float32 model.* not {dtype}"):
            call()
    q = quantize(QuantizedModel.of(model, {}).model, Grid(bits=4))
    save_quantized(q, tmp_path / "q")
    with torch.inference_mode():
        assert torch.equal(load_quantized(tmp_path / "q").model(batch.tokens), q.model(batch.tokens))
