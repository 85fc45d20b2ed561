"""Measured sweep of speed after pruning: smaller models, zeros and CSR beside dense; CSR products by shape"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from mobilellm_lab import footprint
from mobilellm_lab.arms import Sweep
from mobilellm_lab.constraints.decode import build, decode_steps
from mobilellm_lab.measuring import Comparison, in_memory
from mobilellm_lab.model import KVCache, ModelConfig, Transformer
from mobilellm_lab.provenance import provenance
from mobilellm_lab.pruning.kernels import INDEX, PAIRS, CSRLinear, compare_csr, in_pairs
from mobilellm_lab.quantization.study.crossover import CONTEXT, CROSSOVER_SIZES, SWIFTER

COMMAND = "mobilellm-lab sweep pruning_speed"
SPEED_SIZES = ("1M", "125M")  # of chapter 3: one where starting operations counts, one where the weights do
SMALLER = ("neuron", "head", "width", "layer")  # structured: a smaller dense model
ZEROS = ("dense with zeros", *INDEX)  # unstructured: the same shape
STRUCTURED_AMOUNTS, WEIGHT_AMOUNTS = (0.25, 0.5, 0.75), (0.5, 0.8, 0.9)
WORKS = {"decode": (1, 1), "decode, batch 8": (8, 1), "prompt of 32": (1, 32)}  # sequences, tokens of each
KERNEL_SHAPES = ("3072 x 576", "576 x 1536", "576 x 576", "288 x 96")  # up, down and output at 125M; one at 1M
KERNEL_BATCHES = (1, 32)
SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True, kw_only=True)
class PruningSpeedRecipe:
    """One pruned model beside the dense one of its size.

    Raises:
        ValueError: an unknown size, granularity or work, or an amount outside (0, 1).
    """

    size: str = "125M"
    granularity: str = "neuron"  # of SMALLER or ZEROS
    amount: float = 0.25  # share of the units, or of the weights in the blocks
    work: str = "decode"
    pairs: int = PAIRS

    def __post_init__(self) -> None:
        fields = {"size": SPEED_SIZES, "granularity": SMALLER + ZEROS, "work": tuple(WORKS)}
        for name, known in fields.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r}: choose one of {'; '.join(known)}")
        if not 0 < self.amount < 1:
            raise ValueError(f"amount={self.amount}: give a share between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class PruningKernelRecipe:
    """One product with a CSR matrix beside the dense one."""

    shape: str = "3072 x 576"  # outputs x inputs
    format: str = "csr int32"
    batch: int = 1  # inputs
    sparsity: float = 0.9
    pairs: int = PAIRS


def speed_plan() -> list[PruningSpeedRecipe | PruningKernelRecipe]:
    """Products first, then every model of both sizes at every work."""
    kernels = [
        PruningKernelRecipe(shape=shape, format=format, batch=batch, sparsity=sparsity)
        for shape in KERNEL_SHAPES
        for format in INDEX
        for batch in KERNEL_BATCHES
        for sparsity in SPARSITIES
    ]
    kinds = [(kind, STRUCTURED_AMOUNTS) for kind in SMALLER] + [(kind, WEIGHT_AMOUNTS) for kind in ZEROS]
    return kernels + [
        PruningSpeedRecipe(size=size, granularity=kind, amount=amount, work=work)
        for size in SPEED_SIZES
        for kind, amounts in kinds
        for amount in amounts
        for work in WORKS
    ]


def smaller_config(config: ModelConfig, granularity: str, amount: float) -> ModelConfig:
    """The shape of which this share of the neurons, KV groups, channels or layers is gone; one unit stays at least."""

    def left(units: int) -> int:
        return max(1, units - round(amount * units))

    if granularity == "neuron":
        return replace(config, hidden_dim=left(config.hidden_dim))
    if granularity == "head":
        groups = left(config.n_kv_heads)
        return replace(config, n_heads=groups * (config.n_heads // config.n_kv_heads), n_kv_heads=groups)
    if granularity == "width":
        return config.resized(dim=left(config.dim), head_dim=config.head_dim)
    return replace(config, n_layers=left(config.n_layers))


def without_weights(model: Transformer, granularity: str, amount: float, *, seed: int = 0) -> Transformer:
    """The model with zeros at random places of its blocks, dense or as CSR layers; the other weights are shared.

    One matrix is made at a time, so that no second dense model is held.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        other = Transformer(replace(model.config, max_seq_len=1))
    shared = {name: p for name, p in model.named_parameters() if p.ndim == 1 or not name.startswith("blocks.")}
    other.load_state_dict({name: p.detach() for name, p in shared.items()}, strict=False, assign=True)
    for name, layer in list(model.blocks.named_modules()):
        if isinstance(layer, nn.Linear):
            mask = torch.rand(layer.weight.shape, generator=generator) >= amount
            if granularity in INDEX:
                twin = CSRLinear(layer.weight, mask, format=granularity)
            else:
                twin = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
                zeroed = layer.weight.detach().clone().masked_fill_(~mask, 0)  # a clone lies as its original does
                twin.weight = nn.Parameter(zeroed, requires_grad=False)
            other.blocks.set_submodule(name, twin)
    other.config, other.cos, other.sin = model.config, model.cos, model.sin
    return other.eval()


def work_of(model: Transformer, work: str) -> Callable[[], None]:
    """A function that does this work once: a decode step that sees 64 positions, or a prompt into an empty cache."""
    sequences, tokens = WORKS[work]
    if tokens == 1:
        steps = decode_steps(model, batch=sequences, context=CONTEXT)
        return lambda: next(steps)
    prompt = torch.zeros(sequences, tokens, dtype=torch.long)

    def read() -> None:
        with torch.inference_mode():
            model(prompt, KVCache(model.config, batch_size=sequences, max_len=tokens))

    return read


def measure_speed(
    todo: Iterable[PruningSpeedRecipe | PruningKernelRecipe],
) -> Iterator[tuple[PruningSpeedRecipe | PruningKernelRecipe, dict]]:
    """Yields a row per recipe. Two models are in memory at a time, the dense one and one pruned: 1.2 GiB at 125M."""
    dense_size, dense, pruned_key, pruned = None, None, None, None
    for recipe in todo:
        if isinstance(recipe, PruningKernelRecipe):
            yield recipe, kernel_row(recipe)
            continue
        if recipe.size != dense_size:
            pruned_key = pruned = dense = None  # let go before the next is made
            dense_size, dense = recipe.size, build(CROSSOVER_SIZES[recipe.size])
        key = (recipe.size, recipe.granularity, recipe.amount)
        if key != pruned_key:
            pruned = None
            pruned_key, pruned = key, _pruned(dense, recipe)
        yield recipe, model_row(recipe, dense, pruned)


def _pruned(dense: Transformer, recipe: PruningSpeedRecipe) -> Transformer:
    if recipe.granularity in SMALLER:
        return build(smaller_config(dense.config, recipe.granularity, recipe.amount), seed=1)
    return without_weights(dense, recipe.granularity, recipe.amount)


def model_row(recipe: PruningSpeedRecipe, dense: Transformer, pruned: Transformer) -> dict:
    """Both models' CPU times of one work, their ratio with its interval, and their weights."""
    found = in_pairs(work_of(dense, recipe.work), work_of(pruned, recipe.work), pairs=recipe.pairs)
    sequences, tokens = WORKS[recipe.work]
    c, parameters = pruned.config, footprint.parameters(pruned.config)
    names = ("dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "head_dim")
    return {
        "shape": {name: getattr(c, name) for name in names},
        "parameters": parameters,
        "dense_parameters": footprint.parameters(dense.config),
        "removed": _short(1 - parameters / footprint.parameters(dense.config)),  # of all weights; zeros stay
        "memory_bytes": in_memory(pruned).bytes,
        "dense_memory_bytes": in_memory(dense).bytes,
        "tokens_per_s": _short(1000 * sequences * tokens / found.b.median_ms),
        **_times(found),
        **_origin(),
    }


def kernel_row(recipe: PruningKernelRecipe) -> dict:
    """CPU times of both products, and their ratio with its interval."""
    rows, columns = map(int, recipe.shape.split(" x "))
    found = compare_csr((rows, columns), recipe.sparsity, format=recipe.format, batch=recipe.batch, pairs=recipe.pairs)
    return {"weights": rows * columns, **_times(found), **_origin()}


def _times(found: Comparison) -> dict:
    """CPU time and speedup of b over a, as plain values; the interval's upper end is None where there is none."""
    return {
        "cpu_ms": _percentiles(found.b.samples_ms),
        "dense_cpu_ms": _percentiles(found.a.samples_ms),
        "speedup": _short(1 / found.ratio),
        "speedup_low": _short(1 / found.ratio_high),
        "speedup_high": _short(1 / found.ratio_low) if found.ratio_low else None,
        "verdict": SWIFTER[found.verdict],
    }


def _origin() -> dict:
    capability = torch.backends.cpu.get_cpu_capability()
    return {"provenance": provenance(COMMAND, cpu=capability)}


def _percentiles(samples_ms: Iterable[float]) -> dict[str, float]:
    return {f"p{percent}": _short(np.percentile(samples_ms, percent)) for percent in (10, 50, 90)}


def _short(value: int | float) -> float:
    return float(f"{value:.5g}")


SWEEPS = (Sweep(name="pruning_speed", plan=speed_plan, measure=measure_speed, alone=True),)
