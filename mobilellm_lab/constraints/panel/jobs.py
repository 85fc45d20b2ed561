"""One model decoding beside what its constraints allow, and this machine being measured: chapter 1's two buttons."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mobilellm_lab.charts import report
from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints import (
    Machine,
    Probe,
    ProbePlan,
    Probing,
    Progress,
    Recipe,
    Result,
    Run,
    Speed,
    lab_plan,
)
from mobilellm_lab.constraints.figures.live import access, decode_svg, fit_svg, probes_svg

PROBING, BUILDING = 0.15, 0.25  # shares of the progress bar
COLUMNS = "run, MiB, fits, MB a step, tokens/s here, predicted, on the device, hours".split(", ")
LOOK_S = 0.01  # between two looks at the stop button
UNKNOWN = "unknown"
SMALLEST_MIB, LARGEST_MIB = 2, 256  # working sets that a run measures before it starts


@dataclass
class Session:
    """What was run since the panel was made, and what is known of this machine."""

    machine: Machine | None = None  # None: nothing yet, and a run measures what it needs before it starts
    history: list[Result] = field(default_factory=list)

    def missing(self, recipe: Recipe) -> tuple[ProbePlan, ...]:
        """The probes that a prediction of this recipe needs and that nobody has made yet."""
        kind = {"threads": recipe.threads, "bits": recipe.bits}
        if not recipe.runs_here or (self.machine and not self.machine.lacks(**kind, rows=recipe.batch)):
            return ()
        at = math.log2(max(1, recipe.workload().read_bytes / 2**20))
        around = {min(max(power, SMALLEST_MIB), LARGEST_MIB) for power in (2 ** math.floor(at), 2 ** math.ceil(at))}
        plan = [ProbePlan(name="read", working_set_mib=size, **kind) for size in sorted(around)]
        if recipe.batch > 1:
            plan.append(ProbePlan(name="matmul", rows=recipe.batch, working_set_mib=max(around), **kind))
        return (*plan, ProbePlan(name="dispatch", **kind))

    def learn(self, probes: Sequence[Probe]) -> Machine:
        """Adds probes to what is known of this machine; a new one takes the place of an old one of its plan."""
        known = {_plan(probe): probe for probe in (*(self.machine.probes if self.machine else ()), *probes)}
        self.machine = Machine(probes=tuple(known.values()))
        return self.machine

    def table(self) -> str:
        """HTML of every run, the newest first."""
        rows = [
            (
                label(r.recipe),
                digits(r.fit.total_mib),
                {True: "yes", False: "no", None: UNKNOWN}[r.fit.fits],
                digits(r.decode.bytes_moved / 1e6),
                "not run" if r.tokens_per_s is None else digits(r.tokens_per_s),
                "" if r.predicted is None else digits(r.predicted.tokens_per_s),
                said(r.decode.tokens_per_s),
                span(r.endurance.hours),
            )
            for r in self.history
        ]
        return report.session(COLUMNS, rows)


class Decoding:
    """One recipe decoding for real, as the panel shows it: the job behind Run."""

    def __init__(self, session: Session, recipe: Recipe):
        self.session, self.recipe = session, recipe
        self.run = Run(recipe, session.machine)
        self.points: list[tuple[int, float]] = []
        self.phase, self.outcome = "starting", None

    def __iter__(self) -> Iterator[float]:
        yield from seldom(self._work())
        yield 1.0

    def _work(self) -> Iterator[float]:
        start = 0.0
        if plan := self.session.missing(self.recipe):
            start, self.phase = PROBING, "measuring this machine"
            yield from (PROBING * share for share in self._measure(plan))
            self.run = Run(self.recipe, self.session.machine)
        for progress in self.run:
            self.phase = progress.phase
            if progress.step_ms is not None:
                self.points.append((progress.tokens, 1000 * self.recipe.batch / progress.step_ms))
            yield start + (1 - start) * self._share(progress)
        if not self.recipe.runs_here:
            self.phase = "calculated"

    def _measure(self, plan: tuple[ProbePlan, ...]) -> Iterator[float]:
        limits = {"limit_s": 0.1, "busy_limit_s": 0.2}  # the reader waits for the first point
        probing = Probing(plan, min_samples=3, min_time_s=0.02, **limits)
        yield from probing
        self.session.learn(probing.probes)

    def _share(self, progress: Progress) -> float:
        if progress.phase == "decoding":
            return BUILDING + (1 - BUILDING) * progress.share
        return BUILDING * progress.share

    def result(self) -> Result | None:
        """None where it was stopped before the first token."""
        if self.recipe.runs_here and not self.points:
            return None
        self.outcome = self.run.result()
        self.session.history.append(self.outcome)
        return self.outcome

    def status(self) -> str:
        if not self.points:
            return self.phase
        return (
            f"{self.phase} · {len(self.points)} of {self.recipe.tokens} tokens · {digits(self.points[-1][1])} tokens/s"
        )

    def chart(self) -> str:
        predicted = self.run.predicted
        levels = {
            "predicted here": None if predicted is None else predicted.tokens_per_s,
            self.recipe.device: self.run.decode.tokens_per_s,
        }
        return decode_svg(self.points, levels, x_max=self.recipe.tokens)

    def numbers(self) -> str:
        here = self._here()
        parts = [(f"On {self.recipe.device}, by formula", card_tiles(self.run)), ("On this machine", here)]
        return "".join(f'<div class="lab-heading">{name}</div>{report.tiles(found)}' for name, found in parts if found)

    def _here(self) -> list[tuple[str, str, str]]:
        """What this machine was predicted to do, and did."""
        found = []
        if self.run.predicted is not None:
            predicted = self.run.predicted
            note = f"tokens/s, {predicted.binds} binds"
            found.append(("Predicted", digits(predicted.tokens_per_s), note))
        if self.outcome is None:
            return found + [("Measured", "…", "after decoding")] * self.recipe.runs_here
        if self.outcome.step is None:
            return [*found, ("Measured", "not run", self.outcome.note)]
        step = self.outcome.step
        spread = f"tokens/s (step {digits(step.p10_ms)} to {digits(step.p90_ms)} ms)"
        return [*found, ("Measured", digits(self.outcome.tokens_per_s), spread)]

    def report(self) -> str:
        return report.pair(fit_svg(self.run.fit), f"<p>{self.run.fit}.</p>") + self.session.table()


class Measuring:
    """The probes of this machine, one after the other: the job behind the second button."""

    def __init__(self, session: Session):
        self.session, self.probing = session, Probing(lab_plan())

    def __iter__(self) -> Iterator[float]:
        yield from seldom(self.probing)
        yield 1.0

    def result(self) -> Machine:
        """What later runs are predicted from; after a stop, with the probes that were done."""
        return self.session.learn(self.probing.probes)

    def status(self) -> str:
        probes = self.probing.probes
        if not probes:
            return "measuring"
        where = f" at {probes[-1].working_set_mib:g} MiB" if probes[-1].unit == "GB/s" else ""
        newest = f"{access(probes[-1])}{where}: {digits(probes[-1].median)} {probes[-1].unit}"
        busy = sum(not probe.settled for probe in probes)
        beside = f" · busy machine: {busy} did not settle" if busy else ""
        return f"{len(probes)} of {len(self.probing.plan)} probes · {newest}{beside}"

    def chart(self) -> str:
        return probes_svg(self.probing.probes)

    def numbers(self) -> str:
        """The last probe of each kind: bandwidth at the largest working set, arithmetic with the most vectors."""
        last = {(probe.name, access(probe)): probe for probe in self.probing.probes}
        return report.tiles(
            (
                kind.capitalize(),
                f"{digits(probe.median)} {probe.unit}",
                f"p10 {digits(probe.p10)}, p90 {digits(probe.p90)}",
            )
            for (_, kind), probe in last.items()
        )

    def report(self) -> str:
        return self.session.table()


def seldom(shares: Iterable[float]) -> Iterator[float]:
    """Of shares that follow each other closely one every `LOOK_S`: each that is passed on lets other threads in."""
    looked = time.monotonic()
    for share in shares:
        if time.monotonic() - looked >= LOOK_S:
            yield share
            looked = time.monotonic()


def card_tiles(run: Run) -> list[tuple[str, str, str]]:
    """What the chosen card allows: room, speed, charge."""
    fit, lasts = run.fit, run.endurance
    room = "room unknown" if fit.fits is None else f"of {digits(fit.budget_mib)} for one app"
    return [
        ("In memory", f"{digits(fit.total_mib)} MiB", room),
        ("Decode", said(run.decode.tokens_per_s), f"tokens/s, {_binds(run.decode)}"),
        ("Prefill", said(run.prefill.tokens_per_s), f"tokens/s, {_binds(run.prefill)}"),
        ("Energy", f"{digits(lasts.paper_j_per_token)} J", "a token, the paper's rule"),
        ("Battery", span(lasts.hours), "hours of writing"),
    ]


def _plan(probe: Probe) -> tuple[object, ...]:
    return probe.name, probe.threads, probe.working_set_mib, probe.bits, probe.rows


def _binds(speed: Speed) -> str:
    return "limit unknown" if speed.binds == UNKNOWN else f"{speed.binds} binds"


def said(number: float | None) -> str:
    """Three digits, or unknown."""
    return UNKNOWN if number is None else digits(number)


def span(ends: tuple[float, float] | None) -> str:
    """Both ends in three digits, or unknown."""
    return UNKNOWN if ends is None else f"{digits(ends[0])} to {digits(ends[1])}"


def label(recipe: Recipe) -> str:
    """A recipe in a few words."""
    shape = f"{recipe.depth} × {recipe.width}" if recipe.model == "own" else recipe.model
    words = [shape, f"{recipe.bits} bits", f"context {recipe.context:,}", recipe.device]
    words += [f"batch {recipe.batch}"] * (recipe.batch > 1)
    words += [f"{recipe.threads} threads"] * (recipe.threads > 1)
    return ", ".join(words)
