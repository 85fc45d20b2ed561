"""Trained float models behind the control *model* of a panel: the repository's, the reader's own, each read once"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mobilellm_lab.measuring.evaluation import EvalSet
from mobilellm_lab.measuring.start import Start, load_start
from mobilellm_lab.own_models import own_models
from mobilellm_lab.reference.models import FOLDER

BATCH_TOKENS = 2048  # of one batch of the evaluation: about a tenth of a second at a million parameters


def offered(names: Iterable[str], checkpoint: str | Path | None = None) -> dict[str, Path]:
    """Folder of each model that a panel offers: these reference models, the reader's own, and one more checkpoint."""
    folders, own = {name: FOLDER / name for name in names}, own_models()
    if checkpoint is not None:
        own[Path(checkpoint).name] = Path(checkpoint)
    return folders | {name + " (yours)" * (name in folders): folder for name, folder in own.items()}


@dataclass(kw_only=True)
class FloatModels:
    """Float models by name, each with its task and an evaluation."""

    folders: dict[str, Path]  # of the checkpoints
    starts: dict[tuple[str, int], Start] = field(default_factory=dict)  # what was read

    def start(self, name: str, tokens: int) -> Start:
        """The float model of this name, with an evaluation of about so many test tokens.

        Raises:
            ValueError: its checkpoint is damaged, or names no task.
        """
        if (name, tokens) not in self.starts:
            known = next((start for (other, _), start in self.starts.items() if other == name), None)
            found = known or load_start(self.folders[name], name=name)
            size = max(1, BATCH_TOKENS // found.task.seq_len)
            batches = max(1, tokens // (size * found.task.seq_len))
            eval_set = EvalSet(found.model, found.task, batches=batches, batch_size=size)
            self.starts[name, tokens] = replace(found, eval_set=eval_set)
        return self.starts[name, tokens]
