"""One recipe, or five depths of it, being trained as chapter 2's panel shows it: the jobs behind its buttons."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mobilellm_lab import footprint
from mobilellm_lab.charts import report
from mobilellm_lab.charts.live import band_svg, curve_svg, running_mean
from mobilellm_lab.deep_narrow.family import Report, train_family
from mobilellm_lab.deep_narrow.recipe import Recipe, Result, Run

FAMILY = (1, 2, 4, 8, 12)  # what the five-depth button trains
SMOOTH = 20  # steps of the running mean that is drawn over the raw loss
SMOOTH_REPORTS = 5  # the same for five depths at once, in reports of their workers
GHOSTS = 2  # earlier curves that stay in the chart
ANSWER_EVERY_S, ANSWER_SHARE = 1.0, 20  # while training, answers may cost a twentieth of the time

Reference = Callable[
    [Recipe], Sequence[Sequence[object]]
]  # rows (depth, score, ...) measured for a recipe's task and size
Curve = list[tuple[int | float, float]]
COLUMNS = "run, parameters, FLOP/token, KV B/token, train tokens/s, decode tokens/s, loss, score".split(", ")


class Session:
    """What was trained since the panel was made, and what it is compared with."""

    def __init__(self, reference: Reference):
        self.reference = reference
        self.history: list[Result] = []
        self.curves: list[tuple[Recipe, str, Curve]] = []  # of finished runs, the newest first

    def points(self, recipe: Recipe) -> list[tuple[int, float, str]]:
        """This session's runs of the same task and, where it is held, of the same budget."""
        alike = [r for r in self.history if r.recipe.task == recipe.task and _size(r.recipe) == _size(recipe)]
        return [(r.recipe.depth, r.score, f"depth {r.recipe.depth}: {r.score:.3f}") for r in alike]

    def plot(self, recipe: Recipe, headline: str) -> str:
        """SVG of this session's points over the reference band."""
        where = f"{recipe.budget:,} parameters" if recipe.hold == "budget" else "free width"
        name = headline.replace("_", " ")
        return band_svg(self.points(recipe), self.reference(recipe), y_label=f"{name} on test, {recipe.task}, {where}")

    def table(self) -> str:
        """HTML of every run, the newest first."""
        rows = [
            (
                label(r.recipe),
                f"{r.parameters:,}",
                report.short(r.flops_per_token),
                f"{r.kv_bytes_per_token:,.0f}",
                report.short(r.train_tokens_per_s),
                report.short(r.decode_per_s.median_per_s),
                f"{r.loss_nats:.3f}",
                f"{r.score:.3f} {r.headline.replace('_', ' ')}",
            )
            for r in self.history
        ]
        return report.session(COLUMNS, rows)


class Training:
    """One recipe being trained, as the panel shows it: the job behind Run."""

    def __init__(self, session: Session, recipe: Recipe):
        self.session, self.recipe, self.run = session, recipe, Run(recipe)
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
        self.session.history.append(self.outcome)
        curve = running_mean(self.points, SMOOTH)
        thin = curve[:: max(1, len(curve) // 100)] + curve[-1:]
        self.session.curves = [
            (self.recipe, self._name(len(self.session.history)), thin),
            *self.session.curves,
        ]
        return self.outcome

    def status(self) -> str:
        step = self.run.last
        whole = f"{step.elapsed_s:.1f} of {self.recipe.seconds:g} s, step {step.step:,}"
        if not self.timed:
            whole = f"step {step.step:,} of {self.recipe.steps or self.recipe.defaults.steps:,}, {step.elapsed_s:.1f} s"
        return f"{whole} · loss {step.loss_nats:.3f} nats · {report.short(step.tokens_per_s)} tokens/s"

    def chart(self) -> str:
        own = self._name(len(self.session.history) + (self.outcome is None))
        earlier = [
            (name, points)
            for recipe, name, points in self.session.curves
            if name != own and recipe.task == self.recipe.task and (recipe.seconds > 0) == self.timed
        ]
        return curve_svg(
            {own: self.points},
            earlier=dict(earlier[:GHOSTS]),
            x_label="seconds of training" if self.timed else "steps",
            y_label=loss_label(self.recipe),
            x_max=self.recipe.seconds if self.timed else self.recipe.steps or self.recipe.defaults.steps,
            floor=self.outcome.floor_nats if self.outcome else 0.0 if self.recipe.task == "shells" else None,
            smooth=SMOOTH,
        )

    def report(self) -> str:
        plot = self.session.plot(self.recipe, self.run.task.headline)
        answers = report.says("What the model says now, on held-out input", self.said)
        return report.pair(plot, answers) + self.session.table()

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

    def __init__(self, session: Session, recipe: Recipe):
        task, self.session, self.recipe, self.recipes, self.impossible = recipe.make_task(), session, recipe, [], []
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
                    self.session.history.append(item.result)
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
            {},
            earlier={f"depth {r.depth}": running_mean(points, SMOOTH_REPORTS) for r, points in self.curves.items()},
            x_label="steps",
            y_label=loss_label(self.recipe),
            x_max=self.recipe.steps or self.recipe.defaults.steps,
        )

    def report(self) -> str:
        plot = self.session.plot(self.recipe, self.headline)
        left_out = "".join(f"<p>depth {depth} left out: {words}</p>" for depth, words in self.impossible)
        return report.pair(plot, left_out) + self.session.table()

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


def file_name(recipe: Recipe) -> str:
    """The same as the name of a folder: shells-depth-4-60k."""
    return re.sub(r"[^\w.]+", "-", label(recipe).replace(",", ""))


def loss_label(recipe: Recipe) -> str:
    """What the loss curve shows; where the sequences grow, the loss rises with them."""
    d = recipe.defaults
    if d.start_length == 1 or recipe.seconds:
        return "training loss (nats)"
    return f"training loss (nats); sequences grow until step {d.full_length_at * (recipe.steps or d.steps):,.0f}"


def _size(recipe: Recipe) -> int | None:
    return recipe.budget if recipe.hold == "budget" else None
