"""Training tokens/s beside transformers' Llama with torch's AdamW, at three shapes of the lab."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from benchmarks.peers import llama
from benchmarks.record import finish, mark
from mobilellm_lab import zoo
from mobilellm_lab.measuring import Throughput, compare
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import IGNORE, Task, make
from mobilellm_lab.training import TrainConfig, train

# parameters, layers, task and its options, sequences per update, updates per timing, must, aim
SHAPES = (
    (60_000, 4, "shells", {}, 64, 4, 1.1, 1.7),
    (200_000, 6, "stories", {}, 16, 1, 1.0, 1.3),
    (1_000_000, 6, "text", {"seq_len": 128}, 8, 1, 1.0, 1.1),
)
ENDLESS = 10**9  # updates: the benchmark stops by itself


def peer_updates(config: ModelConfig, task: Task, batch_size: int) -> Iterator[float]:
    """The loop that a reader of the transformers documentation would write; the same batches, the same clipping."""
    model = llama(config)
    optimizer = torch.optim.AdamW(model.parameters())
    for i in range(ENDLESS):
        batch = task.batch(i, batch_size)
        logits = model(input_ids=batch.tokens).logits
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


def several(updates: Iterator, count: int) -> Callable[[], None]:
    """A function that does the next `count` updates."""

    def call() -> None:
        for _ in range(count):
            next(updates)

    return call


def main() -> None:
    """Measures every shape, prints the table, writes results/training.json."""
    rows, samples = [], {}
    for budget, depth, name, options, batch_size, count, must, aim in SHAPES:
        task = make(name, **options)
        config = zoo.solve(
            budget, depth, vocab_size=task.vocab_size, n_heads=4, n_kv_heads=4, max_seq_len=2 * task.seq_len
        )
        ours = train(
            Transformer(config), task, TrainConfig(steps=ENDLESS, batch_size=batch_size, optimizer="adamw", lr=1e-3)
        )
        peer = peer_updates(config, task, batch_size)
        result = compare(several(ours, count), several(peer, count), repeats=20)
        tokens = count * batch_size * task.seq_len
        ours_per_s, peer_per_s = (
            Throughput(latency=side, items=tokens, unit="tokens") for side in (result.a, result.b)
        )
        rows.append(
            {
                "shape": f"{name} {budget // 1000}k, {depth} x {config.dim}",
                "ours tok/s": f"{ours_per_s.median_per_s:.0f} ({ours_per_s.p10_per_s:.0f}-{ours_per_s.p90_per_s:.0f})",
                "peer tok/s": f"{peer_per_s.median_per_s:.0f} ({peer_per_s.p10_per_s:.0f}-{peer_per_s.p90_per_s:.0f})",
                "times faster": f"{result.ratio:.2f} ({result.ratio_low:.2f}-{result.ratio_high:.2f})",
                "must / aim": f"{must} / {aim}",
                "": mark(result.ratio, must, aim),
            }
        )
        samples[rows[-1]["shape"]] = {"ours_ms": result.a.samples_ms, "peer_ms": result.b.samples_ms, "tokens": tokens}
    finish("training", rows, samples=samples)
