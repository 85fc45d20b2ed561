"""Low-bit KV cache: its memory, and the loss of a model with a rounded past"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.model import KVCache, ModelConfig, Transformer, execution_order
from mobilellm_lab.quantization.grid import CHANNEL, Grid
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack
from mobilellm_lab.tasks import IGNORE, Task
from mobilellm_lab.tasks.stories import ASK
from mobilellm_lab.token_ids import check_targets, check_tokens

KEYS = ("position", "delayed", "channel")
BLOCK = 32  # positions that share the scales of keys per channel; delayed, too, they stay floats until all are there


class _Rows:
    """Room for vectors of W numbers, each rounded on a grid of its own: packed codes, scales, zeros if affine."""

    def __init__(self, grid: Grid, places: tuple[int, ...], width: int, device):
        self.grid, self.width = grid, width
        self.data = torch.zeros((*places, packed_bytes(width, grid.bits)), dtype=torch.uint8, device=device)
        self.scale = torch.zeros(places, dtype=torch.float16, device=device)
        self.zero = torch.zeros((0,) if grid.symmetric else places, dtype=torch.int8, device=device)

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + self.scale.nbytes + self.zero.nbytes

    def write(self, layer: int, start: int, x: Float[Tensor, "B K n W"]) -> None:
        """Puts vectors into the places from `start` on."""
        rows, here = x.reshape(-1, self.width), (layer, slice(None), slice(None), slice(start, start + x.shape[2]))
        scale, zero = self.grid.fit(rows)
        self.data[here] = pack(self.grid.quantize(rows, scale, zero), self.grid.bits).view(*x.shape[:3], -1)
        self.scale[here] = scale.view(x.shape[:3])
        if not self.grid.symmetric:
            self.zero[here] = zero.view(x.shape[:3]).to(torch.int8)

    def read(self, layer: int, end: int) -> Float[Tensor, "B K n W"]:
        """The vectors of the first `end` places."""
        here = (layer, slice(None), slice(None), slice(end))
        codes = unpack(self.data[here], self.grid.bits, self.width).float()
        return (codes if self.grid.symmetric else codes - self.zero[here][..., None]) * self.scale[here][..., None]


class QuantizedKVCache(KVCache):
    """A `KVCache` that holds integers: attention reads what the codes stand for, and is otherwise as it was.

    Values, and keys where keys="position", are rounded head by head and position by position. With keys="channel" each
    channel of a head has a scale for BLOCK positions: some channels of keys are always large, and so spoil only
    themselves. The keys of a block that is not full yet stay floats, and to the call that brings them new keys are
    floats, too: a prompt given in one call is read as it is, and rounded behind it. With keys="delayed" they wait just
    so, and are rounded by position: what differs from "channel" is the scale, and from "position" the waiting.

    Raises:
        ValueError: bits that no grid has, no such kind of keys, more positions than the model has, or blocks that
            differ in their heads.

    Source: KIVI (arXiv 2402.02750), which keeps the newest values as floats as well.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        bits: int | float = 8,
        keys: str = "position",
        symmetric: bool = True,
        batch_size: int = 1,
        max_len: int = 0,
        device="cpu",
    ):
        if keys not in KEYS:
            raise ValueError(f"keys={keys!r}: choose one of {', '.join(KEYS)}")
        max_len = max_len or config.max_seq_len
        if not 0 < max_len <= config.max_seq_len:
            raise ValueError(f"max_len={max_len}: the model has {config.max_seq_len} positions, ask for 1 to so many")
        if config.kv_heads:
            raise ValueError(f"kv_heads={config.kv_heads}: integers are held for blocks of equal heads, use KVCache")
        grid = Grid(bits=bits, group_size=CHANNEL, symmetric=symmetric)
        heads, Dh = (len(execution_order(config)), batch_size, config.n_kv_heads), config.head_dim
        self.batch_size, self.length, self.max_len = batch_size, 0, max_len
        self.values = _Rows(grid, (*heads, max_len), Dh, device)
        self.waits, self.by_channel = keys != "position", keys == "channel"
        if self.by_channel:
            self.keys = _Rows(grid, (*heads, max_len // BLOCK * Dh), BLOCK, device)
        else:
            self.keys = _Rows(grid, (*heads, max_len), Dh, device)
        self.recent = torch.zeros(*heads, BLOCK if self.waits else 0, Dh, device=device)  # keys still in float

    @property
    def nbytes(self) -> int:
        """Bytes that are allocated: codes, scales, zeros and the keys that are still floats."""
        return self.keys.nbytes + self.values.nbytes + self.recent.nbytes

    def update(self, layer: int, k: Float[Tensor, "B K T Dh"], v: Float[Tensor, "B K T Dh"]) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, these ones added behind `length`, which moves when all layers have them."""
        start, end = self.length, self.length + k.shape[2]
        self.values.write(layer, start, v)
        if self.waits:
            keys = self._update_blocks(layer, start, k)
        else:
            self.keys.write(layer, start, k)
            keys = self.keys.read(layer, end)
        return keys.to(k.dtype), self.values.read(layer, end).to(v.dtype)

    def _update_blocks(self, layer: int, start: int, k: Float[Tensor, "B K T Dh"]) -> Float[Tensor, "B K S Dh"]:
        """The keys of full blocks as they were rounded, and the others; blocks that these ones fill are rounded."""
        n_blocks, Dh = start // BLOCK, k.shape[3]
        done = n_blocks * (Dh if self.by_channel else BLOCK)  # rows that are written
        past = self.keys.read(layer, done)
        if self.by_channel:
            past = past.unflatten(2, (n_blocks, Dh)).transpose(3, 4).flatten(2, 3)
        k = torch.cat((self.recent[layer, :, :, : start % BLOCK], k), 2)
        n_full = k.shape[2] // BLOCK
        if n_full:
            full = k[:, :, : n_full * BLOCK]
            if self.by_channel:
                full = full.unflatten(2, (n_full, BLOCK)).transpose(3, 4).flatten(2, 3)  # (B, K, n Dh, BLOCK)
            self.keys.write(layer, done, full)
        self.recent[layer, :, :, : k.shape[2] % BLOCK] = k[:, :, n_full * BLOCK :]
        return torch.cat((past, k), 2)


class WithCache(nn.Module):
    """A model whose every position reads its past out of a `QuantizedKVCache`; `task.evaluate` takes it as a model.

    Raises:
        ValueError: options that the cache refuses.
    """

    def __init__(self, model: Transformer, **options):
        super().__init__()
        QuantizedKVCache(model.config, max_len=1, **options)
        self.model, self.config, self.embed, self.options = model, model.config, model.embed, options

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        check_tokens(tokens, self.config.vocab_size)
        B, T = tokens.shape
        cache = QuantizedKVCache(self.config, batch_size=B, max_len=T, device=tokens.device, **self.options)
        return torch.cat([self.model(piece, cache) for piece in tokens.split(BLOCK, 1)], 1)


@torch.inference_mode()
def loss_by_position(
    model: nn.Module, task: Task, *, split: str = "test", batches: int = 4, batch_size: int = 64
) -> Float[Tensor, " T"]:
    """Mean cross-entropy in nats at each position: the later, the longer the past that is read.

    NaN at a position where no sequence has a target.
    """
    nats, count = torch.zeros(task.seq_len), torch.zeros(task.seq_len)
    for i in range(batches):
        batch = task.batch(i, batch_size, split=split)
        logits = model(batch.tokens).transpose(1, 2)  # (B, V, T)
        check_targets(batch.targets, logits.shape[1])
        nats += F.cross_entropy(logits, batch.targets, ignore_index=IGNORE, reduction="none").sum(0)
        count += (batch.targets != IGNORE).sum(0)
    return nats / count


@torch.inference_mode()
def answers_by_distance(
    model: nn.Module, task: Task, *, split: str = "test", batches: int = 4, batch_size: int = 64
) -> tuple[Int[Tensor, " N"], Float[Tensor, " N"]]:
    """For every question of the stories: how many words ago its answer was last written, and 1 where it is given.

    Raises:
        ValueError: a task that asks no such questions.
    """
    if task.name != "stories":
        raise ValueError(f"task={task.name!r}: only stories ask questions, take loss_by_position")
    distances, right = [], []
    for i in range(batches):
        batch = task.batch(i, batch_size, split=split)
        rows, at = (batch.tokens == ASK).nonzero(as_tuple=True)
        answer, place = batch.targets[rows, at], torch.arange(batch.tokens.shape[1])
        written = (batch.tokens[rows] == answer[:, None]) & (place < at[:, None])
        distances.append(at + 1 - torch.where(written, place, -1).amax(1))
        right.append((model(batch.tokens)[rows, at].argmax(-1) == answer).float())
    return torch.cat(distances), torch.cat(right)
