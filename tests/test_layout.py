"""Weights by rows as built and loaded, by columns for decoding, and back: the same model in every layout."""

import pytest
import torch
from llama import model
from safetensors.torch import load_file, save_file
from test_checkpoints import KINDS
from test_model import config_of, tokens_for
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils import prune
from torch.utils._python_dispatch import TorchDispatchMode

from mobilellm_lab import checkpoints
from mobilellm_lab.layout import contiguous_, for_decoding
from mobilellm_lab.model import Transformer, generate
from mobilellm_lab.pretrained import from_pretrained, save_pretrained
from mobilellm_lab.tasks import make
from mobilellm_lab.training import TrainConfig, train


def tall(ours) -> list[torch.nn.Parameter]:
    return [p for p in ours.parameters() if p.ndim == 2 and p.shape[0] > p.shape[1]]


def made(way: str, config, folder) -> Transformer:
    """A model that was built, or saved for decoding and loaded."""
    if way == "built":
        return model(config)
    if way == "loaded":
        checkpoints.save(for_decoding(model(config)), folder / "ours")
        return checkpoints.load(folder / "ours").model
    save_pretrained(for_decoding(model(config)), folder / "llama")
    return from_pretrained(folder / "llama")


@pytest.mark.parametrize("way", ["built", "loaded", "from Hugging Face"])
def test_built_and_loaded_models_are_what_tools_expect(way, tmp_path):
    ours = made(way, config_of(), tmp_path)
    assert checkpoints.fingerprint(ours) == checkpoints.fingerprint(model(config_of()))
    save_file(ours.state_dict(), tmp_path / "by_hand.safetensors")  # refuses what is not contiguous
    assert load_file(tmp_path / "by_hand.safetensors").keys() == ours.state_dict().keys()
    for layer in [layer for layer in ours.modules() if isinstance(layer, torch.nn.Linear)]:
        prune.l1_unstructured(layer, "weight", amount=0.5)  # raises on what is not contiguous
        assert (layer.weight == 0).sum().item() == round(layer.weight.numel() / 2)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_for_decoding_is_the_same_model_and_is_undone(kind):
    ours, plain = model(config_of(**KINDS[kind])), model(config_of(**KINDS[kind]))
    parameters, tokens = dict(ours.named_parameters()), tokens_for(ours.config, 2, 9)
    assert for_decoding(ours) is ours and for_decoding(ours) is ours  # again: nothing more to do
    assert tall(ours) and all(p.t().is_contiguous() and not p.is_contiguous() for p in tall(ours))
    assert all(p.is_contiguous() for p in ours.parameters() if p.ndim == 1 or p.shape[0] <= p.shape[1])
    now = dict(ours.named_parameters())
    assert now.keys() == parameters.keys() and all(now[name] is p for name, p in parameters.items())
    assert checkpoints.fingerprint(ours) == checkpoints.fingerprint(plain)
    torch.testing.assert_close(ours(tokens), plain(tokens), rtol=0, atol=1e-5)
    said = [torch.stack(list(generate(one, tokens, 8))) for one in (ours, plain)]
    assert torch.equal(*said)
    assert contiguous_(ours) is ours and all(p.is_contiguous() for p in ours.parameters())
    assert torch.equal(ours(tokens), plain(tokens))


def test_no_more_than_one_matrix_is_held_twice():
    """Before each copy of a matrix, the original of every earlier one is gone."""
    for change in (for_decoding, contiguous_):
        ours = model(config_of()) if change is for_decoding else for_decoding(model(config_of()))
        originals, left = [StorageWeakRef(p.data.untyped_storage()) for p in tall(ours)], []

        class Copies(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None, left=left, originals=originals):
                if function is torch.ops.aten.clone.default:
                    left.append(sum(not original.expired() for original in originals))
                return function(*args, **(kwargs or {}))

        with Copies():
            change(ours)
        assert left == list(range(len(originals), 0, -1)) and len(originals) > 3


def test_weights_that_share_their_memory_go_on_sharing_it():
    ours = model(config_of(tie_embeddings=False))
    ours.head.weight = torch.nn.Parameter(ours.embed.weight.detach())  # as two names of one file are assigned
    for change in (for_decoding, contiguous_):
        change(ours)
        assert ours.head.weight.data_ptr() == ours.embed.weight.data_ptr()
        assert ours.head.weight.stride() == ours.embed.weight.stride()
        others = [p.data_ptr() for p in ours.parameters() if p is not ours.head.weight]
        assert len(others) == len(set(others))  # and no other weights do
    with torch.device("meta"):
        assert len({id(p) for p in for_decoding(Transformer(config_of())).parameters()}) == len(others)


def test_sixteen_bit_weights_stay_by_rows():
    ours = for_decoding(model(config_of()).bfloat16())
    assert all(p.is_contiguous() for p in ours.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_goes_on_in_any_layout(optimizer):
    task = make("shells")
    config = config_of(vocab_size=task.vocab_size)
    losses = []
    for changes in ({}, {1: for_decoding}, {1: for_decoding, 3: contiguous_}):
        ours, own = Transformer(config), []
        for step in train(ours, task, TrainConfig(steps=5, batch_size=4, optimizer=optimizer, lr=1e-3)):
            own.append(step.loss_nats)
            changes.get(step.step, lambda same: same)(ours)
        losses.append(own)
    assert losses[1] == pytest.approx(losses[0], abs=1e-5) and losses[2] == pytest.approx(losses[0], abs=1e-5)
    assert losses[0][0] != losses[0][-1]
