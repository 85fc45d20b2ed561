"""Training of one recipe, or of five depths of it: the jobs behind the buttons of chapter 2's panel"""

import heapq
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mobilellm_lab import footprint
from mobilellm_lab.charts import report
from mobilellm_lab.charts.live import band_svg, curve_svg, running_mean
from mobilellm_lab.deep_narrow.family import WATCH, WORKERS, Report, train_family
from mobilellm_lab.deep_narrow.recipe import Recipe, Result, Run
from mobilellm_lab.tasks import Task
from mobilellm_lab.training import Step
from mobilellm_lab.workers import WorkerLostError

FAMILY = (1, 2, 4, 8, 12)  # what the five-depth button trains
SMOOTH = 20  # steps of the running mean that is drawn over the raw loss
SMOOTH_REPORTS = 5  # the same for five depths at once, in reports of their workers
NO_LAYERS = 5  # layers that take as long as embedding, loss and update together; seen at 60k parameters
LENGTHS = 50  # points at which the curriculum is added up
GHOSTS = 2  # earlier curves that stay in the chart
ANSWER_EVERY_S, ANSWER_SHARE = 1.0, 20  # while training, answers may cost a twentieth of the time

Reference = Callable[
    [Recipe], Sequence[Sequence[object]]
]  # rows (depth, score, ...) measured for a recipe's task and size
Curve = list[tuple[int | float, float]]
COLUMNS = "run, parameters, FLOP/token, KV B/token, train tokens/s, decode tokens/s, loss, score, guessing".split(", ")


class Session:
    """What was trained since the panel was made, and what it is compared with."""

    def __init__(self, reference: Reference):
        self.reference = reference
        self.history: list[Result] = []
        self.curves: list[tuple[Recipe, str, Curve, Curve]] = []  # score and loss of finished runs, the newest first

    def points(self, recipe: Recipe) -> list[tuple[int, float, str]]:
        """This session's runs of the same task and, where it is held, of the same budget."""
        alike = [r for r in self.history if r.recipe.task == recipe.task and _size(r.recipe) == _size(recipe)]
        return [(r.recipe.depth, r.score, f"depth {r.recipe.depth}: {r.score:.3f}") for r in alike]

    def plot(self, recipe: Recipe, headline: str) -> str:
        """SVG of this session's points over the reference band."""
        where = f"{recipe.budget:,} parameters" if recipe.hold == "budget" else "free width"
        label = f"{headline.replace('_', ' ')} on test, {recipe.task}, {where}"
        levels = {"guessing": guessing(recipe.task, headline)}
        return band_svg(self.points(recipe), self.reference(recipe), y_label=label, levels=levels)

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
                f"{guessing(r.recipe.task, r.headline):.3g}",
            )
            for r in self.history
        ]
        return report.session(COLUMNS, rows)


class Training:
    """One recipe being trained, as the panel shows it: the job behind Run."""

    def __init__(self, session: Session, recipe: Recipe):
        self.session, self.recipe, self.run = session, recipe, Run(recipe, watch=WATCH)
        self.losses: Curve = []
        self.outcome: Result | None = None
        self.said = ""
        self.timed = recipe.seconds > 0  # then the x axis is time

    def __iter__(self) -> Iterator[float]:
        next_answer = time.monotonic()
        for step in self.run:
            self.losses.append((self._x(step), step.loss_nats))
            if time.monotonic() >= next_answer:
                start = time.monotonic()
                self.said = self.run.answers()
                cost = time.monotonic() - start
                next_answer = start + max(ANSWER_EVERY_S, ANSWER_SHARE * cost)
            yield step.progress

    def result(self) -> Result:
        self.outcome, self.said = self.run.result(), self.run.answers()
        self.session.history.append(self.outcome)
        curves = (self._scores, running_mean(self.losses, SMOOTH))
        scores, losses = (curve[:: max(1, len(curve) // 100)] + curve[-1:] for curve in curves)
        name = self._name(len(self.session.history))
        self.session.curves = [(self.recipe, name, scores, losses), *self.session.curves]
        return self.outcome

    def status(self) -> str:
        step = self.run.last
        whole = f"{step.elapsed_s:.1f} of {self.recipe.seconds:g} s, step {step.step:,}"
        if not self.timed:
            whole = f"step {step.step:,} of {self.recipe.steps or self.recipe.defaults.steps:,}, {step.elapsed_s:.1f} s"
        headline, (_, score) = self.run.task.headline, self.run.scores[-1]
        learned = f"{headline.replace('_', ' ')} {score:.3f} (guessing {guessing(self.recipe.task, headline):.3g})"
        return f"{whole} · {learned} · loss {step.loss_nats:.3f} nats · {report.short(step.tokens_per_s)} tokens/s"

    def chart(self) -> str:
        """The held-out score, which says what was learned, above the loss of training."""
        own = self._name(len(self.session.history) + (self.outcome is None))
        earlier = [
            (name, scores, losses)
            for recipe, name, scores, losses in self.session.curves
            if name != own and recipe.task == self.recipe.task and (recipe.seconds > 0) == self.timed
        ][:GHOSTS]
        options = {
            "x_label": "seconds of training" if self.timed else "steps",
            "x_max": self.recipe.seconds if self.timed else self.recipe.steps or self.recipe.defaults.steps,
        }
        score = score_svg(
            {own: self._scores},
            self.run.task,
            earlier={name: scores for name, scores, _ in earlier},
            **options,
        )
        floor_nats = self.outcome.floor_nats if self.outcome else 0.0 if self.recipe.task == "shells" else None
        return score + curve_svg(
            {own: self.losses},
            y_label=loss_label(self.recipe),
            levels={} if floor_nats is None else {"best possible": floor_nats},
            smooth=SMOOTH,
            earlier={name: losses for name, _, losses in earlier},
            **options,
        )

    @property
    def _scores(self) -> Curve:
        return [(self._x(step), score) for step, score in self.run.scores]

    def _x(self, step: Step) -> int | float:
        return step.elapsed_s if self.timed else step.step

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
            (
                name.replace("_", " ").capitalize(),
                f"{value:.3f}",
                f"on test; guessing {guessing(self.recipe.task, name):.3g}",
            )
            for name, value in done.scores.items()
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
        self.task, self.session, self.recipe, self.recipes, self.impossible = (
            recipe.make_task(),
            session,
            recipe,
            [],
            [],
        )
        for depth in FAMILY:
            candidate = replace(recipe, depth=depth)
            try:
                candidate.model_config(self.task)
            except ValueError as error:
                self.impossible.append((depth, str(error)))
            else:
                self.recipes.append(candidate)
        if not self.recipes:
            raise ValueError(self.impossible[0][1])
        self.newest: dict[Recipe, Report] = {}
        self.reports: dict[Recipe, list[Report]] = {r: [] for r in self.recipes}
        self.results: list[Result] = []
        self.start, self.over = time.monotonic(), False

    def __iter__(self) -> Iterator[float]:
        try:
            for news in train_family(self.recipes):
                for item in news:
                    if item.recipe in self.newest and self.newest[item.recipe].result:
                        continue  # a late report of a run that has already ended
                    self.newest[item.recipe] = item
                    self.reports[item.recipe].append(item)
                    if item.result is not None:
                        self.results.append(item.result)
                        self.session.history.append(item.result)
                yield sum(item.progress for item in self.newest.values()) / len(self.recipes)
        except WorkerLostError as error:
            lost = ", ".join(str(recipe.depth) for recipe in self.recipes if not self._finished(recipe))
            raise WorkerLostError(f"{error}. Not trained: depth {lost}; what was finished is kept") from error

    def result(self) -> list[Result]:
        """One for each depth that was finished."""
        self.over = True
        return sorted(self.results, key=lambda result: result.recipe.depth)

    def status(self) -> str:
        states = " · ".join(self._state(recipe) for recipe in self.recipes)
        taken = f"{time.monotonic() - self.start:.0f} s"
        left_s = self.left_s()
        if self.over or not self.newest:
            return f"{taken} · {states}"
        return f"{taken}, about {left_s:.0f} s left · {states}"

    def left_s(self) -> float:
        """Seconds until all depths are trained, from the pace so far.

        A depth that waits is expected from the deepest that has begun, by layers; what is no layer takes as long as
        about five of them.
        """
        if not self.newest:
            return 0.0
        deepest = max(self.newest.values(), key=lambda item: item.recipe.depth)
        per_layer_s = self._whole_s(deepest) / (deepest.recipe.depth + NO_LAYERS)
        free = [0.0] * WORKERS  # when each worker can take the next depth
        for recipe in self.recipes:
            if not self._finished(recipe):
                item = self.newest.get(recipe)
                left = self._whole_s(item) - item.elapsed_s if item else per_layer_s * (recipe.depth + NO_LAYERS)
                heapq.heapreplace(free, free[0] + left)
        return max(free)

    def _whole_s(self, item: Report) -> float:
        """Training time of a recipe from what it took so far; the later steps take longer, as the sequences grow."""
        if self.recipe.seconds:
            return self.recipe.seconds
        length = self.recipe.train_config().length
        done = [length(item.progress * share / LENGTHS) for share in range(LENGTHS)]
        whole = [length(share / LENGTHS) for share in range(LENGTHS)]
        return item.elapsed_s * sum(whole) / max(item.progress * sum(done), 1e-3)

    def _finished(self, recipe: Recipe) -> bool:
        return recipe in self.newest and self.newest[recipe].result is not None

    def _state(self, recipe: Recipe) -> str:
        item = self.newest.get(recipe)
        if self._finished(recipe):
            return f"depth {recipe.depth} {item.score:.3f}"
        if self.over:
            return f"depth {recipe.depth} not finished"
        return f"depth {recipe.depth} " + ("waits" if item is None else f"{item.progress:.0%}")

    def chart(self) -> str:
        reports = {f"depth {recipe.depth}": items for recipe, items in self.reports.items()}
        steps = {"x_label": "steps", "x_max": self.recipe.steps or self.recipe.defaults.steps}
        scores = {name: [(item.step, item.score) for item in items] for name, items in reports.items()}
        losses = {
            name: running_mean([(item.step, item.loss_nats) for item in items if not item.result], SMOOTH_REPORTS)
            for name, items in reports.items()
        }
        score = score_svg({}, self.task, earlier=scores, **steps)
        return score + curve_svg({}, y_label=loss_label(self.recipe), earlier=losses, **steps)

    def report(self) -> str:
        plot = self.session.plot(self.recipe, self.task.headline)
        left_out = "".join(f"<p>depth {depth} left out: {words}</p>" for depth, words in self.impossible)
        return report.pair(plot, left_out) + self.session.table()

    def numbers(self) -> str:
        return ""


def guessing(task: str, score: str) -> float:
    """The value of a score for a uniform guess: one of six states, of six rooms, of 256 bytes."""
    return 8.0 if score == "bits_per_byte" else 1 / (256 if task == "text" else 6)


def score_svg(series: Mapping[str, Curve], task: Task, **options) -> str:
    """An SVG of the headline score on held-out sequences of full length, over a dashed line at guessing."""
    return curve_svg(
        series,
        y_label=f"{task.headline.replace('_', ' ')} on held-out sequences, full length",
        y_range=None if task.name == "text" else (0, 1),  # bits per byte have no best value
        levels={"guessing": guessing(task.name, task.headline)},
        **options,
    )


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
