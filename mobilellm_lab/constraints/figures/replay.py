"""Replays: measured and predicted decode speed; memory, speed and battery of every device card"""

from collections.abc import Callable, Sequence
from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab import zoo
from mobilellm_lab.charts.replay import CHOSEN, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints import (
    DEVICES,
    EFFICIENCY,
    EFFICIENCY_RANGE,
    Device,
    Workload,
    decode_speed,
    endurance,
    fit,
)
from mobilellm_lab.constraints.study.evidence import TERMS, decoded
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

OTHER = "#009e73"  # the third colour of the palette: predictions
MEASURED = (
    {"size": "model", "parameters": "parameters", "context": "context", "batch": "batch", "bits": "bits"}
    | {"p50": "tokens/s, median", "p10": "p10", "p90": "p90", "predicted": "predicted tokens/s"}
    | {"memory_ms": "memory, ms", "dispatch_ms": "dispatch, ms", "compute_ms": "compute, ms"}
    | {"step_ms": "measured, ms"}
)
CARDS = (
    {"device": "device", "model": "model", "bits": "bits", "context": "context"}
    | {"weights_mib": "weights, MiB", "kv_mib": "KV cache, MiB", "budget_mib": "one app may take, MiB"}
    | {"speed": "tokens/s", "low": "lowest", "high": "highest"}
    | {"fewest_hours": "hours on one charge, fewest", "most_hours": "most"}
)
MODELS = ("MobileLLM-125M", "MobileLLM-350M", "MobileLLM-600M", "MobileLLM-1B", "Llama-3.2-1B")
BITS = (16, 8, 4)
CONTEXTS = (512, 2048, 8192)
BY_FORMULA = "By formula, not measured: the cards' numbers carry their sources in the chapter."


def machine_replay(store: Store) -> Replay:
    """Decode speed on one thread of the sweep's machine, measured beside predicted, for every measured setting."""
    rows = decoded(store).query("threads == 1")
    sliders = (
        _slider(rows, "size", "Model", lambda size: f"{size} parameters", start="125M"),
        _slider(rows, "context", "Context", lambda context: f"{context:,} tokens", start=1024),
        _slider(rows, "batch", "Batch", lambda batch: f"{batch} sequence" + "s" * (batch > 1), start=4),
        _slider(rows, "bits", "Bits", lambda bits: f"{bits} bits", start=32),
    )
    return Replay(
        (_speeds(rows, sliders), _step(rows, sliders)),
        sliders,
        rows=rows,
        columns=MEASURED,
        origin=str(origin(store)),
        title="Decode speed, predicted from this machine's probes and measured",
        alt=(
            "Two charts. Tokens per second against model size for the chosen context, batch and bits: measured dots "
            "with bars from p10 to p90, and the prediction as a line. Milliseconds of one step of the chosen model: "
            "the predicted parts one after the other, and the measured time above them. "
            "The sentence below and the table say the same in numbers."
        ),
        key="Blue: measured, bars from p10 to p90. Green: predicted. Orange: the chosen model.",
        readout=partial(_measured_said, rows.set_index(["size", "context", "batch", "bits"])),
    )


def cards_replay(devices: Sequence[Device] = tuple(DEVICES.values())) -> Replay:
    """Memory, speed and battery of every card and model, computed from the cards when called."""
    rows = pd.DataFrame(
        _card_row(device, model, bits, context)
        for device in devices
        for model in MODELS
        for bits in BITS
        for context in CONTEXTS
    )
    sliders = (
        _slider(rows, "device", "Device", str),
        _slider(rows, "model", "Model", str),
        _slider(rows, "bits", "Bits", lambda bits: f"{bits} bits", start=16),
        _slider(rows, "context", "Context", lambda context: f"{context:,} tokens"),
    )
    low, high = EFFICIENCY_RANGE
    return Replay(
        (_memory(rows, sliders), _ceilings(rows, sliders)),
        sliders,
        rows=rows,
        columns=CARDS,
        origin=f"the roofline at {low:.0%} to {high:.0%} of the peak bandwidth, which published runs reach",
        title="Memory, decode speed and battery by device card",
        alt=(
            "Two charts. Memory of the chosen model on the chosen device: bars for weights, KV cache and activations, "
            "and a rule where one app's share ends. Tokens per second of the chosen model on every device, as a range, "
            "the chosen device marked. The sentence below and the table say the same in numbers."
        ),
        key="Blue: what the model takes, and the range of its speed. Orange: the chosen device and its budget.",
        readout=partial(_card_said, rows.set_index(["device", "model", "bits", "context"])),
        badge=BY_FORMULA,
    )


def _slider(rows: pd.DataFrame, column: str, label: str, word: Callable[..., str], start: object = None) -> Slider:
    values = tuple(dict.fromkeys(rows[column].tolist()))
    values = values if isinstance(values[0], str) else tuple(sorted(values))  # names keep the rows' order
    return Slider(column=column, label=label, values=values, words=tuple(map(word, values)), start=start or values[0])


def _measured_said(rows: pd.DataFrame, *, size: str, context: int, batch: int, bits: int) -> str:
    row = rows.loc[(size, context, batch, bits)]
    off = row["p50"] / row["predicted"] - 1
    longer = "memory_ms" if row["memory_ms"] >= row["compute_ms"] else "compute_ms"
    parts = " and ".join(f"{digits(row[name])} ms of {TERMS[name]}" for name in (longer, "dispatch_ms"))
    return (
        f"{row['parameters']:,.0f} parameters at {bits} bits, {context:,} tokens of context, batch {batch}: measured "
        f"{digits(row['p50'])} tokens/s (p10 to p90 {digits(row['p10'])} to {digits(row['p90'])}, "
        f"{row['rounds']:.0f} rounds), predicted {digits(row['predicted'])}: the measurement is {abs(off):.0%} "
        f"{'above' if off >= 0 else 'below'}. A step takes {digits(row['step_ms'])} ms; predicted are {parts}."
    )


def _card_row(device: Device, model: str, bits: int, context: int) -> dict:
    work = Workload(config=zoo.SHAPES[model].config, bits_per_weight=bits, context=context)
    needs, lasts = fit(device, work), endurance(device, work)
    low, middle, high = (
        decode_speed(device, work, efficiency=share).tokens_per_s
        for share in (EFFICIENCY_RANGE[0], EFFICIENCY, EFFICIENCY_RANGE[1])
    )
    return (
        {"device": device.name, "model": model, "bits": bits, "context": context}
        | {"weights_mib": needs.weights_mib, "kv_mib": needs.kv_mib, "activations_mib": needs.activations_mib}
        | {"budget_mib": needs.budget_mib, "total_mib": needs.total_mib}
        | {"speed": middle, "low": low, "high": high}
        | dict(zip(("fewest_hours", "most_hours"), lasts.hours or (None, None), strict=True))
    )


def _card_said(rows: pd.DataFrame, *, device: str, model: str, bits: int, context: int) -> str:
    row = rows.loc[(device, model, bits, context)]
    total, budget = row["total_mib"], row["budget_mib"]
    room = f"of the {digits(budget)} MiB for one app: {'fits' if total <= budget else 'too large'}"
    if pd.isna(budget):
        room = "and the memory of the device is unknown"
    speed = f"{digits(row['low'])} to {digits(row['high'])} tokens/s"
    lasts = f"{digits(row['fewest_hours'])} to {digits(row['most_hours'])} hours of writing on one charge"
    return (
        f"{model} at {bits} bits and {context:,} tokens on {device}: {digits(total)} MiB {room}. "
        f"{'Speed unknown' if pd.isna(row['speed']) else speed}, "
        f"{'battery unknown' if pd.isna(row['fewest_hours']) else lasts}."
    )


def _all(sliders: Sequence[Slider]) -> str:
    return " && ".join(slider.chosen for slider in sliders)


def _speeds(rows: pd.DataFrame, sliders: Sequence[Slider]) -> alt.LayerChart:
    size, *others = sliders
    columns = ["size", "context", "batch", "bits", "parameters", "p10", "p50", "p90", "predicted"]
    base = alt.Chart(rows[columns]).transform_filter(_all(others))
    sizes = sorted(rows["parameters"].unique().tolist())
    x = alt.X(
        "parameters:Q",
        scale=alt.Scale(type="log", domain=[sizes[0], sizes[-1]], nice=False, padding=14),
        axis=alt.Axis(title="parameters", values=sizes, grid=False, format=".3~s"),
    )

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title=None, tickCount=4, format="~s"))

    layers = [
        base.mark_line(color=OTHER, strokeWidth=2, strokeDash=[6, 3]).encode(x=x, y=y("predicted")),
        base.mark_point(color=OTHER, size=60, shape="diamond", filled=False).encode(x=x, y=y("predicted")),
        base.mark_rule(color=CHOSEN, strokeWidth=2).encode(x=x, y=y("p10"), y2="p90:Q"),
        base.mark_circle(color=CHOSEN, size=50, opacity=1).encode(x=x, y=y("p50")),
        base.transform_filter(size.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y("p50")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="tokens per second")


def _step(rows: pd.DataFrame, sliders: Sequence[Slider]) -> alt.LayerChart:
    names = {slider.column for slider in sliders}
    # Reading and arithmetic overlap: the longer of the two counts, as in `constraints.predict`.
    longer = rows["memory_ms"] >= rows["compute_ms"]
    drawn = rows.assign(memory_ms=rows["memory_ms"].where(longer, 0), compute_ms=rows["compute_ms"].where(~longer, 0))
    parts = drawn.melt([*names], [*TERMS], "part", "ms").assign(bar="predicted")
    parts["part"] = parts["part"].map(TERMS)
    timed = rows[[*names, "step_ms"]].rename(columns={"step_ms": "ms"}).assign(bar="measured", part="measured")
    base = alt.Chart(pd.concat([parts, timed])).transform_filter(_all(sliders))
    order = ["measured", *TERMS.values()]
    color = alt.Color(
        "part:N",
        scale=alt.Scale(domain=order, range=[MARKED, OTHER, "#56b4e9", "#cc79a7"]),
        legend=alt.Legend(orient="bottom", title=None, columns=2, labelFont=TEXT["font"], symbolType="square"),
    )
    axis = alt.Axis(title="ms per step", tickCount=5, format=",.3~g")
    layer = base.mark_bar(height=34).encode(
        x=alt.X("ms:Q", scale=alt.Scale(zero=True), axis=axis, stack="zero"),
        y=alt.Y("bar:N", sort=["measured", "predicted"], axis=alt.Axis(title=None, ticks=False)),
        color=color,
        order=alt.Order("part:N"),
    )
    return alt.layer(layer).properties(height=HEIGHT, title="one step of the chosen model")


def _memory(rows: pd.DataFrame, sliders: Sequence[Slider]) -> alt.LayerChart:
    names = [slider.column for slider in sliders]
    words = {"weights_mib": "weights", "kv_mib": "KV cache", "activations_mib": "activations"}
    parts = rows.melt(names, [*words], "part", "mib").assign(part=lambda frame: frame["part"].map(words))
    # One row per model, bits and context: the parts do not depend on the device.
    parts = parts.drop(columns="device").drop_duplicates()
    budgets = rows[["device", "budget_mib"]].drop_duplicates()
    y = alt.Y("part:N", sort=list(words.values()), axis=alt.Axis(title=None, ticks=False))
    x = alt.X(
        "mib:Q", scale=alt.Scale(type="symlog", constant=10), axis=alt.Axis(title="MiB", values=[10, 100, 1000, 10_000])
    )
    mine = alt.Chart(parts).transform_filter(_all(sliders[1:]))
    rule = alt.Chart(budgets).transform_filter(f"{sliders[0].chosen} && isValid(datum.budget_mib)")
    bars = mine.mark_bar(color=CHOSEN, height=26).encode(x=x, y=y)
    numbers = mine.mark_text(**TEXT, align="left", dx=4).encode(x=x, y=y, text=alt.Text("mib:Q", format=",.3~r"))
    line = rule.mark_rule(color=MARKED, strokeWidth=2.5, strokeDash=[6, 3]).encode(x="budget_mib:Q")
    return alt.layer(bars, numbers, line).properties(height=HEIGHT, title="memory, and what one app may take")


def _ceilings(rows: pd.DataFrame, sliders: Sequence[Slider]) -> alt.LayerChart:
    device, *others = sliders
    base = alt.Chart(rows[[slider.column for slider in sliders] + ["low", "speed", "high"]]).transform_filter(
        _all(others)
    )
    y = alt.Y("device:N", sort=list(device.values), axis=alt.Axis(title=None, ticks=False, labelLimit=190))
    known = base.transform_filter("isValid(datum.speed)")
    mine = known.transform_filter(device.chosen)
    x = alt.X("low:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=None, tickCount=5, format="~s"))
    unknown = base.transform_filter("!isValid(datum.speed)")
    layers = [
        known.mark_rule(color=CHOSEN, strokeWidth=3).encode(x=x, x2="high:Q", y=y),
        known.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x="speed:Q", y=y),
        mine.mark_rule(color=MARKED, strokeWidth=5).encode(x=x, x2="high:Q", y=y),
        mine.mark_circle(color=MARKED, size=90, opacity=1).encode(x="speed:Q", y=y),
        unknown.mark_text(**TEXT, align="left").encode(x=alt.value(4), y=y, text=alt.value("unknown")),
        unknown.transform_filter(device.chosen)
        .mark_point(color=MARKED, size=90, shape="triangle-left", filled=True)
        .encode(x=alt.value(64), y=y),
    ]
    return alt.layer(*layers).properties(height=20 * len(device.values), title="tokens per second on every device")
