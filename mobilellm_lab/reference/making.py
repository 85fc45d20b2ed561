"""Training of the reference models, resumable"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from mobilellm_lab import checkpoints
from mobilellm_lab.model import Transformer
from mobilellm_lab.provenance import provenance
from mobilellm_lab.reference.models import FOLDER, ModelSpec, log_path
from mobilellm_lab.safe_files import replacing, restore
from mobilellm_lab.stored import as_stored
from mobilellm_lab.tasks import Evaluation, Task, evaluate
from mobilellm_lab.training import Step, TrainConfig, TrainState, train

LOGGED = 40  # evaluations in the log of a run
SAVE_EVERY_S = 60  # training time that an interruption may cost
COMMAND = "mobilellm-lab reference"
WORK = platformdirs.user_cache_path("mobilellm-lab") / "reference"  # states of interrupted runs


def finished(spec: ModelSpec, *, folder: Path = FOLDER) -> bool:
    """True if `folder` holds a model of exactly this spec, with the weights of its log.

    Raises:
        ValueError: log or checkpoint is damaged, or the weights are not the log's; names the file.
    """
    path, made = log_path(spec.name, folder), folder / spec.name
    restore(made)
    if not path.exists() or not made.exists():
        return False
    log = checkpoints.read_json(path)
    if log.get("spec") != as_stored(spec):
        return False
    if checkpoints.fingerprint(checkpoints.load(made).model) != log.get("fingerprint"):
        raise ValueError(f"Cannot use {made}: its weights are not those of {path.name}; move the folder away")
    return True


def renew(spec: ModelSpec, *, folder: Path = FOLDER) -> bool:
    """Rewrites a finished model's files of an older format, without training; True if it did.

    Raises:
        ValueError: as `finished`, or the model, its task or its vocabulary are not those of the spec.
    """
    path = folder / spec.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", checkpoints.OldFormatWarning)
        if not finished(spec, folder=folder) or _version(path) == checkpoints.VERSION:
            return False
        made = checkpoints.load(path)
    task = spec.make_task()
    if (made.model.config, made.task, made.vocabulary) != (spec.config(task), _named(spec), task.vocabulary):
        raise ValueError(f"Cannot rewrite {path}: shape or task are not those of its recipe; move the folder away")
    checkpoints.save(made.model, path, task=made.task, vocabulary=made.vocabulary)
    return True


def make_model(spec: ModelSpec, *, folder: Path = FOLDER, work: Path = WORK) -> Iterator[Step]:
    """Yields the steps of its training, then writes checkpoint and log into `folder`.

    An interrupted run keeps its state in `work`, and the next call resumes.

    Raises:
        ValueError: the state is of another spec, or damaged.
    """
    task = spec.make_task()
    model, state, log = Transformer(spec.config(task), seed=spec.seed), TrainState(), []
    work.mkdir(parents=True, exist_ok=True)
    saved, logged = work / f"{spec.name}.pt", work / f"{spec.name}.json"
    if saved.exists():
        kept = checkpoints.read_json(logged)
        if kept["spec"] != as_stored(spec):
            raise ValueError(f"Cannot resume from {saved}: it was started with another recipe; delete it to start over")
        log, state = kept["log"], TrainState.load(saved, model)
        log = [row for row in log if row["step"] <= state.step]
    last_save_s = state.elapsed_s
    for step in train(model, task, _config(spec), state=state):
        if step.evaluation is not None:
            log.append({"step": step.step, "train_s": round(step.elapsed_s, 1), **_row(step.evaluation)})
        if step.progress < 1 and state.elapsed_s - last_save_s > SAVE_EVERY_S:
            # The log first: one that is ahead of the weights is cut back, one that is behind would have a gap.
            _write(logged, {"spec": as_stored(spec), "log": log})
            state.save(saved, model)
            last_save_s = state.elapsed_s
        yield step
    checkpoints.save(
        model,
        folder / spec.name,
        task=_named(spec),
        vocabulary=task.vocabulary,
    )
    _write(log_path(spec.name, folder), _made(spec, model, task, state, log))
    saved.unlink(missing_ok=True)
    logged.unlink(missing_ok=True)


def _version(path: Path) -> object:
    return checkpoints.read_json(path / checkpoints.CONFIG).get("version")


def _named(spec: ModelSpec) -> dict:
    return {"name": spec.task, "options": spec.options}


def _config(spec: ModelSpec) -> TrainConfig:
    start, full_at = spec.start_length, spec.full_length_at
    return TrainConfig(
        steps=spec.steps,
        batch_size=spec.batch_size,
        optimizer="adamw",
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        length=lambda progress: min(1.0, start + (1 - start) * progress / full_at),
        eval_every=max(1, spec.steps // LOGGED),
        seed=spec.seed,
    )


def _made(spec: ModelSpec, model: Transformer, task: Task, state: TrainState, log: list[dict]) -> dict:
    """The training log: the spec, the run, the result on test sequences, and where it all comes from."""
    return {
        "spec": as_stored(spec),
        "fingerprint": checkpoints.fingerprint(model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_s": round(state.elapsed_s, 1),
        "tokens": state.tokens,
        "test": _row(evaluate(task, model, split="test", batches=8)),
        "log": log,
        "provenance": provenance(COMMAND, corpus_sha256=getattr(task, "corpus_sha256", "no corpus")),
    }


def _row(evaluation: Evaluation) -> dict:
    floor = {} if evaluation.floor_nats is None else {"floor_nats": evaluation.floor_nats}
    values = {"loss_nats": evaluation.loss_nats, **floor, **evaluation.scores}
    return {name: round(value, 5) for name, value in values.items()}


def _write(path: Path, value: dict) -> None:
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
