"""Exercise: find why the file of a pruned model grew, and repair its state dict"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mobilellm_lab.pruning.libraries import torch_prune
from mobilellm_lab.teaching.by_example import by_example
from mobilellm_lab.teaching.exercise import Wrong

State = dict[str, Tensor]


def _repaired_stub(state):
    """The state dict as it should be saved: one tensor per weight."""
    return ...  # your code


def _repaired_solution(state):
    """The state dict as it should be saved: one tensor per weight."""
    out = {}
    for name, value in state.items():
        plain = name.removesuffix("_orig").removesuffix("_mask")
        if f"{plain}_orig" not in state:
            out[name] = value
        elif name.endswith("_orig"):
            out[plain] = value * state[f"{plain}_mask"]
    return out


def _repaired_alternative(state):
    """The state dict as it should be saved: one tensor per weight."""
    out = dict(state)
    for name in [name[:-5] for name in state if name.endswith("_orig")]:
        weight, mask = out.pop(f"{name}_orig"), out.pop(f"{name}_mask")
        out[name] = torch.where(mask.bool(), weight, 0.0)
    return out


def _with(value: Callable[[Tensor, Tensor], Tensor], *, rest: bool = True, suffix: str = "") -> Callable:
    """The masked weights as `value(weight, mask)`; with the other entries, unless `rest` is False."""

    def repaired(state):
        names = [name.removesuffix("_orig") for name in state if name.endswith("_orig")]
        pairs = {f"{name}{end}" for name in names for end in ("_orig", "_mask")}
        out = {name: tensor for name, tensor in state.items() if rest and name not in pairs}
        return out | {f"{name}{suffix}": value(state[f"{name}_orig"], state[f"{name}_mask"]) for name in names}

    return repaired


def _without_masks(state: State) -> State:
    """Drops whatever is called a mask."""
    return {name: tensor for name, tensor in _repaired_alternative(state).items() if not name.endswith("_mask")}


_MISTAKES = {
    "drops the masks": (
        _with(lambda weight, mask: weight),
        "The file has its old size, and the pruning is gone: `_orig` holds the weights from *before*. What is 0 is "
        "written in the mask only. Multiply the two.",
    ),
    "drops the weights": (
        _with(lambda weight, mask: mask),
        "You kept the masks, ones and zeros. They say which weights stay, not what these are.",
    ),
    "the mask the wrong way round": (
        _with(lambda weight, mask: weight * (1 - mask)),
        "You kept what was pruned and zeroed the rest. A mask is 1 where a weight stays.",
    ),
    "names that no model has": (
        _with(lambda weight, mask: weight * mask, suffix="_orig"),
        "The tensors are right, and still called `..._orig`. An ordinary model cannot load them: take the ending away.",
    ),
    "loses the rest": (
        _with(lambda weight, mask: weight * mask, rest=False),
        "What was never pruned is missing: embeddings, norms, biases. Only the pairs of `_orig` and `_mask` change.",
    ),
    "drops a mask that is no pruning mask": (
        _without_masks,
        "You dropped every entry that ends in `_mask`. The model has one of its own, a causal mask without a `_orig` "
        "beside it, which has to stay.",
    ),
    "leaves it as it is": (
        lambda state: dict(state),
        "That is the state dict as it came. Look for entries that stand beside each other and have the same shape.",
    ),
}


class _Attention(nn.Module):
    """A layer with a mask of its own, as some attention layers keep one."""

    def __init__(self, seed: int):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.table, self.up, self.down = nn.Embedding(6, 4), nn.Linear(4, 8), nn.Linear(8, 4, bias=False)
        self.register_buffer("causal_mask", torch.ones(4, 4).tril())
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=draw)


def grown_example(seed: int = 0) -> State:
    """The state dict of a small model, half of whose Linear weights are masked and not yet removed."""
    state = torch_prune.mask(_Attention(seed), 0.5).state_dict()
    return {name: value.detach().clone() for name, value in state.items()}


def _cases():
    dense = {name: value.detach() for name, value in _Attention(2).state_dict().items()}
    return [(grown_example(0),), (grown_example(1),), (dense,)]


def _read(found: object, state: State) -> State:
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise Wrong("not a state dict", f"Return a dict, name: tensor. Yours is a {type(found).__name__}.")
    return {name: value.detach() for name, value in found.items()}


def _same(a: State, b: State, *case: object) -> bool:
    return a.keys() == b.keys() and all(a[name].shape == b[name].shape and a[name].equal(b[name]) for name in b)


def _describe(found, right, state):
    if missing := sorted(right.keys() - found.keys()):
        return Wrong("entries missing", f"A model needs {', '.join(missing)}, which yours does not have.")
    if extra := sorted(found.keys() - right.keys()):
        return Wrong("entries too many", f"No model has a place for {', '.join(extra)}.")
    name = next(name for name in right if not _same({name: found[name]}, {name: right[name]}))
    return Wrong("other values", f"{name} is not what the masked model computes with.")


def _bytes(state: State) -> int:
    return sum(value.nbytes for value in state.values())


def _lesson(answer, found):
    return (
        f"{_bytes(grown_example())} bytes have become {_bytes(found[0])}, as many as before pruning. A masked matrix "
        "was there twice: as it was before pruning, and as a mask of one float32 for each weight. `remove` does the "
        "same as you. A file *smaller* than the dense one needs another format: a zero is as long as any float."
    )


GROWN = by_example(
    name="grown",
    title="Why did the file grow?",
    task="""
Half of a model's weights have been pruned with `torch.nn.utils.prune`, and the file has nearly doubled. Print the names
and sizes of such a state dict, `grown_example()`, and find what is in it twice.

Then write `repaired(state)`. It returns **the state dict of the same pruned model as an ordinary model has it**. Each
matrix is one tensor under its own name, with zeros where it is masked. Everything else stays as it is.
""".strip(),
    answer="repaired",
    stub=_repaired_stub,
    solution=_repaired_solution,
    alternative=_repaired_alternative,
    mistakes=_MISTAKES,
    hints=(
        "`{name: tuple(value.shape) for name, value in state.items()}`: which entries have the same shape, and how do "
        "their names differ?",
        "`weight_orig` holds the weights from before pruning, `weight_mask` ones and zeros. Their product is the "
        "weight that the model computes with.",
        "For every `name` that ends in `_orig`: multiply by the `_mask` beside it, and store the product without the "
        "ending. Leave out the masks that have such a partner, and only those.",
    ),
    cases=_cases,
    describe=_describe,
    lesson=_lesson,
    read=_read,
    same=_same,
)
