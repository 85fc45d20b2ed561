"""Reference models: specs of the trained models in the repository, and their loader"""

from dataclasses import dataclass, field
from pathlib import Path

from mobilellm_lab import checkpoints, zoo
from mobilellm_lab.choices import advice
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import Task, make

FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One reference model: its shape, its task, and how it is trained."""

    name: str
    purpose: str  # in the course
    task: str  # of `tasks.make`
    n_layers: int
    dim: int
    n_heads: int
    n_kv_heads: int
    hidden_dim: int
    steps: int  # updates
    batch_size: int  # sequences
    lr: float  # AdamW's peak
    options: dict = field(default_factory=dict)  # of `tasks.make`
    max_seq_len: int = 256  # positions; the tasks use half or less
    weight_decay: float = 0.0
    start_length: float = 0.3  # curriculum: the fraction of the sequence length at the start ...
    full_length_at: float = 0.4  # ... and the progress at which the length is full
    seed: int = 0

    def make_task(self) -> Task:
        """Its training task."""
        return make(self.task, **self.options)

    def config(self, task: Task) -> ModelConfig:
        """The shape, for this task's vocabulary."""
        return ModelConfig(
            vocab_size=task.vocab_size,
            dim=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            hidden_dim=self.hidden_dim,
            max_seq_len=self.max_seq_len,
        )


def _spec(name: str, purpose: str, shape: tuple[int, int, int, int, int], **rest) -> ModelSpec:
    sizes = dict(zip(("n_layers", "dim", "n_heads", "n_kv_heads", "hidden_dim"), shape, strict=True))
    return ModelSpec(name=name, purpose=purpose, **sizes, **rest)


DEEP, WIDE = (12, 96, 4, 2, 224), (4, 192, 6, 3, 288)  # their blocks have equally many weights in all
# Smaller than the default world, so that looking things up is learned within an hour on one core.
WORLD = {"people": 3, "rooms": 4, "objects": 2, "seq_len": 64}
STORIES = {"task": "stories", "options": WORLD, "steps": 6000, "batch_size": 32, "lr": 1e-3}
LATER = {"steps": 8000, "lr": 7e-4, "full_length_at": 0.2}  # shallow models learn to look things up later
TEXT = {"task": "text", "steps": 1500, "batch_size": 16, "lr": 1.5e-3, "weight_decay": 0.1}  # longer, and it overfits
_ALL = (
    _spec("stories-deep", "the model that later chapters compress, and the largest teacher", DEEP, **STORIES),
    _spec("stories-wide", "the same size in few wide layers: is it more robust?", WIDE, **STORIES | LATER),
    _spec("text-deep", "real English, for perplexity and bits per byte", DEEP, **TEXT),
    _spec("text-wide", "the same size in few wide layers", WIDE, **TEXT),
    _spec("teacher-medium", "a teacher of half the size", (6, 96, 4, 2, 224), **STORIES),
    _spec("teacher-small", "a teacher of a quarter of the size", (6, 64, 4, 2, 160), **STORIES | {"lr": 1.5e-3}),
    _spec("student-small", "a student that has seen only labels", (4, 48, 4, 2, 112), **STORIES | {"lr": 2e-3}),
    _spec("student-tiny", "a student of half that size", (2, 48, 4, 2, 128), **STORIES | {"lr": 2e-3}),
)
MODELS = {spec.name: spec for spec in _ALL}


@dataclass(frozen=True, kw_only=True)
class ReferenceModel:
    """A trained model with its task and training log."""

    spec: ModelSpec
    model: Transformer  # float32
    task: Task
    log: list[dict]  # step, train_s, and the evaluation on held-out sequences
    test: dict  # evaluation on test sequences, by which nothing was chosen
    provenance: dict
    folder: Path  # of the checkpoint


def load_model(name: str, *, folder: Path = FOLDER) -> ReferenceModel:
    """The reference model called `name`, verified to the last bit.

    Raises:
        ValueError: no such model, or its files are missing or damaged.
    """
    if name not in MODELS:
        hint = advice(name, MODELS)
        if name in zoo.SHAPES:
            hint = f"a shape of the zoo, without weights: Transformer(zoo.SHAPES[{name!r}].config), or {hint}"
        raise ValueError(f"model={name!r}: {hint}")
    checkpoint, made = checkpoints.load(folder / name), checkpoints.read_json(log_path(name, folder))
    if made["fingerprint"] != checkpoint.fingerprint:
        raise ValueError(
            f"Cannot load {name}: {log_path(name, folder)} describes other weights; make both with "
            "`mobilellm-lab reference`"
        )
    return ReferenceModel(
        spec=MODELS[name],
        model=checkpoint.model.eval(),
        task=make(checkpoint.task["name"], **checkpoint.task["options"]),
        log=made["log"],
        test=made["test"],
        provenance=made["provenance"],
        folder=folder / name,
    )


def log_path(name: str, folder: Path = FOLDER) -> Path:
    """Training log beside the checkpoint; it is written last, so its presence means finished."""
    return folder / f"{name}.json"
