"""Choices of layers: losses and angles as transformers has them, idle blocks first, and what is refused."""

import inspect
from dataclasses import replace
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from llama import model as with_gains
from llama import twin

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning import (
    LAYER_CHOICES,
    Structure,
    apply,
    block_influence,
    choose_layers,
    pruning_data,
    removal_costs,
    shrink,
)
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import IGNORE, Batch, evaluate

CONFIG = ModelConfig(vocab_size=40, dim=16, n_layers=5, n_heads=2, n_kv_heads=1, hidden_dim=24, max_seq_len=64)


def batches() -> list[Batch]:
    made = []
    for seed in (0, 1):
        tokens = torch.randint(40, (3, 20), generator=torch.Generator().manual_seed(seed))
        targets = tokens.roll(-1, 1)
        targets[:, -1 - seed :] = IGNORE  # batches of unequal weight
        made.append(Batch(tokens, targets))
    return made


@torch.inference_mode()
def llama_loss(model: Transformer, order: list[int]) -> float:
    theirs = twin(model, order)
    logits = torch.cat([theirs(batch.tokens).logits.flatten(0, 1) for batch in batches()])
    return F.cross_entropy(
        logits, torch.cat([batch.targets.flatten() for batch in batches()]), ignore_index=IGNORE
    ).item()


def idle(*blocks: int, **changes) -> Transformer:
    """A model in which these blocks add nothing."""
    model = with_gains(replace(CONFIG, **changes))
    with torch.no_grad():
        for i in blocks:
            model.blocks[i].attention.out.weight.zero_()
            model.blocks[i].ffn.down.weight.zero_()
    return model


def test_costs_are_those_of_a_llama_without_the_block():
    model = with_gains(CONFIG)
    before = llama_loss(model, [*range(5)])
    wanted = [llama_loss(model, [j for j in range(5) if j != i]) - before for i in range(5)]
    assert removal_costs(model, batches()) == pytest.approx(wanted, abs=1e-5)
    assert model.order == [*range(5)]


@torch.inference_mode()
def test_influence_is_the_angle_between_a_llamas_hidden_states():
    model = with_gains(CONFIG)
    states = [twin(model)(batch.tokens, output_hidden_states=True).hidden_states for batch in batches()]
    wanted = [
        torch.cat([1 - F.cosine_similarity(s[i], s[i + 1], dim=-1) for s in states]).mean().item() for i in range(4)
    ]  # the last state of theirs is behind the norm
    found = block_influence(model, batches())
    assert found[:4] == pytest.approx(wanted, abs=1e-5) and len(found) == 5
    assert not any(block._forward_hooks for block in model.blocks)


@pytest.mark.parametrize(
    ("how", "sharing"),
    [("measured", "none"), ("influence", "none"), ("influence", "reverse"), ("consecutive", "none")],
)
def test_idle_blocks_go_first_and_without_loss(how, sharing):
    model = idle(1, 2, sharing=sharing)
    assert choose_layers(model, 2, how, batches=batches()) == (0, 3, 4)
    assert block_influence(model, batches())[1:3] == pytest.approx([0, 0], abs=1e-6)
    assert removal_costs(model, batches())[1:3] == pytest.approx([0, 0], abs=1e-6)


def test_the_best_run_is_found_among_all():
    model = with_gains(CONFIG)
    runs = [run for run in combinations(range(5), 3) if run[2] - run[0] == 2]
    best = min(runs, key=lambda run: llama_loss(model, [i for i in range(5) if i not in run]))
    assert choose_layers(model, 3, "consecutive", batches=batches()) == tuple(i for i in range(5) if i not in best)


def test_last_and_random():
    model = with_gains(CONFIG)
    assert choose_layers(model, 2, "last") == (0, 1, 2)
    drawn = {choose_layers(model, 2, "random", seed=seed) for seed in range(40)}
    assert len(drawn) > 5 and drawn <= set(combinations(range(5), 3))


@pytest.mark.parametrize("how", LAYER_CHOICES)
def test_nothing_goes_at_0_choices_repeat_and_the_model_stays(how):
    model = with_gains(CONFIG)
    before = fingerprint(model)
    assert choose_layers(model, 0, how, batches=batches()) == (0, 1, 2, 3, 4)
    for n in range(1, 5):
        kept = choose_layers(model, n, how, batches=iter(batches()), seed=3)
        assert kept == choose_layers(model, n, how, batches=batches(), seed=3) and len(kept) == 5 - n
        if how != "consecutive":
            assert set(kept) <= set(choose_layers(model, n - 1, how, batches=batches(), seed=3))
    assert fingerprint(model) == before and model.order == [*range(5)]


def test_on_a_trained_model_looking_beats_chance():
    found = load_model("student-small")
    data = pruning_data(found.task, sequences=8)

    def loss(kept) -> float:
        left = replace(Structure.whole(found.model.config), layers=kept)
        return evaluate(found.task, shrink(found.model, left), batches=1, batch_size=32).loss_nats

    looked = {how: loss(choose_layers(found.model, 1, how, batches=data)) for how in ("measured", "influence")}
    chance = sum(loss(tuple(j for j in range(4) if j != i)) for i in range(4)) / 4
    assert max(looked.values()) < chance
    assert max(range(4), key=removal_costs(found.model, data).__getitem__) == 0  # nothing replaces the first block


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "first"}, "how='first': choose one of measured, influence, consecutive, last, random"),
        ({"n": 5}, "n=5: a block must stay, remove 0 to 4 of 5"),
        ({"n": -1}, "n=-1: a block must stay"),
        ({"how": "measured"}, "batches is empty: give at least one"),
        (
            {"how": "consecutive", "batches": [Batch(torch.zeros(1, 4).long(), torch.full((1, 4), IGNORE))]},
            "batches hold no position with a target",
        ),
    ],
)
def test_bad_input_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        choose_layers(with_gains(CONFIG), **{"n": 1, "how": "last"} | options)


def test_a_pruned_model_and_bare_tokens_are_refused():
    with pytest.raises(ValueError, match="model is a PrunedModel"):
        inspect.unwrap(choose_layers)(apply(with_gains(CONFIG), {}), 1, "last")  # types are checked in tests only
    with pytest.raises(ValueError, match="batches hold a Tensor: give those of pruning_data"):
        inspect.unwrap(choose_layers)(with_gains(CONFIG), 1, "influence", batches=[torch.zeros(1)])
