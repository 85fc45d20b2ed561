"""Calibration data of pruning: how many sequences, how long, from the task, elsewhere or the model itself"""

import torch
from jaxtyping import Int
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.model import Transformer, generate
from mobilellm_lab.quantization import calibration
from mobilellm_lab.tasks import IGNORE, Batch, Task

DATA = (*calibration.DATA, "self")
BATCH_SIZE = 16  # sequences that a model reads at once, so that many need no more memory than a few


def pruning_data(
    task: Task,
    data: str = "own",
    *,
    sequences: int = 16,
    length: int | None = None,
    seed: int = 0,
    model: Transformer | None = None,
) -> list[Batch]:
    """Sequences of `length` tokens (None: the task's) to calibrate on or to take gradients on.

    "own", "other" and "random" are those of `quantization.calibration_data`, of which fewer or shorter ones are a
    part. "self" is what `model` writes by itself at temperature 1, each sequence after a random first token.

    Raises:
        ValueError: an unknown choice, no sequences, a length that the task's sequences do not have, or "self" without
            a model of this vocabulary.

    Source: LLM-QAT, arXiv 2305.17888, for samples of the model itself.
    """
    length = task.seq_len if length is None else length
    if data not in DATA:
        raise ValueError(f"data={data!r}: {advice(data, DATA)}")
    if sequences < 1:
        raise ValueError(f"sequences={sequences}: calibrate on at least one")
    if not 2 <= length <= task.seq_len:
        raise ValueError(f"length={length}: sequences of task {task.name} are cut to 2 to {task.seq_len} tokens")
    if data == "self":
        tokens = _written_by(model, task, sequences, length, seed)
        targets = tokens.roll(-1, 1)
    else:
        (batch,) = calibration.calibration_data(task, data, sequences=sequences, seed=seed)
        tokens, targets = batch.tokens[:, :length], batch.targets[:, :length].clone()
    if data == "self" or (data != "own" and length == task.seq_len):
        targets[:, -1] = IGNORE  # nothing follows the last token
    return [Batch(*pair) for pair in zip(tokens.split(BATCH_SIZE), targets.split(BATCH_SIZE), strict=True)]


def _written_by(model: Transformer | None, task: Task, sequences: int, length: int, seed: int) -> Int[Tensor, "B T"]:
    if model is None:
        raise ValueError("data='self' is written by the model: give model=")
    if model.config.vocab_size != task.vocab_size:
        raise ValueError(
            f"vocab_size={model.config.vocab_size} of the model: task {task.name} has {task.vocab_size} tokens"
        )
    first = torch.randint(task.vocab_size, (sequences, 1), generator=torch.Generator().manual_seed(seed))
    steps = generate(model, first.to(model.norm.weight.device), length - 1, temperature=1.0, seed=seed)
    return torch.cat((first, torch.stack(list(steps), 1).cpu()), 1)
