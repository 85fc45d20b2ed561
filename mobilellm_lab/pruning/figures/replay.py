"""Replays of one-shot pruning: by importance, by granularity, by calibration"""

from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.charts.report import digits
from mobilellm_lab.pruning.figures.words import COMPARE_WORDS, GRANULARITY_WORDS, IMPORTANCE_WORDS, percent
from mobilellm_lab.pruning.study.evidence import runs
from mobilellm_lab.pruning.study.recipe import COMPARED, DATA_DRIVEN
from mobilellm_lab.pruning.study.sweep import AMOUNTS, DEEP, GRAIN_AMOUNTS, GRAINS, RANKED, SEQUENCES
from mobilellm_lab.quantization.study.evidence import spread
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

LEAST_INCREASE = 1e-3  # nats; what is closer to the dense model, or better, is drawn here
NATS = ("loss_increase", "low", "high")
SPREAD = {"median": "loss_increase", "min": "low", "max": "high", "count": "seeds"}
MEASURED = {
    "loss_increase": "loss increase, nats",
    "low": "lowest",
    "high": "highest",
    "score": "two-hop, or bits/byte",
}
KEY = (
    "Blue: the chosen line, its band from lowest to highest. Orange: the chosen setting. Grey: the others. A loss "
    f"increase below {LEAST_INCREASE:g} nats is drawn there."
)
SAME = "The sentence below and the table say the same in numbers."


def settings(frame: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """A row per setting: the median of loss increase, score and KiB on disk, and its lowest and highest loss increase.

    They are over three seeds where something is drawn, else over four parts of the test sequences.
    """
    middle = frame.groupby(setting)[["score", "on_disk_bytes"]].median()
    table = spread(frame, setting).rename(columns=SPREAD).join(middle, on=setting)
    return table.assign(kib=table["on_disk_bytes"] / 1024)


def importance_replay(store: Store) -> Replay:
    """Loss increase by amount of single weights, for every measured importance and both comparison groups."""
    setting = ["model", "amount", "importance", "compare"]
    rows = settings(runs(store, "grid"), setting)
    sliders = (
        _slider("model", "Model", DEEP, DEEP, DEEP[0]),
        _slider("amount", "Amount", AMOUNTS, map(percent, AMOUNTS), 0.7),
        _slider("importance", "Importance", RANKED, map(IMPORTANCE_WORDS.get, RANKED), "wanda"),
        _slider("compare", "Compared", COMPARED, map(COMPARE_WORDS.get, COMPARED), "row"),
    )
    model, amount, importance, compare = sliders
    base = _base(rows, setting).transform_filter(f"{model.chosen} && {compare.chosen}")
    top = rows["high"].max()
    return Replay(
        (_lines(base, _shares(AMOUNTS), importance, amount, top), _ways(base, importance, amount, top)),
        sliders,
        rows=rows,
        columns={"model": "model", "amount": "amount", "importance": "importance", "compare": "compared", **MEASURED},
        origin=str(origin(store)),
        title="Loss increase by amount and importance of single weights",
        alt=(
            "Two charts with the loss increase over the dense model on a logarithmic axis. Against the amount: the "
            "chosen importance with its spread, the others faint. At the chosen amount: all importances with their "
            f"spread. {SAME}"
        ),
        key=KEY,
        readout=partial(_importance_said, rows),
    )


def _importance_said(rows: pd.DataFrame, *, model: str, amount: float, importance: str, compare: str) -> str:
    row = _row(rows, model=model, amount=amount, importance=importance, compare=compare)
    how = f"{percent(amount)} of the weights by {IMPORTANCE_WORDS[importance]}, {COMPARE_WORDS[compare]}"
    return f"{model}, {how}: {_said(row)}."


def granularity_replay(store: Store) -> Replay:
    """Loss increase by amount for every granularity, from single weights to whole layers."""
    setting = ["model", "amount", "granularity"]
    rows = settings(runs(store, "grains"), setting)
    sliders = (
        _slider("model", "Model", DEEP, DEEP, DEEP[0]),
        _slider("amount", "Amount", GRAIN_AMOUNTS, map(percent, GRAIN_AMOUNTS), 0.25),
        _slider("granularity", "Granularity", GRAINS, map(GRANULARITY_WORDS.get, GRAINS), "neuron"),
    )
    model, amount, granularity = sliders
    base = _base(rows, [*setting, "kib"]).transform_filter(model.chosen)
    sizes = alt.X(
        "kib:Q",
        scale=alt.Scale(zero=False, padding=10),
        axis=alt.Axis(title="KiB on disk", grid=False, format=",d", tickCount=5),
    )
    top = rows["high"].max()
    return Replay(
        (
            _lines(base, _shares(GRAIN_AMOUNTS), granularity, amount, top),
            _lines(base, sizes, granularity, amount, top, title="the same by size"),
        ),
        sliders,
        rows=rows,
        columns={"model": "model", "amount": "amount", "granularity": "granularity", **MEASURED, "kib": "KiB on disk"},
        origin=str(origin(store)),
        title="Loss increase by granularity",
        alt=(
            "Two charts with the loss increase over the dense model on a logarithmic axis, against the amount and "
            f"against kibibytes on disk: the chosen granularity with its spread, the others faint. {SAME}"
        ),
        key=KEY,
        readout=partial(_granularity_said, rows),
    )


def _granularity_said(rows: pd.DataFrame, *, model: str, amount: float, granularity: str) -> str:
    row = _row(rows, model=model, amount=amount, granularity=granularity)
    what = f"{percent(amount)} of the {GRANULARITY_WORDS[granularity]}"
    return f"{model}, {what}: {_said(row)}; {digits(row['kib'])} KiB on disk."


def calibration_replay(store: Store) -> Replay:
    """Loss increase by the number of calibration sequences, for every importance that looks at data."""
    setting = ["model", "sequences", "importance"]
    rows = settings(runs(store, "sequences"), setting)
    sliders = (
        _slider("model", "Model", DEEP, DEEP, DEEP[0]),
        _slider("sequences", "Calibration", SEQUENCES, map(_sequences, SEQUENCES), 16),
        _slider("importance", "Importance", DATA_DRIVEN, map(IMPORTANCE_WORDS.get, DATA_DRIVEN), "wanda"),
    )
    model, sequences, importance = sliders
    base, top = _base(rows, setting).transform_filter(model.chosen), rows["high"].max()
    scale = alt.Scale(type="log", base=2, domain=[min(SEQUENCES), max(SEQUENCES)], nice=False, padding=10)
    x = alt.X("sequences:Q", scale=scale, axis=_axis("calibration sequences", "d", SEQUENCES))
    return Replay(
        (_lines(base, x, importance, sequences, top), _ways(base, importance, sequences, top)),
        sliders,
        rows=rows,
        columns={"model": "model", "sequences": "sequences", "importance": "importance", **MEASURED},
        origin=str(origin(store)),
        title="Loss increase by calibration sequences, half of each output row removed",
        alt=(
            "Two charts with the loss increase over the dense model on a logarithmic axis. Against the number of "
            "calibration sequences: the chosen importance with its spread, the others faint. At the chosen number: all "
            f"of them with their spread. {SAME}"
        ),
        key=KEY,
        readout=partial(_calibration_said, rows),
    )


def _calibration_said(rows: pd.DataFrame, *, model: str, sequences: int, importance: str) -> str:
    row = _row(rows, model=model, sequences=sequences, importance=importance)
    how = f"half of each row by {IMPORTANCE_WORDS[importance]}, calibrated on {_sequences(sequences)}"
    return f"{model}, {how}: {_said(row)}."


def _sequences(count: int) -> str:
    return f"{count} sequence" + "s" * (count > 1)


def _row(rows: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.iloc[0]


def _said(row: pd.Series) -> str:
    over = f"{row['seeds']:.0f} seeds" if row["seeds"] > 1 else "four parts of the test"
    answers = (
        f"two-hop answers {row['score']:.3f}" if "stories" in row["model"] else f"{row['score']:.3f} bits per byte"
    )
    spread = f"({row['low']:+.4f} to {row['high']:+.4f}, {over})"
    return f"the loss is {row['loss_increase']:+.4f} nats beside dense {spread}, {answers}"


def _slider(column: str, label: str, values: tuple, words: object, start: object) -> Slider:
    return Slider(column=column, label=label, values=values, words=tuple(words), start=start)


def _base(rows: pd.DataFrame, columns: list[str]) -> alt.Chart:
    """What the charts need; a loss increase that a logarithm cannot show lies at the edge."""
    chosen = rows[[*columns, *NATS]]
    return alt.Chart(chosen.assign(**{name: chosen[name].clip(lower=LEAST_INCREASE).round(6) for name in NATS}))


def _axis(title: str | None, form: str, values: tuple = ()) -> alt.Axis:
    return alt.Axis(title=title, grid=False, format=form, **({"values": list(values)} if values else {}))


def _shares(amounts: tuple[float, ...]) -> alt.X:
    scale = alt.Scale(domain=[min(amounts), max(amounts)], nice=False, padding=10)
    return alt.X("amount:Q", scale=scale, axis=_axis("removed", "~%", amounts))


def _logarithmic(top: float) -> dict:
    """Scale and axis of a loss increase."""
    decades = [LEAST_INCREASE * 10**power for power in range(6) if LEAST_INCREASE * 10**power <= top]
    scale = alt.Scale(type="log", domain=[LEAST_INCREASE, top], clamp=True, nice=False)
    return {"scale": scale, "axis": alt.Axis(title=None, values=decades, format="~g")}


def _lines(
    base: alt.Chart,
    x: alt.X,
    line: Slider,
    marked: Slider,
    top: float,
    *,
    title: str = "loss increase over dense, nats",
) -> alt.LayerChart:
    """The chosen line with its band and points, one of them marked, and the other lines faint."""
    mine, others = base.transform_filter(line.chosen), base.transform_filter(f"!({line.chosen})")
    y = alt.Y("loss_increase:Q", **_logarithmic(top))
    layers = [
        others.mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2).encode(x=x, y=y, detail=f"{line.column}:N"),
        mine.mark_area(color=CHOSEN, opacity=0.2).encode(x=x, y=alt.Y("low:Q", **_logarithmic(top)), y2="high:Q"),
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y),
        mine.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x=x, y=y),
        mine.transform_filter(marked.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title=title)


def _ways(base: alt.Chart, line: Slider, marked: Slider, top: float) -> alt.LayerChart:
    """A row for every line at the marked value: its spread, and its name above."""
    here = base.transform_filter(marked.chosen)
    x = alt.X("loss_increase:Q", **_logarithmic(top))
    y = alt.Y(f"{line.column}:N", sort=list(line.values), axis=None)  # names stand above their dots, whatever the font
    words = pd.DataFrame({line.column: line.values, "words": line.words})
    layers = [
        alt.Chart(words).mark_text(**TEXT, align="left", dy=-16).encode(x=alt.value(0), y=y, text="words:N"),
        here.mark_rule(color=FAINT, strokeWidth=2).encode(x=alt.X("low:Q", **_logarithmic(top)), x2="high:Q", y=y),
        here.transform_filter(f"!({line.chosen})").mark_circle(color=FAINT, size=60, opacity=1).encode(x=x, y=y),
        here.transform_filter(line.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="all of them at this setting, nats")
