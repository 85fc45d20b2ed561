"""Float model of a row: checkpoint, task and evaluation set, loaded once per process"""

import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mobilellm_lab import checkpoints
from mobilellm_lab.measuring import OnDisk, on_disk
from mobilellm_lab.measuring.evaluation import EvalSet
from mobilellm_lab.model import Transformer
from mobilellm_lab.provenance import provenance
from mobilellm_lab.tasks import Task, make

BATCHES, BATCH_SIZE = 8, 32  # of the evaluation set: 256 test sequences


@dataclass(frozen=True, kw_only=True)
class Start:
    """A float model with its task, evaluation set and calibrations."""

    name: str
    model: Transformer
    task: Task
    eval_set: EvalSet
    fingerprint: str  # of the weights
    on_disk: OnDisk  # bytes of a folder with the weights only, as for a quantized model
    calibrations: dict = field(default_factory=dict)  # filled by runs

    def says(self, command: str) -> dict:
        """Entries of a command's row; a row with another fingerprint or other sequences is out of date."""
        eval_set, corpus = self.eval_set, getattr(self.task, "corpus_sha256", "no corpus")
        return {
            "fingerprint": self.fingerprint[:16],
            "exam": {"split": eval_set.split, "sequences": len(eval_set.batches) * eval_set.batch_size},
            "provenance": provenance(command, corpus_sha256=corpus),
        }


def load_start(folder: str | Path, *, name: str = "", batches: int = BATCHES, batch_size: int = BATCH_SIZE) -> Start:
    """The checkpoint in `folder`, ready to be quantized and evaluated on test sequences.

    Raises:
        ValueError: no whole checkpoint there, or one that does not say what it was trained on.
    """
    found = checkpoints.load(folder)
    if found.task is None:
        raise ValueError(f"{folder}: the checkpoint names no task to evaluate it on: save it with task={{...}}")
    task = make(found.task["name"], **found.task.get("options", {}))
    model = found.model.eval()
    with tempfile.TemporaryDirectory() as copy:
        checkpoints.save(model, Path(copy) / "float")
        size = on_disk(Path(copy) / "float")
    return Start(
        name=name or Path(folder).name,
        model=model,
        task=task,
        eval_set=EvalSet(model, task, batches=batches, batch_size=batch_size),
        fingerprint=found.fingerprint,
        on_disk=size,
    )


@lru_cache(maxsize=2)  # rows of one model come one after the other
def start(folder: Path, name: str) -> Start:
    """The checkpoint called `name` in `folder`; the same object again while others are not asked for."""
    return load_start(folder / name)
