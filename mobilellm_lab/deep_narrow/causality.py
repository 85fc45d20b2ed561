"""Leak test for language models, and a block without a causal mask that fails it"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.model import ModelConfig
from mobilellm_lab.tasks import Batch, Evaluation
from mobilellm_lab.tasks.randomness import integers, split_seed
from mobilellm_lab.token_ids import check_tokens
from mobilellm_lab.training import Step, TrainConfig, train


class EncoderLM(nn.Module):
    """A language model of PyTorch's encoder layers: post-norm, ReLU, MHA, untied; mask and positions are switches.

    With both switches off its block is the one that tutorials often show as "a transformer block". Every position
    attends to every other, also to later ones, and none knows where it is.
    """

    def __init__(self, config: ModelConfig, *, causal: bool, positions: bool, seed: int = 0):
        super().__init__()
        self.config, self.causal, self.positions = config, causal, positions
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(config.vocab_size, config.dim)
            self.place = nn.Embedding(config.max_seq_len, config.dim)
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(config.dim, config.n_heads, config.hidden_dim, dropout=0, batch_first=True)
                for _ in range(config.n_layers)
            )
            self.head = nn.Linear(config.dim, config.vocab_size, bias=False)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        check_tokens(tokens, self.config.vocab_size)
        T = tokens.shape[1]
        x = self.embed(tokens)
        if self.positions:
            x = x + self.place(torch.arange(T, device=tokens.device))
        future = torch.ones(T, T, dtype=torch.bool, device=tokens.device).triu(1) if self.causal else None
        for block in self.blocks:
            x = block(x, src_mask=future)
        return self.head(x)


@torch.no_grad()
def leak(model: nn.Module, tokens: Int[Tensor, "1 T"]) -> float:
    """Largest change of any earlier logit when the last token changes: 0 for a causal model.

    Raises:
        ValueError: fewer than two tokens, so that nothing comes before the last, or ids of another vocabulary.
    """
    check_tokens(tokens, model.config.vocab_size)
    if tokens.shape[1] < 2:
        raise ValueError(f"tokens has {tokens.shape[1]} position: give at least 2, so that one comes before the last")
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].abs().max().item()


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Independent random tokens: the entropy floor is exactly ln(vocab_size).

    A loss below the floor means that the model sees the token that it should predict.
    """

    vocab_size: int = 16  # all equally likely
    seq_len: int = 16  # positions of one sequence
    name: str = "noise"
    headline: str = "accuracy"

    def batch(self, index: int, batch_size: int, *, split="train", seed=0, seq_len: int | None = None) -> Batch:
        """Random tokens, and at each position the one that follows."""
        T = self.seq_len if seq_len is None else seq_len
        sequence = np.arange(index * batch_size, (index + 1) * batch_size)[:, None]
        tokens = torch.from_numpy(integers(self.vocab_size, split_seed(seed, split), sequence, np.arange(T + 1)))
        return Batch(tokens[:, :-1], tokens[:, 1:])

    @torch.no_grad()
    def evaluate(
        self, model: nn.Module, *, split="validation", batches: int = 1, batch_size: int = 256, drawn: bool = True
    ) -> Iterator[Evaluation]:
        """Loss and accuracy of the model on whole sequences, and its loss on prefixes."""
        losses, right, blind = [], [], []
        for i in range(batches):
            batch, device = self.batch(i, batch_size, split=split), model.embed.weight.device
            tokens, targets = batch.tokens.to(device), batch.targets.to(device)
            logits = model(tokens)  # (B, T, V)
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item())
            likeliest = logits.argmax(-1)
            right.append((likeliest == targets).float().mean())
            for t in range(self.seq_len):
                prefix = model(tokens[:, : t + 1])[:, -1]
                blind.append(F.cross_entropy(prefix, targets[:, t]))
            yield Evaluation(
                loss_nats=mean(losses),
                losses=tuple(losses),
                floor_nats=math.log(self.vocab_size),
                scores={
                    "accuracy": torch.stack(right).mean().item(),
                    "loss without the future, nats": torch.stack(blind).mean().item(),
                },
                likeliest=likeliest.cpu(),
            )

    def show(self, model: nn.Module) -> str:
        """The first held-out sequence, and below each token the model's likeliest next one."""
        tokens = self.batch(0, 1, split="validation").tokens.to(model.embed.weight.device)
        rows = (tokens[0], model(tokens).argmax(-1)[0])
        return "\n".join(" ".join(f"{token:2}" for token in row.tolist()) for row in rows)


def train_on_noise(model: nn.Module, noise: Noise, *, steps: int = 200) -> Iterator[Step]:
    """Steps of a training run that is just long enough to show a leak."""
    return train(model, noise, TrainConfig(steps=steps, batch_size=64, optimizer="adamw", lr=1e-2))
