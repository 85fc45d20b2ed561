"""Replay of CSR products beside dense ones, by the share of zeros and the shape"""

import math
from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.pruning.figures.words import percent
from mobilellm_lab.pruning.kernels import INDEX
from mobilellm_lab.pruning.study.evidence_speed import csr_crossovers, product_speeds
from mobilellm_lab.pruning.study.speed import KERNEL_BATCHES, KERNEL_SHAPES, SPARSITIES
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

COLUMNS = {
    "shape": "outputs x inputs",
    "format": "indices",
    "batch": "inputs",
    "sparsity": "zeros",
    "speedup": "× dense",
    "low": "at least",
    "high": "at most",
    "verdict": "verdict",
}


def csr_replay(speed_store: Store) -> Replay:
    """Speed of a product with a CSR matrix beside the dense one over its share of zeros, by shape."""
    rows = product_speeds(speed_store).rename(columns={"speedup_low": "low", "speedup_high": "high"})
    rows["high"] = rows["high"].fillna(rows["speedup"])  # the interval has no upper end
    pays = csr_crossovers(speed_store).set_index(["shape", "format", "batch"])["sparsity"]
    sliders = (
        _slider("shape", "Matrix", KERNEL_SHAPES, KERNEL_SHAPES, KERNEL_SHAPES[0]),
        _slider("sparsity", "Zeros", SPARSITIES, map(percent, SPARSITIES), 0.9),
        _slider("format", "Indices", tuple(INDEX), (form.removeprefix("csr ") for form in INDEX), "csr int32"),
        _slider("batch", "Inputs", KERNEL_BATCHES, map(str, KERNEL_BATCHES), 1),
    )
    return Replay(
        (_lines(rows, sliders), _shapes(rows, sliders)),
        sliders,
        rows=rows,
        columns=COLUMNS,
        origin=str(origin(speed_store)),
        title="When does a sparse matrix multiply faster? CSR beside dense",
        alt=(
            "Two charts with the speed of a CSR product in times of the dense one, on a logarithmic axis. Against the "
            "share of zeros: the chosen shape with the band of its interval, the others faint, and a line where "
            "nothing is gained. At the chosen share: all shapes with their intervals. The sentence below and the table "
            "say the same in numbers."
        ),
        key="Blue: the chosen matrix with its 95 % interval. Orange: the chosen setting. Grey: the others.",
        readout=partial(_said, rows, pays),
    )


def _said(rows: pd.DataFrame, pays: pd.Series, *, shape: str, sparsity: float, format: str, batch: int) -> str:
    own = rows[(rows["shape"] == shape) & (rows["format"] == format) & (rows["batch"] == batch)]
    row, flip = own[own["sparsity"] == sparsity].iloc[0], pays[shape, format, batch]
    where = "At no share that was measured is it faster." if math.isnan(flip) else f"It is from {percent(flip)} on."
    return (
        f"{shape}, {percent(sparsity)} zeros, {format.removeprefix('csr ')} indices, {batch} "
        f"input{'s' * (batch > 1)}: {row['speedup']:.2f} times as fast as dense ({row['low']:.2f} to "
        f"{row['high']:.2f}: {row['verdict']}). {where}"
    )


def _slider(column: str, label: str, values: tuple, words: object, start: object) -> Slider:
    return Slider(column=column, label=label, values=values, words=tuple(words), start=start)


def _scale() -> dict:
    """Scale and axis of a speedup."""
    axis = alt.Axis(title=None, values=[1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64], format="~g")
    return {"scale": alt.Scale(type="log", base=2, nice=False, padding=6), "axis": axis}


def _base(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.Chart:
    *_, form, batch = sliders
    chosen = rows[[*COLUMNS][:-1]]
    return alt.Chart(chosen).transform_filter(f"{form.chosen} && {batch.chosen}")


def _lines(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    shape, sparsity, *_ = sliders
    base = _base(rows, sliders)
    mine, others = base.transform_filter(shape.chosen), base.transform_filter(f"!({shape.chosen})")
    axis = alt.Axis(title="zeros", grid=False, format="~%", values=list(SPARSITIES[:5]) + [0.99])
    x = alt.X("sparsity:Q", scale=alt.Scale(domain=[min(SPARSITIES), 1], nice=False, padding=10), axis=axis)
    y = alt.Y("speedup:Q", **_scale())
    one = alt.Chart(alt.InlineData(values=[{"speedup": 1}])).mark_rule(color=FAINT, strokeDash=[5, 3], strokeWidth=1.5)
    layers = [
        others.mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2).encode(x=x, y=y, detail="shape:N"),
        one.encode(y=y),
        mine.mark_area(color=CHOSEN, opacity=0.25).encode(x=x, y=alt.Y("low:Q", **_scale()), y2="high:Q"),
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y),
        mine.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x=x, y=y),
        mine.transform_filter(sparsity.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="times as fast as dense")


def _shapes(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    shape, sparsity, *_ = sliders
    here = _base(rows, sliders).transform_filter(sparsity.chosen)
    x, low = alt.X("speedup:Q", **_scale()), alt.X("low:Q", **_scale())
    y = alt.Y("shape:N", sort=list(shape.values), axis=None)  # names stand above their dots, whatever the font
    words = pd.DataFrame({"shape": shape.values})
    one = alt.Chart(alt.InlineData(values=[{"speedup": 1}])).mark_rule(color=FAINT, strokeDash=[5, 3], strokeWidth=1.5)
    layers = [
        alt.Chart(words).mark_text(**TEXT, align="left", dy=-16).encode(x=alt.value(0), y=y, text="shape:N"),
        one.encode(x=x),
        here.mark_rule(color=FAINT, strokeWidth=2).encode(x=low, x2="high:Q", y=y),
        here.transform_filter(f"!({shape.chosen})").mark_circle(color=FAINT, size=60, opacity=1).encode(x=x, y=y),
        here.transform_filter(shape.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="all shapes at this share")
