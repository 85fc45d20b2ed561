"""Scores against their definitions by hand, gradients against autograd's, and what is refused."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from quantization.shapes import SHAPES

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning import IMPORTANCES, gradients, pruning_data, scores, select, signed_taylor
from mobilellm_lab.pruning.sparsegpt import saliency
from mobilellm_lab.quantization import calibrate, matrices
from mobilellm_lab.tasks import IGNORE, Batch, make

CONFIG = ModelConfig(vocab_size=24, dim=16, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=24, max_seq_len=64)
DOWN = "blocks.0.ffn.down.weight"


@pytest.fixture(scope="module")
def task():
    return make("stories", people=3, rooms=4, objects=2, seq_len=64)


@pytest.fixture(scope="module")
def model(task) -> Transformer:
    return Transformer(CONFIG.resized(vocab_size=task.vocab_size)).eval()


@pytest.fixture(scope="module")
def batches(task) -> list[Batch]:
    return pruning_data(task, sequences=4)


def test_wanda_and_magnitude_on_a_case_by_hand():
    """The small weights meet the large input: magnitude removes them, Wanda keeps them."""
    model = Transformer(ModelConfig(vocab_size=5, dim=4, n_layers=1, n_heads=1, n_kv_heads=1, hidden_dim=4, ffn="relu"))
    w = torch.tensor([[4.0, 0, 1, -1], [3, -2, -1, -3], [-3, 1, 0, 2], [1, 1, 1, 1]])
    with torch.no_grad():
        model.blocks[0].ffn.down.weight.copy_(w)
    seen = calibrate(model, [Batch(torch.arange(4)[None], torch.arange(4)[None])])
    norms = torch.tensor([1.0, 2, 8, 3])  # of the input channels
    down = replace(seen.inputs["blocks.0.ffn.down"], gram=torch.diag(norms**2))
    seen = replace(seen, inputs=seen.inputs | {"blocks.0.ffn.down": down})
    wanda, l1 = (scores(model, importance, [DOWN], calibration=seen) for importance in ("wanda", "l1"))
    expected = torch.tensor([[4.0, 0, 8, 3], [3, 4, 8, 9], [3, 2, 0, 6], [1, 2, 8, 3]])
    assert torch.equal(wanda[DOWN], expected) and torch.equal(l1[DOWN], w.abs())
    by_row = torch.tensor([[1, 0, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 1]]).bool()
    assert torch.equal(select(wanda, 0.5, "row")[DOWN], by_row)
    by_magnitude = torch.tensor([[1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1]]).bool()
    assert torch.equal(select(l1, 0.5, "row")[DOWN], by_magnitude)


def test_wanda_is_its_definition_on_the_inputs_themselves(model, batches):
    seen = []
    handle = model.blocks[1].ffn.up.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for batch in batches:
        model(batch.tokens)
    handle.remove()
    norm = torch.cat([x.flatten(0, 1) for x in seen]).norm(dim=0)
    name = "blocks.1.ffn.up.weight"
    found = scores(model, "wanda", [name], calibration=calibrate(model, batches))[name]
    torch.testing.assert_close(found, model.blocks[1].ffn.up.weight.detach().abs() * norm)


def test_magnitudes_order_single_weights_alike_and_differ_by_a_square(model):
    l1, l2 = (scores(model, importance, [DOWN])[DOWN] for importance in ("l1", "l2"))
    torch.testing.assert_close(l2, l1.square())
    assert torch.equal(select({DOWN: l1}, 0.5)[DOWN], select({DOWN: l2}, 0.5)[DOWN])


def test_random_is_drawn_from_the_seed_whichever_others_are_named(model):
    alone, beside, other = (
        scores(model, "random", names, seed=seed)[DOWN]
        for names, seed in (([DOWN], 1), (matrices(model), 1), ([DOWN], 2))
    )
    assert torch.equal(alone, beside) and not torch.equal(alone, other)


def test_gradients_are_autograds_of_the_mean_loss_however_the_batches_are_cut(task, model):
    (whole,) = pruning_data(task, sequences=6)
    targets = whole.targets.clone()
    targets[0, :40] = IGNORE  # so that a mean of means would be another
    parts = [Batch(whole.tokens[cut], targets[cut]) for cut in (slice(0, 1), slice(1, 6))]
    found = gradients(model, parts)
    own = Transformer(model.config)
    own.load_state_dict(model.state_dict())
    F.cross_entropy(own(whole.tokens).flatten(0, 1), targets.flatten(), ignore_index=IGNORE).backward()
    assert set(found) == set(matrices(model))
    for name, p in matrices(own).items():
        torch.testing.assert_close(found[name], p.grad)


def test_signed_taylor_of_a_group_is_the_slope_of_the_loss_as_the_group_fades(model, batches):
    """Summed with sign over a neuron's weights: the central difference of the loss as they are scaled about 1."""
    rows = slice(3, 4)
    product = signed_taylor(model, [DOWN], gradients(model, batches))[DOWN][:, rows].sum().item()
    own = Transformer(model.config).double()
    own.load_state_dict(model.state_dict())

    def loss(scale: float) -> float:
        with torch.no_grad():
            own.blocks[0].ffn.down.weight.copy_(model.blocks[0].ffn.down.weight)
            own.blocks[0].ffn.down.weight[:, rows] *= scale
            total = [
                F.cross_entropy(own(b.tokens).flatten(0, 1), b.targets.flatten(), ignore_index=IGNORE) for b in batches
            ]
        return sum(total).item() / len(batches)

    assert product == pytest.approx((loss(1 + 1e-4) - loss(1 - 1e-4)) / 2e-4, rel=1e-3)


def test_taylor_is_the_size_of_the_signed_product(model, batches):
    found = gradients(model, batches)
    taylor, signed = scores(model, "taylor", [DOWN], gradients=found)[DOWN], signed_taylor(model, [DOWN], found)[DOWN]
    assert torch.equal(taylor, signed.abs()) and (signed < 0).any() and (signed > 0).any()


def test_sparsegpts_score_is_its_saliency(model, batches):
    seen = calibrate(model, batches)
    found = scores(model, "sparsegpt", [DOWN], calibration=seen)[DOWN]
    expected = saliency(model.blocks[0].ffn.down.weight.detach(), seen.inputs["blocks.0.ffn.down"].gram)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("importance", ["wanda", "sparsegpt"])
def test_an_embedding_table_is_scored_by_magnitude(model, batches, importance):
    found = scores(model, importance, ["embed.weight"], calibration=calibrate(model, batches))
    assert torch.equal(found["embed.weight"], model.embed.weight.detach().abs())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("importance", IMPORTANCES)
def test_every_kind_of_model_is_scored_left_alone_and_gives_the_same_twice(batches, task, shape, importance):
    model = Transformer(CONFIG.resized(vocab_size=task.vocab_size, **SHAPES[shape]))
    before, names = fingerprint(model), matrices(model)
    needed = {"calibration": calibrate(model, batches), "gradients": gradients(model, batches)}
    found, again = (scores(model, importance, names, **needed) for _ in range(2))
    assert fingerprint(model) == before and all(p.grad is None for p in model.parameters())
    for name, w in names.items():
        assert found[name].shape == w.shape and torch.equal(found[name], again[name])
        assert found[name].isfinite().all() and (found[name] >= 0).all() and found[name].any()


def test_what_is_missing_or_of_another_model_is_refused_with_the_remedy(task, model, batches):
    other = Transformer(model.config, seed=1)
    for importance in ("wanda", "sparsegpt"):
        with pytest.raises(ValueError, match=f"{importance}.*give calibration=calibrate"):
            scores(model, importance, [DOWN])
        with pytest.raises(ValueError, match="calibration is of another model"):
            scores(model, importance, [DOWN], calibration=calibrate(other, batches))
    with pytest.raises(ValueError, match=r"give gradients=gradients\(model, batches\)"):
        scores(model, "taylor", [DOWN])
    longer = Transformer(model.config.resized(vocab_size=task.vocab_size + 1))
    with pytest.raises(ValueError, match="gradients are of another model, embed.weight does not fit"):
        scores(model, "taylor", [DOWN], gradients=gradients(longer, batches))  # its blocks would fit
    with pytest.raises(ValueError, match="importance='magnitude'.*choose one of random, l1"):
        scores(model, "magnitude", [DOWN])
    with pytest.raises(ValueError, match="no matrix 'norm.weight': the model's are embed.weight"):
        scores(model, "l1", ["norm.weight"])


def test_gradients_on_nothing_are_refused_by_name(model, batches):
    with pytest.raises(ValueError, match="no position with a target"):
        gradients(model, [])
    (batch,) = batches
    with pytest.raises(ValueError, match="no position with a target"):
        gradients(model, [Batch(batch.tokens, torch.full_like(batch.targets, IGNORE))])
    with pytest.raises(ValueError, match="batches hold a Tensor: give those of pruning_data"):
        inspect.unwrap(gradients)(model, [batch.tokens])
    broken = Transformer(model.config)
    with torch.no_grad():
        broken.embed.weight[0] = torch.nan
    with pytest.raises(ValueError, match="loss=nan"):
        gradients(broken, batches)
