"""Chapter 4's panel: amount, importance and granularity prune a model; it recovers, and is made smaller"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets as W

from mobilellm_lab.charts.live import curve_svg
from mobilellm_lab.charts.report import digits
from mobilellm_lab.choices import advice
from mobilellm_lab.live.compressed import Session
from mobilellm_lab.live.controls import choice
from mobilellm_lab.live.float_models import offered
from mobilellm_lab.live.panel import Values, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of
from mobilellm_lab.pruning.figures.words import (
    CHOICE_WORDS,
    COMPARE_WORDS,
    DATA_WORDS,
    GRANULARITY_WORDS,
    IMPORTANCE_WORDS,
    SCOPE_WORDS,
    percent,
)
from mobilellm_lab.pruning.panel.jobs import Pruning, Recovering
from mobilellm_lab.pruning.panel.labels import ranked, removed
from mobilellm_lab.pruning.panel.twin import Shrinking
from mobilellm_lab.pruning.study.predicted import predicted_bytes
from mobilellm_lab.pruning.study.recipe import BITS, FLOAT, Recipe, idle, plain
from mobilellm_lab.pruning.study.sweep import distances
from mobilellm_lab.quantization.quantized import LAYERS
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

AMOUNTS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
EVALUATED = {"4k": 4_096, "32k": 32_768, "131k": 131_072}  # test tokens
SEQUENCES = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = (5, 10, 20, 60)
RECOVER, SHRINK = "Recover", "Make it smaller"
OPENS_AT = 0.7  # where pruning hurts, and importances differ
NAMES = ("stories-deep", "stories-wide", "text-deep", "text-wide")
GROUPS = {
    "Model": ("model", "tokens"),
    "Removed": ("amount", "granularity", "layers"),
    "Chosen by": ("importance", "choice", "compare", "scope"),
    "Calibration": ("data", "sequences"),
    "Afterwards": ("seconds", "bits"),
}


class PruningPanel(RecipePanel):
    """The panel; `history` holds a `PrunedEntry` for every run of this session."""

    def __init__(
        self,
        base: Recipe,
        session: Session,
        *,
        tokens: int = EVALUATED["4k"],
        seconds: int | float = 10,
        replay: Callable[[], object] | None = None,
    ):
        super().__init__(
            base,
            session,
            _controls(base, session, tokens, seconds),
            {"Run": self._prune, RECOVER: self._recover, SHRINK: self._shrink},
            preview=self._preview,
            counts=_counts,
            groups=GROUPS,
            chart=curve_svg({}, x_label="test sequences", y_label="perplexity so far", x_max=tokens // 64),
            warm_up=partial(_warm_up, session, base, tokens),
            replay=replay,
        )
        self.buttons[RECOVER].tooltip = "prunes, then fine-tunes for some seconds with the zeros held"
        self.buttons[SHRINK].tooltip = "cuts whole groups out of the matrices, and times the smaller model"

    def recipe_of(self, values: Values) -> Recipe:
        """What these values stand for; a control that does not count is as if it stood at its default."""
        own = {name: value for name, value in values.items() if name in self._fields}
        return plain(vars(self.base) | own)

    def _preview(self, recipe: Recipe, values: Values) -> str:
        start = self.session.start(recipe.model, values["tokens"])
        sizes = predicted_bytes(start.model, recipe)
        formats = ", ".join(f"{name} {digits(size / 1024)}" for name, size in sizes.items())
        words = [f"{sum(p.numel() for p in start.model.parameters()):,} parameters", removed(recipe), ranked(recipe)]
        words += [f"by formula {formats} KiB"]
        words += ["prunes and evaluates every layer alone first"] * (recipe.scope == "sensitivity")
        return " · ".join(filter(None, words))

    def _prune(self, recipe: Recipe, values: Values) -> Pruning:
        return Pruning(self.session, recipe, tokens=values["tokens"])

    def _recover(self, recipe: Recipe, values: Values) -> Recovering:
        return Recovering(self.session, recipe, tokens=values["tokens"], seconds=values["seconds"])

    def _shrink(self, recipe: Recipe, values: Values) -> Shrinking:
        return Shrinking(self.session, recipe, tokens=values["tokens"])


def pruning_panel(
    *,
    checkpoint: str | Path | None = None,
    store: Store | None = None,
    tokens: int = EVALUATED["4k"],
    seconds: int | float = 10,
    **defaults,
) -> PruningPanel:
    """The live panel of chapter 4; `defaults` are fields of `pruning.Recipe` where the controls start.

    Args:
        checkpoint: the folder of a model saved with the task it was trained on, to start with; it stands beside the
            reference models and those in `own_models.models_folder()`.
        store: measured rows that are drawn behind; None takes the repository's own, and a page shows their replay in
            place of the controls.
        tokens: how many test tokens are evaluated.
        seconds: of a recovery.

    Raises:
        ValueError: a default that no recipe can have, or a checkpoint that is damaged or names no task.
    """
    replay = None
    if store is None:
        store = open_sweep("pruning")
        replay = replay_of("pruning", "mobilellm_lab.pruning.figures.replay:importance_replay")
    folders = offered(NAMES, checkpoint)
    if checkpoint is not None:
        defaults = {"model": next(name for name, folder in folders.items() if folder == Path(checkpoint))} | defaults
    base = Recipe(**{"amount": OPENS_AT} | defaults)
    if base.model not in folders:
        raise ValueError(f"model={base.model!r}: {advice(base.model, folders)}; or give checkpoint=")
    session = Session(folders=folders, stored={name: distances(store, name) for name in folders})
    session.start(base.model, tokens)  # a checkpoint without a task is refused here
    with static_if_headless():
        return PruningPanel(base, session, tokens=tokens, seconds=seconds, replay=replay)


def _counts(values: Values) -> dict[str, bool]:
    """Which controls count, by name."""
    ignored = idle(vars(Recipe()) | values)
    return {name: name not in ignored for name in values}


def _controls(base: Recipe, session: Session, tokens: int, seconds: int | float) -> dict[str, W.Widget]:
    def named(words: dict) -> dict:
        return {word: value for value, word in words.items()}

    amounts = {percent(amount): amount for amount in AMOUNTS}
    bits = {"float" if bits == FLOAT else f"{bits}": bits for bits in BITS}
    return {
        "model": choice(
            "model",
            session.folders.keys(),
            base.model,
            "a trained model to start from: the repository's, then your own, the newest first",
        ),
        "tokens": choice("evaluated", EVALUATED, tokens, "test tokens that it is judged by", kind=W.ToggleButtons),
        "amount": choice("amount", amounts, base.amount, "share that is removed", kind=W.SelectionSlider),
        "granularity": choice("granularity", named(GRANULARITY_WORDS), base.granularity, "what is removed as one"),
        "layers": choice("layers", LAYERS, base.layers, "which matrices single weights are removed from"),
        "importance": choice("importance", named(IMPORTANCE_WORDS), base.importance, "the least important go"),
        "choice": choice("layers by", named(CHOICE_WORDS), base.choice, "how whole layers are chosen"),
        "compare": choice(
            "compared", named(COMPARE_WORDS), base.compare, "which weights compete", kind=W.ToggleButtons
        ),
        "scope": choice("scope", named(SCOPE_WORDS), base.scope, "the same amount in every layer, or not"),
        "data": choice("data", named(DATA_WORDS), base.data, "what is calibrated on"),
        "sequences": choice("sequences", SEQUENCES, base.sequences, "to calibrate on", kind=W.SelectionSlider),
        "seconds": choice("recover for", {f"{s} s": s for s in SECONDS}, seconds, "wall clock", kind=W.ToggleButtons),
        "bits": choice("bits", bits, base.bits, "of a weight, rounded afterwards", kind=W.ToggleButtons),
    }


def _warm_up(session: Session, base: Recipe, tokens: int) -> Pruning:
    """The dense model's own answers, which every run is held against, and the slow first call of everything else."""
    return Pruning(Session(folders=session.folders, starts=session.starts), base, tokens=tokens)
