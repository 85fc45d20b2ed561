"""Replays of chapter 2: accuracy by depth at four budgets, and decode speed by depth"""

import math
from dataclasses import dataclass
from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.deep_narrow.study.evidence import curves, reported, speeds
from mobilellm_lab.deep_narrow.study.sweep import Arm, arms
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

GUESSING = 1 / 6
LANDING = (60_000, 100_000, 200_000)  # budgets on the first page: less the one that the chapter lets readers predict
SHAPE = {"depth": "layers", "dim": "dim", "hidden_dim": "FFN", "parameters": "parameters"}
QUALITY = (
    {"budget": "budget"}
    | SHAPE
    | {"flops_per_token": "FLOPs per token", "kv_bytes_per_token": "KV bytes per token", "lr": "learning rate"}
    | {"median": "accuracy, median", "low": "lowest", "high": "highest"}
)
COST = (
    {"budget": "budget"}
    | SHAPE
    | {"p50": "tokens/s, median", "p10": "p10", "p90": "p90", "times_slower": "times slower"}
)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The stored runs on shells, in the shapes that the charts need."""

    settings: pd.DataFrame  # a row per budget and depth: shape, rate, median, low and high accuracy
    runs: pd.DataFrame  # a row per seed: budget, depth, seed, score
    curves: pd.DataFrame  # a row per seed and step
    rates: int  # learning rates from which each depth chose its best

    @property
    def sliders(self) -> tuple[Slider, Slider]:
        depths = tuple(sorted(self.settings["depth"].unique().tolist()))
        budgets = tuple(sorted(self.settings["budget"].unique().tolist()))
        return (
            Slider(
                column="depth",
                label="Depth",
                values=depths,
                words=tuple(f"{depth} layer" + "s" * (depth > 1) for depth in depths),
                start=4,
            ),
            Slider(
                column="budget",
                label="Budget",
                values=budgets,
                words=tuple(f"{short(budget)} parameters" for budget in budgets),
                start=60_000,
            ),
        )

    def row(self, *, depth: int, budget: int) -> pd.Series:
        return self.settings.set_index(["budget", "depth"]).loc[(budget, depth)]


def short(budget: int) -> str:
    """60k, 1M, 125M."""
    return f"{budget / 1e6:g}M" if budget >= 1e6 else f"{budget / 1e3:g}k"


def shells_arms() -> list[Arm]:
    """The arms of the sweep over depth and budget on shells."""
    return [arm for arm in arms() if arm.study == "depth" and arm.recipe.task == "shells"]


def quality(store: Store, plan: list[Arm] | None = None) -> Quality:
    """The runs of `plan` (None takes `shells_arms`).

    Raises:
        ValueError: a run of the plan is not in the store.
    """
    plan = shells_arms() if plan is None else plan
    runs = reported(store, plan)
    shape = ["dim", "hidden_dim", "parameters", "flops_per_token", "kv_bytes_per_token", "lr"]
    groups = runs.groupby(["budget", "depth"])
    settings = groups[shape].first().join(groups["score"].agg(median="median", low="min", high="max")).reset_index()
    learning = pd.concat(
        curves(store, [arm for arm in plan if arm.recipe.budget == budget]).assign(budget=budget)
        for budget in settings["budget"].unique().tolist()
    )
    return Quality(
        settings=settings,
        runs=runs[["budget", "depth", "seed", "score"]],
        curves=learning[["budget", "depth", "seed", "step", "score"]],
        rates=len(plan[0].rates),
    )


def quality_replay(store: Store, plan: list[Arm] | None = None) -> Replay:
    """Accuracy against depth, and learning curves, for every measured depth and budget on shells."""
    data = quality(store, plan)
    return Replay(
        (_by_depth(data, HEIGHT), _learning(data)),
        data.sliders,
        rows=data.settings,
        columns=QUALITY,
        origin=str(origin(store)),
        title="Depth at a fixed number of parameters, on the shell game",
        alt=(
            "Two charts. Accuracy against depth: the median over three seeds as a line, lowest to highest as a band, "
            "other budgets faint, the chosen depth marked. Accuracy against training steps: the three seeds of the "
            "chosen setting, other depths faint. The sentence below and the table say the same in numbers."
        ),
        key="Blue: the chosen budget, a dot for each seed. Orange: the chosen setting. Grey: other budgets or depths.",
        readout=partial(_quality_said, data),
    )


def landing_replay(store: Store) -> Replay:
    """The first chart of `quality_replay` alone, of the budgets of `LANDING`, with a short sentence."""
    data = quality(store, [arm for arm in shells_arms() if arm.recipe.budget in LANDING])

    def said(*, depth: int, budget: int) -> str:
        row = data.row(depth=depth, budget=budget)
        return (
            f"{_layers(depth)}, each {row['dim']:.0f} wide, {short(budget)} parameters: "
            f"right {row['median']:.0%} of the time; guessing is right {GUESSING:.0%}."
        )

    return Replay(
        (_by_depth(data, 200),),
        data.sliders,
        rows=data.settings,
        columns=QUALITY,
        origin=str(origin(store)),
        title="The same number of parameters: how many layers?",
        alt=(
            "Accuracy on the shell game against depth: the median over three seeds as a line, lowest to highest as "
            "a band, other budgets faint, the chosen depth marked. "
            "The sentence below and the table say the same in numbers."
        ),
        key="Blue: the chosen budget, a dot for each seed. Orange: the chosen depth. Grey: other budgets.",
        readout=said,
    )


def cost_replay(cost_store: Store) -> Replay:
    """Decoding speed by depth for every measured budget, and how much slower than the shallowest shape."""
    rows = speeds(cost_store)
    fastest = rows.groupby("budget")["p50"].transform("first")
    rows["times_slower"] = fastest / rows["p50"]
    rows["name"] = rows["budget"].map(short)
    rows = rows.assign(relative=rows["p50"] / fastest, low=rows["p10"] / fastest, high=rows["p90"] / fastest)
    budgets = tuple(sorted(rows["budget"].unique().tolist()))
    slider = Slider(
        column="budget",
        label="Budget",
        values=budgets,
        words=tuple(f"{short(budget)} parameters" for budget in budgets),
        start=budgets[0],
    )

    def said(*, budget: int) -> str:
        group = rows[rows["budget"] == budget]
        shallow, deep = group.iloc[0], group.iloc[-1]
        return (
            f"At {short(budget)} parameters {_layers(int(shallow['depth']))} {_decode(int(shallow['depth']))} "
            f"{_speed(shallow['p50'])} tokens/s, {_layers(int(deep['depth']))} {_speed(deep['p50'])} "
            f"(p10 to p90 {_speed(deep['p10'])} to {_speed(deep['p90'])}, {deep['rounds']} rounds): "
            f"{deep['times_slower']:.1f} times slower."
        )

    return Replay(
        (_speeds(rows, slider), _relative(rows, slider)),
        (slider,),
        rows=rows,
        columns=COST,
        origin=str(origin(cost_store)),
        title="Decode speed by depth",
        alt=(
            "Two charts. Tokens per second against depth for the chosen budget, bars from p10 to p90. Speed relative "
            "to the shallowest shape for all budgets, the chosen one marked: the larger the model, the flatter the "
            "line. The sentence below and the table say the same in numbers."
        ),
        key="Bars from p10 to p90. Orange: the chosen budget. Grey: the other budgets.",
        readout=said,
    )


def _layers(depth: int) -> str:
    return f"{depth} layer" + "s" * (depth > 1)


def _decode(depth: int) -> str:
    return "decode" if depth > 1 else "decodes"


def _speed(tokens_per_s: float) -> str:
    return f"{tokens_per_s:,.0f}" if tokens_per_s >= 100 else f"{tokens_per_s:.1f}"


def _quality_said(data: Quality, *, depth: int, budget: int) -> str:
    row = data.row(depth=depth, budget=budget)
    seeds = len(data.runs.query("depth == @depth and budget == @budget"))
    return (
        f"{_layers(depth)}, {row['dim']:.0f} wide, FFN {row['hidden_dim']:.0f}: {row['parameters']:,.0f} parameters, "
        f"{row['flops_per_token']:,.0f} FLOPs and {row['kv_bytes_per_token']:,.0f} bytes of KV cache per token. "
        f"Accuracy {row['median']:.2f} (median of {seeds} seeds, {row['low']:.2f} to {row['high']:.2f}; guessing "
        f"{GUESSING:.2f}), at a learning rate of {row['lr']:g}, the best of {data.rates}."
    )


def _depth_axis(depths: list[int], title: str = "layers") -> alt.X:
    scale = alt.Scale(type="log", base=2, domain=[min(depths), max(depths)], nice=False, padding=10)
    return alt.X("depth:Q", scale=scale, axis=alt.Axis(title=title, values=depths, grid=False, format="d"))


def _accuracy(top: float, column: str = "score") -> alt.Y:
    axis = alt.Axis(title=None, tickCount=5, format=".1f")
    return alt.Y(f"{column}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def _guessing(top: float) -> list[alt.Chart]:
    base = alt.Chart(alt.InlineData(values=[{"score": GUESSING, "word": "guessing"}])).encode(y=_accuracy(top))
    return [
        base.mark_rule(color=FAINT, strokeDash=[4, 3]),
        base.mark_text(**TEXT, align="right", baseline="top", dy=4).encode(x=alt.value("width"), text="word:N"),
    ]


def _by_depth(data: Quality, height: int) -> alt.LayerChart:
    depth, budget = data.sliders
    top = _next_tenth(data.runs["score"].max())
    medians = alt.Chart(data.settings[["budget", "depth", "median", "low", "high"]])
    runs = alt.Chart(data.runs)
    x, median, score = _depth_axis(list(depth.values)), _accuracy(top, "median"), _accuracy(top)
    mine = medians.transform_filter(budget.chosen)
    layers = [
        medians.transform_filter(f"!({budget.chosen})")
        .mark_line(color=FAINT, opacity=0.5, strokeWidth=1.2)
        .encode(x=x, y=median, detail="budget:N"),
        mine.mark_area(color=CHOSEN, opacity=0.2).encode(x=x, y=_accuracy(top, "low"), y2="high:Q"),
        *_guessing(top),
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=median),
        runs.transform_filter(budget.chosen).mark_circle(color=CHOSEN, size=28, opacity=0.9).encode(x=x, y=score),
        runs.transform_filter(f"{budget.chosen} && {depth.chosen}")
        .mark_circle(color=MARKED, size=80, opacity=1)
        .encode(x=x, y=score),
    ]
    return alt.layer(*layers).properties(height=height, title="accuracy after 500 steps")


def _learning(data: Quality) -> alt.LayerChart:
    depth, budget = data.sliders
    top = _next_tenth(data.curves["score"].max())
    medians = data.curves.groupby(["budget", "depth", "step"], as_index=False)["score"].median()
    x, y = alt.X("step:Q", axis=alt.Axis(title="training steps", grid=False, tickCount=5)), _accuracy(top)
    mine = alt.Chart(data.curves).transform_filter(f"{budget.chosen} && {depth.chosen}")
    layers = [
        alt.Chart(medians)
        .transform_filter(f"{budget.chosen} && !({depth.chosen})")
        .mark_line(color=FAINT, opacity=0.5, strokeWidth=1.2)
        .encode(x=x, y=y, detail="depth:N"),
        *_guessing(top),
        mine.mark_line(color=MARKED, strokeWidth=2).encode(x=x, y=y, detail="seed:N"),
        mine.mark_circle(color=MARKED, size=22, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="accuracy while it learns")


def _next_tenth(value: float) -> float:
    return (math.floor(10 * value) + 1) / 10


def _speeds(rows: pd.DataFrame, slider: Slider) -> alt.LayerChart:
    base = alt.Chart(rows[["budget", "depth", "p10", "p50", "p90"]]).transform_filter(slider.chosen)
    x = _depth_axis(_ticks(rows))

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, tickCount=5, format=",d"))

    layers = [
        base.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y("p50")),
        base.mark_rule(color=CHOSEN, strokeWidth=2).encode(x=x, y=y("p10"), y2="p90:Q"),
        base.mark_circle(color=CHOSEN, size=60, opacity=1).encode(x=x, y=y("p50")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="tokens per second")


def _relative(rows: pd.DataFrame, slider: Slider) -> alt.LayerChart:
    base = alt.Chart(rows[["budget", "name", "depth", "relative", "low", "high"]])
    x = _depth_axis(_ticks(rows))

    def y(column: str) -> alt.Y:
        scale = alt.Scale(domain=[0, _next_tenth(rows["high"].max())], nice=False)
        return alt.Y(f"{column}:Q", scale=scale, axis=alt.Axis(title=None, tickCount=5, format=".1f"))

    mine = base.transform_filter(slider.chosen)
    ends = alt.Chart(rows.groupby("budget", as_index=False).last()[["budget", "name", "depth", "relative"]])
    names = {"align": "right", "dx": -3, "dy": 14} | TEXT
    layers = [
        base.transform_filter(f"!({slider.chosen})")
        .mark_line(color=FAINT, opacity=0.5, strokeWidth=1.2, point={"color": FAINT, "size": 18})
        .encode(x=x, y=y("relative"), detail="budget:N"),
        mine.mark_line(color=MARKED, strokeWidth=2.5).encode(x=x, y=y("relative")),
        mine.mark_rule(color=MARKED, strokeWidth=2).encode(x=x, y=y("low"), y2="high:Q"),
        mine.mark_circle(color=MARKED, size=60, opacity=1).encode(x=x, y=y("relative")),
        ends.mark_text(**names).encode(x=x, y=y("relative"), text="name:N"),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="speed, shallowest shape = 1")


def _ticks(rows: pd.DataFrame) -> list[int]:
    """Depths that stand far enough apart to be read."""
    ticks: list[int] = []
    for depth in sorted(rows["depth"].unique().tolist()):
        if not ticks or depth >= 1.6 * ticks[-1]:
            ticks.append(depth)
    return [*ticks[:-1], int(rows["depth"].max())]
