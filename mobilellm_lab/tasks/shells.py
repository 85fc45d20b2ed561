"""Shell game: state tracking of n shuffled cups, labelled at every position"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch

from mobilellm_lab.tasks import Batch, Evaluation
from mobilellm_lab.tasks.randomness import integers, split_seed


def permutations(n_cups: int, even_only: bool = False) -> np.ndarray:
    """(n, n_cups) array of the permutations, the identity first; `even_only` keeps the alternating group."""
    rows = np.array(list(itertools.permutations(range(n_cups))))
    if even_only:
        inversions = sum((rows[:, i] > rows[:, j]).astype(int) for i in range(n_cups) for j in range(i + 1, n_cups))
        rows = rows[inversions % 2 == 0]
    return rows


def composition_table(rows: np.ndarray) -> np.ndarray:
    """(n, n) table: entry [s, m] is the state after move m in state s, where cup i of the result is s[m[i]]."""
    index = {tuple(row): i for i, row in enumerate(rows)}
    return np.array([[index[tuple(state[move])] for move in rows] for state in rows])


@dataclass(frozen=True, kw_only=True)
class Shells:
    """State tracking: the word problem of a permutation group, labelled at every position.

    With 3 cups the group is S3: 6 moves and 6 states, and it is solvable, so a constant depth would do in theory; what
    is shown is what gets *learned*. S5 (5 cups) and A5 (5 cups, even moves only) are not solvable.

    Source: state tracking by transformers, arXiv 2404.08819; the labels are not fed back as input, because
    recurrence through the text would remove the need for depth.
    """

    n_cups: int = 3  # 2 .. 5
    even_only: bool = False  # only even permutations: A3, A4, A5
    seq_len: int = 12  # moves in one sequence
    hold_out: bool = False  # in training, move m is never followed by move m + 1
    name: str = "shells"
    headline: str = "accuracy"

    def __post_init__(self) -> None:
        if not 2 <= self.n_cups <= 5:
            raise ValueError(f"n_cups={self.n_cups}: choose 2 to 5 (5 cups already have 120 states)")
        if self.seq_len < 1:
            raise ValueError(f"seq_len={self.seq_len}: a sequence has at least 1 move")
        rows = permutations(self.n_cups, self.even_only)
        if len(rows) < 2:
            raise ValueError(f"n_cups={self.n_cups} with even_only=True leaves one move: choose 3 to 5 cups")
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_table", composition_table(rows))

    @property
    def vocab_size(self) -> int:
        return len(self._rows)

    def spell(self, permutation: int) -> str:
        """The cup at each place, as letters: "BAC" after the first two of ABC have changed places."""
        return "".join("ABCDE"[cup] for cup in self._rows[permutation])

    def batch(self, index: int, batch_size: int, *, split="train", seed=0, seq_len: int | None = None) -> Batch:
        """Moves and the states after each of them; `draw` of the hash is the position."""
        T = self.seq_len if seq_len is None else seq_len
        sequence = np.arange(index * batch_size, (index + 1) * batch_size)[:, None]
        n, seed = self.vocab_size, split_seed(seed, split)
        moves = integers(n, seed, sequence, np.arange(T))  # (B, T)
        if self.hold_out and split == "train":  # a first move, then steps of 2 .. n: never m + 1
            steps = 2 + integers(n - 1, seed, sequence, np.arange(1, T))
            moves = np.concatenate((moves[:, :1], steps), 1).cumsum(1) % n
        states = np.empty_like(moves)
        state = np.zeros(batch_size, dtype=np.int64)
        for t in range(T):
            state = states[:, t] = self._table[state, moves[:, t]]
        return Batch(torch.from_numpy(moves), torch.from_numpy(states))

    @torch.inference_mode()
    def evaluate(
        self,
        model,
        *,
        split="validation",
        batches: int = 4,
        batch_size: int = 256,
        drawn: bool = True,  # always: a game has no place in a longer one
        seq_len: int | None = None,
        skip: int = 0,
    ) -> Iterator[Evaluation]:
        """Accuracy over the positions from `skip` on, and at the last; the floor is 0: the answer is determined."""
        if batches < 1:
            raise ValueError(f"batches={batches}: an evaluation needs at least 1 batch")
        device, losses, right, at_unseen = model.embed.weight.device, [], [], []
        for i in range(batches):
            batch = self.batch(i, batch_size, split=split, seq_len=seq_len)
            logits = model(batch.tokens.to(device))[:, skip:].float().cpu()  # (B, T, V)
            targets = batch.targets[:, skip:]
            losses.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item())
            likeliest = logits.argmax(-1)
            right.append((likeliest == targets).float())
            unseen = torch.zeros_like(batch.tokens, dtype=torch.bool)
            unseen[:, 1:] = (batch.tokens[:, 1:] - batch.tokens[:, :-1]) % self.vocab_size == 1
            at_unseen.append(right[-1][unseen[:, skip:]])
            so_far = torch.cat(right)  # (batches * B, T)
            scores = {"accuracy": so_far.mean().item(), "accuracy at the last position": so_far[:, -1].mean().item()}
            if self.hold_out:
                scores["accuracy at unseen pairs"] = torch.cat(at_unseen).mean().item()
            yield Evaluation(
                loss_nats=mean(losses), losses=tuple(losses), floor_nats=0.0, scores=scores, likeliest=likeliest
            )

    @torch.inference_mode()
    def show(self, model) -> str:
        """One held-out game: each move, the true state and the model's answer."""
        batch = self.batch(0, 1, split="validation")
        said = model(batch.tokens.to(model.embed.weight.device)).argmax(-1)[0].tolist()
        lines = ["move  cups  model"]
        for move, state, answer in zip(batch.tokens[0].tolist(), batch.targets[0].tolist(), said, strict=True):
            mark = "" if answer == state else "  wrong"
            lines.append(f"{self.spell(move):5} {self.spell(state):5} {self.spell(answer)}{mark}")
        return "\n".join(lines)
