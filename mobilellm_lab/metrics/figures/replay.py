"""Chapter 7's replays: verdicts of each rule and error of each pitfall, over the stored sweeps"""

from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.metrics.duel import OUTCOMES, RULES
from mobilellm_lab.metrics.study.evidence import duels, pitfalls
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

DUELS = {
    "slowdown": "b slower by",
    "repeats": "pairs",
    "neighbour": "machine",
    "rule": "rule",
    **{name: name for name in OUTCOMES},
    "low": "right, lowest",
    "high": "right, highest",
}
PITFALLS = {
    "pitfall": "what was done",
    "repeat": "repeat",
    "wrong": "wrong",
    "right": "right",
    "unit": "unit",
    "factor": "times",
}
TALL = 290  # eight rows of dots, each below its title
START = {"slowdown": 5, "repeats": 20, "neighbour": False, "rule": "paired interval"}


def duel_replay(store: Store) -> Replay:
    """Share of each outcome, by true slowdown, number of pairs, machine and rule."""
    words = {"slowdown_percent": "slowdown", "right_low": "low", "right_high": "high"}
    rows = duels(store).rename(columns=words)
    sliders = _duel_sliders(rows)
    series = next(iter(store.rows.values()))["series"]
    return Replay(
        (_outcomes(rows, sliders), _power(rows, sliders)),
        sliders,
        rows=rows,
        columns=DUELS,
        origin=str(origin(store)),
        title="Duels with a known truth: shares of right verdicts",
        alt=(
            "Two charts. Bars: the shares of right verdicts, false alarms, missed differences and wrong winners at "
            "the chosen setting. Lines: the share of right verdicts against the true slowdown, the chosen rule with "
            "its lowest to highest series as a band, the other rules faint. The sentence below and the table say the "
            "same in numbers."
        ),
        key="Orange: the chosen setting. Blue: the chosen rule, its band from the lowest to the highest series. "
        "Grey: the other rules.",
        readout=partial(_duel_said, rows, series),
    )


def pitfalls_replay(lies_store: Store) -> Replay:
    """Reported and right number of each pitfall, for every repeat."""
    rows = pitfalls(lies_store)
    titles = rows.drop_duplicates("pitfall").set_index("pitfall")["title"]
    names = tuple(titles.index)
    slider = Slider(column="pitfall", label="Pitfall", values=names, words=tuple(titles), start=names[0])
    return Replay(
        (_told(rows, slider), _factors(rows, slider)),
        (slider,),
        rows=rows,
        columns=PITFALLS,
        origin=str(origin(lies_store)),
        title="Pitfalls of measuring: reported and right number",
        alt=(
            "Two charts. Dots: the wrong and the right number of the chosen demonstration in its own unit, one for "
            "each repeat. Dots on a logarithmic axis: how many times the right number was reported, for all "
            "demonstrations, the chosen one marked. The sentence below and the table say the same in numbers."
        ),
        key="Orange squares: what was reported. Blue circles: the right number. On the right, orange: the chosen one; "
        "a line at 1, where both agree.",
        readout=partial(_pitfall_said, rows),
    )


def _duel_sliders(rows: pd.DataFrame) -> tuple[Slider, Slider, Slider, Slider]:
    slowdowns, repeats = (tuple(sorted(rows[name].unique().tolist())) for name in ("slowdown", "repeats"))
    rules = tuple(rule for rule in RULES if rule in set(rows["rule"]))
    words = {
        "slowdown": ("True slowdown", slowdowns, tuple(f"{s} % slower" if s else "no slower" for s in slowdowns)),
        "repeats": ("Pairs", repeats, tuple(f"{n} pairs" for n in repeats)),
        "neighbour": ("Machine", (False, True), ("quiet", "a busy neighbour")),
        "rule": ("Rule", rules, rules),
    }
    return tuple(
        Slider(column=column, label=label, values=values, words=said, start=START[column])
        for column, (label, values, said) in words.items()
    )


def _duel_said(rows: pd.DataFrame, series: int, *, slowdown: int, repeats: int, neighbour: bool, rule: str) -> str:
    setting = (rows["slowdown"] == slowdown) & (rows["repeats"] == repeats) & (rows["neighbour"] == neighbour)
    row = rows[setting & (rows["rule"] == rule)].iloc[0]
    wrong = ", ".join(f"{name} {row[name]:.0%}" for name in OUTCOMES[1:] if row[name] >= 0.005)
    return (
        f"b truly {f'{slowdown} % slower' if slowdown else 'no slower'}, {repeats} pairs, "
        f"{'a busy neighbour' if neighbour else 'a quiet machine'}, rule “{rule}”: "
        f"right in {row['right']:.0%} of the duels ({row['low']:.0%} to {row['high']:.0%} in {series} series); "
        f"{wrong or 'hardly ever wrong'}."
    )


def _pitfall_said(rows: pd.DataFrame, *, pitfall: str) -> str:
    group = rows[rows["pitfall"] == pitfall].sort_values("factor")
    row = group.iloc[len(group) // 2]  # the repeat in the middle
    title, low, high = row["title"].capitalize(), group["factor"].min(), group["factor"].max()
    return (
        f"{title}. Reported: {row['says_wrong']}. Right: {row['says_right']}. The reported number is "
        f"{low:.3g} to {high:.3g} times the right one ({len(group)} repeats). {row['cure']}"
    )


def _outcomes(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    chosen = " && ".join(slider.chosen for slider in sliders)
    percents = rows[list(OUTCOMES)].mul(100).round().astype(int)  # rounded here, as the sentence rounds
    base = (
        alt.Chart(rows[[slider.column for slider in sliders]].join(percents))
        .transform_filter(chosen)
        .transform_fold(list(OUTCOMES), as_=["outcome", "percent"])
        .transform_calculate(said="datum.percent + '%'")
    )
    axis = alt.Axis(title=None, labelExpr="datum.value + '%'", values=[0, 50, 100])
    x = alt.X("percent:Q", scale=alt.Scale(domain=[0, 115], nice=False), axis=axis)
    words = alt.Axis(title=None, grid=False, ticks=False, minExtent=100)  # wide enough in any font
    y = alt.Y("outcome:N", sort=list(OUTCOMES), axis=words)
    layers = [
        base.mark_bar(color=MARKED, height=22).encode(x=x, y=y),
        base.mark_text(**TEXT, align="left", dx=4).encode(x=x, y=y, text="said:N"),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="verdicts at the chosen setting")


def _power(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    slowdown, repeats, neighbour, rule = sliders
    base = alt.Chart(rows[["slowdown", "repeats", "neighbour", "rule", "right", "low", "high"]])
    base = base.transform_filter(f"{repeats.chosen} && {neighbour.chosen}")
    axis = alt.Axis(title="b is truly slower by, %", values=list(slowdown.values), grid=False)
    x = alt.X("slowdown:Q", scale=alt.Scale(nice=False, padding=10), axis=axis)

    def y(column: str) -> alt.Y:
        scale, axis = alt.Scale(domain=[0, 1], nice=False), alt.Axis(title=None, format=".0%", tickCount=5)
        return alt.Y(f"{column}:Q", scale=scale, axis=axis)

    mine = base.transform_filter(rule.chosen)
    layers = [
        base.transform_filter(f"!({rule.chosen})")
        .mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2)
        .encode(x=x, y=y("right"), detail="rule:N"),
        mine.mark_area(color=CHOSEN, opacity=0.2).encode(x=x, y=y("low"), y2="high:Q"),
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y("right")),
        mine.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x=x, y=y("right")),
        mine.transform_filter(slowdown.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y("right")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="right verdicts, by true slowdown")


def _told(rows: pd.DataFrame, slider: Slider) -> alt.LayerChart:
    base = alt.Chart(rows[["pitfall", "wrong", "right"]]).transform_filter(slider.chosen)
    base = base.transform_fold(["wrong", "right"], as_=["which", "value"])
    x = alt.X("value:Q", scale=alt.Scale(zero=True, padding=12), axis=alt.Axis(title=None, tickCount=5, grid=False))
    words = alt.Axis(title=None, ticks=False, minExtent=50)
    y = alt.Y("which:N", sort=["wrong", "right"], axis=words)
    layers = [
        base.transform_filter(f"datum.which === '{which}'").mark_point(**look, size=110, opacity=0.8).encode(x=x, y=y)
        for which, look in {
            "wrong": {"color": MARKED, "shape": "square", "filled": True},
            "right": {"color": CHOSEN, "shape": "circle", "filled": True},
        }.items()
    ]
    return alt.layer(*layers).properties(height=TALL, title="wrong and right, in its own unit")


def _factors(rows: pd.DataFrame, slider: Slider) -> alt.LayerChart:
    base = alt.Chart(rows[["pitfall", "title", "factor"]])
    decades = alt.Axis(title=None, grid=False, values=[0.1, 1, 10, 100], format="~g")
    x = alt.X("factor:Q", scale=alt.Scale(type="log", padding=12), axis=decades)
    y = alt.Y("title:N", sort=list(slider.words), axis=None)  # the titles stand above their dots, whatever the font
    dots = base.mark_point(shape="square", filled=True, color=FAINT, size=50, opacity=0.8)
    chosen = base.mark_point(shape="square", filled=True, color=MARKED, size=90, opacity=1)
    lines = alt.Chart(rows[["title"]].drop_duplicates().assign(factor=1))
    layers = [
        lines.mark_tick(color=FAINT, size=14, thickness=2).encode(x=x, y=y),  # below the title, which it would cross
        lines.mark_text(**TEXT, align="left", dy=-16).encode(x=alt.value(0), y=y, text="title:N"),
        dots.transform_filter(f"!({slider.chosen})").encode(x=x, y=y),
        chosen.transform_filter(slider.chosen).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=TALL, title="reported / right")
