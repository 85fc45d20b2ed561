"""Chapter 3's panel: bits, groups and methods round a model, and say what it costs; or it is trained by QAT"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets as W

from mobilellm_lab.charts.live import curve_svg
from mobilellm_lab.charts.report import digits
from mobilellm_lab.choices import advice
from mobilellm_lab.live.compressed import Session
from mobilellm_lab.live.controls import checkbox, choice
from mobilellm_lab.live.float_models import offered
from mobilellm_lab.live.panel import Values, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of
from mobilellm_lab.quantization.calibration import DATA, RANGES
from mobilellm_lab.quantization.grid import BITS, CHANNEL, TENSOR
from mobilellm_lab.quantization.panel.jobs import Rounding, Training
from mobilellm_lab.quantization.panel.labels import grid_words
from mobilellm_lab.quantization.ptq import CALIBRATED, METHODS
from mobilellm_lab.quantization.quantized import LAYERS, matrices, select
from mobilellm_lab.quantization.study.recipe import (
    ACTIVATION_BITS,
    CALIBRATION_SEQUENCES,
    FLOAT,
    KV_BITS,
    PLANTED,
    QATRecipe,
    Recipe,
)
from mobilellm_lab.quantization.study.sweep import distances
from mobilellm_lab.quantization.study.sweep_qat import chosen_rate
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store
from mobilellm_lab.tasks import Task

GROUPS_OF = (TENSOR, CHANNEL, 64, 32, 16, 8)
EVALUATED = {"8k": 8_192, "32k": 32_768, "131k": 131_072}  # test tokens
SECONDS = (5, 10, 20, 60)
TRAIN = "Train by QAT"
MATRIX = "blocks.0.ffn.up.weight"

GROUPS = {
    "Model": ("model", "tokens"),
    "Weights": ("bits", "group_size", "symmetric", "method", "layers"),
    "Activations and cache": ("activation_bits", "activation", "ranges", "kv_bits"),
    "Calibration and outliers": ("data", "planted", "rotate"),
    "QAT": ("seconds", "learned_step"),
    "Shown": ("matrix",),
}
OPENS_AT_BITS = 2  # where rounding hurts, and the methods and QAT differ
TRAIN_TOKENS = 512  # of one update, so that Stop is answered in time
GENTLE_BITS, GENTLE_RATE = 4, 3e-5  # from so many bits on: no worse than rounding, by benchmarks/qat_rates.py
MOST_STEPS = 1_000_000  # the clock ends a training, not these
NAMES = ("stories-deep", "stories-wide", "text-deep", "text-wide")


class Quantization(RecipePanel):
    """The panel; `history` holds a `QuantizedEntry` for every run of this session."""

    def __init__(
        self,
        base: Recipe,
        session: Session,
        *,
        tokens: int = EVALUATED["8k"],
        seconds: int | float = 20,
        replay: Callable[[], object] | None = None,
    ):
        super().__init__(
            base,
            session,
            _controls(base, session, tokens, seconds),
            {"Run": self._round, TRAIN: self._train},
            preview=self._preview,
            counts=_counts,
            groups=GROUPS,
            chart=curve_svg({}, x_label="test sequences", y_label="perplexity so far", x_max=tokens // 64),
            warm_up=partial(_warm_up, session, base, tokens),
            replay=replay,
        )
        self.buttons[TRAIN].tooltip = "goes on from the float model for some seconds, each update through the grid"
        self.controls["model"].observe(lambda _: self._offer_matrices(), "value")
        self.controls["matrix"].observe(lambda _: self._look(), "value")

    def _preview(self, recipe: Recipe, values: Values) -> str:
        start = self.session.start(recipe.model, values["tokens"])
        weights = {name: p.numel() for name, p in start.model.named_parameters()}
        stored = {name: 4 * count for name, count in weights.items()}
        if recipe.bits != FLOAT:
            chosen = select(start.model, recipe.layers)
            stored |= {name: recipe.grid.nbytes(tuple(p.shape)) for name, p in chosen.items()}
        size, whole = sum(stored.values()), 4 * sum(weights.values())
        looks = f" · looks at {CALIBRATION_SEQUENCES} sequences first" if recipe.calibrates else ""
        return (
            f"{sum(weights.values()):,} parameters · {grid_words(recipe)} · {digits(size / 1024)} KiB by formula, "
            f"float {digits(whole / 1024)}: {whole / size:.2f} × smaller{looks}"
        )

    def _offer_matrices(self) -> None:
        """Offers the matrices of the chosen model; the same one where it has that, too."""
        try:
            model = self.session.start(self.values["model"], self.values["tokens"]).model
        except ValueError:
            return  # a damaged checkpoint: the preview says why
        control = self.controls["matrix"]
        value, names = control.value, list(matrices(model))
        control.options = [(name.removesuffix(".weight"), name) for name in names]
        control.value = value if value in names else names[0]

    def _look(self) -> None:
        """Shows the chosen matrix of the newest run, without running anything."""
        if self.job is not None and not self.running:
            self.job.shown.matrix = self.controls["matrix"].value
            self.report.value = self.job.report()

    def _round(self, recipe: Recipe, values: Values) -> Rounding:
        return Rounding(self.session, recipe, tokens=values["tokens"], matrix=values["matrix"])

    def _train(self, recipe: Recipe, values: Values) -> Training:
        task = self.session.start(recipe.model, values["tokens"]).task
        training = QATRecipe(
            **{name: values[name] for name in ("model", "bits", "group_size", "symmetric", "learned_step")},
            steps=MOST_STEPS,
            seconds=float(values["seconds"]),
            batch_size=max(1, TRAIN_TOKENS // task.seq_len),
            lr=self._rate(recipe, task),
            seed=recipe.seed,
        )
        return Training(self.session, training, tokens=values["tokens"], matrix=values["matrix"])

    def _rate(self, recipe: Recipe, task: Task) -> float:
        """The stored runs' choice; where little has to change a lower rate, or training makes a good model worse."""
        if recipe.bits >= GENTLE_BITS:  # also in float, which the job refuses
            return GENTLE_RATE
        return chosen_rate(open_sweep("quantization_qat"), recipe.model, recipe.bits, task=task.name)


def quantization_panel(
    *,
    checkpoint: str | Path | None = None,
    store: Store | None = None,
    tokens: int = EVALUATED["8k"],
    seconds: int | float = 20,
    **defaults,
) -> Quantization:
    """The live panel of chapter 3; `defaults` are fields of `quantization.Recipe` where the controls start.

    Args:
        checkpoint: the folder of a model saved with the task it was trained on, to start with; it stands beside the
            reference models and those in `own_models.models_folder()`.
        store: measured rows that are drawn behind; None takes the repository's own, and a page shows their replay in
            place of the controls.
        tokens: how many test tokens are evaluated.
        seconds: of a QAT run.

    Raises:
        ValueError: a default that no recipe can have, or a checkpoint that is damaged or names no task.
    """
    replay = None
    if store is None:
        store = open_sweep("quantization")
        replay = replay_of("quantization", "mobilellm_lab.quantization.figures.replay:ptq_replay")
    folders = offered(NAMES, checkpoint)
    if checkpoint is not None:
        defaults = {"model": next(name for name, folder in folders.items() if folder == Path(checkpoint))} | defaults
    base = Recipe(**{"bits": OPENS_AT_BITS} | defaults)
    if base.model not in folders:
        raise ValueError(f"model={base.model!r}: {advice(base.model, folders)}; or give checkpoint=")
    session = Session(folders=folders, stored={name: distances(store, name) for name in folders})
    with static_if_headless():
        return Quantization(base, session, tokens=tokens, seconds=seconds, replay=replay)


def _counts(values: Values) -> dict[str, bool]:
    """Which controls count, by name."""
    rounds, flows = values["bits"] != FLOAT, values["activation_bits"] != FLOAT
    static = flows and values["activation"] == "static"
    return dict.fromkeys(("group_size", "symmetric", "method", "layers"), rounds) | {
        "activation": flows,
        "ranges": static,
        "data": static or (rounds and values["method"] in CALIBRATED),
    }


def _controls(base: Recipe, session: Session, tokens: int, seconds: int | float) -> dict[str, W.Widget]:
    def named(values, words: dict) -> dict:
        return {words.get(value, f"{value}"): value for value in values}

    scales = {TENSOR: "matrix", CHANNEL: "row"}
    names = list(matrices(session.start(base.model, tokens).model))
    return {
        "model": choice(
            "model",
            session.folders.keys(),
            base.model,
            "a trained model to start from: the repository's, then your own, the newest first",
        ),
        "tokens": choice("evaluated", EVALUATED, tokens, "test tokens that it is judged by", kind=W.ToggleButtons),
        "bits": choice(
            "bits", named((*BITS, FLOAT), {FLOAT: "float"}), base.bits, "of a weight", kind=W.SelectionSlider
        ),
        "group_size": choice(
            "a scale for", named(GROUPS_OF, scales), base.group_size, "neighbouring weights", kind=W.SelectionSlider
        ),
        "symmetric": checkbox("symmetric", base.symmetric, "else the grid is the weights' own range"),
        "method": choice("method", METHODS, base.method, "how codes are chosen", kind=W.ToggleButtons),
        "layers": choice("layers", LAYERS, base.layers, "which matrices are rounded"),
        "activation_bits": choice(
            "activations",
            named(ACTIVATION_BITS, {FLOAT: "float"}),
            base.activation_bits,
            "bits of what enters a matrix, simulated in float",
            kind=W.ToggleButtons,
        ),
        "activation": choice(
            "their range",
            {"of each token": "dynamic", "measured before": "static"},
            base.activation,
            "dynamic or static",
            kind=W.ToggleButtons,
        ),
        "ranges": choice("it covers", RANGES, base.ranges, "of the values that were seen"),
        "kv_bits": choice(
            "KV cache", named(KV_BITS, {FLOAT: "float"}), base.kv_bits, "bits of a value", kind=W.ToggleButtons
        ),
        "data": choice("seen before", DATA, base.data, "what is calibrated on", kind=W.ToggleButtons),
        "planted": choice(
            "outliers in", PLANTED, base.planted, "put in first; in float they do no harm", kind=W.ToggleButtons
        ),
        "rotate": checkbox("rotate first", base.rotate, "turn the residual stream: outliers are spread"),
        "seconds": choice("train for", {f"{s} s": s for s in SECONDS}, seconds, "wall clock", kind=W.ToggleButtons),
        "learned_step": checkbox("learn the scales", False, "they are trained with the weights"),
        "matrix": choice(
            "matrix",
            {name.removesuffix(".weight"): name for name in names},
            MATRIX if MATRIX in names else names[0],
            "whose weights are drawn",
        ),
    }


def _warm_up(session: Session, base: Recipe, tokens: int) -> Rounding:
    """The float model's own answers, which every run is held against, and the slow first call of everything else."""
    return Rounding(Session(folders=session.folders, starts=session.starts), base, tokens=tokens, matrix=MATRIX)
