"""Chapter 2's panel: depth, width and the paper's switches retrain a model, and its point joins the plot."""

from collections.abc import Callable
from functools import cache, partial

import ipywidgets as W

from mobilellm_lab import footprint
from mobilellm_lab.charts import report
from mobilellm_lab.deep_narrow.panel.jobs import FAMILY, Family, Reference, Session, Training, file_name, score_svg
from mobilellm_lab.deep_narrow.recipe import HOLD, Recipe, Run
from mobilellm_lab.deep_narrow.study.sweep import band
from mobilellm_lab.live.controls import checkbox, choice, slider
from mobilellm_lab.live.panel import Values, line, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of
from mobilellm_lab.model import FFN, SHARING, execution_order
from mobilellm_lab.own_models import keep
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.tasks import NAMES, Task

DEPTHS = range(1, 17)
BUDGETS = {"30k": 30_000, "60k": 60_000, "100k": 100_000, "200k": 200_000, "500k": 500_000, "1M": 1_000_000}
WIDTHS = range(16, 129, 16)
HEADS = (1, 2, 4, 8)
EMBEDDINGS = {"full": 0, "8": 8, "16": 16, "32": 32, "64": 64}
RATES = {"the task's own": 0.0, "0.001": 1e-3, "0.002": 2e-3, "0.004": 4e-3, "0.008": 8e-3, "0.016": 1.6e-2}
STEPS, SECONDS = (100, 300, 1000, 3000), (5, 10, 30, 60)
SEEDS = range(5)
FIVE, KEEP = "Train five depths", "Keep this model"

GROUPS = {
    "Shape": ("depth", "hold", "budget", "width"),
    "Attention": ("n_heads", "n_kv_heads"),
    "Parameters saved": ("sharing", "tie_embeddings", "embed_dim", "ffn"),
    "Training": ("task", "limit", "lr", "seed"),
}


class DeepNarrow(RecipePanel):
    """The panel; `history` holds the `Result` of every run of this session, and a trained model can be kept."""

    def __init__(self, base: Recipe, reference: Reference, replay: Callable[[], object] | None = None):
        session = Session(reference)
        keep_tip = "saves the model of the last Run, for the panels of later chapters"
        self.keep_button = W.Button(description=KEEP, icon="save", disabled=True, tooltip=keep_tip)
        self.keep_button.layout.width = "auto"
        self.kept = W.HTML()
        super().__init__(
            base,
            session,
            _controls(base),
            {"Run": lambda recipe, _: Training(session, recipe), FIVE: lambda recipe, _: Family(session, recipe)},
            preview=_preview,
            counts=lambda values: {name: name == values["hold"] for name in HOLD},
            groups=GROUPS,
            below=[W.Box([self.keep_button, self.kept], layout={"flex_flow": "row wrap"})],
            chart=score_svg({}, base.make_task(), x_label="steps", x_max=base.steps or base.defaults.steps),
            warm_up=_warm_up,
            replay=replay,
        )
        self.buttons[FIVE].tooltip = f"depths {', '.join(map(str, FAMILY))}, the shallow ones first, two at a time"
        self.keep_button.on_click(lambda _: self._keep())
        self.bar.observe(lambda _: self._offer_to_keep(), "bar_style")  # which is empty while a job runs
        self.controls["n_heads"].observe(lambda change: self._offer_kv_heads(change.old, change.new), "value")

    def recipe_of(self, values: Values) -> Recipe:
        steps, seconds = values["limit"]
        return super().recipe_of(values | {"steps": steps, "seconds": seconds})

    def _offer_to_keep(self) -> None:
        """Offers a model once it is trained and measured; the five depths leave theirs in their processes."""
        trained = isinstance(self.job, Training) and self.job.outcome is not None
        self.keep_button.disabled, self.kept.value = not (trained and self.bar.bar_style), ""

    def _keep(self) -> None:
        recipe, run = self.job.recipe, self.job.run
        task = {"name": recipe.task, "options": recipe.task_options}
        try:
            folder = keep(run.model, file_name(recipe), task=task, vocabulary=getattr(run.task, "vocabulary", None))
        except ValueError as error:
            self.kept.value = line(str(error), "error")
        else:
            self.keep_button.disabled = True
            self.kept.value = line(f"Kept in {folder}. Later panels offer it under “model”.")

    def _offer_kv_heads(self, old: int, heads: int) -> None:
        """Offers the divisors of the number of heads; multi-head attention stays multi-head."""
        control = self.controls["n_kv_heads"]
        value = heads if control.value == old else min(control.value, heads)
        control.options = [(str(k), k) for k in HEADS if heads % k == 0]
        control.value = value


def deep_narrow_panel(*, reference: Reference | None = None, **defaults) -> DeepNarrow:
    """The live panel of chapter 2; `defaults` are fields of `Recipe` at which the controls start.

    Args:
        reference: from a recipe to measured rows (depth, score, ...) that are drawn as a band; None takes the
            repository's own sweep, and a page shows that sweep's replay in place of the controls.

    Raises:
        ValueError: a default that no recipe can have.
    """
    base, replay = Recipe(**defaults), None
    if reference is None:
        reference = partial(band, open_sweep("deep_narrow"))
        replay = replay_of("deep_narrow", "mobilellm_lab.deep_narrow.figures.replay:quality_replay")
    with static_if_headless():
        return DeepNarrow(base, reference, replay)


def _preview(recipe: Recipe, values: Values) -> str:
    task = _task(recipe.task, recipe.hold_out)
    config = recipe.model_config(task)
    runs = len(execution_order(config))
    layers = f"{config.n_layers} layers" + (f", run as {runs}" if runs > config.n_layers else "")
    return (
        f"{layers} × {config.dim} wide, FFN {config.hidden_dim} · {footprint.parameters(config):,} parameters · "
        f"{report.short(footprint.flops_per_token(config, context=task.seq_len))}FLOP and "
        f"{footprint.kv_bytes_per_token(config):,} B of KV cache per token"
    )


@cache
def _task(name: str, hold_out: bool) -> Task:
    """Made once, so that a moving slider does not read the text again."""
    return Recipe(task=name, hold_out=hold_out).make_task()


def _controls(base: Recipe) -> dict[str, W.Widget]:
    limits = {"the task's own steps": (0, 0.0)}
    limits |= {f"{steps:,} steps": (steps, 0.0) for steps in STEPS}
    limits |= {f"{seconds} seconds": (1_000_000, float(seconds)) for seconds in SECONDS}
    start = (base.steps, base.seconds)
    if start not in limits.values():
        limits[f"{base.seconds:g} seconds" if base.seconds else f"{base.steps:,} steps"] = start
    divisors = [k for k in HEADS if base.n_heads % k == 0]
    return {
        "depth": slider("depth", DEPTHS, base.depth, "layers that are stored"),
        "hold": choice(
            "hold",
            {"budget": HOLD[0], "width": HOLD[1]},
            base.hold,
            "budget: the width is solved for; width: the parameter count moves",
            kind=W.ToggleButtons,
        ),
        "budget": choice(
            "parameters", BUDGETS, base.budget, "within 2 %; the width is solved for", kind=W.SelectionSlider
        ),
        "width": slider("width", WIDTHS, base.width, "dim, the residual stream"),
        "n_heads": choice("heads", HEADS, base.n_heads, "query heads", kind=W.ToggleButtons),
        "n_kv_heads": choice(
            "KV heads",
            divisors,
            base.n_kv_heads,
            "as many as heads: MHA; 1: MQA; between: GQA",
            kind=W.ToggleButtons,
        ),
        "sharing": choice(
            "layer sharing",
            SHARING,
            base.sharing,
            "which blocks run twice: 0 0 1 1, 0 1 0 1 or 0 1 1 0",
        ),
        "tie_embeddings": checkbox("tied embeddings", base.tie_embeddings, "the output layer is the embedding table"),
        "embed_dim": choice(
            "embedding", EMBEDDINGS, base.embed_dim, "width of a factorised table; full: as wide as the model"
        ),
        "ffn": choice(
            "FFN",
            {"SwiGLU": FFN[0], "ReLU": FFN[1]},
            base.ffn,
            "gated with three matrices, or vanilla with two",
            kind=W.ToggleButtons,
        ),
        "task": choice(
            "task",
            NAMES,
            base.task,
            "shells: state tracking; stories: sentences with questions; text: real English",
            kind=W.ToggleButtons,
        ),
        "limit": choice("train for", limits, start, "updates or wall clock"),
        "lr": choice("learning rate", RATES, base.lr, "AdamW's peak"),
        "seed": slider("seed", SEEDS, base.seed, "of the weights and of the training data"),
    }


def _warm_up() -> Run:
    """One step of the smallest model: the first one imports torch's optimizers, which takes longer than a second."""
    return Run(Recipe(depth=1, steps=1))
