"""The small twin: as many parameters, the same family, and as many updates as the operations pay for."""

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.footprint import flops_per_token, parameters
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.controls import equal_updates, kept_parameters, small_twin
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.reference import MODELS

DEEP = {name: MODELS[name].config(MODELS[name].make_task()) for name in ("stories-deep", "text-deep")}


@pytest.mark.parametrize("amount", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("name", DEEP)
def test_a_twin_has_the_parameters_that_are_kept_and_the_family(name, amount):
    config = DEEP[name]
    kept = kept_parameters(prune(Transformer(config), amount))
    twin = small_twin(config, kept)
    assert abs(parameters(twin) / kept - 1) <= zoo.TOLERANCE
    assert sum(p.numel() for p in Transformer(twin).parameters()) == parameters(twin)
    for field in ("n_layers", "n_heads", "n_kv_heads", "vocab_size", "max_seq_len", "ffn", "sharing", "norm_eps"):
        assert getattr(twin, field) == getattr(config, field)
    assert twin.dim < config.dim and twin.hidden_dim / twin.dim == pytest.approx(
        config.hidden_dim / config.dim, rel=0.3
    )


def test_kept_parameters_leave_out_masked_weights_and_count_a_tied_table_once():
    model = Transformer(ModelConfig(vocab_size=10, dim=8, n_layers=1, n_heads=1, n_kv_heads=1, hidden_dim=16))
    everything = 10 * 8 + 4 * 8 * 8 + 3 * 8 * 16 + 3 * 8  # table, attention, FFN, norms: by hand
    assert kept_parameters(model) == kept_parameters(prune(model, 0.0)) == everything
    assert kept_parameters(prune(model, 0.5)) == everything - (4 * 8 * 8 + 3 * 8 * 16) // 2
    assert kept_parameters(prune(model, 0.5, layers="all")) == everything - (10 * 8 + 4 * 8 * 8 + 3 * 8 * 16) // 2


def test_all_parameters_are_their_own_twin():
    for config in DEEP.values():
        twin = small_twin(config, parameters(config))
        assert (twin.dim, equal_updates(40, config, config, context=64)) == (config.dim, 40)


def test_a_narrower_twin_gets_more_updates_for_the_same_operations():
    config = DEEP["text-deep"]
    updates = []
    for budget in (parameters(config), 600_000, 300_000, 150_000):
        twin = small_twin(config, budget)
        updates.append(equal_updates(40, config, twin, context=128))
        spent = updates[-1] * flops_per_token(twin, context=128)
        assert spent == pytest.approx(40 * flops_per_token(config, context=128), rel=0.02)
    assert updates == sorted(updates) and updates[-1] > 5 * updates[0]


def test_other_fields_of_the_shape_are_kept():
    config = ModelConfig(
        vocab_size=50, dim=64, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=256, ffn="relu", sharing="repeat",
        tie_embeddings=False, embed_dim=16, rope_theta=500.0, norm_eps=1e-6,
    )  # fmt: skip
    twin = small_twin(config, parameters(config) // 2)
    for field in ("ffn", "sharing", "tie_embeddings", "embed_dim", "rope_theta", "norm_eps"):
        assert getattr(twin, field) == getattr(config, field)


def test_a_budget_without_a_width_is_refused_with_the_smallest():
    with pytest.raises(ValueError, match=r"budget=1000 .*smallest budget that does is \d+"):
        small_twin(DEEP["text-deep"], 1000)
