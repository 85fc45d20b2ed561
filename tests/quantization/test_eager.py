"""The article's flow made to work, each of its failures as torch raises it, and a block that a repair lets survive."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import FAILURES, quantize_static, quantized_matrices, survives
from mobilellm_lab.quantization.libraries import eager
from mobilellm_lab.quantization.libraries.article import TINY
from mobilellm_lab.tasks import Batch, evaluate


def tokens(seed: int) -> torch.Tensor:
    return torch.randint(TINY.vocab_size, (4, 16), generator=torch.Generator().manual_seed(seed))


def batches() -> list[Batch]:
    return [Batch(tokens(seed), tokens(seed)) for seed in range(4)]


@pytest.mark.parametrize("quantize_embedding", [True, False])
def test_a_trained_model_goes_through_and_still_answers(quantize_embedding, stories):
    before = fingerprint(stories.model)
    ready = quantize_static(
        stories.model, [stories.task.batch(i, 16) for i in range(2)], quantize_embedding=quantize_embedding
    )
    assert fingerprint(stories.model) == before
    quantized, every = quantized_matrices(ready)
    assert quantized == every - (not quantize_embedding)
    losses = [evaluate(stories.task, model, batches=1).loss_nats for model in (stories.model, ready)]
    assert losses[0] < losses[1] < losses[0] + 0.1


@pytest.mark.parametrize("quantize_embedding", [True, False])
def test_saved_and_loaded_it_is_the_same(tmp_path, quantize_embedding):
    options = {"quantize_embedding": quantize_embedding}
    ready = quantize_static(Transformer(TINY), batches(), **options)
    eager.save(ready, tmp_path / "q.pt")
    assert torch.equal(eager.load(tmp_path / "q.pt", TINY, **options)(tokens(9)), ready(tokens(9)))
    with pytest.raises(ValueError, match="does not fit"):
        eager.load(tmp_path / "q.pt", TINY.resized(dim=32), **options)
    (tmp_path / "q.pt").write_bytes((tmp_path / "q.pt").read_bytes()[:500])
    with pytest.raises(ValueError, match="damaged"):
        eager.load(tmp_path / "q.pt", TINY, **options)


def test_without_calibration_it_is_refused_and_not_scaled_by_one():
    with pytest.raises(ValueError, match="observers have seen no data"):
        eager.convert(eager.prepare(Transformer(TINY)))
    with pytest.raises(ValueError, match="batches is empty"):
        quantize_static(Transformer(TINY), [])


@pytest.mark.parametrize("name", FAILURES)
def test_the_sample_fails_as_it_is_said_to(name):
    failure = FAILURES[name]
    error = failure.raised()
    assert type(error) is failure.error and failure.says in str(error)
    assert failure.remedy in str(failure)


def test_a_failure_that_is_history_says_so():
    works = type(FAILURES["fusion"])(
        line="x", model="any", error=ValueError, says="", why="", remedy="", provoke=lambda: None
    )
    with pytest.raises(RuntimeError, match="history"):
        works.raised()


def repaired(block, x):
    q, k, v = block.split(block.dequant_a(block.qkv(block.quant_a(x))))
    return block.dequant_b(block.out(block.quant_b(block.mix(q, k, v))))


def test_a_repaired_block_survives_a_few_per_cent_off():
    for seed in range(3):
        found = survives(repaired, seed=seed)
        assert found.survived and found.quantized == ("qkv", "out")
        assert 0.02 < found.relative_error < 0.09  # TOLERANCE in stubs.py is 0.1


@pytest.mark.parametrize(
    ("attend", "stage"),
    [
        (lambda b, x: b.out(b.mix(*b.split(b.qkv(x)))), "run"),  # no stubs
        (lambda b, x: b.dequant_b(b.out(b.mix(*b.split(b.qkv(b.quant_a(x)))))), "run"),  # one at each end
    ],
)
def test_a_block_that_is_not_repaired_fails_where_torch_fails(attend, stage):
    found = survives(attend)
    assert found.stage == stage and found.error is not None and not found.survived


def test_one_stub_at_two_places_does_not_count():
    def twice(block, x):
        q, k, v = block.split(block.dequant_a(block.qkv(block.quant_a(x))))
        return block.dequant_b(block.out(block.quant_a(block.mix(q, k, v))))

    found = survives(twice)
    assert found.shared == ("quant_a",) and not found.survived


def test_a_shape_of_its_own_goes_through_too():
    config = ModelConfig(vocab_size=32, dim=24, n_layers=2, n_heads=2, n_kv_heads=1, hidden_dim=40, ffn="relu")
    assert quantize_static(Transformer(config), batches())(tokens(1)).isfinite().all()


def test_a_file_of_another_shape_is_refused_by_the_name_of_the_matrix(tmp_path):
    """torch.ao's packed layers would take it without a word, and fail at the first token that they lack."""
    config = ModelConfig(vocab_size=32, dim=24, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=40)
    eager.save(quantize_static(Transformer(config), batches()), tmp_path / "int8.pt")
    for changes, name in ({"vocab_size": 64}, "embed"), ({"hidden_dim": 48}, "ffn.up"):
        with pytest.raises(ValueError, match=rf"{name}.* has shape .* in this config: give the one"):
            eager.load(tmp_path / "int8.pt", config.resized(**changes))
