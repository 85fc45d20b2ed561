"""One small file of each kind that this version writes; `python tests/yesterday/make.py` keeps them for later ones."""

import os
from pathlib import Path

from mobilellm_lab import __version__, checkpoints, measuring
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import Grid, quantize, save_quantized
from mobilellm_lab.tasks import make
from mobilellm_lab.teaching import progress
from mobilellm_lab.training import TrainConfig, TrainState, train

FOLDER = Path(__file__).parent
TASK = {"name": "shells", "options": {"n_cups": 3, "seq_len": 12}}
TRAINING = TrainConfig(steps=4, batch_size=4, optimizer="muon")
STOPPED = 2  # step at which the training state was written


def fresh() -> Transformer:
    """A model of two blocks, with fields that are not at their defaults."""
    shape = {"dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24, "max_seq_len": 32}
    other = {"sharing": "immediate", "rope_theta": 5e5, "norm_eps": 1e-6}
    return Transformer(ModelConfig(vocab_size=make("shells", **TASK["options"]).vocab_size, **shape, **other))


def write(folder: Path) -> None:
    """Writes progress, checkpoint, quantized file, training state and benchmark record into `folder`."""
    folder.mkdir()
    os.environ[progress.VARIABLE] = str(folder / "progress.json")
    for low, high, inside in ((3, 4, True), (4.5, 5, False)):
        progress.commit("depth", low, high, inside=inside)
    model, task, state = fresh(), make("shells", **TASK["options"]), TrainState()
    for step in train(model, task, TRAINING, state=state):
        if step.step == STOPPED:
            break
    state.save(folder / "training.pt", model)
    words = [f"word {row}" for row in range(task.vocab_size)]
    checkpoints.save(model, folder / "checkpoint", task=TASK, vocabulary=words)
    save_quantized(quantize(model, Grid(bits=4, group_size=8)), folder / "quantized", task=TASK, vocabulary=words)
    bench = measuring.Bench(folder / "checkpoint", prompt_tokens=4, new_tokens=4, repeats=1, sequences=8)
    for _ in bench:
        pass
    bench.result().save(folder / "record.json")


if __name__ == "__main__":
    write(FOLDER / __version__)
