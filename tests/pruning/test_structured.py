"""Structures: groups as torch prunes them, twins that agree, files that open again, and what is refused."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from llama import model as with_gains
from quantization.shapes import SHAPES
from torch.func import functional_call
from torch.nn.utils import prune as torch_prune
from transformers import AutoModelForCausalLM

from mobilellm_lab import checkpoints
from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.footprint import parameters
from mobilellm_lab.model import ModelConfig, Transformer, generate
from mobilellm_lab.pretrained import save_pretrained
from mobilellm_lab.pruning import (
    GROUPED,
    STRUCTURES,
    Structure,
    apply,
    gradients,
    group_scores,
    masked,
    prune_structured,
    shrink,
    shrunk_config,
)
from mobilellm_lab.quantization import Grid, calibrate, matrices, quantize
from mobilellm_lab.tasks import Batch

CONFIG = ModelConfig(vocab_size=40, dim=24, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=24, max_seq_len=64)
MIXED = {"neurons": ([0, 3, 5, 8], [2, 9]), "kv_heads": ([1], [0, 1]), "width": [*range(5, 19), 23], "layers": (0, 1)}


def tokens(seed: int = 0) -> torch.Tensor:
    return torch.randint(CONFIG.vocab_size, (4, 24), generator=torch.Generator().manual_seed(seed))


def batches() -> list[Batch]:
    return [Batch(tokens(seed), tokens(seed).roll(-1, 1)) for seed in (0, 1)]


def needed(model: Transformer) -> dict:
    return {"calibration": calibrate(model, batches()), "gradients": gradients(model, batches())}


def structure(config: ModelConfig, **parts) -> Structure:
    """The whole, but for these parts as plain lists."""
    made = {"width": torch.tensor, "layers": tuple}
    by_block = {name: lambda own: tuple(map(torch.tensor, own)) for name in ("neurons", "kv_heads")}
    return replace(Structure.whole(config), **{name: (made | by_block)[name](own) for name, own in parts.items()})


def groups(model: Transformer, granularity: str) -> list[torch.Tensor]:
    """By hand: a matrix for each block, a row for each group with all the weights that it takes along."""
    own, config = {name: p.detach() for name, p in matrices(model).items()}, model.config
    if granularity == "width":
        rows = [own["embed.weight"].T]
        for i in range(config.n_layers):
            rows += [own[f"blocks.{i}.{part}.weight"].T for part in ("attention.qkv", "ffn.up")]
            rows += [own[f"blocks.{i}.{part}.weight"] for part in ("attention.out", "ffn.down")]
        return [torch.cat(rows, 1)]
    found = []
    for i in range(config.n_layers):
        up, down, qkv, out = (
            own[f"blocks.{i}.{part}.weight"] for part in ("ffn.up", "ffn.down", "attention.qkv", "attention.out")
        )
        if granularity == "layer":
            found.append(torch.cat([w.flatten() for w in (up, down, qkv, out)]))
        elif granularity == "neuron":
            found.append(torch.cat((*up.chunk(2), down.T), 1))
        else:  # two query heads of 6 rows, then a key and a value head, for each of two groups
            q, k, v = qkv.split((24, 12, 12))
            parts = [part.unflatten(0, (2, -1)).flatten(1) for part in (q, k, v, out.T)]
            found.append(torch.cat(parts, 1))
    return [torch.stack(found)] if granularity == "layer" else found


@pytest.mark.parametrize(("importance", "n"), [("l1", 1), ("l2", 2)])
@pytest.mark.parametrize("granularity", STRUCTURES)
def test_by_magnitude_torch_removes_the_same_groups(granularity, importance, n):
    model, amount = with_gains(CONFIG), 0.5
    left = prune_structured(model, amount, granularity=granularity, importance=importance)
    field = {"neuron": "neurons", "head": "kv_heads", "width": "width", "layer": "layers"}[granularity]
    kept = getattr(left, field) if field in ("neurons", "kv_heads") else [torch.as_tensor(getattr(left, field))]
    for rows, own in zip(groups(model, granularity), kept, strict=True):
        layer = torch.nn.Linear(rows.shape[1], rows.shape[0], bias=False)
        layer.weight.data = rows.clone()
        torch_prune.ln_structured(layer, "weight", amount, n=n, dim=0)
        assert own.tolist() == layer.weight_mask.any(1).nonzero()[:, 0].tolist()
    scores = group_scores(model, granularity, importance)
    for rows, own in zip(groups(model, granularity), scores, strict=True):
        torch.testing.assert_close(own, rows.norm(n, dim=1))


@pytest.mark.parametrize("shape", [{}, {"ffn": "relu"}, {"sharing": "repeat"}, {"hidden_dims": (24, 9)}], ids=str)
@pytest.mark.parametrize("granularity", STRUCTURES)
def test_taylor_is_the_slope_of_the_loss_as_autograd_has_it(granularity, shape):
    """All weights of a group times t: dL/dt at 1. The masked twin says which they are."""
    model = with_gains(replace(CONFIG, **shape))
    scores, whole = group_scores(model, granularity, "taylor", **needed(model)), Structure.whole(model.config)
    for block, group in ((0, 1), (1, 0)):
        block = 0 if granularity in ("width", "layer") else block
        rest = [i for i in range(len(scores[block])) if i != group]
        field = {"neuron": "neurons", "head": "kv_heads", "width": "width", "layer": "layers"}[granularity]
        if granularity in ("neuron", "head"):
            parts = [own.tolist() for own in getattr(whole, field)]
            parts[block] = rest
        else:
            parts = rest
        masks = masked(model, structure(model.config, **{field: parts})).masks
        t = torch.ones((), requires_grad=True)
        scaled = {
            name: p.detach() * (masks[name] + ~masks[name] * t) for name, p in matrices(model).items() if name in masks
        }
        nats = [
            F.cross_entropy(functional_call(model, scaled, b.tokens).flatten(0, 1), b.targets.flatten())
            for b in batches()
        ]
        (slope,) = torch.autograd.grad(torch.stack(nats).mean(), t)
        torch.testing.assert_close(scores[block][group], slope.abs(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("granularity", STRUCTURES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_the_smaller_model_answers_as_its_masked_twin(shape, granularity):
    model = with_gains(CONFIG.resized(**shape)).train()
    if granularity == "head" and 1 in (model.config.n_kv_heads, *model.config.kv_heads):
        with pytest.raises(ValueError, match="amount=0.6 of granularity='head' removes all 1: choose less"):
            prune_structured(model, 0.6, granularity="head")
        return
    before, amount = fingerprint(model), 1 / 3 if granularity == "width" else 0.5
    left = prune_structured(model, amount, granularity=granularity, importance="l1")
    small, twin = shrink(model, left), masked(model, left)
    wanted = twin.model(tokens())
    assert (small(tokens()) - wanted).abs().max() < 1e-5 * wanted.abs().max().clamp(min=1)
    assert (model(tokens()) - wanted).abs().max() > 0.01
    assert small.config == shrunk_config(model.config, left)
    removed = sum((~mask).sum().item() for mask in twin.masks.values())
    norms = 24 * 2 if granularity == "layer" else 8 * 5 if granularity == "width" else 0
    assert parameters(small.config) == parameters(model.config) - removed - norms
    assert fingerprint(model) == before and small.training and twin.model.training
    assert fingerprint(shrink(model, left)) == fingerprint(small)


@pytest.mark.parametrize("shape", [{}, {"sharing": "reverse", "tie_embeddings": False}, {"embed_dim": 12}], ids=str)
@torch.no_grad()
def test_all_parts_may_go_at_once_from_unequal_blocks(shape):
    model = with_gains(CONFIG.resized(**shape))
    left = structure(model.config, **MIXED)
    small, wanted = shrink(model, left), masked(model, left).model(tokens())
    assert (small.config.hidden_dims, small.config.kv_heads, small.config.dim) == ((4, 2), (1, 2), 15)
    assert (small(tokens()) - wanted).abs().max() < 1e-5 * wanted.abs().max().clamp(min=1)
    last = shrink(small, structure(small.config, layers=(1,)))  # a smaller model is pruned again as any other
    assert (last.config.hidden_dim, last.config.hidden_dims, last.config.n_heads) == (2, (), 4)


@pytest.mark.parametrize("granularity", STRUCTURES)
@pytest.mark.parametrize("importance", GROUPED)
def test_nothing_goes_at_0_and_structures_nest_as_the_amount_grows(importance, granularity):
    model = with_gains(replace(CONFIG, n_kv_heads=4, n_layers=4))
    options = {"granularity": granularity, "importance": importance, **needed(model)}
    for scope in ("uniform", "global") if granularity in ("neuron", "head") else ("uniform",):
        larger = prune_structured(model, 0.0, scope=scope, **options)
        assert fingerprint(shrink(model, larger)) == fingerprint(model) and masked(model, larger).masks == {}
        for amount in (0.25, 0.5, 0.7):
            smaller = prune_structured(model, amount, scope=scope, **options)
            for name in ("neurons", "kv_heads"):
                pairs = zip(getattr(smaller, name), getattr(larger, name), strict=True)
                assert all(set(few.tolist()) <= set(many.tolist()) for few, many in pairs)
            assert set(smaller.width.tolist()) <= set(larger.width.tolist()) and set(smaller.layers) <= set(
                larger.layers
            )
            assert parameters(shrunk_config(model.config, smaller)) < parameters(shrunk_config(model.config, larger))
            larger = smaller


def test_a_global_scope_takes_where_least_is_lost_and_leaves_the_best_of_each_block():
    model = with_gains(CONFIG)
    with torch.no_grad():
        model.blocks[1].ffn.down.weight.mul_(1e-3)
        model.blocks[1].ffn.up.weight.mul_(1e-3)
    uniform, globally = (prune_structured(model, 0.48, granularity="neuron", scope=s) for s in ("uniform", "global"))
    assert [len(own) for own in uniform.neurons] == [12, 12]
    assert [len(own) for own in globally.neurons] == [24, 1]
    (best,) = globally.neurons[1].tolist()
    assert best == group_scores(model, "neuron")[1].argmax()
    with pytest.raises(ValueError, match="amount=0.99 of granularity='neuron' empties a block: choose less"):
        prune_structured(model, 0.99, granularity="neuron", scope="global")


def test_amounts_by_block_leave_the_others_whole():
    model = with_gains(CONFIG)
    left = prune_structured(model, {"blocks.1.ffn": 0.25}, granularity="neuron")
    assert [len(own) for own in left.neurons] == [24, 18]
    left = prune_structured(model, {"blocks.0.attention": 0.5}, granularity="head")
    assert [len(own) for own in left.kv_heads] == [1, 2]


@torch.no_grad()
def test_idle_neurons_and_heads_go_first_and_without_loss_but_no_channel_does():
    model = with_gains(replace(CONFIG, tie_embeddings=False))
    for block in model.blocks:
        block.ffn.down.weight[:, [4, 7]] = 0
        block.attention.out.weight[:, 12:] = 0
    options, wanted = {"importance": "taylor", **needed(model)}, model(tokens())
    for granularity, amount in (("neuron", 2 / 24), ("head", 0.5)):
        left = prune_structured(model, amount, granularity=granularity, **options)
        torch.testing.assert_close(shrink(model, left)(tokens()), wanted, rtol=1e-5, atol=1e-5)
    for name, w in matrices(model).items():  # no matrix reads channel 3, so that its score by Taylor is nearly 0
        if name == "head.weight" or name.endswith(("qkv.weight", "up.weight")):
            w[:, 3] = 0
    wanted, rest = model(tokens()), [i for i in range(24) if i != 3]
    assert (shrink(model, structure(model.config, width=rest))(tokens()) - wanted).abs().max() > 0.01
    for name, w in matrices(model).items():  # nothing writes to it, either: the mean of the squares is all that changes
        if name.endswith(("out.weight", "down.weight")):
            w[3] = 0
        elif name == "embed.weight":
            w[:, 3] = 0
    small = shrink(model, structure(model.config, width=rest))
    torch.testing.assert_close(small(tokens()), model(tokens()), rtol=1e-5, atol=1e-5)
    assert small.config.norm_eps == pytest.approx(CONFIG.norm_eps * 24 / 23)


@pytest.mark.parametrize("granularity", STRUCTURES)
@torch.no_grad()
def test_a_smaller_model_is_saved_smaller_and_opens_everywhere_with_its_logits(granularity, tmp_path):
    model = with_gains(CONFIG)
    small = shrink(model, prune_structured(model, 0.5, granularity=granularity))
    checkpoints.save(model, tmp_path / "dense")
    checkpoints.save(small, tmp_path / "small")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("dense", "small")]
    saved = 4 * (parameters(model.config) - parameters(small.config))
    assert sizes[0] - sizes[1] == pytest.approx(saved, abs=1200)  # headers
    back = checkpoints.load(tmp_path / "small").model
    assert back.config == small.config and torch.equal(back(tokens()), small(tokens()))
    prompt = tokens()[:, :4]
    told = torch.stack(list(generate(back, prompt, 12)), 1)
    save_pretrained(back, tmp_path / "llama")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    assert (theirs(tokens()).logits - small(tokens())).abs().max() < 1e-5
    options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **options)[:, 4:], told)


@torch.no_grad()
def test_blocks_of_several_sizes_open_in_our_loader_and_are_refused_by_llama(tmp_path):
    model = with_gains(CONFIG)
    small = shrink(model, prune_structured(model, {"blocks.1.ffn": 0.25}, granularity="neuron"))
    checkpoints.save(small, tmp_path / "small")
    back = checkpoints.load(tmp_path / "small").model
    assert back.config.hidden_dims == (24, 18) and torch.equal(back(tokens()), small(tokens()))
    told = [torch.stack(list(generate(m, tokens()[:, :4], 12)), 1) for m in (small, back)]
    assert torch.equal(*told)
    with pytest.raises(
        ValueError, match="hidden_dims=18 in block 1 and 24 in block 0: Llama's blocks all have one size"
    ):
        save_pretrained(back, tmp_path / "llama")
    assert not (tmp_path / "llama").exists()
    assert quantize(back, Grid(bits=8)).model(tokens()).isfinite().all()


def made(**options):
    model = with_gains(CONFIG)
    return prune_structured(model, **{"amount": 0.5, "granularity": "neuron"} | options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made(granularity="channel"), "granularity='channel': choose one of neuron, head, width, layer"),
        (lambda: made(importance="sparsegpt"), "importance='sparsegpt' of a neuron: choose one of random, l1"),
        (lambda: made(importance="taylor"), "importance='taylor' needs"),
        (lambda: made(importance="wanda"), "importance='wanda' needs"),
        (lambda: made(scope="sensitivity"), "scope='sensitivity' .*choose uniform or global"),
        (lambda: made(scope="global", granularity="width"), "scope='global' .*of a width: choose uniform"),
        (lambda: made(scope="global", amount={"blocks.0.ffn": 0.5}), "scope='global' .*: choose uniform"),
        (lambda: made(amount=1.0), "amount=1.0"),
        (lambda: made(amount=-0.1), "amount=-0.1"),
        (lambda: made(amount=float("nan")), "amount=nan"),
        (lambda: made(amount={"blocks.2.ffn": 0.5}), "'blocks.2.ffn' of a neuron: give blocks.0.ffn to blocks.1.ffn"),
        (lambda: made(amount={"blocks.0.ffn": 1.0}), "amount=1.0"),
        (lambda: made(amount={"blocks.0": 0.5}, granularity="layer"), "amounts by block of a layer: give one amount"),
        (lambda: made(amount=0.99), "amount=0.99 of granularity='neuron' removes all 24: choose less"),
        (lambda: made(amount=0.8, granularity="head"), "amount=0.8 of granularity='head' removes all 2"),
        (lambda: made(amount=0.99, granularity="width"), "amount=0.99 of granularity='width' removes all 24"),
        (lambda: made(amount=0.8, granularity="layer"), "amount=0.8 of granularity='layer' removes all 2"),
        (lambda: shrink(with_gains(CONFIG), structure(CONFIG, layers=())), "layers: nothing is kept of 2"),
        (lambda: shrink(with_gains(CONFIG), structure(CONFIG, layers=(0, 2))), r"layers=\[0, 2\]: .*0 to 1"),
        (lambda: shrink(with_gains(CONFIG), structure(CONFIG, width=[3, 3])), r"width=\[3, 3\]: give ascending"),
        (lambda: masked(with_gains(CONFIG), structure(CONFIG, width=[2, 1])), r"width=\[2, 1\]: give ascending"),
        (
            lambda: shrink(with_gains(CONFIG), structure(CONFIG, neurons=([0], []))),
            "neurons of block 1: nothing is kept",
        ),
        (lambda: shrink(with_gains(CONFIG), structure(CONFIG, kv_heads=([-1], [0]))), "kv_heads of block 0=.*0 to 1"),
        (lambda: shrink(with_gains(CONFIG), structure(CONFIG, neurons=([0],))), "neurons of 1 blocks: the model has 2"),
        (
            lambda: shrink(with_gains(CONFIG.resized(embed_dim=12)), structure(CONFIG, width=range(12))),
            "width=12 is that of the factorised table, embed_dim=12",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_pruned_or_quantized_already_is_refused():
    pruned, quantized = apply(with_gains(CONFIG), {}), quantize(with_gains(CONFIG), Grid())
    with pytest.raises(ValueError, match="model is a PrunedModel"):  # types are checked in tests only
        inspect.unwrap(prune_structured)(pruned, 0.5, granularity="head")
    with pytest.raises(ValueError, match="model is a PrunedModel"):
        inspect.unwrap(shrink)(pruned, structure(CONFIG))
    with pytest.raises(ValueError, match="model is a QuantizedModel"):
        inspect.unwrap(masked)(quantized, structure(CONFIG))
