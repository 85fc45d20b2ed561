"""Recipe and run: roofline of a device card, prediction and real decode of one model"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mobilellm_lab import zoo
from mobilellm_lab.choices import advice
from mobilellm_lab.constraints.battery_life import Endurance, endurance
from mobilellm_lab.constraints.decode import DTYPES, decode_steps, random_model
from mobilellm_lab.constraints.devices import find_device
from mobilellm_lab.constraints.machine import Machine
from mobilellm_lab.constraints.memory_fit import Fit, fit
from mobilellm_lab.constraints.prediction import Prediction, predict
from mobilellm_lab.constraints.probes import cores, torch_threads
from mobilellm_lab.constraints.roofline import Speed, decode_speed, prefill_speed
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.measuring import Latency, MemoryNeed, Theoretical
from mobilellm_lab.memory_limits import available_memory
from mobilellm_lab.model import ModelConfig

OWN = "own"
MODELS = (OWN, *(name for name, shape in zoo.SHAPES.items() if shape.config is not None))
BITS = (32, 16, 8, 4)  # scales of a grid are left out; torch runs the first two here
HEAD_DIM = 64  # as all of MobileLLM's
OWN_VOCAB = 4096  # rows of an own model's table
WARMUP = 2  # steps that are not counted


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One setting of the sliders.

    Raises:
        ValueError: a field out of range; names it, its value and the remedy.
    """

    model: str = OWN  # a name of the zoo, or "own": depth and width are free
    depth: int = 8  # layers; read when `model` is "own"
    width: int = 256  # dim; read when `model` is "own"
    bits: int = 32  # of a weight
    context: int = 128  # positions that each new token sees
    batch: int = 1  # sequences that decode together
    device: str = "iPhone 13"  # the card that judges
    threads: int = 1  # processor threads of the real decode
    tokens: int = 32  # steps of the real decode

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model={self.model!r}: {advice(self.model, MODELS)}")
        if self.bits not in BITS:
            raise ValueError(f"bits={self.bits}: choose one of {', '.join(map(str, BITS))}")
        if self.model == OWN and (self.width < HEAD_DIM or self.width % HEAD_DIM):
            raise ValueError(f"width={self.width}: heads are {HEAD_DIM} wide, choose a multiple of {HEAD_DIM}")
        for name in ("depth", "context", "batch", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if not 1 <= self.threads <= cores():
            raise ValueError(f"threads={self.threads}: this machine has {cores()} cores, choose 1 to {cores()}")
        find_device(self.device)

    @property
    def runs_here(self) -> bool:
        """Whether torch has kernels for these bits; the others are formulas only."""
        return self.bits in DTYPES

    def model_config(self) -> ModelConfig:
        """The model of this setting, with positions for the context."""
        if self.model != OWN:
            config = zoo.SHAPES[self.model].config
            return config.resized(max_seq_len=max(config.max_seq_len, self.context))
        heads = self.width // HEAD_DIM
        group = next(size for size in (3, 2, 1) if heads % size == 0)  # query heads per key/value head
        return ModelConfig(
            vocab_size=OWN_VOCAB,
            dim=self.width,
            n_layers=self.depth,
            n_heads=heads,
            n_kv_heads=heads // group,
            hidden_dim=8 * round(zoo.FFN_RATIO["swiglu"] * self.width / 8),
            max_seq_len=max(2048, self.context),
        )

    def workload(self) -> Workload:
        """The run's workload. The KV cache has the weights' bits, but not fewer than 16."""
        return Workload(
            config=self.model_config(),
            bits_per_weight=self.bits,
            kv_bits=max(self.bits, 16),
            context=self.context,
            batch=self.batch,
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a run."""

    phase: str  # "building", "warming up" or "decoding"
    share: int | float  # of the phase, 0 to 1
    tokens: int  # steps decoded and counted so far
    step_ms: int | float | None  # the newest step; None while there is none


@dataclass(frozen=True, kw_only=True)
class Result:
    """Formulas for the device, a prediction and a measurement for this machine: side by side, never mixed."""

    recipe: Recipe
    config: ModelConfig
    fit: Fit  # by formula, on the card
    decode: Speed  # by roofline, on the card
    prefill: Speed
    endurance: Endurance
    predicted: Prediction | None  # from probes of this machine; None without them
    step: Latency | None  # measured here, one decode step of the whole batch; None where it was not run
    note: str  # why something is None; empty otherwise

    @property
    def tokens_per_s(self) -> float | None:
        """Measured here, of all sequences together."""
        return None if self.step is None else 1000 * self.recipe.batch / self.step.median_ms


@dataclass
class Run:
    """A run of a recipe. Iterate for its progress, stop at any time, then call `result()`.

    The formulas are evaluated at once: `fit`, `decode`, `prefill`, `endurance`, `predicted`.

    Raises:
        ValueError: the model is larger than the memory that is free here, with the sum; before anything is built.
    """

    recipe: Recipe
    machine: Machine | None = None  # probes for the prediction
    available_bytes: int | None = None  # memory that may be used; None asks what is left here
    steps_ms: list[float] = field(init=False, default_factory=list)  # every counted step

    def __post_init__(self) -> None:
        recipe, device = self.recipe, find_device(self.recipe.device)
        self.config, workload = recipe.model_config(), recipe.workload()
        self.fit, self.endurance = fit(device, workload), endurance(device, workload)
        self.decode, self.prefill = decode_speed(device, workload), prefill_speed(device, workload)
        self.predicted, self.note = None, ""
        if not recipe.runs_here:
            self.note = f"{recipe.bits} bits are not run here: torch has no kernels for them, the numbers are formulas"
            return
        self._require_memory(workload)
        if self.machine is None:
            self.note = "no prediction: this machine is not measured yet"
            return
        sizes = {"threads": recipe.threads, "bits": recipe.bits}
        lacking = self.machine.lacks(**sizes, rows=recipe.batch)
        if lacking:
            self.note = f"no prediction: the probes lack {lacking}"
        else:
            self.predicted = predict(self.config, self.machine, batch=recipe.batch, context=recipe.context, **sizes)

    def _require_memory(self, workload: Workload) -> None:
        least = available_memory() if self.available_bytes is None else None
        need = MemoryNeed(
            weights=Theoretical(bytes=workload.weight_bytes),
            kv=Theoretical(bytes=workload.kv_bytes),
            activations=Theoretical(bytes=workload.activation_bytes),
            available_bytes=least.available_bytes if least else self.available_bytes,
            limit=least.name if least else "",
        )
        if not need.fits:
            raise ValueError(
                f"{self.recipe.model} at {self.recipe.bits} bits does not fit into this machine: {need}; "
                "choose a smaller model, fewer bits, a shorter context or a smaller batch"
            )

    def __iter__(self) -> Iterator[Progress]:
        """Every few milliseconds while the model is drawn, then after every step, however long that takes."""
        recipe = self.recipe
        if not recipe.runs_here:
            return
        self.steps_ms.clear()
        drawing, model = random_model(self.config, bits=recipe.bits), None
        while model is None:
            try:
                share = next(drawing)
            except StopIteration as done:
                model = done.value
            else:
                yield Progress(phase="building", share=share, tokens=0, step_ms=None)
        steps = decode_steps(model, batch=recipe.batch, context=recipe.context)
        for number in range(1, WARMUP + 1):
            self._step(steps)
            yield Progress(phase="warming up", share=number / WARMUP, tokens=0, step_ms=None)
        for number in range(1, recipe.tokens + 1):
            self.steps_ms.append(self._step(steps))
            share = number / recipe.tokens
            yield Progress(phase="decoding", share=share, tokens=number, step_ms=self.steps_ms[-1])

    def _step(self, steps: Iterator[float]) -> float:
        with torch_threads(self.recipe.threads):
            return next(steps)

    def result(self) -> Result:
        """The result so far; after a stop, of the steps that were made.

        Raises:
            ValueError: the recipe can be run here, and not a single step was made.
        """
        if self.recipe.runs_here and not self.steps_ms:
            raise ValueError("tokens=0 decoded: iterate over the run before asking for its result")
        step = None
        if self.steps_ms:
            step = Latency(samples_ms=tuple(self.steps_ms), warmup=WARMUP, threads=self.recipe.threads)
        return Result(
            recipe=self.recipe,
            config=self.config,
            fit=self.fit,
            decode=self.decode,
            prefill=self.prefill,
            endurance=self.endurance,
            predicted=self.predicted,
            step=step,
            note=self.note,
        )
