"""Calibration sees exactly what the matrices are multiplied with, and ranges are torch's where torch has them."""

import inspect
import warnings

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import DATA, RANGES, calibrate, calibration_data, quantize_activations, range_of
from mobilellm_lab.tasks import make

CONFIG = ModelConfig(vocab_size=24, dim=16, n_layers=2, n_heads=2, n_kv_heads=1, hidden_dim=24, max_seq_len=64)


@pytest.fixture(scope="module")
def task():
    return make("stories", people=3, rooms=4, objects=2, seq_len=64)


@pytest.fixture(scope="module")
def model(task) -> Transformer:
    return Transformer(CONFIG.resized(vocab_size=task.vocab_size)).eval()


def observed(observer, x: torch.Tensor) -> tuple[float, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observer(x)
        scale, zero = observer.calculate_qparams()
    return scale.item(), zero.item()


def test_statistics_are_those_of_the_inputs(model, task):
    seen, handle = [], model.blocks[1].ffn.down.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    batches = [task.batch(i, 3) for i in range(2)]
    calibration = calibrate(model, batches)
    handle.remove()
    x, found = torch.cat([part.flatten(0, 1) for part in seen]), calibration.inputs["blocks.1.ffn.down"]
    torch.testing.assert_close(found.gram, x.T @ x)
    torch.testing.assert_close(found.mean_abs, x.abs().mean(0))
    assert torch.equal(found.low, x.amin(0)) and torch.equal(found.high, x.amax(0))
    assert calibration.tokens == 2 * 3 * task.seq_len == len(x)
    assert set(calibration.inputs) == {"head"} | {
        f"blocks.{i}.{part}" for i in range(2) for part in ("attention.qkv", "attention.out", "ffn.up", "ffn.down")
    }
    assert not model.blocks[0].ffn.up._forward_pre_hooks  # nothing stays behind


@pytest.mark.parametrize("data", DATA)
def test_data_is_legal_repeatable_and_another_for_each_seed(task, data):
    for each in (task, make("text")):
        (batch,), (again,) = (calibration_data(each, data, sequences=4, seed=1) for _ in range(2))
        (other,) = calibration_data(each, data, sequences=4, seed=2)
        assert batch.tokens.shape == (4, each.seq_len) and batch.tokens.max() < each.vocab_size
        assert torch.equal(batch.tokens, again.tokens) and not torch.equal(batch.tokens, other.tokens)


def test_own_data_is_the_tasks(task):
    assert torch.equal(calibration_data(task, sequences=5)[0].tokens, task.batch(0, 5).tokens)


@pytest.mark.parametrize("how", RANGES)
def test_a_range_holds_zero_and_lies_within_the_values(how):
    x = torch.randn(5000, generator=torch.Generator().manual_seed(0)).abs() + 1
    low, high = range_of(x, 8, how)
    assert low == 0 and 1 < high <= x.max().item() + 1e-6


def test_percentile_is_numpys_and_cuts_an_outlier():
    x = torch.cat((torch.linspace(-1, 1, 9999), torch.tensor([1000.0])))
    low, high = range_of(x, 8, "percentile")
    expected = torch.quantile(x, torch.tensor([0.0005, 0.9995]))
    assert (low, high) == pytest.approx(expected.tolist())
    assert range_of(x, 8, "minmax") == (-1, 1000)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_the_range_of_least_error_is_no_worse_than_the_others(bits):
    x = torch.randn(4000, generator=torch.Generator().manual_seed(0)) ** 3

    def error(how: str) -> float:
        low, high = range_of(x, bits, how)
        scale = (high - low) / (2**bits - 1)
        zero = round(-low / scale)
        return (torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 2**bits - 1) - x).square().mean().item()

    assert error("mse") <= 1.02 * min(error("minmax"), error("percentile"))


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "one side", "outliers"])
def test_the_range_of_least_error_is_about_torchs_histogram_observers(kind):
    """Torch's searches by another rule, in a histogram of its own: on the values themselves ours is as good."""
    x = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    x = {"normal": x, "heavy tails": x**3, "one side": x.abs(), "outliers": torch.cat((x, 20 * x[:20]))}[kind]
    scale, zero = observed(torch.ao.quantization.HistogramObserver(dtype=torch.quint8), x)
    low, high = range_of(x, 8, "mse")
    ours = torch.fake_quantize_per_tensor_affine(x, (high - low) / 255, round(-low / (high - low) * 255), 0, 255)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)
    assert (ours - x).square().mean() <= 1.05 * (theirs - x).square().mean()


@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
def test_every_range_and_width_makes_a_grid(how, bits):
    x = torch.randn(3000, generator=torch.Generator().manual_seed(1))
    low, high = range_of(x, bits, how)
    assert x.min() <= low < 0 < high <= x.max()
    if how == "minmax":
        assert (low, high) == (x.min().item(), x.max().item())
    if how == "mse" and bits <= 4:
        assert high - low < 0.9 * (x.max() - x.min())
    assert range_of(torch.zeros(5), bits, how) == (0, 0)


def test_a_shared_block_is_seen_at_both_executions_and_a_factorised_table_too(task):
    shared = Transformer(CONFIG.resized(vocab_size=task.vocab_size, embed_dim=8, sharing="immediate"))
    seen = []
    handle = shared.blocks[0].ffn.up.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    inputs = calibrate(shared, [task.batch(0, 3)]).inputs
    handle.remove()
    x = torch.cat([part.flatten(0, 1) for part in seen])
    assert len(seen) == 2
    torch.testing.assert_close(inputs["blocks.0.ffn.up"].gram, x.T @ x)
    torch.testing.assert_close(inputs["blocks.0.ffn.up"].mean_abs, x.abs().mean(0))
    tokens = task.batch(0, 3).tokens
    torch.testing.assert_close(inputs["embed_in"].high, shared.embed(tokens).flatten(0, 1).amax(0))
    assert inputs["embed_out"].gram.shape == (16, 16) and inputs["head"].gram.shape == (8, 8)


def test_calibration_leaves_the_model_and_gives_the_same_twice(model, task):
    before = fingerprint(model)
    a, b = (calibrate(model, [task.batch(0, 4)]) for _ in range(2))
    assert fingerprint(model) == before == a.fingerprint
    for name, found in a.inputs.items():
        assert torch.equal(found.gram, b.inputs[name].gram) and torch.equal(found.sample, b.inputs[name].sample)
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())


def test_a_static_activation_grid_is_torchs_min_max_observers(model, task):
    calibration = calibrate(model, [task.batch(0, 4)])
    found = calibration.inputs["blocks.0.ffn.down"]
    values = torch.stack((found.low.min(), found.high.max()))
    scale, zero = observed(torch.ao.quantization.MinMaxObserver(dtype=torch.quint8), values)
    got = {}

    def visit(module, args):
        got["x"] = args[0]

    x = torch.randn(1, 3, CONFIG.hidden_dim, generator=torch.Generator().manual_seed(0))
    with quantize_activations(model, 8, how="static", calibration=calibration):
        handle = model.blocks[0].ffn.down.register_forward_pre_hook(visit)  # behind the rounding
        model.blocks[0].ffn.down(x)
        handle.remove()
    torch.testing.assert_close(got["x"], torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255))


def test_what_cannot_be_calibrated_is_refused_by_name(model, task):
    with pytest.raises(ValueError, match="batches hold a Tensor: give those of calibration_data"):
        inspect.unwrap(calibrate)(model, [task.batch(0, 1).tokens])  # types are checked in tests only
    with pytest.raises(ValueError, match="0 tokens"):
        calibrate(model, [])
    with pytest.raises(ValueError, match="data='web'"):
        calibration_data(task, "web")
    with pytest.raises(ValueError, match="sequences=0"):
        calibration_data(task, sequences=0)
    with pytest.raises(ValueError, match="ranges='best'"):
        range_of(torch.ones(3), 8, "best")
    with pytest.raises(ValueError, match="NaN"):
        range_of(torch.tensor([1.0, torch.nan]), 8)
    broken = Transformer(model.config)
    with torch.no_grad():
        broken.blocks[0].attention.qkv.weight[0] = torch.nan
    with pytest.raises(ValueError, match="blocks.0.attention.out.*NaN"):
        calibrate(broken, [task.batch(0, 1)])
