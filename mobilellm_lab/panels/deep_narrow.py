"""Chapter 2's panel: depth, width and the paper's switches retrain a model, and its point joins the plot."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import ipywidgets as W
import torch

from mobilellm_lab import footprint
from mobilellm_lab.deep_narrow.family import Report, train_family
from mobilellm_lab.deep_narrow.recipe import HOLD, Recipe, Result, Run
from mobilellm_lab.figures import report
from mobilellm_lab.figures.live import band_svg, curve_svg, running_mean
from mobilellm_lab.model import FFN, SHARING, execution_order
from mobilellm_lab.panels.live import Live, Values, static_if_headless
from mobilellm_lab.tasks import NAMES

DEPTHS = range(1, 17)
FAMILY = (1, 2, 4, 8, 12)  # what the five-depth button trains
BUDGETS = {"30k": 30_000, "60k": 60_000, "100k": 100_000, "200k": 200_000, "500k": 500_000, "1M": 1_000_000}
WIDTHS = range(16, 129, 16)
HEADS = (1, 2, 4, 8)
EMBEDDINGS = {"full": 0, "8": 8, "16": 16, "32": 32, "64": 64}
RATES = {"the task's own": 0.0, "0.001": 1e-3, "0.002": 2e-3, "0.004": 4e-3, "0.008": 8e-3, "0.016": 1.6e-2}
STEPS, SECONDS = (100, 300, 1000, 3000), (5, 10, 30, 60)
SEEDS = range(5)
SMOOTH = 20  # steps of the running mean that is drawn over the raw loss
GHOSTS = 2  # earlier curves that stay in the chart
ANSWER_EVERY_S, ANSWER_SHARE = 1.0, 20  # while training, answers may cost a twentieth of the time

Reference = Callable[
    [Recipe], Sequence[Sequence[float]]
]  # rows (depth, score, ...) measured for a recipe's task and size
GROUPS = {
    "Shape": ("depth", "hold", "budget", "width"),
    "Attention": ("n_heads", "n_kv_heads"),
    "Parameters saved": ("sharing", "tie_embeddings", "embed_dim", "ffn"),
    "Training": ("task", "limit", "lr", "seed"),
}


class DeepNarrow(Live):
    """The panel; `history` holds the `Result` of every run of this session, `recipe` what the controls stand for."""

    def __init__(self, base: Recipe, reference: Reference):
        self.base, self.reference, self.history = base, reference, []
        self._curves: list[
            tuple[Recipe, str, list[tuple[int | float, float]]]
        ] = []  # of finished runs, the newest first
        self._tasks = {}
        super().__init__(
            _controls(base),
            {"Run": self._train, "Train five depths": self._train_family},
            preview=self._preview,
            groups=GROUPS,
            chart=curve_svg({}, x_label="steps", y_label=loss_label(base), x_max=base.steps or base.defaults.steps),
            warm_up=_warm_up,
        )
        self.buttons["Train five depths"].tooltip = f"depths {', '.join(map(str, FAMILY))}, two at a time"
        self.controls["hold"].observe(lambda _: self._swap(), "value")
        self.controls["n_heads"].observe(lambda change: self._offer_kv_heads(change.old, change.new), "value")
        self._swap()

    @property
    def recipe(self) -> Recipe:
        return self._recipe(self.values)

    def _recipe(self, values: Values) -> Recipe:
        steps, seconds = values["limit"]
        fields = {name: value for name, value in values.items() if name != "limit"}
        return replace(self.base, **fields, steps=steps, seconds=seconds)

    def _preview(self, values: Values) -> str:
        recipe = self._recipe(values)
        task = self._tasks.setdefault((recipe.task, recipe.hold_out), None) or recipe.make_task()
        self._tasks[recipe.task, recipe.hold_out] = task
        config = recipe.model_config(task)
        runs = len(execution_order(config))
        layers = f"{config.n_layers} layers" + (f", run as {runs}" if runs > config.n_layers else "")
        return (
            f"{layers} × {config.dim} wide, FFN {config.hidden_dim} · {footprint.parameters(config):,} parameters · "
            f"{report.short(footprint.flops_per_token(config, context=task.seq_len))}FLOP and "
            f"{footprint.kv_bytes_per_token(config):,} B of KV cache per token"
        )

    def _swap(self) -> None:
        """Shows the one of budget and width that counts."""
        hold = self.controls["hold"].value
        for name in ("budget", "width"):
            self.controls[name].layout.display = "" if name == hold else "none"

    def _offer_kv_heads(self, old: int, heads: int) -> None:
        """Offers the divisors of the number of heads; multi-head attention stays multi-head."""
        control = self.controls["n_kv_heads"]
        value = heads if control.value == old else min(control.value, heads)
        control.options = [(str(k), k) for k in HEADS if heads % k == 0]
        control.value = value

    def _train(self, values: Values) -> "Training":
        torch.set_num_threads(1)
        return Training(self, self._recipe(values))

    def _train_family(self, values: Values) -> "Family":
        return Family(self, self._recipe(values))

    def _points(self, recipe: Recipe) -> list[tuple[int, float, str]]:
        """This session's runs of the same task and, where it is held, of the same budget."""
        alike = [r for r in self.history if r.recipe.task == recipe.task and _size(r.recipe) == _size(recipe)]
        return [(r.recipe.depth, r.score, f"depth {r.recipe.depth}: {r.score:.3f}") for r in alike]

    def _band(self, recipe: Recipe, headline: str) -> str:
        where = f"{recipe.budget:,} parameters" if recipe.hold == "budget" else "free width"
        name = headline.replace("_", " ")
        return band_svg(self._points(recipe), self.reference(recipe), y_label=f"{name} on test, {recipe.task}, {where}")

    def _history(self) -> str:
        if not self.history:
            return ""
        columns = (
            "run",
            "parameters",
            "FLOP/token",
            "KV B/token",
            "train tokens/s",
            "decode tokens/s",
            "loss",
            "score",
        )
        rows = [
            (
                f"{number}. {label(r.recipe)}",
                f"{r.parameters:,}",
                report.short(r.flops_per_token),
                f"{r.kv_bytes_per_token:,.0f}",
                report.short(r.train_tokens_per_s),
                report.short(r.decode_per_s.median_per_s),
                f"{r.loss_nats:.3f}",
                f"{r.score:.3f} {r.headline.replace('_', ' ')}",
            )
            for number, r in reversed(list(enumerate(self.history, 1)))
        ]
        return '<div class="lab-heading">This session</div>' + report.table(columns, rows)


class Training:
    """One recipe being trained, as the panel shows it: the job behind Run."""

    def __init__(self, panel: DeepNarrow, recipe: Recipe):
        self.panel, self.recipe, self.run = panel, recipe, Run(recipe)
        self.points: list[tuple[int | float, float]] = []
        self.outcome: Result | None = None
        self.said = ""
        self.timed = recipe.seconds > 0  # then the x axis is time

    def __iter__(self) -> Iterator[float]:
        next_answer = time.monotonic()
        for step in self.run:
            self.points.append((step.elapsed_s if self.timed else step.step, step.loss_nats))
            if time.monotonic() >= next_answer:
                start = time.monotonic()
                self.said = self.run.answers()
                cost = time.monotonic() - start
                next_answer = start + max(ANSWER_EVERY_S, ANSWER_SHARE * cost)
            yield step.progress

    def result(self) -> Result:
        self.outcome, self.said = self.run.result(), self.run.answers()
        self.panel.history.append(self.outcome)
        curve = running_mean(self.points, SMOOTH)
        thin = curve[:: max(1, len(curve) // 100)] + curve[-1:]
        self.panel._curves = [(self.recipe, self._name(len(self.panel.history)), thin), *self.panel._curves[:GHOSTS]]
        return self.outcome

    def status(self) -> str:
        step = self.run.last
        whole = f"{step.elapsed_s:.1f} of {self.recipe.seconds:g} s, step {step.step:,}"
        if not self.timed:
            whole = f"step {step.step:,} of {self.recipe.steps or self.recipe.defaults.steps:,}, {step.elapsed_s:.1f} s"
        return f"{whole} · loss {step.loss_nats:.3f} nats · {report.short(step.tokens_per_s)} tokens/s"

    def chart(self) -> str:
        earlier = [
            (name, points)
            for recipe, name, points in self.panel._curves
            if recipe.task == self.recipe.task and (recipe.seconds > 0) == self.timed
        ]
        own = self._name(len(self.panel.history) + (self.outcome is None))
        return curve_svg(
            {own: self.points},
            earlier={name: points for name, points in earlier[: GHOSTS + 1] if name != own},
            x_label="seconds of training" if self.timed else "steps",
            y_label=loss_label(self.recipe),
            x_max=self.recipe.seconds if self.timed else self.recipe.steps or self.recipe.defaults.steps,
            floor=self.outcome.floor_nats if self.outcome else 0.0 if self.recipe.task == "shells" else None,
            smooth=SMOOTH,
        )

    def report(self) -> str:
        band = self.panel._band(self.recipe, self.run.task.headline)
        answers = report.says("What the model says now, on held-out input", self.said)
        return report.pair(band, answers) + self.panel._history()

    def numbers(self) -> str:
        config, done = self.run.model.config, self.outcome
        context = self.run.task.seq_len
        rows = [
            ("Parameters", f"{footprint.parameters(config):,}", f"{config.n_layers} × {config.dim}"),
            (
                "FLOP per token",
                report.short(footprint.flops_per_token(config, context=context)),
                f"at {context} tokens",
            ),
            ("KV cache per token", f"{footprint.kv_bytes_per_token(config):,} B", "16-bit, by formula"),
            ("Training", report.short(self.run.last.tokens_per_s), "tokens/s, measured"),
        ]
        if done is None:
            return report.tiles([*rows, ("Decoding", "…", "after training"), ("Loss", "…", "on test")])
        speed, floor = done.decode_per_s, "" if done.floor_nats is None else f"best possible {done.floor_nats:.3g}"
        spread = f"tokens/s (p10 {report.short(speed.p10_per_s)}, p90 {report.short(speed.p90_per_s)})"
        scores = [
            (name.replace("_", " ").capitalize(), f"{value:.3f}", "on test") for name, value in done.scores.items()
        ]
        return report.tiles(
            [
                *rows,
                ("Decoding", report.short(speed.median_per_s), spread),
                ("Loss", f"{done.loss_nats:.3f} nats", floor),
                *scores,
            ]
        )

    def _name(self, number: int) -> str:
        return f"{number}. depth {self.recipe.depth}"


class Family:
    """The same recipe at five depths, trained in processes: the job behind the second button."""

    def __init__(self, panel: DeepNarrow, recipe: Recipe):
        task, self.panel, self.recipe, self.recipes, self.impossible = recipe.make_task(), panel, recipe, [], []
        self.headline = task.headline
        for depth in FAMILY:
            candidate = replace(recipe, depth=depth)
            try:
                candidate.model_config(task)
            except ValueError as error:
                self.impossible.append((depth, str(error)))
            else:
                self.recipes.append(candidate)
        if not self.recipes:
            raise ValueError(self.impossible[0][1])
        self.newest: dict[Recipe, Report] = {}
        self.curves: dict[Recipe, list[tuple[int | float, float]]] = {r: [] for r in self.recipes}
        self.results: list[Result] = []
        self.start = time.monotonic()

    def __iter__(self) -> Iterator[float]:
        for news in train_family(self.recipes):
            for item in news:
                if item.recipe in self.newest and self.newest[item.recipe].result:
                    continue  # a late report of a run that has already ended
                self.newest[item.recipe] = item
                if item.result is None:
                    self.curves[item.recipe].append((item.step, item.loss_nats))
                else:
                    self.results.append(item.result)
                    self.panel.history.append(item.result)
            yield sum(item.progress for item in self.newest.values()) / len(self.recipes)

    def result(self) -> list[Result]:
        return sorted(self.results, key=lambda result: result.recipe.depth)

    def status(self) -> str:
        states = " · ".join(self._state(recipe) for recipe in self.recipes)
        return f"{time.monotonic() - self.start:.0f} s · {states}"

    def _state(self, recipe: Recipe) -> str:
        item = self.newest.get(recipe)
        if item is None:
            return f"depth {recipe.depth} waits"
        return f"depth {recipe.depth} " + (f"{item.result.score:.3f}" if item.result else f"{item.progress:.0%}")

    def chart(self) -> str:
        return curve_svg(
            {f"depth {recipe.depth}": points for recipe, points in self.curves.items()},
            x_label="steps",
            y_label=loss_label(self.recipe),
            x_max=self.recipe.steps or self.recipe.defaults.steps,
        )

    def report(self) -> str:
        band = self.panel._band(self.recipe, self.headline)
        left_out = "".join(f"<p>depth {depth} left out: {words}</p>" for depth, words in self.impossible)
        return report.pair(band, left_out) + self.panel._history()

    def numbers(self) -> str:
        return ""


def label(recipe: Recipe) -> str:
    """A recipe in a few words: its task, its shape, and what differs from the defaults."""
    size = f"{recipe.budget // 1000:,}k" if recipe.hold == "budget" else f"width {recipe.width}"
    words = [f"{recipe.task}, depth {recipe.depth}, {size}"]
    usual = Recipe()
    if (recipe.n_heads, recipe.n_kv_heads) != (usual.n_heads, usual.n_kv_heads):
        words.append(f"{recipe.n_heads}/{recipe.n_kv_heads} heads")
    words += [f"{recipe.sharing} sharing"] * (recipe.sharing != "none")
    words += ["untied"] * (not recipe.tie_embeddings)
    words += [f"embedding {recipe.embed_dim}"] * (recipe.embed_dim > 0)
    words += [recipe.ffn] * (recipe.ffn != usual.ffn)
    words += [f"lr {recipe.lr:g}"] * (recipe.lr > 0)
    words += [f"{recipe.steps} steps"] * (recipe.steps > 0 and not recipe.seconds)
    words += [f"{recipe.seconds:g} s"] * (recipe.seconds > 0)
    words += [f"seed {recipe.seed}"] * (recipe.seed > 0)
    return ", ".join(words)


def loss_label(recipe: Recipe) -> str:
    """What the loss curve shows; where the sequences grow, the loss rises with them."""
    d = recipe.defaults
    if d.start_length == 1 or recipe.seconds:
        return "training loss (nats)"
    return f"training loss (nats); sequences grow until step {d.full_length_at * (recipe.steps or d.steps):,.0f}"


def deep_narrow_panel(*, reference: Reference = lambda recipe: (), **defaults) -> DeepNarrow:
    """The live panel of chapter 2; `defaults` are fields of `Recipe` at which the controls start.

    Args:
        reference: from a recipe to measured rows (depth, score, ...) of its task and size, drawn as a band.

    Raises:
        ValueError: a default that no recipe can have.
    """
    with static_if_headless():
        return DeepNarrow(Recipe(**defaults), reference)


def _size(recipe: Recipe) -> int | None:
    return recipe.budget if recipe.hold == "budget" else None


def _controls(base: Recipe) -> dict[str, W.Widget]:
    look = {
        "style": {"description_width": "6.2rem"},
        "layout": {"width": "100%"},
    }
    narrow = look | {"style": {"description_width": "6.2rem", "button_width": "auto"}}

    def choice(description: str, options: dict, value, tooltip: str, kind=W.Dropdown, **more) -> W.Widget:
        if value not in options.values():
            options = options | {str(value): value}
        options = [(name, option) for name, option in options.items()]
        return kind(description=description, options=options, value=value, tooltip=tooltip, **look | more)

    def slider(description: str, values: range, value: int, tooltip: str) -> W.IntSlider:
        low, high = min(values[0], value), max(values[-1], value)
        return W.IntSlider(
            description=description, min=low, max=high, step=values.step, value=value, tooltip=tooltip, **look
        )

    limits = {"the task's own steps": (0, 0.0)}
    limits |= {f"{steps:,} steps": (steps, 0.0) for steps in STEPS}
    limits |= {f"{seconds} seconds": (1_000_000, float(seconds)) for seconds in SECONDS}
    start = (base.steps, base.seconds)
    if start not in limits.values():
        limits[f"{base.seconds:g} seconds" if base.seconds else f"{base.steps:,} steps"] = start
    divisors = {str(k): k for k in HEADS if base.n_heads % k == 0}
    return {
        "depth": slider("depth", DEPTHS, base.depth, "layers that are stored"),
        "hold": choice(
            "hold",
            {"budget": HOLD[0], "width": HOLD[1]},
            base.hold,
            "budget: the width is solved for; width: the parameter count moves",
            W.ToggleButtons,
            **narrow,
        ),
        "budget": choice("parameters", BUDGETS, base.budget, "within 2 %; the width is solved for", W.SelectionSlider),
        "width": slider("width", WIDTHS, base.width, "dim, the residual stream"),
        "n_heads": choice("heads", {str(h): h for h in HEADS}, base.n_heads, "query heads", W.ToggleButtons, **narrow),
        "n_kv_heads": choice(
            "KV heads",
            divisors,
            base.n_kv_heads,
            "as many as heads: MHA; 1: MQA; between: GQA",
            W.ToggleButtons,
            **narrow,
        ),
        "sharing": choice(
            "layer sharing",
            {name: name for name in SHARING},
            base.sharing,
            "which blocks run twice: 0 0 1 1, 0 1 0 1 or 0 1 1 0",
        ),
        "tie_embeddings": W.Checkbox(
            description="tied embeddings",
            value=base.tie_embeddings,
            indent=True,
            tooltip="the output layer is the embedding table",
            **look,
        ),
        "embed_dim": choice(
            "embedding", EMBEDDINGS, base.embed_dim, "width of a factorised table; full: as wide as the model"
        ),
        "ffn": choice(
            "FFN",
            {"SwiGLU": FFN[0], "ReLU": FFN[1]},
            base.ffn,
            "gated with three matrices, or vanilla with two",
            W.ToggleButtons,
            **narrow,
        ),
        "task": choice(
            "task",
            {name: name for name in NAMES},
            base.task,
            "shells: state tracking; stories: sentences with questions; text: real English",
            W.ToggleButtons,
            **narrow,
        ),
        "limit": choice("train for", limits, start, "updates or wall clock"),
        "lr": choice("learning rate", RATES, base.lr, "AdamW's peak"),
        "seed": slider("seed", SEEDS, base.seed, "of the weights and of the training data"),
    }


def _warm_up() -> None:
    """One step of the smallest model: the first one imports torch's optimizers, which takes longer than a second."""
    torch.set_num_threads(1)
    next(iter(Run(Recipe(depth=1, steps=1))))
