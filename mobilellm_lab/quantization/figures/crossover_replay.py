"""Replay of decode speed and file size, by backend and model size"""

from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.quantization import BACKENDS, CROSSOVER_SIZES, crossover_size
from mobilellm_lab.quantization.study.evidence import speeds
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

COLUMNS = {
    "backend": "backend",
    "size": "model",
    "speedup": "× float32",
    "low": "at least",
    "high": "at most",
    "verdict": "verdict",
    "tokens_per_s": "tokens/s",
    "file_mb": "file, MB",
    "operations": "operations a token",
}
START = {"backend": "torch.ao int8 dynamic", "size": "25M"}


def crossover_replay(speed_store: Store) -> Replay:
    """Speed beside float32 over the size of the model, and file sizes at one size, for every backend."""
    rows = speeds(speed_store).rename(columns={"speedup_low": "low", "speedup_high": "high"})
    rows["millions"], rows["file_mb"] = rows["parameters"] / 1e6, rows["file_bytes"] / 1e6
    backends = tuple(name for name in BACKENDS if name in set(rows["backend"]))
    sizes = tuple(name for name in CROSSOVER_SIZES if name in set(rows["size"]))
    sliders = (
        Slider(column="backend", label="Backend", values=backends, words=backends, start=START["backend"]),
        Slider(
            column="size",
            label="Model",
            values=sizes,
            words=tuple(f"{s} parameters" for s in sizes),
            start=START["size"],
        ),
    )
    flips = {backend: crossover_size(speed_store.rows.values(), backend) for backend in backends}
    return Replay(
        (_speedup(rows, sliders), _files(rows, sliders)),
        sliders,
        rows=rows,
        columns=COLUMNS,
        origin=str(origin(speed_store)),
        title="Is it faster yet? Decoding with few bits beside float32",
        alt=(
            "Two charts. Lines: how many times as fast as float32 each backend decodes, over the parameters of the "
            "model, both axes logarithmic; the chosen backend with the band of its interval, the others faint, and a "
            "line where nothing is gained. Bars: the file of every backend at the chosen size, in millions of bytes. "
            "The sentence below and the table say the same in numbers."
        ),
        key="Blue: the chosen backend with its 95 % interval. Orange: the chosen size and backend. Grey: the others.",
        readout=partial(_said, rows, flips),
    )


def _said(rows: pd.DataFrame, flips: dict[str, str | None], *, backend: str, size: str) -> str:
    row = rows[(rows["backend"] == backend) & (rows["size"] == size)].iloc[0]
    flip = flips[backend]
    where = f"From {flip} on it is faster than float32." if flip else "At no size is it surely faster from there on."
    if backend == "float32":
        where = "Two copies of the same model: what differs is noise."
    return (
        f"{backend}, {size}: {row['speedup']:.2f} times as fast as float32 ({row['low']:.2f} to {row['high']:.2f}: "
        f"{row['verdict']}), {row['tokens_per_s']:,.0f} tokens/s. File {row['file_mb']:.3g} MB, float32 "
        f"{row['float_file_bytes'] / 1e6:.3g} MB; {row['operations']:,} operations a token, float32 "
        f"{row['float_operations']:,}. {where}"
    )


def _speedup(rows: pd.DataFrame, sliders: tuple[Slider, Slider]) -> alt.LayerChart:
    backend, size = sliders
    base = alt.Chart(rows[["backend", "size", "millions", "speedup", "low", "high"]])
    ticks = [float(f"{value:.1g}") for value in sorted(rows["millions"].unique())]
    axis = alt.Axis(title="parameters, millions", values=ticks, format="~g", grid=False)
    x = alt.X("millions:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=axis)

    def y(column: str) -> alt.Y:
        axis = alt.Axis(title=None, values=[1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4], format="~g")
        return alt.Y(f"{column}:Q", scale=alt.Scale(type="log", base=2, nice=False, padding=6), axis=axis)

    one = alt.Chart(alt.InlineData(values=[{"speedup": 1}])).mark_rule(color=FAINT, strokeDash=[5, 3], strokeWidth=1.5)
    mine = base.transform_filter(backend.chosen)
    layers = [
        base.transform_filter(f"!({backend.chosen})")
        .mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2)
        .encode(x=x, y=y("speedup"), detail="backend:N"),
        one.encode(y=y("speedup")),
        mine.mark_area(color=CHOSEN, opacity=0.25).encode(x=x, y=y("low"), y2="high:Q"),
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y("speedup")),
        mine.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x=x, y=y("speedup")),
        mine.transform_filter(size.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y("speedup")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="times as fast as float32")


def _files(rows: pd.DataFrame, sliders: tuple[Slider, Slider]) -> alt.LayerChart:
    backend, size = sliders
    base = alt.Chart(rows[["backend", "size", "file_mb"]]).transform_filter(size.chosen)
    base = base.transform_calculate(said="format(datum.file_mb, '.3~r')")
    axis = alt.Axis(title="MB on disk", tickCount=4, grid=False)
    x = alt.X("file_mb:Q", scale=alt.Scale(zero=True, padding=30), axis=axis)
    y = alt.Y(
        "backend:N", sort=list(backend.values), axis=alt.Axis(title=None, ticks=False, minExtent=150, labelLimit=170)
    )
    layers = [
        base.transform_filter(f"!({backend.chosen})").mark_bar(color=FAINT, opacity=0.6).encode(x=x, y=y),
        base.transform_filter(backend.chosen).mark_bar(color=MARKED).encode(x=x, y=y),
        base.mark_text(**TEXT, align="left", dx=4).encode(x=x, y=y, text="said:N"),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="file at the chosen size")
