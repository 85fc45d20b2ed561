"""Benchmark of one model: sizes, peak memory, TTFT, TPOT, quality and energy, step by step"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mobilellm_lab import checkpoints, footprint, zoo
from mobilellm_lab.checkpoints import CONFIG, WEIGHTS, fingerprint, read_json
from mobilellm_lab.choices import advice
from mobilellm_lab.foreign import instead_of
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring.columns import in_memory, on_disk, theoretical_kv, theoretical_weights
from mobilellm_lab.measuring.energy import MeasuredEnergy, decode_traffic, energy
from mobilellm_lab.measuring.fit import require_memory
from mobilellm_lab.measuring.generation import generation
from mobilellm_lab.measuring.latency import Latency, Throughput
from mobilellm_lab.measuring.memory import peak_memory
from mobilellm_lab.measuring.record import Measure, Record
from mobilellm_lab.measuring.scores import score
from mobilellm_lab.model import Transformer, generate
from mobilellm_lab.pretrained import files_read, from_pretrained
from mobilellm_lab.provenance import provenance
from mobilellm_lab.safe_files import restore
from mobilellm_lab.stored import as_stored
from mobilellm_lab.tasks import Task, evaluate, make

BITS = 32  # of weights and KV cache: every source is run in float32
ENERGY_S = 1.0  # decoding goes on for so long while the energy counter is watched


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model to benchmark, its source and its task."""

    model: Transformer
    source: str
    path: Path | None  # its folder
    files: list[Path]  # loaded from the folder, which may hold others
    task: Task | None  # that it was trained on


def load(source: str | Path, *, context: int, seed: int = 0) -> Loaded:
    """The model that `source` names: a zoo name (random weights), or a folder of ours or of Hugging Face.

    A model from the zoo that does not fit into memory at `context` positions is refused before it is built.

    Raises:
        ValueError: no such name or folder, a shape that our block cannot be, too large a model, a damaged folder.
    """
    path = Path(source)
    restore(path)
    if path.is_dir():
        if "model_type" in read_json(path / CONFIG):
            model, files = from_pretrained(path), files_read(path)
            return Loaded(model=model, source="Hugging Face folder", path=path, files=files, task=None)
        checkpoint, files = checkpoints.load(path), [path / CONFIG, path / WEIGHTS]
        task = _task(checkpoint.task, path)
        return Loaded(model=checkpoint.model, source="checkpoint", path=path, files=files, task=task)
    shape = zoo.SHAPES.get(str(source))
    if shape is None:
        buildable = [name for name, shape in zoo.SHAPES.items() if shape.config is not None]
        hint = advice(str(source), buildable, among="a folder or one of")
        if path.is_file():
            hint = instead_of(path / CONFIG)
        raise ValueError(f"source={str(source)!r}: no such folder and no name of the zoo; {hint}")
    if shape.config is None:
        raise ValueError(f"source={source!r}: cannot be built from our block ({shape.note}); choose another name")
    require_memory(shape.config, context=context, bits_per_weight=BITS, bits_per_value=BITS)
    model = Transformer(shape.config, seed=seed)
    return Loaded(model=model, source="zoo, random weights", path=None, files=[], task=None)


def _task(named: dict | None, path: Path) -> Task | None:
    """The task that a checkpoint names; its options stand beside the name, or in a dict of their own."""
    if named is None:
        return None
    options = dict(named)
    try:
        name, own = options.pop("name"), options.pop("options", {})
        return make(name, **options, **own)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path / CONFIG}: task={named!r} cannot be made ({error}): save it with name and options"
        ) from error


def generate_once(source: str, prompt_tokens: int, new_tokens: int, seed: int) -> None:
    """Loads a model and generates once: the job whose peak memory is measured in a fresh process."""
    torch.set_num_threads(1)
    loaded = load(source, context=prompt_tokens + new_tokens, seed=seed)
    _decode(for_decoding(loaded.model), prompt_tokens, new_tokens)


def _decode(model: Transformer, prompt_tokens: int, new_tokens: int) -> None:
    for _ in generate(model, torch.zeros((1, prompt_tokens), dtype=torch.long), new_tokens):
        pass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a benchmark."""

    done: int  # steps finished
    total: int
    label: str  # the next step, or "done"


@dataclass
class Bench:
    """Benchmark of one model. Iterate over its progress to the end, then ask for `result()`.

    Raises:
        ValueError: a number out of range, at once; an unusable source, at the first step.
    """

    source: str | Path  # a name of the zoo, a checkpoint folder of ours, or a Hugging Face folder
    prompt_tokens: int = 32  # prefilled before the first new token
    new_tokens: int = 32  # generated in each run
    repeats: int = 5  # runs at least
    sequences: int = 256  # held-out ones for quality, where the checkpoint names its task
    seed: int = 0  # of random weights
    command: str = "mobilellm_lab.measuring.Bench"  # for the record
    _loaded: Loaded | None = field(init=False, default=None, repr=False)
    _measures: list[Measure] = field(init=False, default_factory=list, repr=False)
    _finished: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        for name, least in (("prompt_tokens", 1), ("new_tokens", 2), ("repeats", 1), ("sequences", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: give at least {least}")

    @property
    def context(self) -> int:
        return self.prompt_tokens + self.new_tokens

    def __iter__(self) -> Iterator[Progress]:
        self._measures, self._finished = [], False
        steps: list[tuple[str, Callable[[], list[Measure]]]] = [
            ("loading", self._load),
            ("sizes", self._sizes),
            ("peak memory in a fresh process", self._peak),
            ("time to the first token and per token", self._times),
            ("quality", self._quality),
            ("energy", self._energy),
        ]
        for done, (label, step) in enumerate(steps):
            yield Progress(done=done, total=len(steps), label=label)
            self._measures += step()
        self._finished = True
        yield Progress(done=len(steps), total=len(steps), label="done")

    def result(self) -> Record:
        """The record of all measures.

        Raises:
            ValueError: the benchmark has not come to its end.
        """
        if not self._finished:
            raise ValueError(
                f"Cannot give the record of {self.source}: the benchmark has not finished; iterate to its end"
            )
        model = self._loaded.model
        names = ("prompt_tokens", "new_tokens", "repeats", "sequences", "seed")
        return Record(
            model=self._loaded.path.resolve().name if self._loaded.path else str(self.source),
            source=self._loaded.source,
            fingerprint=fingerprint(model),
            config=json.loads(json.dumps(as_stored(model.config))),  # as a record that was saved and loaded has it
            settings={name: getattr(self, name) for name in names},
            measures=tuple(self._measures),
            provenance=provenance(self.command),
        )

    def _load(self) -> list[Measure]:
        self._loaded = load(self.source, context=self.context, seed=self.seed)
        limit = self._loaded.model.config.max_seq_len
        if self.context > limit:
            raise ValueError(
                f"prompt_tokens={self.prompt_tokens} + new_tokens={self.new_tokens} do not fit in max_seq_len={limit}: "
                "ask for fewer"
            )
        for_decoding(self._loaded.model)
        return []

    def _sizes(self) -> list[Measure]:
        model, files = self._loaded.model, self._loaded.files
        weights = theoretical_weights(model.config, bits_per_weight=BITS)
        kv = theoretical_kv(model.config, context=self.context, bits_per_value=BITS)
        operations = footprint.flops_per_token(model.config, context=self.context)
        found = [
            Measure(name="weights_mib", column="theoretical", value=weights.mib, note=f"{BITS} bits per weight"),
            Measure(name="kv_mib", column="theoretical", value=kv.mib, note=f"{self.context} positions, {BITS} bits"),
            Measure(name="operations_per_token", column="theoretical", value=operations, note="2 per multiply-add"),
        ]
        if files:
            note = "config and weights, without other files of the folder"
            found.append(Measure(name="file_mib", column="on disk", value=on_disk(*files).mib, note=note))
        found.append(Measure(name="loaded_mib", column="in memory", value=in_memory(model).mib, note="live tensors"))
        return found

    def _peak(self) -> list[Measure]:
        peak = peak_memory(generate_once, str(self.source), self.prompt_tokens, self.new_tokens, self.seed)
        note = f"fresh process that loads and generates; {peak.baseline_mib:.0f} MiB of it before it loads"
        return [Measure(name="peak_resident_mib", column="in memory", value=peak.peak_mib, note=note)]

    def _times(self) -> list[Measure]:
        timed = generation(
            self._loaded.model,
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            repeats=self.repeats,
        )
        found = [_percentile("ttft", timed.ttft, percent) for percent in (50, 95)]
        found += [_percentile("tpot", timed.tpot, percent) for percent in (50, 95, 99)]
        return [
            *found,
            _rate("prefill_tokens_per_s", timed.prefill_per_s),
            _rate("decode_tokens_per_s", timed.decode_per_s),
        ]

    def _quality(self) -> list[Measure]:
        task = self._loaded.task
        if task is None:
            return []
        batches = [task.batch(0, self.sequences, split="test")]
        scores = score(self._loaded.model, batches, token_bytes=getattr(task, "token_bytes", None))
        names = ["loss_nats", "perplexity", "accuracy"] + ["bits_per_byte"] * (scores.n_bytes is not None)
        found = []
        for name in names:
            interval = scores.interval(name)
            if not math.isfinite(interval.high):  # the perplexity of a hopeless model
                continue
            found.append(
                Measure(
                    name=name,
                    column="quality",
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    runs=scores.sequences,
                    note=f"held-out {task.name}, {interval.confidence:.0%} interval over sequences",
                )
            )
        evaluation = evaluate(task, self._loaded.model, split="test")
        found += [
            Measure(
                name=name.replace(" ", "_").replace("-", "_"), column="quality", value=value, note=f"of {task.name}"
            )
            for name, value in evaluation.scores.items()
            if name not in names
        ]
        return found

    def _energy(self) -> list[Measure]:
        model, tokens = self._loaded.model, 0

        def decode() -> None:
            nonlocal tokens
            end = time.perf_counter() + ENERGY_S
            while time.perf_counter() < end:
                _decode(model, 1, self.new_tokens)
                tokens += self.new_tokens

        traffic = decode_traffic(model.config, context=self.context, bits_per_weight=BITS, bits_per_value=BITS)
        used = energy(decode, **traffic)
        if isinstance(used, MeasuredEnergy):
            note = f"{used.source}, {used.watts:.3g} W, whatever else ran included"
            return [Measure(name="energy_per_token_j", column="measured", value=used.per(tokens), note=note)]
        note = f"{used.model}; not measured: {used.because}"
        value = used.estimated_energy_j
        return [Measure(name="estimated_energy_per_token_j", column="estimate", value=value, note=note)]


def _percentile(name: str, latency: Latency, percent: int) -> Measure:
    return Measure(
        name=f"{name}_p{percent}_ms",
        column="measured",
        value=latency.percentile_ms(percent),
        low=latency.p10_ms if percent == 50 else None,
        high=latency.p90_ms if percent == 50 else None,
        runs=latency.runs,
    )


def _rate(name: str, rate: Throughput) -> Measure:
    low, high = rate.p10_per_s, rate.p90_per_s
    return Measure(name=name, column="measured", value=rate.median_per_s, low=low, high=high, runs=rate.latency.runs)
