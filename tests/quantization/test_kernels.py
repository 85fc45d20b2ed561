"""Every backend really quantizes, answers near float32, keeps or honestly breaks the tie, comes back from its file."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.layout import contiguous_, for_decoding
from mobilellm_lab.measuring import on_disk
from mobilellm_lab.model import ModelConfig, Transformer, generate
from mobilellm_lab.quantization import BACKENDS, find_backend, int4_refusals, quantized_matrices
from mobilellm_lab.quantization.libraries import converted
from mobilellm_lab.quantization.libraries.kernels import NO_CPU_INT4

CONFIG = ModelConfig(vocab_size=64, dim=64, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=128, max_seq_len=64)
TOKENS = torch.randint(64, (2, 12), generator=torch.Generator().manual_seed(0))
OFF = {32: 1e-6, 8: 0.08, 4: 0.4}  # of the logits' norm, by bits of a weight; torch.ao gives activations 7 bits


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(CONFIG).eval()


@pytest.fixture(scope="module")
def ready(model) -> dict[str, Transformer]:
    return {name: backend.prepare(model) for name, backend in BACKENDS.items()}


@pytest.mark.parametrize("name", BACKENDS)
def test_logits_are_near_those_of_float_and_not_the_same(model, ready, name):
    bits = BACKENDS[name].bits
    wanted, found = model(TOKENS), ready[name](TOKENS)
    off = ((found - wanted).norm() / wanted.norm()).item()
    assert off <= OFF[bits]
    if bits < 32:
        assert off > 1e-4  # something was rounded


@pytest.mark.parametrize("name", BACKENDS)
def test_the_model_is_left_as_it_is_and_the_copy_generates_what_it_says(model, ready, name):
    before = fingerprint(model)
    copy = BACKENDS[name].prepare(model)
    assert fingerprint(model) == before
    said = torch.stack(list(generate(copy, TOKENS[:, :4], 6)), 1)
    assert torch.equal(said, torch.stack(list(generate(ready[name], TOKENS[:, :4], 6)), 1))
    again = copy(torch.cat((TOKENS[:, :4], said), 1))[:, 3:-1].argmax(-1)
    assert (again == said).float().mean() > 0.9  # products of one token and of many may round differently


@pytest.mark.parametrize("name", BACKENDS)
def test_a_converted_model_is_laid_out_for_decoding_and_back(name):
    """Its float matrices are; other libraries' packed weights are left alone."""
    own = BACKENDS[name].prepare(Transformer(CONFIG).eval())
    before = own(TOKENS)
    torch.testing.assert_close(for_decoding(own)(TOKENS), before, rtol=0, atol=1e-5)
    assert torch.equal(contiguous_(own)(TOKENS), before)


@pytest.mark.parametrize("name", BACKENDS)
def test_how_many_matrices_are_quantized_and_what_becomes_of_the_tie(ready, name):
    quantized, every = quantized_matrices(ready[name])
    tied = BACKENDS[name].table is not None
    assert ready[name].config.tie_embeddings == tied
    assert every == 4 * CONFIG.n_layers + (1 if tied else 2)
    assert quantized == (0 if name == "float32" else every - (not tied))  # an untied embedding stays in float


def test_four_bits_in_a_byte_each_take_more_than_eight_and_packed_ones_half(ready, tmp_path):
    size = {}
    for name, copy in ready.items():
        converted.save(copy, tmp_path / "state.pt")
        size[name] = on_disk(tmp_path / "state.pt").bytes
    assert size["torchao int4 (one per byte)"] > size["torchao int8 weight-only"]
    assert size["packed 4-bit (ours)"] < 0.8 * size["torchao int8 weight-only"] < 0.5 * size["float32"]
    memory = {name: converted.in_memory(copy).bytes for name, copy in ready.items()}
    assert memory["packed 4-bit (ours)"] < memory["torchao int8 weight-only"] < 0.5 * memory["float32"]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_file_gives_the_same_model_again(ready, tmp_path, name):
    path = tmp_path / "state.pt"
    converted.save(ready[name], path)
    assert torch.equal(converted.load(path, name, CONFIG)(TOKENS), ready[name](TOKENS))


def test_a_matrix_that_a_kernel_cannot_take_stays_in_float(model):
    narrow = Transformer(CONFIG.resized(dim=48, hidden_dim=80)).eval()  # 48 and 80 are no multiples of 32
    copy = BACKENDS["torchao int4 (one per byte)"].prepare(narrow)
    quantized, every = quantized_matrices(copy)
    assert quantized < every
    assert copy(TOKENS).isfinite().all()


def test_int4_weight_only_refuses_this_cpu_and_says_why():
    refusals = int4_refusals()
    assert refusals and all(refusals.values())


def test_what_cannot_be_is_refused_by_name(model, ready, tmp_path):
    with pytest.raises(ValueError, match="backend='int2'"):
        find_backend("int2")
    with pytest.raises(ValueError, match="Int4WeightOnlyConfig has no kernel"):
        find_backend(NO_CPU_INT4)
    with pytest.raises(ValueError, match="give a float32 model"):
        BACKENDS["torch.ao int8 dynamic"].prepare(Transformer(CONFIG).bfloat16())
    with pytest.raises(ValueError, match="no such file"):
        converted.load(tmp_path / "missing.pt", "float32", CONFIG)
    path = tmp_path / "state.pt"
    converted.save(ready["torchao int8 weight-only"], path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        converted.load(path, "torchao int8 weight-only", CONFIG)
    converted.save(ready["torch.ao int8 dynamic"], path)
    with pytest.raises(ValueError, match="state.pt"):
        converted.load(path, "float32", CONFIG)
    with pytest.raises(ValueError, match="up.* has shape .* in this config: give the one"):
        converted.load(path, "torch.ao int8 dynamic", CONFIG.resized(hidden_dim=2 * CONFIG.hidden_dim))
